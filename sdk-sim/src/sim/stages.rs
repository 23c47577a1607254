//! Where every message stands, kept up with each event: the stage sum of the design, and what the
//! rows of each day must say.
//!
//! Owner: one `World`. It hears of a batch when its rows become visible, of an end when a shard
//! counts it, of a crash. Always: a message is in one place: held, counted by a shard and not yet
//! in the rows, in the rows, or without a row and lost with a process. An event costs it the
//! messages that the event moves; `sums` recounts from the rows now and then.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use protocol::{ClientId, MessageId};
use schema::record::{Cursor, Outcome, Tally};
use server_core::apply::{StoredStatus, finals};
use server_core::clock::Day;
use server_core::command::{Push, Reach, Storage};
use server_core::group::GroupNo;
use server_core::ids::AppNo;
use server_core::keys;
use server_core::limits::DAY_GRACE_MS;
use server_core::op::{Accepted, Committed, CursorMove, Done, MessageEnd, Op, StoredMessage};
use server_core::outbox::Fate;
use server_core::rows::{Keyspace, MemoryRows, Rows};

use super::disk::Batch;
use super::groups::{Groups, Many};
use super::sums::each;

/// Names a message.
pub(super) type Key = (ClientId, MessageId);

/// One message that was accepted.
#[derive(Debug, Clone, Copy)]
pub(super) struct One {
    pub(super) day: Day,
    pub(super) kept: bool,
    pub(super) expires_ms: u64,
    /// The push to many that it belongs to.
    pub(super) group: GroupNo,
    /// When it was sent last, in ms of Unix time.
    pub(super) sent_ms: u64,
    /// A shard counted its end.
    end: Option<Outcome>,
    /// The end is in the rows.
    written: bool,
    /// Its day was over before its end was in the rows: it is counted as expired.
    pub(super) closed: bool,
    /// It had no row, and its process died.
    lost: bool,
}

impl One {
    /// Whether the rows say how it ended.
    pub(super) fn is_in_rows(&self) -> bool {
        self.written || self.closed
    }

    /// How it ended, if that is written.
    pub(super) fn outcome(&self) -> Option<Outcome> {
        self.end.filter(|_| self.written)
    }

    /// As what it is counted in the rows of its day, if its end is there: late acknowledgements
    /// are counted in a day that is over, nothing else is.
    fn counted_as(&self) -> Option<Fate> {
        let fate = self.outcome().and_then(|end| Fate::from_number(end.fate));
        match fate {
            Some(Fate::Acked) => fate,
            _ if self.closed => Some(Fate::Expired),
            _ => fate,
        }
    }
}

/// How many messages are where.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Places {
    accepted: u64,
    /// Ended when they were accepted: filtered, or expired for want of a session.
    ignored: u64,
    in_rows: u64,
    counted: u64,
    held: u64,
    lost: u64,
}

impl Places {
    fn of(&mut self, one: &One) -> &mut u64 {
        if one.is_in_rows() {
            &mut self.in_rows
        } else if one.end.is_some() {
            &mut self.counted
        } else if one.lost {
            &mut self.lost
        } else {
            &mut self.held
        }
    }

    fn add_up(&self) -> bool {
        self.accepted == self.ignored + self.in_rows + self.counted + self.held + self.lost
    }
}

/// A task as its third party may ask for it.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) accepted_ms: u64,
    pub(super) expires_ms: u64,
    pub(super) kept: bool,
    pub(super) targets: Vec<(ClientId, MessageId, StoredStatus)>,
}

/// See the module page.
#[derive(Debug, Default)]
pub(super) struct Stages {
    messages: BTreeMap<Key, One>,
    /// Those whose end is not in the rows.
    open: BTreeSet<(Day, Key)>,
    /// Those that a shard counted and no row.
    counted: BTreeSet<Key>,
    all: Places,
    devices: BTreeMap<ClientId, Places>,
    /// What the rows of each day must say, and the sum of what they do say.
    days: BTreeMap<Day, Tally>,
    read: BTreeMap<Day, Tally>,
    read_accepted: u64,
    read_finals: u64,
    /// The last cursor of each device, those of forgotten ones too.
    pub(super) cursors: BTreeMap<ClientId, MessageId>,
    pub(super) tasks: BTreeMap<(AppNo, Box<str>), Told>,
}

