//! What the developer's server is to hear of one message to a device, or from it.
//!
//! Owner: the commit; the key holds the app and the place in the order. Always: written in the batch of the event it tells.

use crate::SchemaError;
use crate::generated::record as fb;
use crate::limits::SMALL_RECORD_LEN_MAX;
use crate::root::Shape;

const RECEIPT: Shape = Shape {
    what: "Receipt",
    len_max: SMALL_RECORD_LEN_MAX,
};

/// See the module page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// The client.
    pub cid: [u8; 16],
    /// The task.
    pub task_id: String,
    /// The message.
    pub message: u64,
    /// The number of its fate, as server-core gives it; 0 if it has not ended.
    pub fate: u8,
    /// What the user did; 0 for the arrival.
    pub action: u32,
    /// Unix milliseconds.
    pub at_ms: u64,
    /// For a message of the device: what the device calls it; 0 for none.
    pub upstream: u64,
    /// Rows that a message of the device lies in.
    pub pieces: u16,
}

impl Receipt {
    /// The value to store.
    pub fn encode(&self) -> Vec<u8> {
        RECEIPT.build(|builder| {
            let task_id = builder.create_string(&self.task_id);
            fb::Receipt::create(
                builder,
                &fb::ReceiptArgs {
                    cid: Some(&fb::Bytes16::new(&self.cid)),
                    task_id: Some(task_id),
                    message: self.message,
                    fate: self.fate,
                    action: self.action,
                    at_ms: self.at_ms,
                    upstream: self.upstream,
                    pieces: self.pieces,
                },
            )
        })
    }

    /// Reads a stored value.
    ///
    /// # Errors
    /// Longer than [`SMALL_RECORD_LEN_MAX`], or not a verified `Receipt`.
    pub fn decode(bytes: &[u8]) -> Result<Receipt, SchemaError> {
        let row = RECEIPT.open::<fb::Receipt>(bytes)?;
        Ok(Receipt {
            cid: row.cid().bytes().into(),
            task_id: row.task_id().to_owned(),
            message: row.message(),
            fate: row.fate(),
            action: row.action(),
            at_ms: row.at_ms(),
            upstream: row.upstream(),
            pieces: row.pieces(),
        })
    }
}
