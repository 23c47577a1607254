//! The registered devices of one shard, as far as a push or a login must know them at once.
//!
//! Owner: one `Shard`. Always: `session` names a live session of this shard or none.
//! Memory: one fixed-size entry a device; nothing else of an offline device is in memory.

use hashbrown::HashMap;
use protocol::{ClientId, DeviceSecret, MessageId};
use schema::record::Device as DeviceRow;
use sha2::{Digest, Sha256};

use crate::ids::{AppNo, SessionId};
use crate::op::CursorMove;

/// Spreads CIDs over the table. Fixed, so that no run depends on chance; the CID's own bits are
/// random, and a device cannot choose them.
type Spread = std::hash::BuildHasherDefault<Mix>;

/// Folds the words of a CID together.
#[derive(Debug, Default)]
pub struct Mix(u64);

impl std::hash::Hasher for Mix {
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

/// One registered device.
#[derive(Debug, Clone)]
pub struct Device {
    /// Its app.
    pub app: AppNo,
    /// SHA-256 of its secret.
    pub secret_hash: [u8; 32],
    /// Whether it takes no pushes: switched off or black-listed.
    pub muted: bool,
    /// Everything up to here is final for it.
    pub acked: MessageId,
    /// The highest id known to be stored for it; `None` until its backlog was looked at.
    pub tail: Option<MessageId>,
    /// Its last login in ms of Unix time, 0 for none.
    pub last_login_ms: u64,
    /// When it was last heard of in ms of Unix time.
    pub last_seen_ms: u64,
    /// Its live session.
    pub session: Option<SessionId>,
    /// Whether its cursor differs from what is written down.
    pub dirty: bool,
}

impl Device {
    /// A device from its row. `tail`: the highest stored id, if it is known.
    pub fn new(row: &DeviceRow, tail: Option<MessageId>) -> Self {
        Device {
            app: AppNo(row.app),
            secret_hash: row.secret_hash,
            muted: row.push_off || row.blocked,
            acked: MessageId(0),
            tail,
            last_login_ms: 0,
            last_seen_ms: 0,
            session: None,
            dirty: false,
        }
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
    by_cid: HashMap<ClientId, Device, Spread>,
    dirty: Vec<ClientId>,
}

impl Devices {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_cid.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_cid.is_empty()
    }

    /// Makes room for `more` devices.
    pub fn reserve(&mut self, more: usize) {
        self.by_cid.reserve(more);
    }

    /// Adds or replaces a device.
    pub fn put(&mut self, cid: ClientId, device: Device) {
        self.by_cid.insert(cid, device);
    }

    /// A device.
    pub fn get(&self, cid: ClientId) -> Option<&Device> {
        self.by_cid.get(&cid)
    }

    /// A device, to be changed.
    pub fn get_mut(&mut self, cid: ClientId) -> Option<&mut Device> {
        self.by_cid.get_mut(&cid)
    }

    /// Takes out the devices that `gone` names, in order of their CIDs.
    pub fn remove_all(&mut self, gone: impl Fn(&Device) -> bool) -> Vec<ClientId> {
        let of = |(cid, device): (&ClientId, &Device)| gone(device).then_some(*cid);
        let mut cids: Vec<ClientId> = self.by_cid.iter().filter_map(of).collect();
        cids.sort_unstable();
        for cid in &cids {
            self.by_cid.remove(cid);
        }
        cids
    }

    /// Notes that the cursor of a device has to be written down.
    pub fn touch(&mut self, cid: ClientId) {
        if let Some(device) = self.by_cid.get_mut(&cid)
            && !device.dirty
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
            if let Some(device) = self.by_cid.get_mut(&cid) {
                device.dirty = false;
                moves.push(CursorMove {
                    cid,
                    acked: device.acked,
                    last_login_ms: device.last_login_ms,
                    last_seen_ms: device.last_seen_ms,
                });
            }
        }
        moves
    }
}
