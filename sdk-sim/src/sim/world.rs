//! The whole system in one thread: what is due next happens, and then everything is checked.
//!
//! Owner: one run. Always: one happening at a time; whatever it causes at once (events into a
//! shard, their effects) is done before the next. Its parts: `boot` and `serve` (shards),
//! `commit` and `read` (store), `phones`, `parties`, `mischief` (what goes wrong), `rest` (the
//! end).

use std::collections::BTreeSet;

use protocol::{ClientId, DeviceSecret, InstallId};
use server_core::apply::Ids;
use server_core::clock::{DAY_MS, Now};
use server_core::ids::SessionId;

use super::Met;
use super::agenda::{Agenda, Happening};
use super::damage::Damage;
use super::dice::Dice;
use super::disk::Disk;
use super::ledger::Ledger;
use super::link::{LinkId, Links};
use super::party::Parties;
use super::phone::Phone;
use super::plan::{APPS, Plan};
use super::server::{Committer, Server};
use super::stages::Stages;
use super::trace::Trace;
use super::watch::Watch;

/// How far the run has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Everything may happen.
    Wild,
    /// Nothing new is asked and nothing goes wrong any more; it ends at this time at the latest.
    Calm { until_us: u64 },
    /// The server was told to end, and the oracle is asked once it has.
    Ending,
    /// The oracle was content.
    Over,
}

/// See the module page.
#[derive(Debug)]
pub(super) struct World {
    pub(super) plan: Plan,
    pub(super) dice: Dice,
    pub(super) trace: Trace,
    pub(super) agenda: Agenda,
    pub(super) now_us: u64,
    /// What the wall clock shows at the start, in ms of Unix time.
    start_ms: u64,
    /// How far it was stepped since, in ms.
    pub(super) offset_ms: i64,
    pub(super) server: Server,
    pub(super) links: Links,
    pub(super) phones: Vec<Phone>,
    pub(super) parties: Parties,
    pub(super) ledger: Ledger,
    pub(super) stages: Stages,
    pub(super) watch: Watch,
    pub(super) phase: Phase,
    /// Connections that got frames in this turn.
    pub(super) unflushed: Vec<(usize, SessionId)>,
    pub(super) commits: u64,
    /// The store has failed at least once: sessions may be closed for it.
    pub(super) store_failed: bool,
    /// The row that is damaged now, and the devices of which one ever was.
    pub(super) damage: Option<Damage>,
    pub(super) damaged: BTreeSet<ClientId>,
    /// Devices of a deleted app were not forgotten, because a row of theirs is damaged.
    pub(super) forgetting_refused: bool,
    /// Apps that somebody wanted disabled or enabled, and deleted.
    pub(super) switched: BTreeSet<usize>,
    pub(super) deleting: BTreeSet<usize>,
    /// Devices that somebody wanted deleted.
    pub(super) forgetting: BTreeSet<ClientId>,
    pub(super) met: Met,
    /// Since when nothing is open, in the calm.
    pub(super) settled_since_us: Option<u64>,
}

impl World {
    /// The world of a seed, before anything has happened.
    pub(super) fn new(seed: u64, trace: Trace) -> Self {
        let mut dice = Dice::new(seed);
        let plan = Plan::draw(&mut dice);
        let disk = Disk::default();
        let server = Server {
            process: 0,
            up: false,
            stopping: false,
            resting_until_us: None,
            started_us: 0,
            seats: Vec::new(),
            committer: Committer::default(),
            readers: Vec::new(),
            ids: Ids::recover(&disk.rows).expect("memory reads"),
            disk,
        };
        let mut world = World {
            start_ms: 20_001 * DAY_MS - plan.before_midnight_ms,
            plan,
            dice,
            trace,
            agenda: Agenda::default(),
            now_us: 0,
            offset_ms: 0,
            server,
            links: Links::default(),
            phones: Vec::new(),
            parties: Parties::default(),
            ledger: Ledger::default(),
            stages: Stages::default(),
            watch: Watch::default(),
            phase: Phase::Wild,
            unflushed: Vec::new(),
            commits: 0,
            store_failed: false,
            damage: None,
            damaged: BTreeSet::new(),
            forgetting_refused: false,
            switched: BTreeSet::new(),
            deleting: BTreeSet::new(),
            forgetting: BTreeSet::new(),
            met: Met::default(),
            settled_since_us: None,
        };
        world.begin();
        world
    }

    fn begin(&mut self) {
        self.start_server();
        for number in 0..self.plan.phones {
            let app = self.dice.index(APPS.len());
            let install = InstallId::from_bytes(self.dice.bytes());
            let secret = DeviceSecret::from_bytes(self.dice.bytes());
            self.phones.push(Phone::new(app, install, secret));
            let after_us = self.dice.below(2_000_000);
            self.after(
                after_us,
                Happening::PhoneOn {
                    phone: number,
                    life: 0,
                },
            );
        }
        self.after(0, Happening::Act);
    }

