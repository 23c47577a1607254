//! The counts of each shard, one cell per count, written by its shard alone.

use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::{MetricType, TypedMetric};
use server_core::counters::Counters;
use server_core::ids::ShardNo;

/// What a loop counts at its door, before the core hears of anybody.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Doorway {
    /// Logins that have begun and were not answered, now.
    pub handshakes: u64,
    /// Connections that wait for their login to begin, now.
    pub waiting: u64,
    /// Logins that were told to come again because the line was too long, since the start.
    pub shed: u64,
}

struct Row<C> {
    name: &'static str,
    help: &'static str,
    kind: MetricType,
    value: fn(&C) -> u64,
}

const fn counter<C>(name: &'static str, help: &'static str, value: fn(&C) -> u64) -> Row<C> {
    Row {
        name,
        help,
        kind: <ConstCounter<u64> as TypedMetric>::TYPE,
        value,
    }
}

const fn gauge<C>(name: &'static str, help: &'static str, value: fn(&C) -> u64) -> Row<C> {
    Row {
        name,
        help,
        kind: <ConstGauge<u64> as TypedMetric>::TYPE,
        value,
    }
}

/// Every count of `server_core::counters`, as it is called outside.
const ROWS: &[Row<Counters>] = &[
    gauge("devices", "Registered devices", |c| c.devices),
    gauge("sessions", "Live sessions", |c| c.sessions),
    counter(
        "connections_opened",
        "Device connections accepted on this shard's core",
        |c| c.connections_opened,
    ),
    counter(
        "connections_handed_off",
        "Device connections given to the shard that owns their CID",
        |c| c.handed_off,
    ),
    counter(
        "connections_adopted",
        "Device connections taken from the shard where they landed",
        |c| c.adopted,
    ),
    counter(
        "logins",
        "Logins that succeeded, registrations included",
        |c| c.logins,
    ),
    counter("logins_refused", "Hellos that were refused", |c| {
        c.logins_refused
    }),
    counter(
        "registrations",
        "Devices registered for the first time",
        |c| c.registrations,
    ),
    counter(
        "sessions_replaced",
        "Sessions ended by a newer login of the same CID",
        |c| c.replaced,
    ),
    counter(
        "heartbeat_timeouts",
        "Sessions ended because nothing was heard in time",
        |c| c.heartbeat_timeouts,
    ),
    counter(
        "messages_accepted",
        "Messages of accepted pushes, one per target",
        |c| c.accepted,
    ),
    counter("messages_stored", "Messages that became durable", |c| {
        c.stored
    }),
    counter(
        "messages_sent",
        "Pushes sent, repeats after a reconnect included",
        |c| c.sent,
    ),
    counter(
        "messages_acked",
        "Messages acknowledged by their device",
        |c| c.acked,
    ),
    counter("messages_expired", "Messages that expired", |c| c.expired),
    counter(
        "messages_filtered",
        "Messages not sent because their device takes none",
        |c| c.filtered,
    ),
    counter(
        "messages_failed",
        "Messages not taken because as much waited for their device as its app allows",
        |c| c.failed,
    ),
    counter(
        "messages_revoked",
        "Messages not sent because their task was stopped",
        |c| c.revoked,
    ),
    counter(
        "requests_repeated",
        "Requests answered with the first answer to their request id",
        |c| c.requests_repeated,
    ),
    counter(
        "busy_answers",
        "Commands answered busy because a queue was full",
        |c| c.busy,
    ),
    counter(
        "backlog_pages",
        "Pages of stored messages read for sessions",
        |c| c.pages_read,
    ),
    counter(
        "store_failures",
        "Reads and ops that the store refused",
        |c| c.store_failures,
    ),
];

const DOOR_ROWS: &[Row<Doorway>] = &[
    gauge(
        "handshakes",
        "Logins that have begun and were not answered",
        |d| d.handshakes,
    ),
    gauge(
        "logins_waiting",
        "Device connections that wait for their login to begin",
        |d| d.waiting,
    ),
    counter(
        "logins_shed",
        "Device connections told to come again because too many waited",
        |d| d.shed,
    ),
];

const CELLS: usize = ROWS.len() + DOOR_ROWS.len();

#[derive(Debug)]
pub(super) struct ShardCells {
    /// [`CELLS`] per shard: those of [`ROWS`], then those of [`DOOR_ROWS`].
    cells: Vec<AtomicU64>,
    held_at_start: u64,
}

impl ShardCells {
    pub(super) fn new(shards: u16, held_at_start: u64) -> Self {
        let cells = (0..usize::from(shards) * CELLS)
            .map(|_| AtomicU64::new(0))
            .collect();
        ShardCells {
            cells,
            held_at_start,
        }
    }

    pub(super) fn publish(&self, shard: ShardNo, counters: &Counters, doorway: &Doorway) {
        let own = self
            .cells
            .chunks(CELLS)
            .nth(usize::from(shard.0))
            .unwrap_or_default();
        let counted = ROWS.iter().map(|row| (row.value)(counters));
        let at_the_door = DOOR_ROWS.iter().map(|row| (row.value)(doorway));
        for (cell, value) in own.iter().zip(counted.chain(at_the_door)) {
            cell.store(value, Ordering::Relaxed);
        }
    }

    fn encode_row<C>(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        row: &Row<C>,
        at: usize,
    ) -> Result<(), std::fmt::Error> {
        let mut family = encoder.encode_descriptor(row.name, row.help, None, row.kind)?;
        for (shard, own) in self.cells.chunks(CELLS).enumerate() {
            let value = own[at].load(Ordering::Relaxed);
            let labels = [("shard", shard.to_string())];
            let metric = family.encode_family(&labels)?;
            if matches!(row.kind, MetricType::Counter) {
                ConstCounter::new(value).encode(metric)?;
            } else {
                ConstGauge::new(value).encode(metric)?;
            }
        }
        Ok(())
    }

    fn sum(&self, name: &str) -> u64 {
        let at = ROWS
            .iter()
            .position(|row| row.name == name)
            .expect("a known count");
        self.cells
            .chunks(CELLS)
            .map(|own| own[at].load(Ordering::Relaxed))
            .sum()
    }
}

impl Collector for ShardCells {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        for (at, row) in ROWS.iter().enumerate() {
            self.encode_row(&mut encoder, row, at)?;
        }
        for (at, row) in (ROWS.len()..).zip(DOOR_ROWS) {
            self.encode_row(&mut encoder, row, at)?;
        }
        let finals = self.sum("messages_acked")
            + self.sum("messages_expired")
            + self.sum("messages_filtered")
            + self.sum("messages_failed")
            + self.sum("messages_revoked");
        let held = (self.held_at_start + self.sum("messages_accepted")).saturating_sub(finals);
        let held = ConstGauge::new(held);
        let help = "Messages accepted and not yet final, over all shards";
        let metric = encoder.encode_descriptor("messages_held", help, None, held.metric_type())?;
        held.encode(metric)
    }
}
