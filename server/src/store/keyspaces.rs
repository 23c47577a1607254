//! Opening the database, and the handle of each keyspace.
//!
//! Always: a day keyspace is made known (`days_version`) before the first commit into it, so a
//! reader that takes its snapshot first and looks at the version after sees every day that its
//! snapshot can hold.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use fjall::config::{PartitioningPolicy, PinningPolicy};
use fjall::{Database, KeyspaceCreateOptions, PersistMode};
use server_core::rows::{Keyspace, RowsError, WriteSet};

use super::damage::{self, Damage, Remedy};
use super::failure;
use super::folders;
use super::journal::COMMITS_KEY;
use super::memory::{self, Held, StoreMemory};
use super::names::{day_keyspace, name_of};
use super::sealer::Sealer;
use super::synced::{self, Synced};
use super::workers;
use crate::limits::{
    JOURNAL_BYTES_MAX, MEMTABLE_BYTES_MAX, STORE_FILES_WRITTEN, STORE_WORKERS, UNWRITTEN_LOOK_BYTES,
};

/// Why a store did not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process holds it.
    #[error("{} is in use by another process", .0.display())]
    InUse(PathBuf),
    /// There is none.
    #[error("there is no store in {}", .0.display())]
    Missing(PathBuf),
    /// A file of it is damaged. Nothing was changed.
    #[error("{damage}; {}", remedy(.path, .damage))]
    Damaged {
        /// Its folder.
        path: PathBuf,
        /// What is wrong.
        damage: Damage,
    },
    /// The store found a fault or the disk failed.
    #[error("the store in {} does not open: {reason}; {RESTORE}", .path.display())]
    Refused {
        /// Its folder.
        path: PathBuf,
        /// What it said.
        reason: String,
    },
    /// Written by another version.
    #[error("the store in {} has format {found}, this program reads {expected}", .path.display())]
    Format {
        /// Its folder.
        path: PathBuf,
        /// What it holds.
        found: u64,
        /// What this program reads.
        expected: u64,
    },
}

/// The keyspace where commits are counted.
pub(super) const COMMITS_NAME: &str = "commits";

/// How often the lock of a database is tried, and the pause between: one that was just closed in
/// this process may still be on its way out.
const LOCK_TRIES: u32 = 10;
const LOCK_PAUSE: Duration = Duration::from_millis(20);

const RESTORE: &str = "restore a backup";

fn remedy(store: &Path, damage: &Damage) -> String {
    let data = store.parent().unwrap_or(store);
    match damage.remedy {
        Remedy::Repair => format!("run `ringpost repair --data {}`", data.display()),
        Remedy::Restore => format!("it cannot be repaired, {RESTORE}"),
        Remedy::MoveAway => "move it away, and start again".to_owned(),
    }
}

/// An open database. Cheap to clone: handles are shared.
#[derive(Clone)]
pub struct Store {
    pub(super) db: Database,
    fixed: Arc<BTreeMap<Keyspace, fjall::Keyspace>>,
    days_version: Arc<AtomicU64>,
    /// Where commits are counted; no keyspace of the layout, but the store's own.
    commits: fjall::Keyspace,
    synced: Arc<Synced>,
    pub(super) memory: StoreMemory,
    /// Bytes committed since the last look at what has gathered in memory.
    unlooked: Arc<AtomicU64>,
    /// Whether the disk failed in a way that leaves open what is on it.
    failed: Arc<AtomicBool>,
    pub(super) path: PathBuf,
}

/// What an open store may take of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreBounds {
    /// Files that it has open at one time, about. At least ten more than [`STORE_FILES_WRITTEN`].
    pub files: usize,
    /// Memory.
    pub memory: StoreMemory,
}

