//! Frames of our own that break a bound: `check` names the field, `encode` refuses to write.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::{Bytes, BytesMut};
use protocol::{
    Ack, ClientId, Close, CloseReason, Command, CommandResult, Decoder, DeviceInfo, DeviceSecret,
    Feedback, Frame, FrameError, GoAway, GoAwayReason, Hello, Identity, MessageId, Operation, Peer,
    Platform, Push, ResultCode, SilentTime, Upstream, UpstreamAck, UpstreamId, UpstreamStatus,
    limits,
};

fn hello(app_id: &str, sdk_version: &str) -> Frame {
    Frame::Hello(Hello {
        minor: 0,
        app_id: app_id.to_owned(),
        identity: Identity::Login(ClientId::from_bytes([1; 16])),
        secret: DeviceSecret::from_bytes([0x5e; 32]),
        sign: Some([0xa5; 32]),
        resume: MessageId::NONE,
        heartbeat_s: 0,
        platform: Platform::Unknown,
        sdk_version: sdk_version.to_owned(),
    })
}

fn ack(ids: &[u64]) -> Frame {
    Frame::Ack(Ack {
        ids: ids.iter().copied().map(MessageId).collect(),
    })
}

fn bind(alias_type: String, alias: String) -> Frame {
    command(Operation::BindAlias { alias_type, alias })
}

fn command(operation: Operation) -> Frame {
    Frame::Command(Command {
        serial: 1,
        operation,
    })
}

fn silent(begin_hour: u8, hours: u8, zone_min: i16) -> Frame {
    command(Operation::SilentTime(SilentTime {
        begin_hour,
        hours,
        zone_min,
    }))
}

fn upstream(id: u64, task_id: String, body_len: usize) -> Frame {
    Frame::Upstream(Upstream {
        id: UpstreamId(id),
        task_id,
        body: Bytes::from(vec![0; body_len]),
    })
}

/// Frames of the device side of an app that break a bound.
fn wrong_reports() -> Vec<(Frame, &'static str)> {
    let entry = Feedback {
        message: MessageId(1),
        action: 1,
        ago_s: 0,
    };
    let info = |brand_len: usize, version_len: usize| {
        command(Operation::DeviceInfo(DeviceInfo {
            brand: "b".repeat(brand_len),
            app_version: "v".repeat(version_len),
            ..DeviceInfo::default()
        }))
    };
    let token = |channel_len: usize, token_len: usize| {
        command(Operation::VendorToken {
            channel: "c".repeat(channel_len),
            token: "t".repeat(token_len),
        })
    };
    vec![
        (
            command(Operation::SetTags(vec![String::new(); 256])),
            "command.tags",
        ),
        (
            command(Operation::SetTags(vec!["t".repeat(256)])),
            "command.tag",
        ),
        (
            command(Operation::SetTags(vec!["t".repeat(255); 65])),
            "command.tags",
        ),
        (silent(24, 1, 0), "command.begin_hour"),
        (silent(0, 24, 0), "command.hours"),
        (silent(0, 1, 841), "command.zone"),
        (silent(0, 1, -721), "command.zone"),
        (silent(0, 1, i16::MIN), "command.zone"),
        (info(limits::DEVICE_NAME_LEN_MAX + 1, 0), "command.brand"),
        (
            info(0, limits::DEVICE_VERSION_LEN_MAX + 1),
            "command.app_version",
        ),
        (
            command(Operation::Badge(limits::BADGE_MAX + 1)),
            "command.badge",
        ),
        (token(0, 1), "command.channel"),
        (token(limits::CHANNEL_LEN_MAX + 1, 1), "command.channel"),
        (token(1, limits::VENDOR_TOKEN_LEN_MAX + 1), "command.token"),
        (command(Operation::Feedback(Vec::new())), "command.feedback"),
        (
            command(Operation::Feedback(vec![
                entry;
                limits::FEEDBACK_LEN_MAX + 1
            ])),
            "command.feedback",
        ),
        (upstream(0, String::new(), 0), "upstream.upstream_id"),
        (
            upstream(1, "t".repeat(limits::UPSTREAM_TASK_LEN_MAX + 1), 0),
            "upstream.task_id",
        ),
        (
            upstream(1, String::new(), limits::UPSTREAM_BODY_LEN_MAX + 1),
            "upstream.body",
        ),
        (
            Frame::UpstreamAck(UpstreamAck {
                id: UpstreamId(0),
                status: UpstreamStatus::Stored,
            }),
            "upstream_ack.upstream_id",
        ),
    ]
}

