//! `ringpost receipts`: what waits for a developer's server, what was given up, and telling that again.

use serde_json::{Value, json};

use super::Target;
use super::admin_client::{AdminClient, ClientError};
use super::table;

/// The oldest receipts that wait, or that could not be told.
pub(super) fn list(appid: &str, dead: bool, target: &Target) -> Result<(), ClientError> {
    let client = AdminClient::new(target)?;
    let path = format!("/admin/v1/apps/{appid}/receipts?dead={dead}");
    let answer = client.call("GET", &path, None)?;
    if target.json {
        println!("{answer}");
        return Ok(());
    }
    for receipt in answer["receipts"].as_array().into_iter().flatten() {
        println!("{}", line(receipt));
    }
    if answer["more"] == true {
        println!("and more");
    }
    Ok(())
}

/// All that could not be told is told again.
pub(super) fn replay(appid: &str, target: &Target) -> Result<(), ClientError> {
    let client = AdminClient::new(target)?;
    let path = format!("/admin/v1/apps/{appid}/receipts/replay");
    let mut replayed = 0;
    loop {
        let answer = client.call("POST", &path, None)?;
        match answer["replayed"].as_u64() {
            None | Some(0) => break,
            Some(page) => replayed += page,
        }
    }
    match target.json {
        true => println!("{}", json!({ "replayed": replayed })),
        false => println!("{replayed} receipts will be told again"),
    }
    Ok(())
}

fn line(receipt: &Value) -> String {
    format!(
        "{} {:<8} {} {} {} at_ms={}",
        table::text(receipt, "id"),
        table::text(receipt, "type"),
        table::text(receipt, "cid"),
        table::text(receipt, "msgid"),
        table::text(receipt, "taskid"),
        receipt["at_ms"]
    )
}
