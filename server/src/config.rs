//! What the operator may set: flags, then `RINGPOST_*` environment, then the TOML file, then
//! defaults. Parsed here, at the start and when they are read again; later code takes a [`Config`] and checks nothing again.

mod change;
mod file;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use self::file::{DevicesFile, File, Heartbeat, IngressFile, StoreFile, WebhooksFile};
use crate::addresses::{AddressList, Network};
use crate::http::HttpSettings;
use crate::limits::{SEND_TIMEOUT, STORE_MEMORY_MIB_MAX, STORE_MEMORY_MIB_MIN};
use crate::net::Door;
use crate::store::StoreMemory;
use crate::telemetry::LogFormat;
use crate::vendor::VendorKind;
use crate::webhook::WebhookSettings;
use server_core::shard::Settings as ShardSettings;

pub use change::{Change, Changes};

/// A setting that cannot be used: which, and why.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file could not be read.
    #[error("{}: {source}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not TOML, or has an unknown key or a value of the wrong type.
    #[error("{}: {reason}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the parser said; it names the key.
        reason: String,
    },
    /// A value that makes no sense.
    #[error("{key} = {value:?}: {reason}")]
    Value {
        /// The key as the operator wrote it: flag, variable or key of the file.
        key: String,
        /// What came.
        value: String,
        /// What is wanted.
        reason: String,
    },
}

fn value(key: &str, value: impl ToString, reason: impl Into<String>) -> ConfigError {
    ConfigError::Value {
        key: key.to_owned(),
        value: value.to_string(),
        reason: reason.into(),
    }
}

/// Flags of `serve`. Of a flag given twice the last one wins.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(args_override_self = true)]
pub struct ServeArgs {
    /// TOML file with settings (see docs/operations.md).
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Folder of everything that lasts [default: ./ringpost-data]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Where devices connect [default: 127.0.0.1:5224]
    #[arg(long, value_name = "ADDR")]
    pub device: Option<String>,
    /// Where third parties call [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR")]
    pub http: Option<String>,
    /// A listener of its own for /admin and /metrics, which then leave the HTTP one.
    #[arg(long, value_name = "ADDR")]
    pub admin: Option<String>,
    /// How many shards [default: one per usable core]
    #[arg(long, value_name = "N")]
    pub shards: Option<String>,
    /// The name by which devices and third parties reach this server.
    #[arg(long, value_name = "HOST")]
    pub public_host: Option<String>,
    /// Log lines: text or json [default: text]
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<String>,
    /// What is logged, e.g. info or server=debug [default: info]
    #[arg(long, value_name = "FILTER")]
    pub log: Option<String>,
}

/// The operator's certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsPaths {
    /// PEM chain, leaf first.
    pub cert: PathBuf,
    /// PEM key.
    pub key: PathBuf,
    /// PEM of what devices must trust; without it, the chain.
    pub ca: Option<PathBuf>,
}

/// Everything that `serve` needs to know.
#[derive(Debug, Clone)]
pub struct Config {
    /// Folder of everything that lasts.
    pub data: PathBuf,
    /// Where devices connect.
    pub device: SocketAddr,
    /// Where third parties call.
    pub http: SocketAddr,
    /// A listener of its own for `/admin` and `/metrics`.
    pub admin: Option<SocketAddr>,
    /// How many shards; `None`: one per usable core.
    pub shards: Option<u16>,
    /// The name by which the server is reached from outside.
    pub public_host: Option<String>,
    /// The operator's certificate; without it, one of our own.
    pub tls: Option<TlsPaths>,
    /// What shards are told.
    pub shard: ShardSettings,
    /// Who may connect to the device port.
    pub door: Door,
    /// How long a device may take nothing of what it is sent.
    pub send_timeout: Duration,
    /// What the ingress is told, but for the admin token, the vendor channel and the desks.
    pub ingress: HttpSettings,
    /// How devices without a connection are reached besides.
    pub vendor_channel: VendorKind,
    /// How receipts are sent to developers' servers.
    pub webhooks: WebhookSettings,
    /// Memory of the store.
    pub store_memory: StoreMemory,
    /// How long a drain may take.
    pub drain_timeout: Duration,
    /// Over how long devices spread their reconnects after a go-away, in ms.
    pub drain_jitter_ms: u32,
    /// Where a go-away sends devices, HOST:PORT; empty: where they came from.
    pub drain_endpoint: String,
    /// How log lines look.
    pub log_format: LogFormat,
    /// What is logged.
    pub log_filter: String,
}

