//! `ringpost app …`.

use clap::Subcommand;
use serde_json::{Map, Value, json};

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
    /// Set something about an app, as KEY=VALUE; KEY= sets it back.
    Set {
        /// Its AppID.
        appid: String,
        /// Such as registration=closed, app_per_day=20 or http_allow=10.0.0.0/8,192.0.2.1; the keys
        /// are those that `show` shows, and callback_secret.
        #[arg(required = true, value_name = "KEY=VALUE")]
        settings: Vec<String>,
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
        AppCommand::Set { appid, settings } => {
            client.call("PATCH", &of(appid, ""), Some(&body_of(settings)?))?
        }
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

/// The body that sets these. What a key is, the server knows; here only lists, numbers and flags are
/// told from texts.
fn body_of(settings: &[String]) -> Result<Value, ClientError> {
    let mut members = Map::new();
    for setting in settings {
        let (key, value) = setting
            .split_once('=')
            .filter(|(key, _)| !key.is_empty())
            .ok_or_else(|| ClientError::Argument {
                name: "KEY=VALUE",
                reason: format!("{setting:?} has no key or no ="),
            })?;
        if members
            .insert(key.to_owned(), value_of(key, value))
            .is_some()
        {
            return Err(ClientError::Argument {
                name: "KEY=VALUE",
                reason: format!("{key} is given twice"),
            });
        }
    }
    Ok(Value::Object(members))
}

fn value_of(key: &str, value: &str) -> Value {
    let text = || Value::from(value);
    match value {
        "" => Value::Null,
        _ if key.ends_with("_allow") || key.ends_with("_deny") => {
            value.split(',').map(str::trim).collect()
        }
        // A secret may look like anything.
        _ if key.starts_with("callback_") => text(),
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        _ => value.parse::<u64>().map_or_else(|_| text(), Value::from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_settings_as_words_when_read_should_be_of_the_kind_they_look_like() {
        let words = [
            "registration=closed",
            "devices_may_bind=false",
            "sign_required=true",
            "app_per_day=20",
            "auth_per_minute=many",
            "http_allow=10.0.0.0/8, ::1",
            "device_deny=",
            "callback_secret=12=34",
            "callback_url=https://example.org/?a=b",
        ]
        .map(str::to_owned);
        let expected = json!({
            "registration": "closed",
            "devices_may_bind": false,
            "sign_required": true,
            "app_per_day": 20,
            "auth_per_minute": "many",
            "http_allow": ["10.0.0.0/8", "::1"],
            "device_deny": null,
            "callback_secret": "12=34",
            "callback_url": "https://example.org/?a=b",
        });
        assert_eq!(body_of(&words).expect("good"), expected);
        for bad in [&["registration"][..], &["=closed"], &["a=1", "a=2"]] {
            let bad: Vec<String> = bad.iter().map(|word| (*word).to_owned()).collect();
            assert!(body_of(&bad).is_err(), "{bad:?}");
        }
    }
}
