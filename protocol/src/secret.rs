//! The secret of one installation.
//!
//! Always: neither `Debug` nor `Display` shows it; only `to_hex` and `as_bytes` give it away.

use std::fmt;

use crate::hex::{self, HexError};
use crate::wire::SECRET_LEN;

/// 32 random bytes made by the device at its first start. A server keeps only their SHA-256, and
/// compares hashes: the equality here takes a time that depends on the bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct DeviceSecret([u8; SECRET_LEN]);

impl DeviceSecret {
    /// The secret of these bytes; every value is one.
    pub const fn from_bytes(bytes: [u8; SECRET_LEN]) -> Self {
        Self(bytes)
    }

    /// The bytes as they stand on the wire.
    pub const fn as_bytes(&self) -> &[u8; SECRET_LEN] {
        &self.0
    }

    /// The secret as 64 lower-case hex digits, for a file only its owner can read.
    pub fn to_hex(&self) -> String {
        use fmt::Write as _;
        self.0
            .iter()
            .fold(String::with_capacity(SECRET_LEN * 2), |mut text, byte| {
                // A String takes every write.
                let _ = write!(text, "{byte:02x}");
                text
            })
    }

    /// Takes exactly 64 lower-case hex digits; the error never repeats the text.
    pub fn from_hex(text: &str) -> Result<Self, HexError> {
        hex::read("device secret", text).map(Self)
    }
}

impl fmt::Display for DeviceSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(redacted)")
    }
}

impl fmt::Debug for DeviceSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeviceSecret(redacted)")
    }
}
