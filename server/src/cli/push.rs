//! `ringpost push …`: a push from the command line, with the admin token.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::Target;
use super::admin_client::{AdminClient, ClientError};
use super::table;
use crate::secret;

/// Whom to push to.
#[derive(Debug, Subcommand)]
pub enum PushCommand {
    /// To one CID.
    Single {
        /// The CID.
        cid: String,
        /// What.
        #[command(flatten)]
        content: Content,
    },
    /// To the CIDs of an alias.
    Alias {
        /// The alias.
        alias: String,
        /// Its type; the default type without it.
        #[arg(long, value_name = "TYPE")]
        alias_type: Option<String>,
        /// What.
        #[command(flatten)]
        content: Content,
    },
    /// To the devices with a tag.
    Tag {
        /// The tag.
        tag: String,
        /// What.
        #[command(flatten)]
        content: Content,
    },
    /// To all devices of the app.
    All {
        /// What.
        #[command(flatten)]
        content: Content,
    },
}

/// What to push, and how.
#[derive(Debug, Args)]
pub struct Content {
    /// What.
    #[command(flatten)]
    message: Message,
    /// The text of the notification.
    #[arg(long, requires = "title")]
    body: Option<String>,
    /// The AppID [default: the app of the bootstrap file]
    #[arg(long, value_name = "APPID")]
    app: Option<String>,
    /// How long it may wait, in ms; -1: not at all [default: 7200000]
    #[arg(long, value_name = "MS", allow_negative_numbers = true)]
    ttl: Option<i64>,
    /// The request id; a repeat with the same one is answered and not sent again [default: random]
    #[arg(long, value_name = "ID")]
    request_id: Option<String>,
}

/// What to push: one of these.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct Message {
    /// Text for the app.
    #[arg(long)]
    text: Option<String>,
    /// The title of a notification that starts the app on a click; with --body.
    #[arg(long, requires = "body")]
    title: Option<String>,
    /// A whole push_message as JSON.
    #[arg(long, value_name = "JSON")]
    message: Option<String>,
}

impl Content {
    fn message(&self) -> Result<Value, ClientError> {
        let Message {
            text,
            title,
            message,
        } = &self.message;
        match (text, title, &self.body, message) {
            (Some(text), ..) => Ok(json!({ "transmission": text })),
            (_, Some(title), Some(body), _) => Ok(json!({
                "notification": { "title": title, "body": body, "click_type": "startapp" }
            })),
            (.., Some(message)) => {
                serde_json::from_str(message).map_err(|error| ClientError::Argument {
                    name: "--message",
                    reason: error.to_string(),
                })
            }
            _ => unreachable!("clap asks for one of them"),
        }
    }

    fn request(&self, audience: Value) -> Result<Value, ClientError> {
        let mut request = json!({
            "request_id": self.request_id.clone().unwrap_or_else(|| secret::hex(&secret::random::<16>())),
            "audience": audience,
            "push_message": self.message()?,
        });
        if let Some(ttl) = self.ttl {
            request["settings"] = json!({ "ttl": ttl });
        }
        Ok(request)
    }
}

/// Runs a command against the server and prints its answer.
pub(super) fn run(command: &PushCommand, target: &Target) -> Result<(), ClientError> {
    let client = AdminClient::new(target)?;
    let (path, content, audience) = match command {
        PushCommand::Single { cid, content } => ("single/cid", content, json!({ "cid": [cid] })),
        PushCommand::Alias {
            alias,
            alias_type,
            content,
        } => {
            let audience = json!({ "alias": [alias], "alias_type": alias_type });
            ("single/alias", content, audience)
        }
        PushCommand::Tag { tag, content } => {
            let condition = json!({ "key": "custom_tag", "values": [tag], "opt_type": "or" });
            ("tag", content, json!({ "tag": [condition] }))
        }
        PushCommand::All { content } => ("all", content, json!("all")),
    };
    let appid = client.app_id(content.app.as_deref())?;
    let request = content.request(audience)?;
    let answer = client.call(
        "POST",
        &format!("/admin/v1/apps/{appid}/push/{path}"),
        Some(&request),
    )?;
    if target.json {
        println!("{answer}");
        return Ok(());
    }
    for line in lines(&answer) {
        println!("{line}");
    }
    Ok(())
}

/// An answer for people: each task, and below it its targets.
fn lines(answer: &Value) -> Vec<String> {
    // A push to many names its task only; whom it reaches is found out while it runs.
    if let Some(taskid) = answer["taskid"].as_str() {
        return vec![format!("task {taskid}")];
    }
    let mut lines = Vec::new();
    for (taskid, targets) in answer.as_object().into_iter().flatten() {
        lines.push(format!("task {taskid}"));
        for (cid, word) in targets.as_object().into_iter().flatten() {
            lines.push(format!("  {cid} {}", table::plain(word)));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_answers_of_both_kinds_when_printed_should_name_the_task_and_its_targets() {
        assert_eq!(lines(&json!({"taskid": "RASA_1"})), ["task RASA_1"]);
        assert_eq!(
            lines(&json!({"RASS_1": {"c1": "successed_online", "c2": "successed_offline"}})),
            [
                "task RASS_1",
                "  c1 successed_online",
                "  c2 successed_offline"
            ]
        );
    }
}
