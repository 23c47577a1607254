//! A damaged row: one bit of it is another, or its end is missing, until somebody mends it.
//!
//! Always: only damage that a decoder can tell; what looks whole and is not is for the checksums
//! of the store below. At most one row at a time, of one device. Every reader and the recovery
//! are shown each damage, also that which is not kept: none may panic, and nobody else's answer
//! may change.

use bytes::Bytes;
use protocol::{ClientId, MessageId};
use schema::record::{AliasOfClient, Cursor, Device, MessageRef, Outcome};
use server_core::clock::Day;
use server_core::history::device_history;
use server_core::keys;
use server_core::read::{alias_of_cid, backlog};
use server_core::recovery;
use server_core::rows::{Keyspace, MemoryRows, Rows, RowsError};

use super::agenda::Happening;
use super::parties::ALIAS_TYPES;
use super::world::{World, short};

/// Ways to damage a row that are tried until a decoder can tell one.
const TRIES: usize = 8;

/// A row that is damaged now.
#[derive(Debug, Clone)]
pub(super) struct Damage {
    cid: ClientId,
    keyspace: Keyspace,
    key: Vec<u8>,
    whole: Bytes,
    broken: Bytes,
}

impl Damage {
    /// Whether its decoder takes the row, damaged as it is.
    fn is_readable(&self) -> bool {
        let row = &self.broken;
        match self.keyspace {
            Keyspace::Reg => Device::decode(row).is_ok(),
            Keyspace::Cur => Cursor::decode(row).is_ok(),
            Keyspace::ClientAlias => AliasOfClient::decode(row).is_ok(),
            Keyspace::Outcome(_) => Outcome::decode(row).is_ok(),
            // Behind the first piece are bare bytes.
            _ => {
                let piece = keys::message_of(&self.key).map(|(_, piece)| piece);
                piece != Some(0) || MessageRef::decode(row).is_ok()
            }
        }
    }

    /// Whether an error speaks of this row.
    fn is_named_by(&self, error: &RowsError) -> bool {
        matches!(error, RowsError::Damaged { keyspace, key, .. }
            if *keyspace == self.keyspace && *key == self.key)
    }
}

/// Rows of which one is another.
struct Shown<'a> {
    rows: &'a MemoryRows,
    damage: &'a Damage,
}

impl Rows for Shown<'_> {
    fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Bytes>, RowsError> {
        if keyspace == self.damage.keyspace && key == self.damage.key {
            return Ok(Some(self.damage.broken.clone()));
        }
        self.rows.get(keyspace, key)
    }

    fn range(
        &self,
        keyspace: Keyspace,
        prefix: &[u8],
        from: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), RowsError> {
        self.rows.range(keyspace, prefix, from, &mut |key, value| {
            if keyspace == self.damage.keyspace && key == self.damage.key {
                visit(key, &self.damage.broken)
            } else {
                visit(key, value)
            }
        })
    }

    fn message_days(&self) -> Vec<Day> {
        self.rows.message_days()
    }
}

impl World {
    /// Damages a row of some device, if there is none yet and a decoder can tell.
    pub(super) fn damage_a_row(&mut self) {
        let at = self.dice.index(self.phones.len());
        let Some(cid) = self.phones[at].saved_cid else {
            return;
        };
        if self.damage.is_some() || self.forgetting.contains(&cid) {
            return;
        }
        let Some((keyspace, key, whole)) = self.any_row_of(cid) else {
            return;
        };
        for _ in 0..TRIES {
            let mut broken = whole.to_vec();
            if self.dice.chance(1, 2) {
                broken.truncate(self.dice.index(whole.len()));
            } else {
                broken[self.dice.index(whole.len())] ^= 1 << self.dice.below(8);
            }
            let damage = Damage {
                cid,
                keyspace,
                key: key.clone(),
                whole: whole.clone(),
                broken: broken.into(),
            };
            self.show(&damage);
            if damage.is_readable() {
                continue;
            }
            self.trace.note(
                "damage",
                [at as u64, damage.broken.len() as u64, short(cid)],
            );
            self.server
                .disk
                .replace(keyspace, &key, &whole, &damage.broken);
            self.damage = Some(damage);
            self.damaged.insert(cid);
            let after_us = self.dice.within(1_000, 20_000_000);
            return self.after(after_us, Happening::Mend);
        }
    }

    fn any_row_of(&mut self, cid: ClientId) -> Option<(Keyspace, Vec<u8>, Bytes)> {
        let rows = &self.server.disk.rows;
        let mut days = rows.message_days();
        let today = Day::of_ms(self.wall_ms());
        let keyspace = match self.dice.below(5) {
            0 => Keyspace::Reg,
            1 => Keyspace::Cur,
            2 => Keyspace::ClientAlias,
            3 => Keyspace::Outcome(today),
            _ if days.is_empty() => return None,
            _ => Keyspace::Msg(days.swap_remove(self.dice.index(days.len()))),
        };
        let prefix = keys::client(cid);
        let mut found = Vec::new();
        let visited = rows.range(keyspace, &prefix, &prefix, &mut |key, value| {
            found.push((keyspace, key.to_vec(), Bytes::copy_from_slice(value)));
            true
        });
        visited.expect("memory reads");
        found.retain(|(_, _, value)| !value.is_empty());
        (!found.is_empty()).then(|| found.swap_remove(self.dice.index(found.len())))
    }