impl StoreBounds {
    /// So many files, and the memory that a server takes by itself.
    pub const fn of_files(files: usize) -> StoreBounds {
        StoreBounds {
            files,
            memory: StoreMemory::DEFAULT,
        }
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// What is left to do behind a commit.
#[derive(Debug)]
#[must_use]
pub(super) struct Behind {
    /// Days that are over; without rows.
    drops: WriteSet,
    /// Bytes that were committed.
    len: u64,
}

impl Behind {
    /// Bytes that were committed.
    pub(super) fn len(&self) -> u64 {
        self.len
    }
}

pub(super) type Days = BTreeMap<Keyspace, fjall::Keyspace>;

/// How each keyspace is made. What is read of a table goes through the cache, its index and its
/// filter too: by itself fjall keeps those of young tables in memory beside it, which is a part of
/// all that is stored and has no bound. In small blocks, so that no long one drives others out.
pub(super) fn options() -> KeyspaceCreateOptions {
    KeyspaceCreateOptions::default()
        .max_memtable_size(MEMTABLE_BYTES_MAX)
        .index_block_pinning_policy(PinningPolicy::all(false))
        .filter_block_pinning_policy(PinningPolicy::all(false))
        .index_block_partitioning_policy(PartitioningPolicy::all(true))
        .filter_block_partitioning_policy(PartitioningPolicy::all(true))
}

type Parts = (
    Database,
    BTreeMap<Keyspace, fjall::Keyspace>,
    fjall::Keyspace,
);

fn open_database(path: &Path, bounds: StoreBounds) -> Result<Parts, fjall::Error> {
    let db = Database::builder(path)
        .cache_size(bounds.memory.cache())
        .max_journaling_size(JOURNAL_BYTES_MAX)
        .worker_threads(STORE_WORKERS)
        .max_cached_files(Some(bounds.files - STORE_FILES_WRITTEN))
        .open()?;
    let mut fixed = BTreeMap::new();
    for keyspace in Keyspace::FIXED {
        fixed.insert(keyspace, db.keyspace(&name_of(keyspace), options)?);
    }
    let commits = db.keyspace(COMMITS_NAME, options)?;
    Ok((db, fixed, commits))
}

/// Whether a database was ever made there, whatever is left of it.
fn exists(path: &Path) -> bool {
    ["version", "keyspaces", "synced", "folders"]
        .iter()
        .any(|name| path.join(name).exists())
        || fs::read_dir(path).is_ok_and(|entries| {
            let mut paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
            paths.any(|path| path.extension().is_some_and(|end| end == "jnl"))
        })
}

/// Takes the file that fjall has locked while it is open; it is empty, and made if it is gone.
fn locked(path: &Path) -> Result<fs::File, OpenError> {
    let file = fs::File::options()
        .append(true)
        .create(true)
        .open(path.join("lock"));
    let file = file.map_err(|error| refused(path, error.to_string()))?;
    for _ in 0..LOCK_TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(fs::TryLockError::WouldBlock) => std::thread::park_timeout(LOCK_PAUSE),
            Err(fs::TryLockError::Error(error)) => return Err(refused(path, error.to_string())),
        }
    }
    Err(OpenError::InUse(path.to_owned()))
}

fn damaged(path: &Path, damage: Damage) -> OpenError {
    OpenError::Damaged {
        path: path.to_owned(),
        damage,
    }
}

fn refused(path: &Path, reason: String) -> OpenError {
    OpenError::Refused {
        path: path.to_owned(),
        reason,
    }
}

impl Store {
    /// Opens or creates the database under `path`.
    ///
    /// # Errors
    /// Another process has it; it is damaged. What was answered and cannot be read is never passed
    /// over.
    pub fn open(path: &Path, bounds: StoreBounds) -> Result<Store, OpenError> {
        if let Some(damage) = damage::of_repair(path) {
            return Err(damaged(path, damage));
        }
        let counts = folders::are_listed(path);
        let store = Self::open_in_repair(path, bounds)?;
        // A store is made, then an app, and then the first day. Those from before there was a list have
        // no count either.
        let days = store
            .days()
            .map_err(|error| refused(path, error.to_string()))?;
        if counts && store.commits() == 0 && !days.is_empty() {
            let what = "it holds no commit, and there were some";
            let journal = damage::newest_journal(path);
            return Err(damaged(path, Damage::repairable(journal, what)));
        }
        Ok(store)
    }

