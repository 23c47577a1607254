//! Rows as a commit writes them have no fault; each row lost or changed is one.

use bytes::Bytes;
use protocol::{ClientId, Upstream, UpstreamId};
use schema::record::{
    AliasOfClient, App, AppSettings, Callback, ClientTags as TagsRow, Device, Message, Number,
    Receipt as ReceiptRow, Sums, Tally, Walk as WalkRow,
};

use super::*;
use crate::apply::{Ids, apply};
use crate::clock::DAY_MS;
use crate::command::{Push, Reach, Storage};
use crate::group::{GroupPush, tests::push};
use crate::ids::{AppNo, SessionId, ShardNo, Ticket};
use crate::limits::PIECE_LEN_MAX;
use crate::op::{Op, Origin, Submitted};
use crate::rows::{MemoryRows, WriteSet};

const NOW_MS: u64 = 20_000 * DAY_MS + 5_000_000;
const APP: AppNo = AppNo(1);
const TICKET: Ticket = Ticket(1);
const ORIGIN: Origin = Origin::Ticket(TICKET);

fn cid(number: u8) -> ClientId {
    ClientId::from_bytes([number; 16])
}

fn app() -> App {
    App {
        number: 0,
        app_id: "id".into(),
        app_key: "key".into(),
        app_secret: "secret".into(),
        master_secret: "master".into(),
        name: "app".into(),
        created_ms: NOW_MS,
        disabled: false,
        sign_required: false,
        previous: None,
        settings: Box::new(AppSettings {
            callback: Callback {
                url: Some("http://receiver".into()),
                ..Callback::default()
            },
            ..AppSettings::default()
        }),
    }
}

fn register(number: u8) -> Op {
    let device = Device {
        app: APP.0,
        install: [number; 16],
        secret_hash: [number; 32],
        created_ms: NOW_MS,
        platform: 1,
        sdk_version: "test".into(),
        push_off: false,
        blocked: false,
        notify_off: false,
    };
    Op::Register {
        session: SessionId(u64::from(number)),
        cid: cid(number),
        device,
    }
}

fn body() -> Bytes {
    Bytes::from(vec![7; 2 * PIECE_LEN_MAX + 9])
}

fn single() -> Op {
    Op::Accept {
        ticket: TICKET,
        app: APP,
        targets: vec![(cid(1), Reach::Offline), (cid(2), Reach::Offline)],
        push: Push {
            vendor: None,
            skips_notify_off: false,
            request_id: "request".into(),
            task_id: "task".into(),
            storage: Storage::Until(NOW_MS + DAY_MS),
            body: body(),
        },
    }
}

fn group() -> Op {
    let push = GroupPush {
        request_id: Some("for many".into()),
        task_id: "group task".into(),
        group_name: "name".into(),
        ttl_ms: Some(DAY_MS),
        ..push(body())
    };
    Op::TakeGroup {
        ticket: TICKET,
        app: APP,
        push,
    }
}

fn upstream() -> Op {
    Op::TakeUpstream {
        session: SessionId(1),
        app: APP,
        cid: cid(1),
        message: Upstream {
            id: UpstreamId(9),
            task_id: "task".into(),
            body: body(),
        },
    }
}

/// A bit of everything.
fn whole() -> MemoryRows {
    let mut rows = MemoryRows::default();
    let mut ids = Ids::recover(&rows).expect("memory reads");
    let mut commit = |op: Op| {
        let shard = ShardNo(0);
        let batch = [Submitted { shard, op }];
        let applied = apply(&batch, NOW_MS, 1, &mut ids, &rows).expect("memory reads");
        rows.commit(applied.writes);
    };
    let create = Op::CreateApp {
        ticket: None,
        app: app(),
    };
    let bind = Op::BindAliases {
        origin: ORIGIN,
        app: APP,
        alias_type: "type".into(),
        bindings: vec![(cid(1), "alice".into())],
    };
    let tags = Op::SetTags {
        origin: ORIGIN,
        app: APP,
        cid: cid(1),
        tags: vec!["a".into(), "b".into()],
    };
    let boot = Op::Boot {
        registered_by_ms: 0,
    };
    for op in [boot, create, register(1), register(2), bind, tags] {
        commit(op);
    }
    for op in [single(), group(), upstream()] {
        commit(op);
    }
    commit(Op::Sample {
        at_ms: NOW_MS,
        online: vec![(APP, 1)],
    });
    rows
}

