//! The command line of `ringpost-sim conform`.
//!
//! Owner: the process. Always: a flag given twice takes its last value.

use std::path::PathBuf;

use clap::Args;

/// Checks that a server speaks the device protocol.
#[derive(Debug, Clone, Args)]
#[command(args_override_self = true)]
pub struct Conform {
    /// Where the server takes devices; without it the bootstrap's
    #[arg(long, value_name = "HOST:PORT")]
    pub device: Option<String>,
    /// JSON file with ca_cert and app, for pushes also http; the server's bootstrap.json is one
    #[arg(long, value_name = "FILE")]
    pub bootstrap: PathBuf,
    /// Prints the verdicts as JSON
    #[arg(long)]
    pub json: bool,
}
