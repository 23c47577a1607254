//! What a receipt says, as the developer's server and the operator read it.
//!
//! Owner: whoever shows one. Always: both read the same members with the same words; ids are text, since a number of 64
//! bits does not survive every JSON reader.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use protocol::{ClientId, MessageId, UpstreamId};
use schema::record::Receipt;
use serde::Serialize;
use server_core::outbox::Fate;
use server_core::report::QueuedReceipt;

/// One receipt as JSON.
#[derive(Debug, Serialize)]
pub(crate) struct ReceiptView<'a> {
    /// Its place in the order, the same each time it is told.
    id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    cid: String,
    taskid: &'a str,
    msgid: String,
    action: u32,
    at_ms: u64,
    /// What a message of the device says, in base 64.
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    custom_callback: Option<&'a str>,
}

impl<'a> ReceiptView<'a> {
    /// A receipt at its place in the order.
    pub(crate) fn new(queued: &'a QueuedReceipt, custom_callback: Option<&'a str>) -> Self {
        let receipt = &queued.receipt;
        ReceiptView {
            id: MessageId(queued.order).to_string(),
            kind: kind(receipt),
            cid: ClientId::from_bytes(receipt.cid).to_string(),
            taskid: &receipt.task_id,
            msgid: message_id(receipt),
            action: receipt.action,
            at_ms: receipt.at_ms,
            payload: payload(queued),
            custom_callback,
        }
    }
}

/// The id of the message that a receipt tells of: ours, or for a message of a device its own.
pub(crate) fn message_id(receipt: &Receipt) -> String {
    match receipt.upstream {
        0 => MessageId(receipt.message).to_string(),
        id => UpstreamId(id).to_string(),
    }
}

/// What a message of a device says, in base 64, since it need not be text.
pub(crate) fn payload(queued: &QueuedReceipt) -> Option<String> {
    (queued.receipt.upstream != 0).then(|| BASE64_STANDARD.encode(&queued.body))
}

fn kind(receipt: &Receipt) -> &'static str {
    if receipt.upstream != 0 {
        return "upstream";
    }
    match Fate::from_number(receipt.fate) {
        Some(Fate::Acked) => "acked",
        Some(Fate::Expired) => "expired",
        Some(Fate::Revoked) => "revoked",
        None => "action",
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::json;

    use super::*;

    #[test]
    fn given_each_fate_when_shown_should_have_its_word_and_ids_as_text() {
        for (fate, word) in [(1, "acked"), (2, "expired"), (3, "revoked"), (0, "action")] {
            let receipt = Receipt {
                cid: [0xab; 16],
                task_id: "RASS_1".into(),
                message: 0x11,
                fate,
                action: 7,
                at_ms: 5,
                upstream: 0,
                pieces: 0,
            };
            let queued = QueuedReceipt {
                order: u64::MAX,
                receipt,
                body: Bytes::new(),
            };
            let shown = serde_json::to_value(ReceiptView::new(&queued, None));
            let expected = json!({
                "id": "ffffffffffffffff", "type": word, "cid": "ab".repeat(16), "taskid": "RASS_1",
                "msgid": "0000000000000011", "action": 7, "at_ms": 5,
            });
            assert_eq!(shown.expect("JSON"), expected);
        }
    }

    #[test]
    fn given_a_message_of_a_device_when_shown_should_have_its_own_id_and_what_it_says() {
        let queued = QueuedReceipt {
            order: 1,
            receipt: Receipt {
                cid: [0xab; 16],
                task_id: "order-7".into(),
                message: 0,
                fate: 0,
                action: 0,
                at_ms: 5,
                upstream: 0xfeed,
                pieces: 1,
            },
            body: Bytes::from_static(b"\0\xff hello"),
        };
        let shown = serde_json::to_value(ReceiptView::new(&queued, None)).expect("JSON");
        assert_eq!(shown["type"], "upstream");
        assert_eq!(shown["msgid"], "000000000000feed");
        assert_eq!(shown["payload"], "AP8gaGVsbG8=");
    }
}
