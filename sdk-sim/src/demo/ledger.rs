//! The demo's books: what became of every message.
//!
//! Owner: the main thread. Always: news of one push may come in any order, for the threads that
//! send them do not wait for each other.

use std::collections::HashMap;
use std::fmt::Write;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::news::Message;

/// Longest latency that is told apart, in microseconds (ten minutes); longer counts as this.
const LATENCY_US_MAX: u64 = 600_000_000;

/// Reasons of refusal shown below the table. They tend to be the same; full: only counted.
const REASONS_SHOWN_MAX: usize = 3;

#[derive(Debug, Default)]
struct Entry {
    sent_at: Option<Instant>,
    received_at: Option<Instant>,
    receipts: u32,
    acks: u32,
}

#[derive(Debug)]
pub(super) struct Ledger {
    entries: HashMap<Message, Entry>,
    accepted: u64,
    refused: u64,
    /// Accepted and acked.
    settled: u64,
    repeats: u64,
    reasons: Vec<String>,
    latency_us: Histogram<u64>,
}

impl Ledger {
    pub(super) fn new() -> Self {
        Self {
            entries: HashMap::new(),
            accepted: 0,
            refused: 0,
            settled: 0,
            repeats: 0,
            reasons: Vec::new(),
            latency_us: Histogram::new_with_bounds(1, LATENCY_US_MAX, 3)
                .expect("constant bounds that the crate documents as valid"),
        }
    }

    pub(super) fn accepted(&self) -> u64 {
        self.accepted
    }

    pub(super) fn accepted_push(&mut self, message: Message, sent_at: Instant) {
        self.accepted += 1;
        let entry = self.entries.entry(message).or_default();
        entry.sent_at = Some(sent_at);
        if entry.acks > 0 {
            self.settled += 1;
        }
        if let Some(received_at) = entry.received_at {
            self.measure(sent_at, received_at);
        }
    }

    pub(super) fn refused_push(&mut self, messages: u64, why: &str) {
        self.refused += messages;
        if self.reasons.len() < REASONS_SHOWN_MAX && !self.reasons.iter().any(|known| known == why)
        {
            self.reasons.push(why.to_owned());
        }
    }

    pub(super) fn received(&mut self, message: Message, at: Instant) {
        let entry = self.entries.entry(message).or_default();
        entry.receipts += 1;
        if entry.receipts == 1 {
            entry.received_at = Some(at);
            if let Some(sent_at) = entry.sent_at {
                self.measure(sent_at, at);
            }
        }
    }

    pub(super) fn acked_push(&mut self, message: Message) {
        let entry = self.entries.entry(message).or_default();
        entry.acks += 1;
        if entry.acks == 1 && entry.sent_at.is_some() {
            self.settled += 1;
        }
    }

    pub(super) fn repeated(&mut self) {
        self.repeats += 1;
    }

    /// Every push was answered, and every accepted one acked.
    pub(super) fn is_settled(&self, pushes: u64) -> bool {
        self.accepted + self.refused >= pushes && self.settled == self.accepted
    }

    /// All pushes were accepted, and each was acked exactly once: by our count, and by the server's
    /// where it has one.
    pub(super) fn is_whole(&self, pushes: u64, server_acked: Option<u64>) -> bool {
        self.accepted == pushes
            && self.entries.len() as u64 == pushes
            && self
                .entries
                .values()
                .all(|entry| entry.sent_at.is_some() && entry.receipts == 1 && entry.acks == 1)
            && server_acked.is_none_or(|acked| acked == pushes)
    }

