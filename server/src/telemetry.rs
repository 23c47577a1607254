//! What the process tells about itself: metrics and logs.
//!
//! Shards write their counts into cells of their own, with plain stores; whoever scrapes reads
//! them. No shard waits for a scrape.

mod log;
mod shard_cells;

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use server_core::counters::Counters;
use server_core::ids::ShardNo;

use crate::store::Held;

pub use log::{LogFilter, LogFormat, parse_filter, start_log};
pub use shard_cells::Doorway;
use shard_cells::ShardCells;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AnswerLabels {
    route: String,
    status: u16,
    code: i32,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    route: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AppLabels {
    app: String,
}

/// All metrics of the process.
#[derive(Debug)]
pub struct Telemetry {
    registry: Registry,
    shards: Arc<ShardCells>,
    http_answers: Family<AnswerLabels, Counter>,
    http_seconds: Family<RouteLabels, Histogram, fn() -> Histogram>,
    commits: Counter,
    commit_ops: Counter,
    syncs: Counter,
    commit_seconds: Histogram,
    store_holds: StoreCells,
    connections_denied: Counter,
    proxy_headers_refused: Counter,
    reload_succeeded: Gauge,
    reload_seconds: Gauge,
    webhooks: WebhookCells,
}

#[derive(Debug, Default)]
struct StoreCells {
    cached: Gauge,
    cached_max: Gauge,
    unwritten: Gauge,
}

impl StoreCells {
    fn registered(registry: &mut Registry) -> Self {
        let cells = StoreCells::default();
        for (name, help, gauge) in [
            (
                "store_cached",
                "Rows that the store keeps for reading, and what finds them",
                &cells.cached,
            ),
            (
                "store_cached_max",
                "Most that the store keeps for reading",
                &cells.cached_max,
            ),
            (
                "store_unwritten",
                "Changes that are not in a table yet",
                &cells.unwritten,
            ),
        ] {
            registry.register_with_unit(name, help, Unit::Bytes, gauge.clone());
        }
        cells
    }
}

#[derive(Debug, Default)]
struct WebhookCells {
    told: Counter,
    dropped: Counter,
    dead: Counter,
    calls_failed: Counter,
    lag_seconds: Family<AppLabels, Gauge>,
}

impl WebhookCells {
    fn registered(registry: &mut Registry) -> Self {
        let cells = WebhookCells::default();
        for (name, help, counter) in [
            (
                "receipts_told",
                "Receipts that a developer's server has taken",
                &cells.told,
            ),
            (
                "receipts_dropped",
                "Receipts in Getui's form given up after three tries",
                &cells.dropped,
            ),
            (
                "receipts_dead",
                "Receipts moved to the dead letters",
                &cells.dead,
            ),
            (
                "webhook_calls_failed",
                "Tries to tell receipts that failed",
                &cells.calls_failed,
            ),
        ] {
            registry.register(name, help, counter.clone());
        }
        let help = "Age of the oldest receipt that an app's server has not taken";
        registry.register_with_unit(
            "receipt_lag",
            help,
            Unit::Seconds,
            cells.lag_seconds.clone(),
        );
        cells
    }
}

fn latency() -> Histogram {
    // 0.1 ms to 6.5 s in doublings: a flush is 0.2 ms, a client gives up after 30 s.
    Histogram::new(exponential_buckets(0.0001, 2.0, 17))
}

impl Telemetry {
    /// Metrics of a process with `shards` shards whose store held `held_at_start` messages.
    pub fn new(shards: u16, held_at_start: u64) -> Arc<Self> {
        let mut registry = Registry::with_prefix("ringpost");
        let shards = Arc::new(ShardCells::new(shards, held_at_start));
        registry.register_collector(Box::new(Arc::clone(&shards)));
        let http_answers = Family::default();
        registry.register(
            "http_answers",
            "HTTP answers by route, status and code of the envelope",
            http_answers.clone(),
        );
        let http_seconds = Family::new_with_constructor(latency as fn() -> Histogram);
        let help = "Time from the last byte of a request to its answer";
        registry.register_with_unit("http_answer", help, Unit::Seconds, http_seconds.clone());
        let (commits, commit_ops, syncs) =
            (Counter::default(), Counter::default(), Counter::default());
        registry.register(
            "store_commits",
            "Batches written to the store",
            commits.clone(),
        );
        registry.register("store_ops", "Ops in these batches", commit_ops.clone());
        registry.register(
            "store_syncs",
            "Batches that were synced to disk before they were answered",
            syncs.clone(),
        );
        let commit_seconds = latency();
        let help = "Time to apply, write and sync one batch";
        registry.register_with_unit("store_commit", help, Unit::Seconds, commit_seconds.clone());
        let store_holds = StoreCells::registered(&mut registry);
        let (connections_denied, proxy_headers_refused) = (Counter::default(), Counter::default());
        registry.register(
            "connections_denied",
            "Device connections closed because of their address",
            connections_denied.clone(),
        );
        registry.register(
            "proxy_headers_refused",
            "Device connections closed for want of a good PROXY header",
            proxy_headers_refused.clone(),
        );
        let (reload_succeeded, reload_seconds) = (Gauge::default(), Gauge::default());
        registry.register(
            "last_reload_succeeded",
            "Whether the settings that were read last are those in use: 1, or 0 if they were refused",
            reload_succeeded.clone(),
        );
        let help = "When the settings were read last, in seconds of Unix time";
        registry.register_with_unit(
            "last_reload_time",
            help,
            Unit::Seconds,
            reload_seconds.clone(),
        );
        let webhooks = WebhookCells::registered(&mut registry);
        Arc::new(Telemetry {
            reload_succeeded,
            reload_seconds,
            webhooks,
            registry,
            shards,
            http_answers,
            http_seconds,
            commits,
            commit_ops,
            syncs,
            commit_seconds,
            store_holds,
            connections_denied,
            proxy_headers_refused,
        })
    }

    /// All metrics as text.
    pub fn render(&self) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry)
            .expect("writing to a string does not fail");
        text
    }

    /// One HTTP answer left. `route` is the pattern, never the path itself.
    pub fn http_answered(
        &self,
        route: &'static str,
        http_status: u16,
        code: i32,
        elapsed: Duration,
    ) {
        let labels = AnswerLabels {
            route: route.into(),
            status: http_status,
            code,
        };
        self.http_answers.get_or_create(&labels).inc();
        let labels = RouteLabels {
            route: route.into(),
        };
        self.http_seconds
            .get_or_create(&labels)
            .observe(elapsed.as_secs_f64());
    }

    /// One batch was committed.
    pub fn committed(&self, ops: usize, synced: bool, elapsed: Duration) {
        self.commits.inc();
        self.commit_ops.inc_by(ops as u64);
        if synced {
            self.syncs.inc();
        }
        self.commit_seconds.observe(elapsed.as_secs_f64());
    }

    /// What the store has in memory, as of the last commit.
    pub fn store_holds(&self, held: Held) {
        let cells = &self.store_holds;
        for (cell, bytes) in [
            (&cells.cached, held.cached),
            (&cells.cached_max, held.cached_max),
            (&cells.unwritten, held.unwritten),
        ] {
            cell.set(i64::try_from(bytes).unwrap_or(i64::MAX));
        }
    }

    /// A device connection was closed because of its address.
    pub fn connection_denied(&self) {
        self.connections_denied.inc();
    }

    /// A balancer began a device connection with no good PROXY header.
    pub fn proxy_header_refused(&self) {
        self.proxy_headers_refused.inc();
    }

    /// The settings were read, at the start or again, and are used or were refused.
    pub fn settings_read(&self, are_used: bool, now_ms: u64) {
        self.reload_succeeded.set(i64::from(are_used));
        let now_s = i64::try_from(now_ms / 1000).unwrap_or(i64::MAX);
        self.reload_seconds.set(now_s);
    }

    /// A developer's server has taken this many receipts.
    pub fn receipts_told(&self, count: usize) {
        self.webhooks.told.inc_by(count as u64);
    }

    /// This many receipts in Getui's form were given up.
    pub fn receipts_dropped(&self, count: usize) {
        self.webhooks.dropped.inc_by(count as u64);
    }

    /// This many receipts became dead letters.
    pub fn receipts_dead(&self, count: usize) {
        self.webhooks.dead.inc_by(count as u64);
    }

    /// A try to tell receipts failed.
    pub fn webhook_call_failed(&self) {
        self.webhooks.calls_failed.inc();
    }

    /// How old the oldest receipt is that waits for an app's server; 0 if none does.
    pub fn receipt_lag(&self, app_id: &str, seconds: u64) {
        let app = app_id.to_owned();
        let cell = self.webhooks.lag_seconds.get_or_create(&AppLabels { app });
        cell.set(i64::try_from(seconds).unwrap_or(i64::MAX));
    }

    /// An app has no callback any more.
    pub fn receipt_lag_gone(&self, app_id: &str) {
        let app = app_id.to_owned();
        self.webhooks.lag_seconds.remove(&AppLabels { app });
    }

    /// A shard's counts as they stand.
    pub fn publish(&self, shard: ShardNo, counters: &Counters, doorway: &Doorway) {
        self.shards.publish(shard, counters, doorway);
    }

    /// The names of all metrics with their help, for the document that lists them.
    pub fn names(&self) -> Vec<(String, String)> {
        self.render()
            .lines()
            .filter_map(|line| line.strip_prefix("# HELP "))
            .filter_map(|line| line.split_once(' '))
            .map(|(name, help)| (name.to_owned(), help.to_owned()))
            .collect()
    }
}
