//! The sum of stages, counted anew from the rows: what every row says, against what was kept up
//! event by event (`stages`).

use std::collections::{BTreeMap, BTreeSet};

use protocol::MessageId;
use schema::record::{Cursor, Tally};
use server_core::clock::Day;
use server_core::keys;
use server_core::rows::{Keyspace, Rows};

use super::stages::{Key, Stages};

/// Counts every day and every message. Returns the messages that are held.
pub(super) fn check(rows: &impl Rows, stages: &Stages) -> BTreeSet<(Day, Key)> {
    let mut cursors = BTreeMap::new();
    each(rows, Keyspace::Cur, |key, value| {
        let cursor = Cursor::decode(value).expect("a row of ours");
        let cid = keys::client_of(key).expect("a key of ours");
        cursors.insert(cid, MessageId(cursor.acked));
    });
    let mut known = BTreeSet::new();
    each(rows, Keyspace::Reg, |key, _| {
        known.extend(keys::client_of(key));
    });
    let mut held = BTreeSet::new();
    for day in rows.message_days() {
        each(rows, Keyspace::Msg(day), |key, _| {
            let (id, piece) = keys::message_of(key).expect("a key of ours");
            let cid = keys::client_of(key).expect("a key of ours");
            let one = stages.get(&(cid, id));
            let one =
                one.unwrap_or_else(|| panic!("{id} of {cid} is stored, and nobody pushed it"));
            let passed = cursors.get(&cid).is_some_and(|acked| id <= *acked);
            // The cursor of a forgotten device is gone; its messages stay until their day is over.
            let forgotten = !known.contains(&cid) && one.is_in_rows();
            if piece == 0 && !passed && !forgotten && !one.closed {
                held.insert((day, (cid, id)));
            }
        });
    }
    let expected = stages.held_in_rows();
    assert!(
        held == expected,
        "held in the rows and nowhere else: {:?}; only elsewhere: {:?}",
        held.difference(&expected).next(),
        expected.difference(&held).next()
    );
    each(rows, Keyspace::Stat, |key, value| {
        let day = Day(u32::from_be_bytes(key.try_into().expect("a key of ours")));
        let tally = Tally::decode(value).expect("a row of ours");
        assert_eq!(Some(&tally), stages.day(day), "the stages of {day:?}");
    });
    stages.check();
    held
}

/// Visits all rows of a keyspace.
pub(super) fn each(rows: &impl Rows, keyspace: Keyspace, mut visit: impl FnMut(&[u8], &[u8])) {
    let visited = rows.range(keyspace, &[], &[], &mut |key, value| {
        visit(key, value);
        true
    });
    visited.expect("memory reads");
}
