//! fjall and rows in memory are the same store: what `apply` writes through the committer reads
//! back equal from both, after days were dropped and after the database was opened again.

use std::path::Path;

use bytes::Bytes;
use proptest::prelude::*;
use protocol::{ClientId, MessageId};
use schema::record::{App, Device, FirstAnswer};
use server::store::Store;
use server::store::committer::Committer;
use server::telemetry::Telemetry;
use server_core::apply::{Ids, apply};
use server_core::clock::{DAY_MS, Day};
use server_core::command::{Push, Reach, Storage};
use server_core::group::GroupNo;
use server_core::ids::{AppNo, SessionId, ShardNo, Ticket};
use server_core::op::{Committed, CursorMove, MessageEnd, Op, Origin, Submitted};
use server_core::outbox::{Fate, Final};
use server_core::read::{alias_of_cid, backlog, cids_of_alias};
use server_core::rows::{Keyspace, MemoryRows, Rows};
use server_core::{keys, limits};

const CIDS: u8 = 5;
const ALIASES: [&str; 3] = ["alice", "bob", "用户"];
const TYPES: [&str; 2] = ["", "phone"];
const ORIGIN: Origin = Origin::Ticket(Ticket(1));

fn cid(n: u8) -> ClientId {
    // Two of them share a slot, so that a prefix has a neighbour.
    ClientId::from_bytes([n / 2 * 0x30, 0, n, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, n])
}

fn today() -> Day {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Day::of_ms(since.map_or(0, |since| since.as_millis() as u64))
}

/// A day some days from today; the database commits by the real clock.
fn day(offset: i32) -> Day {
    Day(today().0.saturating_add_signed(offset))
}

fn accept(request_id: &str, targets: Vec<(ClientId, Reach)>, storage: Storage, body: Bytes) -> Op {
    let push = Push {
        vendor: None,
        request_id: request_id.into(),
        task_id: format!("task of {request_id}").into(),
        storage,
        body,
    };
    Op::Accept {
        ticket: Ticket(1),
        app: AppNo(1),
        targets,
        push,
    }
}

fn any_cid() -> impl Strategy<Value = ClientId> {
    (0..CIDS).prop_map(cid)
}

fn any_accept() -> impl Strategy<Value = Op> {
    let reach = prop_oneof![
        Just(Reach::Online),
        Just(Reach::Offline),
        Just(Reach::Filtered)
    ];
    let storage = prop_oneof![
        1 => Just(Storage::Never),
        5 => (-2..4i32, 0..DAY_MS)
            .prop_map(|(offset, ms)| Storage::Until(u64::from(day(offset).0) * DAY_MS + ms)),
    ];
    let piece = limits::PIECE_LEN_MAX;
    let len = prop_oneof![
        0..40usize,
        Just(piece),
        Just(piece + 1),
        4 * piece..5 * piece
    ];
    let targets = prop::collection::vec((any_cid(), reach), 0..3);
    (0..12u8, targets, storage, len, any::<u8>()).prop_map(
        |(request, targets, storage, len, byte)| {
            accept(
                &format!("request {request}"),
                targets,
                storage,
                Bytes::from(vec![byte; len]),
            )
        },
    )
}

fn any_register() -> impl Strategy<Value = Op> {
    (any_cid(), 0..6u8, 0..2u8, 1..3u32)
        .prop_map(|(cid, install, secret, app)| register(cid, install, secret, app))
}

fn any_cursors() -> impl Strategy<Value = Op> {
    let moves = prop::collection::vec((any_cid(), any::<u64>()), 0..4);
    let finals = prop::collection::vec((-2..4i32, 0..4u64), 0..3);
    (moves, finals).prop_map(|(moves, finals)| Op::Cursors {
        moves: moves
            .into_iter()
            .map(|(cid, acked)| CursorMove {
                active: acked.is_multiple_of(2).then_some(AppNo(1)),
                cid,
                acked: MessageId(acked),
                last_login_ms: 2,
                last_seen_ms: 3,
            })
            .collect(),
        finals: finals
            .into_iter()
            .map(|(offset, id)| MessageEnd {
                app: Some(AppNo(1)),
                cid: cid(id as u8),
                end: Final {
                    group: GroupNo(id % 2),
                    id: MessageId((u64::from(day(offset).0) * DAY_MS) << 22 | id),
                    day: day(offset),
                    fate: if id % 2 == 0 {
                        Fate::Acked
                    } else {
                        Fate::Expired
                    },
                    sent_ms: id,
                },
                final_ms: id + 1,
            })
            .collect(),
    })
}

