//! The numbers of the wire as one table, compared with `wire_table.txt`.
//!
//! Changing the file changes what devices in the field see: it asks for a second reviewer.

use std::fmt::{Display, Write as _};

use protocol::wire::{
    ACTION_CLICKED, ACTION_OWN_CLICKED, ACTION_OWN_SHOWN, ACTION_SHOWN, ACTIONS_OF_APPS,
    CREDENTIAL_DEVICE_SECRET, HEADER_LEN_MAX, HELLO_FLAG_LOGIN, KIND_IGNORABLE_FROM, OP_BADGE,
    OP_BIND_ALIAS, OP_DEVICE_INFO, OP_FEEDBACK, OP_PUSH_SWITCH, OP_QUERY_TAGS, OP_SET_TAGS,
    OP_SILENT_TIME, OP_UNBIND_ALIAS, OP_VENDOR_TOKEN, PUSH_FLAG_SEALED, RESERVED_KINDS,
    RETRY_NEVER, SCOPE_EVERYWHERE, SCOPE_THIS_CLIENT, SWITCH_OFF, SWITCH_ON,
    WELCOME_FLAG_REGISTERED, ZONE_BIAS_MIN, ZONE_MAX,
};
use protocol::{
    ALPN, CloseReason, FeedbackVerdict, GoAwayReason, Kind, NotificationSwitch, Peer, Platform,
    ResultCode, UpstreamStatus, VERSION_MINOR,
};
use protocol::{limits, wire};

struct Table(String);

impl Table {
    fn title(&mut self, title: &str) {
        write!(self.0, "\n{title}\n").expect("a String takes every write");
    }

    fn row(&mut self, key: impl Display, value: impl Display) {
        writeln!(self.0, "  {key:<26} {value}").expect("a String takes every write");
    }
}

fn table() -> String {
    let mut table = Table(String::from("The wire of protocol version 1\n"));
    versions_and_kinds(&mut table);
    small_numbers(&mut table);
    lengths(&mut table);
    bounds(&mut table);
    table.0
}

fn versions_and_kinds(table: &mut Table) {
    table.title("versions");
    table.row("ALPN", String::from_utf8_lossy(ALPN));
    table.row("minor", VERSION_MINOR);
    table.title("kinds");
    for kind in Kind::ALL {
        let sender = match kind.sender() {
            Some(Peer::Device) => "device to server",
            Some(Peer::Server) => "server to device",
            None => "either way",
        };
        table.row(format!("{:#04x} {kind}", kind.number()), sender);
    }
    for (number, name) in RESERVED_KINDS {
        table.row(format!("{number:#04x} {name}"), "reserved");
    }
    table.row(
        format!("{KIND_IGNORABLE_FROM:#04x} and above"),
        "skipped when unknown",
    );
}

fn small_numbers(table: &mut Table) {
    table.title("close reasons");
    CloseReason::NAMED
        .iter()
        .for_each(|reason| table.row(reason.number(), reason));
    table.title("go-away reasons");
    GoAwayReason::NAMED
        .iter()
        .for_each(|reason| table.row(reason.number(), reason));
    table.title("result codes");
    ResultCode::NAMED
        .iter()
        .for_each(|code| table.row(code.number(), code));
    table.title("platforms");
    Platform::ALL
        .iter()
        .for_each(|it| table.row(it.number(), format!("{it:?}")));
    table.title("upstream statuses");
    UpstreamStatus::NAMED
        .iter()
        .for_each(|status| table.row(status.number(), status));
    table.title("feedback verdicts");
    FeedbackVerdict::NAMED
        .iter()
        .for_each(|verdict| table.row(verdict.number(), verdict));
    table.title("notification switches");
    NotificationSwitch::ALL
        .iter()
        .for_each(|it| table.row(it.number(), format!("{it:?}")));
    operations(table);
    table.title("flags and other values");
    table.row("hello flag login", format!("{HELLO_FLAG_LOGIN:#04x}"));
    table.row(
        "welcome flag registered",
        format!("{WELCOME_FLAG_REGISTERED:#04x}"),
    );
    table.row("push flag sealed", format!("{PUSH_FLAG_SEALED:#04x}"));
    table.row("credential device secret", CREDENTIAL_DEVICE_SECRET);
    table.row("scope this client", SCOPE_THIS_CLIENT);
    table.row("scope everywhere", SCOPE_EVERYWHERE);
    table.row("switch off", SWITCH_OFF);
    table.row("switch on", SWITCH_ON);
    table.row("zone of UTC", ZONE_BIAS_MIN);
    table.row("zone, greatest", ZONE_MAX);
    table.row("retry never", RETRY_NEVER);
}

