//! The command line of `ringpost-sim load`.
//!
//! Owner: the process. Always: a flag given twice takes its last value; what one process cannot
//! hold is refused before anything is connected.

use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::fault::Fault;
use super::payload::PAYLOAD_LEN_MIN;
use super::schedule::Pace;
use crate::file_limit::{FILES_RESERVED, devices_that_fit};

/// Most devices that may be asked for; the file limit usually says less. Client side ports to one
/// server address end here. More: refused by the command line.
const DEVICES_MAX: i64 = 60_000;

/// Most pushes of one run: each is remembered to its end in two bytes. More: refused.
pub(super) const PUSHES_MAX: u64 = 20_000_000;

/// Highest rate, pushes per second; beyond what one pusher thread can send on any machine we know.
/// More: refused by the command line.
const RATE_MAX: i64 = 200_000;

/// Longest measured phase, and longest ramp, in seconds: a day. More: refused by the command line.
const DURATION_S_MAX: i64 = 24 * 60 * 60;

/// Most characters of a transmission, as the API has it. More: refused by the command line.
const SIZE_MAX: i64 = 3072;

/// Most pushes in one request, as the API has it. More: refused by the command line.
const BATCH_MAX: i64 = 200;

/// Most broadcasts of one run. More: refused by the command line.
const BROADCASTS_MAX: i64 = 10_000;

/// Longest heartbeat that a device may wish, in seconds. More: refused by the command line.
const HEARTBEAT_S_MAX: i64 = 7_200;

/// Most HTTP connections: each is a file of this process and one of the server's 10,000.
/// More: refused by the command line.
const CONNECTIONS_MAX: i64 = 4096;

/// What to do to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Scenario {
    /// Devices log in and do nothing: memory per device, CPU
    Idle,
    /// All devices log in at once, full TLS handshakes
    Storm,
    /// All devices return at once with the TLS tickets of their first login
    Resume,
    /// Single pushes at a fixed rate, open loop
    Unicast,
    /// Pushes to the whole app, one after the other
    Fanout,
    /// Pushes are stored for devices that are away; then all return
    Offline,
    /// As unicast, while a tenth of the devices keeps leaving and returning
    Mixed,
}

/// Puts a load on a server and measures it.
#[derive(Debug, Clone, Args)]
#[command(args_override_self = true)]
pub struct Load {
    /// What to do to the server
    #[arg(value_enum)]
    pub scenario: Scenario,
    /// The server's bootstrap.json
    #[arg(long, value_name = "FILE")]
    pub bootstrap: PathBuf,
    /// How many devices
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=DEVICES_MAX))]
    pub devices: u32,
    /// Pushes per second (unicast, mixed)
    #[arg(long, value_name = "R", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=RATE_MAX))]
    pub rate: u32,
    /// Length of the measured phase in seconds (idle, unicast, mixed)
    #[arg(long, value_name = "S", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=DURATION_S_MAX))]
    pub duration: u32,
    /// Seconds over which the devices log in, evenly; 0: as fast as the server lets them (idle)
    #[arg(long, value_name = "S", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=DURATION_S_MAX))]
    pub ramp: u32,
    /// Writes the result as JSON
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Bytes of text in each push
    #[arg(long, value_name = "BYTES", default_value_t = 128, value_parser = clap::value_parser!(u32).range(PAYLOAD_LEN_MIN as i64..=SIZE_MAX))]
    pub size: u32,
    /// HTTP connections, kept alive, one push at a time on each
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=CONNECTIONS_MAX))]
    pub connections: u32,
    /// Messages stored for each device (offline)
    #[arg(long, value_name = "K", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub messages: u32,
    /// Pushes in one request, by /push/single/batch/cid if more than one (unicast, mixed, offline)
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=BATCH_MAX))]
    pub batch: u32,
    /// Pushes to the whole app, each when the one before was acked by all (fanout)
    #[arg(long, value_name = "B", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=BROADCASTS_MAX))]
    pub broadcasts: u32,
    /// Heartbeat that the devices wish, in seconds; 0 is the server's choice
    #[arg(long, value_name = "S", default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..=HEARTBEAT_S_MAX))]
    pub heartbeat: u16,
}

impl Load {
    /// How many pushes this run sends.
    pub(super) fn pushes(&self) -> u64 {
        let devices = u64::from(self.devices);
        match self.scenario {
            Scenario::Idle | Scenario::Storm | Scenario::Resume => 0,
            Scenario::Unicast | Scenario::Mixed => u64::from(self.rate) * u64::from(self.duration),
            Scenario::Fanout => devices * u64::from(self.broadcasts),
            Scenario::Offline => devices * u64::from(self.messages),
        }
    }

    /// When they are due.
    pub(super) fn pace(&self) -> Pace {
        match (self.scenario, NonZeroU32::new(self.rate)) {
            (Scenario::Unicast | Scenario::Mixed, Some(rate)) => Pace::PerSecond(rate),
            _ => Pace::AtOnce,
        }
    }

    /// How many pushes go to single devices, in requests of their own or in batches.
    pub(super) fn single_pushes(&self) -> u64 {
        match self.scenario {
            Scenario::Fanout => 0,
            _ => self.pushes(),
        }
    }

    /// Refuses what one process cannot hold. Raises the soft file limit to the hard one.
    pub(super) fn check(&self) -> Result<(), Fault> {
        let pushes = self.pushes();
        if pushes > PUSHES_MAX {
            let limit = PUSHES_MAX;
            return Err(Fault::TooManyPushes { pushes, limit });
        }
        let fit = devices_that_fit(FILES_RESERVED.saturating_add(u64::from(self.connections)));
        if self.devices as usize > fit {
            let asked = self.devices;
            return Err(Fault::FileLimit { asked, fit });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        load: Load,
    }

    fn parse(line: &str) -> Result<Load, clap::Error> {
        let words = ["load"].into_iter().chain(line.split_whitespace());
        Line::try_parse_from(words).map(|line| line.load)
    }

    #[test]
    fn given_each_scenario_when_counted_should_know_its_pushes() {
        let count = |line: &str| {
            parse(&format!("{line} --bootstrap b --devices 7"))
                .expect("a good line")
                .pushes()
        };
        assert_eq!(count("idle"), 0);
        assert_eq!(count("unicast --rate 20 --duration 3"), 60);
        assert_eq!(count("mixed --rate 20 --duration 3"), 60);
        assert_eq!(count("fanout"), 7);
        assert_eq!(count("fanout --broadcasts 3"), 21);
        assert_eq!(count("offline --messages 5"), 35);
    }

    #[test]
    fn given_too_much_when_checked_should_name_asked_and_limit() {
        let load = parse("unicast --bootstrap b --rate 200000 --duration 101").expect("in range");
        let text = load.check().expect_err("refused").to_string();
        assert!(
            text.contains("20200000") && text.contains("20000000"),
            "{text}"
        );
        for bad in [
            "--rate 0",
            "--size 23",
            "--size 3073",
            "--duration 86401",
            "--batch 201",
        ] {
            let error = parse(&format!("unicast --bootstrap b {bad}")).expect_err(bad);
            let flag = bad.split(' ').next().expect("a flag");
            assert!(error.to_string().contains(flag), "{error}");
        }
    }
}
