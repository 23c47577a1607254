//! `ringpost task` and `ringpost device`: what became of messages, and why.

use serde_json::Value;

use super::Target;
use super::admin_client::{AdminClient, ClientError};
use super::table;

/// Where each message of a task stands.
pub(super) fn task(appid: &str, taskid: &str, target: &Target) -> Result<(), ClientError> {
    let client = AdminClient::new(target)?;
    let answer = client.call(
        "GET",
        &format!("/admin/v1/apps/{appid}/tasks/{taskid}"),
        None,
    )?;
    if target.json {
        println!("{answer}");
        return Ok(());
    }
    for name in ["taskid", "request_id", "accepted_ms", "expires_ms"] {
        println!("{name:<16} {}", table::plain(&answer[name]));
    }
    for of in answer["targets"].as_array().into_iter().flatten() {
        println!();
        println!("{:<16} {}", "cid", table::text(of, "cid"));
        println!("{:<16} {}", "message", table::text(of, "msgid"));
        println!("{:<16} {}", "answered", table::text(of, "status"));
        println!("{:<16} {}", "stage", table::text(of, "stage"));
        println!("{:<16} {}", "why", table::text(of, "why"));
        for stage in of["stages"].as_array().into_iter().flatten() {
            println!("  {:<14} {}", table::text(stage, "stage"), stage["ms"]);
        }
    }
    Ok(())
}

/// Whether a device is there, what waits for it, and how its last messages ended.
pub(super) fn device(appid: &str, cid: &str, target: &Target) -> Result<(), ClientError> {
    let client = AdminClient::new(target)?;
    let answer = client.call(
        "GET",
        &format!("/admin/v1/apps/{appid}/devices/{cid}"),
        None,
    )?;
    if target.json {
        println!("{answer}");
        return Ok(());
    }
    let lists = ["waiting", "recent"];
    for (name, value) in answer.as_object().into_iter().flatten() {
        if !lists.contains(&name.as_str()) {
            println!("{name:<16} {}", table::plain(value));
        }
    }
    for name in lists {
        println!();
        println!("{name}");
        for message in answer[name].as_array().into_iter().flatten() {
            println!("  {}", message_line(message));
        }
    }
    Ok(())
}

fn message_line(message: &Value) -> String {
    let mut line = format!(
        "{} {:<8}",
        table::text(message, "msgid"),
        table::text(message, "stage")
    );
    for name in ["accepted_ms", "sent_ms", "final_ms", "expires_ms", "taskid"] {
        if !message[name].is_null() {
            line.push_str(&format!(" {name}={}", table::plain(&message[name])));
        }
    }
    line
}
