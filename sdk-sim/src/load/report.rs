//! The result of a run: what `--out` writes and the table shows.
//!
//! Owner: a scenario fills it, nobody changes it afterwards. Always: the names are stable, units
//! stand at their ends, and `docs/load.md` lists them; what was not measured is left out, never 0.

use std::collections::BTreeMap;

use serde::Serialize;

use super::args::Scenario;
use super::latency::Percentiles;

/// Raised when a name goes or changes its meaning; a new name does not raise it.
pub(super) const VERSION: u32 = 2;

#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) version: u32,
    pub(super) scenario: Scenario,
    pub(super) settings: Settings,
    /// A thread of the generator used so much of a core that it may be what was measured.
    pub(super) generator_bound: bool,
    /// What a reader of the figures has to know.
    pub(super) notes: Vec<String>,
    /// Length of the measured phase, its tail included.
    pub(super) wall_s: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) logins: Option<Logins>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) pushes: Option<Pushes>,
    pub(super) latency: Latencies,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) per_device: Option<PerDevice>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) per_heartbeat: Option<PerUnit>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) per_login: Option<PerUnit>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) per_message: Option<PerUnit>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) per_stored_message: Option<PerUnit>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) bytes: Option<Bytes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) server: Option<Server>,
    pub(super) generator: Generator,
    pub(super) machine: Machine,
    pub(super) kernel: Kernel,
}

/// As asked for; what the scenario does not use is left out.
#[derive(Debug, Serialize)]
pub(super) struct Settings {
    pub(super) devices: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rate_per_s: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) duration_s: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) size_bytes: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) connections: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) batch: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) broadcasts: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) heartbeat_s: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) messages_per_device: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ramp_s: Option<u32>,
}

#[derive(Debug, Serialize)]
pub(super) struct Logins {
    pub(super) count: u64,
    pub(super) attempts_refused: u64,
    pub(super) per_s: f64,
}

#[derive(Debug, Serialize)]
pub(super) struct Pushes {
    pub(super) offered: u64,
    pub(super) accepted: u64,
    /// By the code of the answer.
    pub(super) refused: BTreeMap<i64, u64>,
    pub(super) failed: u64,
    pub(super) http_reconnects: u64,
    pub(super) received: u64,
    pub(super) acked: u64,
    pub(super) lost: u64,
    pub(super) doubled: u64,
    pub(super) repeats_dropped: u64,
    pub(super) foreign: u64,
    pub(super) links_lost: u64,
    pub(super) accepted_per_s: f64,
    pub(super) received_per_s: f64,
}

#[derive(Debug, Default, Serialize)]
pub(super) struct Latencies {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) login: Option<Percentiles>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) login_since_start: Option<Percentiles>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) receipt: Option<Percentiles>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) receipt_travellers: Option<Percentiles>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) http_answer: Option<Percentiles>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) send_lag: Option<Percentiles>,
}

#[derive(Debug, Serialize)]
pub(super) struct PerDevice {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) server_bytes: Option<f64>,
    pub(super) kernel_bytes_estimate: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) all_bytes_estimate: Option<f64>,
    pub(super) generator_bytes: f64,
}

/// What one login or one message cost.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct PerUnit {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) server_cpu_us: Option<f64>,
    pub(super) generator_cpu_us: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) below_tls_bytes: Option<f64>,
}

/// Received by the devices in the measured phase.
#[derive(Debug, Serialize)]
pub(super) struct Bytes {
    /// As the kernel counted; left out where sockets came and went.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) below_tls: Option<u64>,
    /// Whole push frames.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) above_tls: Option<u64>,
    /// The texts in them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) payload: Option<u64>,
    /// Messages times size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) payload_expected: Option<u64>,
}

#[derive(Debug, Serialize)]
pub(super) struct Server {
    pub(super) pid: u32,
    pub(super) cpu_s: f64,
    pub(super) cpu_user_s: f64,
    pub(super) cpu_system_s: f64,
    pub(super) cpu_cores: f64,
    /// Its threads could run and found no CPU free; more than one may wait at a time.
    pub(super) cpu_wait_s: f64,
    pub(super) rss_before_bytes: u64,
    pub(super) rss_after_bytes: u64,
    pub(super) rss_growth_bytes: i64,
    pub(super) rss_peak_bytes: u64,
}

#[derive(Debug, Serialize)]
pub(super) struct Generator {
    pub(super) cpu_s: f64,
    pub(super) cpu_wait_s: f64,
    pub(super) rss_before_bytes: u64,
    pub(super) rss_after_bytes: u64,
    pub(super) rss_growth_bytes: i64,
    #[serde(skip)]
    pub(super) bound: bool,
    pub(super) threads: Vec<ThreadShare>,
}

#[derive(Debug, Serialize)]
pub(super) struct ThreadShare {
    pub(super) name: String,
    pub(super) cores: f64,
}

#[derive(Debug, Serialize)]
pub(super) struct Machine {
    pub(super) cores: u64,
    pub(super) busy_cores: f64,
    /// Neither the server nor this generator.
    pub(super) others_cores: f64,
}

#[derive(Debug, Serialize)]
pub(super) struct Kernel {
    pub(super) slab_growth_bytes: i64,
    pub(super) tcp_buffers_growth_bytes: i64,
    pub(super) tcp_sockets_growth: i64,
    pub(super) available_drop_bytes: i64,
}

/// Three digits behind the point: what is below is noise, and long to read.
pub(super) fn thousandths(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

#[cfg(test)]
impl Report {
    /// A report with only what is never left out.
    pub(super) fn sample() -> Self {
        Self {
            version: VERSION,
            scenario: Scenario::Unicast,
            settings: Settings {
                devices: 7,
                rate_per_s: None,
                duration_s: None,
                size_bytes: None,
                connections: None,
                batch: None,
                broadcasts: None,
                heartbeat_s: None,
                messages_per_device: None,
                ramp_s: None,
            },
            generator_bound: false,
            notes: vec!["read this".to_owned()],
            wall_s: 1.5,
            logins: None,
            pushes: None,
            latency: Latencies::default(),
            per_device: None,
            per_heartbeat: None,
            per_login: None,
            per_message: None,
            per_stored_message: None,
            bytes: None,
            server: None,
            generator: Generator {
                cpu_s: 0.5,
                cpu_wait_s: 0.0,
                rss_before_bytes: 1,
                rss_after_bytes: 2,
                rss_growth_bytes: 1,
                bound: false,
                threads: vec![ThreadShare {
                    name: "load-pusher".to_owned(),
                    cores: 0.25,
                }],
            },
            machine: Machine {
                cores: 2,
                busy_cores: 1.0,
                others_cores: 0.0,
            },
            kernel: Kernel {
                slab_growth_bytes: 0,
                tcp_buffers_growth_bytes: 0,
                tcp_sockets_growth: 0,
                available_drop_bytes: -1,
            },
        }
    }
}