fn check_all(rows: &MemoryRows) -> Findings {
    check(rows, &rows.day_keyspaces(), NOW_MS)
}

fn with(rows: &MemoryRows, keyspace: Keyspace, key: &[u8], value: Option<Vec<u8>>) -> MemoryRows {
    let mut rows = rows.clone();
    let mut writes = WriteSet::default();
    writes.rows.insert((keyspace, key.to_vec()), value);
    rows.commit(writes);
    rows
}

/// A row with what is put there, and where that is seen.
type Trial<'a> = (Keyspace, &'a [u8], Vec<u8>, &'a [Keyspace]);

/// Where a fault is seen when a row of this keyspace is changed so.
fn seen(
    rows: &MemoryRows,
    keyspace: Keyspace,
    key: &[u8],
    value: Option<Vec<u8>>,
) -> Vec<Keyspace> {
    let findings = check_all(&with(rows, keyspace, key, value));
    assert_eq!(findings.faults_total, findings.faults.len() as u64);
    findings.faults.iter().map(|fault| fault.keyspace).collect()
}

fn first(rows: &MemoryRows, keyspace: Keyspace) -> (Vec<u8>, Vec<u8>) {
    let mut found = rows.all().filter(|(at, _, _)| *at == keyspace);
    let (_, key, value) = found.next().unwrap_or_else(|| panic!("{keyspace:?}"));
    (key.to_vec(), value.to_vec())
}

#[test]
fn given_rows_as_they_are_written_when_checked_should_count_them_and_find_nothing() {
    let rows = whole();
    let findings = check_all(&rows);
    assert_eq!(findings.faults, []);
    let counted: u64 = findings.rows.values().sum();
    assert_eq!(counted, rows.all().count() as u64);
    assert_eq!(findings.rows[&Keyspace::Reg], 2);
}

#[test]
fn given_a_row_that_is_gone_when_checked_should_name_the_rows_that_miss_it() {
    let rows = whole();
    let today = Day::of_ms(NOW_MS);
    let ends = Day::of_ms(NOW_MS + DAY_MS);
    use Keyspace::*;
    for (gone, missed_by) in [
        (
            Reg,
            &[Install, Alias, ClientAlias, ClientTags, Upstreams][..],
        ),
        (Install, &[Reg]),
        (Alias, &[ClientAlias]),
        (ClientAlias, &[Alias]),
        (Msg(ends), &[Msg(ends), Msg(ends), Task(today)]),
        (Stat, &[Stat]),
        (
            Group,
            &[GroupOfTask, GroupOfName, Body(ends), Body(ends), Body(ends)],
        ),
        (GroupOfTask, &[Group, Dedup(today)]),
        (GroupOfName, &[Group]),
        (Body(ends), &[Group]),
        (Task(today), &[Dedup(today)]),
        (Receipt, &[UpstreamBody, UpstreamBody, UpstreamBody]),
        (UpstreamBody, &[Receipt]),
    ] {
        let (key, _) = first(&rows, gone);
        assert_eq!(seen(&rows, gone, &key, None), missed_by, "{gone:?}");
    }
}

#[test]
fn given_a_row_that_cannot_be_decoded_when_checked_should_name_it_in_every_keyspace() {
    let rows = whole();
    let of_bytes = |keyspace| {
        matches!(
            keyspace,
            Keyspace::Body(_) | Keyspace::UpstreamBody | Keyspace::GroupOfName
        )
    };
    let mut keyspaces: Vec<Keyspace> = rows.all().map(|(keyspace, _, _)| keyspace).collect();
    keyspaces.dedup();
    assert!(keyspaces.len() >= 20, "{keyspaces:?}");
    for keyspace in keyspaces
        .into_iter()
        .filter(|keyspace| !of_bytes(*keyspace))
    {
        let (key, _) = first(&rows, keyspace);
        let found = seen(&rows, keyspace, &key, Some(vec![0xff; 3]));
        assert!(found.contains(&keyspace), "{keyspace:?}: {found:?}");
    }
}

