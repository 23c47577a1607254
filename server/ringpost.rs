//! The `ringpost` binary: picks the command and runs it.

mod allocator;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// An open, self-hosted push server.
#[derive(Debug, Parser)]
#[command(name = "ringpost", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(flatten)]
    Server(Box<server::cli::Command>),
    /// Show the main job: a server, simulated devices, pushes, and the sums.
    Demo(sdk_sim::demo::Demo),
}

fn main() -> ExitCode {
    allocator::tune();
    match Arguments::parse().command {
        Command::Server(command) => command.run(),
        Command::Demo(demo) => match std::env::current_exe() {
            Ok(server) => sdk_sim::demo::run(&demo, &server),
            Err(error) => {
                eprintln!("ringpost: cannot find its own program: {error}");
                ExitCode::FAILURE
            }
        },
    }
}