fn operations(table: &mut Table) {
    table.title("operations");
    for (op, name) in [
        (OP_BIND_ALIAS, "BindAlias"),
        (OP_UNBIND_ALIAS, "UnbindAlias"),
        (OP_SET_TAGS, "SetTags"),
        (OP_QUERY_TAGS, "QueryTags"),
        (OP_PUSH_SWITCH, "PushSwitch"),
        (OP_SILENT_TIME, "SilentTime"),
        (OP_DEVICE_INFO, "DeviceInfo"),
        (OP_BADGE, "Badge"),
        (OP_VENDOR_TOKEN, "VendorToken"),
        (OP_FEEDBACK, "Feedback"),
    ] {
        table.row(op, name);
    }
    table.title("feedback actions");
    table.row(ACTION_SHOWN, "shown");
    table.row(ACTION_CLICKED, "clicked");
    table.row(ACTION_OWN_SHOWN, "own notification shown");
    table.row(ACTION_OWN_CLICKED, "own notification clicked");
    let (first, last) = (ACTIONS_OF_APPS.start(), ACTIONS_OF_APPS.end());
    table.row(format!("{first} to {last}"), "of the app");
}

fn lengths(table: &mut Table) {
    table.title("lengths (bytes)");
    for (name, len) in [
        ("header, most", HEADER_LEN_MAX),
        ("body length, most", wire::LENGTH_MAX),
        ("varint, most", wire::VARINT_LEN_MAX),
        ("id", wire::ID_LEN),
        ("message id", wire::MESSAGE_ID_LEN),
        ("secret", wire::SECRET_LEN),
        ("sign", wire::SIGN_LEN),
        ("hello, fixed part", wire::HELLO_FIXED_LEN),
        ("welcome", wire::WELCOME_LEN),
        ("push, fixed part", wire::PUSH_FIXED_LEN),
        ("ack, fixed part", wire::ACK_FIXED_LEN),
        ("command, fixed part", wire::COMMAND_FIXED_LEN),
        ("command result, fixed part", wire::COMMAND_RESULT_FIXED_LEN),
        ("upstream, fixed part", wire::UPSTREAM_FIXED_LEN),
        ("upstream ack", wire::UPSTREAM_ACK_LEN),
        ("go-away, fixed part", wire::GO_AWAY_FIXED_LEN),
        ("close, fixed part", wire::CLOSE_FIXED_LEN),
    ] {
        table.row(name, len);
    }
}

