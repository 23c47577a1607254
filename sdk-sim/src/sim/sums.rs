//! The sum of stages: accepted = acked + expired + revoked + filtered + failed + held, for each
//! day, over the rows and what is known to be in no row.

use std::collections::BTreeMap;

use protocol::MessageId;
use schema::record::{Cursor, Tally};
use server_core::apply::finals;
use server_core::clock::Day;
use server_core::keys;
use server_core::rows::{Keyspace, Rows};

use super::ledger::Ledger;

/// Checks every day. `at_rest`: nothing is under way, so that only what a crash took may be
/// uncounted. Returns the messages that are held.
pub(super) fn check(rows: &impl Rows, ledger: &Ledger, at_rest: bool) -> Vec<(Day, MessageId)> {
    let mut cursors = BTreeMap::new();
    each(rows, Keyspace::Cur, |key, value| {
        let cursor = Cursor::decode(value).expect("a row of ours");
        cursors.insert(key.to_vec(), MessageId(cursor.acked));
    });
    let mut held: BTreeMap<Day, u64> = BTreeMap::new();
    let mut all_held = Vec::new();
    for day in rows.message_days() {
        each(rows, Keyspace::Msg(day), |key, _| {
            let (id, piece) = keys::message_of(key).expect("a key of ours");
            let passed = cursors.get(&key[..18]).is_some_and(|acked| id <= *acked);
            if piece == 0 && !passed && !ledger.is_closed(day, id) {
                *held.entry(day).or_default() += 1;
                all_held.push((day, id));
            }
        });
    }
    each(rows, Keyspace::Stat, |key, value| {
        let day = Day(u32::from_be_bytes(key.try_into().expect("a key of ours")));
        let tally = Tally::decode(value).expect("a row of ours");
        let held = held.remove(&day).unwrap_or(0);
        let (most, for_good) = ledger.uncounted_max(day);
        let uncounted = tally.accepted.checked_sub(finals(&tally) + held);
        let allowed = if at_rest { for_good } else { most };
        assert!(
            uncounted.is_some_and(|uncounted| uncounted <= allowed),
            "the stages of {day:?} do not add up: {tally:?}, {held} held, {allowed} may be without a row"
        );
    });
    assert!(
        held.is_empty(),
        "messages of days that nobody counted: {held:?}"
    );
    all_held
}

/// Visits all rows of a keyspace.
pub(super) fn each(rows: &impl Rows, keyspace: Keyspace, mut visit: impl FnMut(&[u8], &[u8])) {
    let visited = rows.range(keyspace, &[], &[], &mut |key, value| {
        visit(key, value);
        true
    });
    visited.expect("memory reads");
}