#[test]
fn given_a_key_that_is_no_key_when_checked_should_name_it_in_every_keyspace() {
    let rows = whole();
    let mut keyspaces: Vec<Keyspace> = rows.all().map(|(keyspace, _, _)| keyspace).collect();
    keyspaces.dedup();
    // These have free names.
    let free = |keyspace| matches!(keyspace, Keyspace::Meta);
    for keyspace in keyspaces.into_iter().filter(|keyspace| !free(*keyspace)) {
        let (_, value) = first(&rows, keyspace);
        let found = seen(&rows, keyspace, &[1, 2, 3], Some(value));
        assert!(found.contains(&keyspace), "{keyspace:?}: {found:?}");
    }
}

#[test]
fn given_rows_that_contradict_each_other_when_checked_should_be_found() {
    let rows = whole();
    let ends = Day::of_ms(NOW_MS + DAY_MS);
    let client_alias = keys::client_alias(cid(1), "type");
    let other = AliasOfClient {
        alias: "bob".into(),
        order: 1,
    };
    let late = AliasOfClient {
        alias: "alice".into(),
        order: 77,
    };
    let many_ended = Tally {
        accepted: 2,
        acked: 3,
        ..Tally::default()
    };
    let all_ended = Tally {
        accepted: 2,
        acked: 2,
        ..Tally::default()
    };
    let (message, row) = first(&rows, Keyspace::Msg(ends));
    let early = Message {
        expires_ms: NOW_MS - 2 * DAY_MS,
        ..Message::decode(&row).expect("a message")
    };
    let (receipt, row) = first(&rows, Keyspace::Receipt);
    let long = ReceiptRow {
        pieces: 4,
        ..ReceiptRow::decode(&row).expect("a receipt")
    };
    let (install, _) = first(&rows, Keyspace::Install);
    use Keyspace::*;
    let trials: [Trial<'_>; 8] = [
        (
            ClientAlias,
            &client_alias,
            other.encode(),
            &[Alias, ClientAlias],
        ),
        (ClientAlias, &client_alias, late.encode(), &[Alias]),
        (Stat, &keys::tally(ends), many_ended.encode(), &[Stat, Stat]),
        (Stat, &keys::tally(ends), all_ended.encode(), &[Stat]),
        (Msg(ends), &message, early.encode(), &[Msg(ends)]),
        (Receipt, &receipt, long.encode(), &[Receipt]),
        (
            Install,
            &install,
            cid(2).as_bytes().to_vec(),
            &[Reg, Install],
        ),
        (
            Meta,
            keys::meta::ID_CEILING_MS,
            Number { value: 5 }.encode(),
            &[Msg(ends), Msg(ends)],
        ),
    ];
    for (keyspace, key, value, found) in trials {
        assert_eq!(
            seen(&rows, keyspace, key, Some(value)),
            found,
            "{keyspace:?}"
        );
    }
}

#[test]
fn given_more_faults_than_are_kept_when_checked_should_count_them_all() {
    let mut rows = MemoryRows::default();
    let mut writes = WriteSet::default();
    for number in 0..2 * FAULTS_LEN_MAX {
        writes.put(Keyspace::Reg, number.to_be_bytes().to_vec(), vec![1]);
    }
    rows.commit(writes);
    let findings = check_all(&rows);
    assert_eq!(findings.faults.len(), FAULTS_LEN_MAX);
    assert_eq!(findings.faults_total, 2 * FAULTS_LEN_MAX as u64);
}

