//! What a store must be told after it lost its last commits, so that nothing is given twice and its
//! rows fit together.
//!
//! The ceiling of message ids, the count of starts and others may have gone with them, while devices
//! know ids and sessions that were given out. Always: each is above all that the lost commits can have
//! given. Of a commit some rows may have reached a table and others not: a row without what it belongs
//! to is taken away, so that the repeat of a request whose task is lost is a new request; what follows
//! from a row that stayed is written again.

use schema::record::{AliasOfClient, App, Number};

use crate::apply::ID_CEILING_STEP_MS;
use crate::check::{Fault, Mend, check_each};
use crate::keys::meta;
use crate::limits::MENDS_PER_COMMIT_MAX;
use crate::rows::{Keyspace, Rows, RowsError, WriteSet};

/// How far above what is left each number goes on: more starts, and more apps, than any lost commits
/// can have seen. None of them is scarce.
const MARGIN: u64 = 1024;

/// Steps that the ceiling of ids goes on above what is left, and above the clock: each of a row of
/// quick starts runs ahead by one.
const CEILING_STEPS: u64 = 16;

/// The numbers to write before anything else.
///
/// # Errors
/// The store cannot read, or one of these numbers is damaged.
pub fn numbers_after_loss(rows: &impl Rows, now_ms: u64) -> Result<WriteSet, RowsError> {
    let number = |name| {
        let row = rows.row(Keyspace::Meta, name, Number::decode)?;
        Ok::<u64, RowsError>(row.map_or(0, |number| number.value))
    };
    let ceiling_ms = number(meta::ID_CEILING_MS)?.max(now_ms);
    // A row that is damaged says nothing here, and is no reason to leave the others unwritten.
    let mut app = number(meta::LAST_APP)?;
    rows.range(Keyspace::App, &[], &[], &mut |_, row| {
        app = app.max(App::decode(row).map_or(0, |app| app.number.into()));
        true
    })?;
    let mut order = number(meta::BINDING_ORDER)?;
    rows.range(Keyspace::ClientAlias, &[], &[], &mut |_, row| {
        order = order.max(AliasOfClient::decode(row).map_or(0, |row| row.order));
        true
    })?;
    let mut writes = WriteSet::default();
    for (name, value) in [
        (
            meta::ID_CEILING_MS,
            ceiling_ms + CEILING_STEPS * ID_CEILING_STEP_MS,
        ),
        (meta::BOOT_EPOCH, number(meta::BOOT_EPOCH)? + MARGIN),
        (meta::LAST_APP, app + MARGIN),
        (meta::BINDING_ORDER, order + MARGIN),
    ] {
        writes.put(Keyspace::Meta, name.to_vec(), Number { value }.encode());
    }
    Ok(writes)
}

/// Takes away what lost what it belongs to, and writes what follows from rows that stayed: in sets of
/// at most [`MENDS_PER_COMMIT_MAX`] rows, each given to `commit` while `rows` stay as they are. `days`
/// are the day keyspaces that exist. Returns how many rows; what is mended can leave others without
/// what they belong to, so it is done again until there are none.
///
/// # Errors
/// Of `commit`; what it was given before stays.
pub fn mend_after_loss<E>(
    rows: &impl Rows,
    days: &[Keyspace],
    now_ms: u64,
    mut commit: impl FnMut(WriteSet) -> Result<(), E>,
) -> Result<u64, E> {
    let mut writes = WriteSet::default();
    let (mut mended, mut failed) = (0, None);
    check_each(rows, days, now_ms, &mut |fault| {
        if failed.is_some() {
            return;
        }
        let Fault {
            keyspace,
            key,
            mend,
            ..
        } = fault;
        match mend {
            None => return,
            Some(Mend::Delete) => writes.delete(keyspace, key),
            Some(Mend::Put(keyspace, key, value)) => writes.put(keyspace, key, value),
        }
        mended += 1;
        if writes.rows.len() >= MENDS_PER_COMMIT_MAX {
            failed = commit(std::mem::take(&mut writes)).err();
        }
    });
    if let Some(error) = failed {
        return Err(error);
    }
    if !writes.is_empty() {
        commit(writes)?;
    }
    Ok(mended)
}

#[cfg(test)]
mod tests {
    use protocol::ClientId;
    use schema::record::{Binding, Device, FirstAnswer};

    use super::*;
    use crate::clock::Day;
    use crate::ids::AppNo;
    use crate::keys;
    use crate::rows::MemoryRows;

    const APP: AppNo = AppNo(7);

