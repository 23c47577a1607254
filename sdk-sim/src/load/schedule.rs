//! When each push is meant to leave.
//!
//! Owner: fixed before the first push; devices and pusher hold the same copy. Always: depends on
//! the push's number alone, never on an answer, so a slow server cannot thin its own load out.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

const NS_PER_S: u64 = 1_000_000_000;

/// How pushes follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    /// All are due at the start.
    AtOnce,
    /// Evenly, this many a second.
    PerSecond(NonZeroU32),
}

/// The due times of pushes `0..total`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Schedule {
    pub(super) start: Instant,
    pub(super) pace: Pace,
    /// At most `PUSHES_MAX`.
    pub(super) total: u64,
}

impl Schedule {
    /// When the push is meant to leave.
    pub(super) fn due_at(&self, number: u64) -> Instant {
        self.start + Duration::from_nanos(self.due_ns(number))
    }

    /// Nanoseconds after the start. In range: at most 20 million pushes at one a second.
    fn due_ns(&self, number: u64) -> u64 {
        match self.pace {
            Pace::AtOnce => 0,
            Pace::PerSecond(rate) => number * NS_PER_S / u64::from(rate.get()),
        }
    }

    /// How many pushes are due at `now`.
    pub(super) fn due_count(&self, now: Instant) -> u64 {
        let Some(elapsed) = now.checked_duration_since(self.start) else {
            return 0;
        };
        match self.pace {
            Pace::AtOnce => self.total,
            Pace::PerSecond(rate) => {
                let due = elapsed.as_nanos() * u128::from(rate.get()) / u128::from(NS_PER_S) + 1;
                u64::try_from(due).unwrap_or(u64::MAX).min(self.total)
            }
        }
    }

    /// How long after its due time `at` is; zero before it.
    pub(super) fn late(&self, number: u64, at: Instant) -> Duration {
        at.saturating_duration_since(self.due_at(number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_a_rate_when_asked_should_agree_with_itself_at_every_due_time() {
        let rate = NonZeroU32::new(7).expect("not zero");
        let schedule = Schedule {
            start: Instant::now(),
            pace: Pace::PerSecond(rate),
            total: 100,
        };
        let before = schedule.start.checked_sub(Duration::from_nanos(1));
        assert_eq!(schedule.due_count(before.expect("after boot")), 0);
        for number in 0..100 {
            let due = schedule.due_at(number);
            let count = schedule.due_count(due + Duration::from_nanos(1));
            assert_eq!(count, number + 1);
            assert_eq!(schedule.late(number, due), Duration::ZERO);
        }
        assert_eq!(
            schedule.due_at(70) - schedule.start,
            Duration::from_secs(10)
        );
        let late = schedule.late(7, schedule.start + Duration::from_secs(3));
        assert_eq!(late, Duration::from_secs(2));
        let end = schedule.start + Duration::from_secs(1000);
        assert_eq!(schedule.due_count(end), 100);
    }

    #[test]
    fn given_a_burst_when_begun_should_be_due_as_a_whole() {
        let schedule = Schedule {
            start: Instant::now(),
            pace: Pace::AtOnce,
            total: 9,
        };
        assert_eq!(schedule.due_count(schedule.start), 9);
        assert_eq!(schedule.due_at(8), schedule.start);
    }
}