impl Stages {
    /// The rows of a batch can be read from here on.
    pub(super) fn visible(&mut self, batch: &Batch, rows: &MemoryRows, groups: &Groups) {
        let mut ops = batch.ops.iter();
        let mut stored = Vec::new();
        let (mut over, mut dropped) = (None, 0);
        for (_, event) in &batch.events {
            match event {
                Committed::Stored { cid, message } => {
                    let StoredMessage {
                        id,
                        expires_ms,
                        kept,
                        group,
                        ..
                    } = *message;
                    self.stored(*cid, id, expires_ms, kept, group);
                    stored.push(id);
                }
                Committed::Done(done) => {
                    let submitted = ops.next().expect("one answer for each op");
                    match (&submitted.op, done) {
                        (
                            Op::Accept {
                                app, targets, push, ..
                            },
                            Done::Accepted { accepted, .. },
                        ) if !accepted.repeated => {
                            self.accepted(*app, targets, push, accepted, &stored, batch.now_ms);
                        }
                        (
                            Op::PushList {
                                app,
                                task_id,
                                targets,
                                ..
                            },
                            Done::Accepted { .. },
                        ) => {
                            let many = groups.of_task(*app, task_id).expect("a list that is open");
                            self.counted(many, targets.iter().copied());
                        }
                        (
                            Op::Fan { group, targets, .. },
                            Done::Fanned {
                                reached,
                                goes_on: true,
                                ..
                            },
                        ) => {
                            let many = groups.get(*group).expect("a push that was taken");
                            for (cid, id, _) in reached {
                                if *id != MessageId::NONE {
                                    self.stored(*cid, *id, many.expires_ms, many.kept, *group);
                                }
                            }
                            self.counted(many, targets.iter().copied());
                        }
                        (Op::Cursors { moves, finals }, _) => self.written(moves, finals),
                        (Op::DropDays(before), Done::DaysDropped { expired }) => {
                            // The clock may be back in a day that a shard saw end.
                            let shown = Day::of_ms(batch.now_ms.saturating_sub(DAY_GRACE_MS));
                            over = over.max(Some((*before).min(shown)));
                            dropped += expired;
                        }
                        _ => {}
                    }
                    stored.clear();
                }
                _ => {}
            }
        }
        if let Some(before) = over {
            let closed = self.close(before);
            assert_eq!(dropped, closed, "messages that expired with their day");
            let days = rows.message_days();
            assert!(
                days.iter().all(|day| *day >= before),
                "the days before {before:?} are over and have rows: {days:?}"
            );
        }
        for day in &batch.tallied {
            self.read_day(*day, rows);
        }
        self.check();
    }

    fn stored(
        &mut self,
        cid: ClientId,
        id: MessageId,
        expires_ms: u64,
        kept: bool,
        group: GroupNo,
    ) {
        let one = One {
            day: Day::of_ms(expires_ms),
            kept,
            expires_ms,
            group,
            sent_ms: 0,
            end: None,
            written: false,
            closed: false,
            lost: false,
        };
        self.messages.insert((cid, id), one);
        self.open.insert((one.day, (cid, id)));
        self.all.held += 1;
        self.devices.entry(cid).or_default().held += 1;
    }

    /// Targets of a push to many: some got a message, the others are counted only.
    fn counted(&mut self, many: &Many, targets: impl Iterator<Item = (ClientId, Reach)>) {
        let day = Day::of_ms(many.expires_ms);
        // A walk over nobody is counted too.
        self.days.entry(day).or_default();
        for (cid, reach) in targets {
            let status = StoredStatus::of(reach, many.kept);
            self.target(cid, day, status);
        }
    }

    fn target(&mut self, cid: ClientId, day: Day, status: StoredStatus) {
        let tally = self.days.entry(day).or_default();
        tally.accepted += 1;
        tally.filtered += u64::from(status == StoredStatus::Filtered);
        tally.expired += u64::from(status == StoredStatus::Expired);
        let is_ignored = matches!(status, StoredStatus::Filtered | StoredStatus::Expired);
        let device = self.devices.entry(cid).or_default();
        for places in [&mut self.all, &mut *device] {
            places.accepted += 1;
            places.ignored += u64::from(is_ignored);
        }
    }

