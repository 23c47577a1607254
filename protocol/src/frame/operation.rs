//! What a command does, and the arguments of each operation.
//!
//! ```text
//! op 1 BindAlias:   alias_type s8 | alias s8
//! op 2 UnbindAlias: scope u8 | alias_type s8 | alias s8
//! op 3 SetTags:     count u8 | count times: tag s8
//! op 4 QueryTags:
//! op 5 PushSwitch:  on u8
//! op 6 SilentTime:  begin_hour u8 | hours u8 | zone u16
//! op 7 DeviceInfo:  brand s8 | model s8 | os_version s8 | package s8 | app_version s8 | notifications u8
//! op 8 Badge:       badge u32
//! op 9 VendorToken: channel s8 | token s16
//! op 10 Feedback:   count u8 | count times: message_id u64 | action u32 | ago_s u32
//! ```
//! Always: `check` accepts exactly what `read` accepts. Whether a tag, an alias or an action is
//! acceptable is the server's decision, answered by a result code.

use bytes::{BufMut, BytesMut};

use crate::error::FrameError;
use crate::field::{self, Parsed, refuse};
use crate::limits::{
    ALIAS_LEN_MAX, ALIAS_TYPE_LEN_MAX, BADGE_MAX, BODY_LEN_MAX_TO_SERVER, CHANNEL_LEN_MAX,
    DEVICE_NAME_LEN_MAX, DEVICE_VERSION_LEN_MAX, FEEDBACK_LEN_MAX, VENDOR_TOKEN_LEN_MAX,
};
use crate::message_id::MessageId;
use crate::wire::{
    COMMAND_FIXED_LEN, OP_BADGE, OP_BIND_ALIAS, OP_DEVICE_INFO, OP_FEEDBACK, OP_PUSH_SWITCH,
    OP_QUERY_TAGS, OP_SET_TAGS, OP_SILENT_TIME, OP_UNBIND_ALIAS, OP_VENDOR_TOKEN, SCOPE_EVERYWHERE,
    SCOPE_THIS_CLIENT, SWITCH_OFF, SWITCH_ON, ZONE_BIAS_MIN, ZONE_MAX,
};

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
    /// Gives this client exactly these tags, at most 255 of at most 255 bytes, all in one frame.
    SetTags(Vec<String>),
    /// Asks for the tags of this client; the detail of the result is as the arguments of
    /// `SetTags`.
    QueryTags,
    /// Takes pushes from now on, or takes none.
    PushSwitch {
        /// Whether it takes them.
        on: bool,
    },
    /// The hours in which the device stays away.
    SilentTime(SilentTime),
    /// Facts about the device.
    DeviceInfo(DeviceInfo),
    /// The number on the app's icon.
    Badge(u32),
    /// The device's token of a vendor channel.
    VendorToken {
        /// 1 to 32 bytes of UTF-8.
        channel: String,
        /// At most 1024 bytes of UTF-8; empty takes the token back.
        token: String,
    },
    /// What the user did with messages, 1 to 64 entries.
    Feedback(Vec<Feedback>),
    /// An operation this version does not know, without its arguments.
    Unknown(u8),
}

/// Hours of the day in which a device does not connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SilentTime {
    /// At which full hour of the device's day they begin, 0 to 23.
    pub begin_hour: u8,
    /// How many hours, 0 to 23; 0: none.
    pub hours: u8,
    /// Where the device's day is: minutes east of UTC, -720 to 840.
    pub zone_min: i16,
}

/// Whether the phone shows notifications of the app.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum NotificationSwitch {
    /// The device cannot tell.
    #[default]
    Unknown = 0,
    /// It shows them.
    On = 1,
    /// The user switched them off.
    Off = 2,
}

impl NotificationSwitch {
    /// Every value, by number.
    pub const ALL: &[NotificationSwitch] = &[
        NotificationSwitch::Unknown,
        NotificationSwitch::On,
        NotificationSwitch::Off,
    ];

    /// The number on the wire.
    pub const fn number(self) -> u8 {
        self as u8
    }
}

/// What a device says of itself. Texts may be empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceInfo {
    /// At most 64 bytes of UTF-8.
    pub brand: String,
    /// At most 64 bytes of UTF-8.
    pub model: String,
    /// At most 32 bytes of UTF-8.
    pub os_version: String,
    /// The app's name for the system, at most 64 bytes of UTF-8.
    pub package: String,
    /// At most 32 bytes of UTF-8.
    pub app_version: String,
    /// Whether the phone shows notifications of the app.
    pub notifications: NotificationSwitch,
}

