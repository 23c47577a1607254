//! Messages of the app to its third party, until they have ended.
//!
//! Owner: one `Client`. Always: a message is sent again in each session until the server says how it
//! ended; it keeps its id, by which the server knows a repeat.

use std::collections::VecDeque;

use protocol::{Frame, Upstream, UpstreamAck, UpstreamStatus};

use super::Client;
use super::backoff::{Backoff, BackoffBounds};
use super::event::{CommandError, Event};
use super::jitter::Jitter;

/// Messages that may wait for their end: what a server knows of one device at least. Full: the
/// newest is refused with [`CommandError::TooMany`].
pub const UPSTREAMS_WAITING_MAX: usize = 16;

#[derive(Debug)]
struct Outgoing {
    message: Upstream,
    /// When to send it; `None`: it was sent in this session, and its answer is awaited.
    send_at_ms: Option<u64>,
}

/// See the module page.
#[derive(Debug)]
pub(super) struct Upstreams {
    waiting: VecDeque<Outgoing>,
    /// Of messages that the server puts off.
    backoff: Backoff,
}

impl Default for Upstreams {
    fn default() -> Self {
        Self {
            waiting: VecDeque::new(),
            backoff: Backoff::new(BackoffBounds::default()),
        }
    }
}

impl Upstreams {
    /// A session begins: everything that has not ended is sent.
    pub(super) fn session_begins(&mut self, now_ms: u64) {
        for outgoing in &mut self.waiting {
            outgoing.send_at_ms = Some(now_ms);
        }
    }

    /// When something is to be sent, if anything is.
    pub(super) fn deadline_ms(&self) -> Option<u64> {
        let times = self.waiting.iter().filter_map(|one| one.send_at_ms);
        times.min()
    }

    fn answered(&mut self, now_ms: u64, ack: UpstreamAck, jitter: &mut Jitter) -> bool {
        let Some(at) = self.waiting.iter().position(|one| one.message.id == ack.id) else {
            return false;
        };
        if ack.status == UpstreamStatus::Busy {
            let wait_ms = self.backoff.delay_ms(jitter);
            self.waiting[at].send_at_ms = Some(now_ms.saturating_add(wait_ms));
            return true;
        }
        self.backoff.reset();
        if ack.status.is_final() && !matches!(ack.status, UpstreamStatus::Other(_)) {
            self.waiting.remove(at);
        }
        true
    }
}

impl Client {
    /// Sends a message to the third party, now or as soon as there is a session; what becomes of it
    /// is told by [`Event::Upstream`]. A message that must survive a restart of the app is the
    /// caller's to keep until its end, and to give again with the same id.
    ///
    /// # Errors
    /// [`CommandError`]: too many wait, an id of 0, a text or a body of a bad length.
    pub fn send_upstream(&mut self, now_ms: u64, message: Upstream) -> Result<(), CommandError> {
        let frame = Frame::Upstream(message.clone());
        frame.check()?;
        let waiting = &mut self.upstreams.waiting;
        if waiting.iter().any(|one| one.message.id == message.id) {
            return Ok(());
        }
        if waiting.len() >= UPSTREAMS_WAITING_MAX {
            return Err(CommandError::TooMany {
                limit: UPSTREAMS_WAITING_MAX,
            });
        }
        waiting.push_back(Outgoing {
            message,
            send_at_ms: Some(now_ms),
        });
        Ok(())
    }

    pub(super) fn send_upstreams(&mut self, now_ms: u64) {
        for outgoing in &mut self.upstreams.waiting {
            if outgoing.send_at_ms.is_some_and(|at_ms| at_ms <= now_ms) {
                outgoing.send_at_ms = None;
                Frame::Upstream(outgoing.message.clone()).encode(&mut self.out);
            }
        }
    }

    pub(super) fn on_upstream_ack(&mut self, now_ms: u64, ack: UpstreamAck) {
        if self.upstreams.answered(now_ms, ack, &mut self.jitter) {
            self.events.push_back(Event::Upstream {
                id: ack.id,
                status: ack.status,
            });
        }
    }
}
