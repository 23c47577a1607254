//! Scripts of links that end: by go-away, close, fault, silence; and what follows.
//!
//! Owner: the tests. Always: virtual time.

use protocol::{ClientId, CloseReason, Frame, GoAway, GoAwayReason, Identity, MessageId};

use super::{CID, Stage, close, config, known, push, welcome};
use crate::client::{Config, EndReason, Event};

#[test]
fn given_attempts_that_fail_when_repeated_should_wait_within_growing_ceilings() {
    let mut stage = Stage::new(config());
    let mut longest_ms = 0;
    for round in 0..12_u32 {
        let at_ms = stage.client.connect_at_ms().expect("goes on trying");
        stage.client.begin_connect();
        stage.client.disconnected(at_ms, "refused");
        let wait_ms = stage.client.connect_at_ms().expect("goes on trying") - at_ms;
        assert!(wait_ms <= (1_000 << round.min(10)).min(120_000), "{round}");
        longest_ms = longest_ms.max(wait_ms);
    }
    assert!(longest_ms > 10_000, "never grew: {longest_ms}");
    assert_eq!(stage.events().len(), 12);
    stage.connect();
    stage.says(&[welcome(60)]);
    stage.client.disconnected(stage.now_ms, "cable");
    let wait_ms = stage.client.connect_at_ms().expect("returns") - stage.now_ms;
    assert!(wait_ms <= 1_000, "a welcome starts the back-off afresh");
}

#[test]
fn given_a_server_without_a_welcome_when_time_is_up_should_leave() {
    let mut stage = Stage::new(config());
    stage.connect();
    assert_eq!(stage.client.next_deadline_ms(), Some(30_000));
    stage.at(30_000);
    let reason = EndReason::NoWelcome { waited_ms: 30_000 };
    assert_eq!(stage.events(), [Event::Refused { reason }]);
    assert!(stage.client.wants_hang_up());
}

#[test]
fn given_a_go_away_when_pushes_wait_should_ack_them_close_and_return_within_the_jitter() {
    let mut stage = Stage::online(config());
    let go_away = Frame::GoAway(GoAway {
        reason: GoAwayReason::Draining,
        jitter_ms: 4_000,
        endpoint: "other:1".to_owned(),
    });
    stage.says(&[push(1), go_away, push(2)]);
    let events = stage.events();
    assert!(
        matches!(
            events[..],
            [
                Event::Push { .. },
                Event::GoAway { .. },
                Event::Offline {
                    reason: EndReason::GoAway
                }
            ]
        ),
        "{events:?}"
    );
    stage.client.handled(MessageId(1));
    let sent = stage.sent();
    assert!(
        matches!(&sent[..], [Frame::Ack(_), Frame::Close(close)] if close.reason == CloseReason::Normal),
        "{sent:?}"
    );
    assert!(stage.client.wants_hang_up());
    assert!(stage.client.connect_at_ms().expect("returns") <= 4_000);
    assert_eq!(stage.client.endpoint(), Some("other:1"));
    stage.client.begin_connect();
    stage.client.disconnected(5_000, "refused");
    assert_eq!(stage.client.endpoint(), None, "back to the configured one");
}

#[test]
fn given_a_close_with_a_wait_when_it_comes_should_not_return_earlier() {
    let mut stage = Stage::online(config());
    stage.says(&[close(CloseReason::Overloaded, 50_000)]);
    let at_ms = stage.client.connect_at_ms().expect("returns");
    assert!((50_000..=51_000).contains(&at_ms), "{at_ms}");
    assert_eq!(stage.sent(), []);
}

#[test]
fn given_a_close_that_forbids_when_it_comes_should_stop() {
    let mut stage = Stage::online(config());
    stage.says(&[close(CloseReason::AppDisabled, u32::MAX)]);
    assert!(stage.client.is_stopped());
    assert_eq!(stage.client.connect_at_ms(), None);
    assert!(stage.client.wants_hang_up());
}

#[test]
fn given_a_takeover_when_closed_should_stay_away_for_a_minute_at_least() {
    let mut stage = Stage::online(config());
    stage.says(&[close(CloseReason::Replaced, 0)]);
    let at_ms = stage.client.connect_at_ms().expect("returns");
    assert!((60_000..=120_000).contains(&at_ms), "{at_ms}");
}

#[test]
fn given_a_server_that_forgot_the_client_when_it_logs_in_should_register_anew() {
    let mut stage = Stage::new(known(500));
    assert_eq!(stage.connect().identity, Identity::Login(CID));
    stage.says(&[close(CloseReason::UnknownClient, 0)]);
    let hello = stage.connect();
    assert!(matches!(hello.identity, Identity::Register(_)));
    assert_eq!(hello.resume, MessageId(0));
    stage.events();
    stage.says(&[welcome(60), push(1)]);
    let events = stage.events();
    assert!(
        matches!(events[..], [Event::Online { .. }, Event::Push { .. }]),
        "ids start afresh: {events:?}"
    );
}

#[test]
fn given_bad_bytes_when_they_come_should_close_with_the_reason() {
    let mut stage = Stage::online(config());
    stage.client.bytes_received(0, &[0x7f, 0x00]);
    let events = stage.events();
    assert!(
        matches!(
            events[..],
            [Event::Offline {
                reason: EndReason::BadFrame(_)
            }]
        ),
        "{events:?}"
    );
    let sent = stage.sent();
    assert!(
        matches!(&sent[..], [Frame::Close(close)] if close.reason == CloseReason::UnsupportedFrame),
        "{sent:?}"
    );
    assert!(stage.client.wants_hang_up());
    stage.says(&[push(1)]);
    assert_eq!(stage.events(), [], "nothing counts after the end");
}

#[test]
fn given_frames_in_the_wrong_state_when_they_come_should_break_off() {
    let mut stage = Stage::new(config());
    stage.connect();
    stage.says(&[push(1)]);
    assert!(matches!(
        stage.events()[..],
        [Event::Refused {
            reason: EndReason::UnexpectedFrame(_)
        }]
    ));
    let mut stage = Stage::online(config());
    stage.says(&[welcome(60)]);
    let sent = stage.sent();
    assert!(
        matches!(&sent[..], [Frame::Close(close)] if close.reason == CloseReason::UnexpectedFrame),
        "{sent:?}"
    );
}

#[test]
fn given_a_welcome_for_another_client_when_logging_in_should_break_off() {
    let mut stage = Stage::new(Config {
        identity: Some(ClientId::from_bytes([8; 16])),
        ..config()
    });
    stage.connect();
    stage.says(&[welcome(60)]);
    assert!(!stage.client.is_online());
    assert!(matches!(
        stage.events()[..],
        [Event::Refused {
            reason: EndReason::WrongClient { .. }
        }]
    ));
}

#[test]
fn given_an_online_client_when_closed_should_ack_say_normal_and_stop() {
    let mut stage = Stage::online(config());
    stage.says(&[push(1)]);
    stage.events();
    stage.client.handled(MessageId(1));
    stage.client.close(0);
    let reason = EndReason::Own;
    assert_eq!(stage.events(), [Event::Offline { reason }]);
    let sent = stage.sent();
    assert!(
        matches!(&sent[..], [Frame::Ack(_), Frame::Close(close)] if close.reason == CloseReason::Normal),
        "{sent:?}"
    );
    assert!(stage.client.wants_hang_up() && stage.client.is_stopped());
    assert_eq!(stage.client.connect_at_ms(), None);
}
