//! Why bytes of a peer are not a frame, or why a frame of ours cannot become bytes.
//!
//! Always: every variant names the field, the bound and what came, and nothing of a secret;
//! `close_reason` is the only place that turns an error into a close reason.

use crate::wire::{CloseReason, Kind};

/// A broken rule of the frame format. Fields are named `frame.field`, as in the document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A kind below 0x80 that this version does not know.
    #[error("frame.kind: {kind:#04x} is not known and may not be skipped")]
    UnknownKind {
        /// The number that came.
        kind: u8,
    },
    /// A known kind that this peer never sends.
    #[error("frame.kind: {kind} is only sent the other way")]
    WrongDirection {
        /// The kind that came.
        kind: Kind,
    },
    /// The length field of the header does not end in time.
    #[error("frame.length: more than {len_max} bytes for kind {kind:#04x}")]
    LengthTooWide {
        /// The kind in the header.
        kind: u8,
        /// Most bytes of the field.
        len_max: usize,
    },
    /// The body is longer than this reader takes.
    #[error("frame.length: {got} bytes of body for kind {kind:#04x}, at most {limit}")]
    BodyTooLong {
        /// The kind in the header.
        kind: u8,
        /// Most bytes of a body here and now.
        limit: usize,
        /// Bytes announced.
        got: usize,
    },
    /// A varint is not in its shortest form.
    #[error("{field}: a varint of {len} bytes that has a shorter form")]
    VarintNotMinimal {
        /// The field.
        field: &'static str,
        /// Bytes that came.
        len: usize,
    },
    /// A varint does not end in time or exceeds a u64.
    #[error("{field}: a varint of more than {len_max} bytes or 64 bits")]
    VarintTooLong {
        /// The field.
        field: &'static str,
        /// Most bytes of a varint.
        len_max: usize,
    },
    /// The body ends before the field does.
    #[error("{field}: {need} bytes needed, the body has {have} left")]
    Truncated {
        /// The field.
        field: &'static str,
        /// Bytes the field needs at least.
        need: usize,
        /// Bytes left in the body.
        have: usize,
    },
    /// A text or a byte string has a length that is not allowed.
    #[error("{field}: {got} bytes, allowed are {min} to {max}")]
    BadLength {
        /// The field.
        field: &'static str,
        /// Fewest bytes allowed.
        min: usize,
        /// Most bytes allowed.
        max: usize,
        /// Bytes that came.
        got: usize,
    },
    /// A number, or a count, is not in its range.
    #[error("{field}: {got}, allowed are {min} to {max}")]
    OutOfRange {
        /// The field.
        field: &'static str,
        /// Least value allowed.
        min: u64,
        /// Greatest value allowed.
        max: u64,
        /// The value that came.
        got: u64,
    },
    /// A text is not UTF-8.
    #[error("{field}: not UTF-8 from byte {offset} on")]
    NotUtf8 {
        /// The field.
        field: &'static str,
        /// First bad byte, from the start of the text.
        offset: usize,
    },
    /// A flag is set that this version must not accept.
    #[error("{field}: {got:#010b}, only the bits of {known:#010b} may be set")]
    ReservedBits {
        /// The field.
        field: &'static str,
        /// The bits that may be set.
        known: u8,
        /// The bits that came.
        got: u8,
    },
    /// A credential type that this version does not know.
    #[error("hello.credential_type: {got}, only {known} is known")]
    UnknownCredential {
        /// The type that is known.
        known: u8,
        /// The type that came.
        got: u8,
    },
    /// A list of ids does not rise.
    #[error("{field}: {got:#018x} after {before:#018x}, ids must rise")]
    NotAscending {
        /// The field.
        field: &'static str,
        /// The id before.
        before: u64,
        /// The id that came.
        got: u64,
    },
    /// A list of ids rises beyond 64 bits.
    #[error("{field}: {before:#018x} plus {delta} exceeds 64 bits")]
    IdOverflow {
        /// The field.
        field: &'static str,
        /// The id before.
        before: u64,
        /// The delta that came.
        delta: u64,
    },
}

impl FrameError {
    /// The reason to close with when a peer sent this.
    pub fn close_reason(&self) -> CloseReason {
        match self {
            FrameError::UnknownKind { .. } => CloseReason::UnsupportedFrame,
            FrameError::WrongDirection { .. } => CloseReason::UnexpectedFrame,
            FrameError::LengthTooWide { .. } | FrameError::BodyTooLong { .. } => {
                CloseReason::FrameTooLong
            }
            // The peer is newer than we are. It shall fall back, not throw its identity away.
            FrameError::ReservedBits { .. } | FrameError::UnknownCredential { .. } => {
                CloseReason::UnsupportedVersion
            }
            FrameError::VarintNotMinimal { .. }
            | FrameError::VarintTooLong { .. }
            | FrameError::Truncated { .. }
            | FrameError::BadLength { .. }
            | FrameError::OutOfRange { .. }
            | FrameError::NotUtf8 { .. }
            | FrameError::NotAscending { .. }
            | FrameError::IdOverflow { .. } => CloseReason::ProtocolError,
        }
    }
}
