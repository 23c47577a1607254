//! The thread that says when pushes are due.
//!
//! Owner: the pusher. Always: the permits given out are the pushes that are due; it ends when the
//! pusher is dropped.
//!
//! tokio's timers have a grain of one millisecond, which would be most of the latency measured; a
//! sleeping thread is woken within some ten microseconds.

use std::io;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::thread::set_current_timer_slack;
use tokio::sync::Semaphore;

use super::schedule::Schedule;

/// Longest sleep, so that a stop is seen.
const SLEEP_MAX: Duration = Duration::from_millis(50);

/// Shortest sleep: at rates beyond 10,000 a second several pushes share one wake-up, which costs
/// about as much as a push.
const SLEEP_MIN: Duration = Duration::from_micros(100);

/// How late the kernel may wake this thread to save power, in nanoseconds; the default is 50,000.
const TIMER_SLACK_NS: NonZeroU64 = NonZeroU64::new(1_000).expect("not zero");

pub(super) fn start(
    schedule: Schedule,
    due: Arc<Semaphore>,
    stop: Arc<AtomicBool>,
) -> io::Result<()> {
    let thread = thread::Builder::new().name("load-pacer".to_owned());
    thread.spawn(move || {
        // Without it the pushes leave some 50 microseconds later, and are measured so.
        let _ = set_current_timer_slack(Some(TIMER_SLACK_NS));
        pace(&schedule, &due, &stop);
        // A thread that has ended takes its CPU time with it, before the phase is summed up.
        while !stop.load(Ordering::Relaxed) {
            thread::sleep(SLEEP_MAX);
        }
    })?;
    Ok(())
}

fn pace(schedule: &Schedule, due: &Semaphore, stop: &AtomicBool) {
    let mut given = 0;
    while given < schedule.total && !stop.load(Ordering::Relaxed) {
        let now = Instant::now();
        let count = schedule.due_count(now);
        if count > given {
            // At most PUSHES_MAX, far below the most permits a semaphore can hold.
            due.add_permits(usize::try_from(count - given).unwrap_or(usize::MAX));
            given = count;
        }
        if given < schedule.total {
            let wait = schedule.due_at(given).saturating_duration_since(now);
            thread::sleep(wait.clamp(SLEEP_MIN, SLEEP_MAX));
        }
    }
    if given < schedule.total {
        due.close();
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::super::schedule::Pace;
    use super::*;

    fn schedule(pace: Pace) -> Schedule {
        Schedule {
            start: Instant::now(),
            pace,
            total: 50,
        }
    }

    #[test]
    fn given_a_schedule_when_paced_should_give_every_permit_once() {
        let rate = NonZeroU32::new(10_000).expect("not zero");
        for pace_of in [Pace::AtOnce, Pace::PerSecond(rate)] {
            let due = Semaphore::new(0);
            pace(&schedule(pace_of), &due, &AtomicBool::new(false));
            assert_eq!(due.available_permits(), 50);
            assert!(!due.is_closed());
        }
    }

    #[test]
    fn given_a_stop_when_pacing_should_close_what_waits() {
        let due = Semaphore::new(0);
        let rate = NonZeroU32::new(1).expect("not zero");
        pace(
            &schedule(Pace::PerSecond(rate)),
            &due,
            &AtomicBool::new(true),
        );
        assert!(due.is_closed());
    }
}
