//! Pushes that the floor sends by itself, at a rate: what a push costs without HTTP.
//!
//! Owner: the loop. Always: due by the clock, whatever was late before; at most a bounded number in one turn.

use std::time::{Duration, Instant};

use super::floor::{Floor, Wire};

/// Pushes of one turn; what is due beyond waits for the next.
const TURN_MAX: u64 = 256;
/// Time between two turns.
const EVERY: Duration = Duration::from_millis(1);

pub(super) struct Beat {
    rate: u32,
    text: String,
    since: Instant,
    pushed: u64,
}

impl Beat {
    /// `rate` pushes a second, 0 for none, with a text of `size` bytes.
    pub(super) fn new(rate: u32, size: usize) -> Self {
        Beat {
            rate,
            text: "x".repeat(size),
            since: Instant::now(),
            pushed: 0,
        }
    }

    /// How long the loop may wait.
    pub(super) fn wait(&self) -> Option<Duration> {
        (self.rate > 0).then_some(EVERY)
    }

    /// Pushes what is due.
    pub(super) fn push(&mut self, floor: &mut Floor, wire: &mut impl Wire) {
        if self.rate == 0 {
            return;
        }
        let due = self.since.elapsed().as_millis() as u64 * u64::from(self.rate) / 1000;
        let count = due.saturating_sub(self.pushed).min(TURN_MAX);
        self.pushed += count;
        floor.push_in_turn(count as usize, &self.text, wire);
    }
}
