//! `ringpost check`: every file and every row of a data folder, looked at while no server runs.

use std::process::ExitCode;

use serde_json::{Value, json};
use server_core::check::{Findings, check};

use super::data::{self, DataArgs, EXIT_CONFIG};
use crate::data_folder;
use crate::secret::hex;
use crate::store::damage::{self, Damage};
use crate::store::{Store, name_of, recovery};
use crate::wall_clock::now_ms;

/// What was looked at.
struct Looked {
    damages: Vec<Damage>,
    findings: Findings,
}

/// Exits with 0 if all is well, 1 if something is wrong, 78 if the store cannot be opened.
pub(super) fn run(args: &DataArgs) -> ExitCode {
    let _lock = match data_folder::take_existing(&args.data) {
        Ok(lock) => lock,
        Err(reason) => return data::unusable(&args.data, &reason),
    };
    let looked = match look(args) {
        Ok(looked) => looked,
        Err(reason) => {
            eprintln!("ringpost: {reason}");
            return ExitCode::from(EXIT_CONFIG);
        }
    };
    match args.json {
        true => println!("{}", as_json(&looked)),
        false => print(&looked),
    }
    if looked.damages.is_empty() && looked.findings.faults_total == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// No row is changed: opening may only move rows from the journal to tables.
fn look(args: &DataArgs) -> Result<Looked, String> {
    let path = data_folder::store(&args.data);
    let store = Store::open_existing(&path, data::BOUNDS).map_err(|error| error.to_string())?;
    let mut known = Default::default();
    let view = store.view(&mut known).map_err(|error| error.to_string())?;
    recovery::check_format(&view, &path).map_err(|error| error.to_string())?;
    let findings = check(&view, &view.day_keyspaces(), now_ms());
    // Behind the rows: what the store writes over while it opens is then written over.
    let damages = damage::of_tables(&path).map_err(|error| error.to_string())?;
    Ok(Looked { damages, findings })
}

fn print(looked: &Looked) {
    let Looked { damages, findings } = looked;
    for (keyspace, rows) in &findings.rows {
        println!("{:<14} {rows} rows", name_of(*keyspace));
    }
    for damage in damages {
        println!("fault: {damage}");
    }
    for fault in &findings.faults {
        let keyspace = name_of(fault.keyspace);
        println!("fault: {keyspace} {}: {}", hex(&fault.key), fault.what);
    }
    let rows: u64 = findings.rows.values().sum();
    let faults = findings.faults_total + damages.len() as u64;
    let keyspaces = findings.rows.len();
    println!("{rows} rows in {keyspaces} keyspaces, {faults} faults");
}

fn as_json(looked: &Looked) -> Value {
    let Looked { damages, findings } = looked;
    let rows: serde_json::Map<String, Value> = findings
        .rows
        .iter()
        .map(|(keyspace, rows)| (name_of(*keyspace), json!(rows)))
        .collect();
    let faults: Vec<Value> = findings
        .faults
        .iter()
        .map(|fault| {
            json!({
                "keyspace": name_of(fault.keyspace),
                "key": hex(&fault.key),
                "what": fault.what,
            })
        })
        .collect();
    let files: Vec<Value> = damages
        .iter()
        .map(|damage| json!({ "file": damage.file.display().to_string(), "what": damage.what }))
        .collect();
    json!({
        "rows": rows,
        "faults": faults,
        "faults_total": findings.faults_total,
        "files": files,
    })
}
