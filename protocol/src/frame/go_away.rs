//! GoAway (0x0c), server to device: finish, then reconnect.
//!
//! ```text
//! reason u8 | jitter_ms u32 | endpoint s8
//! ```
//! Always: the connection still works after it; the server closes it later.

use bytes::{BufMut, BytesMut};

use crate::error::FrameError;
use crate::field::{self, Parsed};
use crate::limits::ENDPOINT_LEN_MAX;
use crate::wire::{GO_AWAY_FIXED_LEN, GoAwayReason};

/// A request to reconnect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoAway {
    /// Why.
    pub reason: GoAwayReason,
    /// Wait a random time between 0 and this before reconnecting, in milliseconds.
    pub jitter_ms: u32,
    /// HOST:PORT to use, at most 255 bytes; empty: the same as before.
    pub endpoint: String,
}

impl GoAway {
    pub(crate) fn parse(body: &[u8]) -> Result<Self, FrameError> {
        field::finish(Self::fields(body))
    }

    fn fields(input: &[u8]) -> Parsed<'_, Self> {
        let (input, reason) = field::read_u8("go_away.reason", input)?;
        let (input, jitter_ms) = field::read_u32("go_away.jitter_ms", input)?;
        let (input, endpoint) = field::read_text("go_away.endpoint", 0..=ENDPOINT_LEN_MAX, input)?;
        let go_away = Self {
            reason: GoAwayReason::from_number(reason),
            jitter_ms,
            endpoint,
        };
        Ok((input, go_away))
    }

    pub(crate) fn check(&self) -> Result<(), FrameError> {
        field::check_len(
            "go_away.endpoint",
            self.endpoint.len(),
            0..=ENDPOINT_LEN_MAX,
        )
    }

    pub(crate) fn body_len(&self) -> usize {
        GO_AWAY_FIXED_LEN.saturating_add(self.endpoint.len())
    }

    pub(crate) fn write(&self, out: &mut BytesMut) {
        out.put_u8(self.reason.number());
        out.put_u32(self.jitter_ms);
        field::write_counted(self.endpoint.as_bytes(), out);
    }
}
