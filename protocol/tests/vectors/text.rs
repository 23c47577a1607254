//! The readable text of one frame: a section line and one `key = value` line per field.

use std::fmt::Write as _;

use protocol::{Command, Frame, Hello, Identity, NotificationSwitch, Operation, Platform, Welcome};

/// Appends the section of `frame`.
pub(crate) fn frame(frame: &Frame, out: &mut String) {
    match frame {
        Frame::Hello(it) => hello(it, out),
        Frame::Welcome(it) => welcome(it, out),
        Frame::Ping => section("ping", &[], out),
        Frame::Pong => section("pong", &[], out),
        Frame::Push(it) => section(
            "push",
            &[
                ("message_id", it.id.to_string()),
                ("sealed", it.sealed.to_string()),
                ("body", hex_or_none(&it.body)),
            ],
            out,
        ),
        Frame::Ack(it) => {
            let ids: Vec<String> = it.ids.iter().map(ToString::to_string).collect();
            section("ack", &[("ids", ids.join(" "))], out);
        }
        Frame::Command(it) => command(it, out),
        Frame::CommandResult(it) => section(
            "command_result",
            &[
                ("serial", it.serial.to_string()),
                ("op", it.op.to_string()),
                ("code", it.code.number().to_string()),
                ("detail", hex_or_none(&it.detail)),
            ],
            out,
        ),
        Frame::Upstream(it) => section(
            "upstream",
            &[
                ("upstream_id", it.id.to_string()),
                ("task_id", quoted(&it.task_id)),
                ("body", hex_or_none(&it.body)),
            ],
            out,
        ),
        Frame::UpstreamAck(it) => section(
            "upstream_ack",
            &[
                ("upstream_id", it.id.to_string()),
                ("status", it.status.number().to_string()),
            ],
            out,
        ),
        Frame::GoAway(it) => section(
            "go_away",
            &[
                ("reason", it.reason.number().to_string()),
                ("jitter_ms", it.jitter_ms.to_string()),
                ("endpoint", quoted(&it.endpoint)),
            ],
            out,
        ),
        Frame::Close(it) => section(
            "close",
            &[
                ("reason", it.reason.number().to_string()),
                ("retry_after_ms", it.retry_after_ms.to_string()),
                ("text", quoted(&it.text)),
            ],
            out,
        ),
    }
}

fn hello(it: &Hello, out: &mut String) {
    let identity = match it.identity {
        Identity::Register(install) => ("register", install.to_string()),
        Identity::Login(client) => ("login", client.to_string()),
    };
    let platform = match it.platform {
        Platform::Unknown => "unknown",
        Platform::Android => "android",
        Platform::Ios => "ios",
        Platform::Harmony => "harmony",
        Platform::Other => "other",
    };
    section(
        "hello",
        &[
            ("minor", it.minor.to_string()),
            ("app_id", quoted(&it.app_id)),
            identity,
            ("secret", it.secret.to_hex()),
            (
                "sign",
                hex_or_none(it.sign.as_ref().map_or(&[], |sign| sign.as_slice())),
            ),
            ("resume", it.resume.to_string()),
            ("heartbeat_s", it.heartbeat_s.to_string()),
            ("platform", platform.to_owned()),
            ("sdk_version", quoted(&it.sdk_version)),
        ],
        out,
    );
}

fn welcome(it: &Welcome, out: &mut String) {
    section(
        "welcome",
        &[
            ("minor", it.minor.to_string()),
            ("registered", it.registered.to_string()),
            ("cid", it.cid.to_string()),
            ("generation", it.generation.to_string()),
            ("server_time_ms", it.server_time_ms.to_string()),
            ("heartbeat_s", it.heartbeat_s.to_string()),
            ("heartbeat_min_s", it.heartbeat_min_s.to_string()),
            ("heartbeat_max_s", it.heartbeat_max_s.to_string()),
            ("window", it.window.to_string()),
        ],
        out,
    );
}

fn command(it: &Command, out: &mut String) {
    let mut fields = vec![
        ("serial", it.serial.to_string()),
        ("op", it.operation.op().to_string()),
    ];
    fields.extend(arguments(&it.operation));
    section("command", &fields, out);
}

fn arguments(operation: &Operation) -> Vec<(&'static str, String)> {
    match operation {
        Operation::BindAlias { alias_type, alias } => {
            vec![("alias_type", quoted(alias_type)), ("alias", quoted(alias))]
        }
        Operation::UnbindAlias {
            everywhere,
            alias_type,
            alias,
        } => vec![
            ("everywhere", everywhere.to_string()),
            ("alias_type", quoted(alias_type)),
            ("alias", quoted(alias)),
        ],
        Operation::SetTags(tags) => {
            vec![("tags", some(tags.iter().map(|tag| quoted(tag))))]
        }
        Operation::PushSwitch { on } => vec![("on", on.to_string())],
        Operation::SilentTime(silent) => vec![
            ("begin_hour", silent.begin_hour.to_string()),
            ("hours", silent.hours.to_string()),
            ("zone_min", silent.zone_min.to_string()),
        ],
        Operation::DeviceInfo(info) => {
            let notifications = match info.notifications {
                NotificationSwitch::Unknown => "unknown",
                NotificationSwitch::On => "on",
                NotificationSwitch::Off => "off",
            };
            vec![
                ("brand", quoted(&info.brand)),
                ("model", quoted(&info.model)),
                ("os_version", quoted(&info.os_version)),
                ("package", quoted(&info.package)),
                ("app_version", quoted(&info.app_version)),
                ("notifications", notifications.to_owned()),
            ]
        }
        Operation::Badge(badge) => vec![("badge", badge.to_string())],
        Operation::VendorToken { channel, token } => {
            vec![("channel", quoted(channel)), ("token", quoted(token))]
        }
        Operation::Feedback(entries) => {
            let entries = entries.iter().map(|entry| {
                let (message, action, ago_s) = (entry.message, entry.action, entry.ago_s);
                format!("{message}:{action}:{ago_s}")
            });
            vec![("feedback", some(entries))]
        }
        Operation::QueryTags | Operation::Unknown(_) => Vec::new(),
    }
}

/// With one blank between two; `none` for none.
fn some(texts: impl Iterator<Item = String>) -> String {
    let texts: Vec<String> = texts.collect();
    if texts.is_empty() {
        return "none".to_owned();
    }
    texts.join(" ")
}

fn section(name: &str, fields: &[(&str, String)], out: &mut String) {
    writeln!(out, "[{name}]").expect("a String takes every write");
    for (key, value) in fields {
        writeln!(out, "{key} = {value}").expect("a String takes every write");
    }
}

fn hex_or_none(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "none".to_owned();
    }
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The text in double quotes; `\` before `"` and `\`, control characters as `\u` and four digits.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_ascii_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
