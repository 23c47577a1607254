//! CommandResult (0x09), server to device: how a command ended.
//!
//! ```text
//! serial u32 | op u8 | code u16 | detail to the end of the frame
//! ```
//! Always: the detail takes the rest of the frame, so a later version adds no field behind it;
//! what it means depends on the operation, and it is opaque here.

use bytes::{BufMut, Bytes, BytesMut};

use super::operation::{read_tags, write_tags};
use crate::error::FrameError;
use crate::field::{self, Parsed, refuse};
use crate::limits::DETAIL_LEN_MAX;
use crate::wire::{COMMAND_RESULT_FIXED_LEN, ResultCode};

/// The result of one command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandResult {
    /// The serial of the command.
    pub serial: u32,
    /// The operation of the command.
    pub op: u8,
    /// How it ended.
    pub code: ResultCode,
    /// What the operation gives back, at most [`DETAIL_LEN_MAX`] bytes.
    pub detail: Bytes,
}

impl CommandResult {
    /// The detail of the result of `QueryTags`. At most 255 tags of at most 255 bytes; the frame's
    /// check refuses more than [`DETAIL_LEN_MAX`] bytes.
    pub fn detail_of_tags<T: AsRef<str>>(tags: &[T]) -> Bytes {
        let mut detail = BytesMut::new();
        write_tags(tags, &mut detail);
        detail.freeze()
    }

    /// The tags in the detail of the result of `QueryTags`.
    ///
    /// # Errors
    /// What is wrong with the detail.
    pub fn tags(&self) -> Result<Vec<String>, FrameError> {
        field::finish(read_tags("command_result.tag", &self.detail))
    }

    pub(crate) fn parse(body: &[u8]) -> Result<Self, FrameError> {
        field::finish(Self::fields(body))
    }

    fn fields(input: &[u8]) -> Parsed<'_, Self> {
        let (input, serial) = field::read_u32("command_result.serial", input)?;
        let (input, op) = field::read_u8("command_result.op", input)?;
        let (input, code) = field::read_u16("command_result.code", input)?;
        check_detail(input).or_else(refuse)?;
        let result = Self {
            serial,
            op,
            code: ResultCode::from_number(code),
            detail: Bytes::copy_from_slice(input),
        };
        Ok((&[], result))
    }

    pub(crate) fn check(&self) -> Result<(), FrameError> {
        check_detail(&self.detail)
    }

    pub(crate) fn body_len(&self) -> usize {
        COMMAND_RESULT_FIXED_LEN.saturating_add(self.detail.len())
    }

    pub(crate) fn write(&self, out: &mut BytesMut) {
        out.put_u32(self.serial);
        out.put_u8(self.op);
        out.put_u16(self.code.number());
        out.put_slice(&self.detail);
    }
}

fn check_detail(detail: &[u8]) -> Result<(), FrameError> {
    field::check_len("command_result.detail", detail.len(), 0..=DETAIL_LEN_MAX)
}
