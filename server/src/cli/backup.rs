//! `ringpost backup`: a copy of a running server's data folder, written by the server itself.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::Target;
use super::admin_client::{AdminClient, ClientError};

/// Orders a backup in a new folder and waits until it is there.
pub(super) fn run(to: &Path, target: &Target) -> Result<(), ClientError> {
    let failed = |reason: String| ClientError::Argument {
        name: "--to",
        reason,
    };
    // The server has a working directory of its own.
    let to = std::path::absolute(to).map_err(|error| failed(error.to_string()))?;
    // Without a slash at its end.
    let to: PathBuf = to.components().collect();
    let name = to
        .to_str()
        .ok_or_else(|| failed("it is no UTF-8".to_owned()))?;
    let client = AdminClient::new(target)?;
    client.call("POST", "/admin/v1/backup", Some(&json!({ "to": name })))?;
    loop {
        let stand = client.call("GET", "/admin/v1/backup", None)?;
        match stand["state"].as_str() {
            Some("done") if stand["to"] == name => return done(&stand, target),
            Some("failed") if stand["to"] == name => {
                let why = stand["why"].as_str().unwrap_or("no reason given");
                return Err(failed(why.to_owned()));
            }
            _ => {}
        }
    }
}

fn done(stand: &Value, target: &Target) -> Result<(), ClientError> {
    match target.json {
        true => println!("{stand}"),
        false => println!(
            "{} rows in {} ms: {}",
            stand["rows"],
            stand["took_ms"],
            stand["to"].as_str().unwrap_or_default()
        ),
    }
    Ok(())
}
