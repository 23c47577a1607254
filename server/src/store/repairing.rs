//! A repair that was begun: a file says so until it is done. What is cut by then and not mended must
//! not be served, and the next repair goes on.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

const NAME: &str = "repairing";

/// A repair that was begun and not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Begun {
    /// Synced commits that are gone, as far as it was known.
    pub commits_lost: Option<u64>,
    /// Where everything was copied to as it was.
    pub copy: PathBuf,
}

/// What the file of a store says.
pub(super) fn begun(store: &Path) -> Option<Begun> {
    let text = fs::read_to_string(store.join(NAME)).ok()?;
    let (lost, copy) = text.split_once('\n').unwrap_or((&text, ""));
    Some(Begun {
        commits_lost: lost.parse().ok(),
        copy: PathBuf::from(copy.trim_end_matches('\n')),
    })
}

/// Lasts when it returns.
pub(super) fn begin(store: &Path, begun: &Begun) -> io::Result<()> {
    let mut file = File::create(store.join(NAME))?;
    let lost = begun.commits_lost;
    let text = lost.map_or_else(|| "unknown".to_owned(), |lost| lost.to_string());
    file.write_all(format!("{text}\n{}\n", begun.copy.display()).as_bytes())?;
    file.sync_all()?;
    File::open(store)?.sync_all()
}

/// The store may be served.
pub(super) fn end(store: &Path) -> io::Result<()> {
    fs::remove_file(store.join(NAME))?;
    File::open(store)?.sync_all()
}

/// The file, for whoever must name it.
pub(super) fn file(store: &Path) -> PathBuf {
    store.join(NAME)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_a_repair_when_begun_should_be_known_until_it_ends() {
        let store = tempfile::tempdir().expect("a folder");
        assert_eq!(begun(store.path()), None);
        for commits_lost in [Some(7), None] {
            let copy = PathBuf::from("/where it was");
            let repair = Begun { commits_lost, copy };
            begin(store.path(), &repair).expect("written");
            assert_eq!(begun(store.path()), Some(repair));
        }
        end(store.path()).expect("gone");
        assert_eq!(begun(store.path()), None);
    }
}
