//! What a device asks for by commands, and what it is answered.
//!
//! Always: each command gets one result, unless its session ends first.

use bytes::Bytes;
use protocol::wire::{
    ACTION_CLICKED, ACTION_OWN_CLICKED, ACTION_OWN_SHOWN, ACTION_SHOWN, ACTIONS_OF_APPS,
};
use protocol::{ClientId, Command, CommandResult, Feedback, Frame, Operation, ResultCode};

use super::Shard;
use crate::alias_name::is_alias_name;
use crate::clock::Now;
use crate::command::Answer;
use crate::device_quotas::Quota;
use crate::devices::Switches;
use crate::effect::Effect;
use crate::group::Badge;
use crate::ids::{AppNo, SessionId};
use crate::op::{Facts, Op, Origin};
use crate::report::Question;
use crate::session::Session;
use crate::tag_name::checked_tags;

/// What an operation leads to.
enum Next {
    Commit(Op),
    Ask(Question),
}

/// Who asks.
#[derive(Clone, Copy)]
struct Asker {
    origin: Origin,
    cid: ClientId,
    app: AppNo,
}

impl Shard {
    pub(super) fn on_operation(
        &mut self,
        now: Now,
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
        let origin = Origin::Device {
            session,
            serial: command.serial,
            op: command.operation.op(),
        };
        let asker = Asker { origin, cid, app };
        match self.judge(now, asker, command.operation) {
            Err(code) => {
                self.counters.busy += u64::from(code == ResultCode::Busy);
                self.send_result(origin, code, Bytes::new(), effects);
            }
            Ok(Next::Ask(question)) => self.ask(now, origin, app, question, effects),
            Ok(Next::Commit(op)) if self.can_commit(op.weight()) => {
                if let Op::Feedback { .. } = op
                    && self.finals.iter().any(|end| end.cid == cid)
                {
                    // What was acknowledged is known by its end, which must be in the rows first.
                    self.flush(effects);
                }
                self.commit(op, effects);
            }
            Ok(Next::Commit(_)) => self.busy(origin, effects),
        }
    }

    /// Whether the device may do this, and how.
    fn judge(&mut self, now: Now, asker: Asker, operation: Operation) -> Result<Next, ResultCode> {
        let Asker { origin, cid, app } = asker;
        let op = match operation {
            Operation::BindAlias { alias_type, alias } => {
                self.may_change(asker, Quota::Aliases)?;
                if !(alias_type.is_empty() || is_alias_name(&alias_type)) || !is_alias_name(&alias)
                {
                    return Err(ResultCode::AliasInvalid);
                }
                self.take(now, asker, Quota::Aliases)?;
                Op::BindAliases {
                    origin,
                    app,
                    alias_type: alias_type.into(),
                    bindings: vec![(cid, alias.into_boxed_str())],
                }
            }
            Operation::UnbindAlias {
                everywhere,
                alias_type,
                alias,
            } => {
                self.may_change(asker, Quota::Aliases)?;
                self.take(now, asker, Quota::Aliases)?;
                unbind(asker, everywhere, alias_type, alias)
            }
            Operation::SetTags(tags) => {
                self.may_change(asker, Quota::Tags)?;
                let tags = checked_tags(tags)?;
                self.take(now, asker, Quota::Tags)?;
                Op::SetTags {
                    origin,
                    app,
                    cid,
                    tags,
                }
            }
            Operation::QueryTags => return Ok(Next::Ask(Question::Tags(cid))),
            Operation::PushSwitch { on } => Op::SwitchPush {
                origin,
                app,
                cid,
                on,
            },
            Operation::SilentTime(silent) => describe(asker, Facts::Silent(silent)),
            Operation::DeviceInfo(info) => describe(asker, Facts::Info(info)),
            Operation::Badge(badge) => Op::SetBadge {
                origin,
                app,
                cids: vec![cid],
                badge: Badge::To(i32::try_from(badge).map_err(|_| ResultCode::BadParameter)?),
            },
            Operation::VendorToken { channel, token } => Op::BindTokens {
                origin,
                app,
                kind: channel.into(),
                tokens: vec![(cid, token.into())],
            },
            Operation::Feedback(entries) => self.feedback(asker, entries)?,
            Operation::Unknown(_) => return Err(ResultCode::Unsupported),
        };
        Ok(Next::Commit(op))
    }