#[test]
fn given_rows_at_the_edge_of_what_fits_when_checked_should_be_told_apart() {
    let rows = whole();
    let ends = Day::of_ms(NOW_MS + DAY_MS);
    let today = Day::of_ms(NOW_MS);
    let (group_key, _) = first(&rows, Keyspace::Group);
    let number = keys::group_at_end(&group_key).expect("a group push");
    let task = Number { value: number.0 }.encode();
    let (message, _) = first(&rows, Keyspace::Msg(ends));
    let (id, _) = keys::message_of(&message).expect("a message");
    let (receipt, _) = first(&rows, Keyspace::Receipt);
    let (_, task_row) = first(&rows, Keyspace::Task(today));
    let sums = |targets| Sums {
        targets,
        acked: 1,
        expired: 2,
        filtered: 3,
        revoked: 4,
        ..Sums::default()
    };
    let twice = TagsRow {
        tags: vec!["a".into(), "a".into()],
    };
    let no_install = Device {
        app: APP.0,
        install: crate::portable::NO_INSTALL,
        secret_hash: [9; 32],
        created_ms: NOW_MS,
        platform: 1,
        sdk_version: "test".into(),
        push_off: false,
        blocked: false,
        notify_off: false,
    };
    let alias = |len| AliasOfClient {
        alias: "x".repeat(len),
        order: 1,
    };
    let long_type = keys::client_alias(cid(2), &"t".repeat(256));
    let mut acted = keys::acted(cid(1), id, 10_000);
    acted.push(0);
    let walk = WalkRow {
        upto: [0; 16],
        done: false,
        len: 0,
    };
    let other_app = AppNo(2);
    use Keyspace::*;
    let trials = [
        (
            UpstreamBody,
            keys::piece_of_upstream(&receipt, 3),
            vec![1],
            &[UpstreamBody][..],
        ),
        (Body(ends), keys::body(number, 3), vec![1], &[Body(ends)]),
        (
            Msg(ends),
            keys::message(cid(1), id, 3),
            vec![1],
            &[Msg(ends)],
        ),
        (Reg, keys::client(cid(9)), no_install.encode(), &[]),
        (
            ClientTags,
            keys::client(cid(1)),
            twice.encode(),
            &[ClientTags],
        ),
        (ClientAlias, long_type, alias(1).encode(), &[ClientAlias]),
        (
            ClientAlias,
            keys::client_alias(cid(2), "type"),
            alias(256).encode(),
            &[ClientAlias],
        ),
        (
            GroupOfTask,
            keys::group_of_task(other_app, "group task"),
            task.clone(),
            &[GroupOfTask],
        ),
        (
            GroupOfTask,
            keys::group_of_task(APP, "other task"),
            task,
            &[GroupOfTask],
        ),
        (
            GroupOfName,
            keys::group_of_name(other_app, "name", number),
            Vec::new(),
            &[GroupOfName],
        ),
        (
            GroupOfName,
            keys::group_of_name(APP, "other", number),
            Vec::new(),
            &[GroupOfName],
        ),
        // Whose messages are made, and no walk over them, has walked to its end.
        (GroupSums, group_key.clone(), sums(10).encode(), &[Group]),
        (GroupSums, group_key, sums(9).encode(), &[Group, GroupSums]),
        (Walk, keys::walk(number, 2, ShardNo(1)), walk.encode(), &[]),
        (
            Walk,
            keys::walk(number, 1, ShardNo(1)),
            walk.encode(),
            &[Walk],
        ),
        (Task(today), keys::task(APP, ""), task_row, &[Task(today)]),
        (
            Acted(crate::apply::made_on(id)),
            acted,
            Number { value: 1 }.encode(),
            &[Acted(crate::apply::made_on(id))],
        ),
    ];
    for (keyspace, key, value, found) in trials {
        let seen = seen(&rows, keyspace, &key, Some(value));
        assert_eq!(seen, found, "{keyspace:?} {key:?}");
    }
}

#[test]
fn given_a_push_to_many_whose_body_is_gone_when_checked_should_be_found_while_it_sends() {
    let mut rows = whole();
    let ends = Day::of_ms(NOW_MS + DAY_MS);
    let mut writes = WriteSet::default();
    for (keyspace, key, _) in rows.all().filter(|(at, ..)| *at == Keyspace::Body(ends)) {
        writes.delete(keyspace, key.to_vec());
    }
    rows.commit(writes);
    let faults = |now_ms| {
        let faults = check(&rows, &rows.day_keyspaces(), now_ms).faults;
        faults.iter().any(|fault| fault.keyspace == Keyspace::Group)
    };
    assert!(faults(NOW_MS));
    assert!(!faults(NOW_MS + DAY_MS), "its time is over");
}

#[test]
fn given_a_day_that_was_closed_when_checked_should_hold_only_messages_made_since() {
    let rows = whole();
    let ends = Day::of_ms(NOW_MS + DAY_MS);
    let (message, _) = first(&rows, Keyspace::Msg(ends));
    let (id, _) = keys::message_of(&message).expect("a message");
    let one_ended = Tally {
        accepted: 2,
        expired: 1,
        ..Tally::default()
    };
    let rows = with(
        &rows,
        Keyspace::Stat,
        &keys::tally(ends),
        Some(one_ended.encode()),
    );
    assert_eq!(check_all(&rows).faults_total, 1, "both are open");
    let closed = Number { value: id.0 }.encode();
    let name = keys::meta::day_closed(ends);
    assert_eq!(seen(&rows, Keyspace::Meta, &name, Some(closed)), []);
}
