//! A registered device, and how far it has come.
//!
//! Owner: the shard of the CID, which is the row's key. Always: a `Device` is written before its welcome is sent; a
//! `Cursor` is written lazily and only grows.

use std::fmt;

use crate::SchemaError;
use crate::generated::record as fb;
use crate::limits::SMALL_RECORD_LEN_MAX;
use crate::root::Shape;

const DEVICE: Shape = Shape {
    what: "Device",
    len_max: SMALL_RECORD_LEN_MAX,
};

const CURSOR: Shape = Shape {
    what: "Cursor",
    len_max: SMALL_RECORD_LEN_MAX,
};

/// A device, as it registered.
#[derive(Clone, PartialEq, Eq)]
pub struct Device {
    /// The number of its app.
    pub app: u32,
    /// The random id its installation made.
    pub install: [u8; 16],
    /// SHA-256 of the secret it made.
    pub secret_hash: [u8; 32],
    /// Unix milliseconds of the first registration.
    pub created_ms: u64,
    /// The platform's number on the wire.
    pub platform: u8,
    /// What the SDK calls its version.
    pub sdk_version: String,
    /// The user switched push off.
    pub push_off: bool,
    /// The third party black-listed it.
    pub blocked: bool,
    /// The user lets the phone show no notifications of the app.
    pub notify_off: bool,
}

impl Device {
    /// The value to store.
    pub fn encode(&self) -> Vec<u8> {
        DEVICE.build(|builder| {
            let sdk_version = builder.create_string(&self.sdk_version);
            fb::Device::create(
                builder,
                &fb::DeviceArgs {
                    app: self.app,
                    install: Some(&fb::Bytes16::new(&self.install)),
                    secret_hash: Some(&fb::Bytes32::new(&self.secret_hash)),
                    created_ms: self.created_ms,
                    platform: self.platform,
                    sdk_version: Some(sdk_version),
                    push_off: self.push_off,
                    blocked: self.blocked,
                    notify_off: self.notify_off,
                },
            )
        })
    }

    /// Reads a stored value.
    ///
    /// # Errors
    /// Longer than [`SMALL_RECORD_LEN_MAX`], or not a verified `Device`.
    pub fn decode(bytes: &[u8]) -> Result<Device, SchemaError> {
        let device = DEVICE.open::<fb::Device>(bytes)?;
        Ok(Device {
            app: device.app(),
            install: device.install().bytes().into(),
            secret_hash: device.secret_hash().bytes().into(),
            created_ms: device.created_ms(),
            platform: device.platform(),
            sdk_version: device.sdk_version().to_owned(),
            push_off: device.push_off(),
            blocked: device.blocked(),
            notify_off: device.notify_off(),
        })
    }
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Device")
            .field("app", &self.app)
            .field("install", &self.install)
            .field("secret_hash", &"redacted")
            .field("created_ms", &self.created_ms)
            .field("platform", &self.platform)
            .field("sdk_version", &self.sdk_version)
            .field("push_off", &self.push_off)
            .field("blocked", &self.blocked)
            .field("notify_off", &self.notify_off)
            .finish()
    }
}

/// How far a device has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    /// Every message up to this id is acked; 0 is none.
    pub acked: u64,
    /// Unix milliseconds, 0 is never.
    pub last_login_ms: u64,
    /// Unix milliseconds, 0 is never.
    pub last_seen_ms: u64,
}

impl Cursor {
    /// The value to store.
    pub fn encode(&self) -> Vec<u8> {
        CURSOR.build(|builder| {
            fb::Cursor::create(
                builder,
                &fb::CursorArgs {
                    acked: self.acked,
                    last_login_ms: self.last_login_ms,
                    last_seen_ms: self.last_seen_ms,
                },
            )
        })
    }

    /// Reads a stored value.
    ///
    /// # Errors
    /// Longer than [`SMALL_RECORD_LEN_MAX`], or not a verified `Cursor`.
    pub fn decode(bytes: &[u8]) -> Result<Cursor, SchemaError> {
        let cursor = CURSOR.open::<fb::Cursor>(bytes)?;
        Ok(Cursor {
            acked: cursor.acked(),
            last_login_ms: cursor.last_login_ms(),
            last_seen_ms: cursor.last_seen_ms(),
        })
    }
}
