//! Upstream (0x0a), device to server: a message to the third party.
//!
//! ```text
//! upstream_id u64 | task_id s8 | body to the end of the frame
//! ```
//! Always: the body takes the rest of the frame, so a later version adds no field behind it; it
//! is the app's own and opaque here. The id is not 0.

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};

use crate::error::FrameError;
use crate::field::{self, Parsed, refuse};
use crate::limits::{UPSTREAM_BODY_LEN_MAX, UPSTREAM_TASK_LEN_MAX};
use crate::wire::UPSTREAM_FIXED_LEN;

/// What a device calls one of its messages; it never gives the same to another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UpstreamId(pub u64);

impl fmt::Display for UpstreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl UpstreamId {
    pub(crate) fn check(self, field: &'static str) -> Result<(), FrameError> {
        field::check_range(field, self.0, 1..=u64::MAX)
    }
}

/// A message of a device to its third party.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// Chosen by the device, not 0; a repeat has the same.
    pub id: UpstreamId,
    /// The app's own name for what this belongs to, at most 64 bytes of UTF-8.
    pub task_id: String,
    /// The message, at most [`UPSTREAM_BODY_LEN_MAX`] bytes.
    pub body: Bytes,
}

impl Upstream {
    pub(crate) fn parse(body: &[u8]) -> Result<Self, FrameError> {
        field::finish(Self::fields(body))
    }

    fn fields(input: &[u8]) -> Parsed<'_, Self> {
        let (input, id) = field::read_u64("upstream.upstream_id", input)?;
        let (input, task_id) =
            field::read_text("upstream.task_id", 0..=UPSTREAM_TASK_LEN_MAX, input)?;
        let upstream = Self {
            id: UpstreamId(id),
            task_id,
            body: Bytes::copy_from_slice(input),
        };
        upstream.check().or_else(refuse)?;
        Ok((&[], upstream))
    }

    pub(crate) fn check(&self) -> Result<(), FrameError> {
        self.id.check("upstream.upstream_id")?;
        field::check_len(
            "upstream.task_id",
            self.task_id.len(),
            0..=UPSTREAM_TASK_LEN_MAX,
        )?;
        field::check_len("upstream.body", self.body.len(), 0..=UPSTREAM_BODY_LEN_MAX)
    }

    pub(crate) fn body_len(&self) -> usize {
        UPSTREAM_FIXED_LEN
            .saturating_add(self.task_id.len())
            .saturating_add(self.body.len())
    }

    pub(crate) fn write(&self, out: &mut BytesMut) {
        out.put_u64(self.id.0);
        field::write_counted(self.task_id.as_bytes(), out);
        out.put_slice(&self.body);
    }
}
