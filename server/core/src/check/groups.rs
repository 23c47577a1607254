//! Pushes to many: each with its names, its sums and its whole body.

use schema::record::{Group, Number, Sums, Walk};

use super::{Check, Look, Wrong, app_of, belongs, ensure, lacking, parted, text};
use crate::clock::Day;
use crate::group::{GroupNo, GroupState};
use crate::ids::AppNo;
use crate::keys;
use crate::rows::{Keyspace, Rows};

impl<R: Rows> Check<'_, R> {
    /// The group push with this number.
    pub(super) fn group_no(&self, number: GroupNo) -> Result<Group, Wrong> {
        let row = self.get(Keyspace::Group, &keys::group(number))?;
        let row = row.ok_or_else(|| parted("its group push is gone"))?;
        Group::decode(&row).map_err(|_| "its group push is damaged".into())
    }

    pub(super) fn group(&self, key: &[u8], value: &[u8]) -> Look {
        let number = number_of(key, 8)?;
        let group = Group::decode(value)?;
        let app = AppNo(group.app);
        let task = keys::group_of_task(app, &group.task_id);
        let named = self.get(Keyspace::GroupOfTask, &task)?;
        let named = named.map(|row| Number::decode(&row)).transpose()?;
        let own = Number { value: number.0 };
        match named {
            Some(named) if named == own => {}
            // Of two with one task neither is right.
            Some(named) if self.group_of_task(&task, &named.encode()).is_ok() => {
                return Err("its task names another".into());
            }
            _ => {
                let what = "its task does not name it";
                return Err(lacking(what, Keyspace::GroupOfTask, task, own.encode()));
            }
        }
        if !group.group_name.is_empty() {
            let name = keys::group_of_name(app, &group.group_name, number);
            if !self.has(Keyspace::GroupOfName, &name)? {
                let what = "its group name does not name it";
                return Err(lacking(what, Keyspace::GroupOfName, name, Vec::new()));
            }
        }
        self.whole_body(number, &group)?;
        self.as_far_as_it_walked(number, group)
    }

    /// The first messages are made with the first row of the walk, and the last row of it goes when
    /// the push is done.
    fn as_far_as_it_walked(&self, number: GroupNo, group: Group) -> Look {
        let (what, state) = match GroupState::from_number(group.state) {
            GroupState::Running if self.is_walked(number)? || !self.has_targets(number)? => {
                return Ok(());
            }
            GroupState::Running => ("it has walked to its end", GroupState::Done),
            GroupState::Scheduled if self.is_walked(number)? => {
                ("it has begun to walk", GroupState::Running)
            }
            _ => return Ok(()),
        };
        let group = Group {
            state: state as u8,
            ..group
        };
        let key = keys::group(number);
        Err(lacking(what, Keyspace::Group, key, group.encode()))
    }

    fn is_walked(&self, number: GroupNo) -> Result<bool, Wrong> {
        let (prefix, mut found) = (keys::group(number), false);
        self.rows
            .range(Keyspace::Walk, &prefix, &prefix, &mut |_, _| {
                found = true;
                false
            })?;
        Ok(found)
    }

    fn has_targets(&self, number: GroupNo) -> Result<bool, Wrong> {
        let sums = self.get(Keyspace::GroupSums, &keys::group(number))?;
        let sums = sums.map(|row| Sums::decode(&row)).transpose()?;
        Ok(sums.is_some_and(|sums| sums.targets > 0))
    }

    fn whole_body(&self, number: GroupNo, group: &Group) -> Look {
        let keyspace = Keyspace::Body(Day::of_ms(group.expires_ms));
        if !self.days.contains(&keyspace) {
            // A clock that ran ahead may have dropped the day of one that has not begun.
            let sends = GroupState::from_number(group.state) == GroupState::Running;
            return belongs(
                !sends || group.expires_ms <= self.now_ms,
                "its body is gone",
            );
        }
        let key = |piece| keys::body(number, piece);
        self.pieces(
            keyspace,
            0..group.pieces,
            key,
            "a piece of its body is gone",
        )
    }

    pub(super) fn body(&self, day: Day, key: &[u8]) -> Look {
        ensure(key.len() == 9, "its key is no group push and piece")?;
        let group = self.group_no(number_of(&key[..8], 8)?)?;
        ensure(
            Day::of_ms(group.expires_ms) == day,
            "its group push ends on another day",
        )?;
        ensure(
            u16::from(key[8]) < group.pieces,
            "its group push has fewer pieces",
        )
    }

    pub(super) fn group_of_task(&self, key: &[u8], value: &[u8]) -> Look {
        let number = GroupNo(Number::decode(value)?.value);
        let mut rest = key;
        let app = app_of(&mut rest)?;
        let group = self.group_no(number)?;
        belongs(
            group.app == app.0 && group.task_id.as_bytes() == rest,
            "its group push has another app or task",
        )
    }

    pub(super) fn group_of_name(&self, key: &[u8]) -> Look {
        let mut rest = key;
        let app = app_of(&mut rest)?;
        let name = text(&mut rest)?;
        let group = self.group_no(number_of(rest, 8)?)?;
        belongs(
            group.app == app.0 && group.group_name == name,
            "its group push has another app or name",
        )
    }

    pub(super) fn group_sums(&self, key: &[u8], value: &[u8]) -> Look {
        let sums = Sums::decode(value)?;
        self.group_no(number_of(key, 8)?)?;
        let ended = sums.acked + sums.expired + sums.filtered + sums.revoked;
        if ended <= sums.targets {
            return Ok(());
        }
        let as_many = Sums {
            targets: ended,
            ..sums
        };
        let what = "more messages ended than were made";
        Err(lacking(
            what,
            Keyspace::GroupSums,
            key.to_vec(),
            as_many.encode(),
        ))
    }

    pub(super) fn walk(&self, key: &[u8], value: &[u8]) -> Look {
        Walk::decode(value)?;
        let (shards, shard) = keys::walk_of(key).ok_or("its key has no shard")?;
        ensure(shard.0 < shards, "there were fewer shards")?;
        self.group_no(number_of(&key[..8], 8)?).map(|_| ())
    }
}

fn number_of(key: &[u8], len: usize) -> Result<GroupNo, Wrong> {
    ensure(key.len() == len, "its key is no group push")?;
    Ok(keys::group_at_end(key).ok_or("its key is no group push")?)
}