    /// One pass; how many rows it mended.
    fn mend(rows: &mut MemoryRows, now_ms: u64) -> u64 {
        let seen = rows.clone();
        let days = seen.day_keyspaces();
        let mended = mend_after_loss(&seen, &days, now_ms, |writes| {
            rows.commit(writes);
            Ok::<(), std::convert::Infallible>(())
        });
        mended.expect("memory takes all")
    }

    fn number(rows: &MemoryRows, name: &[u8]) -> u64 {
        let row = rows.row(Keyspace::Meta, name, Number::decode);
        row.expect("memory reads").expect("written").value
    }

    #[test]
    fn given_a_store_that_lost_commits_when_amended_should_give_no_id_or_start_again() {
        let mut rows = MemoryRows::default();
        let mut before = WriteSet::default();
        for (name, value) in [(meta::ID_CEILING_MS, 500_000), (meta::BOOT_EPOCH, 4)] {
            before.put(Keyspace::Meta, name.to_vec(), Number { value }.encode());
        }
        rows.commit(before);
        for (now_ms, ceiling_ms, epoch) in
            [(400_000, 1_460_000, 1028), (2_000_000, 2_960_000, 2052)]
        {
            let numbers = numbers_after_loss(&rows, now_ms).expect("memory reads");
            rows.commit(numbers);
            assert_eq!(number(&rows, meta::ID_CEILING_MS), ceiling_ms);
            assert_eq!(number(&rows, meta::BOOT_EPOCH), epoch);
        }
    }

    #[test]
    fn given_aliases_whose_count_is_lost_when_amended_should_count_on_behind_the_newest() {
        let mut before = WriteSet::default();
        for (byte, order) in [(1, 9), (2, 4)] {
            let cid = ClientId::from_bytes([byte; 16]);
            let row = AliasOfClient {
                alias: "alice".into(),
                order,
            };
            before.put(
                Keyspace::ClientAlias,
                keys::client_alias(cid, ""),
                row.encode(),
            );
        }
        let mut rows = MemoryRows::default();
        rows.commit(before);
        rows.commit(numbers_after_loss(&rows, 1).expect("memory reads"));
        assert_eq!(number(&rows, meta::BINDING_ORDER), 9 + MARGIN);
    }

    #[test]
    fn given_requests_whose_task_is_lost_when_amended_should_be_forgotten_and_no_others() {
        let day = Day(20_000);
        let now_ms = u64::from(day.0) * 86_400_000 + 5;
        let mut before = WriteSet::default();
        for (id, task_id) in [("single", "kept"), ("lost", "gone")] {
            let first = FirstAnswer {
                task_id: task_id.to_owned(),
                accepted_ms: now_ms,
            };
            before.put(Keyspace::Dedup(day), keys::request(APP, id), first.encode());
        }
        before.put(Keyspace::Task(day), keys::task(APP, "kept"), vec![1]);
        let mut rows = MemoryRows::default();
        rows.commit(before);
        mend(&mut rows, now_ms);
        for (id, kept) in [("single", true), ("lost", false)] {
            let row = rows.get(Keyspace::Dedup(day), &keys::request(APP, id));
            assert_eq!(row.expect("memory reads").is_some(), kept, "{id}");
        }
        let task = rows.get(Keyspace::Task(day), &keys::task(APP, "kept"));
        assert!(
            task.expect("memory reads").is_some(),
            "damaged, and left so"
        );
    }

    #[test]
    fn given_an_alias_that_only_its_client_knows_when_amended_should_be_as_the_client_has_it() {
        let cid = ClientId::from_bytes([5; 16]);
        let device = Device {
            app: APP.0,
            install: [5; 16],
            secret_hash: [5; 32],
            created_ms: 1,
            platform: 1,
            sdk_version: "test".into(),
            push_off: false,
            blocked: false,
            notify_off: false,
        };
        let row = AliasOfClient {
            alias: "alice".into(),
            order: 3,
        };
        let stale = keys::binding(APP, "", "bob", cid);
        let mut before = WriteSet::default();
        before.put(Keyspace::Reg, keys::client(cid), device.encode());
        before.put(
            Keyspace::ClientAlias,
            keys::client_alias(cid, ""),
            row.encode(),
        );
        before.put(
            Keyspace::Alias,
            stale.clone(),
            Binding { order: 4 }.encode(),
        );
        let mut rows = MemoryRows::default();
        rows.commit(before);
        mend(&mut rows, 1);
        let get = |key: &[u8]| rows.get(Keyspace::Alias, key).expect("memory reads");
        assert_eq!(get(&stale), None);
        let named = get(&keys::binding(APP, "", "alice", cid)).expect("written");
        assert_eq!(
            Binding::decode(&named).expect("a row"),
            Binding { order: 3 }
        );
        assert_eq!(mend(&mut rows, 1), 0, "all fits");
    }
}
