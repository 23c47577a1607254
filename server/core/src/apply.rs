//! What a commit writes: one pure function from a batch of ops to a write set and the events
//! that go out once it is durable.
//!
//! Ids, de-duplication and alias limits are decided here and nowhere else, because this is the
//! one place where all ops stand in one order (`docs/decisions/0001-decided-at-the-commit.md`).
//! Always: what was given out in a batch (message ids, app numbers, the boot epoch) is written in
//! the same batch, so a lost batch takes its numbers with it and a durable one never repeats them.

mod alias;
mod app_facts;
mod client;
mod days;
mod device;
mod feedback;
mod full;
mod group;
mod import;
mod message_ids;
mod push;
mod receipts;
mod sums;
mod upstream;

use std::collections::BTreeMap;

use protocol::{ClientId, MessageId};
use schema::record::{App, Number, Tally};

use crate::clock::Day;
use crate::command::Answer;
use crate::ids::{AppNo, ShardNo};
use crate::keys::{self, meta};
use crate::op::{Committed, Done, Op, Origin, Submitted};
use crate::placement::Slot;
use crate::rows::{Keyspace, Overlay, Rows, RowsError, WriteSet};

use app_facts::AppFacts;
pub use days::finals;
use full::Waiting;
pub(crate) use message_ids::ID_CEILING_STEP_MS;
pub use message_ids::{Ids, made_ms, made_on};
pub use push::StoredStatus;
use sums::SumsDelta;

/// What a batch comes to.
#[derive(Debug)]
pub struct Applied {
    /// To be committed as one.
    pub writes: WriteSet,
    /// To be sent out, in this order, after the commit.
    pub events: Vec<(ShardNo, Committed)>,
    /// Whether somebody is promised that it lasts: then the commit is synced.
    pub must_last: bool,
}

/// Applies a batch of ops in order. `ids` moves only if the batch is committed: the caller keeps
/// the old value when the commit fails.
pub fn apply(
    batch: &[Submitted],
    now_ms: u64,
    shards: u16,
    ids: &mut Ids,
    rows: &impl Rows,
) -> Result<Applied, RowsError> {
    let mut step = Step {
        now_ms,
        shards,
        ids,
        rows: Overlay::new(rows),
        tallies: BTreeMap::new(),
        closed: BTreeMap::new(),
        late: BTreeMap::new(),
        sums: SumsDelta::default(),
        registered_ms: 0,
        apps: BTreeMap::new(),
        waiting: BTreeMap::new(),
        drop_before: None,
        events: Vec::with_capacity(batch.len() * 2),
    };
    for Submitted { shard, op } in batch {
        let done = step.op(*shard, op)?;
        step.events.push((*shard, Committed::Done(done)));
    }
    step.write_tallies()?;
    step.write_sums()?;
    step.write_latest_registered()?;
    step.drop_days()?;
    Ok(Applied {
        writes: step.rows.writes,
        events: step.events,
        must_last: batch.iter().any(|submitted| submitted.op.must_last()),
    })
}

struct Step<'a, R> {
    now_ms: u64,
    shards: u16,
    ids: &'a mut Ids,
    rows: Overlay<'a, R>,
    tallies: BTreeMap<Day, Tally>,
    /// Up to which id the messages of a day were counted as expired when it was dropped.
    closed: BTreeMap<Day, MessageId>,
    /// How many of those were acknowledged all the same.
    late: BTreeMap<Day, u64>,
    sums: SumsDelta,
    /// The latest time at which a device of the batch registered, 0 if none did.
    registered_ms: u64,
    /// What apps are set to, as far as it was looked up.
    apps: BTreeMap<AppNo, AppFacts>,
    /// What waits for devices of apps that limit it, as far as it was counted.
    waiting: BTreeMap<ClientId, Waiting>,
    /// Days before this one are dropped at the end of the batch.
    drop_before: Option<Day>,
    events: Vec<(ShardNo, Committed)>,
}

