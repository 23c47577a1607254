//! The sums behind the reports: of each group push, of each day of an app, of its devices.
//!
//! Always: a sum is written in the batch of the event that it counts, so both last or neither.

use std::collections::BTreeMap;

use protocol::MessageId;
use schema::limits::ACTIONS_MAX;
use schema::record::{Number, Presence, Sums};

use super::{Step, made_on};
use crate::clock::Day;
use crate::group::GroupNo;
use crate::ids::{AppNo, ShardNo};
use crate::keys;
use crate::limits::{ONLINE_KEPT_MS, SWEEP_LEN_MAX};
use crate::outbox::Fate;
use crate::rows::{Keyspace, Rows, RowsError};

/// What one batch adds.
#[derive(Debug, Default)]
pub(super) struct SumsDelta {
    groups: BTreeMap<GroupNo, Sums>,
    days: BTreeMap<(AppNo, Day), Sums>,
    devices: BTreeMap<(AppNo, Day), Presence>,
}

impl<R: Rows> Step<'_, R> {
    /// Counts messages that were made now.
    pub(super) fn count_made(&mut self, app: AppNo, group: GroupNo, made: &Sums) {
        let day = Day::of_ms(self.now_ms);
        add(self.sums.days.entry((app, day)).or_default(), made);
        if group != GroupNo::NONE {
            add(self.sums.groups.entry(group).or_default(), made);
        }
    }

    /// Counts the end of a message on the day that it was made.
    pub(super) fn count_fate(
        &mut self,
        app: Option<AppNo>,
        group: GroupNo,
        id: MessageId,
        fate: Fate,
    ) {
        let mut end = Sums::default();
        match fate {
            Fate::Acked => end.acked = 1,
            Fate::Expired => end.expired = 1,
            Fate::Revoked => end.revoked = 1,
        }
        if let Some(app) = app {
            let day = made_on(id);
            add(self.sums.days.entry((app, day)).or_default(), &end);
        }
        if group != GroupNo::NONE {
            add(self.sums.groups.entry(group).or_default(), &end);
        }
    }

    /// Counts what a user did with a message, on the day that it was made.
    pub(super) fn count_acted(&mut self, app: AppNo, group: GroupNo, id: MessageId, done: &Sums) {
        let day = made_on(id);
        add(self.sums.days.entry((app, day)).or_default(), done);
        if group != GroupNo::NONE {
            add(self.sums.groups.entry(group).or_default(), done);
        }
    }

    pub(super) fn count_registered(&mut self, app: AppNo, created_ms: u64) {
        let day = Day::of_ms(created_ms);
        self.sums.devices.entry((app, day)).or_default().registered += 1;
    }

    pub(super) fn count_active(&mut self, app: AppNo, login_ms: u64) {
        let day = Day::of_ms(login_ms);
        self.sums.devices.entry((app, day)).or_default().active += 1;
    }

    pub(super) fn sample(
        &mut self,
        shard: ShardNo,
        at_ms: u64,
        online: &[(AppNo, u64)],
    ) -> Result<(), RowsError> {
        for (app, count) in online {
            let key = keys::online(*app, at_ms, shard);
            let value = Number { value: *count };
            self.rows.writes.put(Keyspace::Online, key, value.encode());
            let mut sum = 0;
            let prefix = keys::online_at(*app, at_ms);
            for (key, row) in self.rows.under(Keyspace::Online, &prefix)? {
                sum += Number::decode(&row)
                    .map_err(RowsError::damaged(Keyspace::Online, &key))?
                    .value;
            }
            let day = Day::of_ms(at_ms);
            let presence = self.sums.devices.entry((*app, day)).or_default();
            presence.online_peak = presence.online_peak.max(sum);
            let end = keys::online_at(*app, at_ms.saturating_sub(ONLINE_KEPT_MS));
            let prefix = app.0.to_be_bytes();
            for (key, _) in self
                .rows
                .oldest(Keyspace::Online, &prefix, &end, SWEEP_LEN_MAX)?
            {
                self.rows.writes.delete(Keyspace::Online, key);
            }
        }
        Ok(())
    }

    pub(super) fn write_sums(&mut self) -> Result<(), RowsError> {
        let SumsDelta {
            groups,
            days,
            devices,
        } = std::mem::take(&mut self.sums);
        for (group, delta) in groups {
            self.add_sums(Keyspace::GroupSums, keys::group(group), &delta)?;
        }
        for ((app, day), delta) in days {
            self.add_sums(Keyspace::DaySums, keys::app_day(app, day), &delta)?;
        }
        for ((app, day), delta) in devices {
            let key = keys::app_day(app, day);
            let row = self.rows.row(Keyspace::Presence, &key, Presence::decode)?;
            let mut presence = row.unwrap_or_default();
            presence.registered += delta.registered;
            presence.active += delta.active;
            presence.online_peak = presence.online_peak.max(delta.online_peak);
            self.rows
                .writes
                .put(Keyspace::Presence, key, presence.encode());
        }
        Ok(())
    }

    fn add_sums(
        &mut self,
        keyspace: Keyspace,
        key: Vec<u8>,
        delta: &Sums,
    ) -> Result<(), RowsError> {
        let row = self.rows.row(keyspace, &key, Sums::decode)?;
        let mut sums = row.unwrap_or_default();
        add(&mut sums, delta);
        self.rows.writes.put(keyspace, key, sums.encode());
        Ok(())
    }
}

fn add(sums: &mut Sums, delta: &Sums) {
    sums.targets += delta.targets;
    sums.acked += delta.acked;
    sums.expired += delta.expired;
    sums.filtered += delta.filtered;
    sums.revoked += delta.revoked;
    sums.shown += delta.shown;
    sums.clicked += delta.clicked;
    for (action, count) in &delta.actions {
        match sums
            .actions
            .binary_search_by_key(action, |(known, _)| *known)
        {
            Ok(at) => sums.actions[at].1 += count,
            Err(at) if sums.actions.len() < ACTIONS_MAX => {
                sums.actions.insert(at, (*action, *count));
            }
            // Counted in no sum; its receipts and the history of its message have it.
            Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_sums_when_added_should_add_each_and_take_no_more_actions_than_fit() {
        let delta = Sums {
            targets: 1,
            acked: 2,
            expired: 3,
            filtered: 4,
            revoked: 5,
            shown: 6,
            clicked: 7,
            actions: (0..=ACTIONS_MAX as u32).map(|action| (action, 8)).collect(),
        };
        let mut sums = Sums::default();
        add(&mut sums, &delta);
        add(&mut sums, &delta);
        let twice = Sums {
            targets: 2,
            acked: 4,
            expired: 6,
            filtered: 8,
            revoked: 10,
            shown: 12,
            clicked: 14,
            actions: (0..ACTIONS_MAX as u32).map(|action| (action, 16)).collect(),
        };
        assert_eq!(sums, twice);
    }
}
