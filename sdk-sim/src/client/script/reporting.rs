//! Reports, messages to the third party, silent hours.

use protocol::wire::{ACTION_CLICKED, ACTION_SHOWN};
use protocol::{
    Command, CommandResult, Feedback, FeedbackVerdict, Operation, ResultCode, SilentTime, Upstream,
    UpstreamAck, UpstreamId, UpstreamStatus,
};

use super::*;
use crate::client::event::EndReason;
use crate::client::{CommandError, REPORTS_WAITING_MAX, UPSTREAMS_WAITING_MAX};

const HOUR_MS: u64 = 3_600_000;

fn result(serial: u32, op: u8, code: ResultCode, detail: &'static [u8]) -> Frame {
    Frame::CommandResult(CommandResult {
        serial,
        op,
        code,
        detail: Bytes::from_static(detail),
    })
}

fn ack(id: u64, status: UpstreamStatus) -> Frame {
    Frame::UpstreamAck(UpstreamAck {
        id: UpstreamId(id),
        status,
    })
}

fn message(id: u64) -> Upstream {
    Upstream {
        id: UpstreamId(id),
        task_id: "t".to_owned(),
        body: Bytes::from_static(b"hello"),
    }
}

fn feedback(frames: &[Frame]) -> (u32, Vec<Feedback>) {
    match frames {
        [
            Frame::Command(Command {
                serial,
                operation: Operation::Feedback(entries),
            }),
        ] => (*serial, entries.clone()),
        other => panic!("expected one feedback, got {other:?}"),
    }
}

fn entry(message: u64, action: u32, ago_s: u32) -> Feedback {
    Feedback {
        message: MessageId(message),
        action,
        ago_s,
    }
}

fn reconnect(stage: &mut Stage) {
    stage.client.disconnected(stage.now_ms, "gone");
    stage.events();
    stage.connect();
    stage.says(&[welcome(60)]);
    stage.events();
}

#[test]
fn given_reports_when_told_should_wait_for_their_result_over_links() {
    let mut stage = Stage::new(config());
    for (message, action) in [(1, ACTION_SHOWN), (1, ACTION_CLICKED), (1, ACTION_SHOWN)] {
        let told = stage.client.report(0, MessageId(message), action);
        assert_eq!(told, Ok(()), "before any session, and twice");
    }
    stage.now_ms = 5_000;
    stage.connect();
    stage.says(&[welcome(60)]);
    stage.events();
    let (_, entries) = feedback(&stage.sent());
    let both = [entry(1, ACTION_SHOWN, 5), entry(1, ACTION_CLICKED, 5)];
    assert_eq!(entries, both);
    stage
        .client
        .report(6_000, MessageId(2), 90_001)
        .expect("room");
    assert_eq!(stage.sent(), [], "one feedback is under way");
    reconnect(&mut stage);
    let (serial, entries) = feedback(&stage.sent());
    assert_eq!(entries.len(), 3, "all that has no result");
    stage.says(&[result(serial, 10, ResultCode::Busy, &[])]);
    assert_eq!((stage.events(), stage.sent()), (vec![], vec![]));
    let mut deadline_ms = stage.client.next_deadline_ms().expect("online");
    for ceiling_ms in [1_000, 2_000, 4_000] {
        assert!(deadline_ms <= stage.now_ms + ceiling_ms, "{deadline_ms}");
        let (serial, _) = feedback(&stage.at(deadline_ms));
        stage.says(&[result(serial, 10, ResultCode::Busy, &[])]);
        deadline_ms = stage.client.next_deadline_ms().expect("online");
    }
    reconnect(&mut stage);
    let (serial, _) = feedback(&stage.sent());
    stage.says(&[result(serial, 10, ResultCode::Ok, &[0, 1, 2])]);
    let told: Vec<_> = stage
        .events()
        .into_iter()
        .map(|event| match event {
            Event::Reported {
                message, verdict, ..
            } => (message.0, verdict),
            other => panic!("{other:?}"),
        })
        .collect();
    let expected = [
        (1, Ok(FeedbackVerdict::Counted)),
        (1, Ok(FeedbackVerdict::Known)),
        (2, Ok(FeedbackVerdict::UnknownMessage)),
    ];
    assert_eq!(told, expected);
    assert_eq!(stage.at(deadline_ms + 1), [], "nothing is left");
}

#[test]
fn given_a_report_that_is_refused_when_told_should_say_so_and_forget_it() {
    let mut stage = Stage::online(config());
    stage.client.report(0, MessageId(1), 1).expect("room");
    let (serial, _) = feedback(&stage.sent());
    stage.says(&[result(serial, 10, ResultCode::BadParameter, &[])]);
    let refused = Event::Reported {
        message: MessageId(1),
        action: 1,
        verdict: Err(ResultCode::BadParameter),
    };
    assert_eq!(stage.events(), [refused]);
    assert_eq!(stage.sent(), []);
}

#[test]
fn given_more_reports_than_are_kept_when_told_should_refuse_the_newest() {
    let mut stage = Stage::new(config());
    for id in 0..REPORTS_WAITING_MAX as u64 {
        assert_eq!(stage.client.report(0, MessageId(id), 1), Ok(()));
    }
    let limit = REPORTS_WAITING_MAX;
    let refused = stage.client.report(0, MessageId(u64::MAX), 1);
    assert_eq!(refused, Err(CommandError::TooMany { limit }));
    stage.connect();
    stage.says(&[welcome(60)]);
    stage.events();
    let (_, entries) = feedback(&stage.sent());
    assert_eq!(entries.len(), 64, "as many as a feedback holds");
}

