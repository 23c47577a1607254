//! The shards, the rows below them and everything that is on its way between the two.
//!
//! Always: ids of messages rise strictly over all commits, crashes included; a generation of a
//! CID rises with each welcome; a ticket is answered once.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use protocol::{ClientId, Frame, MessageId};
use schema::record::App;
use server_core::apply::{Ids, apply};
use server_core::clock::{DAY_MS, Now};
use server_core::command::{Answer, Reach};
use server_core::effect::Effect;
use server_core::event::ShardEvent;
use server_core::ids::{SessionId, ShardNo, Ticket};
use server_core::op::{Committed, Done, Op, Submitted};
use server_core::read::{Read, ReadDone};
use server_core::rows::MemoryRows;
use server_core::shard::{Identity, Settings, Shard};

use super::boot::app;
use super::line::{Line, duration_ms};
use super::losses::Losses;
use super::show::{self, Shown};

/// Noon of a day, so that hours may pass before its end.
const START_MS: u64 = 20_000 * DAY_MS + DAY_MS / 2;

pub(super) struct World {
    pub(super) shards: Vec<Shard>,
    pub(super) settings: Settings,
    pub(super) now: Now,
    pub(super) rows: MemoryRows,
    /// What a crash leaves when nothing behind the last sync survives.
    pub(super) synced: MemoryRows,
    pub(super) losses: Losses,
    ids: Ids,
    pub(super) commits: VecDeque<Submitted>,
    pub(super) reads: VecDeque<(ShardNo, Read)>,
    pub(super) held: VecDeque<(ShardNo, Committed)>,
    pub(super) held_reads: VecDeque<(ShardNo, ReadDone)>,
    pub(super) sessions: BTreeMap<String, (usize, SessionId)>,
    pub(super) next_session: u64,
    pub(super) next_ticket: u64,
    pub(super) tickets: BTreeMap<Ticket, String>,
    /// Answers to the harness's own probes; `None` while it does not probe.
    pub(super) probed: Option<Vec<(ClientId, Reach)>>,
    pub(super) cids: Vec<ClientId>,
    pub(super) messages: BTreeMap<ClientId, Vec<MessageId>>,
    /// Those of them that have rows, with the time when they expire; until then they may not be
    /// lost.
    pub(super) kept: BTreeMap<MessageId, u64>,
    /// How many without a row there were when it last crashed.
    forgotten_max: u64,
    last_id: MessageId,
    generations: BTreeMap<ClientId, u64>,
    pub(super) live: BTreeMap<(usize, SessionId), ClientId>,
    /// Numbers the pushes that name no request id.
    pub(super) pushes: u64,
    shown: Vec<Shown>,
}

impl World {
    pub(super) fn new(line: &Line) -> World {
        let settings = Settings {
            devices_may_bind: line.named_or("devices_may_bind", "yes") == "yes",
            hello_timeout_ms: duration_ms(line.named_or("hello", "10s")) as u64,
            ..Settings::default()
        };
        let rows = MemoryRows::default();
        let ids = Ids::recover(&rows).expect("memory reads");
        let mut world = World {
            shards: Vec::new(),
            settings,
            now: Now {
                wall_ms: START_MS,
                mono_ms: 0,
            },
            synced: rows.clone(),
            losses: Losses::of_what_follows(&rows),
            rows,
            ids,
            commits: VecDeque::new(),
            reads: VecDeque::new(),
            held: VecDeque::new(),
            held_reads: VecDeque::new(),
            sessions: BTreeMap::new(),
            next_session: 0,
            next_ticket: 0,
            tickets: BTreeMap::new(),
            probed: None,
            cids: Vec::new(),
            messages: BTreeMap::new(),
            kept: BTreeMap::new(),
            forgotten_max: 0,
            last_id: MessageId::NONE,
            generations: BTreeMap::new(),
            live: BTreeMap::new(),
            pushes: 0,
            shown: Vec::new(),
        };
        for (app_id, disabled, sign_required) in [
            ("demo", false, false),
            ("other", false, false),
            ("off", true, false),
            ("signed", false, true),
        ] {
            let app = App {
                disabled,
                sign_required,
                ..app(app_id)
            };
            world.apply_at(0, Op::CreateApp { ticket: None, app });
        }
        world.boot(line.number_or("shards", 1) as u16);
        world
    }

