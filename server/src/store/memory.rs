//! How much memory the store takes: rows kept for reading, and changes that are not in a table yet.
//!
//! Owner: the store; the committer asks for it behind each commit. fjall bounds what gathers per
//! keyspace and not in all, and looks at its journals only when it writes a table: with thirty
//! keyspaces and more of each day that would be gigabytes of memory, and of journal to read at a
//! start. Always: behind a commit what gathers is no more than its share and a MiB of rows, unless
//! the disk takes nothing for as long as [`FLUSH_WAIT`].

use std::any::Any;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fjall::{AbstractTree, Database, Keyspace};

use crate::limits::{
    FLUSHES_WAITING_MAX, STORE_MEMORY_MIB_DEFAULT, STORE_MEMORY_MIB_MAX, STORE_MEMORY_MIB_MIN,
    UNWRITTEN_BYTES_MAX,
};

/// How long a commit waits for tables to be written before it goes on without. Behind it fjall's
/// own bound holds, four memtables a keyspace.
const FLUSH_WAIT: Duration = Duration::from_secs(1);

/// Between two looks at the tables that are being written; each takes tens of milliseconds.
const FLUSH_LOOK: Duration = Duration::from_millis(1);

/// What an operator gives the store. The process takes more: sessions, TLS, requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreMemory {
    mib: u64,
}

impl StoreMemory {
    /// What it takes if the operator says nothing.
    pub const DEFAULT: StoreMemory = StoreMemory {
        mib: STORE_MEMORY_MIB_DEFAULT,
    };

    /// So many MiB; `None` outside [`STORE_MEMORY_MIB_MIN`] to [`STORE_MEMORY_MIB_MAX`].
    pub fn of_mib(mib: u64) -> Option<StoreMemory> {
        (STORE_MEMORY_MIB_MIN..=STORE_MEMORY_MIB_MAX)
            .contains(&mib)
            .then_some(StoreMemory { mib })
    }

    /// All of it, in MiB.
    pub fn mib(self) -> u64 {
        self.mib
    }

    /// Bytes of changes that gather before the largest memtables are written as tables, as fjall
    /// counts them: a quarter. In memory they take up to twice that, and those that are being
    /// written are there too.
    pub(super) fn unwritten(self) -> u64 {
        (self.bytes() / 4).min(UNWRITTEN_BYTES_MAX)
    }

    /// Bytes of rows kept for reading: what the changes leave.
    pub(super) fn cache(self) -> u64 {
        self.bytes() - 3 * self.unwritten()
    }

    fn bytes(self) -> u64 {
        self.mib * 1024 * 1024
    }
}

/// What a store has in memory, in bytes as fjall counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// Rows kept for reading, with the indexes and filters of their tables.
    pub cached: u64,
    /// Most of these.
    pub cached_max: u64,
    /// Changes that are not in a table yet.
    pub unwritten: u64,
}

/// Bytes of changes in these keyspaces that are in no table, nor on the way into one.
pub(super) fn gathered<'a>(keyspaces: impl Iterator<Item = &'a Keyspace>) -> u64 {
    keyspaces.map(size).sum()
}

/// Whether so much has gathered that tables are to be written, of `max` bytes that may.
pub(super) fn is_much(gathered: u64, max: u64) -> bool {
    gathered > max / 4 * 3
}

fn size(keyspace: &Keyspace) -> u64 {
    keyspace.tree.active_memtable().size()
}

/// A memtable that is on its way into a table. Whoever drops the last of these gives back each of its
/// rows, tens of milliseconds for a large one.
pub(super) type Sealed = Arc<dyn Any + Send + Sync>;

/// Writes the largest of these memtables out until those that are left hold at most half of `max`
/// bytes, if they hold more than three quarters of it now. While the last quarter fills, tables that are
/// being written are not waited for: only a disk that does not keep up holds up a commit. What was
/// sealed is also put into `sealed`: fjall lets go of it with a lock held that commits need.
pub(super) fn write_out<'a>(
    db: &Database,
    keyspaces: impl Iterator<Item = &'a Keyspace>,
    max: u64,
    sealed: &mut Vec<Sealed>,
) -> Result<(), fjall::Error> {
    let mut sizes: Vec<(u64, &Keyspace)> = keyspaces
        .map(|keyspace| (size(keyspace), keyspace))
        .collect();
    let mut held: u64 = sizes.iter().map(|(size, _)| size).sum();
    if !is_much(held, max) {
        return Ok(());
    }
    sizes.sort_unstable_by_key(|(size, _)| std::cmp::Reverse(*size));
    for (size, keyspace) in sizes {
        if held <= max / 2 {
            break;
        }
        if db.outstanding_flushes() >= FLUSHES_WAITING_MAX {
            if held <= max {
                break;
            }
            wait_for_room(db);
        }
        sealed.push(keyspace.tree.active_memtable());
        keyspace.rotate_memtable()?;
        held -= size;
    }
    Ok(())
}

fn wait_for_room(db: &Database) {
    let until = Instant::now() + FLUSH_WAIT;
    while db.outstanding_flushes() >= FLUSHES_WAITING_MAX && Instant::now() < until {
        std::thread::park_timeout(FLUSH_LOOK);
    }
}

#[cfg(test)]
mod tests {
    use server_core::clock::Day;
    use server_core::rows::WriteSet;

    use super::*;
    use crate::limits::UNWRITTEN_LOOK_BYTES;
    use crate::store::{Store, StoreBounds};