#[test]
fn given_messages_to_the_third_party_when_links_come_and_go_should_be_sent_until_they_end() {
    let mut stage = Stage::new(config());
    let taken = stage.client.send_upstream(0, message(7));
    assert_eq!(taken, Ok(()), "before any session");
    stage.connect();
    stage.says(&[welcome(60)]);
    stage.events();
    assert_eq!(stage.sent(), [Frame::Upstream(message(7))]);
    assert_eq!(stage.client.send_upstream(0, message(7)), Ok(()));
    assert_eq!(stage.sent(), [], "the same again");
    stage.says(&[
        ack(7, UpstreamStatus::Stored),
        ack(8, UpstreamStatus::Delivered),
    ]);
    let stored = Event::Upstream {
        id: UpstreamId(7),
        status: UpstreamStatus::Stored,
    };
    assert_eq!(
        stage.events(),
        [stored],
        "and nothing of what it never sent"
    );
    reconnect(&mut stage);
    assert_eq!(
        stage.sent(),
        [Frame::Upstream(message(7))],
        "how did it end?"
    );
    for ceiling_ms in [1_000, 2_000, 4_000] {
        stage.says(&[ack(7, UpstreamStatus::Busy)]);
        stage.events();
        assert_eq!(stage.sent(), []);
        let later_ms = stage.client.next_deadline_ms().expect("it waits");
        assert!(later_ms <= stage.now_ms + ceiling_ms, "{later_ms}");
        assert_eq!(stage.at(later_ms), [Frame::Upstream(message(7))]);
    }
    stage.says(&[ack(7, UpstreamStatus::Other(99))]);
    stage.events();
    stage.says(&[ack(7, UpstreamStatus::Delivered)]);
    assert_eq!(stage.events().len(), 1);
    reconnect(&mut stage);
    assert_eq!(stage.sent(), [], "it has ended");
}

#[test]
fn given_bad_or_too_many_messages_when_sent_should_be_refused() {
    let mut stage = Stage::online(config());
    assert!(matches!(
        stage.client.send_upstream(0, message(0)),
        Err(CommandError::Invalid(_))
    ));
    for id in 1..=UPSTREAMS_WAITING_MAX as u64 {
        assert_eq!(stage.client.send_upstream(0, message(id)), Ok(()));
    }
    let limit = UPSTREAMS_WAITING_MAX;
    let refused = stage.client.send_upstream(0, message(99));
    assert_eq!(refused, Err(CommandError::TooMany { limit }));
}

/// From 2 to 5 o'clock in UTC; the servers of these scripts begin at 0 o'clock.
const NIGHT: SilentTime = SilentTime {
    begin_hour: 2,
    hours: 3,
    zone_min: 0,
};

#[test]
fn given_silent_hours_when_they_begin_should_leave_and_come_back_when_they_are_over() {
    let mut stage = Stage::online(config());
    let serial = stage.client.set_silent_time(NIGHT).expect("online");
    stage.sent();
    stage.says(&[result(serial, 6, ResultCode::Ok, &[])]);
    assert!(matches!(stage.events()[..], [Event::CommandResult { .. }]));
    assert!(stage.client.is_online(), "it is not 2 o'clock yet");
    while stage.now_ms < 2 * HOUR_MS {
        let next_ms = stage.client.next_deadline_ms().expect("online");
        stage.at(next_ms);
        stage.says(&[Frame::Pong]);
    }
    assert_eq!(stage.now_ms, 2 * HOUR_MS);
    let silence = EndReason::Silence;
    assert_eq!(stage.events(), [Event::Offline { reason: silence }]);
    assert!(stage.client.wants_hang_up());
    let back_ms = stage.client.connect_at_ms().expect("comes back");
    assert!(
        (5 * HOUR_MS..=5 * HOUR_MS + 60_000).contains(&back_ms),
        "{back_ms}"
    );
}

#[test]
fn given_silent_hours_from_an_earlier_run_when_started_in_them_should_wait_unless_woken() {
    let night = Config {
        silent: Some(NIGHT),
        unix_offset_ms: Some(i64::try_from(3 * HOUR_MS).expect("hours")),
        ..config()
    };
    let mut client = Client::new(night.clone(), 0);
    let at_ms = client.connect_at_ms().expect("wants to connect");
    assert!((2 * HOUR_MS..=2 * HOUR_MS + 60_000).contains(&at_ms));
    client.wake(10);
    assert_eq!(client.connect_at_ms(), Some(10));
    let blind = Config {
        unix_offset_ms: None,
        ..night
    };
    let blind = Client::new(blind, 0);
    assert_eq!(blind.connect_at_ms(), Some(0), "it knows no time");
}

#[test]
fn given_silent_hours_that_the_server_refuses_when_they_begin_should_stay() {
    let mut stage = Stage::online(config());
    let all_day = SilentTime {
        begin_hour: 0,
        hours: 23,
        zone_min: 0,
    };
    let serial = stage.client.set_silent_time(all_day).expect("online");
    stage.sent();
    stage.says(&[result(serial, 6, ResultCode::Busy, &[])]);
    assert!(stage.client.is_online());
    let serial = stage.client.set_silent_time(all_day).expect("online");
    stage.sent();
    stage.events();
    stage.says(&[result(serial, 6, ResultCode::Ok, &[])]);
    assert!(!stage.client.is_online(), "it is 0 o'clock");
    let close = stage.sent();
    assert!(matches!(close[..], [Frame::Close(_)]), "{close:?}");
}