    fn accepted(
        &mut self,
        app: AppNo,
        targets: &[(ClientId, Reach)],
        push: &Push,
        accepted: &Accepted,
        stored: &[MessageId],
        now_ms: u64,
    ) {
        let (expires_ms, kept) = match push.storage {
            Storage::Until(expires_ms) => (expires_ms, true),
            Storage::Never => (now_ms, false),
        };
        let day = Day::of_ms(expires_ms);
        let mut stored = stored.iter();
        let mut told = Vec::with_capacity(targets.len());
        let (mut filtered, mut expired) = (0, 0);
        for (cid, reach) in targets {
            let status = match reach {
                Reach::Filtered => StoredStatus::Filtered,
                Reach::Online | Reach::OnlineNotifyOff => StoredStatus::Online,
                Reach::Offline | Reach::OfflineNotifyOff if kept => StoredStatus::Offline,
                Reach::Offline | Reach::OfflineNotifyOff => StoredStatus::Expired,
            };
            filtered += u32::from(status == StoredStatus::Filtered);
            expired += u32::from(status == StoredStatus::Expired);
            self.target(*cid, day, status);
            let device = &self.devices[cid];
            assert!(device.add_up(), "the stages of {cid}: {device:?}");
            let is_ignored = matches!(status, StoredStatus::Filtered | StoredStatus::Expired);
            let id = if is_ignored {
                MessageId::NONE
            } else {
                *stored.next().expect("a message for each that is sent")
            };
            told.push((*cid, id, status));
        }
        assert_eq!(
            (accepted.filtered, accepted.expired),
            (filtered, expired),
            "targets of {} that were ignored",
            push.request_id
        );
        let told = Told {
            accepted_ms: now_ms,
            expires_ms,
            kept,
            targets: told,
        };
        self.tasks.insert((app, push.task_id.clone()), told);
    }

    /// A message is sent in a session, at this time.
    pub(super) fn sent(&mut self, cid: ClientId, id: MessageId, wall_ms: u64) {
        let one = self.messages.get_mut(&(cid, id));
        one.expect("what is sent was accepted").sent_ms = wall_ms;
    }

    /// A shard counts the end of a message. Returns the message.
    pub(super) fn ended(&mut self, end: &MessageEnd, wall_ms: u64) -> One {
        let key = (end.cid, end.end.id);
        let one = *self
            .messages
            .get(&key)
            .unwrap_or_else(|| panic!("{key:?} ended and was never accepted"));
        assert!(one.end.is_none(), "{key:?} ended twice: {one:?}, {end:?}");
        assert_eq!(end.end.day, one.day, "the day of {key:?}");
        assert_eq!(end.end.group, one.group, "the push to many of {key:?}");
        assert_eq!(end.final_ms, wall_ms, "when {key:?} ended");
        assert!(
            [0, one.sent_ms].contains(&end.end.sent_ms),
            "{key:?} was sent at {} and not at {}",
            one.sent_ms,
            end.end.sent_ms
        );
        self.counted.insert(key);
        let outcome = Outcome {
            fate: end.end.fate as u8,
            sent_ms: end.end.sent_ms,
            final_ms: end.final_ms,
            group: end.end.group.0,
        };
        self.change(key, |one| one.end = Some(outcome));
        one
    }

    /// Cursors and ends are in the rows.
    fn written(&mut self, moves: &[CursorMove], ends: &[MessageEnd]) {
        for end in ends {
            let key = (end.cid, end.end.id);
            assert!(
                self.counted.remove(&key),
                "{key:?} is written as ended and no shard counted it"
            );
            self.change(key, |one| one.written = true);
        }
        for step in moves {
            let before = self.cursors.insert(step.cid, step.acked);
            let from = (
                step.cid,
                MessageId(before.unwrap_or(MessageId::NONE).0.saturating_add(1)),
            );
            let to = (step.cid, step.acked);
            if from > to {
                continue;
            }
            for (key, one) in self.messages.range(from..=to) {
                assert!(
                    // One without a row may be heard of when later ones are acknowledged.
                    one.is_in_rows() || !one.kept,
                    "the cursor passed {key:?} and nothing says how it ended: {one:?}"
                );
            }
        }
        for end in ends {
            let key = (end.cid, end.end.id);
            let cursor = self.cursors.get(&end.cid);
            let passed = cursor.is_some_and(|cursor| end.end.id <= *cursor);
            assert!(
                passed
                    || !self.messages[&key].kept
                    || !moves.iter().any(|step| step.cid == end.cid),
                "{key:?} ended and the cursor {cursor:?} has not passed it"
            );
        }
    }

    /// Days are over: what is open in them is expired. Returns how many that are.
    fn close(&mut self, before: Day) -> u64 {
        let mut closed = 0;
        while let Some((day, key)) = self.open.first().copied() {
            if day >= before {
                break;
            }
            self.change(key, |one| one.closed = true);
            closed += 1;
        }
        closed
    }

