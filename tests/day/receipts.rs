//! What the developer's server was told: receipts in the form `signed`, each checked as its page says.
//!
//! Always: a signature is made anew from the bytes that came; an event that came again came with
//! the same words; no message ended twice.

use std::collections::BTreeMap;

use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;

use super::harness::receiver::{Delivery, Receiver};
use super::ledger::now_ms;

/// What a receiver was told, by the type of the event.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// `(type, task, cid)` with the message id.
    messages: BTreeMap<(String, String, String), String>,
}

/// Reads all that a receiver took. `from_ms`: nothing happened before.
pub(crate) fn told(receiver: &Receiver, app: &str, secret: &str, from_ms: u64) -> Told {
    let mut told = Told::default();
    let mut events: BTreeMap<String, Value> = BTreeMap::new();
    let mut deliveries: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for delivery in receiver.taken() {
        check_head(&delivery, app, secret);
        let id = delivery.header("ringpost-delivery").to_owned();
        let these = delivery.events();
        if let Some(before) = deliveries.insert(id, these.clone()) {
            assert_eq!(before, these, "one id, one delivery");
        }
        for event in these {
            let text = |name: &str| event[name].as_str().expect(name).to_owned();
            let id = text("id");
            if let Some(before) = events.get(&id) {
                assert_eq!(*before, event, "came again with other words");
                continue;
            }
            let newest = events.last_key_value().map(|(id, _)| id);
            assert!(
                newest.is_none_or(|newest| *newest < id),
                "out of order: {event}"
            );
            let at_ms = event["at_ms"].as_u64().expect("a time");
            assert!((from_ms..=now_ms()).contains(&at_ms), "{event}");
            let kind = match event["action"].as_u64() {
                Some(0) => text("type"),
                action => format!("{} {}", text("type"), action.expect("a number")),
            };
            let message = (kind, text("taskid"), text("cid"));
            let twice = told.messages.insert(message, text("msgid"));
            assert_eq!(twice, None, "told by two events: {event}");
            events.insert(id, event);
        }
    }
    told
}

impl Told {
    /// The messages of this type, an action with its number behind it, as `(task, cid)` with the message id.
    pub(crate) fn of_type(&self, kind: &str) -> BTreeMap<(String, String), String> {
        let these = self.messages.iter().filter(|((it, ..), _)| it == kind);
        these
            .map(|((_, task, cid), msgid)| ((task.clone(), cid.clone()), msgid.clone()))
            .collect()
    }
}

fn check_head(delivery: &Delivery, app: &str, secret: &str) {
    let timestamp = delivery.header("ringpost-timestamp");
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("a key");
    mac.update(format!("{timestamp}.{}", delivery.body).as_bytes());
    let digest = mac.finalize().into_bytes();
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        delivery.header("ringpost-signature"),
        format!("sha256={hex}")
    );
    let body: Value = serde_json::from_str(&delivery.body).expect("JSON");
    assert_eq!(body["id"], delivery.header("ringpost-delivery"));
    assert_eq!(body["sent_ms"].to_string(), timestamp);
    assert_eq!(body["appid"], app);
}