/// A setting with the name under which it was given.
struct Given {
    key: &'static str,
    text: String,
}

impl Config {
    /// Merges flags, environment, file and defaults.
    pub fn load(
        args: &ServeArgs,
        environment: &HashMap<String, String>,
    ) -> Result<Config, ConfigError> {
        let file = match args
            .config
            .clone()
            .or_else(|| environment.get("RINGPOST_CONFIG").map(PathBuf::from))
        {
            Some(path) => File::read(&path)?,
            None => File::default(),
        };
        let pick = |flag: &Option<String>,
                    flag_key,
                    variable: &'static str,
                    from_file: Option<String>,
                    file_key| {
            flag.clone()
                .map(|text| Given {
                    key: flag_key,
                    text,
                })
                .or_else(|| {
                    environment.get(variable).map(|text| Given {
                        key: variable,
                        text: text.clone(),
                    })
                })
                .or_else(|| {
                    from_file.map(|text| Given {
                        key: file_key,
                        text,
                    })
                })
        };
        let data = args
            .data
            .clone()
            .or_else(|| environment.get("RINGPOST_DATA").map(PathBuf::from))
            .or(file.data)
            .unwrap_or_else(|| "./ringpost-data".into());
        let device = pick(
            &args.device,
            "--device",
            "RINGPOST_DEVICE",
            file.device,
            "device",
        );
        let http = pick(&args.http, "--http", "RINGPOST_HTTP", file.http, "http");
        let admin = pick(
            &args.admin,
            "--admin",
            "RINGPOST_ADMIN",
            file.admin,
            "admin",
        );
        let shards = file.shards.map(|shards| shards.to_string());
        let shards = pick(
            &args.shards,
            "--shards",
            "RINGPOST_SHARDS",
            shards,
            "shards",
        );
        let public_host = pick(
            &args.public_host,
            "--public-host",
            "RINGPOST_PUBLIC_HOST",
            file.public_host,
            "public_host",
        );
        let format = pick(
            &args.log_format,
            "--log-format",
            "RINGPOST_LOG_FORMAT",
            None,
            "log.format",
        );
        let filter = pick(
            &args.log,
            "--log",
            "RINGPOST_LOG",
            file.log.filter,
            "log.filter",
        );
        Ok(Config {
            data,
            device: address(device, "127.0.0.1:5224")?,
            http: address(http, "127.0.0.1:8080")?,
            admin: admin.map(|given| address(Some(given), "")).transpose()?,
            shards: shards.map(shard_count).transpose()?,
            public_host: public_host.map(host).transpose()?,
            tls: file.tls.map(|tls| TlsPaths {
                cert: tls.cert,
                key: tls.key,
                ca: tls.ca,
            }),
            shard: shard_settings(&file.heartbeat, &file.devices)?,
            door: Door {
                proxies: device_proxies(file.device_proxy_protocol, &file.trusted_proxies)?,
                list: AddressList {
                    allow: file.device_allow,
                    deny: file.device_deny,
                },
            },
            ingress: HttpSettings {
                list: AddressList {
                    allow: file.http_allow,
                    deny: file.http_deny,
                },
                trusted_proxies: file.trusted_proxies,
                ..ingress_settings(&file.ingress)?
            },
            send_timeout: timeout(
                "devices.send_timeout_s",
                file.devices.send_timeout_s,
                SEND_TIMEOUT,
            )?,
            vendor_channel: file.vendor_channel.unwrap_or_default(),
            webhooks: webhook_settings(&file.webhooks)?,
            store_memory: store_memory(&file.store)?,
            drain_timeout: Duration::from_secs(file.drain.timeout_s.unwrap_or(20)),
            drain_jitter_ms: file.drain.jitter_s.unwrap_or(5).saturating_mul(1000),
            drain_endpoint: redirect(file.drain.endpoint.unwrap_or_default())?,
            log_format: format
                .map(log_format)
                .transpose()?
                .or(file.log.format)
                .unwrap_or_default(),
            log_filter: filter.map_or_else(|| "info".into(), |given| given.text),
        })
    }
}

