//! What a client is made from.
//!
//! Owner: the caller. Always: the install id and the secret are the device's own and random; the
//! server never chooses either.

use protocol::{ClientId, DeviceSecret, InstallId, MessageId, Platform, SilentTime};
use sha2::{Digest, Sha256};

use super::backoff::BackoffBounds;
use super::networks::LearntHeartbeats;

/// How long a server may take from hello to welcome, in milliseconds. A registration waits for a
/// flush to disk, and a fleet may be ahead of us in the queue; longer than this nobody is there.
pub const WELCOME_WAIT_MS: u64 = 30_000;

/// Whether handled pushes are acked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AckMode {
    /// Each handled push is acked.
    #[default]
    Auto,
    /// Nothing is acked, neither by frame nor by the resume number of the next hello: to the server
    /// the device never handled anything.
    None,
}

/// Everything a [`super::Client`] needs to know.
#[derive(Debug, Clone)]
pub struct Config {
    /// The app this device belongs to, 1..=64 bytes.
    pub app_id: String,
    /// Only for apps that demand a signed hello.
    pub app_secret: Option<String>,
    /// Made once by the device, at its first start.
    pub install: InstallId,
    /// Made once by the device, at its first start.
    pub secret: DeviceSecret,
    /// What an earlier registration gave; `None` registers.
    pub identity: Option<ClientId>,
    /// Highest id this device confirmed in earlier runs; 0 = none.
    pub last_handled: MessageId,
    /// The heartbeat to ask for, in seconds; 0 = the server's choice. Not looked at when `learnt`
    /// is given.
    pub heartbeat_s: u16,
    /// Learn the longest heartbeat each network holds, and go on from what earlier runs learnt
    /// (`Some(LearntHeartbeats::default())` at the first); `None` = `heartbeat_s` for ever.
    pub learnt: Option<LearntHeartbeats>,
    /// The hours in which it stays away, as the server was told in an earlier run.
    pub silent: Option<SilentTime>,
    /// What is added to the caller's milliseconds to have those of Unix time, if the caller has a
    /// clock; it is only looked at until the first welcome tells the server's.
    pub unix_offset_ms: Option<i64>,
    /// Whether handled pushes are acked.
    pub ack: AckMode,
    /// What the device is.
    pub platform: Platform,
    /// The waits between attempts.
    pub backoff: BackoffBounds,
    /// How long a server may take from hello to welcome, in milliseconds.
    pub welcome_wait_ms: u64,
    /// Seed of the jitter; give every device its own.
    pub seed: u64,
}

impl Config {
    /// A device that has never registered, with the defaults for everything else.
    pub fn new(app_id: &str, install: InstallId, secret: DeviceSecret, seed: u64) -> Self {
        Self {
            app_id: app_id.to_owned(),
            app_secret: None,
            install,
            secret,
            identity: None,
            last_handled: MessageId(0),
            heartbeat_s: 0,
            learnt: None,
            silent: None,
            unix_offset_ms: None,
            ack: AckMode::Auto,
            platform: Platform::Other,
            backoff: BackoffBounds::default(),
            welcome_wait_ms: WELCOME_WAIT_MS,
            seed,
        }
    }

    /// SHA-256 of app id, identity, secret and app secret, in this order without separators.
    pub(super) fn sign(&self, identity: &[u8; 16]) -> Option<[u8; 32]> {
        let app_secret = self.app_secret.as_ref()?;
        let mut hash = Sha256::new();
        hash.update(self.app_id.as_bytes());
        hash.update(identity);
        hash.update(self.secret.as_bytes());
        hash.update(app_secret.as_bytes());
        Some(hash.finalize().into())
    }
}
