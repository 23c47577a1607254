//! Which folders of keyspaces a store has, kept beside them: fjall takes a keyspace whose folder is
//! gone for one that was never made, and takes away those whose names went with folder `0`.
//!
//! Owner: whoever opens the store, then the committer. The file `folders` has the numbers of the
//! folders in its first line and the xxh3 of that line in its second. Always: it is on the disk before
//! the first commit into a folder, and forgets a folder before that is taken away.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use xxhash_rust::xxh3::xxh3_64;

use super::damage::Damage;

const NAME: &str = "folders";

/// Where fjall has the names of all others.
const NAMES: u64 = 0;

/// Whether there is a list: every server that writes one counts its commits.
pub(super) fn are_listed(store: &Path) -> bool {
    store.join(NAME).exists()
}

/// The first folder that should be there and is not. A file that is torn, or not there as in a store
/// of an older version, says nothing.
pub(super) fn missing(store: &Path) -> Option<Damage> {
    let text = fs::read_to_string(store.join(NAME)).ok()?;
    let Some(numbers) = read(&text) else {
        tracing::warn!(
            "the list of the folders of the store is torn: that one is gone would not be noticed"
        );
        return None;
    };
    let folders = numbers
        .into_iter()
        .map(|number| store.join("keyspaces").join(number.to_string()));
    let gone = folders.into_iter().find(|folder| !folder.is_dir())?;
    Some(Damage::beyond(gone, "it is gone"))
}

fn read(text: &str) -> Option<BTreeSet<u64>> {
    let (line, sum) = text.strip_suffix('\n')?.split_once('\n')?;
    if sum != format!("{:016x}", xxh3_64(line.as_bytes())) {
        return None;
    }
    line.split(' ').map(|number| number.parse().ok()).collect()
}

/// The folders of these keyspaces, and the one with their names, are there from now on.
///
/// # Errors
/// Of the disk; what the file said before it still says then.
pub(super) fn write<'a>(
    store: &Path,
    keyspaces: impl Iterator<Item = &'a fjall::Keyspace>,
) -> io::Result<()> {
    let mut numbers = BTreeSet::from([NAMES]);
    for keyspace in keyspaces {
        let name = keyspace.path().file_name().and_then(|name| name.to_str());
        let number = name.and_then(|name| name.parse().ok());
        numbers.insert(number.expect("fjall numbers the folders of its keyspaces"));
    }
    let numbers: Vec<String> = numbers.iter().map(u64::to_string).collect();
    let line = numbers.join(" ");
    let new = store.join(format!("{NAME}.new"));
    let mut file = File::create(&new)?;
    writeln!(file, "{line}\n{:016x}", xxh3_64(line.as_bytes()))?;
    file.sync_all()?;
    fs::rename(&new, store.join(NAME))?;
    File::open(store)?.sync_all()
}

#[cfg(test)]
mod tests {
    use fjall::Database;

    use super::*;

    #[test]
    fn given_keyspaces_when_a_folder_goes_should_name_it_and_a_torn_list_should_say_nothing() {
        let dir = tempfile::tempdir().expect("a folder");
        let db = Database::builder(dir.path()).open().expect("made");
        let keyspace = |name| db.keyspace(name, Default::default).expect("made");
        let (kept, taken) = (keyspace("kept"), keyspace("taken"));
        assert_eq!(missing(dir.path()), None, "written by an older version");
        write(dir.path(), [&kept, &taken].into_iter()).expect("written");
        assert_eq!(missing(dir.path()), None);
        fs::remove_dir_all(taken.path()).expect("taken away");
        let damage = missing(dir.path()).expect("a folder is gone");
        assert_eq!(damage.file, taken.path());
        write(dir.path(), [&kept].into_iter()).expect("written");
        assert_eq!(missing(dir.path()), None);
        let file = dir.path().join(NAME);
        let text = fs::read_to_string(&file).expect("there");
        fs::write(&file, text.replacen('0', "7", 1)).expect("torn");
        assert_eq!(missing(dir.path()), None, "it says nothing");
    }
}
