//! The generated code is what the pinned flatc makes of the layouts.
//!
//! Owner: schema/regenerate.sh writes stamp.toml and src/generated/; this test only compares. Always: the stamp test
//! needs no flatc; the second one regenerates where flatc of the pinned version is on PATH, and in CI (the variable
//! `CI` is set) its absence is a failure.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

fn home() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// stamp.toml: `key = "value"` lines, keys quoted or bare.
fn read_stamp(text: &str) -> BTreeMap<String, String> {
    let unquoted = |text: &str| text.trim().trim_matches('"').to_owned();
    text.lines()
        .filter_map(|line| line.split_once(" = "))
        .map(|(key, value)| (unquoted(key), unquoted(value)))
        .collect()
}

fn stamp() -> BTreeMap<String, String> {
    read_stamp(&fs::read_to_string(home().join("stamp.toml")).unwrap())
}

/// Files of `folder` with `suffix`, relative to the crate.
fn files(folder: &str, suffix: &str) -> Vec<String> {
    fs::read_dir(home().join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(suffix))
        .map(|name| format!("{folder}/{name}"))
        .collect()
}

fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// What of `stamp` does not hold for the files as they are.
fn stale(stamp: &BTreeMap<String, String>, files: &BTreeMap<String, Vec<u8>>) -> Vec<String> {
    let mut findings = Vec::new();
    for (name, bytes) in files {
        match stamp.get(name) {
            None => findings.push(format!("{name} is not in stamp.toml")),
            Some(hash) if *hash != sha256_hex(bytes) => {
                findings.push(format!("{name} differs from its stamp"));
            }
            Some(_) => {}
        }
    }
    let stamped = stamp.keys().filter(|key| key.contains('/'));
    findings.extend(
        stamped
            .filter(|key| !files.contains_key(*key))
            .map(|key| format!("{key} is stamped and missing")),
    );
    findings
}

#[test]
fn given_the_checked_in_files_when_hashed_should_match_the_stamp() {
    let names = files("fbs", ".fbs")
        .into_iter()
        .chain(files("src/generated", ".rs"));
    let contents: BTreeMap<_, _> = names
        .map(|name| (name.clone(), fs::read(home().join(&name)).unwrap()))
        .collect();
    assert_eq!(contents.len(), 4, "two layouts, two generated files");
    let findings = stale(&stamp(), &contents);
    assert!(
        findings.is_empty(),
        "run schema/regenerate.sh: {findings:#?}"
    );
}

#[test]
fn given_a_changed_a_new_and_a_lost_file_when_compared_should_name_all_three() {
    let stamp = read_stamp(&format!(
        "flatc = \"1\"\n[sha256]\n\"fbs/a.fbs\" = \"{0}\"\n\"fbs/b.fbs\" = \"{0}\"\n\"fbs/lost.fbs\" = \"{0}\"\n",
        sha256_hex(b"as stamped")
    ));
    let files = BTreeMap::from([
        ("fbs/a.fbs".to_owned(), b"as stamped".to_vec()),
        ("fbs/b.fbs".to_owned(), b"edited".to_vec()),
        ("fbs/new.fbs".to_owned(), b"as stamped".to_vec()),
    ]);
    assert_eq!(
        stale(&stamp, &files),
        [
            "fbs/b.fbs differs from its stamp",
            "fbs/new.fbs is not in stamp.toml",
            "fbs/lost.fbs is stamped and missing",
        ]
    );
}

#[test]
fn given_the_stamp_and_the_script_when_compared_should_pin_the_version_of_the_crate() {
    let flatc = stamp().remove("flatc").expect("stamp.toml names flatc");
    let script = fs::read_to_string(home().join("regenerate.sh")).unwrap();
    assert!(
        script.contains(&format!("\nFLATC_VERSION={flatc}\n")),
        "regenerate.sh pins another version than {flatc}"
    );
    let workspace = fs::read_to_string(home().join("../Cargo.toml")).unwrap();
    assert!(
        workspace.contains(&format!("flatbuffers = \"={flatc}\"")),
        "the workspace's flatbuffers is not ={flatc}"
    );
}

/// A folder of this process, removed when dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("ringpost-schema-{}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A folder left behind in the system's temporary place harms nobody.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn given_flatc_of_the_pinned_version_when_run_again_should_make_the_same_files() {
    let pinned = format!("flatc version {}", stamp()["flatc"]);
    let on_path = Command::new("flatc").arg("--version").output();
    let present = on_path.is_ok_and(|out| String::from_utf8_lossy(&out.stdout).trim() == pinned);
    if !present {
        assert!(
            std::env::var_os("CI").is_none(),
            "CI needs `{pinned}` on PATH: pip install {}",
            stamp()["package"]
        );
        eprintln!("skipped: no `{pinned}` on PATH");
        return;
    }
    let scratch = Scratch::new();
    let status = Command::new("sh")
        .arg(home().join("regenerate.sh"))
        .arg("--into")
        .arg(&scratch.0)
        .status()
        .unwrap();
    assert!(status.success(), "regenerate.sh: {status}");
    for name in files("src/generated", ".rs") {
        let fresh = scratch.0.join(Path::new(&name).file_name().unwrap());
        assert!(
            fs::read(&fresh).unwrap() == fs::read(home().join(&name)).unwrap(),
            "{name} is not what flatc makes: run schema/regenerate.sh"
        );
    }
}
