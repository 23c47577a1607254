//! Every bound of the wire, with its reason and its rule for "full".
//!
//! Owner: the protocol. Bounds of decisions (queues, windows) belong to those who decide.
//! Always: the decoder and the encoder use the same bound; raising one is compatible for
//! readers only, so the reading side is raised a release earlier.
//! Source: docs/protocol.md, section "Limits".

use crate::wire;

/// Longest body a device may send after its hello, in bytes. Acks (at most 2558) and commands are
/// far smaller; an upstream message may fill it.
/// When longer: refused at the header, before a byte of the body is kept; close `FrameTooLong`.
pub const BODY_LEN_MAX_TO_SERVER: usize = 16 * 1024;

/// Longest body a server may send, in bytes. A notification with every field as long as the HTTP
/// API allows has about 11 000 characters, 44 KiB of UTF-8 at worst; the rest is room for sealed
/// bodies and fields to come.
/// When longer: refused at the header; close `FrameTooLong`.
pub const BODY_LEN_MAX_TO_DEVICE: usize = 128 * 1024;

/// Longest body of a device's first frame, in bytes. A stranger is not yet known, and a million of
/// them may be here at once; the longest hello of this version has 194, the rest is for later
/// minor versions. When longer: refused at the header; close `FrameTooLong`.
pub const HELLO_LEN_MAX: usize = 512;

/// Longest message inside a push, in bytes: what the frame leaves.
/// When longer: the ingress refuses the request, so the writer asserts.
pub const PUSH_BODY_LEN_MAX: usize = BODY_LEN_MAX_TO_DEVICE - wire::PUSH_FIXED_LEN;

/// Most ids in one ack. Twice any sensible window; a device with more sends a second frame.
/// When more: close `ProtocolError`.
pub const ACK_IDS_MAX: usize = 256;

/// Longest AppID, in bytes of UTF-8. Ours have 22 to 32; imported ones of other services fit too.
/// When longer (or empty): close `ProtocolError`.
pub const APP_ID_LEN_MAX: usize = 64;

/// Longest SDK version text, in bytes of UTF-8: a name and a semantic version.
/// When longer: close `ProtocolError`.
pub const SDK_VERSION_LEN_MAX: usize = 32;

/// Longest alias type, in bytes of UTF-8; empty is the default type.
/// When longer: close `ProtocolError`.
pub const ALIAS_TYPE_LEN_MAX: usize = 40;

/// Longest alias, in bytes of UTF-8: 40 characters of 4 bytes, as in Getui's API.
/// When longer (or empty): close `ProtocolError`.
pub const ALIAS_LEN_MAX: usize = 160;

/// Longest detail of a command result, in bytes: room for the tags of one client, 100 with 512
/// characters together.
/// When longer: close `ProtocolError`.
pub const DETAIL_LEN_MAX: usize = 4096;

/// Longest name that a device gives of itself (brand, model, app package), in bytes of UTF-8.
/// When longer: close `ProtocolError`.
pub const DEVICE_NAME_LEN_MAX: usize = 64;

/// Longest version text of a device, in bytes of UTF-8. When longer: close `ProtocolError`.
pub const DEVICE_VERSION_LEN_MAX: usize = 32;

/// Longest name of a vendor channel, in bytes of UTF-8. When longer (or empty): close
/// `ProtocolError`.
pub const CHANNEL_LEN_MAX: usize = 32;

/// Longest token of a vendor channel, in bytes of UTF-8: the longest that are known have some
/// hundred; empty takes the token back. When longer: close `ProtocolError`.
pub const VENDOR_TOKEN_LEN_MAX: usize = 1024;

/// Most entries of one feedback. A device with more sends a second command.
/// When more (or none): close `ProtocolError`.
pub const FEEDBACK_LEN_MAX: usize = 64;

/// Largest badge: what a signed 32-bit number holds, as the stores of phones do.
/// When larger: close `ProtocolError`.
pub const BADGE_MAX: u32 = i32::MAX as u32;

/// Longest task id of an upstream message, in bytes of UTF-8; it is the app's own.
/// When longer: close `ProtocolError`.
pub const UPSTREAM_TASK_LEN_MAX: usize = 64;

/// Longest message of a device to its third party, in bytes: what the frame leaves.
/// When longer: close `ProtocolError`.
pub const UPSTREAM_BODY_LEN_MAX: usize =
    BODY_LEN_MAX_TO_SERVER - wire::UPSTREAM_FIXED_LEN - UPSTREAM_TASK_LEN_MAX;

/// Longest endpoint of a go-away, in bytes: what its one length byte can say; a host name of 249
/// characters, a colon and a port. When longer: the writer asserts, the wire cannot carry it.
pub const ENDPOINT_LEN_MAX: usize = 255;

/// Longest text of a close, in bytes of UTF-8: one line of a log.
/// When longer: a writer cuts it at a character, a reader answers `ProtocolError`.
pub const CLOSE_TEXT_LEN_MAX: usize = 200;

/// Longest time from the connection to a complete hello, TLS handshake included, in milliseconds.
/// Ten seconds carry both over any link that can hold a push connection.
/// When over: close `HelloTimeout`.
pub const HELLO_WAIT_MS_MAX: u64 = 10_000;

/// First upper bound of a client's reconnect delay, in milliseconds; it doubles per failure.
pub const RECONNECT_DELAY_MS_MIN: u64 = 1_000;

/// Last upper bound of a client's reconnect delay, in milliseconds: two minutes keep a million
/// devices below 20 000 tries a second. When reached: the delay stays there.
pub const RECONNECT_DELAY_MS_MAX: u64 = 120_000;

const _: () = assert!(
    wire::HELLO_FIXED_LEN
        + APP_ID_LEN_MAX
        + wire::SECRET_LEN
        + wire::SIGN_LEN
        + SDK_VERSION_LEN_MAX
        <= HELLO_LEN_MAX
);
const _: () = assert!(
    wire::ACK_FIXED_LEN + (ACK_IDS_MAX - 1) * wire::VARINT_LEN_MAX <= BODY_LEN_MAX_TO_SERVER
);
const _: () = assert!(wire::COMMAND_RESULT_FIXED_LEN + DETAIL_LEN_MAX <= BODY_LEN_MAX_TO_DEVICE);
const _: () = assert!(ENDPOINT_LEN_MAX <= u8::MAX as usize);
const _: () = assert!(ALIAS_TYPE_LEN_MAX <= ALIAS_LEN_MAX && ALIAS_LEN_MAX <= CLOSE_TEXT_LEN_MAX);
const _: () = assert!(CLOSE_TEXT_LEN_MAX <= u8::MAX as usize);