fn any_alias_op() -> impl Strategy<Value = Op> {
    let bindings = prop::collection::vec((any_cid(), prop::sample::select(&ALIASES[..])), 1..3);
    let app = (1..3u32).prop_map(AppNo);
    (0..3u8, app, prop::sample::select(&TYPES[..]), bindings).prop_map(
        |(kind, app, alias_type, bindings)| {
            let origin = ORIGIN;
            let alias_type: Box<str> = alias_type.into();
            let alias: Box<str> = bindings[0].1.into();
            let bindings = bindings
                .into_iter()
                .map(|(cid, alias)| (cid, alias.into()))
                .collect();
            match kind {
                0 => Op::BindAliases {
                    origin,
                    app,
                    alias_type,
                    bindings,
                },
                1 => Op::UnbindAliases {
                    origin,
                    app,
                    alias_type,
                    bindings,
                },
                _ => Op::DropAlias {
                    origin,
                    app,
                    alias_type,
                    alias,
                },
            }
        },
    )
}

fn app(number: u32) -> App {
    App {
        number,
        app_id: format!("app {number}"),
        app_key: "key".into(),
        app_secret: "secret".into(),
        master_secret: "master".into(),
        name: "name".into(),
        created_ms: 4,
        disabled: false,
        sign_required: true,
        previous: None,
        settings: Box::default(),
    }
}

/// Changes and deletions of apps that may exist.
fn any_app_op() -> impl Strategy<Value = Op> {
    (0..3u8, 1..4u32, any::<bool>()).prop_map(|(kind, number, disabled)| {
        let app = App {
            disabled,
            name: format!("name {disabled}"),
            ..app(number)
        };
        let ticket = Ticket(1);
        match kind {
            0 => Op::CreateApp { ticket: None, app },
            1 => Op::ChangeApp { ticket, app },
            _ => Op::DeleteApp { ticket, app },
        }
    })
}

fn any_forgetting() -> impl Strategy<Value = Op> {
    prop::collection::vec(any_cid(), 1..3).prop_map(|cids| Op::ForgetDevices { ticket: None, cids })
}

fn register(cid: ClientId, install: u8, secret: u8, app: u32) -> Op {
    let device = Device {
        app,
        install: [install; 16],
        secret_hash: [secret; 32],
        created_ms: 1,
        platform: 1,
        sdk_version: "1.0".into(),
        push_off: false,
        blocked: false,
    };
    Op::Register {
        session: SessionId(1),
        cid,
        device,
    }
}

/// Something of everything that can be deleted, so that what deletes finds what to delete: two apps,
/// all devices, each with a cursor and an alias of each type.
fn settled() -> Vec<Op> {
    let app_of = |n: u8| u32::from(n % 2) + 1;
    let mut ops: Vec<Op> = (1..3)
        .map(|number| Op::CreateApp {
            ticket: None,
            app: app(number),
        })
        .collect();
    ops.extend((0..CIDS).map(|n| register(cid(n), n, 0, app_of(n))));
    ops.push(Op::Cursors {
        moves: (0..CIDS)
            .map(|n| CursorMove {
                cid: cid(n),
                acked: MessageId(1),
                last_login_ms: 2,
                last_seen_ms: 3,
                active: None,
            })
            .collect(),
        finals: Vec::new(),
    });
    for alias_type in TYPES {
        ops.extend((0..CIDS).map(|n| Op::BindAliases {
            origin: ORIGIN,
            app: AppNo(app_of(n)),
            alias_type: alias_type.into(),
            bindings: vec![(cid(n), ALIASES[usize::from(n) % 2].into())],
        }));
    }
    ops
}

fn any_op() -> impl Strategy<Value = Op> {
    prop_oneof![
        10 => any_accept(),
        4 => any_register(),
        3 => any_cursors(),
        6 => any_alias_op(),
        3 => any_app_op(),
        3 => any_forgetting(),
        1 => Just(Op::Boot),
        // Not later than tomorrow: the request ids of today are needed to learn the time.
        2 => (-2..2i32).prop_map(|offset| Op::DropDays(day(offset))),
    ]
}

/// The database and its picture in memory.
struct Both {
    committer: Committer,
    store: Store,
    memory: MemoryRows,
    ids: Ids,
    batches: u32,
}

