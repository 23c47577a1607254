//! Many seeds: one after the other until time is over or one breaks, and the command for it.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use super::{Broken, Run, STEPS_DEFAULT, run, run_traced};

/// What `ringpost-sim sim` was asked for.
#[derive(Debug, Clone, clap::Args)]
pub struct Simulate {
    /// Run this seed twice and compare
    #[arg(long, conflicts_with = "seconds")]
    seed: Option<u64>,
    /// Run fresh seeds for so long
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Happenings of each run before it calms down
    #[arg(long, default_value_t = STEPS_DEFAULT)]
    steps: u64,
    /// The first of the fresh seeds; random without it
    #[arg(long)]
    first: Option<u64>,
    /// With --seed: print everything that happens
    #[arg(long, requires = "seed")]
    trace: bool,
}

/// What a hunt came to.
#[derive(Debug)]
pub struct Hunt {
    /// The first seed that it tried.
    pub first: u64,
    /// Runs that kept every promise.
    pub runs: u64,
    /// Happenings of all of them.
    pub steps: u64,
    /// Messages accepted in them.
    pub accepted: u64,
    /// The seed that broke, if one did.
    pub broken: Option<Box<Broken>>,
}

/// Tries seeds from `first` on until `time` is over or one breaks.
pub fn hunt(first: u64, steps: u64, time: Duration) -> Hunt {
    let started = Instant::now();
    let mut hunt = Hunt {
        first,
        runs: 0,
        steps: 0,
        accepted: 0,
        broken: None,
    };
    let mut seed = first;
    while started.elapsed() < time {
        match run(seed, steps) {
            Ok(run) => {
                hunt.runs += 1;
                hunt.steps += run.steps;
                hunt.accepted += run.accepted as u64;
            }
            Err(broken) => {
                hunt.steps += broken.step;
                hunt.broken = Some(broken);
                break;
            }
        }
        seed = seed.wrapping_add(1);
    }
    hunt
}

impl Simulate {
    /// Runs; 0 if every promise was kept.
    pub fn run(&self) -> ExitCode {
        match self.seed {
            Some(seed) => self.replay(seed),
            None => self.search(),
        }
    }

    fn replay(&self, seed: u64) -> ExitCode {
        let one = run_traced(seed, self.steps, self.trace);
        let two = run(seed, self.steps);
        if one != two {
            println!("seed {seed} went two ways: {one:?} and {two:?}");
            return ExitCode::FAILURE;
        }
        match one {
            Ok(Run {
                steps,
                hash,
                accepted,
                handled,
                processes,
                ..
            }) => {
                println!(
                    "seed {seed}: {steps} steps, {accepted} messages accepted, {handled} handled, \
                     {processes} starts of the server, trace {hash:016x}"
                );
                ExitCode::SUCCESS
            }
            Err(broken) => {
                println!("{broken}");
                ExitCode::FAILURE
            }
        }
    }

    fn search(&self) -> ExitCode {
        let first = match self.first.map_or_else(getrandom::u64, Ok) {
            Ok(first) => first,
            Err(error) => {
                eprintln!("ringpost-sim sim: no randomness for a seed: {error}");
                return ExitCode::FAILURE;
            }
        };
        let hunt = hunt(first, self.steps, Duration::from_secs(self.seconds));
        println!(
            "{} runs from seed {first} on, {} steps, {} messages accepted",
            hunt.runs, hunt.steps, hunt.accepted
        );
        match hunt.broken {
            None => ExitCode::SUCCESS,
            Some(broken) => {
                println!("{broken}");
                ExitCode::FAILURE
            }
        }
    }
}
