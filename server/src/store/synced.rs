//! How many commits were synced, kept beside the journal: a journal that lost its end is otherwise
//! a journal that ends there.
//!
//! Owner: the committer. Each synced commit holds its count; once it is on the disk, and before
//! anybody is answered, the file `synced` says so. Always: the file never says more than the disk
//! held; after a power cut it may say less.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use xxhash_rust::xxh3::xxh3_64;

use super::journal::COMMITS_KEY;

const NAME: &str = "synced";

/// The file and the count.
#[derive(Debug)]
pub(super) struct Synced {
    file: File,
    count: AtomicU64,
    failed: AtomicBool,
}

/// What the file of a store says. One that is torn or not there says nothing.
pub(super) fn read(store: &Path) -> Option<u64> {
    let bytes = fs::read(store.join(NAME)).ok()?;
    let (count, checksum) = bytes.split_first_chunk::<8>()?;
    (checksum == xxh3_64(count).to_be_bytes()).then(|| u64::from_be_bytes(*count))
}

/// How many commits an open store holds, by the row that each of them wrote.
pub(super) fn held(commits: &fjall::Keyspace) -> Result<u64, fjall::Error> {
    let row = commits.get(COMMITS_KEY)?;
    let count = row.and_then(|row| row.as_ref().try_into().ok());
    Ok(count.map_or(0, u64::from_be_bytes))
}

/// Lets the next opening begin with what the store holds.
pub(super) fn forget(store: &Path) -> io::Result<()> {
    match fs::remove_file(store.join(NAME)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

impl Synced {
    /// Goes on behind the commits that an open store holds.
    pub(super) fn open(store: &Path, held: u64) -> io::Result<Synced> {
        let file = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(store.join(NAME))?;
        let synced = Synced {
            file,
            count: AtomicU64::new(held),
            failed: AtomicBool::new(false),
        };
        synced.write(held)?;
        Ok(synced)
    }

    /// The count of the next commit.
    pub(super) fn next(&self) -> u64 {
        self.count.load(Ordering::Relaxed) + 1
    }

    /// A commit is on the disk.
    pub(super) fn done(&self, count: u64) {
        self.count.store(count, Ordering::Relaxed);
        // The commit lasts all the same; only a later loss of it would not be noticed.
        if let Err(error) = self.write(count)
            && !self.failed.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(%error, "the count of synced commits cannot be written");
        }
    }

    fn write(&self, count: u64) -> io::Result<()> {
        let count = count.to_be_bytes();
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&count);
        bytes[8..].copy_from_slice(&xxh3_64(&count).to_be_bytes());
        self.file.write_all_at(&bytes, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_counts_when_written_should_be_read_and_a_torn_one_should_say_nothing() {
        let store = tempfile::tempdir().expect("a folder");
        assert_eq!(read(store.path()), None);
        let synced = Synced::open(store.path(), 7).expect("made");
        assert_eq!(read(store.path()), Some(7));
        synced.done(synced.next());
        assert_eq!(read(store.path()), Some(8));
        let file = File::options().write(true).open(store.path().join(NAME));
        let file = file.expect("there");
        file.write_all_at(&[9], 7).expect("written");
        assert_eq!(read(store.path()), None);
        forget(store.path()).expect("gone");
        forget(store.path()).expect("gone already");
    }
}
