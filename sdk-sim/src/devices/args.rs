//! The command line of `ringpost-sim devices`.
//!
//! Owner: the process. Always: the flags are those of the contract; a flag given twice takes its
//! last value.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::client::AckMode;
use crate::fleet::LOGINS_IN_FLIGHT_MAX;

/// Most devices one process may be asked for; the file limit usually says less. Client side ports
/// to one server address end here.
pub(super) const DEVICES_MAX: u32 = 60_000;

/// Keeps N devices connected.
#[derive(Debug, Clone, Args)]
#[command(args_override_self = true)]
pub struct Devices {
    /// The server's bootstrap.json
    #[arg(long, value_name = "FILE")]
    pub bootstrap: PathBuf,
    /// Another app than the bootstrap's
    #[arg(long, value_name = "APPID")]
    pub app: Option<String>,
    /// How many devices
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(DEVICES_MAX)))]
    pub count: u32,
    /// Keeps client ids, secrets and handled message ids over runs (JSON lines; FILE.journal beside it)
    #[arg(long, value_name = "FILE")]
    pub state: Option<PathBuf>,
    /// Appends what the devices hear (JSON lines)
    #[arg(long, value_name = "FILE")]
    pub events: Option<PathBuf>,
    /// Ends in order this many seconds after `ready`
    #[arg(long, value_name = "S")]
    pub duration: Option<u32>,
    /// Whether pushes are acked
    #[arg(long, value_enum, default_value_t = Ack::Auto)]
    pub ack: Ack,
    /// Tags to set on every device
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub tags: Vec<String>,
    /// Binds the alias P_<index> to each device before it counts as ready
    #[arg(long, value_name = "P")]
    pub alias_prefix: Option<String>,
    /// Heartbeat to ask for, in seconds; 0 = the server's choice
    #[arg(long, value_name = "S", default_value_t = 0)]
    pub heartbeat: u16,
    /// Lets each device find the longest heartbeat that its network holds, anew in each run
    #[arg(long, conflicts_with = "heartbeat")]
    pub learn_heartbeat: bool,
    /// Where the phones are: notifications for Wi-Fi only are shown nowhere else
    #[arg(long, value_enum, default_value_t = Network::Wifi)]
    pub network: Network,
    /// How many may be between connect and welcome at one time
    #[arg(long, value_name = "N", default_value_t = LOGINS_IN_FLIGHT_MAX as u32, value_parser = clap::value_parser!(u32).range(1..=i64::from(DEVICES_MAX)))]
    pub at_once: u32,
    /// The users click on each notification that is shown
    #[arg(long)]
    pub click: bool,
}

/// Where the phones are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Network {
    /// In a Wi-Fi.
    Wifi,
    /// Not in one: notifications for Wi-Fi only are not shown.
    Cellular,
}

/// Whether pushes are acked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Ack {
    /// Each push, after it was written down.
    Auto,
    /// Never.
    None,
}

impl From<Ack> for AckMode {
    fn from(ack: Ack) -> Self {
        match ack {
            Ack::Auto => Self::Auto,
            Ack::None => Self::None,
        }
    }
}
