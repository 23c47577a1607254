//! Command (0x08), device to server: one operation with a serial number.
//!
//! ```text
//! serial u32 | op u8 | arguments
//! ```
//! Always: an operation this version does not know is not an error here; its arguments are
//! dropped and the server answers it with `ResultCode::Unsupported`.

use bytes::{BufMut, BytesMut};

use super::operation::Operation;
use crate::error::FrameError;
use crate::field::{self, Parsed};
use crate::wire::COMMAND_FIXED_LEN;

/// One operation a device asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// Chosen by the device; the result carries it back.
    pub serial: u32,
    /// What to do.
    pub operation: Operation,
}

impl Command {
    pub(crate) fn parse(body: &[u8]) -> Result<Self, FrameError> {
        field::finish(Self::fields(body))
    }

    fn fields(input: &[u8]) -> Parsed<'_, Self> {
        let (input, serial) = field::read_u32("command.serial", input)?;
        let (input, op) = field::read_u8("command.op", input)?;
        let (input, operation) = Operation::read(op, input)?;
        Ok((input, Self { serial, operation }))
    }

    pub(crate) fn check(&self) -> Result<(), FrameError> {
        self.operation.check()
    }

    pub(crate) fn body_len(&self) -> usize {
        COMMAND_FIXED_LEN.saturating_add(self.operation.arguments_len())
    }

    pub(crate) fn write(&self, out: &mut BytesMut) {
        out.put_u32(self.serial);
        out.put_u8(self.operation.op());
        self.operation.write_arguments(out);
    }
}
