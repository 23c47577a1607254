//! What a commit writes: one pure function from a batch of ops to a write set and the events
//! that go out once it is durable.
//!
//! Ids, de-duplication and alias limits are decided here and nowhere else, because this is the
//! one place where all ops stand in one order (`docs/decisions/0001-decided-at-the-commit.md`).
//! Always: what was given out in a batch (message ids, app numbers, the boot epoch) is written in
//! the same batch, so a lost batch takes its numbers with it and a durable one never repeats them.

use std::collections::BTreeMap;

use bytes::Bytes;
use protocol::{ClientId, MessageId};
use schema::SchemaError;
use schema::record::{
    AliasOfClient, App, Binding, Cursor, Device, FirstAnswer, FirstTarget, Message, Number, Tally,
};

use crate::clock::Day;
use crate::command::{Push, Reach, Storage, TargetStatus};
use crate::ids::{AppNo, ShardNo, Ticket};
use crate::keys::{self, meta};
use crate::limits::{CIDS_PER_ALIAS_MAX, PIECE_LEN_MAX, REQUEST_ID_KEPT_MS};
use crate::op::{Accepted, Committed, Done, Op, StoredMessage, Submitted};
use crate::placement::Slot;
use crate::rows::{Keyspace, Overlay, Rows, RowsError, WriteSet};

/// How far ahead of the ids given a ceiling is written, in ms: one row a minute, and after a
/// crash ids go on at most a minute in the future.
const ID_CEILING_STEP_MS: u64 = 60_000;
const ID_COUNTER_BITS: u32 = 22;

/// Gives message ids: 42 bits of ms, 22 bits of node and counter. They rise strictly, whatever
/// the clock does, over restarts too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ids {
    last: u64,
    ceiling_ms: u64,
}

impl Ids {
    /// Goes on above the ceiling that the store holds.
    pub fn recover(rows: &impl Rows) -> Result<Ids, RowsError> {
        let ceiling_ms = number(&Overlay::new(rows), meta::ID_CEILING_MS)?;
        Ok(Ids {
            last: ceiling_ms << ID_COUNTER_BITS,
            ceiling_ms,
        })
    }

    fn next(&mut self, now_ms: u64, writes: &mut WriteSet) -> MessageId {
        self.last = (self.last + 1).max(now_ms << ID_COUNTER_BITS);
        let ms = self.last >> ID_COUNTER_BITS;
        if ms >= self.ceiling_ms {
            self.ceiling_ms = ms + ID_CEILING_STEP_MS;
            put_number(writes, meta::ID_CEILING_MS, self.ceiling_ms);
        }
        MessageId(self.last)
    }
}

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
        events: Vec::with_capacity(batch.len() * 2),
    };
    for Submitted { shard, op } in batch {
        let done = step.op(op)?;
        step.events.push((*shard, Committed::Done(done)));
    }
    step.write_tallies()?;
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
    events: Vec<(ShardNo, Committed)>,
}

