//! The Ringpost device protocol, version 1: bytes to frames and back.
//!
//! Owner: whoever holds a connection; the crate itself keeps no state beyond a [`Decoder`].
//! Always: no I/O, no clock, no task, no unsafe code; bytes of a peer never panic and never take
//! more memory than [`limits`] allows; every number of the wire stands in [`wire`].
//! Source: docs/protocol.md.

#![forbid(unsafe_code)]
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

mod decoder;
mod error;
mod field;
mod frame;
mod header;
mod hex;
mod ids;
pub mod limits;
mod message_id;
mod secret;
mod varint;
pub mod wire;

pub use decoder::{Decoder, Peer};
pub use error::FrameError;
pub use frame::Frame;
pub use frame::ack::Ack;
pub use frame::close::Close;
pub use frame::command::Command;
pub use frame::command_result::CommandResult;
pub use frame::go_away::GoAway;
pub use frame::hello::{Hello, Identity};
pub use frame::operation::{DeviceInfo, Feedback, NotificationSwitch, Operation, SilentTime};
pub use frame::push::Push;
pub use frame::upstream::{Upstream, UpstreamId};
pub use frame::upstream_ack::UpstreamAck;
pub use frame::welcome::Welcome;
pub use hex::HexError;
pub use ids::{ClientId, InstallId};
pub use message_id::MessageId;
pub use secret::DeviceSecret;
pub use wire::{
    CloseReason, FeedbackVerdict, GoAwayReason, Kind, Platform, ResultCode, UpstreamStatus,
};

/// The ALPN name of this protocol. A client that offers no ALPN speaks version 1 too.
pub const ALPN: &[u8] = b"ringpost/1";

/// The minor version this crate writes into `Hello` and `Welcome`.
pub const VERSION_MINOR: u8 = 0;
