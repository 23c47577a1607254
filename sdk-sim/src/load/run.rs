//! One run of `ringpost-sim load`, from the flags to the exit code.
//!
//! Owner: the process. Always: what can be refused is refused before anything is connected; a
//! signal ends the devices in order and gives no result, for half a phase is none; the report is
//! shown even when its sums are wrong.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::args::Load;
use super::fault::Fault;
use super::report::Report;
use super::scenario::{self, Outcome};
use super::stage::Stage;
use super::table::table;
use crate::bootstrap::Bootstrap;
use crate::transport;

/// Runs a scenario and reports. Complaints go to stderr; 78 is the exit code for flags that cannot
/// be met, 130 after a signal, 1 for a failure on the way or sums that do not come out right.
pub fn run(args: &Load) -> ExitCode {
    match measure(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("ringpost-sim load: {fault}");
            fault.exit_code()
        }
    }
}

fn measure(args: &Load) -> Result<(), Fault> {
    args.check()?;
    let bootstrap = Bootstrap::load(&args.bootstrap)?;
    if let Some(path) = &args.out {
        // Rather now than after an hour of load.
        File::create(path).map_err(out_fault(path))?;
    }
    let stage = Stage::new(args, bootstrap)?;
    let outcome = transport::run(play(&stage)).map_err(Fault::io("ring"))??;
    show(args, &outcome.report)?;
    outcome.fault.map_or(Ok(()), Err)
}

async fn play(stage: &Stage) -> Result<Outcome, Fault> {
    let mut signals = Signals::listen().map_err(Fault::io("signals"))?;
    let outcome = tokio::select! {
        outcome = scenario::play(stage) => outcome,
        () = signals.next() => Err(Fault::Interrupted),
    };
    tokio::select! {
        () = stage.clear() => {}
        () = signals.next() => {}
    }
    outcome
}

fn show(args: &Load, report: &Report) -> Result<(), Fault> {
    let json = serde_json::to_string_pretty(report)
        .map_err(|error| Fault::io("report")(io::Error::other(error)))?;
    let mut out = io::stdout().lock();
    write!(out, "{}", table(report))
        .and_then(|()| out.flush())
        .map_err(Fault::io("stdout"))?;
    if let Some(path) = &args.out {
        fs::write(path, json + "\n").map_err(out_fault(path))?;
    }
    Ok(())
}

fn out_fault(path: &Path) -> impl Fn(io::Error) -> Fault {
    move |source| Fault::Out {
        path: path.to_owned(),
        source,
    }
}

/// The two signals that ask for an end.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
