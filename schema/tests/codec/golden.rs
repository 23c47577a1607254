//! Files written by format 1 (version 0.1.0) read as what was written, for ever.
//!
//! Owner: this crate. Always: a file in tests/golden is never written again. When a table grows, its sample here keeps
//! meaning what the file says (the new field absent), and a sample and a file of its own are added for the new shape.
//! A missing file is written by
//! `cargo test -p schema --test codec -- --ignored write_missing_golden_files`.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use crate::samples::{self, Codec};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn assert_still_readable<T: Codec>(name: &str, value: T) {
    let path = folder().join(format!("{name}.bin"));
    let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!(T::from_bytes(&bytes), Ok(value), "{name}");
}

fn write_if_missing<T: Codec>(name: &str, value: T) {
    let path = folder().join(format!("{name}.bin"));
    if !path.exists() {
        fs::write(path, value.to_bytes()).unwrap();
    }
}

fn expect<T: Codec>(name: &str, _: T, files: &mut BTreeSet<String>) {
    files.insert(format!("{name}.bin"));
}

#[test]
fn given_every_golden_file_when_decoded_should_be_what_was_written() {
    samples::for_every_sample!(assert_still_readable);
}

#[test]
fn given_the_golden_folder_when_listed_should_hold_no_file_without_a_sample() {
    let mut expected = BTreeSet::new();
    samples::for_every_sample!(expect, &mut expected);
    let found: BTreeSet<String> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(found, expected);
}

#[test]
#[ignore = "writes into the checkout"]
fn write_missing_golden_files() {
    samples::for_every_sample!(write_if_missing);
}
