//! What a shard counts. Plain numbers: the server publishes them, the simulation adds them up.

/// Counts since the process started, unless said otherwise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Connections accepted here.
    pub connections_opened: u64,
    /// Connections given to another shard after their hello.
    pub handed_off: u64,
    /// Connections taken from another shard.
    pub adopted: u64,
    /// Logins that succeeded, registrations included.
    pub logins: u64,
    /// New devices.
    pub registrations: u64,
    /// Hellos refused.
    pub logins_refused: u64,
    /// Sessions ended by a newer login of the same CID.
    pub replaced: u64,
    /// Sessions ended because nothing was heard in time.
    pub heartbeat_timeouts: u64,
    /// Messages of accepted pushes, one per target.
    pub accepted: u64,
    /// Messages that became durable here.
    pub stored: u64,
    /// Pushes sent, repeats after a reconnect included.
    pub sent: u64,
    /// Messages acknowledged.
    pub acked: u64,
    /// Messages that expired while a session or an answer saw it.
    pub expired: u64,
    /// Messages not sent because their device takes none.
    pub filtered: u64,
    /// Messages not taken because as much waited for their device as its app allows.
    pub failed: u64,
    /// Messages not sent because their task was stopped.
    pub revoked: u64,
    /// Requests answered with the answer of an earlier one with the same request id.
    pub requests_repeated: u64,
    /// Commands answered "busy".
    pub busy: u64,
    /// Pages read from the store.
    pub pages_read: u64,
    /// Reads or ops that the store refused.
    pub store_failures: u64,
    /// Live sessions now.
    pub sessions: u64,
    /// Registered devices now.
    pub devices: u64,
}
