//! Devices as they are carried from one server to another: with tags, aliases and what was set.
//!
//! Owner: one request. Always: pages come in the order of the CIDs; what a page holds and how many
//! rows it looks at are bounded, so an app of any size is carried page by page. Pure over [`Rows`].

use protocol::ClientId;
use schema::record::{ClientTags, Cursor, Device, Profile};

use crate::alias_name::TypedAlias;
use crate::ids::AppNo;
use crate::keys;
use crate::limits::{PORTABLE_PAGE_BYTES_MAX, PORTABLE_SCAN_MAX};
use crate::read::aliases_of_cid;
use crate::rows::{Keyspace, Rows, RowsError};

/// Stands for the hash of a secret where a device has none: no secret is known that hashes to it,
/// so nobody logs in as that device.
pub const NO_SECRET: [u8; 32] = [0; 32];

/// Stands for the install id where none is known.
pub const NO_INSTALL: [u8; 16] = [0; 16];

/// Vendor channel and token.
pub type VendorToken = (Box<str>, Box<str>);

/// One device with everything that is carried. Messages are not.
#[derive(Clone, PartialEq, Eq)]
pub struct PortableDevice {
    /// Its CID, wherever it was given.
    pub cid: ClientId,
    /// Its platform's number on the wire.
    pub platform: u8,
    /// When it registered, in ms of Unix time.
    pub created_ms: u64,
    /// What its SDK calls its version.
    pub sdk_version: Box<str>,
    /// SHA-256 of its secret; without one nobody can log in as it.
    pub secret_hash: Option<[u8; 32]>,
    /// The random id that its installation made.
    pub install: Option<[u8; 16]>,
    /// In order, each once.
    pub tags: Vec<Box<str>>,
    /// Each type once.
    pub aliases: Vec<TypedAlias>,
    /// The third party black-listed it.
    pub blocked: bool,
    /// The user switched push off.
    pub push_off: bool,
    /// The number on the app's icon.
    pub badge: i32,
    /// The token of a vendor channel.
    pub token: Option<VendorToken>,
    /// Its last login in ms of Unix time, 0 for none.
    pub last_login_ms: u64,
}

impl std::fmt::Debug for PortableDevice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The hash of a secret and tokens of vendors are nobody's to read in a log.
        f.debug_struct("PortableDevice")
            .field("cid", &self.cid)
            .finish_non_exhaustive()
    }
}

impl PortableDevice {
    /// Bytes that it takes while it is carried, roughly.
    pub fn weight(&self) -> usize {
        let tags: usize = self.tags.iter().map(|tag| tag.len() + 32).sum();
        let aliases = self.aliases.iter();
        let aliases: usize = aliases
            .map(|(kind, name)| kind.len() + name.len() + 64)
            .sum();
        let token = self.token.as_ref();
        let token = token.map_or(0, |(kind, token)| kind.len() + token.len());
        512 + tags + aliases + token
    }
}

/// What became of one device of an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Imported {
    /// It is as the import says.
    Done,
    /// Another app has a device of this CID.
    OtherApp,
    /// The device has a secret, and it is another one.
    OtherSecret,
    /// Install id and secret are those of another CID of the app.
    InstallTaken,
}

/// A run of devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DevicePage {
    /// Devices of the app, in the order of their CIDs; there may be none.
    pub devices: Vec<PortableDevice>,
    /// Behind which CID the next page begins; `None` behind the last one.
    pub next: Option<ClientId>,
}

/// The devices of an app behind a CID, at most `len_max` of them.
pub(crate) fn page(
    rows: &impl Rows,
    app: AppNo,
    after: Option<ClientId>,
    len_max: usize,
) -> Result<DevicePage, RowsError> {
    let from = after.map_or_else(Vec::new, |cid| {
        let mut key = keys::client(cid);
        // The next key there can be.
        key.push(0);
        key
    });
    let mut found: Vec<(ClientId, Device)> = Vec::new();
    let mut next = None;
    let (mut seen, mut last) = (0, None);
    rows.try_range(Keyspace::Reg, &[], &from, |key, value| {
        if found.len() == len_max || seen == PORTABLE_SCAN_MAX {
            next = last;
            return Ok(false);
        }
        seen += 1;
        last = keys::client_of(key);
        let device = Device::decode(value)?;
        if let Some(cid) = last
            && device.app == app.0
        {
            found.push((cid, device));
        }
        Ok(true)
    })?;
    let mut devices: Vec<PortableDevice> = Vec::with_capacity(found.len());
    let mut weight = 0;
    for (cid, device) in found {
        if weight >= PORTABLE_PAGE_BYTES_MAX {
            next = devices.last().map(|device| device.cid);
            break;
        }
        let device = portable(rows, cid, device)?;
        weight += device.weight();
        devices.push(device);
    }
    Ok(DevicePage { devices, next })
}

