//! Every number of the wire, in one place.
//!
//! Owner: the protocol; a number here is a promise to devices in the field.
//! Always: a number once released keeps its meaning, and a retired number is never given again;
//! `tests/wire_table.txt` shows this file as a table and changes only together with it.
//! Source: docs/protocol.md, sections "Frames" and "Numbers".

use std::fmt;

use crate::decoder::Peer;
use crate::limits;

/// Bytes of the kind field of a frame header.
pub const KIND_LEN: usize = 1;
/// Most bytes of the length field of a frame header (LEB128, 7 bits each).
pub const LENGTH_LEN_MAX: usize = 3;
/// Largest body length the length field can express, in bytes.
pub const LENGTH_MAX: usize = (1 << (7 * LENGTH_LEN_MAX)) - 1;
/// Most bytes of a frame header.
pub const HEADER_LEN_MAX: usize = KIND_LEN + LENGTH_LEN_MAX;
/// Most bytes of a varint inside a body (LEB128 of a u64).
pub const VARINT_LEN_MAX: usize = 10;

/// Bytes of a client id and of an install id.
pub const ID_LEN: usize = 16;
/// Bytes of a message id.
pub const MESSAGE_ID_LEN: usize = 8;
/// Bytes of a device secret.
pub const SECRET_LEN: usize = 32;
/// Bytes of the sign of a hello, where an app demands one.
pub const SIGN_LEN: usize = 32;

/// Bytes of a body that every `Hello` has: all but the variable parts of its four counted fields.
pub const HELLO_FIXED_LEN: usize = 1 + 1 + 1 + ID_LEN + 1 + 1 + 1 + MESSAGE_ID_LEN + 2 + 1 + 1;
/// Bytes of a `Welcome` body.
pub const WELCOME_LEN: usize = 1 + 1 + ID_LEN + 8 + 8 + 2 + 2 + 2 + 2;
/// Bytes of a `Push` body before the message.
pub const PUSH_FIXED_LEN: usize = MESSAGE_ID_LEN + 1;
/// Bytes of an `Ack` body before its deltas.
pub const ACK_FIXED_LEN: usize = MESSAGE_ID_LEN;
/// Bytes of a `Command` body before its arguments.
pub const COMMAND_FIXED_LEN: usize = 4 + 1;
/// Bytes of a `CommandResult` body before its detail.
pub const COMMAND_RESULT_FIXED_LEN: usize = 4 + 1 + 2;
/// Bytes of a `GoAway` body before its endpoint.
pub const GO_AWAY_FIXED_LEN: usize = 1 + 4 + 1;
/// Bytes of a `Close` body before its text.
pub const CLOSE_FIXED_LEN: usize = 1 + 4 + 1;

/// `Hello` flags: the identity is a client id (log in); clear: an install id (register).
pub const HELLO_FLAG_LOGIN: u8 = 0b0000_0001;
/// `Hello` flags that may be set; any other bit is an error.
pub const HELLO_FLAGS_KNOWN: u8 = HELLO_FLAG_LOGIN;
/// `Welcome` flags: this hello created the client id.
pub const WELCOME_FLAG_REGISTERED: u8 = 0b0000_0001;
/// `Push` flags: the body is sealed, the server cannot read it.
pub const PUSH_FLAG_SEALED: u8 = 0b0000_0001;
/// `Hello` credential type: the device secret.
pub const CREDENTIAL_DEVICE_SECRET: u8 = 1;
/// Bytes of an `Upstream` body before the message, without the text of its task id.
pub const UPSTREAM_FIXED_LEN: usize = 8 + 1;
/// Bytes of an `UpstreamAck` body.
pub const UPSTREAM_ACK_LEN: usize = 8 + 1;

/// `Close` retry time that means "never with these credentials".
pub const RETRY_NEVER: u32 = u32::MAX;

