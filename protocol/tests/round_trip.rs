//! `decode(encode(x)) == x` for every frame, and `encoded_len` is what was written.

use bytes::{Bytes, BytesMut};
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use protocol::wire::{OP_FEEDBACK, SECRET_LEN, SIGN_LEN};
use protocol::{
    Ack, ClientId, Close, CloseReason, Command, CommandResult, Decoder, DeviceInfo, DeviceSecret,
    Feedback, Frame, GoAway, GoAwayReason, Hello, Identity, InstallId, MessageId,
    NotificationSwitch, Operation, Peer, Platform, Push, ResultCode, SilentTime, Upstream,
    UpstreamAck, UpstreamId, UpstreamStatus, Welcome, limits,
};

/// A text of `min` to `max` bytes, with characters of one to four bytes.
fn text(min: usize, max: usize) -> impl Strategy<Value = String> {
    vec(any::<char>(), min..=max).prop_map(move |chars| {
        let text: String = chars.into_iter().collect();
        text[..text.floor_char_boundary(max)].to_owned()
    })
}

fn hello() -> impl Strategy<Value = Frame> {
    let identity = prop_oneof![
        any::<[u8; 16]>().prop_map(|id| Identity::Register(InstallId::from_bytes(id))),
        any::<[u8; 16]>().prop_map(|id| Identity::Login(ClientId::from_bytes(id))),
    ];
    (
        any::<u8>(),
        text(1, limits::APP_ID_LEN_MAX),
        identity,
        any::<[u8; SECRET_LEN]>(),
        any::<Option<[u8; SIGN_LEN]>>(),
        any::<(u64, u16)>(),
        (0_u8..5).prop_map(Platform::from_number),
        text(0, limits::SDK_VERSION_LEN_MAX),
    )
        .prop_map(
            |(minor, app_id, identity, secret, sign, (resume, heartbeat_s), platform, sdk)| {
                Frame::Hello(Hello {
                    minor,
                    app_id,
                    identity,
                    secret: DeviceSecret::from_bytes(secret),
                    sign,
                    resume: MessageId(resume),
                    heartbeat_s,
                    platform,
                    sdk_version: sdk,
                })
            },
        )
}

fn welcome() -> impl Strategy<Value = Frame> {
    (
        any::<(u8, bool, [u8; 16])>(),
        any::<(u64, u64)>(),
        any::<(u16, u16, u16, u16)>(),
    )
        .prop_map(
            |(
                (minor, registered, cid),
                (generation, server_time_ms),
                (usual, min, max, window),
            )| {
                Frame::Welcome(Welcome {
                    minor,
                    registered,
                    cid: ClientId::from_bytes(cid),
                    generation,
                    server_time_ms,
                    heartbeat_s: usual,
                    heartbeat_min_s: min,
                    heartbeat_max_s: max,
                    window,
                })
            },
        )
}

fn push() -> impl Strategy<Value = Frame> {
    (any::<(u64, bool)>(), vec(any::<u8>(), 0..2000)).prop_map(|((id, sealed), body)| {
        Frame::Push(Push {
            id: MessageId(id),
            sealed,
            body: Bytes::from(body),
        })
    })
}

fn ack() -> impl Strategy<Value = Frame> {
    btree_set(any::<u64>(), 1..=limits::ACK_IDS_MAX).prop_map(|ids| {
        Frame::Ack(Ack {
            ids: ids.into_iter().map(MessageId).collect(),
        })
    })
}

fn command() -> impl Strategy<Value = Frame> {
    let names = || {
        (
            text(0, limits::ALIAS_TYPE_LEN_MAX),
            text(1, limits::ALIAS_LEN_MAX),
        )
    };
    let operation = prop_oneof![
        names().prop_map(|(alias_type, alias)| Operation::BindAlias { alias_type, alias }),
        (any::<bool>(), names()).prop_map(|(everywhere, (alias_type, alias))| {
            Operation::UnbindAlias {
                everywhere,
                alias_type,
                alias,
            }
        }),
        vec(text(0, 255), 0..40).prop_map(Operation::SetTags),
        Just(Operation::QueryTags),
        any::<bool>().prop_map(|on| Operation::PushSwitch { on }),
        (0_u8..24, 0_u8..24, -720_i16..=840).prop_map(|(begin_hour, hours, zone_min)| {
            Operation::SilentTime(SilentTime {
                begin_hour,
                hours,
                zone_min,
            })
        }),
        device_info(),
        (0..=limits::BADGE_MAX).prop_map(Operation::Badge),
        (
            text(1, limits::CHANNEL_LEN_MAX),
            text(0, limits::VENDOR_TOKEN_LEN_MAX)
        )
            .prop_map(|(channel, token)| Operation::VendorToken { channel, token }),
        vec(any::<(u64, u32, u32)>(), 1..=limits::FEEDBACK_LEN_MAX).prop_map(|entries| {
            let entry = |(message, action, ago_s)| Feedback {
                message: MessageId(message),
                action,
                ago_s,
            };
            Operation::Feedback(entries.into_iter().map(entry).collect())
        }),
        (OP_FEEDBACK + 1..=u8::MAX).prop_map(Operation::Unknown),
        Just(Operation::Unknown(0)),
    ];
    (any::<u32>(), operation)
        .prop_map(|(serial, operation)| Frame::Command(Command { serial, operation }))
}

fn device_info() -> impl Strategy<Value = Operation> {
    let name = || text(0, limits::DEVICE_NAME_LEN_MAX);
    let version = || text(0, limits::DEVICE_VERSION_LEN_MAX);
    let switch = (0..NotificationSwitch::ALL.len()).prop_map(|at| NotificationSwitch::ALL[at]);
    (name(), name(), version(), name(), version(), switch).prop_map(
        |(brand, model, os_version, package, app_version, notifications)| {
            Operation::DeviceInfo(DeviceInfo {
                brand,
                model,
                os_version,
                package,
                app_version,
                notifications,
            })
        },
    )
}

