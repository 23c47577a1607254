//! What the demo's threads tell its main thread.
//!
//! Owner: the main thread, which alone reads it. Always: bounded; nobody waits for the main thread
//! while it waits for them.

use std::time::Instant;

/// News that wait to be read. The main thread only counts, so it is never far behind; full: the
/// sender waits.
pub(super) const NEWS_WAITING_MAX: usize = 65_536;

/// One task for one device.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Message {
    pub(super) task_id: String,
    pub(super) cid: String,
}

#[derive(Debug)]
pub(super) enum News {
    /// A device logged in.
    Online,
    /// All devices are logged in and have their aliases: their client ids, by number.
    Ready(Vec<String>),
    /// The server took a push, with these messages.
    Accepted {
        messages: Vec<Message>,
        sent_at: Instant,
    },
    /// The server did not take a push of so many messages; why.
    NotAccepted { messages: u64, why: String },
    /// A device handed a message to its app.
    Received { message: Message, at: Instant },
    /// A device dropped a repeat.
    Repeated,
    /// A device has sent the acks of these.
    Acked(Vec<Message>),
    /// A signal asks for the end.
    Interrupted,
    /// A thread cannot go on.
    Failed(String),
}
