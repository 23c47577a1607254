//! What a device sends after its hello.

use protocol::{Close, CloseReason, Frame, Upstream, UpstreamAck, UpstreamId, UpstreamStatus};

use super::Shard;
use crate::clock::Now;
use crate::effect::Effect;
use crate::ids::SessionId;
use crate::op::Op;
use crate::session::Session;

impl Shard {
    pub(super) fn on_frame(
        &mut self,
        now: Now,
        session: SessionId,
        frame: Frame,
        effects: &mut Vec<Effect>,
    ) {
        match self.sessions.get_mut(&session) {
            // Closed from our side while the frame was on its way.
            None => {}
            Some(Session::Greeting { .. }) => match frame {
                Frame::Hello(hello) => self.greet(now, session, hello, effects),
                Frame::Close(_) => self.leave(session, effects),
                _ => self.close(
                    session,
                    CloseReason::UnexpectedFrame,
                    "the first frame is a hello",
                    effects,
                ),
            },
            Some(Session::Registering(_)) => match frame {
                Frame::Ping => effects.push(Effect::Send(session, Frame::Pong)),
                Frame::Close(_) => self.leave(session, effects),
                _ => self.close(
                    session,
                    CloseReason::UnexpectedFrame,
                    "wait for the welcome",
                    effects,
                ),
            },
            Some(Session::Live(live)) => {
                live.heard_ms = now.mono_ms;
                live.seen_ms = now.wall_ms;
                self.on_live_frame(now, session, frame, effects);
            }
        }
    }

    fn on_live_frame(
        &mut self,
        now: Now,
        session: SessionId,
        frame: Frame,
        effects: &mut Vec<Effect>,
    ) {
        match frame {
            Frame::Ping => effects.push(Effect::Send(session, Frame::Pong)),
            Frame::Pong => {}
            Frame::Ack(ack) => self.on_acked(now, session, &ack.ids, effects),
            Frame::Command(command) => self.on_operation(now, session, command, effects),
            Frame::Upstream(message) => self.on_upstream(session, message, effects),
            Frame::Close(_) => self.leave(session, effects),
            Frame::Hello(_) => {
                self.close(
                    session,
                    CloseReason::UnexpectedFrame,
                    "already logged in",
                    effects,
                );
            }
            Frame::Welcome(_)
            | Frame::Push(_)
            | Frame::CommandResult(_)
            | Frame::UpstreamAck(_)
            | Frame::GoAway(_) => {
                self.close(
                    session,
                    CloseReason::UnexpectedFrame,
                    "only a server sends this",
                    effects,
                );
            }
        }
    }

    /// The device says good-bye.
    fn leave(&mut self, session: SessionId, effects: &mut Vec<Effect>) {
        self.forget(session);
        let close = Close {
            reason: CloseReason::Normal,
            retry_after_ms: 0,
            text: String::new(),
        };
        effects.push(Effect::Close(session, close));
    }

    /// The device sends a message to its third party.
    fn on_upstream(&mut self, session: SessionId, message: Upstream, effects: &mut Vec<Effect>) {
        let Some(Session::Live(live)) = self.sessions.get(&session) else {
            return;
        };
        let cid = live.cid;
        let Some(app) = self.devices.get(cid).map(|device| device.app) else {
            return;
        };
        let id = message.id;
        let op = Op::TakeUpstream {
            session,
            app,
            cid,
            message,
        };
        if self.can_commit(op.weight()) {
            self.commit(op, effects);
        } else {
            self.counters.busy += 1;
            self.send_upstream_ack(session, id, UpstreamStatus::Busy, effects);
        }
    }

    pub(super) fn send_upstream_ack(
        &mut self,
        session: SessionId,
        id: UpstreamId,
        status: UpstreamStatus,
        effects: &mut Vec<Effect>,
    ) {
        if let Some(Session::Live(_)) = self.sessions.get(&session) {
            let ack = UpstreamAck { id, status };
            effects.push(Effect::Send(session, Frame::UpstreamAck(ack)));
        }
    }
}