/// One thing that the user did with one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feedback {
    /// The message.
    pub message: MessageId,
    /// What was done: a number of [`crate::wire`].
    pub action: u32,
    /// How many seconds before this frame was sent.
    pub ago_s: u32,
}

const FEEDBACK_ENTRY_LEN: usize = 8 + 4 + 4;

impl Operation {
    /// The number on the wire.
    pub fn op(&self) -> u8 {
        match self {
            Operation::BindAlias { .. } => OP_BIND_ALIAS,
            Operation::UnbindAlias { .. } => OP_UNBIND_ALIAS,
            Operation::SetTags(_) => OP_SET_TAGS,
            Operation::QueryTags => OP_QUERY_TAGS,
            Operation::PushSwitch { .. } => OP_PUSH_SWITCH,
            Operation::SilentTime(_) => OP_SILENT_TIME,
            Operation::DeviceInfo(_) => OP_DEVICE_INFO,
            Operation::Badge(_) => OP_BADGE,
            Operation::VendorToken { .. } => OP_VENDOR_TOKEN,
            Operation::Feedback(_) => OP_FEEDBACK,
            Operation::Unknown(op) => *op,
        }
    }

    pub(crate) fn read(op: u8, input: &[u8]) -> Parsed<'_, Self> {
        let (rest, operation) = match op {
            OP_BIND_ALIAS => read_bind(input)?,
            OP_UNBIND_ALIAS => read_unbind(input)?,
            OP_SET_TAGS => {
                let (rest, tags) = read_tags("command.tag", input)?;
                (rest, Operation::SetTags(tags))
            }
            OP_QUERY_TAGS => (input, Operation::QueryTags),
            OP_PUSH_SWITCH => {
                let (rest, on) = read_switch("command.on", input)?;
                (rest, Operation::PushSwitch { on })
            }
            OP_SILENT_TIME => read_silent_time(input)?,
            OP_DEVICE_INFO => read_device_info(input)?,
            OP_BADGE => {
                let (rest, badge) = field::read_u32("command.badge", input)?;
                (rest, Operation::Badge(badge))
            }
            OP_VENDOR_TOKEN => {
                let (rest, channel) =
                    field::read_text("command.channel", 1..=CHANNEL_LEN_MAX, input)?;
                let (rest, token) =
                    field::read_long_text("command.token", 0..=VENDOR_TOKEN_LEN_MAX, rest)?;
                (rest, Operation::VendorToken { channel, token })
            }
            OP_FEEDBACK => read_feedback(input)?,
            unknown => (input, Operation::Unknown(unknown)),
        };
        operation.check().or_else(refuse)?;
        Ok((rest, operation))
    }

    pub(crate) fn check(&self) -> Result<(), FrameError> {
        match self {
            Operation::BindAlias { alias_type, alias }
            | Operation::UnbindAlias {
                alias_type, alias, ..
            } => {
                let len = alias_type.len();
                field::check_len("command.alias_type", len, 0..=ALIAS_TYPE_LEN_MAX)?;
                field::check_len("command.alias", alias.len(), 1..=ALIAS_LEN_MAX)
            }
            Operation::SetTags(tags) => {
                field::check_len("command.tags", tags.len(), 0..=usize::from(u8::MAX))?;
                for tag in tags {
                    field::check_len("command.tag", tag.len(), 0..=usize::from(u8::MAX))?;
                }
                let most = BODY_LEN_MAX_TO_SERVER.saturating_sub(COMMAND_FIXED_LEN);
                field::check_len("command.tags", self.arguments_len(), 1..=most)
            }
            Operation::QueryTags | Operation::PushSwitch { .. } => Ok(()),
            Operation::SilentTime(silent) => silent.check(),
            Operation::DeviceInfo(info) => info.check(),
            Operation::Badge(badge) => {
                field::check_range("command.badge", u64::from(*badge), 0..=u64::from(BADGE_MAX))
            }
            Operation::VendorToken { channel, token } => {
                field::check_len("command.channel", channel.len(), 1..=CHANNEL_LEN_MAX)?;
                field::check_len("command.token", token.len(), 0..=VENDOR_TOKEN_LEN_MAX)
            }
            Operation::Feedback(entries) => {
                field::check_len("command.feedback", entries.len(), 1..=FEEDBACK_LEN_MAX)
            }
            // A known number without its arguments would be read back as something else.
            Operation::Unknown(op @ OP_BIND_ALIAS..=OP_FEEDBACK) => Err(FrameError::OutOfRange {
                field: "command.op",
                min: u64::from(OP_FEEDBACK).saturating_add(1),
                max: u64::from(u8::MAX),
                got: u64::from(*op),
            }),
            Operation::Unknown(_) => Ok(()),
        }
    }

    pub(crate) fn arguments_len(&self) -> usize {
        match self {
            Operation::BindAlias { alias_type, alias } => texts_len(&[alias_type, alias]),
            Operation::UnbindAlias {
                alias_type, alias, ..
            } => texts_len(&[alias_type, alias]).saturating_add(1),
            Operation::SetTags(tags) => texts_len(tags).saturating_add(1),
            Operation::QueryTags | Operation::Unknown(_) => 0,
            Operation::PushSwitch { .. } => 1,
            Operation::SilentTime(_) | Operation::Badge(_) => 4,
            Operation::DeviceInfo(info) => {
                texts_len(&info.texts().map(|(_, text, _)| text)).saturating_add(1)
            }
            Operation::VendorToken { channel, token } => texts_len(&[channel])
                .saturating_add(2)
                .saturating_add(token.len()),
            Operation::Feedback(entries) => entries
                .len()
                .saturating_mul(FEEDBACK_ENTRY_LEN)
                .saturating_add(1),
        }
    }

    pub(crate) fn write_arguments(&self, out: &mut BytesMut) {
        match self {
            Operation::BindAlias { alias_type, alias } => write_texts(&[alias_type, alias], out),
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
                write_texts(&[alias_type, alias], out);
            }
            Operation::SetTags(tags) => write_tags(tags, out),
            Operation::QueryTags | Operation::Unknown(_) => {}
            Operation::PushSwitch { on } => out.put_u8(if *on { SWITCH_ON } else { SWITCH_OFF }),
            Operation::SilentTime(silent) => {
                out.put_u8(silent.begin_hour);
                out.put_u8(silent.hours);
                out.put_u16(silent.zone());
            }
            Operation::DeviceInfo(info) => {
                write_texts(&info.texts().map(|(_, text, _)| text), out);
                out.put_u8(info.notifications.number());
            }
            Operation::Badge(badge) => out.put_u32(*badge),
            Operation::VendorToken { channel, token } => {
                write_texts(&[channel], out);
                field::write_long_text(token, out);
            }
            Operation::Feedback(entries) => {
                out.put_u8(count(entries.len()));
                for entry in entries {
                    out.put_u64(entry.message.0);
                    out.put_u32(entry.action);
                    out.put_u32(entry.ago_s);
                }
            }
        }
    }
}

