//! What third parties ask, after the ingress has checked its form.

use protocol::ClientId;

use super::Shard;
use crate::clock::Now;
use crate::command::{Answer, Command, DeviceStatus, Push, Reach};
use crate::devices::Device;
use crate::effect::Effect;
use crate::history::LiveSession;
use crate::ids::{AppNo, SessionId, Ticket};
use crate::op::{Accepted, Op, Origin};
use crate::read::Read;
use crate::session::Session;

impl Shard {
    pub(super) fn on_command(
        &mut self,
        now: Now,
        ticket: Ticket,
        command: Command,
        effects: &mut Vec<Effect>,
    ) {
        let origin = Origin::Ticket(ticket);
        match command {
            Command::PushSingle { app, cid, push } => match self.device_of(cid, app).map(reach) {
                Some(reach) => self.accept(ticket, app, vec![(cid, reach)], push, effects),
                None => effects.push(Effect::Answer(ticket, Answer::TargetInvalid)),
            },
            Command::PushMany { app, targets, push } => {
                self.accept(ticket, app, targets, push, effects)
            }
            Command::Probe { app, cids } => {
                let reached = cids
                    .into_iter()
                    .filter_map(|cid| self.device_of(cid, app).map(|device| (cid, reach(device))))
                    .collect();
                effects.push(Effect::Answer(ticket, Answer::Reached(reached)));
            }
            Command::Status { app, cids } => {
                let statuses = cids
                    .into_iter()
                    .filter_map(|cid| self.device_of(cid, app).map(|device| (cid, status(device))))
                    .collect();
                effects.push(Effect::Answer(ticket, Answer::Statuses(statuses)));
            }
            Command::CidsOfAlias {
                app,
                alias_type,
                alias,
            } => {
                self.read_for(
                    ticket,
                    Read::CidsOfAlias {
                        ticket,
                        app,
                        alias_type,
                        alias,
                    },
                    effects,
                );
            }
            Command::AliasOfCid {
                app,
                alias_type,
                cid,
            } => {
                if self.device_of(cid, app).is_none() {
                    effects.push(Effect::Answer(ticket, Answer::TargetInvalid));
                } else {
                    self.read_for(
                        ticket,
                        Read::AliasOfCid {
                            ticket,
                            cid,
                            alias_type,
                        },
                        effects,
                    );
                }
            }
            Command::BindAliases {
                app,
                alias_type,
                bindings,
            } => {
                self.submit(
                    ticket,
                    Op::BindAliases {
                        origin,
                        app,
                        alias_type,
                        bindings,
                    },
                    effects,
                );
            }
            Command::UnbindAliases {
                app,
                alias_type,
                bindings,
            } => {
                self.submit(
                    ticket,
                    Op::UnbindAliases {
                        origin,
                        app,
                        alias_type,
                        bindings,
                    },
                    effects,
                );
            }
            Command::CreateApp(app) => {
                self.submit(
                    ticket,
                    Op::CreateApp {
                        ticket: Some(ticket),
                        app,
                    },
                    effects,
                );
            }
            Command::ChangeApp(app) => self.submit(ticket, Op::ChangeApp { ticket, app }, effects),
            Command::DeleteApp(app) => self.submit(ticket, Op::DeleteApp { ticket, app }, effects),
            Command::LiveSession { app, cid } => {
                let answer = match self.device_of(cid, app) {
                    Some(device) => Answer::LiveSession(self.live_session(now, device.session)),
                    None => Answer::TargetInvalid,
                };
                effects.push(Effect::Answer(ticket, answer));
            }
            Command::DeviceHistory { app, cid } => {
                if self.device_of(cid, app).is_none() {
                    effects.push(Effect::Answer(ticket, Answer::TargetInvalid));
                } else {
                    let now_ms = now.wall_ms;
                    self.read_for(
                        ticket,
                        Read::Device {
                            ticket,
                            cid,
                            now_ms,
                        },
                        effects,
                    );
                }
            }
            Command::TaskHistory { app, task_id } => {
                let now_ms = now.wall_ms;
                self.read_for(
                    ticket,
                    Read::Task {
                        ticket,
                        app,
                        task_id,
                        now_ms,
                    },
                    effects,
                );
            }
            _ => self.busy(ticket, effects),
        }
    }

    fn live_session(&self, now: Now, session: Option<SessionId>) -> Option<Box<LiveSession>> {
        let Some(Session::Live(live)) = self.sessions.get(&session?) else {
            return None;
        };
        Some(Box::new(LiveSession {
            generation: live.generation,
            heartbeat_ms: live.heartbeat_ms,
            heard_ms_ago: now.mono_ms.saturating_sub(live.heard_ms),
            under_way: live.outbox.under_way().collect(),
            queue_len: live.outbox.queue_len(),
            is_behind: live.outbox.is_behind(),
        }))
    }

    fn accept(
        &mut self,
        ticket: Ticket,
        app: AppNo,
        targets: Vec<(ClientId, Reach)>,
        push: Push,
        effects: &mut Vec<Effect>,
    ) {
        self.submit(
            ticket,
            Op::Accept {
                ticket,
                app,
                targets,
                push,
            },
            effects,
        );
    }

    fn submit(&mut self, ticket: Ticket, op: Op, effects: &mut Vec<Effect>) {
        if self.can_commit(op.weight()) {
            self.commit(op, effects);
        } else {
            self.busy(ticket, effects);
        }
    }

    pub(super) fn on_accepted(
        &mut self,
        ticket: Ticket,
        accepted: Accepted,
        effects: &mut Vec<Effect>,
    ) {
        if accepted.repeated {
            self.counters.requests_repeated += 1;
        } else {
            self.counters.accepted += accepted.targets.len() as u64;
            self.counters.filtered += u64::from(accepted.filtered);
            self.counters.expired += u64::from(accepted.expired);
        }
        let Accepted {
            task_id, targets, ..
        } = accepted;
        effects.push(Effect::Answer(ticket, Answer::Pushed { task_id, targets }));
    }
}

fn reach(device: &Device) -> Reach {
    if device.muted {
        Reach::Filtered
    } else if device.session.is_some() {
        Reach::Online
    } else {
        Reach::Offline
    }
}

fn status(device: &Device) -> DeviceStatus {
    DeviceStatus {
        online: device.session.is_some(),
        last_login_ms: device.last_login_ms,
    }
}