impl Both {
    fn open(path: &Path, memory: MemoryRows, batches: u32) -> Both {
        let store = Store::open(path, 64).expect("the store opens");
        let committer = Committer::new(store.clone(), Telemetry::new(1, 0), Default::default())
            .expect("the store reads");
        let ids = Ids::recover(&memory).expect("memory reads");
        Both {
            committer,
            store,
            memory,
            ids,
            batches,
        }
    }

    fn reopen(self, path: &Path) -> Both {
        let Both {
            committer,
            store,
            memory,
            batches,
            ..
        } = self;
        drop((committer, store));
        Both::open(path, memory, batches)
    }

    /// Commits a batch to both, at the time that the committer took for it.
    fn commit(&mut self, mut ops: Vec<Op>) {
        self.batches += 1;
        let clock = format!("clock {}", self.batches);
        ops.push(accept(&clock, Vec::new(), Storage::Never, Bytes::new()));
        let heard = self
            .committer
            .commit_now(ops.clone())
            .expect("the store writes");
        let now_ms = self.accepted_ms(&clock);
        let batch: Vec<Submitted> = ops
            .into_iter()
            .map(|op| Submitted {
                shard: ShardNo(0),
                op,
            })
            .collect();
        let applied = apply(&batch, now_ms, 1, &mut self.ids, &self.memory).expect("memory reads");
        self.memory.commit(applied.writes);
        let expected: Vec<Committed> = applied.events.into_iter().map(|(_, event)| event).collect();
        assert_eq!(heard, expected, "both say the same to the shards");
    }

    /// When a request was accepted, by its row in the database.
    fn accepted_ms(&self, request_id: &str) -> u64 {
        let mut known = Default::default();
        let view = self.store.view(&mut known).expect("the store reads");
        let key = keys::request(AppNo(1), request_id);
        let row = (-1..=1)
            .find_map(|offset| {
                view.get(Keyspace::Dedup(day(offset)), &key)
                    .expect("the store reads")
            })
            .expect("a request id has a row");
        FirstAnswer::decode(&row)
            .expect("a row of ours")
            .accepted_ms
    }

    fn compare(&self) {
        let mut known = Default::default();
        let view = self.store.view(&mut known).expect("the store reads");
        let days = (-12..7).flat_map(|offset| {
            let day = day(offset);
            [
                Keyspace::Msg(day),
                Keyspace::Dedup(day),
                Keyspace::Task(day),
                Keyspace::Outcome(day),
            ]
        });
        for keyspace in Keyspace::FIXED.into_iter().chain(days) {
            let expected = rows_of(&self.memory, keyspace);
            assert_eq!(rows_of(&view, keyspace), expected, "{keyspace:?}");
            for (key, value) in expected {
                assert_eq!(
                    view.get(keyspace, &key),
                    Ok(Some(value)),
                    "{keyspace:?} {key:02x?}"
                );
            }
            assert_eq!(view.get(keyspace, b"no such key"), Ok(None), "{keyspace:?}");
        }
        let days = view.message_days();
        assert!(
            self.memory
                .message_days()
                .iter()
                .all(|day| days.contains(day)),
            "a day with rows is known"
        );
        for n in 0..CIDS {
            let cid = cid(n);
            let mut after = MessageId::NONE;
            for now_ms in [0, u64::from(today().0) * DAY_MS, u64::MAX] {
                let page = backlog(&view, cid, after, now_ms);
                assert_eq!(
                    page,
                    backlog(&self.memory, cid, after, now_ms),
                    "backlog of {cid}"
                );
                let messages = page.expect("the store reads").messages;
                after = messages
                    .get(messages.len() / 2)
                    .map_or(after, |message| message.id);
            }
            for alias_type in TYPES {
                assert_eq!(
                    alias_of_cid(&view, cid, alias_type),
                    alias_of_cid(&self.memory, cid, alias_type)
                );
            }
        }
        for (app, alias) in [1, 2]
            .into_iter()
            .flat_map(|app| ALIASES.map(|alias| (AppNo(app), alias)))
        {
            for alias_type in TYPES {
                let expected = cids_of_alias(&self.memory, app, alias_type, alias);
                assert_eq!(
                    cids_of_alias(&view, app, alias_type, alias),
                    expected,
                    "{app:?} {alias}"
                );
            }
        }
    }
}

