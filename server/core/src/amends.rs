//! What a store must be told after it lost its last commits, so that nothing is given twice.
//!
//! The ceiling of message ids and the count of starts may have gone with them, while devices know
//! ids and sessions that were given out. Always: both are above all that the lost commits can have
//! given. Of a commit some rows may have reached a table and others not: a request id whose task is
//! among what is lost is forgotten, so that its repeat is a new request.

use schema::record::{FirstAnswer, Number};

use crate::apply::ID_CEILING_STEP_MS;
use crate::clock::Day;
use crate::ids::AppNo;
use crate::keys::{self, meta};
use crate::rows::{Keyspace, Rows, RowsError, WriteSet};

/// How many days before this one, and behind it, request ids are looked at: they are kept for a day,
/// and the clock may have been set.
const REQUEST_DAYS: u32 = 3;

/// The rows to write before the store serves again.
///
/// # Errors
/// The store cannot read, or one of the two rows is damaged.
pub fn after_loss(rows: &impl Rows, now_ms: u64) -> Result<WriteSet, RowsError> {
    let read = |name| rows.row(Keyspace::Meta, name, Number::decode);
    let number = |name| Ok(read(name)?.map_or(0, |number| number.value));
    // Ids run ahead of the clock by one step after a crash, and their ceiling by one more.
    let ceiling_ms = number(meta::ID_CEILING_MS)?.max(now_ms) + 2 * ID_CEILING_STEP_MS;
    let epoch = number(meta::BOOT_EPOCH)? + 1;
    let mut writes = WriteSet::default();
    for (name, value) in [(meta::ID_CEILING_MS, ceiling_ms), (meta::BOOT_EPOCH, epoch)] {
        writes.put(Keyspace::Meta, name.to_vec(), Number { value }.encode());
    }
    let today = Day::of_ms(now_ms).0;
    for day in today.saturating_sub(REQUEST_DAYS)..=today.saturating_add(REQUEST_DAYS) {
        forget_requests(rows, Day(day), &mut writes)?;
    }
    Ok(writes)
}

/// Forgets the request ids of a day whose task is gone.
fn forget_requests(rows: &impl Rows, day: Day, writes: &mut WriteSet) -> Result<(), RowsError> {
    let keyspace = Keyspace::Dedup(day);
    let mut failed = None;
    rows.range(keyspace, &[], &[], &mut |key, value| {
        match has_task(rows, day, key, value) {
            Ok(true) => {}
            Ok(false) => writes.delete(keyspace, key.to_vec()),
            Err(error) => failed = Some(error),
        }
        failed.is_none()
    })?;
    failed.map_or(Ok(()), Err)
}

fn has_task(rows: &impl Rows, day: Day, key: &[u8], value: &[u8]) -> Result<bool, RowsError> {
    let damaged = |source| RowsError::damaged(Keyspace::Dedup(day), key)(source);
    let first = FirstAnswer::decode(value).map_err(damaged)?;
    let Some(app) = key.first_chunk().map(|app| AppNo(u32::from_be_bytes(*app))) else {
        return Ok(false);
    };
    let task = keys::task(app, &first.task_id);
    if rows.get(Keyspace::Task(day), &task)?.is_some() {
        return Ok(true);
    }
    let group = keys::group_of_task(app, &first.task_id);
    Ok(rows.get(Keyspace::GroupOfTask, &group)?.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::MemoryRows;

    #[test]
    fn given_a_store_that_lost_commits_when_amended_should_give_no_id_or_start_again() {
        let mut rows = MemoryRows::default();
        let mut before = WriteSet::default();
        for (name, value) in [(meta::ID_CEILING_MS, 500_000), (meta::BOOT_EPOCH, 4)] {
            before.put(Keyspace::Meta, name.to_vec(), Number { value }.encode());
        }
        rows.commit(before);
        for (now_ms, ceiling_ms, epoch) in [(400_000, 620_000, 5), (900_000, 1_020_000, 6)] {
            let amends = after_loss(&rows, now_ms).expect("memory reads");
            rows.commit(amends);
            let number = |name| {
                let row = rows.row(Keyspace::Meta, name, Number::decode);
                row.expect("memory reads").expect("written").value
            };
            assert_eq!(number(meta::ID_CEILING_MS), ceiling_ms);
            assert_eq!(number(meta::BOOT_EPOCH), epoch);
        }
    }

    #[test]
    fn given_requests_whose_task_is_lost_when_amended_should_be_forgotten_and_no_others() {
        let (app, day) = (AppNo(7), Day(20_000));
        let now_ms = u64::from(day.0) * 86_400_000 + 5;
        let mut before = WriteSet::default();
        let mut request = |id: &str, day: Day, task: &str| {
            let first = FirstAnswer {
                task_id: task.to_owned(),
                accepted_ms: now_ms,
            };
            let key = keys::request(app, id);
            before.put(Keyspace::Dedup(day), key, first.encode());
        };
        request("single", day, "kept");
        request("many", day, "group");
        request("lost", day, "gone");
        request("lost yesterday", Day(day.0 - 1), "kept");
        before.put(Keyspace::Task(day), keys::task(app, "kept"), vec![1]);
        let group = keys::group_of_task(app, "group");
        before.put(Keyspace::GroupOfTask, group, vec![1]);
        let mut rows = MemoryRows::default();
        rows.commit(before);
        let amends = after_loss(&rows, now_ms).expect("memory reads");
        rows.commit(amends);
        for (id, day, kept) in [
            ("single", day, true),
            ("many", day, true),
            ("lost", day, false),
            ("lost yesterday", Day(day.0 - 1), false),
        ] {
            let row = rows.get(Keyspace::Dedup(day), &keys::request(app, id));
            assert_eq!(row.expect("memory reads").is_some(), kept, "{id}");
        }
    }
}
