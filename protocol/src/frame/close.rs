//! Close (0x0d), either way: the last frame of a connection.
//!
//! ```text
//! reason u8 | retry_after_ms u32 | text s8
//! ```
//! Always: a text longer than its bound is cut when written, at a character, because a text often
//! quotes something long and a close must never fail.

use bytes::{BufMut, BytesMut};

use crate::error::FrameError;
use crate::field::{self, Parsed};
use crate::limits::CLOSE_TEXT_LEN_MAX;
use crate::wire::{CLOSE_FIXED_LEN, CloseReason};

/// The end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close {
    /// Why.
    pub reason: CloseReason,
    /// Earliest next try, in milliseconds: 0 leaves it to the client's back-off, `u32::MAX`
    /// ([`crate::wire::RETRY_NEVER`]) means never with these credentials.
    pub retry_after_ms: u32,
    /// For logs; 200 bytes of UTF-8 are sent at most.
    pub text: String,
}

impl Close {
    pub(crate) fn parse(body: &[u8]) -> Result<Self, FrameError> {
        field::finish(Self::fields(body))
    }

    fn fields(input: &[u8]) -> Parsed<'_, Self> {
        let (input, reason) = field::read_u8("close.reason", input)?;
        let (input, retry_after_ms) = field::read_u32("close.retry_after_ms", input)?;
        let (input, text) = field::read_text("close.text", 0..=CLOSE_TEXT_LEN_MAX, input)?;
        Ok((
            input,
            Self {
                reason: CloseReason::from_number(reason),
                retry_after_ms,
                text,
            },
        ))
    }

    pub(crate) fn body_len(&self) -> usize {
        CLOSE_FIXED_LEN.saturating_add(self.sent_text().len())
    }

    pub(crate) fn write(&self, out: &mut BytesMut) {
        out.put_u8(self.reason.number());
        out.put_u32(self.retry_after_ms);
        field::write_counted(self.sent_text().as_bytes(), out);
    }

    fn sent_text(&self) -> &str {
        let end = self.text.floor_char_boundary(CLOSE_TEXT_LEN_MAX);
        self.text.get(..end).unwrap_or_default()
    }
}
