//! The registered devices of one shard, as far as a push or a login must know them at once.
//!
//! Owner: one `Shard`. Always: `session` names a live session of this shard or none.
//! Memory: one entry of [`Device`]'s size and the CID's a device, and its number in an index; nothing else of an
//! offline device is in memory.

mod arena;

use std::hash::{BuildHasher, BuildHasherDefault, Hasher};

use hashbrown::HashTable;
use protocol::{ClientId, DeviceSecret, MessageId};
use roaring::RoaringBitmap;
use schema::record::Device as DeviceRow;
use sha2::{Digest, Sha256};

use crate::audience_sets::AudienceSets;
use crate::clock::DAY_MS;
use crate::group::{Audience, TagTerm};
use crate::ids::{AppNo, SessionId};
use crate::op::CursorMove;

use arena::Arena;

/// Spreads CIDs over the index. Fixed, so that no run depends on chance; the CID's own bits are
/// random, and a device cannot choose them.
type Spread = BuildHasherDefault<Mix>;

/// Bytes of the SHA-256 of a secret that are in memory. A secret has 32 random bytes: half of its hash says as surely
/// whether it is the right one.
const HASH_KEPT_LEN: usize = 16;

/// Stands for no number.
const NONE: u64 = u64::MAX;

/// Folds the words of a CID together.
#[derive(Debug, Default)]
pub struct Mix(u64);

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.0 = (self.0.rotate_left(29) ^ u64::from_le_bytes(word))
                .wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
    }
}

/// How a device is switched.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Switches {
    /// Its user switched push off.
    pub push_off: bool,
    /// Its third party black-listed it.
    pub blocked: bool,
    /// Its user lets the phone show no notifications of the app.
    pub notify_off: bool,
}

impl Switches {
    /// As its row says.
    pub fn of(row: &DeviceRow) -> Self {
        Switches {
            push_off: row.push_off,
            blocked: row.blocked,
            notify_off: row.notify_off,
        }
    }

    /// Whether it takes no pushes.
    pub fn is_muted(self) -> bool {
        self.push_off || self.blocked
    }
}

/// One registered device. As small as it goes: there are millions of them.
#[derive(Debug, Clone)]
pub struct Device {
    /// Its app.
    pub app: AppNo,
    /// The beginning of the SHA-256 of its secret.
    secret_hash: [u8; HASH_KEPT_LEN],
    /// How it is switched.
    pub switches: Switches,
    /// Everything up to here is final for it.
    pub acked: MessageId,
    /// See [`Device::tail`]; [`NONE`] for none.
    tail: u64,
    /// Its last login in ms of Unix time, 0 for none.
    pub last_login_ms: u64,
    /// When it was last heard of in ms of Unix time.
    pub last_seen_ms: u64,
    /// Its live session; [`NONE`] for none.
    session: u64,
    /// Whether its cursor differs from what is written down.
    pub dirty: bool,
    /// Whether its deletion is on its way to the disk: its cursor is not written down any more.
    leaving: bool,
    /// Whether it first logged in of its day in the login that is not written down yet.
    pub newly_active: bool,
    /// Its platform's number on the wire.
    platform: u8,
    /// When it registered, in s of Unix time.
    created_s: u32,
}

// With the CID beside it; a million of them are 88 MB.
const _: () = assert!(size_of::<Option<(ClientId, Device)>>() <= 88);

impl Device {
    /// A device from its row. `tail`: the highest stored id, if it is known.
    pub fn new(row: &DeviceRow, tail: Option<MessageId>) -> Self {
        let mut device = Device {
            app: AppNo(row.app),
            secret_hash: [0; HASH_KEPT_LEN],
            switches: Switches::of(row),
            acked: MessageId(0),
            tail: tail.map_or(NONE, |tail| tail.0),
            last_login_ms: 0,
            last_seen_ms: 0,
            session: NONE,
            dirty: false,
            leaving: false,
            newly_active: false,
            platform: row.platform,
            created_s: u32::try_from(row.created_ms / 1000).unwrap_or(u32::MAX),
        };
        device.set_secret_hash(&row.secret_hash);
        device
    }

    /// The highest id known to be stored for it; `None` until its backlog was looked at.
    pub fn tail(&self) -> Option<MessageId> {
        (self.tail != NONE).then_some(MessageId(self.tail))
    }

    /// Its backlog was looked at, or has one message more: this is the highest id, unless a page
    /// brought a higher one before the shard was told of this.
    pub fn raise_tail(&mut self, to: MessageId) {
        self.tail = self.tail().map_or(to.0, |tail| tail.max(to).0);
    }

    /// Its live session.
    pub fn session(&self) -> Option<SessionId> {
        (self.session != NONE).then_some(SessionId(self.session))
    }

    /// It has this session from now on, or none.
    pub fn set_session(&mut self, session: Option<SessionId>) {
        self.session = session.map_or(NONE, |session| session.0);
    }

    /// It has another secret from now on, of which this is the SHA-256.
    pub fn set_secret_hash(&mut self, hash: &[u8; 32]) {
        self.secret_hash.copy_from_slice(&hash[..HASH_KEPT_LEN]);
    }

