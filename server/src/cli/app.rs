//! `ringpost app …`.

use clap::Subcommand;
use serde_json::Value;

use super::Target;
use super::admin_client::{AdminClient, ClientError};

/// What can be done with apps.
#[derive(Debug, Subcommand)]
pub enum AppCommand {
    /// Create an app; its secrets are shown this once.
    Create {
        /// A name for people, 1 to 64 characters.
        name: String,
    },
    /// List all apps.
    List,
    /// Show one app.
    Show {
        /// Its AppID.
        appid: String,
    },
}

/// Runs a command against the server and prints its answer.
pub(super) fn run(command: AppCommand, target: &Target) -> Result<(), ClientError> {
    let client = AdminClient::new(target)?;
    let answer = match &command {
        AppCommand::Create { name } => client.call(
            "POST",
            "/admin/v1/apps",
            Some(&serde_json::json!({ "name": name })),
        )?,
        AppCommand::List => client.call("GET", "/admin/v1/apps", None)?,
        AppCommand::Show { appid } => {
            client.call("GET", &format!("/admin/v1/apps/{appid}"), None)?
        }
    };
    if target.json {
        println!("{answer}");
        return Ok(());
    }
    match answer {
        Value::Array(apps) => {
            println!("{:<26} {:<20} {:<9} CREATED (ms)", "APPID", "NAME", "STATE");
            for app in &apps {
                let state = if app["disabled"] == Value::Bool(true) {
                    "disabled"
                } else {
                    "enabled"
                };
                println!(
                    "{:<26} {:<20} {state:<9} {}",
                    text(app, "appid"),
                    text(app, "name"),
                    app["created_ms"]
                );
            }
        }
        app => {
            let members = app
                .as_object()
                .map(|members| members.iter())
                .into_iter()
                .flatten();
            for (name, value) in members {
                println!(
                    "{name:<13} {}",
                    value
                        .as_str()
                        .map_or_else(|| value.to_string(), str::to_owned)
                );
            }
        }
    }
    Ok(())
}

fn text<'a>(app: &'a Value, name: &str) -> &'a str {
    app[name].as_str().unwrap_or("-")
}
