//! `ringpost app …`.

use clap::Subcommand;
use serde_json::{Value, json};

use super::Target;
use super::admin_client::{AdminClient, ClientError};
use super::table;

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
    /// Give an app new secrets; the old ones are honoured for a while.
    Rotate {
        /// Its AppID.
        appid: String,
        /// How long the old secrets are honoured, in seconds; 0 ends them and the tokens had for
        /// them at once [default: 86400]
        #[arg(long, value_name = "SECONDS")]
        grace: Option<u64>,
    },
    /// Refuse the devices and calls of an app until it is enabled.
    Disable {
        /// Its AppID.
        appid: String,
    },
    /// Take the devices and calls of an app again.
    Enable {
        /// Its AppID.
        appid: String,
    },
    /// Delete an app with all its devices, for good.
    Delete {
        /// Its AppID.
        appid: String,
    },
}

/// Runs a command against the server and prints its answer.
pub(super) fn run(command: &AppCommand, target: &Target) -> Result<(), ClientError> {
    let client = AdminClient::new(target)?;
    let of = |appid: &str, rest: &str| format!("/admin/v1/apps/{appid}{rest}");
    let answer = match command {
        AppCommand::Create { name } => {
            client.call("POST", "/admin/v1/apps", Some(&json!({ "name": name })))?
        }
        AppCommand::List => client.call("GET", "/admin/v1/apps", None)?,
        AppCommand::Show { appid } => client.call("GET", &of(appid, ""), None)?,
        AppCommand::Rotate { appid, grace } => {
            let body = json!({ "grace_s": grace });
            client.call("POST", &of(appid, "/rotate"), Some(&body))?
        }
        AppCommand::Disable { appid } => client.call("POST", &of(appid, "/disable"), None)?,
        AppCommand::Enable { appid } => client.call("POST", &of(appid, "/enable"), None)?,
        AppCommand::Delete { appid } => client.call("DELETE", &of(appid, ""), None)?,
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
                    table::text(app, "appid"),
                    table::text(app, "name"),
                    app["created_ms"]
                );
            }
        }
        Value::Null => println!("done"),
        app => table::members(&app),
    }
    Ok(())
}