fn address(given: Option<Given>, default: &'static str) -> Result<SocketAddr, ConfigError> {
    let given = given.unwrap_or(Given {
        key: "default",
        text: default.into(),
    });
    // The same variable tells the command line where the server is, as a URL.
    let text = given
        .text
        .strip_prefix("http://")
        .unwrap_or(&given.text)
        .trim_end_matches('/');
    let named = text
        .strip_prefix("localhost:")
        .map(|port| format!("127.0.0.1:{port}"));
    named.as_deref().unwrap_or(text).parse().map_err(|_| {
        value(
            given.key,
            &given.text,
            "want ADDRESS:PORT, such as 127.0.0.1:8080, [::]:8080 or 0.0.0.0:0",
        )
    })
}

fn shard_count(given: Given) -> Result<u16, ConfigError> {
    match given.text.parse() {
        Ok(shards @ 1..=SHARDS_MAX) => Ok(shards),
        _ => Err(value(
            given.key,
            given.text,
            format!("want a number from 1 to {SHARDS_MAX}"),
        )),
    }
}

/// More shards than any machine has cores; each takes a thread, a ring and N channels.
const SHARDS_MAX: u16 = 256;

/// Whether it is a name or an IPv4 address.
fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 253
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '.')
}

fn is_ipv6(text: &str) -> bool {
    text.parse::<std::net::Ipv6Addr>().is_ok()
}

fn host(given: Given) -> Result<String, ConfigError> {
    let text = given
        .text
        .trim_start_matches('[')
        .trim_end_matches(']')
        .to_owned();
    if is_name(&text) || is_ipv6(&text) {
        Ok(text)
    } else {
        Err(value(
            given.key,
            given.text,
            "want a host name or an address, without a port",
        ))
    }
}

/// The endpoint of a go-away: the length is what the frame holds.
fn redirect(text: String) -> Result<String, ConfigError> {
    let has_host_and_port = text.rsplit_once(':').is_some_and(|(name, port)| {
        let bare = name
            .strip_prefix('[')
            .and_then(|name| name.strip_suffix(']'));
        let is_host = match bare {
            Some(bare) => is_ipv6(bare),
            None => is_name(name),
        };
        is_host && port.parse::<u16>().is_ok_and(|port| port > 0)
    });
    if text.len() <= 255 && (text.is_empty() || has_host_and_port) {
        Ok(text)
    } else {
        Err(value(
            "drain.endpoint",
            text,
            "want HOST:PORT of at most 255 bytes, an IPv6 address in brackets",
        ))
    }
}

fn log_format(given: Given) -> Result<LogFormat, ConfigError> {
    match given.text.as_str() {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err(value(given.key, given.text, "want text or json")),
    }
}

fn shard_settings(
    heartbeat: &Heartbeat,
    devices: &DevicesFile,
) -> Result<ShardSettings, ConfigError> {
    let default = ShardSettings::default();
    let settings = ShardSettings {
        heartbeat_min_s: heartbeat.min_s.unwrap_or(default.heartbeat_min_s),
        heartbeat_max_s: heartbeat.max_s.unwrap_or(default.heartbeat_max_s),
        heartbeat_default_s: heartbeat.default_s.unwrap_or(default.heartbeat_default_s),
        hello_timeout_ms: devices
            .hello_timeout_s
            .map_or(default.hello_timeout_ms, |s| s.saturating_mul(1000)),
        devices_may_bind: devices.may_bind_aliases.unwrap_or(default.devices_may_bind),
    };
    let (min_s, max_s) = (settings.heartbeat_min_s, settings.heartbeat_max_s);
    if min_s == 0 {
        return Err(value("heartbeat.min_s", min_s, "want at least 1"));
    }
    if max_s < min_s {
        return Err(value(
            "heartbeat.max_s",
            max_s,
            format!("want at least heartbeat.min_s = {min_s}"),
        ));
    }
    if !(min_s..=max_s).contains(&settings.heartbeat_default_s) {
        let reason = format!("want {min_s} to {max_s}, the bounds set beside it");
        return Err(value(
            "heartbeat.default_s",
            settings.heartbeat_default_s,
            reason,
        ));
    }
    if settings.hello_timeout_ms == 0 {
        return Err(value("devices.hello_timeout_s", 0, "want at least 1"));
    }
    Ok(settings)
}