fn portable(rows: &impl Rows, cid: ClientId, device: Device) -> Result<PortableDevice, RowsError> {
    let key = keys::client(cid);
    let tags = rows
        .row(Keyspace::ClientTags, &key, ClientTags::decode)?
        .unwrap_or_default();
    let profile = rows
        .row(Keyspace::Profile, &key, Profile::decode)?
        .unwrap_or_default();
    let cursor = rows
        .row(Keyspace::Cur, &key, Cursor::decode)?
        .unwrap_or_default();
    let (kind, token) = (profile.token_kind, profile.device_token);
    Ok(PortableDevice {
        cid,
        platform: device.platform,
        created_ms: device.created_ms,
        sdk_version: device.sdk_version.into(),
        secret_hash: (device.secret_hash != NO_SECRET).then_some(device.secret_hash),
        install: (device.install != NO_INSTALL).then_some(device.install),
        tags: tags.tags.into_iter().map(String::into_boxed_str).collect(),
        aliases: aliases_of_cid(rows, cid)?,
        blocked: device.blocked,
        push_off: device.push_off,
        badge: profile.badge,
        token: (!token.is_empty()).then(|| (kind.into(), token.into())),
        last_login_ms: cursor.last_login_ms,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::{MemoryRows, WriteSet};

    const APP: AppNo = AppNo(1);

    /// So many devices of an app, each with so many tags.
    fn rows(len: u32, app: AppNo, tags: usize) -> MemoryRows {
        let mut writes = WriteSet::default();
        for number in 0..len {
            let mut cid = [0; 16];
            cid[12..].copy_from_slice(&number.to_be_bytes());
            let key = keys::client(ClientId::from_bytes(cid));
            let device = Device {
                app: app.0,
                install: NO_INSTALL,
                secret_hash: NO_SECRET,
                created_ms: 0,
                platform: 1,
                sdk_version: String::new(),
                push_off: false,
                blocked: false,
                notify_off: false,
            };
            writes.put(Keyspace::Reg, key.clone(), device.encode());
            let tags = ClientTags {
                tags: vec!["tag".to_owned(); tags],
            };
            writes.put(Keyspace::ClientTags, key, tags.encode());
        }
        let mut rows = MemoryRows::default();
        rows.commit(writes);
        rows
    }

    #[test]
    fn given_devices_of_another_app_when_a_page_has_looked_at_many_should_say_where_to_go_on() {
        let full = PORTABLE_SCAN_MAX as u32;
        for (len, goes_on) in [(full, false), (full + 1, true)] {
            let page = page(&rows(len, AppNo(2), 0), APP, None, 10).expect("memory reads");
            assert_eq!((page.devices.len(), page.next.is_some()), (0, goes_on));
        }
    }

    #[test]
    fn given_devices_with_many_tags_when_a_page_is_as_heavy_as_it_may_be_should_end_there() {
        let each = rows(1, APP, 100);
        let each = page(&each, APP, None, 1).expect("memory reads").devices[0].weight();
        let fits = PORTABLE_PAGE_BYTES_MAX.div_ceil(each);
        assert!((200..300).contains(&fits), "{fits} devices of {each} bytes");
        for (len, goes_on) in [(fits, false), (fits + 1, true)] {
            let rows = rows(len as u32, APP, 100);
            let page = page(&rows, APP, None, 2 * len).expect("memory reads");
            assert_eq!((page.devices.len(), page.next.is_some()), (fits, goes_on));
        }
    }
}