fn bounds(table: &mut Table) {
    table.title("limits");
    for (name, limit) in [
        (
            "BODY_LEN_MAX_TO_SERVER",
            limits::BODY_LEN_MAX_TO_SERVER as u64,
        ),
        (
            "BODY_LEN_MAX_TO_DEVICE",
            limits::BODY_LEN_MAX_TO_DEVICE as u64,
        ),
        ("HELLO_LEN_MAX", limits::HELLO_LEN_MAX as u64),
        ("PUSH_BODY_LEN_MAX", limits::PUSH_BODY_LEN_MAX as u64),
        ("ACK_IDS_MAX", limits::ACK_IDS_MAX as u64),
        ("APP_ID_LEN_MAX", limits::APP_ID_LEN_MAX as u64),
        ("SDK_VERSION_LEN_MAX", limits::SDK_VERSION_LEN_MAX as u64),
        ("ALIAS_TYPE_LEN_MAX", limits::ALIAS_TYPE_LEN_MAX as u64),
        ("ALIAS_LEN_MAX", limits::ALIAS_LEN_MAX as u64),
        ("DETAIL_LEN_MAX", limits::DETAIL_LEN_MAX as u64),
        ("DEVICE_NAME_LEN_MAX", limits::DEVICE_NAME_LEN_MAX as u64),
        (
            "DEVICE_VERSION_LEN_MAX",
            limits::DEVICE_VERSION_LEN_MAX as u64,
        ),
        ("CHANNEL_LEN_MAX", limits::CHANNEL_LEN_MAX as u64),
        ("VENDOR_TOKEN_LEN_MAX", limits::VENDOR_TOKEN_LEN_MAX as u64),
        ("FEEDBACK_LEN_MAX", limits::FEEDBACK_LEN_MAX as u64),
        ("BADGE_MAX", u64::from(limits::BADGE_MAX)),
        (
            "UPSTREAM_TASK_LEN_MAX",
            limits::UPSTREAM_TASK_LEN_MAX as u64,
        ),
        (
            "UPSTREAM_BODY_LEN_MAX",
            limits::UPSTREAM_BODY_LEN_MAX as u64,
        ),
        ("ENDPOINT_LEN_MAX", limits::ENDPOINT_LEN_MAX as u64),
        ("CLOSE_TEXT_LEN_MAX", limits::CLOSE_TEXT_LEN_MAX as u64),
        ("HELLO_WAIT_MS_MAX", limits::HELLO_WAIT_MS_MAX),
        ("RECONNECT_DELAY_MS_MIN", limits::RECONNECT_DELAY_MS_MIN),
        ("RECONNECT_DELAY_MS_MAX", limits::RECONNECT_DELAY_MS_MAX),
    ] {
        table.row(name, limit);
    }
}

#[test]
fn given_the_numbers_of_the_wire_when_printed_should_be_the_checked_in_table() {
    let table = table();
    println!("{table}");
    assert_eq!(
        table,
        include_str!("wire_table.txt"),
        "the wire changed; the table is above"
    );
}

#[test]
fn given_the_limits_of_the_source_when_listed_should_all_be_in_the_table() {
    let table = table();
    let source = include_str!("../src/limits.rs");
    let names = source
        .lines()
        .filter_map(|line| line.strip_prefix("pub const "));
    for name in names.filter_map(|rest| rest.split(':').next()) {
        assert!(
            table.contains(&format!("  {name} ")),
            "{name} is not in the table"
        );
    }
}

#[test]
fn given_each_status_of_an_upstream_message_when_asked_should_be_final_unless_more_follows() {
    let going_on = [UpstreamStatus::Stored, UpstreamStatus::Busy];
    for status in (0..=u8::MAX).map(UpstreamStatus::from_number) {
        assert_eq!(status.is_final(), !going_on.contains(&status), "{status}");
    }
}

#[test]
fn given_a_number_when_named_and_numbered_again_should_be_the_same() {
    for number in 0..=u8::MAX {
        assert_eq!(CloseReason::from_number(number).number(), number);
        assert_eq!(GoAwayReason::from_number(number).number(), number);
        assert_eq!(UpstreamStatus::from_number(number).number(), number);
        assert_eq!(FeedbackVerdict::from_number(number).number(), number);
        let reserved = RESERVED_KINDS.iter().any(|(kind, _)| *kind == number);
        assert!(
            !(reserved && Kind::from_number(number).is_some()),
            "{number} is given twice"
        );
    }
    for number in 0..=u16::MAX {
        assert_eq!(ResultCode::from_number(number).number(), number);
    }
}