fn upstream() -> impl Strategy<Value = Frame> {
    (
        1..=u64::MAX,
        text(0, limits::UPSTREAM_TASK_LEN_MAX),
        vec(any::<u8>(), 0..2000),
    )
        .prop_map(|(id, task_id, body)| {
            Frame::Upstream(Upstream {
                id: UpstreamId(id),
                task_id,
                body: Bytes::from(body),
            })
        })
}

fn upstream_ack() -> impl Strategy<Value = Frame> {
    (1..=u64::MAX, any::<u8>()).prop_map(|(id, status)| {
        Frame::UpstreamAck(UpstreamAck {
            id: UpstreamId(id),
            status: UpstreamStatus::from_number(status),
        })
    })
}

fn command_result() -> impl Strategy<Value = Frame> {
    (
        any::<(u32, u8, u16)>(),
        vec(any::<u8>(), 0..=limits::DETAIL_LEN_MAX),
    )
        .prop_map(|((serial, op, code), detail)| {
            Frame::CommandResult(CommandResult {
                serial,
                op,
                code: ResultCode::from_number(code),
                detail: Bytes::from(detail),
            })
        })
}

fn go_away() -> impl Strategy<Value = Frame> {
    (any::<(u8, u32)>(), text(0, limits::ENDPOINT_LEN_MAX)).prop_map(
        |((reason, jitter_ms), endpoint)| {
            Frame::GoAway(GoAway {
                reason: GoAwayReason::from_number(reason),
                jitter_ms,
                endpoint,
            })
        },
    )
}

fn close() -> impl Strategy<Value = Frame> {
    (any::<(u8, u32)>(), text(0, limits::CLOSE_TEXT_LEN_MAX)).prop_map(
        |((reason, retry_after_ms), text)| {
            Frame::Close(Close {
                reason: CloseReason::from_number(reason),
                retry_after_ms,
                text,
            })
        },
    )
}

fn from_device() -> impl Strategy<Value = Frame> {
    prop_oneof![
        hello(),
        ack(),
        command(),
        upstream(),
        close(),
        Just(Frame::Ping),
        Just(Frame::Pong)
    ]
}

fn from_server() -> impl Strategy<Value = Frame> {
    prop_oneof![
        welcome(),
        push(),
        command_result(),
        upstream_ack(),
        go_away(),
        close(),
        Just(Frame::Ping),
        Just(Frame::Pong),
    ]
}

fn check_round_trip(sender: Peer, first: &[Frame], frames: &[Frame]) {
    let mut out = BytesMut::new();
    for frame in first.iter().chain(frames) {
        let before = out.len();
        frame.encode(&mut out);
        assert_eq!(out.len() - before, frame.encoded_len(), "{frame:?}");
    }
    let mut decoder = Decoder::new(sender);
    decoder.push(&out);
    for frame in first.iter().chain(frames) {
        assert_eq!(decoder.next_frame().as_ref(), Ok(&Some(frame.clone())));
    }
    assert_eq!(decoder.next_frame(), Ok(None));
    assert!(!decoder.has_partial());
}

proptest! {
    // A ping comes first where a frame may exceed the limit of a device's first frame.
    #[test]
    fn given_frames_of_a_device_when_encoded_should_decode_to_the_same(
        frames in vec(from_device(), 1..5),
    ) {
        check_round_trip(Peer::Device, &[Frame::Ping], &frames);
    }

    #[test]
    fn given_a_hello_as_first_frame_when_encoded_should_decode_to_the_same(hello in hello()) {
        check_round_trip(Peer::Device, &[], &[hello]);
    }

    #[test]
    fn given_frames_of_a_server_when_encoded_should_decode_to_the_same(
        frames in vec(from_server(), 1..5),
    ) {
        check_round_trip(Peer::Server, &[], &frames);
    }
}

#[test]
fn given_the_longest_upstream_message_when_encoded_should_decode_to_the_same() {
    let upstream = Frame::Upstream(Upstream {
        id: UpstreamId(u64::MAX),
        task_id: "t".repeat(limits::UPSTREAM_TASK_LEN_MAX),
        body: Bytes::from(vec![7; limits::UPSTREAM_BODY_LEN_MAX]),
    });
    assert_eq!(
        upstream.encoded_len(),
        1 + 3 + limits::BODY_LEN_MAX_TO_SERVER
    );
    check_round_trip(Peer::Device, &[Frame::Ping], &[upstream]);
}

#[test]
fn given_tags_when_put_into_a_result_should_be_read_from_it() {
    let tags = vec!["vip".to_owned(), String::new(), "北京".to_owned()];
    let result = CommandResult {
        serial: 1,
        op: protocol::wire::OP_QUERY_TAGS,
        code: ResultCode::Ok,
        detail: CommandResult::detail_of_tags(&tags),
    };
    assert_eq!(result.tags(), Ok(tags));
    let detail = result.detail.slice(..result.detail.len() - 1);
    let cut = CommandResult { detail, ..result };
    let error = cut.tags().expect_err("the last tag is cut").to_string();
    assert!(error.starts_with("command_result.tag: "), "{error}");
}

#[test]
fn given_the_longest_push_when_encoded_should_decode_to_the_same() {
    let body = Bytes::from(vec![7; limits::PUSH_BODY_LEN_MAX]);
    let push = Frame::Push(Push {
        id: MessageId(1),
        sealed: false,
        body,
    });
    assert_eq!(push.encoded_len(), 1 + 3 + limits::BODY_LEN_MAX_TO_DEVICE);
    check_round_trip(Peer::Server, &[], &[push]);
}
