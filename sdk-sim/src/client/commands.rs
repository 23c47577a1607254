//! Commands of a device and the results that wait for them.
//!
//! Owner: one online `Client`. Always: each command that was taken gets exactly one
//! `CommandResult` or `CommandLost`.

use protocol::{Command, CommandResult, DeviceInfo, Frame, Operation, ResultCode, SilentTime};

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
        self.command(Operation::UnbindAlias {
            everywhere,
            alias_type: alias_type.to_owned(),
            alias: alias.to_owned(),
        })
    }

    /// Gives this device exactly these tags. What is wrong with them is said by the result.
    ///
    /// # Errors
    /// As [`Self::bind_alias`].
    pub fn set_tags<T: AsRef<str>>(&mut self, tags: &[T]) -> Result<u32, CommandError> {
        let tags = tags.iter().map(|tag| tag.as_ref().to_owned());
        self.command(Operation::SetTags(tags.collect()))
    }

    /// Asks for the tags of this device; [`CommandResult::tags`] reads the detail of the result.
    ///
    /// # Errors
    /// As [`Self::bind_alias`].
    pub fn query_tags(&mut self) -> Result<u32, CommandError> {
        self.command(Operation::QueryTags)
    }

    /// Takes pushes from now on, or takes none. It lasts over restarts on both sides.
    ///
    /// # Errors
    /// As [`Self::bind_alias`].
    pub fn switch_push(&mut self, on: bool) -> Result<u32, CommandError> {
        self.command(Operation::PushSwitch { on })
    }

    /// Says in which hours of its day the device stays away; `hours` 0 ends that. Once the server
    /// has said Ok, this client keeps away in them by itself ([`super::EndReason::Silence`]); a
    /// later start has to be given them in [`super::Config::silent`].
    ///
    /// # Errors
    /// As [`Self::bind_alias`]; an hour or a zone that is none.
    pub fn set_silent_time(&mut self, silent: SilentTime) -> Result<u32, CommandError> {
        let serial = self.command(Operation::SilentTime(silent))?;
        self.silence.asked(serial, silent);
        Ok(serial)
    }

    /// Says what the device is, and whether its user lets it show notifications.
    ///
    /// # Errors
    /// As [`Self::bind_alias`].
    pub fn describe(&mut self, info: DeviceInfo) -> Result<u32, CommandError> {
        self.command(Operation::DeviceInfo(info))
    }

    /// Says the number on the app's icon.
    ///
    /// # Errors
    /// As [`Self::bind_alias`]; more than 2,147,483,647.
    pub fn set_badge(&mut self, badge: u32) -> Result<u32, CommandError> {
        self.command(Operation::Badge(badge))
    }

    /// Says the device's token of a vendor channel; an empty one takes it back.
    ///
    /// # Errors
    /// As [`Self::bind_alias`].
    pub fn set_vendor_token(&mut self, channel: &str, token: &str) -> Result<u32, CommandError> {
        self.command(Operation::VendorToken {
            channel: channel.to_owned(),
            token: token.to_owned(),
        })
    }

    /// A serial nobody waits for is the server's slip; there is nobody to tell.
    pub(super) fn on_result(&mut self, now_ms: u64, result: CommandResult) {
        let waiting = &mut self.waiting_serials;
        let Some(at) = waiting.iter().position(|serial| *serial == result.serial) else {
            return;
        };
        waiting.swap_remove(at);
        if self.reports.is_asked(result.serial) {
            let told = self.reports.answered(now_ms, &result, &mut self.jitter);
            self.events.extend(told);
            return;
        }
        self.silence
            .answered(result.serial, result.code == ResultCode::Ok);
        self.events.push_back(Event::CommandResult {
            serial: result.serial,
            code: result.code,
            detail: result.detail,
        });
        self.keep_silence(now_ms);
    }

    pub(super) fn command(&mut self, operation: Operation) -> Result<u32, CommandError> {
        if !self.is_online() {
            return Err(CommandError::NotOnline);
        }
        if self.waiting_serials.len() >= COMMANDS_WAITING_MAX {
            return Err(CommandError::TooMany {
                limit: COMMANDS_WAITING_MAX,
            });
        }
        let serial = self.next_serial;
        let command = Frame::Command(Command { serial, operation });
        command.check()?;
        self.next_serial = self.next_serial.wrapping_add(1);
        self.waiting_serials.push(serial);
        command.encode(&mut self.out);
        Ok(serial)
    }
}