/// The balancers that begin device connections with a PROXY header.
fn device_proxies(wanted: Option<bool>, trusted: &[Network]) -> Result<Vec<Network>, ConfigError> {
    match (wanted.unwrap_or(false), trusted) {
        (false, _) => Ok(Vec::new()),
        (true, []) => {
            let reason = "want trusted_proxies beside it: nobody else is believed";
            Err(value("device_proxy_protocol", true, reason))
        }
        (true, trusted) => Ok(trusted.to_vec()),
    }
}

fn timeout(key: &str, given: Option<u64>, default: Duration) -> Result<Duration, ConfigError> {
    match given {
        Some(0) => Err(value(key, 0, "want at least 1")),
        given => Ok(given.map_or(default, Duration::from_secs)),
    }
}

fn ingress_settings(file: &IngressFile) -> Result<HttpSettings, ConfigError> {
    let default = HttpSettings::default();
    let skew = file.timestamp_skew_s.map(Duration::from_secs);
    Ok(HttpSettings {
        timestamp_skew: skew.unwrap_or(default.timestamp_skew),
        idle_timeout: timeout(
            "ingress.idle_timeout_s",
            file.idle_timeout_s,
            default.idle_timeout,
        )?,
        head_timeout: timeout(
            "ingress.head_timeout_s",
            file.head_timeout_s,
            default.head_timeout,
        )?,
        body_timeout: timeout(
            "ingress.body_timeout_s",
            file.body_timeout_s,
            default.body_timeout,
        )?,
        write_timeout: timeout(
            "ingress.write_timeout_s",
            file.write_timeout_s,
            default.write_timeout,
        )?,
        ..default
    })
}

fn webhook_settings(file: &WebhooksFile) -> Result<WebhookSettings, ConfigError> {
    let default = WebhookSettings::default();
    let settings = WebhookSettings {
        allow_private: file.allow_private.unwrap_or(default.allow_private),
        timeout: file.timeout_s.map_or(default.timeout, Duration::from_secs),
        retry_first: file
            .retry_first_ms
            .map_or(default.retry_first, Duration::from_millis),
        retry_most: file
            .retry_most_s
            .map_or(default.retry_most, Duration::from_secs),
        keep: file.keep_s.map_or(default.keep, Duration::from_secs),
    };
    if settings.timeout.is_zero() {
        return Err(value("webhooks.timeout_s", 0, "want at least 1"));
    }
    if settings.retry_first.is_zero() {
        return Err(value("webhooks.retry_first_ms", 0, "want at least 1"));
    }
    if settings.retry_most < settings.retry_first {
        return Err(value(
            "webhooks.retry_most_s",
            settings.retry_most.as_secs(),
            "want at least webhooks.retry_first_ms",
        ));
    }
    Ok(settings)
}

fn store_memory(file: &StoreFile) -> Result<StoreMemory, ConfigError> {
    let Some(mib) = file.memory_mib else {
        return Ok(StoreMemory::DEFAULT);
    };
    StoreMemory::of_mib(mib).ok_or_else(|| {
        let reason = format!("want {STORE_MEMORY_MIB_MIN} to {STORE_MEMORY_MIB_MAX}");
        value("store.memory_mib", mib, reason)
    })
}

#[cfg(test)]
mod tests;
