//! `ringpost-sim conform`: checks whether a server speaks the device protocol.
//!
//! Owner: the process. Always: every requirement of docs/protocol.md gets a verdict; the peer is no
//! client of ours, for it must do wrong things on purpose; each wait has an end.

mod absence;
mod admission;
mod args;
mod bench;
mod came;
mod commands;
mod delivery;
mod exchange;
mod expectation;
mod extension;
mod feedback;
mod framing;
mod golden;
mod greeting;
mod handwriting;
mod heartbeat;
mod identity;
mod parting;
mod patience;
mod peer;
mod problem;
mod pusher;
mod report;
mod requirement;
mod self_description;
mod table;
mod tags;
mod target;
mod to_third_party;
mod transport;
mod vector;
mod vectors;
#[cfg(test)]
mod wrong_servers;

use std::process::ExitCode;
use std::thread::{self, ScopedJoinHandle};

pub use self::args::Conform;
use self::bench::Bench;
use self::patience::Patience;
use self::problem::{Outcome, Problem};
use self::report::Report;
use self::requirement::{Check, Cover, Requirement};
use self::table::REQUIREMENTS;
use self::target::Target;

/// Exit code for flags and files that cannot be used (`EX_CONFIG`, as the server's).
const EXIT_CONFIG: u8 = 78;

/// Checks a server and prints the verdicts on stdout. 1 is the exit code if a requirement failed or
/// nobody listens, 78 if the flags or the bootstrap file cannot be used.
pub fn run(args: &Conform) -> ExitCode {
    let target = match Target::load(&args.bootstrap, args.device.as_deref()) {
        Ok(target) => target,
        Err(error) => {
            eprintln!("ringpost-sim conform: {error}");
            return ExitCode::from(EXIT_CONFIG);
        }
    };
    let address = target.address.clone();
    let bench = match Bench::new(target, Patience::new()) {
        Ok(bench) => bench,
        Err(came) => {
            eprintln!("ringpost-sim conform: {address}: {came}");
            return ExitCode::FAILURE;
        }
    };
    let report = Report::of(&address, outcomes(&bench, |_| true));
    if args.json {
        println!("{}", report.json());
    } else {
        print!("{report}");
    }
    if report.is_good() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// How far a check has come.
enum Turn<'scope> {
    /// It waits for its turn.
    Waiting(&'static Check),
    /// It has a thread of its own.
    Running(ScopedJoinHandle<'scope, Outcome>),
    /// It is over.
    Done(Outcome),
}

impl Turn<'_> {
    fn take(self, bench: &Bench) -> Self {
        match self {
            Self::Waiting(check) => Self::Done((check.run)(bench)),
            other => other,
        }
    }

    fn end(self, bench: &Bench) -> Outcome {
        match self {
            Self::Waiting(check) => (check.run)(bench),
            Self::Running(thread) => thread.join().unwrap_or_else(|_| {
                Err(Problem::wrong("a verdict", "a mistake of the check itself"))
            }),
            Self::Done(outcome) => outcome,
        }
    }
}

/// Runs the checks that `wanted` takes: the slow ones beside the others, those in turn. A check
/// that is left out is skipped.
fn outcomes(
    bench: &Bench,
    wanted: fn(&Check) -> bool,
) -> Vec<(&'static Requirement, Vec<Outcome>)> {
    thread::scope(|scope| {
        let begin = |check: &'static Check| match check {
            check if !wanted(check) => Turn::Done(Err(Problem::skipped("left out"))),
            check if check.slow => Turn::Running(scope.spawn(|| (check.run)(bench))),
            check => Turn::Waiting(check),
        };
        let begun: Vec<(_, Vec<Turn>)> = REQUIREMENTS
            .iter()
            .map(|entry| (entry, checks_of(entry).iter().map(begin).collect()))
            .collect();
        let taken: Vec<(_, Vec<Turn>)> = begun
            .into_iter()
            .map(|(entry, turns)| {
                let turns = turns.into_iter().map(|turn| turn.take(bench));
                (entry, turns.collect())
            })
            .collect();
        taken
            .into_iter()
            .map(|(entry, turns)| {
                let turns = turns.into_iter().map(|turn| turn.end(bench));
                (entry, turns.collect())
            })
            .collect()
    })
}

fn checks_of(requirement: &'static Requirement) -> &'static [Check] {
    match requirement.cover {
        Cover::Checks(checks) => checks,
        Cover::NoCheck(_) => &[],
    }
}
