//! Models of the lock-free parts below the rings, over the atomics of the model checker.
//!
//! Always: the same operations on the same atomics with the same orderings, in the same order, as
//! in `atomic-waker` 1.1 (`register`, `take`) and `rtrb` 0.4 (`push`, `pop`, `is_empty`,
//! `is_abandoned`, drop), as far as `rings` uses them. What these crates keep in plain cells
//! stands in the checker's cells, which find a race. Wrong on purpose only where a test asks.

use std::cell::Cell;
use std::sync::Arc;
use std::task::Waker;
use std::thread::LocalKey;

use loom::cell::UnsafeCell;
use loom::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use loom::sync::atomic::{AtomicBool, AtomicUsize};

thread_local! {
    // The checker runs all its threads on the thread of the test, so a flag holds for all of them.
    static SILENT: Cell<bool> = const { Cell::new(false) };
    static ABANDONED_RELAXED: Cell<bool> = const { Cell::new(false) };
}

/// Something is wrong on purpose until this is dropped, be it by a run that fails.
#[derive(Debug)]
pub(crate) struct Mistake(&'static LocalKey<Cell<bool>>);

impl Mistake {
    fn new(flag: &'static LocalKey<Cell<bool>>) -> Self {
        flag.set(true);
        Mistake(flag)
    }

    /// No bell wakes anybody.
    pub(crate) fn silence() -> Self {
        Mistake::new(&SILENT)
    }

    /// A ring says that its other end is gone without synchronising, as `rtrb` did before 0.4.
    pub(crate) fn relaxed_end() -> Self {
        Mistake::new(&ABANDONED_RELAXED)
    }
}

impl Drop for Mistake {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

/// Whether a run that failed unwinds: its values are dropped, and the checker answers no more.
fn is_failing() -> bool {
    std::thread::panicking()
}

const WAITING: usize = 0;
const REGISTERING: usize = 0b01;
const WAKING: usize = 0b10;

/// Model of `atomic_waker::AtomicWaker`.
#[derive(Debug)]
pub(crate) struct AtomicWaker {
    state: AtomicUsize,
    waker: UnsafeCell<Option<Waker>>,
}

impl Default for AtomicWaker {
    fn default() -> Self {
        AtomicWaker {
            state: AtomicUsize::new(WAITING),
            waker: UnsafeCell::new(None),
        }
    }
}

// SAFETY: the cell is touched only by who moved `state` away from `WAITING`; the checker's cell
// fails the test otherwise.
unsafe impl Send for AtomicWaker {}
// SAFETY: as above.
unsafe impl Sync for AtomicWaker {}

impl AtomicWaker {
    pub(crate) fn register(&self, waker: &Waker) {
        let before = self
            .state
            .compare_exchange(WAITING, REGISTERING, Acquire, Acquire)
            .unwrap_or_else(|state| state);
        match before {
            WAITING => {
                let new = waker.clone();
                // SAFETY: `REGISTERING` keeps all others away.
                self.waker.with_mut(|slot| unsafe { *slot = Some(new) });
                if self
                    .state
                    .compare_exchange(REGISTERING, WAITING, AcqRel, Acquire)
                    .is_err()
                {
                    // SAFETY: as above; `WAKING` was set meanwhile and left the waker to us.
                    let waker = self.waker.with_mut(|slot| unsafe { (*slot).take() });
                    self.state.swap(WAITING, AcqRel);
                    waker.expect("just put there").wake();
                }
            }
            WAKING => {
                waker.wake_by_ref();
                // It polls until the ringer is done; the checker has to run the ringer for that.
                loom::thread::yield_now();
            }
            other => panic!("two register at once: {other}"),
        }
    }

    pub(crate) fn wake(&self) {
        if SILENT.get() || is_failing() {
            return;
        }
        if self.state.fetch_or(WAKING, AcqRel) == WAITING {
            // SAFETY: who sets `WAKING` on `WAITING` owns the cell until it is cleared.
            let waker = self.waker.with_mut(|slot| unsafe { (*slot).take() });
            self.state.fetch_and(!WAKING, Release);
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }
}

#[derive(Debug)]
struct Shared<T> {
    head: AtomicUsize,
    tail: AtomicUsize,
    abandoned: AtomicBool,
    slots: Vec<UnsafeCell<Option<T>>>,
}

impl<T> Shared<T> {
    fn slot(&self, at: usize) -> &UnsafeCell<Option<T>> {
        &self.slots[at % self.slots.len()]
    }

    fn abandon(&self) {
        if !is_failing() {
            self.abandoned.fetch_or(true, Release);
        }
    }

    fn is_abandoned(&self) -> bool {
        let order = if ABANDONED_RELAXED.get() {
            Relaxed
        } else {
            Acquire
        };
        self.abandoned.load(order)
    }
}

// SAFETY: a slot belongs to the producer before the tail is published and to the consumer after;
// the checker's cell fails the test otherwise.
unsafe impl<T: Send> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Shared<T> {}

/// Model of `rtrb::RingBuffer`.
pub(crate) struct RingBuffer;

impl RingBuffer {
    // The name and the shape of what it stands for.
    #[expect(clippy::new_ret_no_self, reason = "as in rtrb")]
    pub(crate) fn new<T>(capacity: usize) -> (Producer<T>, Consumer<T>) {
        let shared = Arc::new(Shared {
            head: AtomicUsize::new(0),
            tail: AtomicUsize::new(0),
            abandoned: AtomicBool::new(false),
            slots: (0..capacity).map(|_| UnsafeCell::new(None)).collect(),
        });
        let producer = Producer {
            shared: shared.clone(),
            tail: 0,
            cached_head: 0,
        };
        let consumer = Consumer {
            shared,
            head: 0,
            cached_tail: Cell::new(0),
        };
        (producer, consumer)
    }
}

/// Model of `rtrb::PushError`.
#[derive(Debug)]
pub(crate) enum PushError<T> {
    /// The ring is full.
    Full(T),
}

/// Model of `rtrb::Producer`.
#[derive(Debug)]
pub(crate) struct Producer<T> {
    shared: Arc<Shared<T>>,
    tail: usize,
    cached_head: usize,
}

impl<T> Producer<T> {
    pub(crate) fn push(&mut self, value: T) -> Result<(), PushError<T>> {
        if self.tail - self.cached_head == self.shared.slots.len() {
            self.cached_head = self.shared.head.load(Acquire);
            if self.tail - self.cached_head == self.shared.slots.len() {
                return Err(PushError::Full(value));
            }
        }
        // SAFETY: the slot is empty and not published.
        self.shared
            .slot(self.tail)
            .with_mut(|slot| unsafe { *slot = Some(value) });
        self.tail += 1;
        self.shared.tail.store(self.tail, Release);
        Ok(())
    }

    pub(crate) fn is_abandoned(&self) -> bool {
        self.shared.is_abandoned()
    }
}

impl<T> Drop for Producer<T> {
    fn drop(&mut self) {
        self.shared.abandon();
    }
}

/// Model of `rtrb::Consumer`.
#[derive(Debug)]
pub(crate) struct Consumer<T> {
    shared: Arc<Shared<T>>,
    head: usize,
    cached_tail: Cell<usize>,
}

impl<T> Consumer<T> {
    pub(crate) fn pop(&mut self) -> Result<T, ()> {
        if self.is_empty() {
            return Err(());
        }
        // SAFETY: the slot was published and is not given back yet.
        let value = self
            .shared
            .slot(self.head)
            .with_mut(|slot| unsafe { (*slot).take() });
        self.head += 1;
        self.shared.head.store(self.head, Release);
        Ok(value.expect("a published slot is full"))
    }

    pub(crate) fn is_empty(&self) -> bool {
        if self.head == self.cached_tail.get() {
            self.cached_tail.set(self.shared.tail.load(Acquire));
        }
        self.head == self.cached_tail.get()
    }

    pub(crate) fn is_abandoned(&self) -> bool {
        self.shared.is_abandoned()
    }
}

impl<T> Drop for Consumer<T> {
    fn drop(&mut self) {
        self.shared.abandon();
    }
}
