//! The command line: `serve`, and the commands that talk to a running server.

mod admin_client;
mod app;

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;

use crate::boot;
use crate::config::{Config, ServeArgs};
use crate::telemetry::start_log;

/// `EX_CONFIG`: the operator must change something first.
const EXIT_CONFIG: u8 = 78;

/// Commands of the server.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the server.
    Serve(ServeArgs),
    /// Create and look at apps of a running server.
    App {
        /// What to do.
        #[command(subcommand)]
        command: app::AppCommand,
        /// Where the server is.
        #[command(flatten)]
        target: Target,
    },
}

/// Which running server, and how to print what it says.
#[derive(Debug, Clone, clap::Args)]
pub struct Target {
    /// The bootstrap.json of the server; RINGPOST_HTTP with RINGPOST_TOKEN go before it
    /// [default: ./ringpost-data/bootstrap.json]
    #[arg(long, global = true, value_name = "FILE")]
    pub bootstrap: Option<PathBuf>,
    /// Print JSON.
    #[arg(long, global = true)]
    pub json: bool,
}

impl Command {
    /// Runs the command to its end.
    pub fn run(self) -> ExitCode {
        match self {
            Command::Serve(args) => serve(&args),
            Command::App { command, target } => match app::run(command, &target) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => {
                    eprintln!("ringpost: {error}");
                    ExitCode::FAILURE
                }
            },
        }
    }
}

fn serve(args: &ServeArgs) -> ExitCode {
    let environment: HashMap<String, String> = std::env::vars()
        .filter(|(name, _)| name.starts_with("RINGPOST_"))
        .collect();
    let config = match Config::load(args, &environment) {
        Ok(config) => config,
        Err(error) => {
            eprintln!("ringpost: {error}");
            return ExitCode::from(EXIT_CONFIG);
        }
    };
    if let Err(error) = start_log(config.log_format, &config.log_filter) {
        eprintln!("ringpost: {error}");
        return ExitCode::from(EXIT_CONFIG);
    }
    match boot::serve(&config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ringpost: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}
