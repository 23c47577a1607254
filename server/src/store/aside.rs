//! A copy of a folder of files that nobody writes, made before anything in it is changed.
//!
//! Always: it is whole and on the disk, or there is an error that names the file and nothing of it;
//! runs of zeroes take no room in it, and what a link leads to is copied.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

/// Bytes that are read at a time, and left out if all are zero.
const PAGE_LEN: usize = 64 * 1024;

/// What is left free on the disk beside the copy, so that the repair itself can write.
pub(super) const ROOM_LEFT: u64 = 16 * 1024 * 1024;

/// Copies a folder to a new one.
///
/// # Errors
/// The new one exists; there is no room; of the disk.
pub(super) fn copy(from: &Path, to: &Path) -> io::Result<()> {
    if to.exists() {
        let there = "it exists already";
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, there));
    }
    let parent = to.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    has_room(size_of(from)? + ROOM_LEFT, disk_of(parent)?.free)?;
    copy_folder(from, to).inspect_err(|_| {
        // A part of it has secrets, and is no copy.
        let _ = fs::remove_dir_all(to);
    })?;
    File::open(parent)?.sync_all()
}

pub(super) fn has_room(needed: u64, free: u64) -> io::Result<()> {
    if needed <= free {
        return Ok(());
    }
    let why = format!("it needs {needed} bytes of the disk, {free} are free");
    Err(io::Error::new(io::ErrorKind::StorageFull, why))
}

fn named(file: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", file.display()))
}

/// Bytes that a folder takes on the disk.
fn size_of(folder: &Path) -> io::Result<u64> {
    let mut sum = 0;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let metadata = fs::metadata(&path).map_err(|error| named(&path, &error))?;
        sum += match metadata.is_dir() {
            true => size_of(&path)?,
            false => metadata.blocks() * 512,
        };
    }
    Ok(sum)
}

/// The disk of a folder, in bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Disk {
    /// All of it.
    pub(super) size: u64,
    /// What anybody may still write.
    pub(super) free: u64,
}

pub(super) fn disk_of(folder: &Path) -> io::Result<Disk> {
    let disk = rustix::fs::statvfs(folder)?;
    Ok(Disk {
        size: disk.f_blocks * disk.f_frsize,
        free: disk.f_bavail * disk.f_frsize,
    })
}

/// Copies a folder with all in it to a new one, for its owner alone.
pub(crate) fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy_folder(&from, &to)?;
        } else {
            copy_file(&from, &to).map_err(|error| named(&from, &error))?;
        }
    }
    File::open(to)?.sync_all()
}

/// Copies one file to a new one, for its owner alone.
pub(crate) fn copy_file(from: &Path, to: &Path) -> io::Result<()> {
    let mut from = File::open(from)?;
    let to = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(to)?;
    let mut page = vec![0; PAGE_LEN];
    let mut at = 0;
    loop {
        let len = from.read(&mut page)?;
        if len == 0 {
            break;
        }
        if page[..len].iter().any(|byte| *byte != 0) {
            to.write_all_at(&page[..len], at)?;
        }
        at += len as u64;
    }
    to.set_len(at)?;
    (&to).flush()?;
    to.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_a_folder_when_copied_should_be_equal_with_its_zeroes_and_never_go_over_another() {
        let dir = tempfile::tempdir().expect("a folder");
        let from = dir.path().join("from");
        fs::create_dir_all(from.join("deep")).expect("made");
        let mut bytes = vec![0; 3 * PAGE_LEN + 7];
        bytes[PAGE_LEN + 1] = 1;
        fs::write(from.join("deep/file"), &bytes).expect("written");
        let to = dir.path().join("to");
        copy(&from, &to).expect("copied");
        assert_eq!(fs::read(to.join("deep/file")).expect("there"), bytes);
        let again = copy(&from, &to).expect_err("it is there");
        assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
    }

    #[test]
    fn given_a_disk_without_room_when_a_copy_is_wanted_should_be_refused_with_both_numbers() {
        let dir = tempfile::tempdir().expect("a folder");
        fs::write(dir.path().join("file"), [1; 100_000]).expect("written");
        let needed = size_of(dir.path()).expect("there");
        assert!(needed >= 100_000, "{needed}");
        assert!(disk_of(dir.path()).expect("a disk").free > 0);
        assert!(has_room(needed, needed).is_ok());
        let told = has_room(needed, needed - 1).expect_err("refused");
        assert_eq!(told.kind(), io::ErrorKind::StorageFull);
        assert!(told.to_string().contains(&needed.to_string()), "{told}");
    }
}
