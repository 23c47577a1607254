//! The command line of `ringpost-sim`.
//!
//! Owner: the process.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::conform::{self, Conform};
use crate::devices::{self, Devices};
use crate::load::{self, Load};
use crate::sim::Simulate;

/// Simulated devices for a Ringpost server.
#[derive(Debug, Parser)]
#[command(name = "ringpost-sim", version)]
pub struct RingpostSim {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Keeps N devices connected
    Devices(Box<Devices>),
    /// Puts a load on a server and measures both sides
    Load(Box<Load>),
    /// Checks that a server speaks the device protocol
    Conform(Conform),
    /// Simulates the whole system from seeds
    Sim(Simulate),
}

impl RingpostSim {
    /// Does what the command line asked for.
    pub fn run(&self) -> ExitCode {
        match &self.command {
            Command::Devices(args) => devices::run(args),
            Command::Load(args) => load::run(args),
            Command::Conform(args) => conform::run(args),
            Command::Sim(args) => args.run(),
        }
    }
}