    /// Whether it registered by then, to the second.
    pub fn has_registered_by(&self, wall_ms: u64) -> bool {
        u64::from(self.created_s) <= wall_ms / 1000
    }

    /// Whether this is its secret. The time it takes does not depend on where they differ.
    pub fn has_secret(&self, secret: &DeviceSecret) -> bool {
        let hash = hash_of(secret);
        self.secret_hash
            .iter()
            .zip(hash)
            .fold(0, |differ, (a, b)| differ | (a ^ b))
            == 0
    }
}

/// What is stored of a secret.
pub fn hash_of(secret: &DeviceSecret) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

/// All devices of one shard.
#[derive(Debug, Default)]
pub struct Devices {
    /// By their ordinals, which the sets of the audiences name.
    arena: Arena<(ClientId, Device)>,
    /// Ordinals by CID.
    index: HashTable<u32>,
    dirty: Vec<ClientId>,
    sets: AudienceSets,
}

fn spread(cid: ClientId) -> u64 {
    Spread::default().hash_one(cid)
}

impl Devices {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.arena.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn ordinal(&self, cid: ClientId) -> Option<u32> {
        let is_its = |ordinal: &u32| self.arena.get(*ordinal).is_some_and(|(own, _)| *own == cid);
        self.index.find(spread(cid), is_its).copied()
    }

    /// Adds or replaces a device.
    pub fn put(&mut self, cid: ClientId, device: Device) {
        let (app, platform) = (device.app, device.platform);
        let ordinal = match self.ordinal(cid) {
            Some(ordinal) => {
                if let Some((_, old)) = self.arena.get_mut(ordinal) {
                    *old = device;
                }
                ordinal
            }
            None => {
                let ordinal = self.arena.put((cid, device));
                let arena = &self.arena;
                let hash_of = |other: &u32| {
                    let (cid, _) = arena.get(*other).expect("the index names what is there");
                    spread(*cid)
                };
                self.index.insert_unique(spread(cid), ordinal, hash_of);
                ordinal
            }
        };
        self.sets.insert(app, platform, ordinal);
    }

    /// The deletion of a device is on its way, or was refused.
    pub fn set_leaving(&mut self, cid: ClientId, leaving: bool) {
        if let Some(device) = self.get_mut(cid) {
            device.leaving = leaving;
        }
        if !leaving {
            self.touch(cid);
        }
    }

    /// Takes out a device.
    pub fn remove(&mut self, cid: ClientId) -> Option<Device> {
        let ordinal = self.ordinal(cid)?;
        if let Ok(entry) = self.index.find_entry(spread(cid), |one| *one == ordinal) {
            entry.remove();
        }
        let (_, device) = self.arena.take(ordinal)?;
        self.sets.remove(device.app, ordinal);
        Some(device)
    }

    /// A device has this tag from now on, or not any more.
    pub fn set_tag(&mut self, cid: ClientId, tag: &str, has: bool) {
        if let Some((sets, app, ordinal)) = self.tagged(cid) {
            sets.set_tag(app, tag, ordinal, has);
        }
    }

    /// Where a device stands in the sets, to be given its tags one after the other.
    pub(crate) fn tagged(&mut self, cid: ClientId) -> Option<(&mut AudienceSets, AppNo, u32)> {
        let ordinal = self.ordinal(cid)?;
        let (_, device) = self.arena.get(ordinal)?;
        Some((&mut self.sets, device.app, ordinal))
    }

    /// Whether the tags of a device are as a term says.
    pub fn has_tags(&self, cid: ClientId, term: &TagTerm) -> bool {
        let found = self.ordinal(cid);
        let found = found.and_then(|ordinal| Some((ordinal, self.arena.get(ordinal)?)));
        found.is_some_and(|(ordinal, (_, device))| self.sets.has_tags(device.app, ordinal, term))
    }

    /// How many devices of an app an audience has at this time.
    pub fn count(&self, app: AppNo, audience: &Audience, wall_ms: u64) -> u64 {
        let found = self.sets.resolve(app, &audience.conditions);
        match audience.activity {
            None => found.len(),
            Some(_) => self.those(&found, audience, wall_ms).count() as u64,
        }
    }

    /// No device registered later, in ms of Unix time; 0 if there is none.
    pub fn registered_by_ms(&self) -> u64 {
        let all = self.arena.iter();
        let latest_s = all.map(|(_, device)| device.created_s).max();
        u64::from(latest_s.unwrap_or(0)) * 1000
    }

    /// The devices of an app that an audience has at this time and that registered by
    /// `registered_by_ms`, to the second, in order of their CIDs.
    pub fn resolve(
        &self,
        app: AppNo,
        audience: &Audience,
        registered_by_ms: u64,
        wall_ms: u64,
    ) -> Vec<ClientId> {
        let found = self.sets.resolve(app, &audience.conditions);
        let mut cids: Vec<ClientId> = self
            .those(&found, audience, wall_ms)
            .filter(|(_, device)| device.has_registered_by(registered_by_ms))
            .map(|(cid, _)| cid)
            .collect();
        cids.sort_unstable();
        cids
    }