    /// Starts shards over the rows, as after a crash.
    pub(super) fn boot(&mut self, shards: u16) {
        self.ids = Ids::recover(&self.rows).expect("memory reads");
        let mut owners = server_core::recovery::devices(&self.rows, shards).expect("memory reads");
        let boot = Op::Boot {
            registered_by_ms: server_core::recovery::registered_by_ms(&owners),
        };
        let epoch = match self.apply_at(0, boot).pop() {
            Some((_, Committed::Done(Done::Booted { epoch }))) => epoch,
            other => panic!("a boot is answered with an epoch, not {other:?}"),
        };
        self.now.mono_ms = 0;
        let stored: usize = self.messages.values().map(Vec::len).sum();
        self.forgotten_max = (stored - self.kept.len()) as u64;
        self.sessions.clear();
        self.tickets.clear();
        self.commits.clear();
        self.reads.clear();
        self.held.clear();
        self.held_reads.clear();
        owners.reverse();
        let groups = server_core::recovery::groups(&self.rows, self.now.wall_ms);
        let groups = groups.expect("memory reads");
        self.shards = (0..shards)
            .map(|me| {
                let identity = Identity {
                    me: ShardNo(me),
                    shards,
                    epoch,
                    seed: [me as u8; 32],
                };
                let devices = owners.pop().expect("one for each shard");
                Shard::new(
                    identity,
                    self.settings.clone(),
                    server_core::recovery::apps(&self.rows).expect("memory reads"),
                    devices,
                    self.now,
                )
                .with_groups(groups.clone())
            })
            .collect();
        // The days that are over are dropped at the first tick; no script has to know of it.
        self.tick_all();
        let batch: Vec<Submitted> = self.commits.drain(..).collect();
        self.commit(&batch);
        self.deliver(None);
    }

    fn apply_at(&mut self, shard: u16, op: Op) -> Vec<(ShardNo, Committed)> {
        let batch = [Submitted {
            shard: ShardNo(shard),
            op,
        }];
        let shards = self.shards.len().max(1) as u16;
        let applied = apply(&batch, self.now.wall_ms, shards, &mut self.ids, &self.rows)
            .expect("memory reads");
        self.losses.note(&applied.writes);
        self.rows.commit(applied.writes);
        self.synced = self.rows.clone();
        applied.events
    }

    /// Makes a batch durable; its events are held until they are delivered.
    pub(super) fn commit(&mut self, batch: &[Submitted]) {
        if batch.is_empty() {
            return;
        }
        let shards = self.shards.len() as u16;
        let applied = apply(batch, self.now.wall_ms, shards, &mut self.ids, &self.rows)
            .expect("memory reads");
        self.losses.note(&applied.writes);
        self.rows.commit(applied.writes);
        if applied.must_last {
            self.synced = self.rows.clone();
        }
        for (_, event) in &applied.events {
            if let Committed::Stored { cid, message } = event {
                assert!(
                    message.id > self.last_id,
                    "{} was given after {}",
                    message.id,
                    self.last_id
                );
                self.last_id = message.id;
                self.messages.entry(*cid).or_default().push(message.id);
                if message.kept {
                    self.kept.insert(message.id, message.expires_ms);
                }
            }
        }
        for (_, event) in &applied.events {
            if let Committed::Done(Done::Fanned { reached, .. }) = event {
                for (cid, id, _) in reached {
                    self.learn_fanned(*cid, *id);
                }
            }
        }
        self.held.extend(applied.events);
    }

    /// Lets the shards, or one of them, hear what became durable.
    pub(super) fn deliver(&mut self, only: Option<u64>) {
        for (shard, event) in std::mem::take(&mut self.held) {
            if only.is_some_and(|only| only != u64::from(shard.0)) {
                self.held.push_back((shard, event));
            } else {
                self.feed(usize::from(shard.0), ShardEvent::Committed(event));
            }
        }
    }

    /// Tells of the oldest news only.
    pub(super) fn deliver_oldest(&mut self, count: usize) {
        for _ in 0..count {
            let (shard, event) = self.held.pop_front().expect("news that is held back");
            self.feed(usize::from(shard.0), ShardEvent::Committed(event));
        }
    }

    pub(super) fn deliver_reads(&mut self) {
        for (shard, done) in std::mem::take(&mut self.held_reads) {
            self.feed(usize::from(shard.0), ShardEvent::Read(done));
        }
    }

    pub(super) fn feed(&mut self, at: usize, event: ShardEvent) {
        let mut effects = Vec::new();
        self.shards[at].on_event(self.now, event, &mut effects);
        for effect in effects {
            self.perform(at, effect);
        }
    }

    pub(super) fn tick_all(&mut self) {
        for at in 0..self.shards.len() {
            self.feed(at, ShardEvent::Tick);
        }
    }

