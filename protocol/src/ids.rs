//! The two 16-byte ids of a device: who it is to the server, and who it is to itself.
//!
//! Always: the text form is 32 lower-case hex digits and nothing else.

use std::{fmt, str};

use crate::hex::{self, HexError};
use crate::wire::ID_LEN;

macro_rules! id {
    ($(#[$about:meta])* $name:ident, $what:literal) => {
        $(#[$about])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; ID_LEN]);

        impl $name {
            /// The id of these bytes; every value is an id.
            pub const fn from_bytes(bytes: [u8; ID_LEN]) -> Self {
                Self(bytes)
            }

            /// The bytes as they stand on the wire.
            pub const fn as_bytes(&self) -> &[u8; ID_LEN] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                hex::write(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                hex::write(&self.0, f)
            }
        }

        impl str::FromStr for $name {
            type Err = HexError;

            /// Takes exactly 32 lower-case hex digits.
            fn from_str(text: &str) -> Result<Self, HexError> {
                hex::read($what, text).map(Self)
            }
        }
    };
}

id! {
    /// Names one app on one device to the server (the CID). Given by the server at registration;
    /// its leading bits carry the slot that owns it.
    ClientId, "client id"
}

id! {
    /// Names one installation of an app. Random, made by the device at its first start and kept.
    InstallId, "install id"
}
