//! Who owns what: CID -> slot -> shard, and nowhere else.
//!
//! A CID carries its slot in its leading 12 bits, so no table is looked up and any 32 hex digits
//! have an owner. Other names (aliases, request ids, apps) reach a slot by a fixed hash.

use std::ops::Range;

use protocol::ClientId;

use crate::ids::ShardNo;

/// Number of slots; a slot is the unit that will move between nodes.
pub const SLOTS: u16 = 4096;

/// A placement hash value, `0..SLOTS`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(u16);

impl Slot {
    /// The slot that a CID carries.
    pub fn of_cid(cid: ClientId) -> Slot {
        let bytes = cid.as_bytes();
        Slot(u16::from_be_bytes([bytes[0], bytes[1]]) >> 4)
    }

    /// The slot of any other name. FNV-1a with a final mix: fixed for ever, since it places work.
    pub fn of_name(name: &[u8]) -> Slot {
        let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
        for byte in name {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        hash ^= hash >> 32;
        hash = hash.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Slot((hash >> 52) as u16)
    }

    /// The number of the slot, `0..SLOTS`.
    pub fn number(self) -> u16 {
        self.0
    }

    /// The shard that owns this slot when there are `shards` of them (at least 1).
    pub fn shard(self, shards: u16) -> ShardNo {
        assert!(shards >= 1, "a process has at least one shard");
        ShardNo((u32::from(self.0) * u32::from(shards) / u32::from(SLOTS)) as u16)
    }

    /// Writes this slot into the leading 12 bits of `random`, which makes a CID of this slot.
    pub fn cid(self, mut random: [u8; 16]) -> ClientId {
        let head = (self.0 << 4) | u16::from(random[1] & 0x0f);
        random[..2].copy_from_slice(&head.to_be_bytes());
        ClientId::from_bytes(random)
    }

    /// A slot of `shard` picked by `random`.
    pub fn within(shard: ShardNo, shards: u16, random: u64) -> Slot {
        let Range { start, end } = slots_of(shard, shards);
        let slot = Slot((start + (random % u64::from(end - start)) as u32) as u16);
        debug_assert_eq!(slot.shard(shards), shard);
        slot
    }
}

/// The slots of one shard: one after the other, so its CIDs are too.
fn slots_of(shard: ShardNo, shards: u16) -> Range<u32> {
    let first = |shard: u32| (shard * u32::from(SLOTS)).div_ceil(u32::from(shards));
    first(u32::from(shard.0))..first(u32::from(shard.0) + 1)
}

/// The lowest CID that a shard may own; all that it owns lie between it and that of the next one.
/// `None` behind the last shard.
pub fn first_cid(shard: ShardNo, shards: u16) -> Option<ClientId> {
    let slot = u16::try_from(slots_of(shard, shards).start).ok()?;
    (slot < SLOTS).then(|| Slot(slot).cid([0; 16]))
}
