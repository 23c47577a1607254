//! The seeded whole-system simulation: real shards, real `apply`, real clients, in one thread
//! and virtual time, over a simulated disk and network. See `docs/simulation.md`.
//!
//! Owner: whoever holds a seed. Always: a seed is a whole run; the same seed and steps give the
//! same trace. Read `sim/world.rs` first, then `sim/ledger.rs` (what is promised) and
//! `sim/stages.rs` (where each message stands).

mod agenda;
mod aliases;
mod apps;
mod boot;
mod campaigns;
mod commit;
mod counts;
mod damage;
mod dice;
mod disk;
mod groups;
mod history;
mod ledger;
mod link;
mod many;
mod mischief;
mod parties;
mod party;
mod phone;
mod phones;
mod plan;
mod reports;
mod rest;
mod seeds;
mod serve;
mod server;
mod stages;
mod sums;
mod trace;
mod upward;
mod watch;
mod world;

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

pub use self::seeds::{Hunt, Simulate, hunt};

use self::trace::Trace;
use self::world::World;

/// Happenings of a run in which everything may go wrong; the calm and the end come on top.
pub const STEPS_DEFAULT: u64 = 6_000;

/// A run in which every promise was kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// Its seed.
    pub seed: u64,
    /// Happenings, to the very end.
    pub steps: u64,
    /// Everything that happened, in one number.
    pub hash: u64,
    /// Messages accepted for good.
    pub accepted: usize,
    /// Messages that some phone handled.
    pub handled: usize,
    /// Starts of the server.
    pub processes: u64,
    /// What it met.
    pub met: Met,
}

/// How often a run met what few runs meet: a plan that no longer leads there checks nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Met {
    /// Apps deleted.
    pub deletions: u64,
    /// Phones closed because their app is disabled.
    pub disabled: u64,
    /// Messages filtered because their device is muted.
    pub filtered: u64,
    /// Devices whose past was told.
    pub devices_told: u64,
    /// Tasks whose past was told.
    pub tasks_told: u64,
    /// Live sessions told of.
    pub sessions_told: u64,
    /// Reads refused for a damaged row.
    pub reads_refused: u64,
    /// Ops refused for a damaged row.
    pub ops_refused: u64,
    /// Starts refused for a damaged row.
    pub starts_refused: u64,
    /// Phones whose device was deleted.
    pub forgotten: u64,
    /// Lists taken.
    pub lists: u64,
    /// Pushes to apps taken.
    pub app_pushes: u64,
    /// Pushes to many that were stopped.
    pub stopped: u64,
    /// Receipts.
    pub receipts: u64,
}

impl Met {
    /// What two runs met.
    pub fn and(self, other: Met) -> Met {
        Met {
            deletions: self.deletions + other.deletions,
            disabled: self.disabled + other.disabled,
            filtered: self.filtered + other.filtered,
            devices_told: self.devices_told + other.devices_told,
            tasks_told: self.tasks_told + other.tasks_told,
            sessions_told: self.sessions_told + other.sessions_told,
            reads_refused: self.reads_refused + other.reads_refused,
            ops_refused: self.ops_refused + other.ops_refused,
            starts_refused: self.starts_refused + other.starts_refused,
            forgotten: self.forgotten + other.forgotten,
            lists: self.lists + other.lists,
            app_pushes: self.app_pushes + other.app_pushes,
            stopped: self.stopped + other.stopped,
            receipts: self.receipts + other.receipts,
        }
    }

    /// Whether each happened.
    pub fn is_all(self) -> bool {
        let Met {
            deletions,
            disabled,
            filtered,
            devices_told,
            tasks_told,
            sessions_told,
            reads_refused,
            ops_refused,
            starts_refused,
            forgotten,
            lists,
            app_pushes,
            stopped,
            receipts,
        } = self;
        ![
            deletions,
            disabled,
            filtered,
            devices_told,
            tasks_told,
            sessions_told,
            reads_refused,
            ops_refused,
            starts_refused,
            forgotten,
            lists,
            app_pushes,
            stopped,
            receipts,
        ]
        .contains(&0)
    }
}

/// A run in which a promise was broken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Broken {
    /// Its seed.
    pub seed: u64,
    /// The happening in which it was noticed.
    pub step: u64,
    /// Everything that happened, in one number.
    pub hash: u64,
    /// Which promise.
    pub what: String,
    /// The last things that happened, oldest first.
    pub last: Vec<String>,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.last {
            writeln!(f, "{line}")?;
        }
        writeln!(
            f,
            "seed {} broke at step {}: {}",
            self.seed, self.step, self.what
        )?;
        write!(f, "again: ringpost-sim sim --seed {}", self.seed)
    }
}

/// Runs a seed: `steps` happenings of everything, then calm, then the oracle.
///
/// # Errors
/// The first promise that did not hold.
pub fn run(seed: u64, steps: u64) -> Result<Run, Box<Broken>> {
    run_traced(seed, steps, false)
}

fn run_traced(seed: u64, steps: u64, aloud: bool) -> Result<Run, Box<Broken>> {
    let trace = Trace::new(seed, aloud);
    let inside = trace.clone();
    // A broken promise is an assertion, of the simulation or of the core itself.
    let outcome = catch_unwind(AssertUnwindSafe(move || {
        let mut world = World::new(seed, inside);
        world.run(steps);
        let (accepted, handled) = world.ledger.counts();
        let met = Met {
            filtered: world.stages.filtered(),
            lists: world.parties.lists.len() as u64,
            app_pushes: world.parties.app_pushes.len() as u64,
            stopped: world.ledger.groups.stopped().count() as u64,
            receipts: world.ledger.reports.told,
            ..world.met
        };
        (accepted, handled, world.server.process, met)
    }));
    match outcome {
        Ok((accepted, handled, processes, met)) => Ok(Run {
            seed,
            steps: trace.steps(),
            hash: trace.hash(),
            accepted,
            handled,
            processes,
            met,
        }),
        Err(panic) => Err(Box::new(Broken {
            seed,
            step: trace.steps(),
            hash: trace.hash(),
            what: text_of(&*panic),
            last: trace.last(),
        })),
    }
}

fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic without words").to_owned()
}
