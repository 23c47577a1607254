//! `ringpost-sim`: simulated devices for a Ringpost server. All of it is in the `sdk-sim` crate.

use std::process::ExitCode;

use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    sdk_sim::command::RingpostSim::parse().run()
}
