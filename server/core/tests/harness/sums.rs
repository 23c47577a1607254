//! The sum of stages of the rows: accepted = acked + expired + revoked + filtered + failed + held.

use std::collections::BTreeMap;

use schema::record::{Cursor, Tally};
use server_core::apply::made_on;
use server_core::clock::Day;
use server_core::keys;
use server_core::rows::{Keyspace, MemoryRows, Rows};

/// Checks the sum for each day. For a world at rest: what live sessions know is in no row.
///
/// `forgotten_max`: how many messages without a row a crash may have taken with it. They stay
/// uncounted until their day is dropped; all others must be in the sum.
pub(super) fn check(rows: &MemoryRows, forgotten_max: u64) {
    let mut cursors = BTreeMap::new();
    for (keyspace, key, value) in rows.all() {
        if keyspace == Keyspace::Cur {
            let cursor = Cursor::decode(value).expect("a row of ours");
            cursors.insert(key.to_vec(), cursor.acked);
        }
    }
    let has = |keyspace, key: &[u8]| rows.get(keyspace, key).expect("memory reads").is_some();
    let mut held: BTreeMap<Day, u64> = BTreeMap::new();
    for (keyspace, key, _) in rows.all() {
        let Keyspace::Msg(day) = keyspace else {
            continue;
        };
        let (id, piece) = keys::message_of(key).expect("a key of ours");
        let is_final = if has(Keyspace::Reg, &key[..18]) {
            id.0 <= cursors.get(&key[..18]).copied().unwrap_or(0)
        } else {
            // Its app is gone and the cursor with it; messages stay until their day is over.
            has(Keyspace::Outcome(made_on(id)), &key[..26])
        };
        if piece == 0 && !is_final {
            *held.entry(day).or_default() += 1;
        }
    }
    for (day, tally) in tallies(rows) {
        let held = held.remove(&day).unwrap_or(0);
        let found = server_core::apply::finals(&tally) + held;
        assert!(
            found <= tally.accepted && tally.accepted - found <= forgotten_max,
            "the stages of {day:?} do not add up: {tally:?} and {held} held"
        );
    }
    assert!(
        held.is_empty(),
        "messages of days that nobody counted: {held:?}"
    );
}

/// Checks that all rows fit together, as `ringpost check` does.
pub(super) fn fit_together(rows: &MemoryRows, now_ms: u64) {
    let findings = server_core::check::check(rows, &rows.day_keyspaces(), now_ms);
    assert_eq!(findings.faults, [], "rows that do not fit together");
}

/// The stages of all days together.
pub(super) fn total(rows: &MemoryRows) -> Tally {
    let mut sum = Tally::default();
    for (_, tally) in tallies(rows) {
        sum.accepted += tally.accepted;
        sum.acked += tally.acked;
        sum.expired += tally.expired;
        sum.revoked += tally.revoked;
        sum.filtered += tally.filtered;
        sum.failed += tally.failed;
    }
    sum
}

fn tallies(rows: &MemoryRows) -> Vec<(Day, Tally)> {
    rows.all()
        .filter(|(keyspace, _, _)| *keyspace == Keyspace::Stat)
        .map(|(_, key, value)| {
            let day = Day(u32::from_be_bytes(key.try_into().expect("a key of ours")));
            (day, Tally::decode(value).expect("a row of ours"))
        })
        .collect()
}
