//! Start, death and orderly end of a server process.

use protocol::ClientId;
use schema::record::{App, AppSettings};
use server_core::apply::{Ids, apply};
use server_core::event::ShardEvent;
use server_core::group::Running;
use server_core::ids::{AppNo, ShardNo};
use server_core::keys;
use server_core::op::{Committed, Done, Op, Submitted};
use server_core::placement::Slot;
use server_core::recovery;
use server_core::rows::{Keyspace, Rows};
use server_core::shard::{Identity, Settings, Shard};
use server_core::wheel::TICK_MS;

use super::agenda::Happening;
use super::counts::{Counts, Known};
use super::disk::Batch;
use super::link::ServerEnd;
use super::plan::APPS;
use super::server::{Committer, Reader, Seat};
use super::sums;
use super::world::{Phase, World};

/// How long a shard may take from the order to finish until it is at rest, in microseconds.
const REST_WAIT_US: u64 = 600_000_000;

/// A process may have this many starts in a run; more would only be slow.
pub(super) const PROCESSES_MAX: u64 = 40;

impl World {
    /// The server starts over what the disk holds, as `ringpost serve` does.
    pub(super) fn start_server(&mut self) {
        assert!(!self.server.up, "one process at a time");
        let shards = if self.dice.chance(1, 4) {
            self.dice.within(1, 4) as u16
        } else {
            self.plan.shards
        };
        self.server.process += 1;
        self.server.stopping = false;
        self.server.resting_until_us = None;
        self.server.started_us = self.now_us;
        self.server.committer = Committer::default();
        self.server.readers = (0..self.plan.readers).map(|_| Reader::default()).collect();
        self.server.ids = Ids::recover(&self.server.disk.rows).expect("memory reads");
        self.refuse_to_start();
        if self.is_wild() && self.dice.chance(self.plan.mutes, 10) {
            self.mute_somebody();
        }
        let devices = recovery::devices(&self.server.disk.rows, shards).expect("memory reads");
        self.ledger.groups.shards = shards;
        let mut apps = recovery::apps(&self.server.disk.rows).expect("memory reads");
        self.check_registered();
        let by_ms = recovery::registered_by_ms(&devices);
        let epoch = self.prepare(&mut apps, shards, by_ms);
        self.trace.note(
            "start",
            [self.server.process, u64::from(shards), u64::from(epoch)],
        );
        let now = self.now();
        let groups = recovery::groups(&self.server.disk.rows, now.wall_ms).expect("memory reads");
        self.server.seats = (0..shards)
            .zip(devices)
            .map(|(me, devices)| {
                let identity = Identity {
                    me: ShardNo(me),
                    shards,
                    epoch,
                    seed: self.dice.bytes(),
                };
                let settings = Settings::default();
                let kept = |(running, _): &(Running, _)| (running.number, running.kept);
                let known = Known {
                    kept: groups.running.iter().map(kept).collect(),
                    ..Known::default()
                };
                let counts = self.counts_of(ShardNo(me), shards, &apps, known);
                let shard = Shard::new(identity, settings, apps.clone(), devices, now)
                    .with_groups(groups.clone());
                Seat::new(shard, counts)
            })
            .collect();
        self.server.up = true;
        for at in 0..self.server.seats.len() {
            let after_us = self.dice.below(TICK_MS * 1_000);
            let process = self.server.process;
            self.after(after_us, Happening::Tick { process, at });
        }
    }

    /// What a shard knows at its start, by what was seen before it.
    fn counts_of(&self, me: ShardNo, shards: u16, apps: &[App], known: Known) -> Counts {
        let owned = |(cid, _): &(ClientId, AppNo)| Slot::of_cid(*cid).shard(shards) == me;
        let devices = self.ledger.devices().filter(owned).collect();
        let known = Known {
            muted: self
                .ledger
                .push_off
                .union(&self.ledger.blocked)
                .copied()
                .collect(),
            held: self.ledger.push_off.clone(),
            stopped: self.ledger.groups.stopped().collect(),
            ..known
        };
        Counts::new(apps, devices, known, self.ledger.logins.clone())
    }

    fn check_registered(&self) {
        let welcomed = self.watch.welcomed();
        for cid in welcomed.filter(|cid| !self.ledger.is_gone(*cid)) {
            let row = self.server.disk.rows.get(Keyspace::Reg, &keys::client(cid));
            let row = row.expect("memory reads");
            assert!(
                row.is_some(),
                "{cid} was welcomed and is not registered after a crash"
            );
        }
    }

