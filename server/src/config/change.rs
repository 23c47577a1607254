//! What differs between two sets of settings, key by key, and which of it a running server takes over.
//!
//! Owner: whoever adds a setting; a field that is not listed here does not compile. Always: a key has the name that it has
//! in the file, and its value looks as there.

use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use super::{Config, TlsPaths};
use crate::addresses::{AddressList, Network};
use crate::http::HttpSettings;
use crate::net::Door;
use crate::telemetry::LogFormat;
use crate::vendor::VendorKind;
use crate::webhook::WebhookSettings;
use server_core::shard::Settings as ShardSettings;

/// One key with what it was and what it is to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// As it stands in the file, with the table before a dot.
    pub key: &'static str,
    /// The value before; null: not set.
    pub from: Value,
    /// The value after.
    pub to: Value,
}

/// What differs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// Taken over by a running server.
    pub at_once: Vec<Change>,
    /// Taken over by the next start.
    pub at_a_start: Vec<Change>,
}

/// When a server takes a key over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Taken {
    AtOnce,
    AtAStart,
}

type Entry = (&'static str, Taken, Value);

impl Changes {
    /// What `to` has otherwise than `from`, key by key in a fixed order.
    pub fn between(from: &Config, to: &Config) -> Changes {
        let mut changes = Changes::default();
        for ((key, taken, from), (_, _, to)) in entries(from).into_iter().zip(entries(to)) {
            if from == to {
                continue;
            }
            let list = match taken {
                Taken::AtOnce => &mut changes.at_once,
                Taken::AtAStart => &mut changes.at_a_start,
            };
            list.push(Change { key, from, to });
        }
        changes
    }
}

impl Config {
    /// These settings, but for those that only a start takes over: they stay as `running` has them.
    #[must_use]
    pub fn taken_over_by(self, running: &Config) -> Config {
        Config {
            data: running.data.clone(),
            device: running.device,
            http: running.http,
            admin: running.admin,
            shards: running.shards,
            store_memory: running.store_memory,
            log_format: running.log_format,
            ..self
        }
    }

    /// All keys of the file, each with whether a running server takes it over.
    pub fn keys(&self) -> impl Iterator<Item = (&'static str, bool)> {
        entries(self)
            .into_iter()
            .map(|(key, taken, _)| (key, taken == Taken::AtOnce))
    }
}

fn entries(config: &Config) -> Vec<Entry> {
    use Taken::{AtAStart, AtOnce};
    let Config {
        data,
        device,
        http,
        admin,
        shards,
        public_host,
        tls,
        shard,
        door,
        send_timeout,
        ingress,
        vendor_channel,
        webhooks,
        store_memory,
        drain_timeout,
        drain_jitter_ms,
        drain_endpoint,
        log_format,
        log_filter,
    } = config;
    let Door { list, proxies } = door;
    let AddressList { allow, deny } = list;
    let mut all = vec![
        ("data", AtAStart, text_of(data)),
        ("device", AtAStart, json!(device)),
        ("http", AtAStart, json!(http)),
        ("admin", AtAStart, json!(admin)),
        ("shards", AtAStart, json!(shards)),
        ("public_host", AtOnce, json!(public_host)),
        ("device_allow", AtOnce, networks(allow)),
        ("device_deny", AtOnce, networks(deny)),
        ("device_proxy_protocol", AtOnce, json!(!proxies.is_empty())),
    ];
    all.extend(tls_entries(tls.as_ref()));
    all.extend(shard_entries(shard));
    all.extend(ingress_entries(ingress));
    all.extend(webhook_entries(webhooks));
    let vendor_channel = match vendor_channel {
        VendorKind::None => "none",
        VendorKind::Log => "log",
    };
    let log_format = match log_format {
        LogFormat::Text => "text",
        LogFormat::Json => "json",
    };
    all.extend([
        ("devices.send_timeout_s", AtOnce, seconds(*send_timeout)),
        ("vendor_channel", AtOnce, json!(vendor_channel)),
        ("store.memory_mib", AtAStart, json!(store_memory.mib())),
        ("drain.timeout_s", AtOnce, seconds(*drain_timeout)),
        ("drain.jitter_s", AtOnce, json!(drain_jitter_ms / 1000)),
        ("drain.endpoint", AtOnce, json!(drain_endpoint)),
        ("log.format", AtAStart, json!(log_format)),
        ("log.filter", AtOnce, json!(log_filter)),
    ]);
    all
}

fn tls_entries(tls: Option<&TlsPaths>) -> [Entry; 3] {
    let path = |path: fn(&TlsPaths) -> Value| tls.map_or(Value::Null, path);
    [
        ("tls.cert", Taken::AtOnce, path(|tls| text_of(&tls.cert))),
        ("tls.key", Taken::AtOnce, path(|tls| text_of(&tls.key))),
        (
            "tls.ca",
            Taken::AtOnce,
            path(|tls| tls.ca.as_deref().map_or(Value::Null, text_of)),
        ),
    ]
}

fn shard_entries(settings: &ShardSettings) -> [Entry; 5] {
    let ShardSettings {
        heartbeat_default_s,
        heartbeat_min_s,
        heartbeat_max_s,
        hello_timeout_ms,
        devices_may_bind,
    } = settings;
    let taken = Taken::AtOnce;
    [
        ("heartbeat.default_s", taken, json!(heartbeat_default_s)),
        ("heartbeat.min_s", taken, json!(heartbeat_min_s)),
        ("heartbeat.max_s", taken, json!(heartbeat_max_s)),
        (
            "devices.hello_timeout_s",
            taken,
            json!(hello_timeout_ms / 1000),
        ),
        ("devices.may_bind_aliases", taken, json!(devices_may_bind)),
    ]
}

fn ingress_entries(settings: &HttpSettings) -> [Entry; 8] {
    let HttpSettings {
        timestamp_skew,
        idle_timeout,
        head_timeout,
        body_timeout,
        write_timeout,
        list,
        trusted_proxies,
        // Not of the file: made by the start.
        admin_token: _,
        body_len_max: _,
        vendor_channel: _,
        backups: _,
        reloads: _,
    } = settings;
    let AddressList { allow, deny } = list;
    let taken = Taken::AtOnce;
    [
        ("http_allow", taken, networks(allow)),
        ("http_deny", taken, networks(deny)),
        ("trusted_proxies", taken, networks(trusted_proxies)),
        ("ingress.timestamp_skew_s", taken, seconds(*timestamp_skew)),
        ("ingress.idle_timeout_s", taken, seconds(*idle_timeout)),
        ("ingress.head_timeout_s", taken, seconds(*head_timeout)),
        ("ingress.body_timeout_s", taken, seconds(*body_timeout)),
        ("ingress.write_timeout_s", taken, seconds(*write_timeout)),
    ]
}

fn webhook_entries(settings: &WebhookSettings) -> [Entry; 5] {
    let WebhookSettings {
        allow_private,
        timeout,
        retry_first,
        retry_most,
        keep,
    } = settings;
    let taken = Taken::AtOnce;
    [
        ("webhooks.allow_private", taken, json!(allow_private)),
        ("webhooks.timeout_s", taken, seconds(*timeout)),
        (
            "webhooks.retry_first_ms",
            taken,
            json!(retry_first.as_millis() as u64),
        ),
        ("webhooks.retry_most_s", taken, seconds(*retry_most)),
        ("webhooks.keep_s", taken, seconds(*keep)),
    ]
}

fn text_of(path: &Path) -> Value {
    path.display().to_string().into()
}

fn seconds(duration: Duration) -> Value {
    json!(duration.as_secs())
}

fn networks(list: &[Network]) -> Value {
    list.iter().map(Network::to_string).collect()
}