fn wrong_frames() -> Vec<(Frame, &'static str)> {
    let too_many: Vec<u64> = (0..=limits::ACK_IDS_MAX as u64).collect();
    vec![
        (hello("", ""), "hello.app_id"),
        (
            hello(&"a".repeat(limits::APP_ID_LEN_MAX + 1), ""),
            "hello.app_id",
        ),
        (
            hello("a", &"v".repeat(limits::SDK_VERSION_LEN_MAX + 1)),
            "hello.sdk_version",
        ),
        (
            Frame::Push(Push {
                id: MessageId(1),
                sealed: false,
                body: Bytes::from(vec![0; limits::PUSH_BODY_LEN_MAX + 1]),
            }),
            "push.body",
        ),
        (ack(&[]), "ack.ids"),
        (ack(&[2, 2]), "ack.ids"),
        (ack(&[2, 3, 1]), "ack.ids"),
        (ack(&too_many), "ack.ids"),
        (
            bind("t".repeat(limits::ALIAS_TYPE_LEN_MAX + 1), "a".to_owned()),
            "command.alias_type",
        ),
        (bind(String::new(), String::new()), "command.alias"),
        (
            bind(String::new(), "a".repeat(limits::ALIAS_LEN_MAX + 1)),
            "command.alias",
        ),
        (
            Frame::Command(Command {
                serial: 1,
                operation: Operation::Unknown(1),
            }),
            "command.op",
        ),
        (
            Frame::CommandResult(CommandResult {
                serial: 1,
                op: 1,
                code: ResultCode::Ok,
                detail: Bytes::from(vec![0; limits::DETAIL_LEN_MAX + 1]),
            }),
            "command_result.detail",
        ),
        (
            Frame::GoAway(GoAway {
                reason: GoAwayReason::Draining,
                jitter_ms: 0,
                endpoint: "h".repeat(limits::ENDPOINT_LEN_MAX + 1),
            }),
            "go_away.endpoint",
        ),
    ]
}

#[test]
fn given_a_field_beyond_its_bound_when_checked_should_be_named() {
    for (frame, field) in wrong_frames().into_iter().chain(wrong_reports()) {
        let error: FrameError = frame.check().expect_err(field);
        assert!(
            error.to_string().starts_with(&format!("{field}: ")),
            "{error}"
        );
    }
}

#[test]
fn given_a_field_beyond_its_bound_when_encoded_should_write_nothing() {
    for (frame, field) in wrong_frames().into_iter().chain(wrong_reports()) {
        let mut out = BytesMut::new();
        let written = catch_unwind(AssertUnwindSafe(|| frame.encode(&mut out)));
        assert!(written.is_err() && out.is_empty(), "{field}");
    }
}

#[test]
fn given_a_close_text_that_is_too_long_when_encoded_should_be_cut_at_a_character() {
    let close = |text: String| {
        Frame::Close(Close {
            reason: CloseReason::InternalError,
            retry_after_ms: 0,
            text,
        })
    };
    let frame = close(format!("x{}", "é".repeat(limits::CLOSE_TEXT_LEN_MAX)));
    let mut out = BytesMut::new();
    frame.encode(&mut out);
    assert_eq!(out.len(), frame.encoded_len());
    let mut decoder = Decoder::new(Peer::Server);
    decoder.push(&out);
    assert_eq!(
        decoder.next_frame(),
        Ok(Some(close(format!("x{}", "é".repeat(99)))))
    );
}

#[test]
fn given_a_hello_when_shown_should_hide_its_secret_and_its_sign() {
    let shown = format!("{:?}", hello("app", ""));
    assert!(
        shown.contains("redacted") && shown.contains("signed: true"),
        "{shown}"
    );
    // 0x5e is 94 and 0xa5 is 165.
    for secret in ["5e", "94", "a5", "165"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