    /// A process died. What only it knew is forgotten, and these batches are undone.
    pub(super) fn process_died(&mut self, undone: &[Rc<Batch>], rows: &MemoryRows) {
        for submitted in undone.iter().flat_map(|batch| &batch.ops) {
            if let Op::Cursors { finals, .. } = &submitted.op {
                for end in finals {
                    self.change((end.cid, end.end.id), |one| {
                        (one.end, one.written) = (None, false);
                    });
                }
            }
        }
        for key in std::mem::take(&mut self.counted) {
            self.change(key, |one| one.end = None);
        }
        let open: Vec<Key> = self.open.iter().map(|(_, key)| *key).collect();
        for key in open {
            self.change(key, |one| one.lost = !one.kept);
        }
        each(rows, Keyspace::Cur, |key, value| {
            if let (Some(cid), Ok(cursor)) = (keys::client_of(key), Cursor::decode(value)) {
                self.cursors.insert(cid, MessageId(cursor.acked));
            }
        });
        let written = |cid: &ClientId| {
            let key = keys::client(*cid);
            let has = |keyspace| matches!(rows.get(keyspace, &key), Ok(Some(_)));
            has(Keyspace::Cur) || !has(Keyspace::Reg)
        };
        self.cursors.retain(|cid, _| written(cid));
        for day in self.days.keys().copied().collect::<Vec<_>>() {
            self.read_day(day, rows);
        }
        self.check();
    }

    fn change(&mut self, key: Key, how: impl FnOnce(&mut One)) {
        let one = self.messages.get_mut(&key).expect("it was accepted");
        let device = self.devices.entry(key.0).or_default();
        let tally = self.days.entry(one.day).or_default();
        for places in [&mut self.all, &mut *device] {
            *places.of(one) -= 1;
        }
        if let Some(fate) = one.counted_as() {
            *stage_of(tally, fate) -= 1;
        }
        how(one);
        if let Some(fate) = one.counted_as() {
            *stage_of(tally, fate) += 1;
        }
        for places in [&mut self.all, &mut *device] {
            *places.of(one) += 1;
        }
        assert!(device.add_up(), "the stages of {}: {device:?}", key.0);
        if one.is_in_rows() {
            self.open.remove(&(one.day, key));
        } else {
            self.open.insert((one.day, key));
        }
    }

    /// Reads the row of a day that a commit wrote; it must be what was seen.
    fn read_day(&mut self, day: Day, rows: &MemoryRows) {
        let row = rows.get(Keyspace::Stat, &keys::tally(day));
        let row = row
            .expect("memory reads")
            .expect("a day that was counted in");
        let tally = Tally::decode(&row).expect("a row of ours");
        let before = self.read.insert(day, tally).unwrap_or_default();
        self.read_accepted = self.read_accepted + tally.accepted - before.accepted;
        self.read_finals = self.read_finals + finals(&tally) - finals(&before);
        assert_eq!(Some(&tally), self.days.get(&day), "the stages of {day:?}");
    }

    /// The sum of the design, over what the rows say, what shards have counted since, and what
    /// is held. In constant time: it is asked after every event.
    pub(super) fn check(&self) {
        let Places {
            counted,
            held,
            lost,
            ..
        } = self.all;
        assert!(
            self.read_accepted == self.read_finals + counted + held + lost && self.all.add_up(),
            "the stages do not add up: {} accepted, {} final in rows, {:?}",
            self.read_accepted,
            self.read_finals,
            self.all
        );
    }

    /// Nothing is under way any more: only what processes took with them may have no end.
    pub(super) fn check_at_rest(&self) {
        assert!(
            self.counted.is_empty(),
            "counted and never written: {:?}",
            self.counted
        );
        for (_, key) in &self.open {
            let one = &self.messages[key];
            assert!(
                one.kept || one.lost,
                "{key:?} has no row and no end: {one:?}"
            );
        }
    }

    /// What the rows must hold: stored, and no end written.
    pub(super) fn held_in_rows(&self) -> BTreeSet<(Day, Key)> {
        let kept = |(_, key): &&(Day, Key)| self.messages[key].kept;
        self.open.iter().filter(kept).copied().collect()
    }

    /// A message.
    pub(super) fn get(&self, key: &Key) -> Option<&One> {
        self.messages.get(key)
    }

    /// The messages of a device, oldest first.
    pub(super) fn of_device(
        &self,
        cid: ClientId,
    ) -> impl DoubleEndedIterator<Item = (MessageId, &One)> {
        let all = (cid, MessageId::NONE)..=(cid, MessageId(u64::MAX));
        self.messages.range(all).map(|((_, id), one)| (*id, one))
    }

    /// Messages that were filtered.
    pub(super) fn filtered(&self) -> u64 {
        self.days.values().map(|tally| tally.filtered).sum()
    }

    /// What the rows of a day must say.
    pub(super) fn day(&self, day: Day) -> Option<&Tally> {
        self.days.get(&day)
    }
}

fn stage_of(tally: &mut Tally, fate: Fate) -> &mut u64 {
    match fate {
        Fate::Acked => &mut tally.acked,
        Fate::Expired => &mut tally.expired,
        Fate::Revoked => &mut tally.revoked,
    }
}
