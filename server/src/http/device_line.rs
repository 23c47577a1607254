//! One device as a JSON object: as it leaves in an export, and as it is read in an import.
//!
//! Always: what is written is read back as the same device; what an import may say is what the REST
//! API and the device protocol allow, no more.

use std::collections::{BTreeMap, BTreeSet};

use protocol::limits::SDK_VERSION_LEN_MAX;
use protocol::{ClientId, Platform};
use serde::Serialize;
use server_core::alias_name::TypedAlias;
use server_core::limits::{TAGS_LEN_MAX, TAGS_TEXT_LEN_MAX};
use server_core::portable::{NO_INSTALL, NO_SECRET, PortableDevice, VendorToken};
use server_core::tag_name::has_tag_characters;

use super::alias_name;
use super::inquiry::platform_name;
use super::member::{Member, object};
use super::parameter::ParameterError;
use crate::limits::{API_LIST_LEN_MAX, api_len};
use crate::secret;

object! {
    RawDevice {
        cid, platform, created_ms, sdk_version, secret_sha256, install, tags, aliases, blocked,
        push_off, badge, device_token, last_login_ms,
    }
}

object! {
    RawToken { kind, token }
}

/// A device as it leaves.
#[derive(Serialize)]
pub(super) struct DeviceView {
    cid: String,
    platform: &'static str,
    created_ms: u64,
    #[serde(skip_serializing_if = "str::is_empty")]
    sdk_version: Box<str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_sha256: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    install: Option<String>,
    tags: Vec<Box<str>>,
    aliases: BTreeMap<Box<str>, Box<str>>,
    blocked: bool,
    push_off: bool,
    badge: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    device_token: Option<TokenView>,
    last_login_ms: u64,
}

#[derive(Serialize)]
struct TokenView {
    kind: Box<str>,
    token: Box<str>,
}

/// What leaves of a device; the hash of its secret only `with_secrets`.
pub(super) fn view(device: PortableDevice, with_secrets: bool) -> DeviceView {
    let secret_hash = device.secret_hash.filter(|_| with_secrets);
    DeviceView {
        cid: device.cid.to_string(),
        platform: platform_name(device.platform),
        created_ms: device.created_ms,
        sdk_version: device.sdk_version,
        secret_sha256: secret_hash.map(|hash| secret::hex(&hash)),
        install: device.install.map(|install| secret::hex(&install)),
        tags: device.tags,
        aliases: device.aliases.into_iter().collect(),
        blocked: device.blocked,
        push_off: device.push_off,
        badge: device.badge,
        device_token: device.token.map(|(kind, token)| TokenView { kind, token }),
        last_login_ms: device.last_login_ms,
    }
}

/// Reads one device of an import.
///
/// # Errors
/// What in it is missing or wrong.
pub(super) fn read(member: Member<'_>, now_ms: u64) -> Result<PortableDevice, ParameterError> {
    let raw: RawDevice<'_> = member
        .object("device")?
        .ok_or(ParameterError::Null { field: "device" })?;
    let cid: ClientId = raw
        .cid
        .required_text("cid", 32)?
        .parse()
        .map_err(|_| ParameterError::Invalid { field: "cid" })?;
    let whole = |member: Member<'_>, field| member.whole::<u64>(field, 0..=i64::MAX);
    let badge = raw.badge.whole("badge", 0..=i64::from(i32::MAX))?;
    let sdk_version = sdk_version(raw.sdk_version)?;
    Ok(PortableDevice {
        cid,
        platform: platform(raw.platform)?,
        created_ms: whole(raw.created_ms, "created_ms")?.unwrap_or(now_ms),
        sdk_version,
        secret_hash: bytes(raw.secret_sha256, "secret_sha256", NO_SECRET)?,
        install: bytes(raw.install, "install", NO_INSTALL)?,
        tags: tags(raw.tags)?,
        aliases: aliases(raw.aliases)?,
        blocked: raw.blocked.flag("blocked")?,
        push_off: raw.push_off.flag("push_off")?,
        badge: badge.unwrap_or(0),
        token: token(raw.device_token)?,
        last_login_ms: whole(raw.last_login_ms, "last_login_ms")?.unwrap_or(0),
    })
}

