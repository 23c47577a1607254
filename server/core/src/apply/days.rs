//! Days: their sums, and what is left of them when they are over.

use protocol::MessageId;
use schema::record::Tally;

use super::{Step, number, put_number};
use crate::clock::Day;
use crate::keys::{self, meta};
use crate::limits::{DAY_GRACE_MS, HISTORY_DAYS};
use crate::op::{Committed, Done};
use crate::outbox::Fate;
use crate::rows::{Keyspace, Rows, RowsError};

impl<R: Rows> Step<'_, R> {
    /// Counts the end of a message in its day.
    pub(super) fn count_end(
        &mut self,
        day: Day,
        id: MessageId,
        fate: Fate,
    ) -> Result<(), RowsError> {
        let expired_before = id <= self.closed_upto(day)?;
        let tally = self.tallies.entry(day).or_default();
        match fate {
            Fate::Acked => tally.acked += 1,
            Fate::Expired if expired_before => {}
            Fate::Expired => tally.expired += 1,
            Fate::Revoked if expired_before => {}
            Fate::Revoked => tally.revoked += 1,
        }
        if fate == Fate::Acked && expired_before {
            *self.late.entry(day).or_default() += 1;
        }
        Ok(())
    }

    fn closed_upto(&mut self, day: Day) -> Result<MessageId, RowsError> {
        if let Some(upto) = self.closed.get(&day) {
            return Ok(*upto);
        }
        let upto = MessageId(number(&self.rows, &meta::day_closed(day))?);
        self.closed.insert(day, upto);
        Ok(upto)
    }

    /// What is left of a day is expired: accepted less everything that became final. Last in its
    /// batch, so that nothing is accepted into a day behind its end.
    pub(super) fn drop_days(&mut self) -> Result<(), RowsError> {
        let Some(before) = self.drop_before else {
            return Ok(());
        };
        // The clock may have been set back since a shard saw the day end: what was accepted since
        // may expire on that very day.
        let before = before.min(Day::of_ms(self.now_ms.saturating_sub(DAY_GRACE_MS)));
        let mut expired = 0;
        for (key, row) in self.rows.under(Keyspace::Stat, &[])? {
            let Ok(bytes) = <[u8; 4]>::try_from(key.as_slice()) else {
                continue;
            };
            let day = Day(u32::from_be_bytes(bytes));
            if day >= before {
                continue;
            }
            let mut tally =
                Tally::decode(&row).map_err(RowsError::damaged(Keyspace::Stat, &key))?;
            let name = meta::day_closed(day);
            put_number(&mut self.rows.writes, &name, self.ids.last().0);
            let left = tally.accepted.saturating_sub(finals(&tally));
            if left == 0 {
                continue;
            }
            expired += left;
            tally.expired += left;
            self.rows.writes.put(Keyspace::Stat, key, tally.encode());
        }
        self.forget_groups()?;
        self.rows.writes.messages_dropped_before = Some(before);
        // A request id of yesterday is still remembered until its 24 h are over.
        self.rows.writes.requests_dropped_before = before.0.checked_sub(1).map(Day);
        self.rows.writes.history_dropped_before = before.0.checked_sub(HISTORY_DAYS).map(Day);
        let dropped = self
            .events
            .iter_mut()
            .rev()
            .find_map(|(_, event)| match event {
                Committed::Done(Done::DaysDropped { expired }) => Some(expired),
                _ => None,
            });
        *dropped.expect("it was asked for in this batch") = expired;
        Ok(())
    }

    pub(super) fn write_tallies(&mut self) -> Result<(), RowsError> {
        for (day, delta) in std::mem::take(&mut self.tallies) {
            let key = keys::tally(day);
            let row = self.rows.row(Keyspace::Stat, &key, Tally::decode)?;
            let mut tally = row.unwrap_or_default();
            add(&mut tally, &delta);
            let late = self.late.remove(&day).unwrap_or(0);
            tally.expired = tally.expired.saturating_sub(late);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_numbers_in_every_stage_when_added_should_add_each_and_count_the_final_ones() {
        let mut tally = Tally {
            accepted: 1 << 10,
            acked: 1,
            expired: 1 << 1,
            revoked: 1 << 2,
            filtered: 1 << 3,
            failed: 1 << 4,
        };
        let before = tally;
        assert_eq!(finals(&tally), 0b1_1111);
        add(&mut tally, &before);
        assert_eq!(tally.accepted, 1 << 11);
        let twice = [
            tally.acked,
            tally.expired,
            tally.revoked,
            tally.filtered,
            tally.failed,
        ];
        assert_eq!(twice, [2, 4, 8, 16, 32]);
    }
}
