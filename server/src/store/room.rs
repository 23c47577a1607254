//! Whether the disk has room for more.
//!
//! Owner: the committer. fjall's threads give up for good when a table cannot be written, so the disk
//! must not become full by our own doing: before it does, what makes the store grow is refused, and
//! what makes it shrink (acks, expiry, deletions) goes on.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{fs, io};

use super::aside::{ROOM_LEFT, disk_of, has_room};
use super::keyspaces::{Days, Store};
use super::memory;
use crate::limits::{DISK_KEPT_BYTES_MAX, DISK_KEPT_PART, STORE_WORKERS};

/// How long a look at the disk holds, if little is committed meanwhile.
const LOOK_HOLDS: Duration = Duration::from_millis(250);

/// Of the least that is kept, how much may be committed before the next look: rows go to the journal
/// and into a table.
const LOOK_PART: u64 = 4;

/// See the module page.
#[derive(Debug)]
pub(super) struct Room {
    path: PathBuf,
    /// Least bytes kept, however small the disk is.
    kept_min: u64,
    looked: Option<Instant>,
    /// Bytes committed since.
    committed: u64,
    is_short: bool,
}

impl Room {
    /// On the disk of this folder; at least `kept_min` bytes stay free.
    pub(super) fn new(path: &Path, kept_min: u64) -> Room {
        Room {
            path: path.to_owned(),
            kept_min,
            looked: None,
            committed: 0,
            is_short: false,
        }
    }

    /// So many bytes more are committed.
    pub(super) fn fill(&mut self, bytes: u64) {
        self.committed += bytes;
    }

    /// Whether less is free than is kept, while so many bytes may be `merging`. Says so when that
    /// changes. What cannot be asked is taken for room: the write will tell.
    pub(super) fn is_short(&mut self, merging: impl FnOnce() -> u64) -> bool {
        let is_fresh = self.looked.is_some_and(|at| at.elapsed() < LOOK_HOLDS);
        if is_fresh && self.committed < self.kept_min / LOOK_PART {
            return self.is_short;
        }
        self.looked = Some(Instant::now());
        self.committed = 0;
        let Ok(disk) = disk_of(&self.path) else {
            return self.is_short;
        };
        let kept = kept_of(disk.size, self.kept_min, merging());
        let (was, is) = (self.is_short, disk.free < kept);
        self.is_short = is;
        let free = disk.free;
        if is && !was {
            tracing::error!(free, kept, "the disk is nearly full; nothing is accepted");
        } else if was && !is {
            tracing::info!(free, kept, "the disk has room again");
        }
        is
    }
}

/// Bytes of a disk that stay free. Tables that are merged are there twice until it is done, and a third
/// time if what came of it is merged again while somebody still reads the first.
pub(super) fn kept_of(size: u64, kept_min: u64, merging: u64) -> u64 {
    let of_size = (size / DISK_KEPT_PART).min(DISK_KEPT_BYTES_MAX);
    of_size.max(kept_min + (2 * merging).min(DISK_KEPT_BYTES_MAX))
}

impl Store {
    /// The room on its disk: what is in memory must fit.
    pub(super) fn room(&self) -> Room {
        Room::new(&self.path, self.kept_min())
    }

    fn kept_min(&self) -> u64 {
        2 * self.memory.unwritten()
    }

    /// Bytes of tables that may be merged at one time: of one keyspace by each thread of fjall.
    pub(super) fn merging(&self, days: &Days) -> u64 {
        let mut sizes: Vec<u64> = self.all(days).map(fjall::Keyspace::disk_space).collect();
        sizes.sort_unstable_by_key(|size| std::cmp::Reverse(*size));
        sizes.iter().take(STORE_WORKERS).sum()
    }

    /// Whether there is room for `more` bytes beside `at`, so that neither that nor this store comes to
    /// a full disk.
    ///
    /// # Errors
    /// There is none, in words with both numbers; or of the disk.
    pub(crate) fn has_room_for(&self, more: u64, at: &Path) -> io::Result<()> {
        let disk = disk_of(at)?;
        let kept = match same_disk(at, &self.path)? {
            true => {
                let days = self.days().map_err(io::Error::other)?;
                kept_of(disk.size, self.kept_min(), self.merging(&days))
            }
            false => ROOM_LEFT,
        };
        has_room(more + kept, disk.free)
    }

    /// Bytes that a copy of it takes, about.
    pub(crate) fn len_on_disk(&self) -> Result<u64, fjall::Error> {
        let days = self.days()?;
        let sizes = self.all(&days).map(fjall::Keyspace::disk_space);
        Ok(sizes.sum::<u64>() + memory::gathered(self.all(&days)))
    }
}

fn same_disk(one: &Path, other: &Path) -> io::Result<bool> {
    Ok(fs::metadata(one)?.dev() == fs::metadata(other)?.dev())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::StoreBounds;

    #[test]
    fn given_more_than_a_disk_has_when_asked_for_should_be_refused_with_both_numbers() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("store");
        let store = Store::open(&path, StoreBounds::of_files(512)).expect("made");
        let told = store.has_room_for(u64::MAX / 2, dir.path());
        let told = told.expect_err("no disk has so much");
        assert_eq!(told.kind(), io::ErrorKind::StorageFull);
        assert!(told.to_string().contains("are free"), "{told}");
        assert!(store.len_on_disk().expect("reads") < 1024 * 1024);
    }

    #[test]
    fn given_disks_of_all_sizes_when_asked_should_keep_a_part_within_bounds() {
        const MIB: u64 = 1024 * 1024;
        assert_eq!(kept_of(100 * MIB, 16 * MIB, 0), 16 * MIB);
        assert_eq!(kept_of(1000 * MIB, 16 * MIB, 15 * MIB), 50 * MIB);
        assert_eq!(kept_of(1000 * MIB, 16 * MIB, 20 * MIB), 56 * MIB);
        assert_eq!(kept_of(u64::MAX, 0, 1024 * MIB), DISK_KEPT_BYTES_MAX);
    }
}
