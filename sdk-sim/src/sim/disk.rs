//! The simulated disk: rows in memory, of which a crash keeps what was synced and a part of the
//! rest.
//!
//! Owner: one `World`; it outlives every process. Always: write sets reach it in commit order; a
//! crash keeps all that was synced and a prefix of what was not. Days are dropped after their
//! write set and by themselves, as the database does it: a crash may come between.
//! The same for both images: a write set becomes visible to readers once it is on disk, or, if
//! nobody was promised that it lasts, once it is written.

use std::collections::BTreeMap;
use std::rc::Rc;

use bytes::Bytes;
use schema::record::{Number, Receipt};
use server_core::apply::Applied;
use server_core::clock::Day;
use server_core::group::GroupNo;
use server_core::ids::{AppNo, ShardNo};
use server_core::keys;
use server_core::op::{Committed, Submitted};
use server_core::rows::{Keyspace, MemoryRows, Rows, WriteSet};

use super::dice::Dice;
use super::reports::app_of;

/// A batch as the oracle has to hear of it once it can no longer be lost.
#[derive(Debug, Clone)]
pub(super) struct Batch {
    pub(super) ops: Vec<Submitted>,
    pub(super) events: Vec<(ShardNo, Committed)>,
    pub(super) now_ms: u64,
    /// How often the clock had been set when it was made.
    pub(super) clocks_set: usize,
    /// The days whose sums its write set holds.
    pub(super) tallied: Vec<Day>,
    /// The numbers of pushes to many that its write set holds, by the keys of their tasks.
    pub(super) taken: BTreeMap<Vec<u8>, GroupNo>,
    /// The receipts that its write set holds, by app and order.
    pub(super) receipts: Vec<(AppNo, u64, Receipt)>,
}

impl Batch {
    /// These ops, applied at this time, the clock having been set so often.
    pub(super) fn new(
        ops: Vec<Submitted>,
        applied: &Applied,
        now_ms: u64,
        clocks_set: usize,
    ) -> Self {
        let rows = &applied.writes.rows;
        let of = |keyspace| {
            rows.range((keyspace, Vec::new())..)
                .map_while(move |((at, key), row)| (*at == keyspace).then_some((key, row)))
        };
        let day = |key: &Vec<u8>| Some(Day(u32::from_be_bytes(key.as_slice().try_into().ok()?)));
        Batch {
            ops,
            events: applied.events.clone(),
            now_ms,
            clocks_set,
            tallied: of(Keyspace::Stat).filter_map(|(key, _)| day(key)).collect(),
            taken: of(Keyspace::GroupOfTask)
                .filter_map(|(key, row)| {
                    let number = Number::decode(row.as_ref()?).expect("a row of ours");
                    Some((key.clone(), GroupNo(number.value)))
                })
                .collect(),
            receipts: of(Keyspace::Receipt)
                .filter_map(|(key, row)| {
                    let receipt = Receipt::decode(row.as_ref()?).expect("a row of ours");
                    let order = keys::receipt_of(key).expect("a key of ours");
                    Some((app_of(key), order, receipt))
                })
                .collect(),
        }
    }
}

#[derive(Debug)]
struct Entry {
    writes: WriteSet,
    batch: Option<Rc<Batch>>,
}

/// See the module page.
#[derive(Debug, Default)]
pub(super) struct Disk {
    /// What readers and `apply` see.
    pub(super) rows: MemoryRows,
    synced: MemoryRows,
    /// Written and not synced, oldest first.
    tail: Vec<Entry>,
}

impl Disk {
    /// A batch enters the journal. It is not visible yet.
    pub(super) fn write(&mut self, writes: WriteSet, batch: Batch) {
        self.tail.push(Entry {
            writes,
            batch: Some(Rc::new(batch)),
        });
    }

    /// The batch that is being written.
    pub(super) fn last(&self) -> Rc<Batch> {
        let last = self.tail.last().and_then(|entry| entry.batch.clone());
        last.expect("a batch is being written")
    }

