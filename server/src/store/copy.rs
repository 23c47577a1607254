//! A copy of the database while it is written: the rows of one snapshot, in new tables.
//!
//! Always: the copy has everything that was committed before it began and nothing that was
//! committed behind; memory does not grow with the rows, for each keyspace is written as it is read.

use std::path::Path;

use fjall::{Database, Keyspace, PersistMode, Readable, Snapshot};

use super::folders;
use super::keyspaces::{COMMITS_NAME, Store, options};
use super::names::name_of;
use super::synced::{self, Synced};
use super::view::KnownDays;
use crate::limits::STORE_FILES_WRITTEN;

/// Rows between two looks at whether to go on.
const ROWS_PER_LOOK: u64 = 1024;

/// Tables that the copy has open; it only writes.
const COPY_FILES: usize = 16;

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// Of the database that is read or of the one that is written.
    #[error("{0}")]
    Store(String),
    /// It is not to go on.
    #[error("{0}")]
    Stopped(String),
}

impl From<fjall::Error> for CopyError {
    fn from(error: fjall::Error) -> Self {
        CopyError::Store(error.to_string())
    }
}

/// Writes a copy to a new folder; `go_on` is told how many rows are written, and may say why no more
/// are to be. Returns their number.
///
/// # Errors
/// See [`CopyError`]. What was written stays.
pub fn copy(
    store: &Store,
    to: &Path,
    mut go_on: impl FnMut(u64) -> Result<(), String>,
) -> Result<u64, CopyError> {
    let mut known = KnownDays::default();
    let view = store
        .view(&mut known)
        .map_err(|error| CopyError::Store(error.to_string()))?;
    let db = Database::builder(to)
        .worker_threads(1)
        .max_cached_files(Some(COPY_FILES.max(STORE_FILES_WRITTEN)))
        .open()?;
    let mut rows = 0;
    let kept = view
        .handles()
        .map(|(keyspace, handle)| (name_of(keyspace), handle));
    let own = std::iter::once((COMMITS_NAME.to_owned(), store.commits_handle()));
    let mut made = Vec::new();
    for (name, from) in kept.chain(own) {
        let keyspace = db.keyspace(&name, options)?;
        rows = copy_keyspace(view.snapshot(), from, &keyspace, rows, &mut go_on)?;
        made.push(keyspace);
    }
    db.persist(PersistMode::SyncAll)?;
    // What is lost of the copy is noticed like what is lost of the store.
    let held = synced::held(made.last().expect("its own is the last"))?;
    let noted = folders::write(to, made.iter()).and_then(|()| Synced::open(to, held).map(drop));
    noted.map_err(|error| CopyError::Store(error.to_string()))?;
    Ok(rows)
}

fn copy_keyspace(
    snapshot: &Snapshot,
    from: &Keyspace,
    to: &Keyspace,
    mut rows: u64,
    go_on: &mut impl FnMut(u64) -> Result<(), String>,
) -> Result<u64, CopyError> {
    let mut tables = to.start_ingestion()?;
    for row in snapshot.iter(from) {
        let (key, value) = row.into_inner()?;
        tables.write(key, value)?;
        rows += 1;
        if rows.is_multiple_of(ROWS_PER_LOOK) {
            go_on(rows).map_err(CopyError::Stopped)?;
        }
    }
    tables.finish()?;
    Ok(rows)
}
