//! The tables of each keyspace, read and checked by ourselves: fjall names no file when it finds
//! damage, and takes a list of tables that was damaged for what it says.
//!
//! A keyspace is a folder. Its `current` holds the number of its newest list (u64), and the xxh3
//! of that file (u128); little-endian. The list, `v` and the number, is an archive whose section
//! `tables` names every table with the xxh3 of its file. Always: nothing is written.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::{Xxh3Default, xxh3_128};

use super::damage::Damage;

/// A table, and what its file must hash to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Table {
    /// Its file.
    pub file: PathBuf,
    checksum: u128,
}

/// The folders of all keyspaces of a store, the one that knows their names (`0`) first.
pub(super) fn keyspaces(store: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(store.join("keyspaces"))? {
        let entry = entry?;
        let number = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<u64>().ok());
        if let Some(number) = number.filter(|_| entry.path().is_dir()) {
            found.push((number, entry.path()));
        }
    }
    found.sort();
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

/// Something among the keyspaces, or the tables of one, that has no number for a name: fjall panics
/// there, or says no more than that it cannot go on.
///
/// # Errors
/// Of the disk.
pub(super) fn foreign(store: &Path) -> io::Result<Option<PathBuf>> {
    let all = store.join("keyspaces");
    let folders = keyspaces(store)?.into_iter();
    let tables = folders.map(|folder| folder.join("tables"));
    for folder in std::iter::once(all).chain(tables.filter(|folder| folder.is_dir())) {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str());
            if name.is_none_or(|name| name.parse::<u64>().is_err()) {
                return Ok(Some(path));
            }
        }
    }
    Ok(None)
}

/// The tables of a keyspace, by its newest list, each of which has a file.
///
/// # Errors
/// The list, or what names it, is damaged; a table has no file.
pub(super) fn of_keyspace(folder: &Path) -> Result<Vec<Table>, Damage> {
    let current = folder.join("current");
    let bytes = match fs::read(&current) {
        Ok(bytes) => bytes,
        // A keyspace whose making a crash cut short has none; fjall takes its folder away.
        Err(error) if error.kind() == io::ErrorKind::NotFound && !has_tables(folder) => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(Damage::beyond(&current, error)),
    };
    let (Some(number), Some(checksum)) = (number(&bytes, 0), checksum(&bytes, 8)) else {
        return Err(Damage::beyond(&current, "it is too short"));
    };
    let list = folder.join(format!("v{number}"));
    let bytes = fs::read(&list).map_err(|error| Damage::beyond(&list, error))?;
    if xxh3_128(&bytes) != checksum {
        return Err(Damage::beyond(&list, "its checksum is wrong"));
    }
    let tables = listed(&bytes).ok_or_else(|| Damage::beyond(&list, "it has no list of tables"))?;
    let mut found = Vec::with_capacity(tables.len());
    for (number, checksum) in tables {
        let file = folder.join("tables").join(number.to_string());
        if !file.is_file() {
            return Err(Damage::beyond(&file, "it is gone"));
        }
        found.push(Table { file, checksum });
    }
    Ok(found)
}

fn has_tables(folder: &Path) -> bool {
    fs::read_dir(folder.join("tables")).is_ok_and(|mut tables| tables.next().is_some())
}

impl Table {
    /// Reads the whole file.
    ///
    /// # Errors
    /// It is not what was written, or cannot be read.
    pub(super) fn verify(&self) -> Result<(), Damage> {
        match hash_of(&self.file) {
            Ok(checksum) if checksum == self.checksum => Ok(()),
            Ok(_) => Err(Damage::beyond(&self.file, "its checksum is wrong")),
            Err(error) => Err(Damage::beyond(&self.file, error)),
        }
    }
}

/// Number and checksum of each table: u8 levels, of each u8 runs, of each u32 tables, of each u64
/// number, u8 kind of checksum, u128 checksum, u64 sequence number.
fn listed(list: &[u8]) -> Option<Vec<(u64, u128)>> {
    let archive = sfa::Reader::from_reader(&mut io::Cursor::new(list)).ok()?;
    let section = archive.toc().section(b"tables")?;
    let begin = usize::try_from(section.pos()).ok()?;
    let end = begin.checked_add(usize::try_from(section.len()).ok()?)?;
    let bytes = list.get(begin..end)?;
    let mut tables = Vec::new();
    let mut at = 0;
    let byte = |at: &mut usize| {
        *at += 1;
        bytes.get(*at - 1).copied()
    };
    for _level in 0..byte(&mut at)? {
        for _run in 0..byte(&mut at)? {
            let count = u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?);
            at += 4;
            for _table in 0..count {
                tables.push((number(bytes, at)?, checksum(bytes, at + 9)?));
                at += 33;
            }
        }
    }
    (at <= bytes.len()).then_some(tables)
}

fn number(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

fn checksum(bytes: &[u8], at: usize) -> Option<u128> {
    Some(u128::from_le_bytes(
        bytes.get(at..at + 16)?.try_into().ok()?,
    ))
}

fn hash_of(path: &Path) -> io::Result<u128> {
    let mut file = File::open(path)?;
    let mut hasher = Xxh3Default::new();
    let mut page = vec![0; 64 * 1024];
    loop {
        match file.read(&mut page)? {
            0 => return Ok(hasher.digest128()),
            len => hasher.update(&page[..len]),
        }
    }
}
