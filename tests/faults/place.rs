//! A folder with a copy of a data folder in it, to be damaged.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// A temporary folder; the data folder in it is `data`, as the harness has it.
pub struct Place(TempDir);

impl Place {
    /// A place without a data folder.
    pub fn empty() -> Place {
        Place(tempfile::tempdir().expect("a folder"))
    }

    /// A copy of a data folder that nobody writes.
    pub fn copy_of(data: &Path) -> Place {
        let place = Place::empty();
        copy(data, &place.data());
        place
    }

    pub fn dir(&self) -> &Path {
        self.0.path()
    }

    pub fn data(&self) -> PathBuf {
        self.dir().join("data")
    }

    /// The only journal.
    pub fn journal(&self) -> PathBuf {
        journal(&self.data())
    }

    /// Runs a command on the data folder.
    pub fn ringpost(&self, args: &[&str]) -> Output {
        let data = self.data();
        let data = data.to_str().expect("text");
        self.run(&[args, &["--data", data]].concat())
    }

    /// Runs a command.
    pub fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ringpost"));
        command.args(args).output().expect("runs")
    }

    /// Every file of the store with its length.
    pub fn listing(&self) -> Vec<(PathBuf, u64)> {
        let mut found = Vec::new();
        list(&self.data().join("store"), &mut found);
        found.sort();
        found
    }

    /// The folders of the place.
    pub fn beside(&self) -> Vec<String> {
        let entries = fs::read_dir(self.dir()).expect("there");
        let mut names: Vec<String> = entries
            .map(|entry| entry.expect("an entry"))
            .filter(|entry| entry.path().is_dir())
            .map(|entry| entry.file_name().into_string().expect("text"))
            .collect();
        names.sort();
        names
    }
}

/// The only journal of a data folder.
pub fn journal(data: &Path) -> PathBuf {
    let mut journals = journals(data);
    assert_eq!(journals.len(), 1, "{journals:?}");
    journals.remove(0)
}

/// The journals of a data folder, the oldest first.
pub fn journals(data: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(data.join("store")).expect("a store");
    let mut journals: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|end| end == "jnl"))
        .collect();
    journals.sort_by_key(|path| {
        let number = path
            .file_stem()
            .and_then(|stem| stem.to_str()?.parse::<u64>().ok());
        number.expect("a number")
    });
    journals
}

/// How many bytes of a journal were written: zeroes follow.
pub fn written(journal: &[u8]) -> usize {
    journal
        .iter()
        .rposition(|byte| *byte != 0)
        .expect("written")
        + 1
}

fn list(folder: &Path, found: &mut Vec<(PathBuf, u64)>) {
    for entry in fs::read_dir(folder).expect("there") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            list(&path, found);
        } else {
            let len = fs::metadata(&path).expect("there").len();
            found.push((path, len));
        }
    }
}

/// Copies a folder; the zeroes of a new journal take no room.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).expect("made");
    for entry in fs::read_dir(from).expect("there") {
        let entry = entry.expect("an entry");
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy(&from, &to);
            continue;
        }
        let mut bytes = Vec::new();
        let mut file = File::open(&from).expect("there");
        file.read_to_end(&mut bytes).expect("read");
        let mut copied = File::create(&to).expect("made");
        for page in bytes.chunks(4096) {
            if page == &[0; 4096][..page.len()] {
                copied
                    .seek(SeekFrom::Current(page.len() as i64))
                    .expect("sought");
            } else {
                copied.write_all(page).expect("written");
            }
        }
        copied.set_len(bytes.len() as u64).expect("as long");
    }
}
