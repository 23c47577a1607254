//! What a store must be told after it lost its last commits, so that nothing is given twice.
//!
//! The ceiling of message ids and the count of starts may have gone with them, while devices know
//! ids and sessions that were given out. Always: both are above all that the lost commits can have
//! given.

use schema::record::Number;

use crate::apply::ID_CEILING_STEP_MS;
use crate::keys::meta;
use crate::rows::{Keyspace, Rows, RowsError, WriteSet};

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
    Ok(writes)
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
}
