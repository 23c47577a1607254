//! A distribution of waits.
//!
//! Owner: whoever measures. Always: microseconds, three significant digits; nothing is averaged.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

/// Longest wait that is told apart, in microseconds (ten minutes); longer counts as this.
const LATENCY_US_MAX: u64 = 600_000_000;

#[derive(Debug)]
pub(super) struct Latency(Histogram<u64>);

/// What is reported of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Percentiles {
    pub(super) count: u64,
    pub(super) p50_us: u64,
    pub(super) p90_us: u64,
    pub(super) p99_us: u64,
    pub(super) p999_us: u64,
    pub(super) max_us: u64,
}

impl Latency {
    pub(super) fn new() -> Self {
        Self(
            Histogram::new_with_bounds(1, LATENCY_US_MAX, 3)
                .expect("constant bounds that the crate documents as valid"),
        )
    }

    pub(super) fn record(&mut self, wait: Duration) {
        let us = u64::try_from(wait.as_micros()).unwrap_or(u64::MAX);
        self.0.saturating_record(us.clamp(1, LATENCY_US_MAX));
    }

    /// `None` if nothing was recorded.
    pub(super) fn percentiles(&self) -> Option<Percentiles> {
        let at = |quantile: f64| self.0.value_at_quantile(quantile);
        (!self.0.is_empty()).then(|| Percentiles {
            count: self.0.len(),
            p50_us: at(0.5),
            p90_us: at(0.9),
            p99_us: at(0.99),
            p999_us: at(0.999),
            max_us: self.0.max(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_waits_when_summed_should_give_each_percentile() {
        let mut latency = Latency::new();
        assert_eq!(latency.percentiles(), None);
        for us in 1..=1000 {
            latency.record(Duration::from_micros(us));
        }
        latency.record(Duration::from_secs(10_000));
        let percentiles = latency.percentiles().expect("recorded");
        assert_eq!(percentiles.count, 1001);
        assert_eq!(
            (percentiles.p50_us, percentiles.p90_us, percentiles.p99_us),
            (501, 901, 991)
        );
        assert!(percentiles.max_us >= LATENCY_US_MAX);
    }
}