/// `Command` operation: bind an alias to this client.
pub const OP_BIND_ALIAS: u8 = 1;
/// `Command` operation: unbind an alias.
pub const OP_UNBIND_ALIAS: u8 = 2;
/// `Command` operation: give this client exactly these tags.
pub const OP_SET_TAGS: u8 = 3;
/// `Command` operation: which tags does this client have?
pub const OP_QUERY_TAGS: u8 = 4;
/// `Command` operation: take pushes, or take none.
pub const OP_PUSH_SWITCH: u8 = 5;
/// `Command` operation: the hours in which the device stays away.
pub const OP_SILENT_TIME: u8 = 6;
/// `Command` operation: facts about the device.
pub const OP_DEVICE_INFO: u8 = 7;
/// `Command` operation: the number on the app's icon.
pub const OP_BADGE: u8 = 8;
/// `Command` operation: the device's token of a vendor channel.
pub const OP_VENDOR_TOKEN: u8 = 9;
/// `Command` operation: what the user did with messages.
pub const OP_FEEDBACK: u8 = 10;
/// `UnbindAlias` scope: only this client.
pub const SCOPE_THIS_CLIENT: u8 = 0;
/// `UnbindAlias` scope: all clients of the alias.
pub const SCOPE_EVERYWHERE: u8 = 1;

/// Frame kinds from this number on are skipped by a reader that does not know them.
pub const KIND_IGNORABLE_FROM: u8 = 0x80;

/// Kinds that have a name and a number but are not built; they decode as unknown kinds.
/// Feedback became an operation of `Command`, which has a serial and a result already.
pub const RESERVED_KINDS: &[(u8, &str)] = &[(0x07, "Feedback")];

/// `PushSwitch` and scopes: a switch that is off.
pub const SWITCH_OFF: u8 = 0;
/// `PushSwitch`: a switch that is on.
pub const SWITCH_ON: u8 = 1;

/// `SilentTime`: what is added to the minutes east of UTC, so that no number is negative.
pub const ZONE_BIAS_MIN: i16 = 720;
/// `SilentTime`: the greatest zone on the wire, UTC+14:00.
pub const ZONE_MAX: u16 = 1560;

/// `Feedback` action: the notification was shown.
pub const ACTION_SHOWN: u32 = 10_000;
/// `Feedback` action: the notification was clicked.
pub const ACTION_CLICKED: u32 = 10_010;
/// `Feedback` action: the app showed a transmission as a notification of its own.
pub const ACTION_OWN_SHOWN: u32 = 60_001;
/// `Feedback` action: a notification that the app made of a transmission was clicked.
pub const ACTION_OWN_CLICKED: u32 = 60_002;
/// `Feedback` actions that an app gives a meaning to.
pub const ACTIONS_OF_APPS: std::ops::RangeInclusive<u32> = 90_001..=90_999;

const _: () = assert!(LENGTH_MAX == 2_097_151);
const _: () = assert!(HEADER_LEN_MAX == 4);
const _: () = assert!(7 * VARINT_LEN_MAX >= 64 && 7 * (VARINT_LEN_MAX - 1) < 64);
const _: () = assert!(limits::BODY_LEN_MAX_TO_SERVER <= LENGTH_MAX);
const _: () = assert!(limits::BODY_LEN_MAX_TO_DEVICE <= LENGTH_MAX);
const _: () = assert!(HELLO_FIXED_LEN == 34);
const _: () = assert!(WELCOME_LEN == 42);
const _: () = assert!(PUSH_FIXED_LEN == 9);
const _: () = assert!(COMMAND_RESULT_FIXED_LEN == 7);
const _: () = assert!(HELLO_FLAGS_KNOWN & HELLO_FLAG_LOGIN != 0);

/// What a frame is. Only kinds that are built; see [`RESERVED_KINDS`] for the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// Device to server: register or log in; the first frame.
    Hello = 0x01,
    /// Server to device: the hello is accepted.
    Welcome = 0x02,
    /// Either way: are you there?
    Ping = 0x03,
    /// Either way: the answer to a ping.
    Pong = 0x04,
    /// Server to device: one message.
    Push = 0x05,
    /// Device to server: messages handled.
    Ack = 0x06,
    /// Device to server: an operation, with a serial number.
    Command = 0x08,
    /// Server to device: the result of a command.
    CommandResult = 0x09,
    /// Device to server: a message to the third party.
    Upstream = 0x0a,
    /// Server to device: where an upstream message stands.
    UpstreamAck = 0x0b,
    /// Server to device: reconnect, perhaps elsewhere.
    GoAway = 0x0c,
    /// Either way: the last frame of a connection.
    Close = 0x0d,
}

