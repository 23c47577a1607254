//! Whether the disk has room for more.
//!
//! Owner: the committer. fjall's threads give up for good when a table cannot be written, so the disk
//! must not become full by our own doing: before it does, what makes the store grow is refused, and
//! what makes it shrink (acks, expiry, deletions) goes on.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::aside::disk_of;
use crate::limits::{DISK_KEPT_BYTES_MAX, DISK_KEPT_PART};

/// How long a look at the disk holds: what is committed meanwhile is far less than what is kept.
const LOOK_HOLDS: Duration = Duration::from_millis(250);

/// See the module page.
#[derive(Debug)]
pub(super) struct Room {
    path: PathBuf,
    /// Least bytes kept, however small the disk is.
    kept_min: u64,
    looked: Option<Instant>,
    is_short: bool,
}

impl Room {
    /// On the disk of this folder; at least `kept_min` bytes stay free.
    pub(super) fn new(path: &Path, kept_min: u64) -> Room {
        Room {
            path: path.to_owned(),
            kept_min,
            looked: None,
            is_short: false,
        }
    }

    /// Whether less is free than is kept. Says so when that changes. What cannot be asked is taken
    /// for room: the write will tell.
    pub(super) fn is_short(&mut self) -> bool {
        if self.looked.is_some_and(|at| at.elapsed() < LOOK_HOLDS) {
            return self.is_short;
        }
        self.looked = Some(Instant::now());
        let Ok(disk) = disk_of(&self.path) else {
            return self.is_short;
        };
        let kept = kept_of(disk.size, self.kept_min);
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

fn kept_of(size: u64, kept_min: u64) -> u64 {
    (size / DISK_KEPT_PART)
        .min(DISK_KEPT_BYTES_MAX)
        .max(kept_min)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_disks_of_all_sizes_when_asked_should_keep_a_part_within_bounds() {
        const MIB: u64 = 1024 * 1024;
        assert_eq!(kept_of(100 * MIB, 16 * MIB), 16 * MIB);
        assert_eq!(kept_of(1000 * MIB, 16 * MIB), 50 * MIB);
        assert_eq!(kept_of(u64::MAX, 16 * MIB), DISK_KEPT_BYTES_MAX);
    }
}
