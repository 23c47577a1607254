//! Scripts of a session that goes well: hello, pushes, acks, heartbeats, commands.
//!
//! Owner: the tests. Always: virtual time.

use bytes::Bytes;
use protocol::{
    Command, CommandResult, Frame, FrameError, Identity, InstallId, MessageId, Operation,
    ResultCode,
};

use super::{CID, Stage, ack_ids, config, known, push, welcome};
use crate::client::{AckMode, COMMANDS_WAITING_MAX, CommandError, Config, EndReason, Event};

#[test]
fn given_a_new_device_when_it_connects_should_register_and_log_in_afterwards() {
    let mut stage = Stage::new(config());
    let hello = stage.connect();
    assert_eq!(
        hello.identity,
        Identity::Register(InstallId::from_bytes([1; 16]))
    );
    assert_eq!((hello.app_id.as_str(), hello.sign), ("app", None));
    stage.says(&[welcome(60)]);
    assert!(matches!(
        stage.events()[..],
        [Event::Online {
            cid: CID,
            generation: 3,
            ..
        }]
    ));
    stage.client.disconnected(stage.now_ms, "cable");
    let hello = stage.connect();
    assert_eq!(hello.identity, Identity::Login(CID));
}

#[test]
fn given_an_app_secret_when_it_connects_should_sign_the_hello() {
    let hello = Stage::new(Config {
        app_secret: Some("s".to_owned()),
        ..config()
    })
    .connect();
    let other = Stage::new(Config {
        app_secret: Some("t".to_owned()),
        ..config()
    })
    .connect();
    assert!(hello.sign.is_some());
    assert_ne!(hello.sign, other.sign);
}

#[test]
fn given_a_push_when_not_confirmed_should_send_no_ack() {
    let mut stage = Stage::online(config());
    stage.says(&[push(1)]);
    assert_eq!(stage.sent(), []);
    assert!(matches!(stage.events()[..], [Event::Push { .. }]));
    assert_eq!(stage.sent(), []);
    stage.client.handled(MessageId(1));
    assert_eq!(ack_ids(&stage.sent()), [[1]]);
}

#[test]
fn given_several_pushes_in_one_read_when_confirmed_should_share_one_ack_frame() {
    let mut stage = Stage::online(config());
    stage.says(&[push(1), push(4), push(9)]);
    assert_eq!(stage.events().len(), 3);
    for id in [1, 4, 9] {
        stage.client.handled(MessageId(id));
    }
    assert_eq!(ack_ids(&stage.sent()), [[1, 4, 9]]);
    assert_eq!(stage.client.last_handled(), MessageId(9));
}

#[test]
fn given_a_restart_when_handled_pushes_come_again_should_ack_them_and_say_repeat() {
    let mut stage = Stage::new(known(5));
    let hello = stage.connect();
    assert_eq!(hello.resume, MessageId(5));
    stage.says(&[welcome(60), push(4), push(5), push(6)]);
    let events = stage.events();
    assert!(
        matches!(
            events[..],
            [
                Event::Online { .. },
                Event::Repeat {
                    id: MessageId(4),
                    ..
                },
                Event::Repeat {
                    id: MessageId(5),
                    ..
                },
                Event::Push {
                    id: MessageId(6),
                    ..
                }
            ]
        ),
        "{events:?}"
    );
    stage.client.handled(MessageId(6));
    assert_eq!(ack_ids(&stage.sent()), [[4, 5, 6]]);
}

#[test]
fn given_ack_mode_none_when_pushes_are_handled_should_claim_nothing() {
    let mut stage = Stage::online(Config {
        ack: AckMode::None,
        ..known(5)
    });
    stage.says(&[push(3), push(6)]);
    assert_eq!(stage.events().len(), 2);
    stage.client.handled(MessageId(6));
    assert_eq!(stage.sent(), []);
    assert_eq!(stage.client.last_handled(), MessageId(6));
    stage.client.disconnected(0, "cable");
    assert_eq!(stage.connect().resume, MessageId(0));
}

#[test]
fn given_an_idle_link_when_intervals_pass_should_ping_then_give_up() {
    let mut stage = Stage::online(config());
    assert_eq!(stage.client.next_deadline_ms(), Some(60_000));
    assert_eq!(stage.at(59_999), []);
    assert_eq!(stage.at(60_000), [Frame::Ping]);
    stage.says(&[Frame::Pong]);
    assert_eq!(stage.at(120_000), [Frame::Ping]);
    assert_eq!(stage.client.next_deadline_ms(), Some(150_000));
    assert_eq!(stage.at(150_000), []);
    let reason = EndReason::Silent;
    assert_eq!(stage.events(), [Event::Offline { reason }]);
    assert!(stage.client.wants_hang_up());
    assert!(stage.client.connect_at_ms().is_some());
}

#[test]
fn given_a_ping_of_the_server_when_it_comes_should_answer() {
    let mut stage = Stage::online(config());
    stage.says(&[Frame::Ping]);
    assert_eq!(stage.sent(), [Frame::Pong]);
}

#[test]
fn given_a_command_when_sent_should_get_its_result_or_be_lost() {
    let mut stage = Stage::new(config());
    assert_eq!(
        stage.client.bind_alias("", "x"),
        Err(CommandError::NotOnline)
    );
    let mut stage = Stage::online(config());
    let first = stage.client.bind_alias("", "uid").expect("taken");
    let second = stage.client.unbind_alias(true, "t", "uid").expect("taken");
    let operation = Operation::BindAlias {
        alias_type: String::new(),
        alias: "uid".to_owned(),
    };
    let sent = stage.sent();
    assert_eq!(sent.len(), 2);
    assert_eq!(
        sent[0],
        Frame::Command(Command {
            serial: first,
            operation
        })
    );
    let result = CommandResult {
        serial: first,
        op: 1,
        code: ResultCode::Ok,
        detail: Bytes::new(),
    };
    stage.says(&[Frame::CommandResult(result)]);
    stage.client.disconnected(0, "cable");
    let events = stage.events();
    assert!(
        matches!(events[..], [Event::CommandResult { serial, code: ResultCode::Ok, .. }, Event::CommandLost { serial: lost }, Event::Offline { .. }]
            if serial == first && lost == second),
        "{events:?}"
    );
}

#[test]
fn given_commands_out_of_bounds_when_asked_should_refuse_and_send_nothing() {
    let mut stage = Stage::online(config());
    let long = "x".repeat(161);
    assert!(matches!(
        stage.client.bind_alias("", &long),
        Err(CommandError::Invalid(FrameError::BadLength {
            field: "command.alias",
            max: 160,
            got: 161,
            ..
        }))
    ));
    assert!(matches!(
        stage.client.bind_alias("", ""),
        Err(CommandError::Invalid(FrameError::BadLength {
            field: "command.alias",
            got: 0,
            ..
        }))
    ));
    assert_eq!(stage.sent(), []);
    for _ in 0..COMMANDS_WAITING_MAX {
        stage.client.bind_alias("", "x").expect("taken");
    }
    assert!(matches!(
        stage.client.bind_alias("", "x"),
        Err(CommandError::TooMany { .. })
    ));
}
