//! Merging tables that fjall leaves apart.
//!
//! Owner: the sealer. Rows whose keys rise make tables that overlap with no other: fjall moves each to
//! the last level as it is. A store with little memory writes tables of a MiB, and each takes some
//! 2.3 KiB of memory until its day is over. Always: the more there is in a keyspace, the rarer it
//! is merged, and one that is large is left alone; what a merge took of memory is given back behind it.

use fjall::Keyspace;

use crate::limits::{MERGED_BYTES_MAX, SMALL_TABLES_MAX, TABLE_BYTES_MIN};

/// Merges the tables of one keyspace that has many small ones, if there is such a keyspace.
///
/// # Errors
/// The disk fails, or has no room.
pub(super) fn merge(keyspaces: &[Keyspace]) -> Result<(), fjall::Error> {
    let scattered = keyspaces.iter().filter(|keyspace| is_scattered(keyspace));
    let Some(keyspace) = scattered.max_by_key(|keyspace| keyspace.table_count()) else {
        return Ok(());
    };
    // On a thread of its own: the allocator keeps for a thread what that once took, until it ends.
    std::thread::scope(|scope| {
        let merger = std::thread::Builder::new()
            .name("merger".into())
            .spawn_scoped(scope, || keyspace.major_compact())?;
        merger
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn is_scattered(keyspace: &Keyspace) -> bool {
    let tables = keyspace.table_count();
    let bytes = keyspace.disk_space();
    tables > SMALL_TABLES_MAX
        && bytes <= MERGED_BYTES_MAX
        && bytes / (tables as u64) < TABLE_BYTES_MIN
}

#[cfg(test)]
mod tests {
    use fjall::Database;

    use super::*;

    /// A keyspace of so many tables, of a row each and in the order of their keys.
    fn tables(db: &Database, name: &str, count: usize) -> Keyspace {
        let keyspace = db.keyspace(name, Default::default).expect("made");
        for row in 0..count as u64 {
            keyspace
                .insert(row.to_be_bytes(), [7; 100])
                .expect("inserted");
            keyspace.rotate_memtable_and_wait().expect("written");
        }
        assert_eq!(keyspace.table_count(), count, "fjall leaves them apart");
        keyspace
    }

    #[test]
    fn given_many_small_tables_when_merged_should_be_one_with_all_rows_and_few_be_left() {
        let dir = tempfile::tempdir().expect("a folder");
        let db = Database::builder(dir.path()).open().expect("made");
        let many = tables(&db, "many", SMALL_TABLES_MAX + 1);
        let few = tables(&db, "few", SMALL_TABLES_MAX);
        merge(&[few.clone(), many.clone()]).expect("merged");
        assert_eq!(many.table_count(), 1);
        assert_eq!(many.iter().count(), SMALL_TABLES_MAX + 1);
        merge(&[few.clone(), many]).expect("nothing to do");
        assert_eq!(few.table_count(), SMALL_TABLES_MAX);
    }
}