    /// Runs to the end: `steps` happenings of everything, then calm, then the oracle.
    pub(super) fn run(&mut self, steps: u64) {
        while self.phase != Phase::Over {
            let (at_us, happening) = self.agenda.next().expect("clocks tick for ever");
            self.now_us = at_us;
            self.trace.step(at_us);
            self.ledger.clock(self.wall_ms(), false);
            self.happen(happening);
            self.end_turn();
            if self.phase == Phase::Wild && self.trace.steps() >= steps {
                self.calm_down();
            }
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Tick { process, at } if self.is_process(process) => self.tick(at),
            Happening::Hear { process, at } if self.is_process(process) => self.hear(at),
            Happening::Serve { process, link } if self.is_process(process) => self.serve(link),
            Happening::CommitBegins { process } if self.is_process(process) => {
                self.commit_begins();
            }
            Happening::CommitEnds { process } if self.is_process(process) => self.commit_ends(),
            Happening::Tell { process } if self.is_process(process) => self.tell(),
            Happening::ReadBegins { process, reader } if self.is_process(process) => {
                self.read_begins(reader);
            }
            Happening::ReadEnds { process, reader } if self.is_process(process) => {
                self.read_ends(reader);
            }
            Happening::Crash { process } if self.is_process(process) => self.crash(),
            Happening::Finish { process } if self.is_process(process) => self.finish(),
            Happening::Tick { .. }
            | Happening::Hear { .. }
            | Happening::Serve { .. }
            | Happening::CommitBegins { .. }
            | Happening::CommitEnds { .. }
            | Happening::Tell { .. }
            | Happening::ReadBegins { .. }
            | Happening::ReadEnds { .. }
            | Happening::Crash { .. }
            | Happening::Finish { .. } => {}
            Happening::Start => self.start_server(),
            Happening::Mend => self.mend(),
            Happening::Up(link) => self.arrive_up(link),
            Happening::Down(link) => self.arrive_down(link),
            Happening::Connected { phone, life, link } => self.connected(phone, life, link),
            Happening::LateAck { link, ids } => self.late_ack(link, ids),
            Happening::PhoneTimer { phone, life, at_us } => self.phone_timer(phone, life, at_us),
            Happening::PhoneOn { phone, life } => self.phone_on(phone, life),
            Happening::Act => self.act(),
            Happening::Attempt(attempt) => self.attempt(attempt),
            Happening::GiveUp(ticket) => self.give_up(ticket),
            Happening::Push { app, cid } => self.push_one(app, cid),
        }
    }

    fn is_process(&self, process: u64) -> bool {
        self.server.up && self.server.process == process
    }

    /// Enters something that happens so much later.
    pub(super) fn after(&mut self, delay_us: u64, happening: Happening) {
        let at_us = self.now_us + delay_us;
        self.agenda.enter(at_us, happening, &mut self.dice);
    }

    /// Enters something for a time that is not before now.
    pub(super) fn at(&mut self, at_us: u64, happening: Happening) {
        let at_us = at_us.max(self.now_us);
        self.agenda.enter(at_us, happening, &mut self.dice);
    }

    /// Enters the arrivals of a pipe.
    pub(super) fn arrivals(
        &mut self,
        link: LinkId,
        up: bool,
        times: impl IntoIterator<Item = u64>,
    ) {
        for at_us in times {
            let happening = if up {
                Happening::Up(link)
            } else {
                Happening::Down(link)
            };
            self.at(at_us, happening);
        }
    }

    /// What the wall clock shows, in ms.
    pub(super) fn wall_ms(&self) -> u64 {
        (self.start_ms + self.now_us / 1_000).saturating_add_signed(self.offset_ms)
    }

    /// The time of phones, in ms: it never steps.
    pub(super) fn phone_ms(&self) -> u64 {
        self.now_us / 1_000
    }

    /// Both clocks as a shard reads them.
    pub(super) fn now(&self) -> Now {
        Now {
            wall_ms: self.wall_ms(),
            mono_ms: (self.now_us - self.server.started_us) / 1_000,
        }
    }

    /// CIDs of an app that a third party may know.
    pub(super) fn known_cids(&self, app: usize) -> Vec<ClientId> {
        let mut cids: Vec<ClientId> = self
            .phones
            .iter()
            .filter(|phone| phone.app == app)
            .filter_map(|phone| phone.saved_cid)
            .collect();
        cids.sort_unstable();
        cids.dedup();
        cids
    }
}

/// A CID as a fact of a note.
pub(super) fn short(cid: ClientId) -> u64 {
    let bytes = cid.as_bytes();
    bytes[..8]
        .iter()
        .fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}
