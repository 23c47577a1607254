//! Stores that lost their last commits, of some keyspaces more than of others: what a journal leaves
//! that is cut while tables hold some of what stood behind the cut.
//!
//! Always: after the amends that a repair makes, all rows fit together.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use server_core::amends::{mend_after_loss, numbers_after_loss};
use server_core::rows::{Keyspace, MemoryRows, WriteSet};

/// Losses that are tried of one history.
const TRIALS: u64 = 6;

/// Mends that follow from mends: a registration, what it has, and so on.
const PASSES_MAX: usize = 6;

/// Rows and what was committed on top of them.
pub(super) struct Losses {
    base: MemoryRows,
    commits: Vec<WriteSet>,
}

impl Losses {
    /// Nothing of what these rows hold can be lost.
    pub(super) fn of_what_follows(rows: &MemoryRows) -> Losses {
        Losses {
            base: rows.clone(),
            commits: Vec::new(),
        }
    }

    /// One commit more.
    pub(super) fn note(&mut self, writes: &WriteSet) {
        self.commits.push(writes.clone());
    }

    /// Loses some and makes amends.
    pub(super) fn check_amends(&self, now_ms: u64) {
        for trial in 0..TRIALS {
            let mut random = trial.wrapping_mul(0x9e37_79b9_7f4a_7c15) + self.commits.len() as u64;
            let mut below = |end: usize| {
                random = random
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                (random >> 33) as usize % end.max(1)
            };
            let cut = below(self.commits.len() + 1);
            let mut kept = BTreeMap::new();
            let mut rows = self.with(|keyspace| {
                let more = below(self.commits.len() - cut + 1);
                *kept.entry(keyspace).or_insert(cut + more)
            });
            let numbers = numbers_after_loss(&rows, now_ms).expect("memory reads");
            rows.commit(numbers);
            let days = self.days();
            let mut passes = 0;
            loop {
                let seen = rows.clone();
                let mended = mend_after_loss(&seen, &days, now_ms, |writes| {
                    rows.commit(writes);
                    Ok::<(), Infallible>(())
                });
                if mended == Ok(0) {
                    break;
                }
                passes += 1;
                assert!(passes < PASSES_MAX, "mended without an end");
            }
            super::sums::fit_together(&rows, now_ms);
        }
    }

    /// Every day keyspace that was not dropped. One without rows exists all the same.
    fn days(&self) -> Vec<Keyspace> {
        let mut days: BTreeSet<Keyspace> = self.base.day_keyspaces().into_iter().collect();
        for writes in &self.commits {
            days.extend(writes.rows.keys().map(|(keyspace, _)| *keyspace));
            days.extend(writes.messages.iter().map(|(day, ..)| Keyspace::Msg(*day)));
            days.retain(|keyspace| !writes.drops(*keyspace));
        }
        days.retain(|keyspace| !Keyspace::FIXED.contains(keyspace));
        days.into_iter().collect()
    }

    /// The rows with the first commits of each keyspace. A day that was dropped is gone.
    fn with(&self, mut kept: impl FnMut(Keyspace) -> usize) -> MemoryRows {
        let mut rows = self.base.clone();
        for (at, writes) in self.commits.iter().enumerate() {
            let mut writes = writes.clone();
            writes.rows.retain(|(keyspace, _), _| at < kept(*keyspace));
            writes
                .messages
                .retain(|(day, ..)| at < kept(Keyspace::Msg(*day)));
            rows.commit(writes);
        }
        rows
    }
}
