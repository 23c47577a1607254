//! What the developer's server was told, kept by event.
//!
//! Always: an event that came again came with the same words; nothing is told by two events. What
//! the receiver took is taken over from it, so that a long run does not fill it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::books::Message;
use super::harness::receiver::Receiver;

/// What was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Acked,
    Shown,
    Clicked,
    Upstream,
}

/// See the module page.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// Words of each event, by its id.
    events: BTreeMap<String, (Kind, String, String)>,
    by_kind: BTreeMap<Kind, BTreeSet<Message>>,
    /// Events that came more than once.
    pub(crate) again: u64,
}

impl Told {
    /// Takes what came since the last look.
    pub(crate) fn read_on(&mut self, receiver: &Receiver) {
        for delivery in receiver.take_new() {
            if !(200..300).contains(&delivery.status) {
                continue;
            }
            for event in delivery.events() {
                self.note(&event);
            }
        }
    }

    fn note(&mut self, event: &Value) {
        let text = |name: &str| event[name].as_str().expect(name).to_owned();
        let kind = match (text("type").as_str(), event["action"].as_u64()) {
            ("acked", _) => Kind::Acked,
            ("action", Some(10_000)) => Kind::Shown,
            ("action", Some(10_010)) => Kind::Clicked,
            ("upstream", _) => Kind::Upstream,
            _ => panic!("nothing of that kind was done: {event}"),
        };
        // A message of a device has no task of its own: all have the same.
        let what = match kind {
            Kind::Upstream => text("msgid"),
            _ => text("taskid"),
        };
        let words = (kind, what.clone(), text("cid"));
        if let Some(before) = self.events.insert(text("id"), words.clone()) {
            assert_eq!(before, words, "came again with other words: {event}");
            self.again += 1;
            return;
        }
        let is_new = self
            .by_kind
            .entry(kind)
            .or_default()
            .insert((what, text("cid")));
        assert!(is_new, "told by two events: {event}");
    }

    /// Task (or the device's number of its message) and CID of all that was told of this kind.
    pub(crate) fn of(&mut self, kind: Kind) -> &BTreeSet<Message> {
        self.by_kind.entry(kind).or_default()
    }
}