    fn perform(&mut self, at: usize, effect: Effect) {
        let shard = ShardNo(at as u16);
        match effect {
            Effect::Commit(op) => self.commits.push_back(Submitted { shard, op }),
            Effect::Read(read) => self.reads.push_back((shard, read)),
            Effect::Send(session, frame) => self.show_frame(at, session, &frame),
            Effect::Close(session, close) => {
                let shown = show::close(&self.name_of_session(at, session), &close);
                self.shown.push(shown);
            }
            Effect::HandOff { session, to, hello } => {
                let name = self.name_of_session(at, session);
                self.shown
                    .push(Shown::Other(format!("handoff {name} to={}", to.0)));
                let to = usize::from(to.0);
                let adopted = self.new_session(&name, to);
                self.feed(to, ShardEvent::Adopted(adopted, hello));
            }
            Effect::Answer(ticket, answer) => self.show_answer(ticket, &answer),
            Effect::AppGone(app) => {
                let shown = format!("appgone {}", app.app_id);
                self.shown.push(Shown::Other(shown));
            }
            Effect::App(app) => self.shown.push(Shown::Other(format!("app {}", app.app_id))),
        }
    }

    fn show_frame(&mut self, at: usize, session: SessionId, frame: &Frame) {
        let name = self.name_of_session(at, session);
        let shown = match frame {
            Frame::Push(push) => {
                let (cid, ordinal) = self.message_of(push.id);
                assert_eq!(
                    Some(cid),
                    self.cid_of_session(at, session),
                    "a push reaches its own device"
                );
                Shown::Push {
                    session: name,
                    ordinal,
                    body: show::body(&push.body),
                }
            }
            other => {
                if let Frame::Welcome(welcome) = other {
                    let before = self.generations.insert(welcome.cid, welcome.generation);
                    assert!(
                        before < Some(welcome.generation),
                        "a newer login has a higher generation"
                    );
                    self.learn(welcome.cid);
                    self.live.insert((at, session), welcome.cid);
                }
                show::frame(&name, other, |cid| self.name_of_cid(cid))
            }
        };
        self.shown.push(shown);
    }

    fn show_answer(&mut self, ticket: Ticket, answer: &Answer) {
        let label = self
            .tickets
            .remove(&ticket)
            .expect("a ticket is answered once");
        if let (Some(probed), Answer::Reached(reached)) = (&mut self.probed, answer) {
            probed.extend(reached);
            return;
        }
        let shown = show::answer(&label, answer, self.now.wall_ms, |cid| {
            self.name_of_cid(cid)
        });
        self.shown.push(shown);
    }

    pub(super) fn take_shown(&mut self) -> Vec<Shown> {
        std::mem::take(&mut self.shown)
    }

    pub(super) fn check_invariants(&self) {
        let known: BTreeSet<&(usize, SessionId)> = self.sessions.values().collect();
        for (at, shard) in self.shards.iter().enumerate() {
            shard.check_invariants();
            let here = known.iter().filter(|(of, _)| *of == at);
            let open = here.filter(|(_, session)| shard.has_session(*session));
            assert_eq!(shard.session_len(), open.count(), "sessions of shard {at}");
        }
        let nothing_waits = self.commits.is_empty()
            && self.reads.is_empty()
            && self.held.is_empty()
            && self.held_reads.is_empty();
        if nothing_waits && self.shards.iter().all(Shard::is_at_rest) {
            super::sums::check(&self.rows, self.forgotten_max);
            super::sums::fit_together(&self.rows, self.now.wall_ms);
        }
    }

    /// Ends everything in order and checks the sum of stages.
    pub(super) fn settle(&mut self) {
        for at in 0..self.shards.len() {
            self.feed(at, ShardEvent::Finish);
        }
        let mut rounds = 0;
        while !self.shards.iter().all(Shard::is_at_rest) {
            let batch: Vec<Submitted> = self.commits.drain(..).collect();
            self.commit(&batch);
            self.deliver(None);
            self.perform_reads(usize::MAX);
            self.deliver_reads();
            self.now.mono_ms += 1_000;
            self.tick_all();
            rounds += 1;
            assert!(rounds < 100, "a shard never comes to rest");
        }
        self.check_invariants();
        super::sums::check(&self.rows, self.forgotten_max);
        super::sums::fit_together(&self.rows, self.now.wall_ms);
        self.losses.check_amends(self.now.wall_ms);
        assert!(self.tickets.is_empty(), "unanswered: {:?}", self.tickets);
    }

    pub(super) fn perform_reads(&mut self, count: usize) {
        let count = count.min(self.reads.len());
        for (shard, read) in self.reads.drain(..count).collect::<Vec<_>>() {
            let done = server_core::read::perform(read, &self.rows);
            assert_eq!(done.error(), None, "memory reads");
            self.held_reads.push_back((shard, done));
        }
    }
}
