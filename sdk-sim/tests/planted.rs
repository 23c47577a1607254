//! The planted bugs still fit: each patch applies to the tree as it is.
//!
//! Owner: whoever changes code that a patch names repairs the patch. That the simulation finds
//! each bug is shown by `tests/planted/run.sh`; its table stands in `docs/simulation.md`.

use std::fs;
use std::path::{Path, PathBuf};

/// The least number of planted bugs; none is dropped because it no longer fits.
const PATCHES_MIN: usize = 34;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn patches() -> Vec<(String, String)> {
    let folder = root().join("sdk-sim/tests/planted");
    let mut found: Vec<(String, String)> = fs::read_dir(&folder)
        .expect("the folder of planted bugs")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "patch")
        })
        .map(|path| {
            let name = path
                .file_stem()
                .expect("a name")
                .to_string_lossy()
                .into_owned();
            (name, fs::read_to_string(path).expect("a patch is text"))
        })
        .collect();
    found.sort();
    found
}

/// One hunk: its file, the lines that must be there and those that come instead.
#[derive(Debug, Default, PartialEq, Eq)]
struct Hunk {
    file: String,
    before: Vec<String>,
    after: Vec<String>,
}

fn hunks(patch: &str) -> Vec<Hunk> {
    let mut hunks: Vec<Hunk> = Vec::new();
    let mut file = String::new();
    for line in patch.lines() {
        if line.starts_with("--- ") {
            continue;
        } else if let Some(name) = line.strip_prefix("+++ b/") {
            file = name.to_owned();
        } else if line.starts_with("@@ ") {
            hunks.push(Hunk {
                file: file.clone(),
                ..Hunk::default()
            });
        } else if let Some(hunk) = hunks.last_mut() {
            let (mark, text) = line.split_at_checked(1).unwrap_or((" ", ""));
            if mark != "+" {
                hunk.before.push(text.to_owned());
            }
            if mark != "-" {
                hunk.after.push(text.to_owned());
            }
        }
    }
    hunks
}

/// How often the lines of a hunk stand in a text, one behind the other.
fn places(hunk: &Hunk, text: &str) -> usize {
    let lines: Vec<&str> = text.lines().collect();
    let windows = lines.windows(hunk.before.len().max(1));
    windows
        .filter(|window| *window == hunk.before.as_slice())
        .count()
}

#[test]
fn given_each_planted_bug_when_compared_with_the_tree_should_fit_in_one_place() {
    let patches = patches();
    assert!(
        patches.len() >= PATCHES_MIN,
        "only {} planted bugs",
        patches.len()
    );
    let mut findings = Vec::new();
    for (name, patch) in patches {
        let hunks = hunks(&patch);
        assert!(!hunks.is_empty(), "{name} changes nothing");
        for hunk in hunks {
            assert_ne!(hunk.before, hunk.after, "{name} changes nothing");
            let text = fs::read_to_string(root().join(&hunk.file)).unwrap_or_default();
            let places = places(&hunk, &text);
            if places != 1 {
                findings.push(format!(
                    "{name}: a hunk of {} fits in {places} places",
                    hunk.file
                ));
            }
        }
    }
    assert!(findings.is_empty(), "{findings:#?}");
}

#[test]
fn given_a_hunk_that_lost_its_place_when_compared_should_be_found() {
    let patch = "--- a/x.rs\n+++ b/x.rs\n@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n";
    let hunks = hunks(patch);
    assert_eq!(hunks.len(), 1);
    assert_eq!(hunks[0].after, ["one", "2", "three"]);
    assert_eq!(places(&hunks[0], "zero\none\ntwo\nthree\n"), 1);
    assert_eq!(places(&hunks[0], "one\ntwo\n three\n"), 0);
    assert_eq!(places(&hunks[0], "one\ntwo\nthree\none\ntwo\nthree\n"), 2);
}
