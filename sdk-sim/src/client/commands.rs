//! Commands of a device and the results that wait for them.
//!
//! Owner: one online `Client`. Always: each command that was taken gets exactly one
//! `CommandResult` or `CommandLost`.

use protocol::limits::{ALIAS_LEN_MAX, ALIAS_TYPE_LEN_MAX};
use protocol::{Command, CommandResult, Frame, Operation};

use super::Client;
use super::event::{CommandError, Event};

/// Commands whose results are outstanding. An app binds an alias or sets tags, it does not stream
/// commands; full: the command is refused with [`CommandError::TooMany`].
pub const COMMANDS_WAITING_MAX: usize = 64;

impl Client {
    /// Binds an alias to this device. The answer is an [`Event::CommandResult`] with the serial
    /// returned here, or an [`Event::CommandLost`].
    ///
    /// # Errors
    /// [`CommandError`]: not online, too many waiting, a text of a bad length.
    pub fn bind_alias(&mut self, alias_type: &str, alias: &str) -> Result<u32, CommandError> {
        check_alias(alias_type, alias)?;
        self.command(Operation::BindAlias {
            alias_type: alias_type.to_owned(),
            alias: alias.to_owned(),
        })
    }

    /// Unbinds an alias from this device or, with `everywhere`, from all devices that have it.
    ///
    /// # Errors
    /// As [`Self::bind_alias`].
    pub fn unbind_alias(
        &mut self,
        everywhere: bool,
        alias_type: &str,
        alias: &str,
    ) -> Result<u32, CommandError> {
        check_alias(alias_type, alias)?;
        self.command(Operation::UnbindAlias {
            everywhere,
            alias_type: alias_type.to_owned(),
            alias: alias.to_owned(),
        })
    }

    /// A serial nobody waits for is the server's slip; there is nobody to tell.
    pub(super) fn on_result(&mut self, result: CommandResult) {
        let waiting = &mut self.waiting_serials;
        if let Some(at) = waiting.iter().position(|serial| *serial == result.serial) {
            waiting.swap_remove(at);
            self.events.push_back(Event::CommandResult {
                serial: result.serial,
                code: result.code,
                detail: result.detail,
            });
        }
    }

    fn command(&mut self, operation: Operation) -> Result<u32, CommandError> {
        if !self.is_online() {
            return Err(CommandError::NotOnline);
        }
        if self.waiting_serials.len() >= COMMANDS_WAITING_MAX {
            return Err(CommandError::TooMany {
                limit: COMMANDS_WAITING_MAX,
            });
        }
        let serial = self.next_serial;
        self.next_serial = self.next_serial.wrapping_add(1);
        self.waiting_serials.push(serial);
        Frame::Command(Command { serial, operation }).encode(&mut self.out);
        Ok(serial)
    }
}

fn check_alias(alias_type: &str, alias: &str) -> Result<(), CommandError> {
    let texts = [
        ("alias_type", alias_type, 0, ALIAS_TYPE_LEN_MAX),
        ("alias", alias, 1, ALIAS_LEN_MAX),
    ];
    for (field, text, min, max) in texts {
        let got = text.len();
        if !(min..=max).contains(&got) {
            return Err(CommandError::BadLength {
                field,
                min,
                max,
                got,
            });
        }
    }
    Ok(())
}
