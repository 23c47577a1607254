//! Messages and their history: whole bodies, the right day, and sums that can hold them.

use protocol::{ClientId, MessageId};
use schema::record::{FirstAnswer, MessageRef, Number, Outcome, Tally, Task};

use super::{Check, Look, belongs, client, client_before, ensure, lacking, parted};
use crate::apply::{finals, made_on};
use crate::clock::Day;
use crate::group::GroupNo;
use crate::keys::{self, meta};
use crate::outbox::Fate;
use crate::rows::{Keyspace, Rows};

impl<R: Rows> Check<'_, R> {
    pub(super) fn message(&mut self, day: Day, key: &[u8], value: &[u8]) -> Look {
        let cid = client(key, 27)?;
        let (id, piece) = keys::message_of(key).ok_or("its key has no id")?;
        let keyspace = Keyspace::Msg(day);
        if piece > 0 {
            let first = self.get(keyspace, &keys::message(cid, id, 0))?;
            let first = first.ok_or_else(|| parted("a piece stands alone"))?;
            let pieces = MessageRef::decode(&first).map_or(0, |first| first.pieces);
            return ensure(u16::from(piece) < pieces, "its message has fewer pieces");
        }
        self.given(id.0)?;
        let row = MessageRef::decode(value)?;
        ensure(Day::of_ms(row.expires_ms) == day, "it ends on another day")?;
        if row.group != GroupNo::NONE.0 {
            self.group_no(GroupNo(row.group))?;
        }
        let key = |piece| keys::message(cid, id, piece);
        self.pieces(keyspace, 1..row.pieces, key, "a piece of it is gone")?;
        if id.0 > self.number(&meta::day_closed(day))?
            && !self.has(Keyspace::Outcome(made_on(id)), &keys::outcome(cid, id))?
        {
            *self.open.entry(day).or_default() += 1;
        }
        Ok(())
    }

    /// What is stored and has not ended was accepted and has not ended; what was never stored
    /// counts there as well.
    pub(super) fn sums_of_open(&mut self) {
        for (day, open) in std::mem::take(&mut self.open) {
            let key = keys::tally(day);
            let Ok(row) = self.rows.row(Keyspace::Stat, &key, Tally::decode) else {
                // A damaged row was told when its keyspace was looked at.
                continue;
            };
            let tally = row.unwrap_or_default();
            let held = tally.accepted.saturating_sub(finals(&tally));
            if held < open {
                let what =
                    format!("{held} messages of its day are held, {open} are stored and open");
                let holding = Tally {
                    accepted: finals(&tally) + open,
                    ..tally
                };
                let wrong = lacking(&what, Keyspace::Stat, key.clone(), holding.encode());
                self.fault(Keyspace::Stat, &key, wrong);
            }
        }
    }

    pub(super) fn task(&self, day: Day, key: &[u8], value: &[u8]) -> Look {
        let task = Task::decode(value)?;
        ensure(key.len() > 4, "its key has no task")?;
        ensure(
            Day::of_ms(task.accepted_ms) == day,
            "it was accepted on another day",
        )?;
        if !task.kept || task.expires_ms <= self.now_ms {
            return Ok(());
        }
        // Messages go with their day, and not before.
        let ends = Day::of_ms(task.expires_ms);
        let closed = self.number(&meta::day_closed(ends))?;
        for target in task.targets.iter().filter(|target| target.message > closed) {
            let cid = ClientId::from_bytes(target.cid);
            let message = keys::message(cid, MessageId(target.message), 0);
            let has = self.has(Keyspace::Msg(ends), &message)?;
            belongs(has, "a message of it is gone")?;
        }
        Ok(())
    }

    pub(super) fn first_answer(&self, day: Day, key: &[u8], value: &[u8]) -> Look {
        let first = FirstAnswer::decode(value)?;
        ensure(
            Day::of_ms(first.accepted_ms) == day,
            "it was given on another day",
        )?;
        let mut rest = key;
        let app = super::app_of(&mut rest)?;
        let task = keys::task(app, &first.task_id);
        let known = self.has(Keyspace::Task(day), &task)?
            || self.has(
                Keyspace::GroupOfTask,
                &keys::group_of_task(app, &first.task_id),
            )?;
        belongs(known, "its task is gone")
    }
}

pub(super) fn tally(key: &[u8], value: &[u8]) -> Look {
    ensure(key.len() == 4, "its key is no day")?;
    let tally = Tally::decode(value)?;
    if finals(&tally) <= tally.accepted {
        return Ok(());
    }
    let as_many = Tally {
        accepted: finals(&tally),
        ..tally
    };
    let what = "more messages ended than were accepted";
    Err(lacking(
        what,
        Keyspace::Stat,
        key.to_vec(),
        as_many.encode(),
    ))
}

pub(super) fn outcome(day: Day, key: &[u8], value: &[u8]) -> Look {
    client(key, 26)?;
    let id = keys::outcome_of(key).ok_or("its key has no id")?;
    ensure(made_on(id) == day, "its id was made on another day")?;
    let fate = Outcome::decode(value)?.fate;
    ensure(Fate::from_number(fate).is_some(), "its fate is not known")
}

pub(super) fn task_of(day: Day, key: &[u8], value: &[u8]) -> Look {
    let id = key.try_into().map_err(|_| "its key is no id")?;
    let id = MessageId(u64::from_be_bytes(id));
    ensure(made_on(id) == day, "its id was made on another day")?;
    ensure(std::str::from_utf8(value).is_ok(), "it is no text")
}

pub(super) fn acted(day: Day, key: &[u8], value: &[u8]) -> Look {
    Number::decode(value)?;
    client_before(key)?;
    let known = key.len() == 30 && keys::action_of(key).is_some();
    ensure(known, "its key has no action")?;
    let id = keys::outcome_of(key).ok_or("its key has no id")?;
    ensure(made_on(id) == day, "its id was made on another day")
}