    /// The last batch is written and, with `sync`, everything so far is on disk. Returns the
    /// batches that can no longer be lost, in order.
    pub(super) fn written(&mut self, sync: bool) -> Vec<Rc<Batch>> {
        let last = self.tail.last_mut().expect("a batch is being written");
        let dropping = WriteSet {
            rows: Default::default(),
            messages: Vec::new(),
            ..last.writes.clone()
        };
        last.writes = WriteSet {
            rows: std::mem::take(&mut last.writes.rows),
            messages: std::mem::take(&mut last.writes.messages),
            ..WriteSet::default()
        };
        self.rows.commit(last.writes.clone());
        let lasting = if sync { self.sync() } else { Vec::new() };
        if !dropping.is_empty() {
            self.rows.commit(dropping.clone());
            self.tail.push(Entry {
                writes: dropping,
                batch: None,
            });
        }
        lasting
    }

    /// Puts another value in the place of one that was committed, without a commit.
    pub(super) fn replace(&mut self, keyspace: Keyspace, key: &[u8], old: &Bytes, new: &Bytes) {
        for image in [&mut self.rows, &mut self.synced] {
            let row = image.get(keyspace, key).expect("memory reads");
            if row.as_ref() == Some(old) {
                let mut writes = WriteSet::default();
                writes.put(keyspace, key.to_vec(), new.to_vec());
                image.commit(writes);
            }
        }
    }

    /// Whether no batch that was written can be lost.
    pub(super) fn is_synced(&self) -> bool {
        self.tail.iter().all(|entry| entry.batch.is_none())
    }

    /// Everything written so far is on disk.
    pub(super) fn sync(&mut self) -> Vec<Rc<Batch>> {
        self.keep(self.tail.len())
    }

    fn keep(&mut self, len: usize) -> Vec<Rc<Batch>> {
        let mut lasting = Vec::new();
        for entry in self.tail.drain(..len) {
            self.synced.commit(entry.writes);
            lasting.extend(entry.batch);
        }
        lasting
    }

    /// The machine dies. Returns the unsynced batches that survived, and those that did not.
    pub(super) fn crash(&mut self, dice: &mut Dice) -> (Vec<Rc<Batch>>, Vec<Rc<Batch>>) {
        let len = dice.index(self.tail.len() + 1);
        let survived = self.keep(len);
        let lost = self
            .tail
            .drain(..)
            .filter_map(|entry| entry.batch)
            .collect();
        self.rows = self.synced.clone();
        (survived, lost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(disk: &mut Disk, name: &[u8], sync: bool) {
        let mut writes = WriteSet::default();
        writes.put(Keyspace::Meta, name.to_vec(), vec![1]);
        let batch = Batch {
            ops: Vec::new(),
            events: Vec::new(),
            now_ms: 0,
            clocks_set: 0,
            tallied: Vec::new(),
            taken: BTreeMap::new(),
            receipts: Vec::new(),
        };
        disk.write(writes, batch);
        disk.written(sync);
    }

    fn has(disk: &Disk, name: &[u8]) -> bool {
        let row = disk.rows.get(Keyspace::Meta, name).expect("memory reads");
        row.is_some()
    }

    #[test]
    fn given_a_crash_when_started_again_should_keep_the_synced_and_a_prefix_of_the_rest() {
        let mut survivors = [0; 3];
        for seed in 0..100 {
            let mut disk = Disk::default();
            put(&mut disk, b"synced", true);
            put(&mut disk, b"one", false);
            put(&mut disk, b"two", false);
            let (kept, lost) = disk.crash(&mut Dice::new(seed));
            assert_eq!(kept.len() + lost.len(), 2);
            assert!(has(&disk, b"synced"));
            assert_eq!(has(&disk, b"one"), !kept.is_empty());
            assert_eq!(has(&disk, b"two"), kept.len() == 2);
            survivors[kept.len()] += 1;
        }
        assert!(survivors.iter().all(|seeds| *seeds > 10), "{survivors:?}");
    }
}