    /// Whether a device may change tags or aliases by itself.
    fn may_change(&self, asker: Asker, quota: Quota) -> Result<(), ResultCode> {
        let by_default = self.settings.devices_may_bind;
        if !self.apps.devices_may_bind(asker.app, by_default) {
            return Err(ResultCode::NotPermitted);
        }
        let device = self.devices.get(asker.cid);
        if quota == Quota::Tags && device.is_some_and(|device| device.switches.blocked) {
            return Err(ResultCode::Blocked);
        }
        Ok(())
    }

    /// Takes one change of the device, if its app leaves it one.
    fn take(&mut self, now: Now, asker: Asker, quota: Quota) -> Result<(), ResultCode> {
        let limits = self.apps.device_quotas(asker.app);
        self.device_quotas.take(now, asker.cid, quota, limits)
    }

    fn feedback(&self, asker: Asker, entries: Vec<Feedback>) -> Result<Op, ResultCode> {
        let Origin::Device { session, .. } = asker.origin else {
            unreachable!("only a device gives feedback");
        };
        if entries.iter().any(|entry| !is_action(entry.action)) {
            return Err(ResultCode::BadParameter);
        }
        let Some(Session::Live(live)) = self.sessions.get(&session) else {
            unreachable!("the session was looked up before");
        };
        // It may have handled what this session has not come to.
        if entries
            .iter()
            .any(|entry| live.outbox.may_come(entry.message))
        {
            return Err(ResultCode::Busy);
        }
        let under_way = entries.iter().filter_map(|entry| {
            let group = live.outbox.group_under_way(entry.message)?;
            Some((entry.message, group))
        });
        Ok(Op::Feedback {
            origin: asker.origin,
            app: asker.app,
            cid: asker.cid,
            under_way: under_way.collect(),
            entries,
        })
    }

    /// A device is switched otherwise than before.
    pub(super) fn on_switched(
        &mut self,
        now: Now,
        cid: ClientId,
        switches: Switches,
        effects: &mut Vec<Effect>,
    ) {
        let Some(device) = self.devices.get_mut(cid) else {
            return;
        };
        let was_held = device.switches.push_off;
        device.switches = switches;
        if was_held
            && !switches.push_off
            && let Some(session) = device.session()
        {
            self.pump(now, session, effects);
        }
    }

    /// Tells whoever waits what became of it.
    pub(super) fn answer(&mut self, origin: Origin, answer: Answer, effects: &mut Vec<Effect>) {
        if let Origin::Ticket(ticket) = origin {
            return effects.push(Effect::Answer(ticket, answer));
        }
        let (code, detail) = match answer {
            Answer::Done => (ResultCode::Ok, Bytes::new()),
            Answer::Tags(tags) => (ResultCode::Ok, CommandResult::detail_of_tags(&tags)),
            Answer::Verdicts(verdicts) => {
                let detail = verdicts.into_iter().map(|verdict| verdict.number());
                (ResultCode::Ok, detail.collect())
            }
            Answer::TargetInvalid => (ResultCode::BadParameter, Bytes::new()),
            _ => (ResultCode::Busy, Bytes::new()),
        };
        self.send_result(origin, code, detail, effects);
    }

    fn send_result(
        &mut self,
        origin: Origin,
        code: ResultCode,
        detail: Bytes,
        effects: &mut Vec<Effect>,
    ) {
        if let Origin::Device {
            session,
            serial,
            op,
        } = origin
            && let Some(Session::Live(_)) = self.sessions.get(&session)
        {
            let result = CommandResult {
                serial,
                op,
                code,
                detail,
            };
            effects.push(Effect::Send(session, Frame::CommandResult(result)));
        }
    }
}

fn unbind(asker: Asker, everywhere: bool, alias_type: String, alias: String) -> Op {
    let Asker { origin, cid, app } = asker;
    let (alias_type, alias) = (alias_type.into_boxed_str(), alias.into_boxed_str());
    if everywhere {
        return Op::DropAlias {
            origin,
            app,
            alias_type,
            alias,
        };
    }
    Op::UnbindAliases {
        origin,
        app,
        alias_type,
        bindings: vec![(cid, alias)],
    }
}

fn describe(asker: Asker, facts: Facts) -> Op {
    let Asker { origin, cid, app } = asker;
    Op::Describe {
        origin,
        app,
        cid,
        facts,
    }
}

fn is_action(action: u32) -> bool {
    let named = [
        ACTION_SHOWN,
        ACTION_CLICKED,
        ACTION_OWN_SHOWN,
        ACTION_OWN_CLICKED,
    ];
    named.contains(&action) || ACTIONS_OF_APPS.contains(&action)
}
