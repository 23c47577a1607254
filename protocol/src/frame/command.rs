//! Command (0x08), device to server: one operation with a serial number.
//!
//! ```text
//! serial u32 | op u8 | arguments
//! op 1 BindAlias:   alias_type s8 | alias s8
//! op 2 UnbindAlias: scope u8 | alias_type s8 | alias s8
//! ```
//! Always: an operation this version does not know is not an error here; its arguments are
//! dropped and the server answers it with `ResultCode::Unsupported`.

use bytes::{BufMut, BytesMut};

use crate::error::FrameError;
use crate::field::{self, Parsed, refuse};
use crate::limits::{ALIAS_LEN_MAX, ALIAS_TYPE_LEN_MAX};
use crate::wire::{
    COMMAND_FIXED_LEN, OP_BIND_ALIAS, OP_UNBIND_ALIAS, SCOPE_EVERYWHERE, SCOPE_THIS_CLIENT,
};

/// One operation a device asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// Chosen by the device; the result carries it back.
    pub serial: u32,
    /// What to do.
    pub operation: Operation,
}

/// What a command does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Binds an alias to this client.
    BindAlias {
        /// At most 40 bytes of UTF-8; empty is the default type.
        alias_type: String,
        /// 1 to 160 bytes of UTF-8.
        alias: String,
    },
    /// Unbinds an alias.
    UnbindAlias {
        /// From every client of the alias; otherwise only from this one.
        everywhere: bool,
        /// At most 40 bytes of UTF-8; empty is the default type.
        alias_type: String,
        /// 1 to 160 bytes of UTF-8.
        alias: String,
    },
    /// An operation this version does not know, without its arguments.
    Unknown(u8),
}

impl Operation {
    /// The number on the wire.
    pub fn op(&self) -> u8 {
        match self {
            Operation::BindAlias { .. } => OP_BIND_ALIAS,
            Operation::UnbindAlias { .. } => OP_UNBIND_ALIAS,
            Operation::Unknown(op) => *op,
        }
    }
}

impl Command {
    pub(crate) fn parse(body: &[u8]) -> Result<Self, FrameError> {
        field::finish(Self::fields(body))
    }

    fn fields(input: &[u8]) -> Parsed<'_, Self> {
        let (input, serial) = field::read_u32("command.serial", input)?;
        let (input, op) = field::read_u8("command.op", input)?;
        let (input, operation) = match op {
            OP_BIND_ALIAS => read_bind(input)?,
            OP_UNBIND_ALIAS => read_unbind(input)?,
            unknown => (input, Operation::Unknown(unknown)),
        };
        Ok((input, Self { serial, operation }))
    }

    pub(crate) fn check(&self) -> Result<(), FrameError> {
        match &self.operation {
            Operation::BindAlias { alias_type, alias }
            | Operation::UnbindAlias {
                alias_type, alias, ..
            } => {
                field::check_len(
                    "command.alias_type",
                    alias_type.len(),
                    0..=ALIAS_TYPE_LEN_MAX,
                )?;
                field::check_len("command.alias", alias.len(), 1..=ALIAS_LEN_MAX)
            }
            // A known number without its arguments would be malformed.
            Operation::Unknown(op @ (OP_BIND_ALIAS | OP_UNBIND_ALIAS)) => {
                Err(FrameError::OutOfRange {
                    field: "command.op",
                    min: u64::from(OP_UNBIND_ALIAS).saturating_add(1),
                    max: u64::from(u8::MAX),
                    got: u64::from(*op),
                })
            }
            Operation::Unknown(_) => Ok(()),
        }
    }

    pub(crate) fn body_len(&self) -> usize {
        let arguments_len = match &self.operation {
            Operation::BindAlias { alias_type, alias } => alias_fields_len(alias_type, alias),
            Operation::UnbindAlias {
                alias_type, alias, ..
            } => alias_fields_len(alias_type, alias).saturating_add(1),
            Operation::Unknown(_) => 0,
        };
        COMMAND_FIXED_LEN.saturating_add(arguments_len)
    }

    pub(crate) fn write(&self, out: &mut BytesMut) {
        out.put_u32(self.serial);
        out.put_u8(self.operation.op());
        match &self.operation {
            Operation::BindAlias { alias_type, alias } => {
                field::write_counted(alias_type.as_bytes(), out);
                field::write_counted(alias.as_bytes(), out);
            }
            Operation::UnbindAlias {
                everywhere,
                alias_type,
                alias,
            } => {
                out.put_u8(if *everywhere {
                    SCOPE_EVERYWHERE
                } else {
                    SCOPE_THIS_CLIENT
                });
                field::write_counted(alias_type.as_bytes(), out);
                field::write_counted(alias.as_bytes(), out);
            }
            Operation::Unknown(_) => {}
        }
    }
}

fn alias_fields_len(alias_type: &str, alias: &str) -> usize {
    field::counted_len(alias_type.as_bytes()).saturating_add(field::counted_len(alias.as_bytes()))
}

fn read_alias_fields(input: &[u8]) -> Parsed<'_, (String, String)> {
    let (input, alias_type) =
        field::read_text("command.alias_type", 0..=ALIAS_TYPE_LEN_MAX, input)?;
    let (input, alias) = field::read_text("command.alias", 1..=ALIAS_LEN_MAX, input)?;
    Ok((input, (alias_type, alias)))
}

fn read_bind(input: &[u8]) -> Parsed<'_, Operation> {
    let (input, (alias_type, alias)) = read_alias_fields(input)?;
    Ok((input, Operation::BindAlias { alias_type, alias }))
}

fn read_unbind(input: &[u8]) -> Parsed<'_, Operation> {
    let (input, scope) = field::read_u8("command.scope", input)?;
    let everywhere = match scope {
        SCOPE_THIS_CLIENT => false,
        SCOPE_EVERYWHERE => true,
        other => {
            return refuse(FrameError::OutOfRange {
                field: "command.scope",
                min: u64::from(SCOPE_THIS_CLIENT),
                max: u64::from(SCOPE_EVERYWHERE),
                got: u64::from(other),
            });
        }
    };
    let (input, (alias_type, alias)) = read_alias_fields(input)?;
    Ok((
        input,
        Operation::UnbindAlias {
            everywhere,
            alias_type,
            alias,
        },
    ))
}