    /// As [`Store::open`], for the repair that is under way.
    pub(super) fn open_in_repair(path: &Path, bounds: StoreBounds) -> Result<Store, OpenError> {
        let existed = exists(path);
        if existed {
            let _lock = locked(path)?;
            damage::before_open(path).map_err(|damage| damaged(path, damage))?;
        }
        // On what it does not expect fjall panics here and there.
        let opened = workers::opened(|| open_database(path, bounds));
        let reason = match opened {
            Ok(Ok(parts)) => return Self::with(path, parts, bounds.memory, existed),
            Ok(Err(fjall::Error::Locked)) => return Err(OpenError::InUse(path.to_owned())),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "fjall panicked".to_owned(),
        };
        Err(Self::explained(path, reason))
    }

    /// As [`Store::open`], but makes none.
    ///
    /// # Errors
    /// As there, and if there is none.
    pub fn open_existing(path: &Path, bounds: StoreBounds) -> Result<Store, OpenError> {
        if exists(path) {
            Self::open(path, bounds)
        } else {
            Err(OpenError::Missing(path.to_owned()))
        }
    }

    /// Why a store does not open or does not read, with the damaged file if there is one.
    pub fn explained(path: &Path, reason: String) -> OpenError {
        let found = damage::of_tables(path).unwrap_or_default();
        match found.into_iter().next() {
            Some(damage) => damaged(path, damage),
            None => refused(path, reason),
        }
    }

    fn with(
        path: &Path,
        (db, fixed, commits): Parts,
        memory: StoreMemory,
        existed: bool,
    ) -> Result<Store, OpenError> {
        let failed = |error: &dyn std::error::Error| refused(path, error.to_string());
        let held = synced::held(&commits).map_err(|error| failed(&error))?;
        if let Some(missing) = synced::read(path).map(|synced| synced.saturating_sub(held))
            && missing > 0
        {
            let what = format!("{missing} commits that were synced are gone from its end");
            let journal = damage::newest_journal(path);
            return Err(damaged(path, Damage::repairable(journal, what)));
        }
        if existed && synced::read(path).is_none() {
            tracing::warn!(
                "there is no count of synced commits beside the store: a lost end of its journal \
                 would not have been noticed"
            );
        }
        let store = Store {
            db,
            fixed: Arc::new(fixed),
            days_version: Arc::new(AtomicU64::new(1)),
            commits,
            synced: Arc::new(Synced::open(path, held).map_err(|error| failed(&error))?),
            memory,
            unlooked: Arc::default(),
            failed: Arc::default(),
            path: path.to_owned(),
        };
        let days = store.days().map_err(|error| failed(&error))?;
        store.note_folders(&days).map_err(|error| failed(&error))?;
        Ok(store)
    }

    /// These day keyspaces, and those that always exist, must have their folders at the next start.
    fn note_folders(&self, days: &Days) -> std::io::Result<()> {
        folders::write(&self.path, self.all(days))
    }

