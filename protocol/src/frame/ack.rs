//! Ack (0x06), device to server: these messages are handled.
//!
//! ```text
//! first u64 | delta varint, to the end of the body
//! ```
//! Always: 1 to `ACK_IDS_MAX` ids, strictly ascending; a delta is the distance to the id before.
//! The list takes the rest of the body, so a later version adds no field behind it.

use bytes::{BufMut, BytesMut};

use crate::error::FrameError;
use crate::field::{self, Parsed, refuse};
use crate::limits::ACK_IDS_MAX;
use crate::message_id::MessageId;
use crate::varint;
use crate::wire::ACK_FIXED_LEN;

/// Messages a device has handled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ack {
    /// 1 to [`ACK_IDS_MAX`] ids, strictly ascending.
    pub ids: Vec<MessageId>,
}

impl Ack {
    pub(crate) fn parse(body: &[u8]) -> Result<Self, FrameError> {
        field::finish(Self::fields(body))
    }

    fn fields(input: &[u8]) -> Parsed<'_, Self> {
        let (mut input, first) = field::read_u64("ack.first", input)?;
        let mut last = first;
        let mut ids = vec![MessageId(first)];
        while !input.is_empty() {
            check_count(ids.len().saturating_add(1)).or_else(refuse)?;
            let (rest, delta) = field::read_varint("ack.delta", input)?;
            last = next_id(last, delta).or_else(refuse)?;
            ids.push(MessageId(last));
            input = rest;
        }
        Ok((input, Self { ids }))
    }

    pub(crate) fn check(&self) -> Result<(), FrameError> {
        check_count(self.ids.len())?;
        let mut ids = self.ids.iter();
        let mut before = ids.next();
        for id in ids {
            if let Some(before) = before.filter(|before| *before >= id) {
                return Err(FrameError::NotAscending {
                    field: "ack.ids",
                    before: before.0,
                    got: id.0,
                });
            }
            before = Some(id);
        }
        Ok(())
    }

    pub(crate) fn body_len(&self) -> usize {
        self.deltas().fold(ACK_FIXED_LEN, |len, delta| {
            len.saturating_add(varint::len(delta))
        })
    }

    pub(crate) fn write(&self, out: &mut BytesMut) {
        let first = self.ids.first().copied().unwrap_or_default();
        out.put_u64(first.0);
        self.deltas().for_each(|delta| varint::write(delta, out));
    }

    fn deltas(&self) -> impl Iterator<Item = u64> {
        let later = self.ids.iter().skip(1);
        self.ids
            .iter()
            .zip(later)
            .map(|(before, id)| id.0.saturating_sub(before.0))
    }
}

fn next_id(before: u64, delta: u64) -> Result<u64, FrameError> {
    if delta == 0 {
        return Err(FrameError::NotAscending {
            field: "ack.delta",
            before,
            got: before,
        });
    }
    before.checked_add(delta).ok_or(FrameError::IdOverflow {
        field: "ack.delta",
        before,
        delta,
    })
}

fn check_count(got: usize) -> Result<(), FrameError> {
    if (1..=ACK_IDS_MAX).contains(&got) {
        return Ok(());
    }
    Err(FrameError::OutOfRange {
        field: "ack.ids",
        min: 1,
        max: ACK_IDS_MAX as u64,
        got: got as u64,
    })
}
