//! What was promised and what came: one byte per push on each side.
//!
//! Owner: [`Answers`] the pusher's thread, [`Receipts`] the devices' thread; they meet when both
//! are done. Always: a push is lost if it was accepted and never received, doubled if a device gave
//! it to its app twice.

use std::collections::BTreeMap;

/// Reasons of failed requests that are kept. They tend to be the same; full: only counted.
const REASONS_MAX: usize = 3;

/// The envelope's code of an accepted push.
const CODE_ACCEPTED: i64 = 0;

/// The HTTP side.
#[derive(Debug, Default)]
pub(super) struct Answers {
    accepted: Vec<bool>,
    accepted_count: u64,
    refused: BTreeMap<i64, u64>,
    failed: u64,
    reconnects: u64,
    reasons: Vec<String>,
}

impl Answers {
    pub(super) fn new(total: u64) -> Self {
        Self {
            accepted: vec![false; usize::try_from(total).unwrap_or(usize::MAX)],
            ..Self::default()
        }
    }

    pub(super) fn answered(&mut self, number: u64, code: i64) {
        if code != CODE_ACCEPTED {
            *self.refused.entry(code).or_default() += 1;
            return;
        }
        let place = usize::try_from(number).unwrap_or(usize::MAX);
        if let Some(accepted) = self.accepted.get_mut(place) {
            *accepted = true;
            self.accepted_count += 1;
        }
    }

    /// The push may or may not have been accepted.
    pub(super) fn failed(&mut self, why: &str) {
        self.failed += 1;
        if self.reasons.len() < REASONS_MAX && !self.reasons.iter().any(|known| known == why) {
            self.reasons.push(why.to_owned());
        }
    }

    pub(super) fn reconnected(&mut self) {
        self.reconnects += 1;
    }

    pub(super) fn accepted(&self) -> u64 {
        self.accepted_count
    }

    /// Refused pushes by code.
    pub(super) fn refused(&self) -> &BTreeMap<i64, u64> {
        &self.refused
    }

    /// Pushes without an answer.
    pub(super) fn failures(&self) -> u64 {
        self.failed
    }

    /// Requests sent again on a new connection.
    pub(super) fn reconnects(&self) -> u64 {
        self.reconnects
    }

    /// Why pushes failed, the first few reasons.
    pub(super) fn reasons(&self) -> &[String] {
        &self.reasons
    }
}

/// The devices' side.
#[derive(Debug, Default)]
pub(super) struct Receipts {
    times: Vec<u8>,
    received: u64,
    doubled: u64,
    foreign: u64,
}

impl Receipts {
    pub(super) fn new(total: u64) -> Self {
        Self {
            times: vec![0; usize::try_from(total).unwrap_or(usize::MAX)],
            ..Self::default()
        }
    }

    /// Records a push given to the app; true if it is its first time. A number beyond the
    /// schedule is none of ours.
    pub(super) fn record(&mut self, number: u64) -> bool {
        let place = usize::try_from(number).unwrap_or(usize::MAX);
        let Some(times) = self.times.get_mut(place) else {
            self.foreign += 1;
            return false;
        };
        *times = times.saturating_add(1);
        let first = *times == 1;
        if first {
            self.received += 1;
        } else {
            self.doubled += 1;
        }
        first
    }

    pub(super) fn record_foreign(&mut self) {
        self.foreign += 1;
    }

    /// Different pushes received.
    pub(super) fn received(&self) -> u64 {
        self.received
    }

    /// Receipts beyond the first of a push.
    pub(super) fn doubled(&self) -> u64 {
        self.doubled
    }

    /// Messages that this run did not send.
    pub(super) fn foreign(&self) -> u64 {
        self.foreign
    }

    /// Whether every accepted push came. Their number alone does not tell: of a batch that was refused as
    /// busy, some come all the same.
    pub(super) fn has_all(&self, answers: &Answers) -> bool {
        self.received >= answers.accepted_count && self.lost(answers) == 0
    }

    /// Accepted pushes that no device received.
    pub(super) fn lost(&self, answers: &Answers) -> u64 {
        let pairs = answers.accepted.iter().zip(&self.times);
        pairs
            .filter(|(accepted, times)| **accepted && **times == 0)
            .count() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_answers_and_receipts_when_compared_should_find_lost_and_doubled() {
        let mut answers = Answers::new(4);
        let mut receipts = Receipts::new(4);
        answers.answered(0, 0);
        answers.answered(1, 0);
        answers.answered(2, 30019);
        answers.failed("gone");
        answers.failed("gone");
        assert!(receipts.record(0));
        assert!(!receipts.record(0));
        assert!(receipts.record(3), "failed, but it came");
        assert!(!receipts.record(4), "not ours");
        receipts.record_foreign();
        assert_eq!(answers.accepted(), 2);
        assert_eq!(answers.refused().get(&30019), Some(&1));
        assert_eq!((answers.failures(), answers.reasons().len()), (2, 1));
        assert_eq!((receipts.received(), receipts.doubled()), (2, 1));
        assert_eq!(receipts.foreign(), 2);
        assert_eq!(receipts.lost(&answers), 1);
        assert!(
            !receipts.has_all(&answers),
            "as many came as were accepted, but not those"
        );
        assert!(receipts.record(1));
        assert!(receipts.has_all(&answers));
    }
}
