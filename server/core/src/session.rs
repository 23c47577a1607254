//! One connection as the core sees it: a state, and what that state knows.

use protocol::{ClientId, Hello};

use crate::ids::Generation;
use crate::outbox::Outbox;

/// A connection's state. Each holds only what is known then.
#[derive(Debug)]
pub enum Session {
    /// Its hello has not come yet.
    Greeting {
        /// It is closed at this time (mono, ms).
        deadline_ms: u64,
    },
    /// Its registration waits for the disk.
    Registering(Box<Hello>),
    /// Logged in.
    Live(Box<Live>),
}

/// A logged-in session.
#[derive(Debug)]
pub struct Live {
    /// Whose session.
    pub cid: ClientId,
    /// Its place among the logins of this CID.
    pub generation: Generation,
    /// The negotiated heartbeat in ms; one and a half of it in silence is death.
    pub heartbeat_ms: u64,
    /// When the last frame came (mono, ms).
    pub heard_ms: u64,
    /// When the last frame came, in ms of Unix time; written down when the session ends.
    pub seen_ms: u64,
    /// When its entry in the wheel comes out (mono, ms); an entry before that is an old one.
    pub armed_ms: u64,
    /// Whether it stands in the line of those who want a page.
    pub in_page_line: bool,
    /// What it still has to get.
    pub outbox: Outbox,
}

impl Live {
    /// When it is given up if nothing more is heard (mono, ms).
    pub fn deadline_ms(&self) -> u64 {
        self.heard_ms + self.heartbeat_ms + self.heartbeat_ms / 2
    }
}
