//! A soak: the mixed load of `endurance.rs` for as long as it is told, with a fault at a steady pace,
//! while memory, open files and threads of the server are watched.
//!
//! Always: what is compared was read in the same state, all at rest and nothing owed, after the same
//! fault. Seconds here; two hours with
//! `RINGPOST_SOAK_S=7200 RINGPOST_CURVES=target/soak cargo test --release --test soak -- --nocapture`.

#[path = "endurance/books.rs"]
mod books;
#[path = "day/diary.rs"]
#[allow(dead_code, reason = "the day looks at more of it")]
mod diary;
mod harness;
#[path = "endurance/office.rs"]
mod office;
#[path = "endurance/phones.rs"]
mod phones;
#[path = "endurance/play.rs"]
mod play;
#[path = "endurance/readings.rs"]
mod readings;
#[path = "endurance/shift.rs"]
mod shift;
#[path = "endurance/signal.rs"]
mod signal;
#[path = "endurance/told.rs"]
mod told;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use harness::Surroundings;
use play::Play;
use readings::Readings;
use shift::Shift;

/// How long it lasts by itself, in seconds: each fault once.
const USUAL_S: u64 = 12;

/// Between two faults of a long run.
const FAULT_EVERY: Duration = Duration::from_secs(60);

/// How long the server is frozen; a quarter of the time between two faults in short runs.
const FROZEN: Duration = Duration::from_secs(5);

/// Pause of each thread after each turn: a load that leaves a small machine half idle.
const PACE: Duration = Duration::from_millis(50);

/// Between two looks while the load runs.
const LOOK: Duration = Duration::from_millis(200);

/// Growth from the first half of the readings to the second that is a fault, in percent, and how long
/// a run is that can tell. `docs/endurance.md` says what was reached.
const DRIFT_MAX_PERCENT: f64 = 1.0;
const TELLING: Duration = Duration::from_secs(2400);

/// How many times as many changes as filled the store it takes before readings count: what lies in
/// memory has been replaced by then, and each thread has met its largest crowd of blocks of each size,
/// some two million changes at full speed (`docs/endurance.md`).
const FILLS: u64 = 25;

/// The load runs without a pause until the store has filled the memory that it was given for reading
/// and has replaced what is there, by its own count. A tenth may be missing: blocks that went with
/// their tables.
fn fill(play: &mut Play, shift: &Shift, readings: &mut Readings) {
    shift.set_pace(Duration::ZERO);
    let begun = Instant::now();
    let mut wanted = None;
    loop {
        run_until(Instant::now() + LOOK, play, shift, readings);
        let ops = play.server.metric("ringpost_store_ops_total");
        let cached = play.server.metric("ringpost_store_cached_bytes");
        let max = play.server.metric("ringpost_store_cached_max_bytes");
        if wanted.is_none() && cached * 10 >= max * 9 {
            println!("full after {:.0?} and {ops} changes", begun.elapsed());
            wanted = Some(FILLS * ops);
        }
        if wanted.is_some_and(|wanted| ops >= wanted) {
            break;
        }
    }
    println!("filled after {:.0?}", begun.elapsed());
    shift.set_pace(PACE);
}

/// What is done to the server and its peers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    Freeze,
    Cut,
    DeadReceiver,
    Kill,
}

impl Fault {
    const ALL: [Fault; 4] = [Fault::Freeze, Fault::Cut, Fault::DeadReceiver, Fault::Kill];

    fn name(self) -> &'static str {
        match self {
            Fault::Freeze => "freeze",
            Fault::Cut => "cut",
            Fault::DeadReceiver => "receiver",
            Fault::Kill => "kill",
        }
    }

    /// Those of `RINGPOST_SOAK_FAULTS`, such as `freeze,cut`; all of them without it. Without `kill`
    /// one process lives through it all.
    fn wanted() -> Vec<Fault> {
        let Ok(names) = std::env::var("RINGPOST_SOAK_FAULTS") else {
            return Fault::ALL.to_vec();
        };
        let find = |name: &str| Fault::ALL.into_iter().find(|fault| fault.name() == name);
        let named = names.split(',').map(|name| {
            find(name).unwrap_or_else(|| panic!("{name:?}: freeze, cut, receiver or kill"))
        });
        named.collect()
    }

    fn befall(self, play: &mut Play, gap: Duration) {
        let short = FROZEN.min(gap / 4);
        match self {
            Fault::Freeze => signal::freeze(play.server.pid(), short),
            Fault::Cut => {
                play.cut.kill_nine();
                readings::pass(short);
                play.cut.restart();
            }
            Fault::DeadReceiver => {
                play.receiver.die();
                readings::pass(short);
                play.receiver.come_back();
            }
            Fault::Kill => {
                play.server.kill_nine();
                play.server.restart();
            }
        }
    }
}

/// The load runs until the next fault is due.
fn run_until(due: Instant, play: &mut Play, shift: &Shift, readings: &mut Readings) {
    while Instant::now() < due {
        shift.assert_well();
        play.hear();
        readings.look(play.server.pid());
        readings::pass(LOOK.min(due.saturating_duration_since(Instant::now())));
    }
}

#[test]
fn given_a_mixed_load_when_a_fault_comes_again_and_again_should_lose_nothing_and_not_grow() {
    let span_s = std::env::var("RINGPOST_SOAK_S");
    let span_s = span_s.map_or(USUAL_S, |text| text.parse().expect("seconds"));
    let span = Duration::from_secs(span_s);
    let faults = Fault::wanted();
    // A short run has each fault twice, a very short one once.
    let rounds = if span_s > USUAL_S { 2 } else { 1 };
    let count = u32::try_from(faults.len() * rounds).expect("few");
    let gap = FAULT_EVERY.min(span / count);
    let dir = tempfile::tempdir().expect("a folder");
    let mut play = Play::begin(dir.path(), Surroundings::default());
    let shift = play.start_load(PACE);
    let mut readings = Readings::begin();
    // A server that is killed begins with nothing each time.
    let is_telling = span >= TELLING && !faults.contains(&Fault::Kill);
    if is_telling {
        fill(&mut play, &shift, &mut readings);
    }
    let begun = Instant::now();
    let mut done: u32 = 0;
    while gap * (done + 1) <= span {
        let fault = faults[done as usize % faults.len()];
        fault.befall(&mut play, gap);
        done += 1;
        run_until(begun + gap * done, &mut play, &shift, &mut readings);
        shift.rest();
        play.wait_until_online();
        play.settle();
        readings.compare(fault.name(), play.server.pid());
        shift.go_on();
    }
    play.audit(shift);
    let folder = std::env::var_os("RINGPOST_CURVES").map(PathBuf::from);
    let drift = readings.show(folder.as_deref());
    println!("soak: {done} faults in {:.0?}", begun.elapsed());
    play.close();
    if is_telling {
        let drift = drift.expect("every fault twice");
        assert!(
            drift <= DRIFT_MAX_PERCENT,
            "memory grew by {drift:.1} %, more than {DRIFT_MAX_PERCENT} %"
        );
    }
}
