//! What each frame of the server does to a client.
//!
//! Owner: one `Client`. Always: a frame that has no place in the state at hand ends the link, with
//! a close that says so.

use protocol::{Close, CloseReason, Frame, GoAway, MessageId, Push, Welcome};

use super::dedupe::{Dedupe, Verdict};
use super::event::{EndReason, Event};
use super::heartbeat::Heartbeat;
use super::parting::{Parting, parting};
use super::{Client, Link, Next};

impl Client {
    pub(super) fn on_frame(&mut self, now_ms: u64, frame: Frame) {
        let online = self.is_online();
        match frame {
            Frame::Welcome(welcome) if !online => self.on_welcome(now_ms, &welcome),
            Frame::Close(close) => self.on_close(now_ms, close),
            Frame::GoAway(go_away) => self.on_go_away(now_ms, go_away),
            Frame::Ping if online => Frame::Pong.encode(&mut self.out),
            Frame::Pong if online => {}
            Frame::Push(push) if online => self.on_push(push),
            Frame::CommandResult(result) if online => self.on_result(now_ms, result),
            Frame::UpstreamAck(ack) if online => self.on_upstream_ack(now_ms, ack),
            other => self.break_off(
                now_ms,
                CloseReason::UnexpectedFrame,
                EndReason::UnexpectedFrame(other.kind()),
            ),
        }
    }

    fn on_welcome(&mut self, now_ms: u64, welcome: &Welcome) {
        if let Some(asked) = self.identity
            && asked != welcome.cid
        {
            let answered = welcome.cid;
            let reason = EndReason::WrongClient { asked, answered };
            self.break_off(now_ms, CloseReason::ProtocolError, reason);
            return;
        }
        self.identity = Some(welcome.cid);
        self.backoff.reset();
        let mut heartbeat = Heartbeat::new(welcome.heartbeat_s, now_ms);
        if let Some(learner) = &mut self.learner {
            heartbeat.set_interval_s(learner.welcomed(welcome));
        }
        self.link = Link::Online(heartbeat);
        self.events.push_back(Event::Online {
            cid: welcome.cid,
            registered: welcome.registered,
            generation: welcome.generation,
        });
        self.upstreams.session_begins(now_ms);
        self.silence.set_clock(now_ms, welcome.server_time_ms);
        self.keep_silence(now_ms);
    }

    fn on_push(&mut self, push: Push) {
        let id = push.id;
        let body = push.body;
        match self.dedupe.judge(id) {
            Verdict::New => self.events.push_back(Event::Push {
                id,
                sealed: push.sealed,
                body,
            }),
            Verdict::HandledRepeat => {
                self.events.push_back(Event::Repeat { id, body });
                self.ack(id);
            }
            Verdict::PendingRepeat => self.events.push_back(Event::Repeat { id, body }),
        }
    }

    fn on_close(&mut self, now_ms: u64, close: Close) {
        if self.is_online()
            && close.reason == CloseReason::HeartbeatTimeout
            && let Some(learner) = &mut self.learner
        {
            learner.lost(now_ms);
        }
        let logging_in = self.identity.is_some() && !self.is_online();
        let next = match parting(&close, logging_in) {
            Parting::Retry => self.retry_after(now_ms, 0),
            Parting::RetryAfter(wait_ms) => self.retry_after(now_ms, wait_ms),
            Parting::Yield => {
                let wait_ms = self.backoff.yielding_delay_ms(&mut self.jitter);
                Next::ConnectAt(now_ms.saturating_add(wait_ms))
            }
            Parting::RegisterAnew => {
                self.forget_identity();
                self.retry_after(now_ms, 0)
            }
            Parting::Never => Next::Stop,
        };
        self.finish_session(EndReason::Closed {
            reason: close.reason,
            retry_after_ms: close.retry_after_ms,
            text: close.text,
        });
        self.settle(next);
    }

    fn on_go_away(&mut self, now_ms: u64, go_away: GoAway) {
        let wait_ms = self.jitter.up_to(u64::from(go_away.jitter_ms));
        if !go_away.endpoint.is_empty() {
            self.endpoint = Some(go_away.endpoint);
        }
        self.events.push_back(Event::GoAway {
            reason: go_away.reason,
            endpoint: self.endpoint.clone(),
        });
        self.finish_session(EndReason::GoAway);
        self.link = Link::Leaving(Next::ConnectAt(now_ms.saturating_add(wait_ms)));
    }

    /// The next id space is another: nothing of the old one counts.
    fn forget_identity(&mut self) {
        self.identity = None;
        self.dedupe = Dedupe::new(MessageId(0));
        self.reports.forget();
        self.events
            .retain(|event| !matches!(event, Event::Push { .. } | Event::Repeat { .. }));
    }
}
