//! The one place of the fleet that reads a clock.
//!
//! Owner: one `Fleet`. Always: milliseconds since the fleet began, never going back.

use tokio::time::{Duration, Instant, Sleep, sleep_until};

/// Milliseconds since its start, as the clients count.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self {
            start: Instant::now(),
        }
    }

    pub(crate) fn now_ms(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Ends when `at_ms` has come. A client's deadlines are days away at most (a close can ask for
    /// 49 days), so the sum stays in range; one day is far enough to look again.
    pub(crate) fn until(&self, at_ms: u64) -> Sleep {
        const LOOK_AGAIN_MS: u64 = 24 * 60 * 60 * 1_000;
        let at_ms = at_ms.min(self.now_ms().saturating_add(LOOK_AGAIN_MS));
        // A timer may fire within the millisecond before its mark was counted up.
        sleep_until(self.start + Duration::from_millis(at_ms))
    }
}
