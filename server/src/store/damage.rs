//! What is wrong with a store on the disk, looked for before fjall opens it and takes away what it
//! cannot read.
//!
//! Owner: whoever opens the store and holds its lock. Always: what may hold something that was
//! answered is left as it is and named; only the unfinished write of a crash is cut.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::journal::{self, Journal, Rest};
use super::{folders, repairing, synced, tables};

/// What fjall writes into the file `version` of a database of its format 3.
const VERSION: &[u8] = b"FJL\x03";

/// A file of the store that is not what was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} is damaged: {what}", .file.display())]
pub struct Damage {
    /// Which.
    pub file: PathBuf,
    /// What is wrong with it.
    pub what: String,
    /// What helps.
    pub remedy: Remedy,
}

impl Damage {
    /// Of a file that `ringpost repair` helps.
    pub(super) fn repairable(file: impl Into<PathBuf>, what: impl ToString) -> Damage {
        Damage {
            remedy: Remedy::Repair,
            ..Damage::beyond(file, what)
        }
    }

    /// Of a file that only a backup brings back.
    pub(super) fn beyond(file: impl Into<PathBuf>, what: impl ToString) -> Damage {
        Damage {
            file: file.into(),
            what: what.to_string(),
            remedy: Remedy::Restore,
        }
    }
}

/// What helps against a damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// `ringpost repair`.
    Repair,
    /// A backup.
    Restore,
    /// To take a file away that is none of the store's.
    MoveAway,
}

/// A journal file and what stands in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalFile {
    /// The file.
    pub file: PathBuf,
    /// What was read of it.
    pub journal: Journal,
    /// Whether later journals follow: then every byte of it was on the disk once.
    pub sealed: bool,
}

/// The journals of a store, the oldest first. One of them is in memory at a time.
///
/// # Errors
/// Of the disk.
pub fn journals(store: &Path) -> io::Result<Vec<JournalFile>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(store)? {
        let path = entry?.path();
        let number = path
            .file_name()
            .and_then(|name| name.to_str()?.strip_suffix(".jnl")?.parse::<u64>().ok());
        if let Some(number) = number {
            files.push((number, path));
        }
    }
    files.sort();
    let last = files.len().saturating_sub(1);
    let mut found = Vec::with_capacity(files.len());
    for (at, (_, file)) in files.into_iter().enumerate() {
        found.push(JournalFile {
            journal: journal::read(&fs::read(&file)?),
            sealed: at < last,
            file,
        });
    }
    Ok(found)
}

impl JournalFile {
    /// What is wrong with it, if more commits were synced than all journals hold.
    fn damage(&self, missing: u64) -> Option<Damage> {
        let at = self.journal.good_len;
        let what = match self.journal.rest {
            Rest::Nothing if missing > 0 && !self.sealed => {
                format!("it ends at byte {at}, {missing} synced commits before what was written")
            }
            Rest::Nothing => return None,
            Rest::Unfinished { .. } if missing == 0 && !self.sealed => return None,
            Rest::Unfinished { len } | Rest::Damaged { len, .. } => {
                format!("what begins at byte {at} ({len} bytes) was whole once and is not now")
            }
        };
        Some(Damage::repairable(&self.file, what))
    }
}

/// The journal that is written, or the folder if there is none.
pub(super) fn newest_journal(store: &Path) -> PathBuf {
    let newest = journals(store).ok().and_then(|mut files| files.pop());
    newest.map_or_else(|| store.to_owned(), |newest| newest.file)
}

/// The first damage of the journals.
pub(super) fn of_journals(store: &Path, journals: &[JournalFile]) -> Option<Damage> {
    let held = journals
        .iter()
        .filter_map(|file| file.journal.commits)
        .max();
    let missing = match (synced::read(store), held) {
        (Some(synced), Some(held)) => synced.saturating_sub(held),
        // What the journals do not hold may stand in tables: it is looked at once these are open.
        _ => 0,
    };
    journals.iter().find_map(|file| file.damage(missing))
}

/// A repair that was not ended: what it cut is gone, and what belonged to it is still there.
pub(super) fn of_repair(store: &Path) -> Option<Damage> {
    let what = "a repair was begun and not ended";
    repairing::begun(store).map(|_| Damage::repairable(repairing::file(store), what))
}

/// Looks at a store before fjall does, and cuts the unfinished write of a crash.
///
/// # Errors
/// The first damage that is found.
pub(super) fn before_open(store: &Path) -> Result<(), Damage> {
    let of_disk = |error: io::Error| Damage::beyond(store, error);
    whole_version(&store.join("version"))?;
    let journals = journals(store).map_err(of_disk)?;
    // There is one from the start on, and what it holds is not in the tables yet.
    if journals.is_empty() {
        return Err(Damage::beyond(store, "it has no journal (`*.jnl`)"));
    }
    if let Some(damage) = of_journals(store, &journals) {
        return Err(damage);
    }
    if let Some(damage) = folders::missing(store) {
        return Err(damage);
    }
    if let Some(file) = tables::foreign(store).map_err(of_disk)? {
        return Err(Damage {
            file,
            what: "it is none of the store's".to_owned(),
            remedy: Remedy::MoveAway,
        });
    }
    let keyspaces =
        tables::keyspaces(store).map_err(|error| Damage::beyond(store.join("keyspaces"), error))?;
    let names = store.join("keyspaces").join("0");
    for folder in &keyspaces {
        let tables = tables::of_keyspace(folder)?;
        // The names of the others stand there: fjall deletes a keyspace without a name.
        if *folder == names {
            tables.iter().try_for_each(tables::Table::verify)?;
        }
    }
    // It is made last of what makes an empty store.
    let is_empty = keyspaces.is_empty() && journals.iter().all(|file| file.journal.batches == 0);
    if !is_empty && !keyspaces.contains(&names) {
        return Err(Damage::beyond(names, "it is gone"));
    }
    for file in &journals {
        if let Rest::Unfinished { len } = file.journal.rest {
            let at = file.journal.good_len;
            tracing::warn!(file = %file.file.display(), at, len, "an unfinished write is cut");
            cut(&file.file, at).map_err(of_disk)?;
        }
    }
    Ok(())
}

fn whole_version(file: &Path) -> Result<(), Damage> {
    match fs::read(file) {
        Ok(bytes) if bytes == VERSION => Ok(()),
        Ok(_) => Err(Damage::beyond(file, "it is not what was written")),
        Err(error) => Err(Damage::beyond(file, error)),
    }
}

/// The damaged files of a store, every table read.
///
/// # Errors
/// Of the disk.
pub fn of_tables(store: &Path) -> io::Result<Vec<Damage>> {
    let mut found = Vec::new();
    for folder in tables::keyspaces(store)? {
        match tables::of_keyspace(&folder) {
            Ok(tables) => found.extend(tables.iter().filter_map(|table| table.verify().err())),
            Err(damage) => found.push(damage),
        }
    }
    Ok(found)
}

/// Cuts a journal at the end of its last whole batch.
pub(super) fn cut(file: &Path, len: u64) -> io::Result<()> {
    let file = File::options().write(true).open(file)?;
    file.set_len(len)?;
    file.sync_all()
}
