//! `ringpost repair`: a store whose journal is damaged is cut at its last good batch, after a copy.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::json;

use super::data::{self, DataArgs, EXIT_CONFIG};
use crate::data_folder;
use crate::store::repair::{Outcome, RepairError, Repaired, repair};
use crate::wall_clock::now_ms;

/// Exits with 0 if the store opens, 1 if it cannot be repaired, 78 if it cannot be looked at.
pub(super) fn run(args: &DataArgs) -> ExitCode {
    let now_ms = now_ms();
    let copy = beside(&args.data, now_ms / 1000);
    let _lock = match data_folder::take_existing(&args.data) {
        Ok(lock) => lock,
        Err(reason) => return data::unusable(&args.data, &reason),
    };
    let store = data_folder::store(&args.data);
    match repair(&args.data, &store, &copy, data::BOUNDS, now_ms) {
        Ok(Outcome::Opens) => {
            match args.json {
                true => println!("{}", json!({ "opens": true, "changed": false })),
                false => println!("the store opens; nothing was changed"),
            }
            ExitCode::SUCCESS
        }
        Ok(Outcome::Repaired(repaired)) => {
            match args.json {
                true => println!("{}", as_json(&repaired)),
                false => print(&repaired, &args.data),
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("ringpost: {error}");
            match error {
                RepairError::Open(_) => ExitCode::from(EXIT_CONFIG),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

/// Where the copy goes: beside the folder, so that it can be moved back.
fn beside(data: &Path, now_s: u64) -> PathBuf {
    let mut name = data.canonicalize().map_or_else(
        |_| data.as_os_str().to_owned(),
        std::path::PathBuf::into_os_string,
    );
    name.push(format!(".before-repair-{now_s}"));
    PathBuf::from(name)
}

fn print(repaired: &Repaired, data: &Path) {
    println!("everything as it was: {}", repaired.copy.display());
    for cut in &repaired.cuts {
        let file = cut.file.display();
        let (bytes, batches) = (cut.bytes, cut.batches);
        match cut.at {
            Some(at) => println!("{file}: cut at byte {at}: {bytes} bytes, {batches} batches"),
            None => println!("{file}: taken away whole: {bytes} bytes, {batches} batches"),
        }
    }
    match repaired.commits_lost {
        Some(0) => println!("no answered commit is missing"),
        Some(lost) => println!(
            "{lost} commits are gone: pushes, registrations and changes answered last are not there any more"
        ),
        None => println!("pushes, registrations and changes answered last may be gone"),
    }
    if repaired.rows_mended > 0 {
        println!(
            "{} rows that did not fit to what is left were taken away or written anew",
            repaired.rows_mended
        );
    }
    println!(
        "the store opens; `ringpost check --data {}` looks at its rows",
        data.display()
    );
}

fn as_json(repaired: &Repaired) -> serde_json::Value {
    let cuts: Vec<_> = repaired
        .cuts
        .iter()
        .map(|cut| {
            json!({
                "file": cut.file.display().to_string(),
                "at": cut.at,
                "bytes": cut.bytes,
                "batches": cut.batches,
            })
        })
        .collect();
    json!({
        "opens": true,
        "changed": true,
        "copy": repaired.copy.display().to_string(),
        "cuts": cuts,
        "commits_lost": repaired.commits_lost,
        "rows_mended": repaired.rows_mended,
    })
}
