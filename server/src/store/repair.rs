//! What helps a store that does not open because its journal is damaged: everything is copied
//! aside, the journal is cut at its last good batch, the store is told what it must not give out
//! again, and rows that belong to something that is gone are taken away.
//!
//! Owner: whoever holds the lock of the data folder. Always: nothing is touched if the store opens,
//! if a table is damaged, or if the copy cannot be made; a repair that did not come to its end is gone
//! on with by the next, and until then the store does not open.

use std::io;
use std::path::{Path, PathBuf};

use server_core::amends::{mend_after_loss, numbers_after_loss};

use super::aside;
use super::damage::{self, Damage, JournalFile, Remedy};
use super::journal::Rest;
use super::keyspaces::{Days, OpenError, Store, StoreBounds};
use super::repairing::{self, Begun};
use super::{recovery, synced};

/// A store that opens again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repaired {
    /// Where everything is as it was.
    pub copy: PathBuf,
    /// Journals that were cut, or taken away whole because they follow one that was.
    pub cuts: Vec<Cut>,
    /// Commits that had been synced, and answered, and are gone, at least; `None` if it is not known.
    pub commits_lost: Option<u64>,
    /// Rows that did not fit to what is left: taken away, or written anew.
    pub rows_mended: u64,
}

/// What was taken off one journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// The journal.
    pub file: PathBuf,
    /// Where it ends now; `None` if the file is gone.
    pub at: Option<u64>,
    /// Bytes behind that.
    pub bytes: u64,
    /// Batches that can be told in them: a damaged one counts as one.
    pub batches: u64,
}

/// What became of a repair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The store opens as it is; nothing was changed.
    Opens,
    /// It opens now.
    Repaired(Repaired),
}

