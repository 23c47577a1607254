//! UpstreamAck (0x0b), server to device: where an upstream message stands.
//!
//! ```text
//! upstream_id u64 | status u8
//! ```

use bytes::{BufMut, BytesMut};

use super::upstream::UpstreamId;
use crate::error::FrameError;
use crate::field::{self, Parsed, refuse};
use crate::wire::{UPSTREAM_ACK_LEN, UpstreamStatus};

/// Where a message of the device stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpstreamAck {
    /// The id of the message, not 0.
    pub id: UpstreamId,
    /// Where it stands.
    pub status: UpstreamStatus,
}

impl UpstreamAck {
    pub(crate) fn parse(body: &[u8]) -> Result<Self, FrameError> {
        field::finish(Self::fields(body))
    }

    fn fields(input: &[u8]) -> Parsed<'_, Self> {
        let (input, id) = field::read_u64("upstream_ack.upstream_id", input)?;
        let (input, status) = field::read_u8("upstream_ack.status", input)?;
        let ack = Self {
            id: UpstreamId(id),
            status: UpstreamStatus::from_number(status),
        };
        ack.check().or_else(refuse)?;
        Ok((input, ack))
    }

    pub(crate) fn check(&self) -> Result<(), FrameError> {
        self.id.check("upstream_ack.upstream_id")
    }

    pub(crate) fn body_len(&self) -> usize {
        UPSTREAM_ACK_LEN
    }

    pub(crate) fn write(&self, out: &mut BytesMut) {
        out.put_u64(self.id.0);
        out.put_u8(self.status.number());
    }
}
