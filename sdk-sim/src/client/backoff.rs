//! How long a client waits before it connects again: exponential, with full jitter.
//!
//! Owner: one `Client`. Always: a delay is between 0 and the ceiling; the ceiling doubles from
//! `base_ms` and never passes `cap_ms`; a welcome starts it afresh.

use protocol::limits::{RECONNECT_DELAY_MS_MAX, RECONNECT_DELAY_MS_MIN};

use super::jitter::Jitter;

/// The bounds of the waits between two attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackoffBounds {
    /// Ceiling of the first wait, in milliseconds.
    pub base_ms: u64,
    /// Ceiling of every later wait, in milliseconds.
    pub cap_ms: u64,
}

impl Default for BackoffBounds {
    /// One second at first; two minutes at most, so that a fleet finds a server that came back
    /// within two minutes and, until then, costs its network almost nothing.
    fn default() -> Self {
        Self {
            base_ms: RECONNECT_DELAY_MS_MIN,
            cap_ms: RECONNECT_DELAY_MS_MAX,
        }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Backoff {
    bounds: BackoffBounds,
    failures: u32,
}

impl Backoff {
    pub(super) fn new(bounds: BackoffBounds) -> Self {
        Self {
            bounds,
            failures: 0,
        }
    }

    /// The wait after one more failure: uniform over `0..=ceiling` ("full jitter"), because any
    /// fixed part would bring a fleet that lost its server together back together.
    pub(super) fn delay_ms(&mut self, jitter: &mut Jitter) -> u64 {
        let ceiling = self.ceiling_ms();
        self.failures = self.failures.saturating_add(1);
        jitter.up_to(ceiling)
    }

    /// The wait after this identity was taken over by another login: the upper half of the longest
    /// wait, whatever happened before.
    pub(super) fn yielding_delay_ms(&mut self, jitter: &mut Jitter) -> u64 {
        let half = self.bounds.cap_ms / 2;
        half.saturating_add(jitter.up_to(self.bounds.cap_ms.saturating_sub(half)))
    }

    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }

    fn ceiling_ms(&self) -> u64 {
        let factor = 1_u64.checked_shl(self.failures).unwrap_or(u64::MAX);
        self.bounds
            .base_ms
            .saturating_mul(factor)
            .min(self.bounds.cap_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_failures_when_counted_should_double_the_ceiling_up_to_the_cap() {
        let mut backoff = Backoff::new(BackoffBounds::default());
        let mut jitter = Jitter::new(1);
        let mut ceilings = Vec::new();
        for _ in 0..9 {
            ceilings.push(backoff.ceiling_ms());
            backoff.delay_ms(&mut jitter);
        }
        assert_eq!(
            ceilings,
            [
                1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 120_000, 120_000
            ]
        );
        for _ in 0..100 {
            assert!(backoff.delay_ms(&mut jitter) <= 120_000);
        }
        backoff.reset();
        assert_eq!(backoff.ceiling_ms(), 1_000);
    }

    #[test]
    fn given_many_clients_when_they_fail_once_should_spread_over_the_whole_ceiling() {
        let delays: Vec<u64> = (0..1_000)
            .map(|seed| Backoff::new(BackoffBounds::default()).delay_ms(&mut Jitter::new(seed)))
            .collect();
        let early = delays.iter().filter(|ms| **ms < 500).count();
        assert!((400..600).contains(&early), "{early} of 1000 in one half");
        assert!(delays.iter().all(|ms| *ms <= 1_000));
    }

    #[test]
    fn given_a_takeover_when_yielding_should_wait_at_least_half_the_cap() {
        let mut backoff = Backoff::new(BackoffBounds::default());
        for seed in 0..100 {
            let delay = backoff.yielding_delay_ms(&mut Jitter::new(seed));
            assert!((60_000..=120_000).contains(&delay), "{delay}");
        }
    }
}