impl SilentTime {
    /// The zone on the wire. It is refused by `check` where it does not fit.
    fn zone(self) -> u16 {
        let biased = self.zone_min.saturating_add(ZONE_BIAS_MIN);
        u16::try_from(biased).unwrap_or(u16::MAX)
    }

    fn check(self) -> Result<(), FrameError> {
        field::check_range("command.begin_hour", u64::from(self.begin_hour), 0..=23)?;
        field::check_range("command.hours", u64::from(self.hours), 0..=23)?;
        field::check_range(
            "command.zone",
            u64::from(self.zone()),
            0..=u64::from(ZONE_MAX),
        )
    }
}

impl DeviceInfo {
    /// Its texts in the order of the wire: field, text, most bytes.
    fn texts(&self) -> [(&'static str, &String, usize); 5] {
        [
            ("command.brand", &self.brand, DEVICE_NAME_LEN_MAX),
            ("command.model", &self.model, DEVICE_NAME_LEN_MAX),
            (
                "command.os_version",
                &self.os_version,
                DEVICE_VERSION_LEN_MAX,
            ),
            ("command.package", &self.package, DEVICE_NAME_LEN_MAX),
            (
                "command.app_version",
                &self.app_version,
                DEVICE_VERSION_LEN_MAX,
            ),
        ]
    }

    fn check(&self) -> Result<(), FrameError> {
        self.texts()
            .into_iter()
            .try_for_each(|(field, text, most)| field::check_len(field, text.len(), 0..=most))
    }
}

/// Tags as they stand in the arguments of `SetTags` and in the detail of the result of
/// `QueryTags`: a count, then each as `s8`.
///
/// # Errors
/// What is wrong with the bytes.
pub(crate) fn read_tags<'a>(field: &'static str, input: &'a [u8]) -> Parsed<'a, Vec<String>> {
    let (mut rest, count) = field::read_u8("command.tags", input)?;
    // Not by the count of a stranger: each tag has at least its byte of length.
    let mut tags = Vec::new();
    for _ in 0..count {
        let (after, tag) = field::read_text(field, 0..=usize::from(u8::MAX), rest)?;
        tags.push(tag);
        rest = after;
    }
    Ok((rest, tags))
}

/// See [`read_tags`]. At most 255 tags of at most 255 bytes.
pub(crate) fn write_tags<T: AsRef<str>>(tags: &[T], out: &mut BytesMut) {
    out.put_u8(count(tags.len()));
    write_texts(tags, out);
}

fn count(len: usize) -> u8 {
    let count = u8::try_from(len);
    debug_assert!(count.is_ok(), "a list passed its check with {len} entries");
    count.unwrap_or(u8::MAX)
}

fn texts_len<T: AsRef<str>>(texts: &[T]) -> usize {
    texts
        .iter()
        .map(|text| field::counted_len(text.as_ref().as_bytes()))
        .sum()
}

fn write_texts<T: AsRef<str>>(texts: &[T], out: &mut BytesMut) {
    for text in texts {
        field::write_counted(text.as_ref().as_bytes(), out);
    }
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

fn read_switch<'a>(field: &'static str, input: &'a [u8]) -> Parsed<'a, bool> {
    let (input, number) = field::read_u8(field, input)?;
    let allowed = u64::from(SWITCH_OFF)..=u64::from(SWITCH_ON);
    field::check_range(field, u64::from(number), allowed).or_else(refuse)?;
    Ok((input, number == SWITCH_ON))
}

fn read_unbind(input: &[u8]) -> Parsed<'_, Operation> {
    let (input, scope) = field::read_u8("command.scope", input)?;
    let scopes = u64::from(SCOPE_THIS_CLIENT)..=u64::from(SCOPE_EVERYWHERE);
    field::check_range("command.scope", u64::from(scope), scopes).or_else(refuse)?;
    let (input, (alias_type, alias)) = read_alias_fields(input)?;
    let unbind = Operation::UnbindAlias {
        everywhere: scope == SCOPE_EVERYWHERE,
        alias_type,
        alias,
    };
    Ok((input, unbind))
}

fn read_silent_time(input: &[u8]) -> Parsed<'_, Operation> {
    let (input, begin_hour) = field::read_u8("command.begin_hour", input)?;
    let (input, hours) = field::read_u8("command.hours", input)?;
    let (input, zone) = field::read_u16("command.zone", input)?;
    field::check_range("command.zone", u64::from(zone), 0..=u64::from(ZONE_MAX)).or_else(refuse)?;
    let silent = SilentTime {
        begin_hour,
        hours,
        zone_min: i16::try_from(zone)
            .unwrap_or(i16::MAX)
            .saturating_sub(ZONE_BIAS_MIN),
    };
    Ok((input, Operation::SilentTime(silent)))
}

