//! `ringpost reload`: a running server reads its settings and certificate again.

use serde_json::Value;

use super::Target;
use super::admin_client::{AdminClient, ClientError};
use super::table::{plain, text};

/// Asks for a reload and prints what was changed and what needs a restart.
pub(super) fn run(target: &Target) -> Result<(), ClientError> {
    let reloaded = AdminClient::new(target)?.call("POST", "/admin/v1/reload", None)?;
    if target.json {
        println!("{reloaded}");
        return Ok(());
    }
    let list = |name: &str| reloaded[name].as_array().cloned().unwrap_or_default();
    let (changed, needs_restart) = (list("changed"), list("needs_restart"));
    changed.iter().for_each(|change| line("changed", change));
    needs_restart
        .iter()
        .for_each(|change| line("needs a restart", change));
    if changed.is_empty() && needs_restart.is_empty() {
        println!("nothing changed");
    }
    if reloaded["shards_behind"] != 0 {
        println!(
            "{} shards do not go by it yet",
            plain(&reloaded["shards_behind"])
        );
    }
    Ok(())
}

fn line(word: &str, change: &Value) {
    let (key, from, to) = (
        text(change, "key"),
        plain(&change["from"]),
        plain(&change["to"]),
    );
    println!("{word:<16} {key}: {from} -> {to}");
}
