//! What a receipt says, as the developer's server and the operator read it.
//!
//! Owner: whoever shows one. Always: both read the same members with the same words; ids are text, since a number of 64
//! bits does not survive every JSON reader.

use protocol::{ClientId, MessageId};
use schema::record::Receipt;
use serde::Serialize;
use server_core::outbox::Fate;

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
    #[serde(skip_serializing_if = "Option::is_none")]
    custom_callback: Option<&'a str>,
}

impl<'a> ReceiptView<'a> {
    /// A receipt at its place in the order.
    pub(crate) fn new(order: u64, receipt: &'a Receipt, custom_callback: Option<&'a str>) -> Self {
        ReceiptView {
            id: MessageId(order).to_string(),
            kind: kind(receipt),
            cid: ClientId::from_bytes(receipt.cid).to_string(),
            taskid: &receipt.task_id,
            msgid: MessageId(receipt.message).to_string(),
            action: receipt.action,
            at_ms: receipt.at_ms,
            custom_callback,
        }
    }
}

fn kind(receipt: &Receipt) -> &'static str {
    match Fate::from_number(receipt.fate) {
        Some(Fate::Acked) => "acked",
        Some(Fate::Expired) => "expired",
        Some(Fate::Revoked) => "revoked",
        None => "action",
    }
}

#[cfg(test)]
mod tests {
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
            };
            let shown = serde_json::to_value(ReceiptView::new(u64::MAX, &receipt, None));
            let expected = json!({
                "id": "ffffffffffffffff", "type": word, "cid": "ab".repeat(16), "taskid": "RASS_1",
                "msgid": "0000000000000011", "action": 7, "at_ms": 5,
            });
            assert_eq!(shown.expect("JSON"), expected);
        }
    }
}
