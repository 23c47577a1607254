//! Welcome (0x02), server to device: the hello is accepted, the session is live.
//!
//! ```text
//! minor u8 | flags u8 | cid 16 | generation u64 | server_time_ms u64 | heartbeat_s u16
//! | heartbeat_min_s u16 | heartbeat_max_s u16 | window u16
//! ```
//! Always: unknown flags are ignored.

use bytes::{BufMut, BytesMut};

use crate::error::FrameError;
use crate::field::{self, Parsed};
use crate::ids::ClientId;
use crate::wire::{WELCOME_FLAG_REGISTERED, WELCOME_LEN};

/// The answer to a hello.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Welcome {
    /// Minor version the server speaks.
    pub minor: u8,
    /// This hello created the client id.
    pub registered: bool,
    /// The client id of this device in this app.
    pub cid: ClientId,
    /// Number of this login; of two logins of one client the greater is the newer.
    pub generation: u64,
    /// The server's clock, in milliseconds since 1970 UTC.
    pub server_time_ms: u64,
    /// The heartbeat interval of this session, in seconds.
    pub heartbeat_s: u16,
    /// Shortest interval a device may wish, in seconds.
    pub heartbeat_min_s: u16,
    /// Longest interval a device may wish, in seconds.
    pub heartbeat_max_s: u16,
    /// Most pushes the server sends without an ack.
    pub window: u16,
}

impl Welcome {
    pub(crate) fn parse(body: &[u8]) -> Result<Self, FrameError> {
        field::finish(Self::fields(body))
    }

    fn fields(input: &[u8]) -> Parsed<'_, Self> {
        let (input, minor) = field::read_u8("welcome.minor", input)?;
        let (input, flags) = field::read_u8("welcome.flags", input)?;
        let (input, cid) = field::read_array("welcome.cid", input)?;
        let (input, generation) = field::read_u64("welcome.generation", input)?;
        let (input, server_time_ms) = field::read_u64("welcome.server_time_ms", input)?;
        let (input, heartbeat_s) = field::read_u16("welcome.heartbeat_s", input)?;
        let (input, heartbeat_min_s) = field::read_u16("welcome.heartbeat_min_s", input)?;
        let (input, heartbeat_max_s) = field::read_u16("welcome.heartbeat_max_s", input)?;
        let (input, window) = field::read_u16("welcome.window", input)?;
        let welcome = Self {
            minor,
            registered: flags & WELCOME_FLAG_REGISTERED != 0,
            cid: ClientId::from_bytes(cid),
            generation,
            server_time_ms,
            heartbeat_s,
            heartbeat_min_s,
            heartbeat_max_s,
            window,
        };
        Ok((input, welcome))
    }

    pub(crate) fn body_len(&self) -> usize {
        WELCOME_LEN
    }

    pub(crate) fn write(&self, out: &mut BytesMut) {
        out.put_u8(self.minor);
        out.put_u8(if self.registered {
            WELCOME_FLAG_REGISTERED
        } else {
            0
        });
        out.put_slice(self.cid.as_bytes());
        out.put_u64(self.generation);
        out.put_u64(self.server_time_ms);
        out.put_u16(self.heartbeat_s);
        out.put_u16(self.heartbeat_min_s);
        out.put_u16(self.heartbeat_max_s);
        out.put_u16(self.window);
    }
}
