//! One delivery as bytes: which receipts it tells, its body and its headers, in either form.
//!
//! Always: receipts stand in their order; the body is no longer than its bound unless one receipt alone is; the id is
//! the same for the same receipts, however often they are sent.

use protocol::{ClientId, MessageId};
use schema::record::{App, Receipt};
use serde::Serialize;
use server_core::outbox::Fate;
use server_core::report::QueuedReceipt;

use super::sign;
use crate::limits::WEBHOOK_BODY_LEN_MAX;
use crate::receipt::{ReceiptView, message_id, payload};

/// The header of the delivery's id.
const DELIVERY: &str = "ringpost-delivery";
/// The header of the time that is signed.
const TIMESTAMP: &str = "ringpost-timestamp";
/// The header of the signature.
const SIGNATURE: &str = "ringpost-signature";

/// How an app wants its receipts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// As Getui sends them: told at most three times, whatever is answered.
    Getui,
    /// In our own form: told until 2xx is answered.
    Signed,
}

impl Mode {
    /// What is set; without it, our own form if there is a secret for it.
    pub(super) fn of(app: &App) -> Mode {
        let callback = &app.settings.callback;
        match callback.mode.as_deref() {
            Some("signed") => Mode::Signed,
            Some(_) => Mode::Getui,
            None if callback.secret.is_some() => Mode::Signed,
            None => Mode::Getui,
        }
    }

    /// Whether a receipt is told in this form. Getui's knows no word for a message that did not arrive.
    pub(super) fn tells(self, receipt: &Receipt) -> bool {
        match self {
            Mode::Signed => true,
            Mode::Getui => {
                let acked = Fate::from_number(receipt.fate) == Some(Fate::Acked);
                acked || receipt.action != 0 || receipt.upstream != 0
            }
        }
    }
}

/// A receipt and what its push wants echoed.
#[derive(Debug)]
pub(super) struct Event {
    /// What is told.
    pub(super) queued: QueuedReceipt,
    /// `settings.custom_callback` of its push.
    pub(super) custom_callback: Option<String>,
}

/// What is sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Parcel {
    /// The place of the last receipt in it.
    pub(super) upto: u64,
    /// How many there are.
    pub(super) count: usize,
    /// The body.
    pub(super) body: Vec<u8>,
    /// The type of the body.
    pub(super) content_type: &'static str,
    /// Headers of this form.
    pub(super) headers: Vec<(&'static str, String)>,
}

/// One line of Getui's form.
#[derive(Serialize)]
struct Line<'a> {
    appid: &'a str,
    cid: &'a str,
    taskid: &'a str,
    msgid: &'a str,
    code: &'static str,
    desc: &'static str,
    sign: String,
    #[serde(rename = "actionId")]
    action_id: String,
    recvtime: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    custom_callback: Option<&'a str>,
}

impl Parcel {
    /// As many of the receipts, of which there is one, as fit.
    pub(super) fn pack(mode: Mode, app: &App, events: &[Event], now_ms: u64) -> Parcel {
        let mut texts = Vec::new();
        let mut len = 0;
        for event in events {
            let text = match mode {
                Mode::Getui => line(app, event),
                Mode::Signed => text(&ReceiptView::new(
                    &event.queued,
                    event.custom_callback.as_deref(),
                )),
            };
            len += text.len() + 1;
            if len > WEBHOOK_BODY_LEN_MAX && !texts.is_empty() {
                break;
            }
            texts.push(text);
        }
        let (first, last) = (&events[0].queued, &events[texts.len() - 1].queued);
        let (first, last) = (first.order, last.order);
        let (count, upto) = (texts.len(), last);
        match mode {
            Mode::Getui => Parcel {
                upto,
                count,
                body: (texts.join("\n") + "\n").into_bytes(),
                content_type: "text/plain;charset=utf-8",
                headers: Vec::new(),
            },
            Mode::Signed => {
                let id = format!("{}-{}", MessageId(first), MessageId(last));
                let body = format!(
                    r#"{{"id":"{id}","sent_ms":{now_ms},"appid":{},"events":[{}]}}"#,
                    text(&app.app_id),
                    texts.join(",")
                )
                .into_bytes();
                let callback = &app.settings.callback;
                let secret = callback.secret.as_ref().unwrap_or(&app.master_secret);
                let headers = vec![
                    (SIGNATURE, sign::signed(secret, now_ms, &body)),
                    (TIMESTAMP, now_ms.to_string()),
                    (DELIVERY, id),
                ];
                Parcel {
                    upto,
                    count,
                    body,
                    content_type: "application/json;charset=utf-8",
                    headers,
                }
            }
        }
    }
}

fn line(app: &App, event: &Event) -> String {
    let receipt = &event.queued.receipt;
    let cid = ClientId::from_bytes(receipt.cid).to_string();
    let msgid = message_id(receipt);
    text(&Line {
        appid: &app.app_id,
        cid: &cid,
        taskid: &receipt.task_id,
        msgid: &msgid,
        code: "200",
        desc: "ok",
        sign: sign::getui([
            &app.app_id,
            &cid,
            &receipt.task_id,
            &msgid,
            &app.master_secret,
        ]),
        action_id: receipt.action.to_string(),
        recvtime: receipt.at_ms,
        payload: payload(&event.queued),
        custom_callback: event.custom_callback.as_deref(),
    })
}

fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("texts and numbers are JSON")
}

#[cfg(test)]
mod tests;
