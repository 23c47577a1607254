//! How long the kit waits for a server.
//!
//! Owner: one run, shared by its checks. Always: every wait has an end; a server that was silent
//! several times where it owed an answer is not waited for as long again, so that a run ends.

use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How long an answer may take that the document wants at once. A registration waits for a disk.
pub(super) const ANSWER_WAIT: Duration = Duration::from_secs(5);

/// How much later than the document says a server may notice that time is over.
pub(super) const LATE: Duration = Duration::from_secs(5);

/// How long nothing must come where nothing may come. Long enough for a page of messages from a
/// disk, short enough for a dozen of such waits.
pub(super) const QUIET_WAIT: Duration = Duration::from_millis(700);

/// Answers that may stay away before [`ANSWER_WAIT`] becomes [`TIRED_WAIT`]: the run has failed by
/// then, and shall end within minutes.
const SILENCES_MAX: u32 = 6;

/// How long a server is waited for that was silent too often.
const TIRED_WAIT: Duration = Duration::from_millis(300);

/// The waits of one run.
#[derive(Debug)]
pub(super) struct Patience {
    answer: Duration,
    quiet: Duration,
    silences: AtomicU32,
}

impl Patience {
    /// The waits of a run against a server somewhere.
    pub(super) fn new() -> Self {
        Self {
            answer: ANSWER_WAIT,
            quiet: QUIET_WAIT,
            silences: AtomicU32::new(0),
        }
    }

    /// How long an answer may take.
    pub(super) fn answer(&self) -> Duration {
        if self.silences.load(Ordering::Relaxed) < SILENCES_MAX {
            self.answer
        } else {
            TIRED_WAIT
        }
    }

    /// How long nothing must come.
    pub(super) fn quiet(&self) -> Duration {
        self.quiet
    }

    /// An answer stayed away.
    pub(super) fn wear(&self) {
        self.silences.fetch_add(1, Ordering::Relaxed);
    }
}

/// Lets time pass in which a peer does nothing on purpose.
pub(super) fn wait_until(then: Instant) {
    loop {
        let left = then.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        // It may return early.
        thread::park_timeout(left);
    }
}

#[cfg(test)]
impl Patience {
    /// The waits for a server of a test, which is wrong on purpose and near.
    pub(super) fn short() -> Self {
        Self {
            answer: TIRED_WAIT,
            quiet: Duration::from_millis(50),
            silences: AtomicU32::new(0),
        }
    }
}
