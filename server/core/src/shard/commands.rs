//! What third parties ask, after the ingress has checked its form.

use protocol::{ClientId, CloseReason};

use super::Shard;
use crate::clock::Now;
use crate::command::{Answer, Command, DeviceStatus, Push, Reach};
use crate::devices::Device;
use crate::effect::Effect;
use crate::history::LiveSession;
use crate::ids::{AppNo, SessionId, Ticket};
use crate::op::{Accepted, Op, Origin};
use crate::read::Read;
use crate::report::Question;
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
                    Some(device) => Answer::LiveSession(self.live_session(now, device.session())),
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
            Command::PushGroup { app, push } => {
                self.submit(ticket, Op::TakeGroup { ticket, app, push }, effects);
            }
            Command::PushList {
                app,
                task_id,
                targets,
            } => {
                let op = Op::PushList {
                    ticket,
                    app,
                    task_id,
                    targets,
                };
                self.submit(ticket, op, effects);
            }
            Command::StopGroup { app, task_id } => {
                let op = Op::StopGroup {
                    ticket,
                    app,
                    task_id,
                };
                self.submit(ticket, op, effects);
            }
            Command::Unschedule { app, task_id } => {
                let op = Op::Unschedule {
                    ticket,
                    app,
                    task_id,
                };
                self.submit(ticket, op, effects);
            }
            Command::Groups { app, task_ids } => {
                self.ask(now, ticket, app, Question::Groups(task_ids), effects);
            }
            Command::GroupsByName {
                app,
                group_name,
                from,
                to,
            } => {
                let question = Question::Named(group_name, from, to);
                self.ask(now, ticket, app, question, effects);
            }
            Command::AppDay { app, day } => {
                self.ask(now, ticket, app, Question::AppDay(day), effects);
            }
            Command::OnlineSamples { app } => {
                self.ask(now, ticket, app, Question::OnlineSamples, effects);
            }
            Command::MessageDetail { app, cid, task_id } => match self.device_of(cid, app) {
                Some(device) => {
                    let under_way = self
                        .live_session(now, device.session())
                        .map_or(Vec::new(), |live| live.under_way);
                    let question = Question::Message {
                        cid,
                        task_id,
                        under_way,
                    };
                    self.ask(now, ticket, app, question, effects);
                }
                None => effects.push(Effect::Answer(ticket, Answer::TargetInvalid)),
            },
            Command::CountAudience { app, audience } => {
                let count = self.devices.count(app, &audience, now.wall_ms);
                effects.push(Effect::Answer(ticket, Answer::Count(count)));
            }
            Command::MatchTags { app, terms } => {
                let matching = terms
                    .into_iter()
                    .filter(|(cid, _)| self.device_of(*cid, app).is_some())
                    .filter(|(cid, term)| self.devices.has_tags(*cid, term))
                    .map(|(cid, _)| cid);
                let matching = matching.collect();
                effects.push(Effect::Answer(ticket, Answer::Cids(matching)));
            }
            Command::SetTags { app, cid, tags } => {
                let op = Op::SetTags {
                    origin,
                    app,
                    cid,
                    tags,
                };
                self.submit(ticket, op, effects);
            }
            Command::ChangeTag {
                app,
                tag,
                cids,
                add,
            } => {
                let op = Op::ChangeTag {
                    ticket,
                    app,
                    tag,
                    cids,
                    add,
                };
                self.submit(ticket, op, effects);
            }
            Command::TagsOfCid { app, cid } => {
                if self.device_of(cid, app).is_none() {
                    effects.push(Effect::Answer(ticket, Answer::TargetInvalid));
                } else {
                    self.ask(now, ticket, app, Question::Tags(cid), effects);
                }
            }
            Command::Block { app, cids, blocked } => {
                let op = Op::Block {
                    ticket,
                    app,
                    cids,
                    blocked,
                };
                self.submit(ticket, op, effects);
            }
            Command::SetBadge { app, cids, badge } => {
                let op = Op::SetBadge {
                    origin,
                    app,
                    cids,
                    badge,
                };
                self.submit(ticket, op, effects);
            }
            Command::BindTokens { app, kind, tokens } => {
                let op = Op::BindTokens {
                    origin,
                    app,
                    kind,
                    tokens,
                };
                self.submit(ticket, op, effects);
            }
            Command::Details { app, cids } => {
                self.ask(now, ticket, app, Question::Details(cids), effects);
            }
            Command::DropAlias {
                app,
                alias_type,
                alias,
            } => {
                let op = Op::DropAlias {
                    origin,
                    app,
                    alias_type,
                    alias,
                };
                self.submit(ticket, op, effects);
            }
            Command::Receipts { app, after, dead } => {
                let question = Question::Receipts { after, dead };
                self.ask(now, ticket, app, question, effects);
            }
            Command::SettleReceipts {
                app,
                upto,
                settling,
            } => {
                let op = Op::SettleReceipts {
                    ticket,
                    app,
                    upto,
                    settling,
                };
                self.submit(ticket, op, effects);
            }
            Command::ReplayReceipts { app } => {
                self.submit(ticket, Op::ReplayReceipts { ticket, app }, effects);
            }
            Command::ForgetDevice { app, cid } => self.forget_device(ticket, app, cid, effects),
            Command::ImportDevices { app, devices } => {
                let op = Op::Import {
                    ticket,
                    app,
                    devices,
                };
                self.submit(ticket, op, effects);
            }
            Command::Devices {
                app,
                after,
                len_max,
            } => self.ask(now, ticket, app, Question::Devices(after, len_max), effects),
        }
    }

    /// Asks the store something.
    pub(super) fn ask(
        &mut self,
        now: Now,
        origin: impl Into<Origin>,
        app: AppNo,
        question: Question,
        effects: &mut Vec<Effect>,
    ) {
        let origin = origin.into();
        let read = Read::Ask {
            origin,
            app,
            question,
            now_ms: now.wall_ms,
        };
        self.read_for(origin, read, effects);
    }

    /// Deletes a device. It and its session stay until that is durable: a device that is told to
    /// come back as another must not find its old self.
    fn forget_device(
        &mut self,
        ticket: Ticket,
        app: AppNo,
        cid: ClientId,
        effects: &mut Vec<Effect>,
    ) {
        if self.device_of(cid, app).is_none() {
            return effects.push(Effect::Answer(ticket, Answer::TargetInvalid));
        }
        let op = Op::ForgetDevices {
            ticket: Some(ticket),
            cids: vec![cid],
        };
        if !self.can_commit(op.weight()) {
            return self.busy(ticket, effects);
        }
        // Its cursor must not be written after its rows are deleted.
        self.flush(effects);
        self.devices.set_leaving(cid, true);
        self.commit(op, effects);
    }

    /// The rows of devices are deleted.
    pub(super) fn on_forgotten(&mut self, cids: &[ClientId], effects: &mut Vec<Effect>) {
        for cid in cids {
            if let Some(session) = self.devices.get(*cid).and_then(|device| device.session()) {
                let text = "the device was deleted";
                self.close(session, CloseReason::Removed, text, effects);
            }
            self.devices.remove(*cid);
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
            self.counters.failed += u64::from(accepted.failed);
        }
        let Accepted {
            task_id, targets, ..
        } = accepted;
        effects.push(Effect::Answer(ticket, Answer::Pushed { task_id, targets }));
    }
}

pub(super) fn reach(device: &Device) -> Reach {
    match (device.session().is_some(), device.switches.notify_off) {
        _ if device.switches.is_muted() => Reach::Filtered,
        (true, false) => Reach::Online,
        (false, false) => Reach::Offline,
        (true, true) => Reach::OnlineNotifyOff,
        (false, true) => Reach::OfflineNotifyOff,
    }
}

fn status(device: &Device) -> DeviceStatus {
    DeviceStatus {
        online: device.session().is_some(),
        last_login_ms: device.last_login_ms,
    }
}
