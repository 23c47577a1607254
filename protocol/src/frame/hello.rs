//! Hello (0x01), device to server: register or log in. The first frame of a connection.
//!
//! ```text
//! minor u8 | flags u8 | app_id s8 | identity 16 | credential_type u8 | credential b8 | sign b8
//! | resume u64 | heartbeat_s u16 | platform u8 | sdk_version s8
//! ```
//! Always: the longest hello stays below `HELLO_LEN_MAX`; `Debug` shows no secret and no sign.

use std::fmt;

use bytes::{BufMut, BytesMut};

use crate::error::FrameError;
use crate::field::{self, Parsed, refuse};
use crate::ids::{ClientId, InstallId};
use crate::limits::{APP_ID_LEN_MAX, SDK_VERSION_LEN_MAX};
use crate::message_id::MessageId;
use crate::secret::DeviceSecret;
use crate::wire::{
    CREDENTIAL_DEVICE_SECRET, HELLO_FIXED_LEN, HELLO_FLAG_LOGIN, HELLO_FLAGS_KNOWN, Platform,
    SECRET_LEN, SIGN_LEN,
};

/// Who says hello.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Identity {
    /// A device without a client id asks for one. Repeating it with the same secret gives the same.
    Register(InstallId),
    /// A device with a client id.
    Login(ClientId),
}

/// The first frame of a device.
#[derive(Clone, PartialEq, Eq)]
pub struct Hello {
    /// Minor version the device speaks.
    pub minor: u8,
    /// The AppID, 1 to 64 bytes of UTF-8.
    pub app_id: String,
    /// Register or log in.
    pub identity: Identity,
    /// The device secret (credential type 1).
    pub secret: DeviceSecret,
    /// The sign, for apps that demand one; only its length is checked here.
    pub sign: Option<[u8; SIGN_LEN]>,
    /// Up to here this device has handled everything; `MessageId::NONE` when nothing.
    pub resume: MessageId,
    /// The heartbeat interval the device wishes, in seconds; 0 leaves it to the server.
    pub heartbeat_s: u16,
    /// The platform.
    pub platform: Platform,
    /// Name and version of the SDK, at most 32 bytes of UTF-8.
    pub sdk_version: String,
}

impl Hello {
    pub(crate) fn parse(body: &[u8]) -> Result<Self, FrameError> {
        field::finish(Self::fields(body))
    }

    fn fields(input: &[u8]) -> Parsed<'_, Self> {
        let (input, minor) = field::read_u8("hello.minor", input)?;
        let (input, flags) = field::read_u8("hello.flags", input)?;
        check_flags(flags).or_else(refuse)?;
        let (input, app_id) = field::read_text("hello.app_id", 1..=APP_ID_LEN_MAX, input)?;
        let (input, identity) = field::read_array("hello.identity", input)?;
        let identity = match flags & HELLO_FLAG_LOGIN {
            0 => Identity::Register(InstallId::from_bytes(identity)),
            _ => Identity::Login(ClientId::from_bytes(identity)),
        };
        let (input, secret) = read_credential(input)?;
        let (input, sign) = read_sign(input)?;
        let (input, resume) = field::read_u64("hello.resume", input)?;
        let (input, heartbeat_s) = field::read_u16("hello.heartbeat_s", input)?;
        let (input, platform) = field::read_u8("hello.platform", input)?;
        let (input, sdk_version) =
            field::read_text("hello.sdk_version", 0..=SDK_VERSION_LEN_MAX, input)?;
        let hello = Self {
            minor,
            app_id,
            identity,
            secret,
            sign,
            resume: MessageId(resume),
            heartbeat_s,
            platform: Platform::from_number(platform),
            sdk_version,
        };
        Ok((input, hello))
    }

    pub(crate) fn check(&self) -> Result<(), FrameError> {
        field::check_len("hello.app_id", self.app_id.len(), 1..=APP_ID_LEN_MAX)?;
        field::check_len(
            "hello.sdk_version",
            self.sdk_version.len(),
            0..=SDK_VERSION_LEN_MAX,
        )
    }

    pub(crate) fn body_len(&self) -> usize {
        HELLO_FIXED_LEN
            .saturating_add(self.app_id.len())
            .saturating_add(SECRET_LEN)
            .saturating_add(self.sign_bytes().len())
            .saturating_add(self.sdk_version.len())
    }

    pub(crate) fn write(&self, out: &mut BytesMut) {
        let (flags, identity) = match &self.identity {
            Identity::Register(install) => (0, install.as_bytes()),
            Identity::Login(client) => (HELLO_FLAG_LOGIN, client.as_bytes()),
        };
        out.put_u8(self.minor);
        out.put_u8(flags);
        field::write_counted(self.app_id.as_bytes(), out);
        out.put_slice(identity);
        out.put_u8(CREDENTIAL_DEVICE_SECRET);
        field::write_counted(self.secret.as_bytes(), out);
        field::write_counted(self.sign_bytes(), out);
        out.put_u64(self.resume.0);
        out.put_u16(self.heartbeat_s);
        out.put_u8(self.platform.number());
        field::write_counted(self.sdk_version.as_bytes(), out);
    }

    fn sign_bytes(&self) -> &[u8] {
        self.sign.as_ref().map_or(&[], |sign| sign.as_slice())
    }
}

fn check_flags(flags: u8) -> Result<(), FrameError> {
    if flags & !HELLO_FLAGS_KNOWN == 0 {
        return Ok(());
    }
    Err(FrameError::ReservedBits {
        field: "hello.flags",
        known: HELLO_FLAGS_KNOWN,
        got: flags,
    })
}

fn read_credential(input: &[u8]) -> Parsed<'_, DeviceSecret> {
    let (input, credential_type) = field::read_u8("hello.credential_type", input)?;
    if credential_type != CREDENTIAL_DEVICE_SECRET {
        return refuse(FrameError::UnknownCredential {
            known: CREDENTIAL_DEVICE_SECRET,
            got: credential_type,
        });
    }
    let (rest, bytes) = field::read_bytes("hello.credential", SECRET_LEN..=SECRET_LEN, input)?;
    let (_, secret) = field::read_array("hello.credential", bytes)?;
    Ok((rest, DeviceSecret::from_bytes(secret)))
}

fn read_sign(input: &[u8]) -> Parsed<'_, Option<[u8; SIGN_LEN]>> {
    const FIELD: &str = "hello.sign";
    let (rest, bytes) = match input.first() {
        Some(0) => field::read_bytes(FIELD, 0..=0, input)?,
        _ => field::read_bytes(FIELD, SIGN_LEN..=SIGN_LEN, input)?,
    };
    if bytes.is_empty() {
        return Ok((rest, None));
    }
    let (_, sign) = field::read_array(FIELD, bytes)?;
    Ok((rest, Some(sign)))
}

// By hand: a sign proves the AppSecret and stays out of logs like the secret.
impl fmt::Debug for Hello {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hello")
            .field("minor", &self.minor)
            .field("app_id", &self.app_id)
            .field("identity", &self.identity)
            .field("secret", &self.secret)
            .field("signed", &self.sign.is_some())
            .field("resume", &self.resume)
            .field("heartbeat_s", &self.heartbeat_s)
            .field("platform", &self.platform)
            .field("sdk_version", &self.sdk_version)
            .finish()
    }
}