    /// Shows a damage to every reader and to the recovery.
    fn show(&self, damage: &Damage) {
        let rows = &self.server.disk.rows;
        let shown = Shown { rows, damage };
        let now_ms = self.wall_ms();
        let cid = damage.cid;
        let before = keys::message_of(&damage.key).map_or(0, |(id, _)| id.0 - 1);
        let mut errors = vec![
            device_history(&shown, cid, now_ms).err(),
            recovery::devices(&shown, self.plan.shards).err(),
            backlog(&shown, cid, MessageId(before), now_ms).err(),
            backlog(&shown, cid, MessageId::NONE, now_ms).err(),
        ];
        errors.extend(ALIAS_TYPES.map(|of| alias_of_cid(&shown, cid, of).err()));
        for error in errors.iter().flatten() {
            assert!(damage.is_named_by(error), "{error} is not {damage:?}");
        }
        for other in self.phones.iter().filter_map(|phone| phone.saved_cid) {
            if other != cid {
                assert_eq!(
                    backlog(&shown, other, MessageId::NONE, now_ms),
                    backlog(rows, other, MessageId::NONE, now_ms),
                    "what waits for {other}, while a row of {cid} is damaged"
                );
            }
        }
        if damage.is_readable() {
            return;
        }
        let met = match damage.keyspace {
            Keyspace::Reg | Keyspace::Cur => &errors[0..=1],
            Keyspace::Msg(_) => &errors[2..=2],
            Keyspace::ClientAlias if !self.ledger.is_gone(cid) => &errors[0..=0],
            // More and newer ends may fill the answer; a forgotten device is not asked about.
            _ => return,
        };
        assert!(
            met.iter().all(Option::is_some),
            "a reader passes over {damage:?}"
        );
    }

    /// The damaged row is as it was, unless a commit has written it since.
    pub(super) fn mend(&mut self) {
        if let Some(damage) = self.damage.take() {
            self.trace.note("mend", [short(damage.cid), 0, 0]);
            let Damage {
                keyspace,
                key,
                whole,
                broken,
                ..
            } = damage;
            self.server.disk.replace(keyspace, &key, &broken, &whole);
        }
    }

    /// Whether a row of this device is damaged.
    pub(super) fn is_damaged_device(&self, cid: ClientId) -> bool {
        self.damage.as_ref().is_some_and(|damage| damage.cid == cid)
    }

    /// Whether the row is still as damaged as it was.
    fn is_damaged(&self, damage: &Damage) -> bool {
        let row = self.server.disk.rows.get(damage.keyspace, &damage.key);
        row.expect("memory reads").as_ref() == Some(&damage.broken)
    }

    /// Whether a row that every start reads is damaged.
    pub(super) fn is_start_damaged(&self) -> bool {
        self.damage
            .as_ref()
            .is_some_and(|damage| matches!(damage.keyspace, Keyspace::Reg | Keyspace::Cur))
    }

    /// A server that has to start over a damaged row says which; somebody mends it.
    pub(super) fn refuse_to_start(&mut self) {
        if !self.is_start_damaged() {
            return;
        }
        if let Some(damage) = self
            .damage
            .as_ref()
            .filter(|damage| self.is_damaged(damage))
        {
            let error = recovery::devices(&self.server.disk.rows, self.plan.shards).err();
            assert!(
                error.is_some_and(|error| damage.is_named_by(&error)),
                "a server starts over {damage:?}"
            );
            self.met.starts_refused += 1;
        }
        self.mend();
    }

    /// A reader or a commit failed: because of the damaged row.
    pub(super) fn check_damaged(&self, error: &RowsError) {
        if matches!(error, RowsError::Damaged { .. }) {
            let damage = self.damage.as_ref();
            let damage = damage.unwrap_or_else(|| panic!("no row is damaged, and yet: {error}"));
            assert!(damage.is_named_by(error), "{error} is not {damage:?}");
        }
    }

    /// The history of a device needs all of its registration, cursor and aliases.
    pub(super) fn check_damage_is_met(&self, cid: ClientId, failed: bool) {
        let Some(damage) = self.damage.as_ref().filter(|damage| damage.cid == cid) else {
            return;
        };
        let needed = matches!(
            damage.keyspace,
            Keyspace::Reg | Keyspace::Cur | Keyspace::ClientAlias
        );
        assert!(
            failed || !needed || !self.is_damaged(damage),
            "a reader passes over {damage:?}"
        );
    }
}
