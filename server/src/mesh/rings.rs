//! Bounded lock-free rings between threads, and the bell that wakes their receiver.
//!
//! One ring has one producer and one consumer (`rtrb`). A receiver reads many rings and sleeps on
//! one [`Bell`]; a producer pushes first and rings after, the receiver registers first and looks
//! after, so no wake-up is lost. A full ring is an answer, never a wait.
//!
//! `server/tests/mesh_model.rs` compiles this very file over the atomics of a model checker:
//! what it names of `super` are the lock-free parts in the server, their models there.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use super::parts::{AtomicWaker, Consumer, Producer, PushError, RingBuffer};

/// Wakes the one task or thread that reads a set of rings.
#[derive(Debug, Clone, Default)]
pub struct Bell(Arc<AtomicWaker>);

impl Bell {
    /// Wakes the receiver if it sleeps.
    pub fn ring(&self) {
        self.0.wake();
    }

    /// Sleeps until `ready` holds. `ready` must look at what producers do before they ring. While
    /// there is something to do, whoever rings finds nobody to wake.
    pub async fn until(&self, mut ready: impl FnMut() -> bool) {
        poll_fn(|cx| {
            if ready() {
                return Poll::Ready(());
            }
            self.0.register(cx.waker());
            if ready() {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await
    }
}

/// The producing end of one ring.
#[derive(Debug)]
pub struct Sender<T> {
    // Dropped before `bell`, whose drop tells the receiver to look again.
    ring: Producer<T>,
    bell: LastRing,
}

/// Rings once more when its sender is gone, so that a sleeping receiver sees it.
#[derive(Debug)]
struct LastRing(Bell);

impl Drop for LastRing {
    fn drop(&mut self) {
        self.0.ring();
    }
}

impl<T> Sender<T> {
    /// Puts a value in and wakes the receiver. Gives the value back when the ring is full.
    pub fn send(&mut self, value: T) -> Result<(), T> {
        self.put(value)?;
        self.wake();
        Ok(())
    }

    /// Puts a value in without waking; a batch ends with one [`Sender::wake`].
    pub fn put(&mut self, value: T) -> Result<(), T> {
        self.ring
            .push(value)
            .map_err(|PushError::Full(value)| value)
    }

    /// Wakes the receiver.
    pub fn wake(&self) {
        self.bell.0.ring();
    }

    /// Whether the receiving end is gone.
    pub fn is_abandoned(&self) -> bool {
        self.ring.is_abandoned()
    }
}

/// The consuming end of any number of rings of one type.
#[derive(Debug)]
pub struct Inbox<T> {
    rings: Vec<Consumer<T>>,
    next: usize,
    bell: Bell,
}

impl<T> Inbox<T> {
    /// An inbox whose rings all wake `bell`.
    pub fn new(bell: &Bell) -> Self {
        Inbox {
            rings: Vec::new(),
            next: 0,
            bell: bell.clone(),
        }
    }

    /// Adds a ring of `capacity` values and returns its producing end.
    pub fn open(&mut self, capacity: usize) -> Sender<T> {
        let (ring, consumer) = RingBuffer::new(capacity);
        self.rings.push(consumer);
        Sender {
            ring,
            bell: LastRing(self.bell.clone()),
        }
    }

    /// Whether every ring is empty.
    pub fn is_empty(&self) -> bool {
        self.rings.iter().all(|ring| ring.is_empty())
    }

    /// Whether every producer is gone and nothing is left.
    pub fn is_closed(&self) -> bool {
        self.rings
            .iter()
            .all(|ring| ring.is_abandoned() && ring.is_empty())
    }

    /// Sleeps until there is a value, or every producer is gone. For who reads no other inbox.
    pub async fn news(&self) {
        let is_there = || !self.is_empty() || self.is_closed();
        self.bell.until(is_there).await;
    }

    /// Takes one value, going round the rings so that none starves.
    pub fn take(&mut self) -> Option<T> {
        for _ in 0..self.rings.len() {
            let at = self.next;
            self.next = (self.next + 1) % self.rings.len();
            if let Ok(value) = self.rings[at].pop() {
                return Some(value);
            }
        }
        None
    }
}
