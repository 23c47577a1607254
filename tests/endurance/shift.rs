//! A shift: threads that work in turns until they are told to rest or to go home.
//!
//! Always: who rests has nothing under way; a thread that failed fails the test when it goes home.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::harness::wait_for;

/// How long a resting thread waits between two looks.
const LOOK: Duration = Duration::from_millis(10);

/// What the threads of a shift are told.
#[derive(Debug, Default)]
pub(crate) struct Orders {
    is_over: AtomicBool,
    is_rest: AtomicBool,
    resting: AtomicUsize,
    /// Pause of each thread after each of its turns.
    pace: Duration,
}

impl Orders {
    /// Waits for the next turn, and calls `meanwhile` as long as there is none; `false`: go home.
    pub(crate) fn next_turn(&self, mut meanwhile: impl FnMut(Duration)) -> bool {
        if !self.pace.is_zero() {
            meanwhile(self.pace);
        }
        if self.is_rest.load(Ordering::SeqCst) {
            self.resting.fetch_add(1, Ordering::SeqCst);
            while self.is_rest.load(Ordering::SeqCst) && !self.is_over.load(Ordering::SeqCst) {
                meanwhile(LOOK);
            }
            self.resting.fetch_sub(1, Ordering::SeqCst);
        }
        !self.is_over.load(Ordering::SeqCst)
    }
}

/// For threads that have nothing to do while they wait.
pub(crate) fn idle(span: Duration) {
    std::thread::park_timeout(span);
}

/// See the module page.
#[derive(Debug)]
pub(crate) struct Shift {
    orders: Arc<Orders>,
    threads: Vec<JoinHandle<()>>,
}

impl Shift {
    /// Nobody yet. With a pace, each thread pauses that long after each turn.
    pub(crate) fn new(pace: Duration) -> Shift {
        let orders = Orders {
            pace,
            ..Orders::default()
        };
        Shift {
            orders: Arc::new(orders),
            threads: Vec::new(),
        }
    }

    /// One more thread.
    pub(crate) fn join(&mut self, work: impl FnOnce(&Orders) + Send + 'static) {
        let orders = Arc::clone(&self.orders);
        self.threads.push(std::thread::spawn(move || work(&orders)));
    }

    /// Waits until all rest.
    pub(crate) fn rest(&self) {
        self.orders.is_rest.store(true, Ordering::SeqCst);
        wait_for("all to rest", || {
            self.assert_well();
            (self.orders.resting.load(Ordering::SeqCst) == self.threads.len()).then_some(())
        });
    }

    /// All go on.
    pub(crate) fn go_on(&self) {
        self.orders.is_rest.store(false, Ordering::SeqCst);
    }

    /// Fails if a thread has.
    pub(crate) fn assert_well(&self) {
        let ended = self.threads.iter().filter(|thread| thread.is_finished());
        assert_eq!(ended.count(), 0, "a thread of the load failed, see above");
    }

    /// All end; fails if one of them did.
    pub(crate) fn go_home(self) {
        self.orders.is_over.store(true, Ordering::SeqCst);
        for thread in self.threads {
            thread.join().expect("the load found nothing amiss");
        }
    }
}