    pub(super) fn table(&self, pushes: u64, server_acked: Option<u64>, took: Duration) -> String {
        let accepted = || {
            self.entries
                .values()
                .filter(|entry| entry.sent_at.is_some())
        };
        let delivered = accepted().filter(|entry| entry.receipts > 0).count() as u64;
        let duplicates: u64 = self
            .entries
            .values()
            .map(|entry| u64::from(entry.receipts.saturating_sub(1)))
            .sum();
        let mut table = String::from("\n");
        let mut row = |name: &str, value: &dyn std::fmt::Display| {
            // Writing to a String cannot fail.
            let _ = writeln!(table, "{name:<22}{value:>12}");
        };
        row("pushed", &pushes);
        row("accepted", &self.accepted);
        row("delivered", &delivered);
        row("acked", &self.settled);
        if let Some(acked) = server_acked {
            row("acked (server)", &acked);
        }
        row("lost", &(self.accepted - self.settled));
        row("duplicates", &duplicates);
        if self.repeats > 0 {
            row("repeats dropped", &self.repeats);
        }
        row("p50 ms", &self.latency_ms(0.50));
        row("p99 ms", &self.latency_ms(0.99));
        row("max ms", &self.latency_ms(1.0));
        let per_second = self.settled as f64 / took.as_secs_f64().max(f64::EPSILON);
        row("pushes per second", &format!("{per_second:.0}"));
        for why in &self.reasons {
            let _ = writeln!(table, "not accepted: {why}");
        }
        table
    }

    fn latency_ms(&self, quantile: f64) -> String {
        let us = self.latency_us.value_at_quantile(quantile);
        format!("{:.2}", us as f64 / 1_000.0)
    }

    fn measure(&mut self, sent_at: Instant, received_at: Instant) {
        let elapsed = received_at.saturating_duration_since(sent_at);
        let us = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
        self.latency_us
            .saturating_record(us.clamp(1, LATENCY_US_MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task() -> Message {
        Message {
            task_id: "T".to_owned(),
            cid: "C".to_owned(),
        }
    }

    #[test]
    fn given_news_in_any_order_when_complete_should_be_whole() {
        let now = Instant::now();
        let later = now + Duration::from_millis(7);
        let steps: [fn(&mut Ledger, Instant, Instant); 3] = [
            |ledger, now, _| ledger.accepted_push(task(), now),
            |ledger, _, later| ledger.received(task(), later),
            |ledger, _, _| ledger.acked_push(task()),
        ];
        for order in [[0, 1, 2], [1, 0, 2], [1, 2, 0]] {
            let mut ledger = Ledger::new();
            for step in order {
                assert!(!ledger.is_whole(1, None), "{order:?} before step {step}");
                steps[step](&mut ledger, now, later);
            }
            assert!(
                ledger.is_settled(1) && ledger.is_whole(1, Some(1)),
                "{order:?}"
            );
            assert!(!ledger.is_whole(1, Some(2)), "the server counts otherwise");
            let table = ledger.table(1, Some(1), Duration::from_secs(1));
            let p50 = table.lines().find(|line| line.starts_with("p50 ms"));
            assert!(p50.is_some_and(|line| line.contains(" 7.0")), "{table}");
        }
    }

    #[test]
    fn given_a_message_twice_when_counted_should_be_a_duplicate() {
        let now = Instant::now();
        let mut ledger = Ledger::new();
        ledger.accepted_push(task(), now);
        ledger.received(task(), now);
        ledger.received(task(), now);
        ledger.acked_push(task());
        assert!(ledger.is_settled(1) && !ledger.is_whole(1, None));
        let table = ledger.table(1, None, Duration::from_secs(1));
        assert!(
            table
                .lines()
                .any(|line| line.starts_with("duplicates") && line.ends_with(" 1")),
            "{table}"
        );
    }

    #[test]
    fn given_a_refusal_or_a_loss_when_counted_should_not_be_whole() {
        let mut ledger = Ledger::new();
        ledger.refused_push(1, "busy");
        assert!(ledger.is_settled(1) && !ledger.is_whole(1, None));
        let mut ledger = Ledger::new();
        ledger.accepted_push(task(), Instant::now());
        assert!(!ledger.is_settled(1));
        let table = ledger.table(1, None, Duration::from_secs(1));
        assert!(
            table
                .lines()
                .any(|line| line.starts_with("lost") && line.ends_with(" 1")),
            "{table}"
        );
    }
}