fn read_device_info(input: &[u8]) -> Parsed<'_, Operation> {
    let mut info = DeviceInfo::default();
    let bounds = info.texts().map(|(field, _, most)| (field, most));
    let texts = [
        &mut info.brand,
        &mut info.model,
        &mut info.os_version,
        &mut info.package,
        &mut info.app_version,
    ];
    let mut rest = input;
    for (text, (field, most)) in texts.into_iter().zip(bounds) {
        (rest, *text) = field::read_text(field, 0..=most, rest)?;
    }
    let (rest, number) = field::read_u8("command.notifications", rest)?;
    let known = NotificationSwitch::ALL
        .iter()
        .find(|switch| switch.number() == number);
    // A value of a later version says nothing that this one knows.
    info.notifications = known.copied().unwrap_or_default();
    Ok((rest, Operation::DeviceInfo(info)))
}

fn read_feedback(input: &[u8]) -> Parsed<'_, Operation> {
    let (mut rest, count) = field::read_u8("command.feedback", input)?;
    field::check_len("command.feedback", usize::from(count), 1..=FEEDBACK_LEN_MAX)
        .or_else(refuse)?;
    let mut entries = Vec::with_capacity(usize::from(count));
    for _ in 0..count {
        let (after, message) = field::read_u64("command.message_id", rest)?;
        let (after, action) = field::read_u32("command.action", after)?;
        let (after, ago_s) = field::read_u32("command.ago_s", after)?;
        entries.push(Feedback {
            message: MessageId(message),
            action,
            ago_s,
        });
        rest = after;
    }
    Ok((rest, Operation::Feedback(entries)))
}
