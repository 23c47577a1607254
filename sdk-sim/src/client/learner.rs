//! How a client learns its heartbeat: what its hello wishes, how often it pings, when it asks for
//! more room.
//!
//! Owner: one `Client` that was told to learn. Always: the client's own interval is at most what
//! the server granted; what a session teaches belongs to the network it began on.
//!
//! The granted interval is the longest that a session may try; the client's own one begins at what
//! is known to be good and grows below it. When there is more to try than was granted, the client
//! logs in anew, at most once an hour, and never for a server that did not grant what it could.

use protocol::Welcome;

use super::event::EndReason;
use super::learnt_heartbeat::Bounds;
use super::networks::{LearntHeartbeats, NetworkNameError, check_name};
use super::{Client, Link, Next};

/// The least time between two logins for the sake of learning, in milliseconds: a server that
/// grants what it likes cannot be made busy by it.
const NEW_LOGIN_MS: u64 = 60 * 60 * 1_000;

/// One session, as far as it teaches.
#[derive(Debug, Clone)]
struct Session {
    network: String,
    granted_s: u16,
    /// The server's, but no longer than it grants.
    bounds: Bounds,
    /// The client's own interval.
    interval_s: u16,
}

#[derive(Debug, Clone)]
pub(super) struct Learner {
    learnt: LearntHeartbeats,
    network: String,
    /// What the last hello wished; 0: the server's choice.
    wish_s: u16,
    session: Option<Session>,
    next_login_ms: u64,
}

impl Learner {
    pub(super) fn new(learnt: LearntHeartbeats) -> Self {
        Self {
            learnt,
            network: String::new(),
            wish_s: 0,
            session: None,
            next_login_ms: 0,
        }
    }

    pub(super) fn learnt(&self) -> &LearntHeartbeats {
        &self.learnt
    }

    /// The network of the next connection.
    pub(super) fn set_network(&mut self, name: &str) {
        name.clone_into(&mut self.network);
    }

    /// For the hello. 0 (the server's choice) until the bounds of a server are known.
    pub(super) fn wish_s(&mut self, now_ms: u64) -> u16 {
        self.wish_s = match self.learnt.bounds {
            None => 0,
            Some(bounds) => self.learnt.network(&self.network).wish_s(&bounds, now_ms),
        };
        self.wish_s
    }

    /// A session begins; returns the client's own interval, in seconds.
    pub(super) fn welcomed(&mut self, welcome: &Welcome) -> u16 {
        let granted_s = welcome.heartbeat_s.max(1);
        let min_s = welcome.heartbeat_min_s.clamp(1, granted_s);
        let max_s = welcome.heartbeat_max_s.max(granted_s);
        let choice_s = match self.learnt.bounds {
            Some(bounds) if self.wish_s > 0 => bounds.choice_s,
            _ => granted_s,
        };
        let mut bounds = Bounds {
            min_s,
            max_s,
            choice_s: choice_s.max(min_s).min(max_s),
        };
        self.learnt.bounds = Some(bounds);
        if granted_s < self.wish_s.min(max_s) {
            bounds.max_s = granted_s;
        }
        let base_s = self.learnt.network(&self.network).base_s(&bounds);
        let interval_s = base_s.min(granted_s);
        self.session = Some(Session {
            network: self.network.clone(),
            granted_s,
            bounds,
            interval_s,
        });
        interval_s
    }

    /// The link outlived an idle interval; returns the interval from here on, in seconds.
    pub(super) fn held(&mut self, now_ms: u64) -> Option<u16> {
        let session = self.session.as_mut()?;
        let network = self.learnt.network(&session.network);
        network.held(session.interval_s, &session.bounds);
        session.interval_s = network
            .next_s(&session.bounds, now_ms)
            .min(session.granted_s);
        Some(session.interval_s)
    }

    /// The link died in an idle interval.
    pub(super) fn lost(&mut self, now_ms: u64) {
        if let Some(session) = self.session.take() {
            let network = self.learnt.network(&session.network);
            network.lost(session.interval_s, &session.bounds, now_ms);
        }
    }

    /// To be asked after [`Self::held`]: true when there is more to try than this session was
    /// granted, and it is time to say so by a new login; the caller then logs in.
    pub(super) fn takes_new_login(&mut self, now_ms: u64) -> bool {
        let Some(session) = &self.session else {
            return false;
        };
        let next_s = self
            .learnt
            .network(&session.network)
            .next_s(&session.bounds, now_ms);
        let wants = next_s > session.granted_s && now_ms >= self.next_login_ms;
        if wants {
            self.next_login_ms = now_ms.saturating_add(NEW_LOGIN_MS);
        }
        wants
    }
}

impl Client {
    /// The network that the next connection will use, by a name of the caller's choice: a Wi-Fi
    /// network's, a carrier's. What is learnt of the heartbeat belongs to it. A session keeps the
    /// network it began on. Without effect for a client that does not learn.
    ///
    /// # Errors
    /// [`NetworkNameError`]: longer than [`super::NETWORK_NAME_LEN_MAX`]; the old name stays.
    pub fn set_network(&mut self, name: &str) -> Result<(), NetworkNameError> {
        check_name(name)?;
        if let Some(learner) = &mut self.learner {
            learner.set_network(name);
        }
        Ok(())
    }

    /// What was learnt of networks so far, to be kept over restarts; `None` if this client does not
    /// learn.
    pub fn learnt(&self) -> Option<&LearntHeartbeats> {
        self.learner.as_ref().map(|learner| learner.learnt())
    }

    /// The network held an idle interval: perhaps it holds a longer one.
    pub(super) fn interval_held(&mut self, now_ms: u64) {
        let (Link::Online(heartbeat), Some(learner)) = (&mut self.link, &mut self.learner) else {
            return;
        };
        if let Some(interval_s) = learner.held(now_ms) {
            heartbeat.set_interval_s(interval_s);
        }
        // A command under way would be lost; the next hold comes.
        if self.waiting_serials.is_empty() && learner.takes_new_login(now_ms) {
            self.finish_session(EndReason::LongerHeartbeat);
            self.link = Link::Leaving(Next::ConnectAt(now_ms));
        }
    }

    /// Silence, or a connection cut when a ping woke a network that had forgotten it.
    pub(super) fn learn_from_end(&mut self, now_ms: u64, reason: &EndReason) {
        if let (Link::Online(heartbeat), Some(learner)) = (&self.link, &mut self.learner)
            && heartbeat.is_probing()
            && matches!(reason, EndReason::Silent | EndReason::Transport(_))
        {
            learner.lost(now_ms);
        }
    }
}
