//! Pushes to many: taken, begun, walked, stopped.
//!
//! Always: the progress of a walk is written in the batch of the messages that it made, so a walk
//! that goes on after a crash makes each message once; a body is stored once for all targets.

use bytes::{Bytes, BytesMut};
use protocol::{ClientId, MessageId};
use schema::record::{Group, Message, Number, Sums, Walk};

use super::{Step, StoredStatus};
use crate::clock::Day;
use crate::command::{Answer, Reach};
use crate::group::{GroupKind, GroupNo, GroupPush, GroupState, Running};
use crate::ids::{AppNo, ShardNo, Ticket};
use crate::keys;
use crate::limits::{GROUP_KEPT_MS, PIECE_LEN_MAX, SWEEP_LEN_MAX, UNKEPT_OPEN_MS, UNSCHEDULE_MS};
use crate::op::{Accepted, Committed, Done, StoredMessage};
use crate::rows::{Keyspace, Rows, RowsError};

impl<R: Rows> Step<'_, R> {
    pub(super) fn take_group(&mut self, app: AppNo, push: &GroupPush) -> Result<Answer, RowsError> {
        if let Some(request_id) = &push.request_id
            && let Some(first) = self.first_answer(app, request_id)?
        {
            return Ok(Answer::GroupTaken {
                task_id: first.task_id,
            });
        }
        let number = GroupNo(self.ids.next(self.now_ms, &mut self.rows.writes).0);
        let mut group = self.row_of(app, push);
        if group.state == GroupState::Running as u8 {
            group.registered_by_ms = self.registered_by_ms()?;
        }
        self.write_body(number, group.expires_ms, &push.body);
        let writes = &mut self.rows.writes;
        let task = Number { value: number.0 };
        writes.put(
            Keyspace::GroupOfTask,
            keys::group_of_task(app, &push.task_id),
            task.encode(),
        );
        if !push.group_name.is_empty() {
            let key = keys::group_of_name(app, &push.group_name, number);
            writes.put(Keyspace::GroupOfName, key, Vec::new());
        }
        if let Some(request_id) = &push.request_id {
            self.write_first_answer(app, request_id, &push.task_id);
        }
        self.write_group(number, &group);
        match GroupState::from_number(group.state) {
            GroupState::Running => {
                let running = Running::new(number, &group, push.body.clone());
                self.tell_all(&Committed::GroupBegins(Box::new(running)));
            }
            GroupState::Scheduled => {
                let start_ms = group.start_ms;
                let event = Committed::GroupScheduled {
                    group: number,
                    start_ms,
                };
                self.events.push((ShardNo(0), event));
            }
            _ => {}
        }
        Ok(Answer::GroupTaken {
            task_id: push.task_id.clone(),
        })
    }

    fn row_of(&self, app: AppNo, push: &GroupPush) -> Group {
        let start_ms = push.start_ms.unwrap_or(self.now_ms).max(self.now_ms);
        let state = match push.kind {
            GroupKind::List => GroupState::Open,
            GroupKind::App if start_ms > self.now_ms => GroupState::Scheduled,
            GroupKind::App => GroupState::Running,
        };
        let (condition_heads, condition_values) = push.audience.to_rows();
        Group {
            app: app.0,
            task_id: push.task_id.to_string(),
            group_name: push.group_name.to_string(),
            kind: push.kind as u8,
            state: state as u8,
            accepted_ms: self.now_ms,
            start_ms,
            expires_ms: start_ms.saturating_add(push.ttl_ms.unwrap_or(UNKEPT_OPEN_MS)),
            kept: push.ttl_ms.is_some(),
            speed: push.speed,
            condition_heads,
            condition_values,
            active_days: push.audience.activity.map_or(0, |activity| activity.days),
            active: push
                .audience
                .activity
                .is_some_and(|activity| activity.active),
            pieces: u16::try_from(push.body.len().div_ceil(PIECE_LEN_MAX).max(1))
                .expect("a body has few pieces"),
            vendor: push.vendor.as_ref().map(|text| text.to_string()),
            skips_notify_off: push.skips_notify_off,
            registered_by_ms: 0,
        }
    }

    fn write_body(&mut self, number: GroupNo, expires_ms: u64, body: &Bytes) {
        let keyspace = Keyspace::Body(Day::of_ms(expires_ms));
        if body.is_empty() {
            let key = keys::body(number, 0);
            self.rows.writes.put(keyspace, key, Vec::new());
        }
        for (piece, bytes) in (0u8..).zip(body.chunks(PIECE_LEN_MAX)) {
            let key = keys::body(number, piece);
            self.rows.writes.put(keyspace, key, bytes.to_vec());
        }
    }

    fn write_group(&mut self, number: GroupNo, group: &Group) {
        let key = keys::group(number);
        self.rows.writes.put(Keyspace::Group, key, group.encode());
    }

    fn group(&self, number: GroupNo) -> Result<Option<Group>, RowsError> {
        let key = keys::group(number);
        self.rows.row(Keyspace::Group, &key, Group::decode)
    }

    fn group_of_task(
        &self,
        app: AppNo,
        task_id: &str,
    ) -> Result<Option<(GroupNo, Group)>, RowsError> {
        let key = keys::group_of_task(app, task_id);
        let row = self.rows.row(Keyspace::GroupOfTask, &key, Number::decode)?;
        let Some(number) = row.map(|number| GroupNo(number.value)) else {
            return Ok(None);
        };
        Ok(self.group(number)?.map(|group| (number, group)))
    }

    /// The body of a group push; `None` once its day is dropped.
    fn body_of(&self, number: GroupNo, group: &Group) -> Result<Option<Bytes>, RowsError> {
        let keyspace = Keyspace::Body(Day::of_ms(group.expires_ms));
        let mut body = BytesMut::new();
        for piece in 0..group.pieces {
            let key = keys::body(number, u8::try_from(piece).unwrap_or(u8::MAX));
            match self.rows.get(keyspace, &key)? {
                Some(bytes) => body.extend_from_slice(&bytes),
                None => return Ok(None),
            }
        }
        Ok(Some(body.freeze()))
    }

    /// Whether the body of a group push is still there: its pieces go together, with their day.
    fn has_body(&self, number: GroupNo, group: &Group) -> Result<bool, RowsError> {
        let keyspace = Keyspace::Body(Day::of_ms(group.expires_ms));
        let first = self.rows.get(keyspace, &keys::body(number, 0))?;
        Ok(first.is_some())
    }

    pub(super) fn push_list(
        &mut self,
        ticket: Ticket,
        app: AppNo,
        task_id: &str,
        targets: &[(ClientId, Reach)],
    ) -> Result<Done, RowsError> {
        let found = self.group_of_task(app, task_id)?;
        let Some((number, group)) = found.filter(|(_, group)| {
            group.state == GroupState::Open as u8 && self.now_ms < group.expires_ms
        }) else {
            return Ok(super::answered(ticket, Answer::NoSuchTask));
        };
        // The clock may have been set back since its day was dropped, and the body with it.
        let Some(body) = self.body_of(number, &group)? else {
            return Ok(super::answered(ticket, Answer::NoSuchTask));
        };
        let reached = self.reach(number, &group, targets)?;
        for (cid, id, _) in &reached {
            if *id == MessageId::NONE {
                continue;
            }
            let message = StoredMessage {
                id: *id,
                expires_ms: group.expires_ms,
                kept: group.kept,
                sealed: false,
                group: number,
                body: body.clone(),
            };
            self.tell_owner(*cid, Committed::Stored { cid: *cid, message });
        }
        let count = |wanted| {
            let of = reached.iter().filter(|(_, _, status)| *status == wanted);
            of.count() as u32
        };
        let accepted = Accepted {
            task_id: task_id.into(),
            filtered: count(StoredStatus::Filtered),
            expired: count(StoredStatus::Expired),
            failed: count(StoredStatus::Full),
            targets: reached
                .iter()
                .map(|(cid, _, status)| (*cid, status.word()))
                .collect(),
            repeated: false,
        };
        Ok(Done::Accepted { ticket, accepted })
    }

    /// Gives each target its message, which points at the body of the group.
    fn reach(
        &mut self,
        number: GroupNo,
        group: &Group,
        targets: &[(ClientId, Reach)],
    ) -> Result<Vec<(ClientId, MessageId, StoredStatus)>, RowsError> {
        let mut made = Sums::default();
        let mut failed = 0;
        let mut reached = Vec::with_capacity(targets.len());
        for (cid, reach) in targets {
            let reach = reach.of_push(group.skips_notify_off);
            let status = self.status(AppNo(group.app), *cid, reach, group.kept)?;
            failed += u64::from(status == StoredStatus::Full);
            made.targets += 1;
            made.filtered += u64::from(status == StoredStatus::Filtered);
            made.expired += u64::from(status == StoredStatus::Expired);
            let id = match status {
                StoredStatus::Online | StoredStatus::Offline => {
                    self.ids.next(self.now_ms, &mut self.rows.writes)
                }
                StoredStatus::Filtered | StoredStatus::Expired | StoredStatus::Full => {
                    MessageId::NONE
                }
            };
            if id != MessageId::NONE {
                self.note_task(AppNo(group.app), &group.task_id, id)?;
            }
            if id != MessageId::NONE && group.kept {
                let message = Message {
                    expires_ms: group.expires_ms,
                    accepted_ms: self.now_ms,
                    pieces: 1,
                    sealed: false,
                    body: Vec::new(),
                    group: number.0,
                };
                let day = Day::of_ms(group.expires_ms);
                let key = keys::message(*cid, id, 0);
                self.count_one_waiting(*cid, 0);
                self.rows.writes.messages.push((day, key, message.encode()));
            }
            reached.push((*cid, id, status));
        }
        let tally = self
            .tallies
            .entry(Day::of_ms(group.expires_ms))
            .or_default();
        tally.accepted += made.targets;
        tally.filtered += made.filtered;
        tally.expired += made.expired;
        tally.failed += failed;
        self.count_made(AppNo(group.app), number, &made);
        Ok(reached)
    }

    pub(super) fn fan(
        &mut self,
        shard: ShardNo,
        number: GroupNo,
        targets: &[(ClientId, Reach)],
        upto: ClientId,
        done: bool,
    ) -> Result<Done, RowsError> {
        let stops = Done::Fanned {
            group: number,
            reached: Vec::new(),
            goes_on: false,
        };
        let Some(mut group) = self.group(number)? else {
            return Ok(stops);
        };
        if group.state != GroupState::Running as u8 {
            return Ok(stops);
        }
        // The clock may have been set back since the day was dropped, and the body with it.
        if self.now_ms >= group.expires_ms || !self.has_body(number, &group)? {
            // Whoever was not reached by now would get nothing any more.
            group.state = GroupState::Done as u8;
            self.write_group(number, &group);
            return Ok(stops);
        }
        let reached = self.reach(number, &group, targets)?;
        let len = self.walk(number, shard)?.map_or(0, |walk| walk.len);
        let walk = Walk {
            upto: *upto.as_bytes(),
            done,
            len,
        };
        self.write_walk(number, shard, walk);
        if done && self.all_walked(number)? {
            group.state = GroupState::Done as u8;
            self.write_group(number, &group);
            for (key, _) in self.rows.under(Keyspace::Walk, &keys::group(number))? {
                self.rows.writes.delete(Keyspace::Walk, key);
            }
        }
        Ok(Done::Fanned {
            group: number,
            reached,
            goes_on: true,
        })
    }

    fn walk(&self, number: GroupNo, shard: ShardNo) -> Result<Option<Walk>, RowsError> {
        let key = keys::walk(number, self.shards, shard);
        self.rows.row(Keyspace::Walk, &key, Walk::decode)
    }

    fn write_walk(&mut self, number: GroupNo, shard: ShardNo, walk: Walk) {
        let key = keys::walk(number, self.shards, shard);
        self.rows.writes.put(Keyspace::Walk, key, walk.encode());
    }

    fn all_walked(&self, number: GroupNo) -> Result<bool, RowsError> {
        for shard in 0..self.shards {
            if !self
                .walk(number, ShardNo(shard))?
                .is_some_and(|walk| walk.done)
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub(super) fn begin_walk(
        &mut self,
        shard: ShardNo,
        number: GroupNo,
        len: u64,
    ) -> Result<(), RowsError> {
        let running = self
            .group(number)?
            .is_some_and(|group| group.state == GroupState::Running as u8);
        if !running {
            return Ok(());
        }
        let mut walk = self.walk(number, shard)?.unwrap_or(Walk {
            upto: [0; 16],
            done: false,
            len: 0,
        });
        // One more than it is, so that a walk over nobody has begun too.
        walk.len = len + 1;
        self.write_walk(number, shard, walk);
        let mut total = 0;
        for shard in 0..self.shards {
            match self.walk(number, ShardNo(shard))? {
                Some(walk) if walk.len > 0 => total += walk.len - 1,
                _ => return Ok(()),
            }
        }
        let group = number;
        self.tell_all(&Committed::GroupPaced { group, total });
        Ok(())
    }

    pub(super) fn start_group(&mut self, number: GroupNo) -> Result<(), RowsError> {
        let Some(mut group) = self.group(number)? else {
            return Ok(());
        };
        if group.state != GroupState::Scheduled as u8 {
            return Ok(());
        }
        let Some(body) = self.body_of(number, &group)? else {
            group.state = GroupState::Done as u8;
            self.write_group(number, &group);
            return Ok(());
        };
        group.state = GroupState::Running as u8;
        group.registered_by_ms = self.registered_by_ms()?;
        self.write_group(number, &group);
        let running = Running::new(number, &group, body);
        self.tell_all(&Committed::GroupBegins(Box::new(running)));
        Ok(())
    }

    pub(super) fn stop_group(&mut self, app: AppNo, task_id: &str) -> Result<Answer, RowsError> {
        let Some((number, mut group)) = self.group_of_task(app, task_id)? else {
            return Ok(Answer::NoSuchTask);
        };
        match GroupState::from_number(group.state) {
            GroupState::Deleted => return Ok(Answer::NoSuchTask),
            GroupState::Stopped => return Ok(Answer::Done),
            _ if self.now_ms >= group.expires_ms => {
                return Ok(Answer::TaskCannotStop);
            }
            _ => {}
        }
        group.state = GroupState::Stopped as u8;
        self.write_group(number, &group);
        for (key, _) in self.rows.under(Keyspace::Walk, &keys::group(number))? {
            self.rows.writes.delete(Keyspace::Walk, key);
        }
        self.tell_all(&Committed::GroupStopped {
            group: number,
            expires_ms: group.expires_ms,
        });
        Ok(Answer::Done)
    }

    pub(super) fn unschedule(&mut self, app: AppNo, task_id: &str) -> Result<Answer, RowsError> {
        let Some((number, mut group)) = self.group_of_task(app, task_id)? else {
            return Ok(Answer::NoSuchTask);
        };
        match GroupState::from_number(group.state) {
            GroupState::Scheduled if group.start_ms >= self.now_ms + UNSCHEDULE_MS => {
                group.state = GroupState::Deleted as u8;
                self.write_group(number, &group);
                Ok(Answer::Done)
            }
            GroupState::Scheduled | GroupState::Running | GroupState::Done => Ok(Answer::TaskBegun),
            GroupState::Open | GroupState::Stopped | GroupState::Deleted => Ok(Answer::NoSuchTask),
        }
    }

    /// Whether this task is a group push, and which answer it had.
    pub(super) fn group_answer(
        &self,
        app: AppNo,
        task_id: &str,
    ) -> Result<Option<Accepted>, RowsError> {
        let found = self.group_of_task(app, task_id)?;
        Ok(found.map(|_| Accepted {
            task_id: task_id.into(),
            targets: Vec::new(),
            filtered: 0,
            expired: 0,
            failed: 0,
            repeated: true,
        }))
    }

    /// Forgets the oldest group pushes when their time to be reported is over.
    pub(super) fn forget_groups(&mut self) -> Result<(), RowsError> {
        let oldest_ms = self.now_ms.saturating_sub(GROUP_KEPT_MS);
        let end = keys::group(GroupNo(super::message_ids::first_of_ms(oldest_ms)));
        for (key, row) in self
            .rows
            .oldest(Keyspace::Group, &[], &end, SWEEP_LEN_MAX)?
        {
            let group = Group::decode(&row).map_err(RowsError::damaged(Keyspace::Group, &key))?;
            let Some(number) = keys::group_at_end(&key) else {
                continue;
            };
            let app = AppNo(group.app);
            let writes = &mut self.rows.writes;
            writes.delete(
                Keyspace::GroupOfTask,
                keys::group_of_task(app, &group.task_id),
            );
            if !group.group_name.is_empty() {
                let name = keys::group_of_name(app, &group.group_name, number);
                writes.delete(Keyspace::GroupOfName, name);
            }
            writes.delete(Keyspace::GroupSums, key.clone());
            for (key, _) in self.rows.under(Keyspace::Walk, &key)? {
                self.rows.writes.delete(Keyspace::Walk, key);
            }
            self.rows.writes.delete(Keyspace::Group, key);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apply::{Ids, apply};
    use crate::group::tests::push;
    use crate::op::{Op, Submitted};
    use crate::rows::MemoryRows;

    #[test]
    fn given_a_start_that_read_devices_of_a_later_clock_when_a_push_begins_should_be_for_them_too()
    {
        let rows = MemoryRows::default();
        let mut ids = Ids::recover(&rows).expect("memory reads");
        let begin = Op::TakeGroup {
            ticket: Ticket(1),
            app: AppNo(1),
            push: push(Bytes::new()),
        };
        let boot = Op::Boot {
            registered_by_ms: 9_000,
        };
        let shard = ShardNo(0);
        let batch = [boot, begin].map(|op| Submitted { shard, op });
        for (now_ms, by_ms) in [(5_000, 9_000), (9_500, 9_500)] {
            let applied = apply(&batch, now_ms, 1, &mut ids, &rows).expect("memory reads");
            let begun = applied.events.iter().find_map(|(_, event)| match event {
                Committed::GroupBegins(running) => Some(running.registered_by_ms),
                _ => None,
            });
            assert_eq!(begun, Some(by_ms), "at {now_ms}");
        }
    }
}
