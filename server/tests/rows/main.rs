//! fjall and rows in memory are the same store: what `apply` writes through the committer reads
//! back equal from both, after days were dropped and after the database was opened again.

mod any_op;

use std::path::Path;

use bytes::Bytes;
use proptest::prelude::*;
use protocol::MessageId;
use schema::record::FirstAnswer;
use server::store::committer::Committer;
use server::store::{Store, StoreBounds};
use server::telemetry::Telemetry;
use server_core::apply::{Ids, apply};
use server_core::clock::DAY_MS;
use server_core::command::{Reach, Storage};
use server_core::group::GroupNo;
use server_core::ids::{AppNo, ShardNo, Ticket};
use server_core::keys;
use server_core::op::{Committed, MessageEnd, Op, Submitted};
use server_core::outbox::{Fate, Final};
use server_core::read::{alias_of_cid, backlog, cids_of_alias};
use server_core::rows::{Keyspace, MemoryRows, Rows};

use any_op::*;

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
        let store = Store::open(path, StoreBounds::of_files(64)).expect("the store opens");
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
    // Nobody is to hear of the push, which else would have a table of today more.
    both.commit(vec![Op::ChangeApp {
        ticket: Ticket(1),
        app: app(1),
    }]);
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
