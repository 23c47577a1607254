//! Rows as a commit writes them have no fault; each row lost or changed is one.

use bytes::Bytes;
use protocol::{ClientId, Upstream, UpstreamId};
use schema::record::{
    AliasOfClient, App, AppSettings, Callback, Device, Message, Number, Receipt as ReceiptRow,
    Tally,
};

use super::*;
use crate::apply::{Ids, apply};
use crate::clock::DAY_MS;
use crate::command::{Push, Reach, Storage};
use crate::group::{Audience, GroupKind, GroupPush};
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
        kind: GroupKind::App,
        audience: Audience::default(),
        start_ms: None,
        ttl_ms: Some(DAY_MS),
        speed: 0,
        vendor: None,
        skips_notify_off: false,
        body: body(),
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
    for op in [Op::Boot, create, register(1), register(2), bind, tags] {
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
    let mut days: Vec<Keyspace> = rows
        .all()
        .map(|(keyspace, _, _)| keyspace)
        .filter(|keyspace| !Keyspace::FIXED.contains(keyspace))
        .collect();
    days.dedup();
    check(rows, &days, NOW_MS)
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
        (Msg(ends), &[Msg(ends), Msg(ends)]),
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
