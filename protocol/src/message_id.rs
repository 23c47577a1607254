//! The id of one message for one client.
//!
//! Always: ids of one client rise in delivery order and never repeat; zero is never given.

use std::{fmt, str};

use crate::hex::{self, HexError};

/// Names one message for one client; unicast and broadcast messages share one order.
/// Zero means "none", as in the resume field of a hello.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(pub u64);

impl MessageId {
    /// No message.
    pub const NONE: MessageId = MessageId(0);
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl str::FromStr for MessageId {
    type Err = HexError;

    /// Takes exactly 16 lower-case hex digits.
    fn from_str(text: &str) -> Result<Self, HexError> {
        hex::read("message id", text)
            .map(u64::from_be_bytes)
            .map(MessageId)
    }
}