/// Why there is no repair.
#[derive(Debug, thiserror::Error)]
pub enum RepairError {
    /// Another process has it, there is none, or it is of another format.
    #[error(transparent)]
    Open(OpenError),
    /// Files are damaged that cannot be done without.
    #[error("{} cannot be repaired: restore a backup", list(.0))]
    Beyond(Vec<Damage>),
    /// fjall refuses, and no file of it looks damaged.
    #[error("no damaged file was found, yet {0}")]
    Unknown(OpenError),
    /// The disk fails, or a part of the store is not there.
    #[error("reading the store: {0}; nothing was changed")]
    Unread(io::Error),
    /// There is no copy, so nothing was changed.
    #[error("copying the folder to {}: {error}; nothing was changed", .to.display())]
    Aside {
        /// Where it was to go.
        to: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// The copy is there, the journal could not be cut or written to.
    #[error("{what}: {reason}; the copy has all that was there")]
    Failed {
        /// What was done.
        what: &'static str,
        /// Why it failed.
        reason: String,
    },
}

fn list(damages: &[Damage]) -> String {
    let lines: Vec<String> = damages.iter().map(Damage::to_string).collect();
    lines.join("; ")
}

fn failed<E: ToString>(what: &'static str) -> impl Fn(E) -> RepairError {
    move |reason| RepairError::Failed {
        what,
        reason: reason.to_string(),
    }
}

/// Repairs the store of a data folder, which is first copied to `copy` as a whole.
///
/// # Errors
/// See [`RepairError`].
pub fn repair(
    data: &Path,
    store: &Path,
    copy: &Path,
    bounds: StoreBounds,
    now_ms: u64,
) -> Result<Outcome, RepairError> {
    let refused = match Store::open_existing(store, bounds) {
        Ok(opened) => return of_our_format(&opened, store).map(|()| Outcome::Opens),
        Err(OpenError::Damaged { path, damage }) if damage.remedy == Remedy::MoveAway => {
            return Err(RepairError::Open(OpenError::Damaged { path, damage }));
        }
        Err(error @ (OpenError::Refused { .. } | OpenError::Damaged { .. })) => error,
        Err(error) => return Err(RepairError::Open(error)),
    };
    let mut beyond = damage::of_tables(store);
    if let OpenError::Damaged { damage, .. } = &refused
        && damage.remedy == Remedy::Restore
    {
        let more = beyond.unwrap_or_default();
        let others = more.into_iter().filter(|other| other.file != damage.file);
        beyond = Ok([damage.clone()].into_iter().chain(others).collect());
    }
    let beyond = beyond.map_err(RepairError::Unread)?;
    if !beyond.is_empty() {
        return Err(RepairError::Beyond(beyond));
    }
    let journals = damage::journals(store).map_err(RepairError::Unread)?;
    let is_behind = matches!(refused, OpenError::Damaged { .. });
    let first = first_damaged(store, &journals);
    if first.is_none() && !is_behind {
        return Err(RepairError::Unknown(refused));
    }
    let begun = match repairing::begun(store).filter(|begun| begun.copy.is_dir()) {
        // The journals hold what it wrote itself, and the copy what was there before.
        Some(begun) => begun,
        None => {
            aside::copy(data, copy).map_err(|error| RepairError::Aside {
                to: copy.to_owned(),
                error,
            })?;
            Begun {
                commits_lost: commits_lost(store, &journals, first),
                copy: copy.to_owned(),
            }
        }
    };
    repairing::begin(store, &begun).map_err(failed("noting the repair"))?;
    let was_synced = synced::read(store);
    let cuts = first.map_or(Ok(Vec::new()), |first| cut_from(&journals, first));
    let cuts = cuts.map_err(failed("cutting the journal"))?;
    synced::forget(store).map_err(failed("forgetting the count of commits"))?;
    let opened = Store::open_in_repair(store, bounds).map_err(failed("opening the store"))?;
    of_our_format(&opened, store)?;
    // A table may be ahead of what is left, so this is the least.
    let behind = was_synced.map(|synced| synced.saturating_sub(opened.commits()));
    let commits_lost = begun.commits_lost.or(behind.filter(|lost| *lost > 0));
    let rows_mended = amend(&opened, now_ms).map_err(failed("writing to the store"))?;
    repairing::end(store).map_err(failed("noting the end of the repair"))?;
    Ok(Outcome::Repaired(Repaired {
        copy: begun.copy,
        cuts,
        commits_lost,
        rows_mended,
    }))
}

/// Rows of another format are not ours to mend.
fn of_our_format(opened: &Store, store: &Path) -> Result<(), RepairError> {
    let mut known = Default::default();
    let view = opened.view(&mut known);
    let view = view.map_err(failed("reading the store"))?;
    recovery::check_format(&view, store).map_err(RepairError::Open)
}

/// Synced commits behind those that the journals hold up to the first that is damaged; tables may hold
/// later counts. `None` if nothing tells.
fn commits_lost(store: &Path, journals: &[JournalFile], first: Option<usize>) -> Option<u64> {
    let whole = journals.iter().take(first.map_or(0, |first| first + 1));
    let left = whole.filter_map(|file| file.journal.commits).max()?;
    Some(synced::read(store)?.saturating_sub(left))
}

/// The first journal that does not open as it is.
fn first_damaged(store: &Path, journals: &[JournalFile]) -> Option<usize> {
    let damage = damage::of_journals(store, journals)?;
    journals.iter().position(|file| file.file == damage.file)
}

/// Cuts one journal. Those behind it hold what was written on top of what is lost, so they go, and go
/// first: as long as one is there, the damage that is the reason for it is there too.
fn cut_from(journals: &[JournalFile], first: usize) -> io::Result<Vec<Cut>> {
    let mut cuts = Vec::new();
    for (at, file) in journals.iter().enumerate().skip(first).rev() {
        let (journal, whole) = (&file.journal, at > first);
        let (bytes, batches) = match journal.rest {
            Rest::Nothing => (0, 0),
            Rest::Unfinished { len } => (len, 1),
            Rest::Damaged {
                len,
                batches_behind,
                ..
            } => (len, batches_behind + 1),
        };
        if whole {
            std::fs::remove_file(&file.file)?;
        } else {
            damage::cut(&file.file, journal.good_len)?;
        }
        cuts.push(Cut {
            file: file.file.clone(),
            at: (!whole).then_some(journal.good_len),
            bytes: bytes + if whole { journal.good_len } else { 0 },
            batches: batches + if whole { journal.batches } else { 0 },
        });
    }
    cuts.reverse();
    Ok(cuts)
}

/// Passes of mending: what loses a row and what that loses, some four deep. What is still there behind
/// them is no matter of what was lost, and `check` names it.
const PASSES_MAX: usize = 16;

/// How many rows were mended.
fn amend(store: &Store, now_ms: u64) -> Result<u64, String> {
    let text = |error: &dyn std::error::Error| error.to_string();
    let mut days = store.days().map_err(|error| text(&error))?;
    let numbers = numbers_after_loss(&store.view_with(&days), now_ms);
    let numbers = numbers.map_err(|error| text(&error))?;
    let commit = |days: &mut Days, writes| {
        let committed = store.commit(days, writes, true);
        committed.map_err(|error| text(&error))
    };
    commit(&mut days, numbers)?;
    let mut mended = 0;
    for _ in 0..PASSES_MAX {
        let seen = days.clone();
        let view = store.view_with(&seen);
        let of_pass = mend_after_loss(&view, &view.day_keyspaces(), now_ms, |writes| {
            commit(&mut days, writes)
        })?;
        if of_pass == 0 {
            break;
        }
        mended += of_pass;
    }
    store.sync().map_err(|error| text(&error))?;
    Ok(mended)
}