impl<R: Rows> Step<'_, R> {
    fn op(&mut self, op: &Op) -> Result<Done, RowsError> {
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
                self.cursors(moves);
                for (day, tally) in finals {
                    add(self.tallies.entry(*day).or_default(), tally);
                }
                Ok(Done::Cursors)
            }
            Op::BindAliases {
                origin,
                app,
                alias_type,
                bindings,
            } => {
                let known = self.all_known(*app, bindings)?;
                if known {
                    for (cid, alias) in bindings {
                        self.bind(*app, alias_type, alias, *cid)?;
                    }
                }
                Ok(Done::Aliases {
                    origin: *origin,
                    known,
                })
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
                Ok(Done::Aliases {
                    origin: *origin,
                    known: true,
                })
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
                Ok(Done::Aliases {
                    origin: *origin,
                    known: true,
                })
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
                for shard in 0..self.shards {
                    self.events
                        .push((ShardNo(shard), Committed::App(app.clone())));
                }
                Ok(Done::AppCreated {
                    ticket: *ticket,
                    app,
                })
            }
            Op::Boot => {
                put_number(&mut self.rows.writes, meta::FORMAT, keys::FORMAT);
                let epoch = self.count(meta::BOOT_EPOCH)?;
                Ok(Done::Booted {
                    epoch: u32::try_from(epoch).expect("fewer than 2^32 starts"),
                })
            }
            Op::DropDays(before) => {
                let expired = self.drop_days(*before)?;
                Ok(Done::DaysDropped { expired })
            }
        }
    }

    fn accept(
        &mut self,
        ticket: Ticket,
        app: AppNo,
        targets: &[(ClientId, Reach)],
        push: &Push,
    ) -> Result<Done, RowsError> {
        if let Some(accepted) = self.first_answer(app, &push.request_id)? {
            return Ok(Done::Accepted { ticket, accepted });
        }
        let expires_ms = match push.storage {
            Storage::Until(expires_ms) => expires_ms,
            Storage::Never => self.now_ms,
        };
        let kept = push.storage != Storage::Never;
        let (mut filtered, mut expired) = (0, 0);
        let mut words = Vec::with_capacity(targets.len());
        let mut reached = Vec::with_capacity(targets.len());
        for (cid, reach) in targets {
            let word = match (reach, kept) {
                (Reach::Online, _) => TargetStatus::Online,
                (Reach::Offline, true) => TargetStatus::Offline,
                (Reach::Offline, false) => {
                    expired += 1;
                    TargetStatus::Ignored
                }
                (Reach::Filtered, _) => {
                    filtered += 1;
                    TargetStatus::Ignored
                }
            };
            words.push((*cid, word));
            if word != TargetStatus::Ignored {
                reached.push(*cid);
            }
        }
        let tally = self.tallies.entry(Day::of_ms(expires_ms)).or_default();
        tally.accepted += targets.len() as u64;
        tally.expired += u64::from(expired);
        tally.filtered += u64::from(filtered);
        for cid in reached {
            let id = self.ids.next(self.now_ms, &mut self.rows.writes);
            if kept {
                self.store_message(cid, id, expires_ms, &push.body);
            }
            let message = StoredMessage {
                id,
                expires_ms,
                kept,
                sealed: false,
                body: push.body.clone(),
            };
            let owner = Slot::of_cid(cid).shard(self.shards);
            self.events
                .push((owner, Committed::Stored { cid, message }));
        }
        let first = FirstAnswer {
            task_id: push.task_id.to_string(),
            accepted_ms: self.now_ms,
            targets: words
                .iter()
                .map(|(cid, word)| first_target(*cid, *word))
                .collect(),
        };
        let day = Day::of_ms(self.now_ms);
        self.rows.writes.put(
            Keyspace::Dedup(day),
            keys::request(app, &push.request_id),
            first.encode(),
        );
        let task_id = push.task_id.clone();
        let accepted = Accepted {
            task_id,
            targets: words,
            filtered,
            expired,
            repeated: false,
        };
        Ok(Done::Accepted { ticket, accepted })
    }

    fn first_answer(&self, app: AppNo, request_id: &str) -> Result<Option<Accepted>, RowsError> {
        let key = keys::request(app, request_id);
        let today = Day::of_ms(self.now_ms);
        // Tomorrow as well: the clock may have been set back over midnight.
        for day in [
            Some(today),
            today.0.checked_sub(1).map(Day),
            today.0.checked_add(1).map(Day),
        ] {
            let Some(keyspace) = day.map(Keyspace::Dedup) else {
                continue;
            };
            let Some(row) = self.rows.get(keyspace, &key)? else {
                continue;
            };
            let first = FirstAnswer::decode(&row).map_err(damaged(keyspace, &key))?;
            if first.accepted_ms.saturating_add(REQUEST_ID_KEPT_MS) <= self.now_ms {
                continue;
            }
            let targets = first
                .targets
                .iter()
                .map(|target| (ClientId::from_bytes(target.cid), status_of(target.status)))
                .collect();
            let task_id = first.task_id.into();
            return Ok(Some(Accepted {
                task_id,
                targets,
                filtered: 0,
                expired: 0,
                repeated: true,
            }));
        }
        Ok(None)
    }

    fn store_message(&mut self, cid: ClientId, id: MessageId, expires_ms: u64, body: &Bytes) {
        let day = Day::of_ms(expires_ms);
        let mut pieces = body.chunks(PIECE_LEN_MAX);
        let first = Message {
            expires_ms,
            accepted_ms: self.now_ms,
            pieces: u16::try_from(body.len().div_ceil(PIECE_LEN_MAX).max(1))
                .expect("a body has few pieces"),
            sealed: false,
            body: pieces.next().unwrap_or_default().to_vec(),
        };
        let messages = &mut self.rows.writes.messages;
        messages.push((day, keys::message(cid, id, 0), first.encode()));
        for (piece, bytes) in (1u8..).zip(pieces) {
            messages.push((day, keys::message(cid, id, piece), bytes.to_vec()));
        }
    }

    fn register(
        &mut self,
        cid: ClientId,
        device: &Device,
    ) -> Result<(ClientId, Option<Device>), RowsError> {
        let (app, install, secret_hash) = crate::op::install_of(device);
        let key = keys::install(app, install, &secret_hash);
        if let Some(row) = self.rows.get(Keyspace::Install, &key)?
            && let Ok(bytes) = <[u8; 16]>::try_from(row.as_ref())
        {
            return Ok((ClientId::from_bytes(bytes), None));
        }
        self.rows
            .writes
            .put(Keyspace::Install, key, cid.as_bytes().to_vec());
        self.rows
            .writes
            .put(Keyspace::Reg, keys::client(cid), device.encode());
        Ok((cid, Some(device.clone())))
    }

    fn cursors(&mut self, moves: &[crate::op::CursorMove]) {
        for step in moves {
            let cursor = Cursor {
                acked: step.acked.0,
                last_login_ms: step.last_login_ms,
                last_seen_ms: step.last_seen_ms,
            };
            self.rows
                .writes
                .put(Keyspace::Cur, keys::client(step.cid), cursor.encode());
        }
    }

    fn all_known(&self, app: AppNo, bindings: &[(ClientId, Box<str>)]) -> Result<bool, RowsError> {
        for (cid, _) in bindings {
            let key = keys::client(*cid);
            let Some(row) = self.rows.get(Keyspace::Reg, &key)? else {
                return Ok(false);
            };
            let device = Device::decode(&row).map_err(damaged(Keyspace::Reg, &key))?;
            if device.app != app.0 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn bind(
        &mut self,
        app: AppNo,
        alias_type: &str,
        alias: &str,
        cid: ClientId,
    ) -> Result<(), RowsError> {
        if let Some(old) = self.alias_of(cid, alias_type)? {
            if old == alias {
                return Ok(());
            }
            self.unbind(app, alias_type, &old, cid)?;
        }
        let order = self.count(meta::BINDING_ORDER)?;
        let binding = Binding { order };
        let writes = &mut self.rows.writes;
        writes.put(
            Keyspace::Alias,
            keys::binding(app, alias_type, alias, cid),
            binding.encode(),
        );
        let reverse = AliasOfClient {
            alias: alias.to_owned(),
            order,
        };
        writes.put(
            Keyspace::ClientAlias,
            keys::client_alias(cid, alias_type),
            reverse.encode(),
        );
        let bound = self.bound(app, alias_type, alias)?;
        for (oldest, _) in bound
            .iter()
            .take(bound.len().saturating_sub(CIDS_PER_ALIAS_MAX))
        {
            self.unbind(app, alias_type, alias, *oldest)?;
        }
        Ok(())
    }

    fn unbind(
        &mut self,
        app: AppNo,
        alias_type: &str,
        alias: &str,
        cid: ClientId,
    ) -> Result<(), RowsError> {
        // The forward row carries the app: a CID of another app is not bound here, whatever its alias.
        let binding = keys::binding(app, alias_type, alias, cid);
        if self.rows.get(Keyspace::Alias, &binding)?.is_none() {
            return Ok(());
        }
        self.rows.writes.delete(Keyspace::Alias, binding);
        self.rows
            .writes
            .delete(Keyspace::ClientAlias, keys::client_alias(cid, alias_type));
        Ok(())
    }

    fn alias_of(&self, cid: ClientId, alias_type: &str) -> Result<Option<String>, RowsError> {
        let key = keys::client_alias(cid, alias_type);
        let Some(row) = self.rows.get(Keyspace::ClientAlias, &key)? else {
            return Ok(None);
        };
        let row = AliasOfClient::decode(&row).map_err(damaged(Keyspace::ClientAlias, &key))?;
        Ok(Some(row.alias))
    }

    /// The CIDs of an alias with the order of their binding, oldest first.
    fn bound(
        &self,
        app: AppNo,
        alias_type: &str,
        alias: &str,
    ) -> Result<Vec<(ClientId, u64)>, RowsError> {
        let rows = self
            .rows
            .under(Keyspace::Alias, &keys::alias(app, alias_type, alias))?;
        let mut bound = Vec::with_capacity(rows.len());
        for (key, row) in rows {
            let binding = Binding::decode(&row).map_err(damaged(Keyspace::Alias, &key))?;
            if let Some(cid) = keys::bound_cid(&key) {
                bound.push((cid, binding.order));
            }
        }
        bound.sort_by_key(|(_, order)| *order);
        Ok(bound)
    }

    fn count(&mut self, name: &[u8]) -> Result<u64, RowsError> {
        let next = number(&self.rows, name)? + 1;
        put_number(&mut self.rows.writes, name, next);
        Ok(next)
    }

    /// What is left of a day is expired: accepted less everything that became final.
    fn drop_days(&mut self, before: Day) -> Result<u64, RowsError> {
        let mut expired = 0;
        self.write_tallies()?;
        for (key, row) in self.rows.under(Keyspace::Stat, &[])? {
            let Ok(bytes) = <[u8; 4]>::try_from(key.as_slice()) else {
                continue;
            };
            let day = Day(u32::from_be_bytes(bytes));
            if day >= before {
                continue;
            }
            let mut tally = Tally::decode(&row).map_err(damaged(Keyspace::Stat, &key))?;
            let left = tally.accepted.saturating_sub(finals(&tally));
            if left == 0 {
                continue;
            }
            expired += left;
            tally.expired += left;
            self.rows.writes.put(Keyspace::Stat, key, tally.encode());
        }
        self.rows.writes.messages_dropped_before = Some(before);
        // A request id of yesterday is still remembered until its 24 h are over.
        self.rows.writes.requests_dropped_before = before.0.checked_sub(1).map(Day);
        Ok(expired)
    }

    fn write_tallies(&mut self) -> Result<(), RowsError> {
        for (day, delta) in std::mem::take(&mut self.tallies) {
            let key = keys::tally(day);
            let mut tally = match self.rows.get(Keyspace::Stat, &key)? {
                Some(row) => Tally::decode(&row).map_err(damaged(Keyspace::Stat, &key))?,
                None => Tally::default(),
            };
            add(&mut tally, &delta);
            // A day that was closed counted this message as expired; it was not.
            let over = finals(&tally).saturating_sub(tally.accepted);
            tally.expired = tally.expired.saturating_sub(over);
            self.rows.writes.put(Keyspace::Stat, key, tally.encode());
        }
        Ok(())
    }
}

fn add(tally: &mut Tally, delta: &Tally) {
    tally.accepted += delta.accepted;
    tally.acked += delta.acked;
    tally.expired += delta.expired;
    tally.revoked += delta.revoked;
    tally.filtered += delta.filtered;
    tally.failed += delta.failed;
}

/// Everything of a tally that is not held any more.
pub fn finals(tally: &Tally) -> u64 {
    tally.acked + tally.expired + tally.revoked + tally.filtered + tally.failed
}

fn first_target(cid: ClientId, word: TargetStatus) -> FirstTarget {
    let status = match word {
        TargetStatus::Online => 0,
        TargetStatus::Offline => 1,
        TargetStatus::Ignored => 2,
    };
    FirstTarget {
        cid: *cid.as_bytes(),
        status,
    }
}

fn status_of(number: u8) -> TargetStatus {
    match number {
        0 => TargetStatus::Online,
        1 => TargetStatus::Offline,
        _ => TargetStatus::Ignored,
    }
}

fn number<R: Rows>(rows: &Overlay<'_, R>, name: &[u8]) -> Result<u64, RowsError> {
    match rows.get(Keyspace::Meta, name)? {
        Some(row) => Ok(Number::decode(&row)
            .map_err(damaged(Keyspace::Meta, name))?
            .value),
        None => Ok(0),
    }
}

fn put_number(writes: &mut WriteSet, name: &[u8], value: u64) {
    writes.put(Keyspace::Meta, name.to_vec(), Number { value }.encode());
}

fn damaged(keyspace: Keyspace, key: &[u8]) -> impl FnOnce(SchemaError) -> RowsError {
    move |source| RowsError::Damaged {
        keyspace,
        key: key.to_vec(),
        source,
    }
}
