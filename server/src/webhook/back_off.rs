//! How long a sender waits after a try that failed.
//!
//! Always: never less than the first pause, never more than the longest; two senders that failed together do not come
//! back together.

use std::time::Duration;

/// The pause after this many failures in a row, at least one. `random` spreads it by up to half of itself.
pub(super) fn pause(failures: u32, first: Duration, most: Duration, random: u32) -> Duration {
    let doubled = first.saturating_mul(1_u32 << failures.saturating_sub(1).min(24));
    let base = doubled.min(most);
    let spread = base.mul_f64(f64::from(random) / f64::from(u32::MAX) / 2.0);
    (base + spread).min(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_secs(1);
    const MOST: Duration = Duration::from_secs(600);

    #[test]
    fn given_failures_in_a_row_when_paused_should_double_up_to_the_longest() {
        let seconds: Vec<u64> = (1..=12)
            .map(|failures| pause(failures, FIRST, MOST, 0).as_secs())
            .collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600]);
        assert_eq!(pause(u32::MAX, FIRST, MOST, u32::MAX), MOST);
    }

    #[test]
    fn given_a_random_number_when_paused_should_be_spread_by_up_to_half() {
        let pauses = [0, u32::MAX / 2, u32::MAX].map(|random| pause(3, FIRST, MOST, random));
        assert_eq!(pauses[0], Duration::from_secs(4));
        assert_eq!((pauses[1].as_secs_f64() * 100.0).round(), 500.0);
        assert_eq!(pauses[2], Duration::from_secs(6));
    }
}
