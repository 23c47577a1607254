//! Everything that can happen to a shard.

use protocol::{Frame, Hello};

use crate::command::Command;
use crate::ids::{SessionId, Ticket};
use crate::op::Committed;
use crate::read::ReadDone;
use crate::shard::Settings;

/// One thing that happened.
#[derive(Debug, Clone)]
pub enum ShardEvent {
    /// A connection was accepted here; its handshake begins.
    Opened(SessionId),
    /// A connection was handed over by the shard where it landed, with the hello it sent.
    Adopted(SessionId, Box<Hello>),
    /// A frame came.
    Frame(SessionId, Frame),
    /// Bytes came that are no frame; the peer is told why.
    Malformed(SessionId, protocol::FrameError),
    /// The connection is gone.
    Closed(SessionId),
    /// A third party asks.
    Command(Ticket, Command),
    /// A commit is durable.
    Committed(Committed),
    /// A read came back.
    Read(ReadDone),
    /// Time passed; at least every [`TICK_MS`](crate::wheel::TICK_MS).
    Tick,
    /// The operator set something else. Sessions keep the heartbeat that they were granted.
    Settings(Settings),
    /// Stop taking sessions and tell those that live to go away within `jitter_ms`.
    Drain {
        /// The window over which devices should spread their reconnects.
        jitter_ms: u32,
        /// Where devices should connect then, HOST:PORT of at most 255 bytes; empty: where they did.
        endpoint: String,
    },
    /// The drain is over: close what is left and write down what is unwritten.
    Finish,
}