/// What is wrong, with the limit and what came: an operator has thousands of lines to look through.
pub(super) fn why(error: ParameterError) -> String {
    match error {
        ParameterError::Size { field, limit, got } => {
            format!("{error}: {field} may be {limit} long and is {got}")
        }
        other => other.to_string(),
    }
}

fn sdk_version(member: Member<'_>) -> Result<Box<str>, ParameterError> {
    let field = "sdk_version";
    let text = member.text(field, SDK_VERSION_LEN_MAX)?.unwrap_or_default();
    let (limit, got) = (SDK_VERSION_LEN_MAX, text.len());
    match got <= limit {
        true => Ok(text.into()),
        false => Err(ParameterError::Size { field, limit, got }),
    }
}

fn platform(member: Member<'_>) -> Result<u8, ParameterError> {
    let field = "platform";
    let Some(text) = member.text(field, api_len::NAME_MAX)? else {
        return Ok(Platform::Unknown.number());
    };
    Platform::ALL
        .iter()
        .map(|platform| platform.number())
        .find(|number| platform_name(*number) == text)
        .ok_or(ParameterError::Invalid { field })
}

/// Bytes in hex, which may not be those that stand for none.
fn bytes<const LEN: usize>(
    member: Member<'_>,
    field: &'static str,
    none: [u8; LEN],
) -> Result<Option<[u8; LEN]>, ParameterError> {
    let Some(text) = member.text(field, LEN * 2)? else {
        return Ok(None);
    };
    secret::bytes_of_hex(&text)
        .filter(|bytes| *bytes != none)
        .map(Some)
        .ok_or(ParameterError::Invalid { field })
}

/// In order, each once.
fn tags(member: Member<'_>) -> Result<Vec<Box<str>>, ParameterError> {
    let field = "tags";
    let over = |limit, got| ParameterError::Size { field, limit, got };
    let members: Vec<Member<'_>> = member.list(field)?.unwrap_or_default();
    if members.len() > TAGS_LEN_MAX {
        return Err(over(TAGS_LEN_MAX, members.len()));
    }
    let mut tags = BTreeSet::new();
    for member in members {
        let tag = member.required_text(field, api_len::TAG_MAX)?;
        if !has_tag_characters(&tag) {
            return Err(ParameterError::Invalid { field });
        }
        tags.insert(tag.into_boxed_str());
    }
    let chars = tags.iter().map(|tag| tag.chars().count()).sum();
    if chars > TAGS_TEXT_LEN_MAX {
        return Err(over(TAGS_TEXT_LEN_MAX, chars));
    }
    Ok(tags.into_iter().collect())
}

fn aliases(member: Member<'_>) -> Result<Vec<TypedAlias>, ParameterError> {
    let field = "aliases";
    let members: BTreeMap<String, Member<'_>> = member.object(field)?.unwrap_or_default();
    if members.len() > API_LIST_LEN_MAX {
        let (limit, got) = (API_LIST_LEN_MAX, members.len());
        return Err(ParameterError::Size { field, limit, got });
    }
    let pair = |(kind, name): (String, Member<'_>)| {
        let name = name.required_text("alias", api_len::NAME_MAX)?;
        Ok((
            alias_name::alias_type(Some(&kind))?,
            alias_name::alias(&name)?,
        ))
    };
    members.into_iter().map(pair).collect()
}

fn token(member: Member<'_>) -> Result<Option<VendorToken>, ParameterError> {
    let field = "device_token";
    let Some(raw) = member.object::<RawToken<'_>>(field)? else {
        return Ok(None);
    };
    let kind = raw.kind.required_text(field, api_len::TOKEN_KIND_MAX)?;
    let token = raw.token.required_text(field, api_len::DEVICE_TOKEN_MAX)?;
    Ok(Some((kind.into(), token.into())))
}