impl Kind {
    /// Every kind that is built, by number.
    pub const ALL: &[Kind] = &[
        Kind::Hello,
        Kind::Welcome,
        Kind::Ping,
        Kind::Pong,
        Kind::Push,
        Kind::Ack,
        Kind::Command,
        Kind::CommandResult,
        Kind::Upstream,
        Kind::UpstreamAck,
        Kind::GoAway,
        Kind::Close,
    ];

    /// The number on the wire.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The kind of this number; `None` for reserved and unknown numbers.
    pub fn from_number(number: u8) -> Option<Kind> {
        Kind::ALL
            .iter()
            .copied()
            .find(|kind| kind.number() == number)
    }

    /// The only peer that may send this kind; `None` where both may.
    pub const fn sender(self) -> Option<Peer> {
        match self {
            Kind::Hello | Kind::Ack | Kind::Command | Kind::Upstream => Some(Peer::Device),
            Kind::Welcome | Kind::Push | Kind::CommandResult | Kind::UpstreamAck | Kind::GoAway => {
                Some(Peer::Server)
            }
            Kind::Ping | Kind::Pong | Kind::Close => None,
        }
    }

    /// The name the document uses.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Hello => "Hello",
            Kind::Welcome => "Welcome",
            Kind::Ping => "Ping",
            Kind::Pong => "Pong",
            Kind::Push => "Push",
            Kind::Ack => "Ack",
            Kind::Command => "Command",
            Kind::CommandResult => "CommandResult",
            Kind::Upstream => "Upstream",
            Kind::UpstreamAck => "UpstreamAck",
            Kind::GoAway => "GoAway",
            Kind::Close => "Close",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The platform a device names in its hello.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Platform {
    /// Not said, or a number this version does not know.
    #[default]
    Unknown = 0,
    /// Android.
    Android = 1,
    /// iOS.
    Ios = 2,
    /// HarmonyOS.
    Harmony = 3,
    /// A platform without a number of its own.
    Other = 4,
}

impl Platform {
    /// Every platform, by number.
    pub const ALL: &[Platform] = &[
        Platform::Unknown,
        Platform::Android,
        Platform::Ios,
        Platform::Harmony,
        Platform::Other,
    ];

    /// The number on the wire.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The platform of this number; numbers of later versions are `Unknown`.
    pub fn from_number(number: u8) -> Platform {
        Platform::ALL
            .iter()
            .copied()
            .find(|platform| platform.number() == number)
            .unwrap_or(Platform::Unknown)
    }
}

/// An open set of wire numbers: named ones, and `Other` for those of later versions.
macro_rules! open_numbers {
    (
        $(#[$about:meta])*
        $name:ident: $int:ty { $($(#[$doc:meta])* $variant:ident = $number:literal,)+ }
    ) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$doc])* $variant,)+
            /// A number this version has no name for.
            Other($int),
        }

        impl $name {
            /// Every named value, by number.
            pub const NAMED: &[$name] = &[$($name::$variant,)+];

            /// The number on the wire.
            pub const fn number(self) -> $int {
                match self {
                    $($name::$variant => $number,)+
                    $name::Other(number) => number,
                }
            }

            /// The value of this number; `Other` when it has no name.
            pub const fn from_number(number: $int) -> $name {
                match number {
                    $($number => $name::$variant,)+
                    other => $name::Other(other),
                }
            }

            /// The name the document uses; "Other" for numbers without one.
            pub const fn name(self) -> &'static str {
                match self {
                    $($name::$variant => stringify!($variant),)+
                    $name::Other(_) => "Other",
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $name::Other(number) => write!(f, "Other({number})"),
                    named => f.write_str(named.name()),
                }
            }
        }
    };
}

