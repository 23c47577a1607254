//! The head of every frame: one byte of kind, one to three bytes of body length.
//!
//! Always: a frame is refused at the first byte that makes it wrong, before its body is kept.
//! Order of checks: kind, direction, length. Each looks at a prefix only, so a stream gives the
//! same result however it is cut.

use bytes::{BufMut, BytesMut};

use crate::decoder::Peer;
use crate::error::FrameError;
use crate::varint::{self, Varint};
use crate::wire::{self, Kind};

/// A whole and acceptable frame header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// `None`: an unknown kind that is to be skipped.
    pub(crate) kind: Option<Kind>,
    /// Bytes of the header.
    pub(crate) len: usize,
    /// Bytes of the body.
    pub(crate) body_len: usize,
}

impl Header {
    /// Reads a header from the start of `bytes`; `None` when more bytes are needed.
    pub(crate) fn read(
        bytes: &[u8],
        sender: Peer,
        body_len_max: usize,
    ) -> Result<Option<Header>, FrameError> {
        let Some((&number, rest)) = bytes.split_first() else {
            return Ok(None);
        };
        let kind = read_kind(number, sender)?;
        match varint::read(rest, wire::LENGTH_LEN_MAX) {
            Varint::Partial => Ok(None),
            Varint::NotMinimal { len } => Err(FrameError::VarintNotMinimal {
                field: "frame.length",
                len,
            }),
            Varint::TooLong => Err(FrameError::LengthTooWide {
                kind: number,
                len_max: wire::LENGTH_LEN_MAX,
            }),
            Varint::Whole { value, len } => {
                let body_len = usize::try_from(value).unwrap_or(usize::MAX);
                if body_len > body_len_max {
                    return Err(FrameError::BodyTooLong {
                        kind: number,
                        limit: body_len_max,
                        got: body_len,
                    });
                }
                Ok(Some(Header {
                    kind,
                    len: len.saturating_add(wire::KIND_LEN),
                    body_len,
                }))
            }
        }
    }

    /// Bytes of the frame.
    pub(crate) fn frame_len(&self) -> usize {
        self.len.saturating_add(self.body_len)
    }
}

fn read_kind(number: u8, sender: Peer) -> Result<Option<Kind>, FrameError> {
    match Kind::from_number(number) {
        Some(kind) if kind.sender().is_none_or(|only| only == sender) => Ok(Some(kind)),
        Some(kind) => Err(FrameError::WrongDirection { kind }),
        None if number >= wire::KIND_IGNORABLE_FROM => Ok(None),
        None => Err(FrameError::UnknownKind { kind: number }),
    }
}

/// Bytes of the header of a frame with a body of this length.
pub(crate) fn len(body_len: usize) -> usize {
    varint::len(body_len as u64).saturating_add(wire::KIND_LEN)
}

/// Writes a header.
pub(crate) fn write(kind: Kind, body_len: usize, out: &mut BytesMut) {
    debug_assert!(
        body_len <= wire::LENGTH_MAX,
        "{kind} passed its check with {body_len} bytes"
    );
    out.put_u8(kind.number());
    varint::write(body_len as u64, out);
}
