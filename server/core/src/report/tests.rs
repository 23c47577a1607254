//! What is read for third parties, over rows that no script makes: many, old, of several shards.

use schema::push::{Content, Notification, PushMessage};
use schema::record::Outcome;

use super::*;
use crate::clock::DAY_MS;
use crate::group::tests::row;
use crate::ids::ShardNo;
use crate::outbox::Fate;
use crate::rows::MemoryRows;

const APP: AppNo = AppNo(1);
const CID: ClientId = ClientId::from_bytes([7; 16]);

/// The number of a group push that was accepted then.
fn accepted(at_ms: u64) -> GroupNo {
    let number = GroupNo(at_ms << 22);
    assert_eq!(number.made_ms(), at_ms);
    number
}

#[test]
fn given_messages_that_wait_for_devices_when_their_push_is_over_or_stopped_should_have_ended_so() {
    let sums = Sums {
        targets: 100,
        acked: 1,
        filtered: 2,
        revoked: 4,
        expired: 8,
        ..Sums::default()
    };
    let number = GroupNo(5);
    for (state, expires_ms, expired, revoked) in [
        (GroupState::Running, 1_001, 8, 4),
        (GroupState::Stopped, 1_001, 8, 89),
        (GroupState::Stopped, 1_000, 93, 4),
        (GroupState::Done, 1_000, 93, 4),
    ] {
        let rows = MemoryRows::of([
            (
                Keyspace::Group,
                keys::group(number),
                row(state, expires_ms).encode(),
            ),
            (Keyspace::GroupSums, keys::group(number), sums.encode()),
        ]);
        let seen = view(&rows, number, 1_000).expect("memory reads");
        let seen = seen.expect("it exists").sums;
        assert_eq!(
            (seen.expired, seen.revoked),
            (expired, revoked),
            "{state:?}"
        );
    }
}

/// Whom a name has, among these.
fn of_name(numbers: &[GroupNo], from: Day, to: Day) -> Vec<GroupNo> {
    let rows = numbers.iter().flat_map(|number| {
        let name = keys::group_of_name(APP, "name", *number);
        [
            (Keyspace::GroupOfName, name, Vec::new()),
            (
                Keyspace::Group,
                keys::group(*number),
                row(GroupState::Done, 0).encode(),
            ),
        ]
    });
    let found = named(&MemoryRows::of(rows), APP, "name", from, to, 0).expect("memory reads");
    found.into_iter().map(|view| view.number).collect()
}

#[test]
fn given_a_name_when_asked_for_should_have_those_of_the_days_and_the_newest_of_too_many() {
    let of_days: Vec<GroupNo> = (1..=4).map(|day| accepted(day * DAY_MS)).collect();
    assert_eq!(of_name(&of_days, Day(2), Day(3)), of_days[1..3]);
    let many: Vec<GroupNo> = (0..=GROUPS_PER_ANSWER_MAX as u64).map(GroupNo).collect();
    assert_eq!(of_name(&many, Day(0), Day(0)), many[1..]);
    assert_eq!(of_name(&many[1..], Day(0), Day(0)), many[1..]);
}

#[test]
fn given_days_when_one_is_asked_for_should_have_all_registered_by_then_and_its_own_numbers() {
    let presence = |day, number| {
        let presence = Presence {
            registered: number,
            active: 10 * number,
            online_peak: 100 * number,
        };
        let key = keys::app_day(APP, Day(day));
        (Keyspace::Presence, key, presence.encode())
    };
    let rows = MemoryRows::of([presence(1, 1), presence(2, 2), presence(3, 4)]);
    for (day, accumulated, own) in [(1, 1, 1), (2, 3, 2), (3, 7, 4), (4, 7, 0)] {
        let view = app_day(&rows, APP, Day(day)).expect("memory reads");
        assert_eq!(view.accumulated, accumulated, "day {day}");
        assert_eq!(
            (view.registered, view.active, view.online_peak),
            (own, 10 * own, 100 * own),
            "day {day}"
        );
    }
}

#[test]
fn given_samples_of_shards_when_asked_for_should_add_them_up_over_24_hours() {
    let now_ms = 100 * DAY_MS;
    let sample = |at_ms, shard, count| {
        let key = keys::online(APP, at_ms, ShardNo(shard));
        (Keyspace::Online, key, Number { value: count }.encode())
    };
    let oldest_ms = now_ms - DAY_MS;
    let rows = MemoryRows::of([
        sample(oldest_ms - SAMPLE_INTERVAL_MS, 0, 1),
        sample(oldest_ms, 0, 2),
        sample(oldest_ms, 1, 3),
        sample(now_ms, 0, 4),
        sample(now_ms, 1, 5),
        sample(now_ms, 2, 6),
    ]);
    let samples = online(&rows, APP, now_ms).expect("memory reads");
    assert_eq!(samples, [(oldest_ms, 5), (now_ms, 15)]);
}

#[test]
fn given_more_receipts_than_an_answer_holds_when_asked_for_should_end_at_either_bound() {
    let full = RECEIPTS_PER_ANSWER_MAX;
    for (waiting, pieces, came, more) in [
        (full - 1, 0, full - 1, false),
        (full + 1, 0, full, true),
        (3, RECEIPT_PIECES_PER_ANSWER_MAX / 4, 3, false),
        (5, RECEIPT_PIECES_PER_ANSWER_MAX / 4, 4, true),
    ] {
        let receipt = Receipt {
            pieces: pieces as u16,
            ..Receipt::default()
        };
        let receipts_of = (1..=waiting as u64).map(|order| {
            let key = keys::receipt(APP, order);
            (Keyspace::Receipt, key, receipt.encode())
        });
        let page = receipts(&MemoryRows::of(receipts_of), APP, 0, false).expect("memory reads");
        assert_eq!((page.receipts.len(), page.more), (came, more));
    }
}

#[test]
fn given_ended_messages_of_two_pushes_when_one_is_asked_after_should_tell_its_own() {
    let ids = [MessageId(500 << 22), MessageId(600 << 22)];
    for (sent_ms, accepted_ms) in [(0, 550), (540, 540), (800, 600)] {
        let ended = |at: usize| {
            let outcome = Outcome {
                fate: Fate::Acked as u8,
                sent_ms,
                final_ms: 550,
                group: at as u64 + 1,
            };
            let keyspace = Keyspace::Outcome(Day(0));
            (keyspace, keys::outcome(CID, ids[at]), outcome.encode())
        };
        let group = (
            Keyspace::Group,
            keys::group(GroupNo(2)),
            row(GroupState::Done, 1_000).encode(),
        );
        let rows = MemoryRows::of([ended(0), ended(1), group]);
        let found = message_of_group(&rows, CID, GroupNo(2)).expect("memory reads");
        let found = found.map(|found| (found.id, found.accepted_ms));
        assert_eq!(found, Some((ids[1], accepted_ms)), "sent at {sent_ms}");
    }
}

#[test]
fn given_each_kind_of_content_when_shown_should_be_its_text() {
    let notification = Notification {
        title: "title".to_owned(),
        ..Notification::default()
    };
    let revoke = Content::Revoke {
        old_task_id: "old".to_owned(),
        force: false,
    };
    for (content, text) in [
        (Content::Transmission("text".to_owned()), "text"),
        (Content::Notification(Box::new(notification)), "title"),
        (revoke, "old"),
    ] {
        let message = PushMessage {
            task_id: "task".to_owned(),
            content,
            duration: None,
            network_type: 0,
        };
        assert_eq!(text_of(&Bytes::from(message.encode())), text);
    }
    assert_eq!(text_of(&Bytes::from_static(b"x")), "");
}