    /// Every keyspace on the disk, with these of days.
    pub(super) fn all<'a>(
        &'a self,
        days: &'a Days,
    ) -> impl Iterator<Item = &'a fjall::Keyspace> + Clone {
        let of_rows = self.fixed.values().chain(days.values());
        of_rows.chain(std::iter::once(&self.commits))
    }

    /// How many commits were synced since the store was made.
    pub fn commits(&self) -> u64 {
        self.synced.next() - 1
    }

    /// What it has in memory now.
    pub fn held(&self) -> Held {
        Held {
            cached: self.db.cache_size(),
            cached_max: self.db.cache_capacity(),
            unwritten: self.db.write_buffer_size(),
        }
    }

    /// Its folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn fixed(&self, keyspace: Keyspace) -> Option<&fjall::Keyspace> {
        self.fixed.get(&keyspace)
    }

    pub(super) fn fixed_keyspaces(&self) -> impl Iterator<Item = (Keyspace, &fjall::Keyspace)> {
        self.fixed
            .iter()
            .map(|(keyspace, handle)| (*keyspace, handle))
    }

    pub(super) fn commits_handle(&self) -> &fjall::Keyspace {
        &self.commits
    }

    pub(super) fn days_version(&self) -> u64 {
        self.days_version.load(Ordering::Acquire)
    }

    /// The day keyspaces that exist now.
    pub(super) fn days(&self) -> Result<Days, fjall::Error> {
        let mut days = Days::new();
        for name in self.db.list_keyspace_names() {
            if let Some(keyspace) = day_keyspace(&name) {
                days.insert(keyspace, self.db.keyspace(&name, options)?);
            }
        }
        Ok(days)
    }

    /// Creates the day keyspaces that a write set needs. Only the committer calls it.
    fn make_days(&self, days: &mut Days, writes: &WriteSet) -> Result<(), fjall::Error> {
        let of_rows = writes.rows.keys().map(|(keyspace, _)| *keyspace);
        let of_messages = writes.messages.iter().map(|(day, ..)| Keyspace::Msg(*day));
        let (mut missing, mut last) = (BTreeSet::new(), None);
        for keyspace in of_rows.chain(of_messages) {
            // Rows come in the order of their keyspaces: one look for each run of them.
            if last == Some(keyspace) {
                continue;
            }
            last = Some(keyspace);
            if self.fixed(keyspace).is_none() && !days.contains_key(&keyspace) {
                missing.insert(keyspace);
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        let made = missing.iter().try_for_each(|keyspace| {
            let handle = self.db.keyspace(&name_of(*keyspace), options)?;
            days.insert(*keyspace, handle);
            Ok(())
        });
        let noted = made.and_then(|()| Ok(self.note_folders(days)?));
        match noted {
            Ok(()) => drop(self.days_version.fetch_add(1, Ordering::AcqRel)),
            // The next commit tries again.
            Err(_) => days.retain(|keyspace, _| !missing.contains(keyspace)),
        }
        noted
    }

    /// Commits a write set as one, and clears up behind it: for those who commit rarely. With `sync`
    /// it is on disk when this returns.
    pub(super) fn commit(
        &self,
        days: &mut Days,
        writes: WriteSet,
        sync: bool,
    ) -> Result<(), fjall::Error> {
        let behind = self.write(days, writes, sync)?;
        self.clear_up(days, behind, None);
        Ok(())
    }

    /// Commits a write set as one. With `sync` it is on disk when this returns. What is left to do
    /// behind it waits until those were told who wait for the commit.
    pub(super) fn write(
        &self,
        days: &mut Days,
        writes: WriteSet,
        sync: bool,
    ) -> Result<Behind, fjall::Error> {
        if self.failed.load(Ordering::Relaxed) {
            return Err(fjall::Error::Poisoned);
        }
        let written = self.write_all(days, writes, sync);
        if let Err(error) = &written
            && failure::is_lasting(error)
        {
            self.failed.store(true, Ordering::Relaxed);
        }
        written
    }

    fn write_all(
        &self,
        days: &mut Days,
        mut writes: WriteSet,
        sync: bool,
    ) -> Result<Behind, fjall::Error> {
        let mode = if sync {
            PersistMode::SyncData
        } else {
            PersistMode::Buffer
        };
        self.make_days(days, &writes)?;
        let mut batch = self.db.batch().durability(Some(mode));
        let mut len = 0;
        for ((keyspace, key), value) in std::mem::take(&mut writes.rows) {
            let handle = self.fixed(keyspace).unwrap_or_else(|| &days[&keyspace]);
            len += key.len() + value.as_ref().map_or(0, Vec::len);
            match value {
                Some(value) => batch.insert(handle, key, value),
                None => batch.remove(handle, key),
            }
        }
        for (day, key, value) in std::mem::take(&mut writes.messages) {
            len += key.len() + value.len();
            batch.insert(&days[&Keyspace::Msg(day)], key, value);
        }
        if sync {
            let count = self.synced.next();
            batch.insert(&self.commits, COMMITS_KEY, count.to_be_bytes());
            batch.commit()?;
            self.synced.done(count);
        } else {
            batch.commit()?;
        }
        Ok(Behind {
            drops: writes,
            len: len as u64,
        })
    }

    /// Drops the days that are over, and keeps what gathers in memory within its share: by the
    /// sealer as long as there is room, else here and now. A failure is logged: the commit stands.
    pub(super) fn clear_up(&self, days: &mut Days, behind: Behind, sealer: Option<&mut Sealer>) {
        let dropped = match behind.drops.drops_any() {
            true => self.drop_days(days, &behind.drops),
            false => Ok(()),
        };
        let bounded = dropped.and_then(|()| self.bound_memory(days, behind.len, sealer));
        if let Err(error) = bounded {
            tracing::error!(%error, "the store could not be cleared up behind a commit");
        }
    }

    /// `len` more bytes gathered in memory.
    fn bound_memory(
        &self,
        days: &Days,
        len: u64,
        sealer: Option<&mut Sealer>,
    ) -> Result<(), fjall::Error> {
        if self.unlooked.fetch_add(len, Ordering::Relaxed) + len < UNWRITTEN_LOOK_BYTES {
            return Ok(());
        }
        self.unlooked.store(0, Ordering::Relaxed);
        let all = self.all(days);
        let max = self.memory.unwritten();
        let gathered = memory::gathered(all.clone());
        match sealer {
            Some(sealer) if gathered <= max => {
                if memory::is_much(gathered, max) {
                    sealer.look(all.cloned().collect());
                }
                Ok(())
            }
            _ => memory::write_out(&self.db, all, max, &mut Vec::new()),
        }
    }

    /// A thread that keeps what gathers in memory within its share.
    ///
    /// # Errors
    /// The system gives none.
    pub(super) fn sealer(&self) -> std::io::Result<Sealer> {
        Sealer::start(self.db.clone(), self.memory.unwritten())
    }

    fn drop_days(&self, days: &mut Days, writes: &WriteSet) -> Result<(), fjall::Error> {
        let over = days
            .keys()
            .copied()
            .filter(|keyspace| writes.drops(*keyspace));
        let over: Vec<Keyspace> = over.collect();
        let gone: Days = over
            .into_iter()
            .filter_map(|keyspace| days.remove_entry(&keyspace))
            .collect();
        if gone.is_empty() {
            return Ok(());
        }
        if let Err(error) = self.note_folders(days) {
            days.extend(gone);
            return Err(error.into());
        }
        for (keyspace, handle) in gone {
            tracing::info!(
                keyspace = name_of(keyspace),
                "day is over, its keyspace is dropped"
            );
            self.db.delete_keyspace(handle)?;
            self.days_version.fetch_add(1, Ordering::AcqRel);
        }
        Ok(())
    }

    /// Whether a write or a flush failed so that nothing is taken any more: fjall keeps to that where it
    /// was of the journal, or of a table.
    pub(super) fn is_broken(&self) -> bool {
        let persisted = self.db.persist(PersistMode::Buffer);
        self.failed.load(Ordering::Relaxed) || matches!(persisted, Err(fjall::Error::Poisoned))
    }

    /// Makes everything committed so far last. For the end of the process.
    pub fn sync(&self) -> Result<(), RowsError> {
        let synced = self.db.persist(PersistMode::SyncAll);
        synced.map_err(|error| RowsError::Write {
            reason: error.to_string(),
        })
    }
}