    fn those<'a>(
        &'a self,
        found: &'a RoaringBitmap,
        audience: &'a Audience,
        wall_ms: u64,
    ) -> impl Iterator<Item = (ClientId, &'a Device)> {
        found.iter().filter_map(move |ordinal| {
            let (cid, device) = self.arena.get(ordinal)?;
            let wanted = audience.activity.is_none_or(|activity| {
                let since_ms = wall_ms.saturating_sub(u64::from(activity.days) * DAY_MS);
                let was = device.session().is_some() || device.last_login_ms > since_ms;
                was == activity.active
            });
            wanted.then_some((*cid, device))
        })
    }

    /// A device.
    pub fn get(&self, cid: ClientId) -> Option<&Device> {
        let (_, device) = self.arena.get(self.ordinal(cid)?)?;
        Some(device)
    }

    /// A device, to be changed.
    pub fn get_mut(&mut self, cid: ClientId) -> Option<&mut Device> {
        let (_, device) = self.arena.get_mut(self.ordinal(cid)?)?;
        Some(device)
    }

    /// Takes out the devices that `gone` names, in order of their CIDs.
    pub fn remove_all(&mut self, gone: impl Fn(&Device) -> bool) -> Vec<ClientId> {
        let of = |(cid, device): &(ClientId, Device)| gone(device).then_some(*cid);
        let mut cids: Vec<ClientId> = self.arena.iter().filter_map(of).collect();
        cids.sort_unstable();
        for cid in &cids {
            self.remove(*cid);
        }
        cids
    }

    /// Notes that the cursor of a device has to be written down.
    pub fn touch(&mut self, cid: ClientId) {
        if let Some(device) = self.get_mut(cid)
            && !device.dirty
            && !device.leaving
        {
            device.dirty = true;
            self.dirty.push(cid);
        }
    }

    /// How many cursors are unwritten.
    pub fn dirty_len(&self) -> usize {
        self.dirty.len()
    }

    /// Takes all unwritten cursors.
    pub fn take_moves(&mut self) -> Vec<CursorMove> {
        let mut moves = Vec::with_capacity(self.dirty.len());
        for cid in std::mem::take(&mut self.dirty) {
            if let Some(device) = self.get_mut(cid) {
                device.dirty = false;
                let newly_active = std::mem::take(&mut device.newly_active);
                moves.push(CursorMove {
                    cid,
                    active: newly_active.then_some(device.app),
                    acked: device.acked,
                    last_login_ms: device.last_login_ms,
                    last_seen_ms: device.last_seen_ms,
                });
            }
        }
        moves
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::group::Activity;

    fn device(secret_hash: [u8; 32]) -> Device {
        let row = DeviceRow {
            app: 1,
            install: [1; 16],
            secret_hash,
            created_ms: 0,
            platform: 1,
            sdk_version: String::new(),
            push_off: false,
            blocked: false,
            notify_off: false,
        };
        Device::new(&row, None)
    }

    #[test]
    fn given_a_secret_whose_hash_differs_in_bits_that_cancel_out_when_compared_should_be_wrong() {
        let secret = DeviceSecret::from_bytes([1; 32]);
        let mut hash = hash_of(&secret);
        assert!(device(hash).has_secret(&secret));
        hash[0] ^= 1;
        hash[HASH_KEPT_LEN - 1] ^= 1;
        assert!(!device(hash).has_secret(&secret));
    }

    #[test]
    fn given_devices_when_one_comes_and_goes_should_say_whether_there_is_any() {
        let cid = ClientId::from_bytes([1; 16]);
        let mut devices = Devices::default();
        assert!(devices.is_empty());
        devices.put(cid, device([0; 32]));
        assert!(!devices.is_empty());
        devices.remove(cid);
        assert!(devices.is_empty());
    }

    #[test]
    fn given_a_login_some_days_ago_when_asked_for_the_active_should_count_whole_days() {
        let cid = ClientId::from_bytes([1; 16]);
        let mut devices = Devices::default();
        let mut logged_in = device([0; 32]);
        logged_in.last_login_ms = 10 * DAY_MS;
        devices.put(cid, logged_in);
        for (days, found) in [(2, false), (3, true)] {
            for active in [true, false] {
                let audience = Audience {
                    conditions: Vec::new(),
                    activity: Some(Activity { days, active }),
                };
                let wall_ms = 12 * DAY_MS;
                let listed = !devices.resolve(AppNo(1), &audience, 0, wall_ms).is_empty();
                assert_eq!(listed, found == active, "{days} days");
            }
        }
    }

    #[test]
    fn given_clients_that_differ_in_either_half_when_hashed_should_spread() {
        let spread = |cid: &dyn Fn(u8) -> [u8; 16]| {
            let hashes = (0..=u8::MAX).map(|n| Spread::default().hash_one(cid(n)));
            hashes.collect::<BTreeSet<u64>>().len()
        };
        let halves = |first: u8, second: u8| {
            let mut cid = [first; 16];
            cid[8..].fill(second);
            cid
        };
        assert_eq!(spread(&|n| halves(n, 0xff)), 256);
        assert_eq!(spread(&|n| halves(0xff, n)), 256);
    }
}
