//! Acks that wait to leave together.
//!
//! Owner: one `Client`. Always: the ids held are strictly ascending and at most `ACK_IDS_MAX`, so
//! they fit one frame.

use bytes::BytesMut;
use protocol::limits::ACK_IDS_MAX;
use protocol::{Ack, Frame, MessageId};

#[derive(Debug, Clone, Default)]
pub(super) struct Acks {
    ids: Vec<MessageId>,
}

impl Acks {
    /// Adds an ack; a frame that cannot take it (full, or the id does not ascend) leaves first.
    pub(super) fn add(&mut self, id: MessageId, out: &mut BytesMut) {
        let ascends = self.ids.last().is_none_or(|last| id > *last);
        if !ascends || self.ids.len() == ACK_IDS_MAX {
            self.flush(out);
        }
        self.ids.push(id);
    }

    pub(super) fn flush(&mut self, out: &mut BytesMut) {
        if !self.ids.is_empty() {
            let ids = std::mem::take(&mut self.ids);
            Frame::Ack(Ack { ids }).encode(out);
        }
    }

    pub(super) fn clear(&mut self) {
        self.ids = Vec::new();
    }
}
