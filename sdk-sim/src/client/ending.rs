//! How a link ends: by the caller, by a fault, by the server, by the network.
//!
//! Owner: one `Client`. Always: each end is told by one event; commands that wait are told to be
//! lost before it; what follows is a time to connect again, or nothing.

use protocol::{Close, CloseReason, Frame};

use super::event::{EndReason, Event};
use super::{Client, Link, Next};

/// Within which time after their silent hours devices come back, in milliseconds: those of one zone
/// end together.
const AWAKE_SPREAD_MS: u64 = 60_000;

impl Client {
    /// The connection was lost, or could not be made. Without effect when the link was given up
    /// before.
    pub fn disconnected(&mut self, now_ms: u64, why: &str) {
        match self.link {
            Link::Connecting | Link::Greeting { .. } | Link::Online(_) => {
                self.end_by_backoff(now_ms, EndReason::Transport(why.to_owned()));
            }
            Link::Leaving(next) => self.settle(next),
            Link::Waiting { .. } | Link::Stopped => {}
        }
    }

    /// Ends this client in order: an online session sends its last acks and a normal close.
    pub fn close(&mut self, now_ms: u64) {
        match self.link {
            Link::Online(_) => {
                self.finish_session(EndReason::Own);
                self.link = Link::Leaving(Next::Stop);
            }
            Link::Greeting { .. } => {
                self.break_off(now_ms, CloseReason::Normal, EndReason::Own);
                self.link = Link::Stopped;
            }
            Link::Leaving(_) => self.link = Link::Leaving(Next::Stop),
            Link::Waiting { .. } | Link::Connecting | Link::Stopped => self.link = Link::Stopped,
        }
    }

    /// Leaves if the silent hours have begun.
    pub(super) fn keep_silence(&mut self, now_ms: u64) {
        if self.is_online() && self.silence.ends_ms(now_ms).is_some() {
            self.finish_session(EndReason::Silence);
            self.link = Link::Leaving(Next::ConnectAt(now_ms));
        }
    }

    /// The time itself, or some time after the silent hours that it lies in.
    pub(super) fn awake_at(&mut self, at_ms: u64) -> u64 {
        match self.silence.ends_ms(at_ms) {
            Some(end_ms) => end_ms.saturating_add(self.jitter.up_to(AWAKE_SPREAD_MS)),
            None => at_ms,
        }
    }

    /// The app wants to be heard although these are silent hours, most likely to end them by
    /// [`Client::set_silent_time`]: they no longer hold for this client, which connects now.
    pub fn wake(&mut self, now_ms: u64) {
        self.silence.forget();
        if let Link::Waiting { connect_at_ms } = &mut self.link {
            *connect_at_ms = (*connect_at_ms).min(now_ms);
        }
    }

    /// Our own side found a fault: says so and leaves.
    pub(super) fn break_off(&mut self, now_ms: u64, close: CloseReason, reason: EndReason) {
        self.end_by_backoff(now_ms, reason);
        close_frame(close).encode(&mut self.out);
    }

    pub(super) fn end_by_backoff(&mut self, now_ms: u64, reason: EndReason) {
        self.learn_from_end(now_ms, &reason);
        if !self.is_online() {
            // The place a go-away named does not answer: back to the configured one.
            self.endpoint = None;
        }
        self.finish_session(reason);
        let next = self.retry_after(now_ms, 0);
        self.settle(next);
    }

    pub(super) fn retry_after(&mut self, now_ms: u64, wait_ms: u64) -> Next {
        let delay_ms = self.backoff.delay_ms(&mut self.jitter);
        Next::ConnectAt(now_ms.saturating_add(wait_ms).saturating_add(delay_ms))
    }

    /// Tells the caller of the end; acks confirmed from here on have no session to leave in,
    /// unless the link becomes `Leaving`.
    pub(super) fn finish_session(&mut self, reason: EndReason) {
        for serial in std::mem::take(&mut self.waiting_serials) {
            if !self.reports.is_asked(serial) {
                self.events.push_back(Event::CommandLost { serial });
            }
        }
        self.reports.link_ended();
        self.events.push_back(if self.is_online() {
            Event::Offline { reason }
        } else {
            Event::Refused { reason }
        });
    }

    pub(super) fn settle(&mut self, next: Next) {
        self.acks.clear();
        self.hang_up = true;
        self.link = match next {
            Next::ConnectAt(at_ms) => Link::Waiting {
                connect_at_ms: self.awake_at(at_ms),
            },
            Next::Stop => Link::Stopped,
        };
    }
}

pub(super) fn close_frame(reason: CloseReason) -> Frame {
    Frame::Close(Close {
        reason,
        retry_after_ms: 0,
        text: String::new(),
    })
}