fn rows_of(rows: &impl Rows, keyspace: Keyspace) -> Vec<(Vec<u8>, Bytes)> {
    let mut found = Vec::new();
    rows.range(keyspace, &[], &[], &mut |key, value| {
        found.push((key.to_vec(), Bytes::copy_from_slice(value)));
        true
    })
    .expect("rows read");
    found
}

fn len_of(rows: &impl Rows, keyspaces: &[Keyspace]) -> usize {
    let each = keyspaces
        .iter()
        .map(|keyspace| rows_of(rows, *keyspace).len());
    each.sum()
}

#[test]
fn given_everything_there_is_when_deleted_should_be_gone_from_both_for_good() {
    const OF_APPS_AND_DEVICES: [Keyspace; 6] = [
        Keyspace::App,
        Keyspace::Reg,
        Keyspace::Cur,
        Keyspace::Install,
        Keyspace::Alias,
        Keyspace::ClientAlias,
    ];
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut both = Both::open(folder.path(), MemoryRows::default(), 0);
    both.commit(settled());
    both.compare();
    for keyspace in OF_APPS_AND_DEVICES {
        assert_ne!(len_of(&both.memory, &[keyspace]), 0, "{keyspace:?}");
    }
    both.commit(vec![Op::DropAlias {
        origin: ORIGIN,
        app: AppNo(1),
        alias_type: TYPES[0].into(),
        alias: ALIASES[0].into(),
    }]);
    both.compare();
    both.commit(vec![Op::ForgetDevices {
        ticket: None,
        cids: (0..CIDS).map(cid).collect(),
    }]);
    both.compare();
    let gone = (1..3).map(|number| Op::DeleteApp {
        ticket: Ticket(1),
        app: app(number),
    });
    both.commit(gone.collect());
    both.compare();
    assert_eq!(len_of(&both.memory, &OF_APPS_AND_DEVICES), 0);
    both.reopen(folder.path()).compare();
}

#[test]
fn given_days_that_are_over_when_dropped_should_leave_no_folder_on_the_disk() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let tables = || {
        let entries = std::fs::read_dir(folder.path().join("keyspaces")).expect("keyspaces");
        entries.count()
    };
    let mut both = Both::open(folder.path(), MemoryRows::default(), 0);
    // A push of today makes the days that stay; only what is old can be dropped by the real clock.
    both.commit(settled());
    let stays = tables();
    let (old_push, old_end) = (day(-3), day(-12));
    let until = Storage::Until(u64::from(old_push.0) * DAY_MS);
    let targets = vec![(cid(0), Reach::Offline)];
    both.commit(vec![
        accept("a request", targets, until, Bytes::from(vec![7; 100])),
        Op::Cursors {
            moves: Vec::new(),
            finals: vec![MessageEnd {
                app: Some(AppNo(1)),
                cid: cid(0),
                end: Final {
                    group: GroupNo::NONE,
                    id: MessageId((u64::from(old_end.0) * DAY_MS) << 22 | 1),
                    day: old_push,
                    fate: Fate::Acked,
                    sent_ms: 1,
                },
                final_ms: 2,
            }],
        },
    ]);
    both.compare();
    let old = [Keyspace::Msg(old_push), Keyspace::Outcome(old_end)];
    for keyspace in old {
        assert_ne!(len_of(&both.memory, &[keyspace]), 0, "{keyspace:?}");
    }
    assert_eq!(tables(), stays + old.len(), "a folder for each day");
    both.commit(vec![Op::DropDays(day(-1))]);
    both.compare();
    assert_eq!(len_of(&both.memory, &old), 0);
    assert_eq!(tables(), stays, "no folder of days that are over");
    let both = both.reopen(folder.path());
    assert_eq!(tables(), stays, "nor after a new start");
    drop(both);
}

proptest! {
    // Each case opens a database several times and syncs each batch.
    #![proptest_config(ProptestConfig {
        cases: 10,
        max_shrink_iters: 200,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn given_any_batches_when_committed_to_both_should_read_back_equal(
        batches in prop::collection::vec((prop::collection::vec(any_op(), 1..12), prop::bool::weighted(0.2)), 1..8),
    ) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut both = Both::open(folder.path(), MemoryRows::default(), 0);
        both.commit(settled());
        both.compare();
        for (ops, reopen) in batches {
            both.commit(ops);
            both.compare();
            if reopen {
                both = both.reopen(folder.path());
                both.compare();
            }
        }
        both.reopen(folder.path()).compare();
    }
}
