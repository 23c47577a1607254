//! The command line: `serve`, the commands that talk to a running server, and those for a data
//! folder without one.

mod admin_client;
mod app;
mod backup;
mod check;
mod data;
mod drain;
mod export;
mod forget;
mod import;
mod inquiry;
mod push;
mod receipts;
mod reload;
mod repair;
mod table;

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;

use data::{DataArgs, EXIT_CONFIG};

use crate::boot;
use crate::config::{Config, ServeArgs};
use crate::telemetry::start_log;

/// Commands of the server.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the server.
    Serve(ServeArgs),
    /// Look at every file and every row of a data folder, and say what does not fit together.
    Check(DataArgs),
    /// Cut the damaged end of a journal that keeps the store from opening, after a copy of all.
    Repair(DataArgs),
    /// Create, look at and change apps of a running server.
    App {
        /// What to do.
        #[command(subcommand)]
        command: app::AppCommand,
        /// Where the server is.
        #[command(flatten)]
        target: Target,
    },
    /// Push a message.
    Push {
        /// To whom.
        #[command(subcommand)]
        command: push::PushCommand,
        /// Where the server is.
        #[command(flatten)]
        target: Target,
    },
    /// Say where each message of a task stands, and why.
    Task {
        /// The AppID.
        appid: String,
        /// The task, as the push was answered.
        taskid: String,
        /// Where the server is.
        #[command(flatten)]
        target: Target,
    },
    /// Say whether a device is there, what waits for it and why, and how its last messages ended.
    Device {
        /// The AppID.
        appid: String,
        /// The CID.
        cid: String,
        /// Delete it instead, with everything that names it, for good.
        #[arg(long)]
        delete: bool,
        /// Where the server is.
        #[command(flatten)]
        target: Target,
    },
    /// Show the oldest receipts that wait for the developer's server, or tell dead letters again.
    Receipts {
        /// The AppID.
        appid: String,
        /// Those that could not be told in time.
        #[arg(long)]
        dead: bool,
        /// Tell all of those again instead.
        #[arg(long, conflicts_with = "dead")]
        replay: bool,
        /// Where the server is.
        #[command(flatten)]
        target: Target,
    },
    /// Write a copy of the data folder of a running server, to be served as it is.
    Backup {
        /// A new folder, on the machine of the server.
        #[arg(long, value_name = "DIR")]
        to: PathBuf,
        /// Where the server is.
        #[command(flatten)]
        target: Target,
    },
    /// Have a running server read its settings and certificate again, and say what it took over.
    Reload {
        /// Where the server is.
        #[command(flatten)]
        target: Target,
    },
    /// Have a running server end as by SIGTERM: devices are told to return, nothing accepted is lost.
    Drain {
        /// Where the server is.
        #[command(flatten)]
        target: Target,
    },
    /// Take devices with tags and aliases over from elsewhere; CIDs are kept.
    Import {
        /// The AppID.
        appid: String,
        /// JSON lines, one device each; - for standard input.
        file: PathBuf,
        /// Go on behind a line that is refused; without it the call of that line is the last one.
        #[arg(long)]
        skip_bad: bool,
        /// Where the server is.
        #[command(flatten)]
        target: Target,
    },
    /// Write the devices of an app with tags and aliases as JSON lines, as import reads them.
    Export {
        /// The AppID.
        appid: String,
        /// A new file; standard output without it.
        file: Option<PathBuf>,
        /// With the hashes of the devices' secrets, so that they can log in where they are imported.
        #[arg(long)]
        with_secrets: bool,
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
        let done = match self {
            Command::Serve(args) => return serve(&args),
            Command::Check(args) => return check::run(&args),
            Command::Repair(args) => return repair::run(&args),
            Command::App { command, target } => app::run(&command, &target),
            Command::Push { command, target } => push::run(&command, &target),
            Command::Task {
                appid,
                taskid,
                target,
            } => inquiry::task(&appid, &taskid, &target),
            Command::Device {
                appid,
                cid,
                delete: false,
                target,
            } => inquiry::device(&appid, &cid, &target),
            Command::Device {
                appid,
                cid,
                delete: true,
                target,
            } => forget::device(&appid, &cid, &target),
            Command::Receipts {
                appid,
                replay: true,
                target,
                ..
            } => receipts::replay(&appid, &target),
            Command::Receipts {
                appid,
                dead,
                target,
                ..
            } => receipts::list(&appid, dead, &target),
            Command::Backup { to, target } => backup::run(&to, &target),
            Command::Reload { target } => reload::run(&target),
            Command::Drain { target } => drain::run(&target),
            Command::Import {
                appid,
                file,
                skip_bad,
                target,
            } => import::run(&appid, &file, skip_bad, &target),
            Command::Export {
                appid,
                file,
                with_secrets,
                target,
            } => export::run(&appid, file.as_deref(), with_secrets, &target),
        };
        match done {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("ringpost: {error}");
                ExitCode::FAILURE
            }
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
    let log = match start_log(config.log_format, &config.log_filter) {
        Ok(log) => log,
        Err(error) => {
            eprintln!("ringpost: {error}");
            return ExitCode::from(EXIT_CONFIG);
        }
    };
    let sources = boot::Sources {
        args: args.clone(),
        environment,
        log,
    };
    match boot::serve(config, sources) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ringpost: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}