open_numbers! {
    /// Why a connection ends.
    CloseReason: u8 {
        /// The sender is done; nothing is wrong.
        Normal = 1,
        /// A frame was malformed.
        ProtocolError = 2,
        /// A frame kind the reader does not know and may not skip.
        UnsupportedFrame = 3,
        /// A frame is longer than the reader takes.
        FrameTooLong = 4,
        /// A well-formed frame that has no place in this state or direction.
        UnexpectedFrame = 5,
        /// No app has this AppID.
        UnknownApp = 6,
        /// The app has no client of this id.
        UnknownClient = 7,
        /// The secret or the sign does not fit.
        BadCredential = 8,
        /// The app is switched off.
        AppDisabled = 9,
        /// A newer login of the same client took over.
        Replaced = 10,
        /// Nothing was heard for one and a half heartbeat intervals.
        HeartbeatTimeout = 11,
        /// No hello came in time.
        HelloTimeout = 12,
        /// The server has no room now.
        Overloaded = 13,
        /// The server is stopping.
        Draining = 14,
        /// The app demands a sign and the hello has none.
        SignRequired = 15,
        /// An ack named an id that was never sent to this client.
        BadAck = 16,
        /// The sender made a mistake.
        InternalError = 17,
        /// The hello uses something of a version the server does not speak.
        UnsupportedVersion = 18,
        /// The client was deleted.
        Removed = 19,
        /// The peer did not read what was sent to it.
        SlowReader = 20,
    }
}

open_numbers! {
    /// Why the server asks a device to reconnect.
    GoAwayReason: u8 {
        /// The server is stopping.
        Draining = 1,
        /// Another server shall serve this client.
        Rebalance = 2,
    }
}

open_numbers! {
    /// How a command ended; the numbers from 20000 on are those of Getui's SDK.
    ResultCode: u16 {
        /// Done, and lasting where it must last.
        Ok = 0,
        /// The server does not know this operation.
        Unsupported = 1,
        /// Not done now; the same command may succeed later.
        Busy = 2,
        /// The app or the client may not do this.
        NotPermitted = 3,
        /// More tags than a client may have.
        TooManyTags = 20001,
        /// Tags were set too often.
        TagsTooFrequent = 20002,
        /// A tag stands there twice.
        DuplicateTag = 20003,
        /// A tag without a character.
        EmptyTag = 20006,
        /// The client is black-listed.
        Blocked = 20009,
        /// The tags have too many characters together.
        TagsTooLong = 20010,
        /// A tag has characters or a length that is not allowed.
        TagMalformed = 20011,
        /// Too many commands in too short a time.
        TooFrequent = 30001,
        /// An argument is not acceptable.
        BadParameter = 30002,
        /// Refused by a filter of the server.
        Filtered = 30003,
        /// The alias is not acceptable.
        AliasInvalid = 30007,
    }
}

open_numbers! {
    /// Where an upstream message stands.
    UpstreamStatus: u8 {
        /// It is on the server's disk and goes on to the third party's server.
        Stored = 1,
        /// The third party's server took it.
        Delivered = 2,
        /// The third party's server did not take it in time, or it was given up.
        GivenUp = 3,
        /// Not taken now; the same message may be taken later.
        Busy = 4,
        /// The app has no server that takes messages.
        NoReceiver = 5,
    }
}

impl UpstreamStatus {
    /// Whether nothing more follows, and the device may forget the message.
    pub const fn is_final(self) -> bool {
        !matches!(self, UpstreamStatus::Stored | UpstreamStatus::Busy)
    }
}

open_numbers! {
    /// What became of one entry of a feedback: one byte each, in their order, in the detail of
    /// the result.
    FeedbackVerdict: u8 {
        /// It is counted now.
        Counted = 0,
        /// It was counted before.
        Known = 1,
        /// The client was not sent such a message, or it is too long ago.
        UnknownMessage = 2,
    }
}
