//! A shift: threads that work in turns until they are told to rest or to go home.
//!
//! Always: who rests has nothing under way; a thread that failed fails the test when it goes home;
//! devices go home after everybody else, so that nothing is pushed to one that has left.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::harness::wait_for;

/// How long a resting thread waits between two looks.
const LOOK: Duration = Duration::from_millis(10);

/// What the threads of a shift are told.
#[derive(Debug, Default)]
pub(crate) struct Orders {
    is_over: AtomicBool,
    is_empty: AtomicBool,
    is_rest: AtomicBool,
    resting: AtomicUsize,
    /// Pause of each thread after each of its turns, in ms.
    pace_ms: AtomicU64,
}

impl Orders {
    /// Waits for the next turn, and calls `meanwhile` as long as there is none; `false`: go home.
    pub(crate) fn next_turn(&self, mut meanwhile: impl FnMut(Duration)) -> bool {
        let pace_ms = self.pace_ms.load(Ordering::SeqCst);
        if pace_ms > 0 {
            meanwhile(Duration::from_millis(pace_ms));
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

    /// Whether everybody but the devices has gone home: nothing more is pushed.
    pub(crate) fn are_others_home(&self) -> bool {
        self.is_empty.load(Ordering::SeqCst)
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
    devices: Vec<JoinHandle<()>>,
}

impl Shift {
    /// Nobody yet. With a pace, each thread pauses that long after each turn.
    pub(crate) fn new(pace: Duration) -> Shift {
        let shift = Shift {
            orders: Arc::default(),
            threads: Vec::new(),
            devices: Vec::new(),
        };
        shift.set_pace(pace);
        shift
    }

    /// Another pause from the next turn on.
    pub(crate) fn set_pace(&self, pace: Duration) {
        let pace_ms = u64::try_from(pace.as_millis()).expect("a short pause");
        self.orders.pace_ms.store(pace_ms, Ordering::SeqCst);
    }

    /// One more thread.
    pub(crate) fn join(&mut self, work: impl FnOnce(&Orders) + Send + 'static) {
        let orders = Arc::clone(&self.orders);
        self.threads.push(std::thread::spawn(move || work(&orders)));
    }

    /// One more thread, of a device that others push to.
    pub(crate) fn join_as_device(&mut self, work: impl FnOnce(&Orders) + Send + 'static) {
        let orders = Arc::clone(&self.orders);
        self.devices.push(std::thread::spawn(move || work(&orders)));
    }

    fn all(&self) -> impl Iterator<Item = &JoinHandle<()>> {
        self.threads.iter().chain(&self.devices)
    }

    /// Waits until all rest.
    pub(crate) fn rest(&self) {
        self.orders.is_rest.store(true, Ordering::SeqCst);
        wait_for("all to rest", || {
            self.assert_well();
            (self.orders.resting.load(Ordering::SeqCst) == self.all().count()).then_some(())
        });
    }

    /// All go on.
    pub(crate) fn go_on(&self) {
        self.orders.is_rest.store(false, Ordering::SeqCst);
    }

    /// Fails if a thread has.
    pub(crate) fn assert_well(&self) {
        let ended = self.all().filter(|thread| thread.is_finished());
        assert_eq!(ended.count(), 0, "a thread of the load failed, see above");
    }

    /// All end; fails if one of them did.
    pub(crate) fn go_home(self) {
        self.orders.is_over.store(true, Ordering::SeqCst);
        let home = |threads: Vec<JoinHandle<()>>| {
            for thread in threads {
                thread.join().expect("the load found nothing amiss");
            }
        };
        home(self.threads);
        self.orders.is_empty.store(true, Ordering::SeqCst);
        home(self.devices);
    }
}