impl<R: Rows> Step<'_, R> {
    fn op(&mut self, shard: ShardNo, op: &Op) -> Result<Done, RowsError> {
        match op {
            Op::Accept {
                ticket,
                app,
                targets,
                push,
            } => self.accept(*ticket, *app, targets, push),
            Op::Register {
                session,
                cid,
                device,
            } => {
                let (cid, new) = self.register(*cid, device)?;
                Ok(Done::Registered {
                    session: *session,
                    cid,
                    new,
                })
            }
            Op::Cursors { moves, finals } => {
                self.cursors(moves)?;
                for end in finals {
                    self.end(end)?;
                }
                Ok(Done::Cursors)
            }
            Op::BindAliases {
                origin,
                app,
                alias_type,
                bindings,
            } => {
                let known = self.all_of(*app, bindings.iter().map(|(cid, _)| *cid))?;
                if !known {
                    return Ok(answered(*origin, Answer::TargetInvalid));
                }
                for (cid, alias) in bindings {
                    self.bind(*app, alias_type, alias, *cid)?;
                }
                Ok(answered(*origin, Answer::Done))
            }
            Op::UnbindAliases {
                origin,
                app,
                alias_type,
                bindings,
            } => {
                for (cid, alias) in bindings {
                    self.unbind(*app, alias_type, alias, *cid)?;
                }
                Ok(answered(*origin, Answer::Done))
            }
            Op::DropAlias {
                origin,
                app,
                alias_type,
                alias,
            } => {
                for (cid, _) in self.bound(*app, alias_type, alias)? {
                    self.unbind(*app, alias_type, alias, cid)?;
                }
                Ok(answered(*origin, Answer::Done))
            }
            Op::CreateApp { ticket, app } => {
                let number = self.count(meta::LAST_APP)?;
                let number = u32::try_from(number).expect("fewer than 2^32 apps were ever created");
                let app = App {
                    number,
                    ..app.clone()
                };
                self.rows
                    .writes
                    .put(Keyspace::App, keys::app(AppNo(number)), app.encode());
                self.tell_all(&Committed::App(app.clone()));
                Ok(Done::AppCreated {
                    ticket: *ticket,
                    app,
                })
            }
            Op::ChangeApp { ticket, app } => {
                self.apps.remove(&AppNo(app.number));
                let key = keys::app(AppNo(app.number));
                // It may have been deleted since: a change must not bring it back.
                let known = self.rows.get(Keyspace::App, &key)?.is_some();
                if known {
                    self.rows.writes.put(Keyspace::App, key, app.encode());
                    self.tell_all(&Committed::App(app.clone()));
                }
                Ok(Done::AppChanged {
                    ticket: *ticket,
                    known,
                })
            }
            Op::DeleteApp { ticket, app } => {
                self.apps.remove(&AppNo(app.number));
                self.rows
                    .writes
                    .delete(Keyspace::App, keys::app(AppNo(app.number)));
                self.tell_all(&Committed::AppGone(app.clone()));
                Ok(Done::AppChanged {
                    ticket: *ticket,
                    known: true,
                })
            }
            Op::ForgetDevices { ticket, cids } => {
                for cid in cids {
                    self.forget(*cid)?;
                }
                Ok(Done::Forgotten {
                    ticket: *ticket,
                    cids: cids.clone(),
                })
            }
            Op::TakeGroup { ticket, app, push } => {
                let answer = self.take_group(*app, push)?;
                Ok(answered(*ticket, answer))
            }
            Op::PushList {
                ticket,
                app,
                task_id,
                targets,
            } => self.push_list(*ticket, *app, task_id, targets),
            Op::StopGroup {
                ticket,
                app,
                task_id,
            } => {
                let answer = self.stop_group(*app, task_id)?;
                Ok(answered(*ticket, answer))
            }
            Op::Unschedule {
                ticket,
                app,
                task_id,
            } => {
                let answer = self.unschedule(*app, task_id)?;
                Ok(answered(*ticket, answer))
            }
            Op::StartGroup(group) => {
                self.start_group(*group)?;
                Ok(Done::GroupStarted(*group))
            }
            Op::BeginWalk { group, len } => {
                self.begin_walk(shard, *group, *len)?;
                Ok(Done::WalkBegun)
            }
            Op::Fan {
                group,
                targets,
                upto,
                done,
            } => self.fan(shard, *group, targets, *upto, *done),
            Op::SetTags {
                origin,
                app,
                cid,
                tags,
            } => {
                let answer = self.set_tags(*app, *cid, tags)?;
                Ok(answered(*origin, answer))
            }
            Op::ChangeTag {
                ticket,
                app,
                tag,
                cids,
                add,
            } => {
                let answer = self.change_tag(*app, tag, cids, *add)?;
                Ok(answered(*ticket, answer))
            }
            Op::Block {
                ticket,
                app,
                cids,
                blocked,
            } => {
                let answer = self.block(*app, cids, *blocked)?;
                Ok(answered(*ticket, answer))
            }
            Op::SetBadge {
                origin,
                app,
                cids,
                badge,
            } => {
                let answer = self.set_badge(*app, cids, *badge)?;
                Ok(answered(*origin, answer))
            }
            Op::BindTokens {
                origin,
                app,
                kind,
                tokens,
            } => {
                let answer = self.bind_tokens(*app, kind, tokens)?;
                Ok(answered(*origin, answer))
            }
            Op::SwitchPush {
                origin,
                app,
                cid,
                on,
            } => {
                let answer = self.switch_push(*app, *cid, *on)?;
                Ok(answered(*origin, answer))
            }
            Op::Describe {
                origin,
                app,
                cid,
                facts,
            } => {
                let answer = self.describe(*app, *cid, facts)?;
                Ok(answered(*origin, answer))
            }
            Op::Feedback {
                origin,
                app,
                cid,
                entries,
                under_way,
            } => {
                let answer = self.feedback(*app, *cid, entries, under_way)?;
                Ok(answered(*origin, answer))
            }
            Op::TakeUpstream {
                session,
                app,
                cid,
                message,
            } => {
                let status = self.take_upstream(*app, *cid, message)?;
                Ok(Done::UpstreamTaken {
                    session: *session,
                    id: message.id,
                    status,
                })
            }
            Op::SettleReceipts {
                ticket,
                app,
                upto,
                settling,
            } => {
                let answer = self.settle_receipts(*app, *upto, *settling)?;
                Ok(answered(*ticket, answer))
            }
            Op::ReplayReceipts { ticket, app } => {
                let answer = self.replay_receipts(*app)?;
                Ok(answered(*ticket, answer))
            }
            Op::Import {
                ticket,
                app,
                devices,
            } => {
                let answer = self.import(*app, devices)?;
                Ok(answered(*ticket, answer))
            }
            Op::Sample { at_ms, online } => {
                self.sample(shard, *at_ms, online)?;
                Ok(Done::Sampled)
            }
            Op::Boot { registered_by_ms } => {
                let writes = &mut self.rows.writes;
                put_number(writes, meta::FORMAT, keys::FORMAT);
                put_number(writes, meta::LATEST_REGISTERED_MS, *registered_by_ms);
                let epoch = self.count(meta::BOOT_EPOCH)?;
                Ok(Done::Booted {
                    epoch: u32::try_from(epoch).expect("fewer than 2^32 starts"),
                })
            }
            Op::DropDays(before) => {
                self.drop_before = self.drop_before.max(Some(*before));
                Ok(Done::DaysDropped { expired: 0 })
            }
        }
    }

    fn tell_owner(&mut self, cid: ClientId, committed: Committed) {
        let owner = Slot::of_cid(cid).shard(self.shards);
        self.events.push((owner, committed));
    }

    fn tell_all(&mut self, committed: &Committed) {
        for shard in 0..self.shards {
            self.events.push((ShardNo(shard), committed.clone()));
        }
    }

    fn count(&mut self, name: &[u8]) -> Result<u64, RowsError> {
        let next = number(&self.rows, name)? + 1;
        put_number(&mut self.rows.writes, name, next);
        Ok(next)
    }
}

fn answered(origin: impl Into<Origin>, answer: Answer) -> Done {
    Done::Answered {
        origin: origin.into(),
        answer: Box::new(answer),
    }
}

fn number<R: Rows>(rows: &Overlay<'_, R>, name: &[u8]) -> Result<u64, RowsError> {
    let number = rows.row(Keyspace::Meta, name, Number::decode)?;
    Ok(number.map_or(0, |number| number.value))
}

fn put_number(writes: &mut WriteSet, name: &[u8], value: u64) {
    writes.put(Keyspace::Meta, name.to_vec(), Number { value }.encode());
}
