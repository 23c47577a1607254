//! Push (0x05), server to device: one message.
//!
//! ```text
//! message_id u64 | flags u8 | body to the end of the frame
//! ```
//! Always: the body is opaque here (a FlatBuffers `PushMessage`, or sealed); it takes the rest of
//! the frame, so a later version adds no field behind it; unknown flags are ignored.

use bytes::{BufMut, Bytes, BytesMut};

use crate::error::FrameError;
use crate::field::{self, Parsed};
use crate::limits::PUSH_BODY_LEN_MAX;
use crate::message_id::MessageId;
use crate::wire::{PUSH_FIXED_LEN, PUSH_FLAG_SEALED};

/// One message on its way to a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Push {
    /// The message; ids of one client rise.
    pub id: MessageId,
    /// The body is encrypted end to end.
    pub sealed: bool,
    /// The message, at most [`PUSH_BODY_LEN_MAX`] bytes.
    pub body: Bytes,
}

impl Push {
    pub(crate) fn parse(body: &[u8]) -> Result<Self, FrameError> {
        field::finish(Self::fields(body))
    }

    fn fields(input: &[u8]) -> Parsed<'_, Self> {
        let (input, id) = field::read_u64("push.message_id", input)?;
        let (input, flags) = field::read_u8("push.flags", input)?;
        let push = Self {
            id: MessageId(id),
            sealed: flags & PUSH_FLAG_SEALED != 0,
            // A copy: a slice of the read buffer would keep the whole buffer as long as the app
            // keeps one message.
            body: Bytes::copy_from_slice(input),
        };
        Ok((&[], push))
    }

    pub(crate) fn check(&self) -> Result<(), FrameError> {
        field::check_len("push.body", self.body.len(), 0..=PUSH_BODY_LEN_MAX)
    }

    pub(crate) fn body_len(&self) -> usize {
        PUSH_FIXED_LEN.saturating_add(self.body.len())
    }

    pub(crate) fn write(&self, out: &mut BytesMut) {
        out.put_u64(self.id.0);
        out.put_u8(if self.sealed { PUSH_FLAG_SEALED } else { 0 });
        out.put_slice(&self.body);
    }
}
