//! What a device sends after its hello.

use bytes::Bytes;
use protocol::{Close, CloseReason, Command, CommandResult, Frame, Operation, ResultCode};

use super::Shard;
use crate::alias_name::is_alias_name;
use crate::clock::Now;
use crate::effect::Effect;
use crate::ids::SessionId;
use crate::op::{Op, Origin};
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
            Frame::Command(command) => self.on_device_command(session, command, effects),
            Frame::Close(_) => self.leave(session, effects),
            Frame::Hello(_) => {
                self.close(
                    session,
                    CloseReason::UnexpectedFrame,
                    "already logged in",
                    effects,
                );
            }
            Frame::Welcome(_) | Frame::Push(_) | Frame::CommandResult(_) | Frame::GoAway(_) => {
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

    fn on_device_command(
        &mut self,
        session: SessionId,
        command: Command,
        effects: &mut Vec<Effect>,
    ) {
        let Some(Session::Live(live)) = self.sessions.get(&session) else {
            return;
        };
        let cid = live.cid;
        let Some(app) = self.devices.get(cid).map(|device| device.app) else {
            return;
        };
        let (serial, op) = (command.serial, command.operation.op());
        let origin = Origin::Device {
            session,
            serial,
            op,
        };
        if matches!(command.operation, Operation::Unknown(_)) {
            return self.send_result(session, serial, op, ResultCode::Unsupported, effects);
        }
        let by_default = self.settings.devices_may_bind;
        if !self.apps.devices_may_bind(app, by_default) {
            return self.send_result(session, serial, op, ResultCode::NotPermitted, effects);
        }
        let op_to_commit = match command.operation {
            Operation::BindAlias { alias_type, alias } => {
                if !(alias_type.is_empty() || is_alias_name(&alias_type)) || !is_alias_name(&alias)
                {
                    return self.send_result(
                        session,
                        serial,
                        op,
                        ResultCode::AliasInvalid,
                        effects,
                    );
                }
                let bindings = vec![(cid, alias.into_boxed_str())];
                Op::BindAliases {
                    origin,
                    app,
                    alias_type: alias_type.into(),
                    bindings,
                }
            }
            Operation::UnbindAlias {
                everywhere: false,
                alias_type,
                alias,
            } => {
                let bindings = vec![(cid, alias.into_boxed_str())];
                Op::UnbindAliases {
                    origin,
                    app,
                    alias_type: alias_type.into(),
                    bindings,
                }
            }
            Operation::UnbindAlias {
                everywhere: true,
                alias_type,
                alias,
            } => Op::DropAlias {
                origin,
                app,
                alias_type: alias_type.into(),
                alias: alias.into(),
            },
            Operation::Unknown(_) => unreachable!("answered above"),
        };
        if self.can_commit(op_to_commit.weight()) {
            self.commit(op_to_commit, effects);
        } else {
            self.counters.busy += 1;
            self.send_result(session, serial, op, ResultCode::Busy, effects);
        }
    }

    pub(super) fn on_aliases(&mut self, origin: Origin, known: bool, effects: &mut Vec<Effect>) {
        match origin {
            Origin::Ticket(ticket) => {
                let answer = if known {
                    crate::command::Answer::Done
                } else {
                    crate::command::Answer::TargetInvalid
                };
                effects.push(Effect::Answer(ticket, answer));
            }
            Origin::Device {
                session,
                serial,
                op,
            } => {
                let code = if known {
                    ResultCode::Ok
                } else {
                    ResultCode::BadParameter
                };
                self.send_result(session, serial, op, code, effects);
            }
        }
    }

    pub(super) fn send_result(
        &mut self,
        session: SessionId,
        serial: u32,
        op: u8,
        code: ResultCode,
        effects: &mut Vec<Effect>,
    ) {
        if let Some(Session::Live(_)) = self.sessions.get(&session) {
            let result = CommandResult {
                serial,
                op,
                code,
                detail: Bytes::new(),
            };
            effects.push(Effect::Send(session, Frame::CommandResult(result)));
        }
    }
}