    #[test]
    fn given_a_budget_when_shared_out_should_be_no_more_than_it() {
        for mib in [STORE_MEMORY_MIB_MIN, 64, 256, 1024, STORE_MEMORY_MIB_MAX] {
            let memory = StoreMemory::of_mib(mib).expect("within its bounds");
            // Twice for what the counted bytes take, once for those that are being written.
            assert!(memory.cache() + 3 * memory.unwritten() <= mib * 1024 * 1024);
            assert!(memory.cache() >= memory.unwritten());
        }
        assert_eq!(StoreMemory::of_mib(STORE_MEMORY_MIB_MIN - 1), None);
        assert_eq!(StoreMemory::of_mib(STORE_MEMORY_MIB_MAX + 1), None);
    }

    #[test]
    fn given_many_keyspaces_that_fill_when_written_out_should_be_within_the_bound_at_once_and_soon_below_it()
     {
        let dir = tempfile::tempdir().expect("a folder");
        let db = Database::builder(dir.path()).open().expect("made");
        let keyspaces: Vec<Keyspace> = (0..20)
            .map(|at| {
                let keyspace = db.keyspace(&format!("k{at}"), Default::default);
                keyspace.expect("made")
            })
            .collect();
        let held = || gathered(keyspaces.iter());
        let max = 180_000;
        for (at, keyspace) in keyspaces.iter().enumerate() {
            for row in 0..=at {
                keyspace
                    .insert(row.to_be_bytes(), [7; 1000])
                    .expect("inserted");
            }
        }
        let smallest = size(&keyspaces[0]);
        assert!(held() > max, "only {} bytes", held());
        write_out(&db, keyspaces.iter(), max, &mut Vec::new()).expect("written");
        assert!(held() <= max, "{} bytes are left", held());
        // The rest follows with the looks that come, as far as the tables before it are written.
        while held() > max / 4 * 3 {
            std::thread::park_timeout(FLUSH_LOOK);
            write_out(&db, keyspaces.iter(), max, &mut Vec::new()).expect("written");
        }
        assert_eq!(size(&keyspaces[0]), smallest);
        let before = held();
        write_out(&db, keyspaces.iter(), max, &mut Vec::new()).expect("nothing to do");
        assert_eq!(held(), before, "within the bound nothing is written");
        for (at, keyspace) in keyspaces.iter().enumerate() {
            assert_eq!(keyspace.iter().count(), at + 1, "rows of keyspace {at}");
        }
    }

    #[test]
    fn given_commits_to_many_days_when_they_go_on_should_gather_no_more_than_the_share() {
        let dir = tempfile::tempdir().expect("a folder");
        let memory = StoreMemory::of_mib(STORE_MEMORY_MIB_MIN).expect("the least");
        let bounds = StoreBounds { files: 64, memory };
        let store = Store::open(dir.path(), bounds).expect("made");
        let mut days = store.days().expect("none yet");
        let mut written = 0;
        for row in 0..4_000u32 {
            let mut writes = WriteSet::default();
            for day in 0..8 {
                let value = vec![7; 1500];
                written += value.len() as u64;
                let key = row.to_be_bytes().to_vec();
                writes.messages.push((Day(day), key, value));
            }
            store.commit(&mut days, writes, false).expect("written");
            let held = gathered(days.values());
            let most = memory.unwritten() + 2 * UNWRITTEN_LOOK_BYTES;
            assert!(held <= most, "{held} bytes gathered, more than {most}");
        }
        assert!(written > 5 * memory.unwritten(), "only {written} bytes");
    }

    #[test]
    fn given_tables_that_pile_up_when_looked_at_should_keep_next_to_nothing_of_them_beside_the_cache()
     {
        let dir = tempfile::tempdir().expect("a folder");
        let memory = StoreMemory::of_mib(STORE_MEMORY_MIB_MIN).expect("the least");
        let store = Store::open(dir.path(), StoreBounds { files: 64, memory }).expect("made");
        let mut days = store.days().expect("none yet");
        // Ids rise, as those of tasks do: a table is moved down as it is, and is never merged.
        for batch in 0..400u64 {
            let mut writes = WriteSet::default();
            for row in 0..500u64 {
                let key = (batch * 500 + row).to_be_bytes().to_vec();
                writes.messages.push((Day(1), key, vec![7; 100]));
            }
            store.commit(&mut days, writes, false).expect("written");
            // Workers that get no core would write all of it to one table.
            if batch % 100 == 99 {
                let day = days.values().next().expect("a day");
                day.rotate_memtable_and_wait().expect("written");
            }
        }
        let day = days.values().next().expect("a day");
        let tables = day.tree.table_count();
        let beside = day.tree.pinned_filter_size() + day.tree.pinned_block_index_size();
        assert!(tables > 2, "{tables} tables");
        assert!(beside < 10_000, "{beside} bytes of {tables} tables");
    }

    #[test]
    fn given_changes_when_asked_what_is_held_should_count_them_and_what_was_read() {
        let dir = tempfile::tempdir().expect("a folder");
        let memory = StoreMemory::of_mib(STORE_MEMORY_MIB_MIN).expect("the least");
        let store = Store::open(dir.path(), StoreBounds { files: 64, memory }).expect("made");
        let before = store.held();
        assert_eq!(before.cached_max, memory.cache());
        let mut days = store.days().expect("none yet");
        let mut writes = WriteSet::default();
        let key = b"key".to_vec();
        writes.messages.push((Day(1), key.clone(), vec![7; 10_000]));
        store.commit(&mut days, writes, false).expect("written");
        let held = store.held();
        assert!(held.unwritten >= before.unwritten + 10_000, "{held:?}");
        let day = days.values().next().expect("a day");
        day.rotate_memtable_and_wait().expect("written");
        assert!(day.get(&key).expect("read").is_some());
        assert!(store.held().cached >= held.cached + 10_000, "{held:?}");
    }
}