    /// The ops of the start itself, durable before any shard runs.
    fn prepare(&mut self, apps: &mut Vec<App>, shards: u16, registered_by_ms: u64) -> u32 {
        let mut ops = vec![Op::Boot { registered_by_ms }];
        if apps.is_empty() {
            ops.extend(APPS.map(|name| Op::CreateApp {
                ticket: None,
                app: app(name, self.plan.callbacks),
            }));
        }
        let shard = ShardNo(0);
        let ops: Vec<Submitted> = ops.into_iter().map(|op| Submitted { shard, op }).collect();
        let now_ms = self.wall_ms();
        let server = &mut self.server;
        let applied =
            apply(&ops, now_ms, shards, &mut server.ids, &server.disk.rows).expect("memory reads");
        let mut epoch = None;
        for (_, event) in &applied.events {
            match event {
                Committed::Done(Done::Booted { epoch: raised }) => epoch = Some(*raised),
                Committed::Done(Done::AppCreated { app, .. }) => apps.push(app.clone()),
                _ => {}
            }
        }
        let batch = Batch::new(ops, &applied, now_ms, self.ledger.clocks_set());
        server.disk.write(applied.writes, batch);
        self.on_disk(applied.must_last);
        epoch.expect("a boot is answered with an epoch")
    }

    /// The process is killed, or the machine dies.
    pub(super) fn crash(&mut self) {
        self.trace.note("crash", [self.server.process, 0, 0]);
        let (survived, lost) = self.server.disk.crash(&mut self.dice);
        if self.server.committer.writing.is_some()
            && lost.is_empty()
            && let Some(last) = survived.last()
        {
            self.stages
                .visible(last, &self.server.disk.rows, &self.ledger.groups);
        }
        self.lasting(&survived);
        for submitted in lost.iter().flat_map(|batch| &batch.ops) {
            self.watch
                .lost(usize::from(submitted.shard.0), &submitted.op);
        }
        for (at, seat) in self.server.seats.iter().enumerate() {
            for op in &seat.submitted {
                self.watch.lost(at, op);
            }
        }
        self.refuse_to_start();
        self.stages.process_died(&lost, &self.server.disk.rows);
        self.process_gone();
        let down_us = self.dice.pick(&[1_000, 300_000, 5_000_000]);
        self.after(down_us, Happening::Start);
    }

    /// Every connection of the process ends; its debts to third parties are broken off.
    fn process_gone(&mut self) {
        self.server.up = false;
        self.watch.process_died();
        sums::check(&self.server.disk.rows, &self.stages);
        self.server.seats.clear();
        let links: Vec<u64> = self.links.by_id.keys().copied().collect();
        for id in links {
            let Some(link) = self.links.get_mut(id) else {
                continue;
            };
            if link.server != ServerEnd::Gone {
                link.server = ServerEnd::Gone;
                let latency_us = link.latency_us;
                let ends = link.down.end(self.now_us, latency_us);
                self.arrivals(id, false, ends);
            }
            self.links.bury(id);
        }
        self.unflushed.clear();
        self.parties_lost_server();
    }

    /// The server is told to stop: devices go away, later it finishes.
    pub(super) fn stop(&mut self) {
        self.trace.note("stop", [self.server.process, 0, 0]);
        self.server.stopping = true;
        let jitter_ms = self.dice.below(3_000) as u32;
        for at in 0..self.server.seats.len() {
            self.step(
                at,
                ShardEvent::Drain {
                    jitter_ms,
                    endpoint: String::new(),
                },
            );
        }
        let process = self.server.process;
        let after_us = self.dice.within(0, 6_000_000);
        self.after(after_us, Happening::Finish { process });
    }

    /// The drain is over.
    pub(super) fn finish(&mut self) {
        self.trace.note("finish", [self.server.process, 0, 0]);
        self.server.stopping = true;
        for at in 0..self.server.seats.len() {
            self.step(at, ShardEvent::Finish);
        }
        let until_us = self.now_us + REST_WAIT_US;
        self.server.resting_until_us = Some(until_us);
    }

    /// Ends the process once it is at rest, as the shard loops and the committer do.
    pub(super) fn end_if_at_rest(&mut self) {
        let Some(until_us) = self.server.resting_until_us else {
            return;
        };
        assert!(
            self.now_us < until_us,
            "a shard never comes to rest after it was told to finish"
        );
        if !self.server.is_at_rest() {
            return;
        }
        self.trace.note("ended", [self.server.process, 0, 0]);
        let lasting = self.server.disk.sync();
        self.lasting(&lasting);
        self.refuse_to_start();
        if self.server.committer.broken {
            // What could not be written is as good as killed.
            self.stages.process_died(&[], &self.server.disk.rows);
        }
        // Nothing was under way: what a stop leaves has to add up.
        self.stages.check_at_rest();
        self.process_gone();
        if self.phase == Phase::Ending {
            self.ask_the_oracle();
        } else {
            let down_us = self.dice.within(1_000, 2_000_000);
            self.after(down_us, Happening::Start);
        }
    }
}

/// An app that asks for no sign.
fn app(app_id: &str, callback: bool) -> App {
    let mut settings = Box::new(AppSettings::default());
    settings.callback.url = callback.then(|| "https://receipts.example".to_owned());
    App {
        number: 0,
        app_id: app_id.to_owned(),
        app_key: format!("key of {app_id}"),
        app_secret: format!("secret of {app_id}"),
        master_secret: format!("master of {app_id}"),
        name: app_id.to_owned(),
        created_ms: 0,
        disabled: false,
        sign_required: false,
        previous: None,
        settings,
    }
}
