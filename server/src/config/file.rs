//! What the TOML file may hold: each key with its type. What a value may be is judged by `Config`.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::ConfigError;
use crate::addresses::Network;
use crate::telemetry::LogFormat;
use crate::vendor::VendorKind;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct File {
    pub(super) data: Option<PathBuf>,
    pub(super) device: Option<String>,
    pub(super) http: Option<String>,
    pub(super) admin: Option<String>,
    pub(super) shards: Option<u16>,
    pub(super) public_host: Option<String>,
    pub(super) http_allow: Vec<Network>,
    pub(super) http_deny: Vec<Network>,
    pub(super) device_allow: Vec<Network>,
    pub(super) device_deny: Vec<Network>,
    pub(super) trusted_proxies: Vec<Network>,
    pub(super) device_proxy_protocol: Option<bool>,
    pub(super) tls: Option<TlsFile>,
    pub(super) heartbeat: Heartbeat,
    pub(super) drain: Drain,
    pub(super) ingress: IngressFile,
    pub(super) devices: DevicesFile,
    pub(super) vendor_channel: Option<VendorKind>,
    pub(super) webhooks: WebhooksFile,
    pub(super) store: StoreFile,
    pub(super) log: LogFile,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TlsFile {
    pub(super) cert: PathBuf,
    pub(super) key: PathBuf,
    pub(super) ca: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Heartbeat {
    pub(super) default_s: Option<u16>,
    pub(super) min_s: Option<u16>,
    pub(super) max_s: Option<u16>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Drain {
    pub(super) timeout_s: Option<u64>,
    pub(super) jitter_s: Option<u32>,
    pub(super) endpoint: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct IngressFile {
    pub(super) timestamp_skew_s: Option<u64>,
    pub(super) idle_timeout_s: Option<u64>,
    pub(super) head_timeout_s: Option<u64>,
    pub(super) body_timeout_s: Option<u64>,
    pub(super) write_timeout_s: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct DevicesFile {
    pub(super) hello_timeout_s: Option<u64>,
    pub(super) send_timeout_s: Option<u64>,
    pub(super) may_bind_aliases: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct WebhooksFile {
    pub(super) allow_private: Option<bool>,
    pub(super) timeout_s: Option<u64>,
    pub(super) retry_first_ms: Option<u64>,
    pub(super) retry_most_s: Option<u64>,
    pub(super) keep_s: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct LogFile {
    pub(super) format: Option<LogFormat>,
    pub(super) filter: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct StoreFile {
    pub(super) memory_mib: Option<u64>,
}

impl File {
    /// Reads and parses it.
    ///
    /// # Errors
    /// It cannot be read; it is not TOML, or has an unknown key or a value of the wrong type.
    pub(super) fn read(path: &Path) -> Result<File, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        toml::from_str(&text).map_err(|error| ConfigError::File {
            path: path.to_owned(),
            reason: error.to_string(),
        })
    }
}
