//! What the commands share that look into a data folder while no server runs.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::store::StoreBounds;

/// `EX_CONFIG`: the operator must change something first.
pub(super) const EXIT_CONFIG: u8 = 78;

/// What such a command takes of the machine: files far below any usual limit.
pub(super) const BOUNDS: StoreBounds = StoreBounds::of_files(128);

/// Which data folder, and how to print.
#[derive(Debug, Clone, clap::Args)]
pub struct DataArgs {
    /// The data folder; no server may be running on it.
    #[arg(
        long,
        env = "RINGPOST_DATA",
        value_name = "DIR",
        default_value = "./ringpost-data"
    )]
    pub data: PathBuf,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// A folder that cannot be looked at.
pub(super) fn unusable(data: &Path, reason: &str) -> ExitCode {
    eprintln!("ringpost: data folder {}: {reason}", data.display());
    ExitCode::from(EXIT_CONFIG)
}
