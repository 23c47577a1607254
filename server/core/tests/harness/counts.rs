//! The counters of a shard by the names that scripts use.
//!
//! Always: a name is that of the field.

use server_core::counters::Counters;

/// One of a shard's counters, by its name.
pub(super) fn of_name(counters: &Counters, name: &str) -> u64 {
    match name {
        "connections_opened" => counters.connections_opened,
        "handed_off" => counters.handed_off,
        "adopted" => counters.adopted,
        "logins" => counters.logins,
        "registrations" => counters.registrations,
        "logins_refused" => counters.logins_refused,
        "replaced" => counters.replaced,
        "heartbeat_timeouts" => counters.heartbeat_timeouts,
        "accepted" => counters.accepted,
        "stored" => counters.stored,
        "sent" => counters.sent,
        "acked" => counters.acked,
        "expired" => counters.expired,
        "filtered" => counters.filtered,
        "revoked" => counters.revoked,
        "failed" => counters.failed,
        "requests_repeated" => counters.requests_repeated,
        "busy" => counters.busy,
        "pages_read" => counters.pages_read,
        "store_failures" => counters.store_failures,
        "sessions" => counters.sessions,
        "devices" => counters.devices,
        other => panic!("no counter is called {other}"),
    }
}
