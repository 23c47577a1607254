//! What the process is doing: starting, ready, draining. Written by boot, read by everyone.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// How long the server says that it is not ready after the store refused a write.
pub const REFUSAL_HOLDS: Duration = Duration::from_secs(5);

/// In the place of the moment until which the store is said to refuse.
const FOR_GOOD: u64 = u64::MAX;

/// The stage of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Recovering; no work is taken yet.
    Starting = 0,
    /// Taking work.
    Ready = 1,
    /// Finishing what is in flight; no new work.
    Draining = 2,
}

/// A shared view of the stage.
#[derive(Debug, Clone, Default)]
pub struct Lifecycle(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    stage: AtomicU8,
    /// Moments are told in ms since this one: the wall clock may be set.
    began: Instant,
    refused_until_ms: AtomicU64,
    asked_to_drain: Notify,
}

impl Default for Shared {
    fn default() -> Self {
        Shared {
            stage: AtomicU8::default(),
            began: Instant::now(),
            refused_until_ms: AtomicU64::default(),
            asked_to_drain: Notify::new(),
        }
    }
}

impl Shared {
    fn now_ms(&self) -> u64 {
        self.began.elapsed().as_millis() as u64
    }
}

impl Lifecycle {
    /// The stage now.
    pub fn stage(&self) -> Stage {
        match self.0.stage.load(Ordering::Acquire) {
            0 => Stage::Starting,
            1 => Stage::Ready,
            _ => Stage::Draining,
        }
    }

    /// Enters a stage.
    pub fn enter(&self, stage: Stage) {
        self.0.stage.store(stage as u8, Ordering::Release);
    }

    /// Asks for a drain. Asked again, or when one is under way, it is the same drain.
    pub fn ask_to_drain(&self) {
        self.0.asked_to_drain.notify_one();
    }

    /// Waits until a drain is asked for; one that was asked for before counts.
    pub async fn asked_to_drain(&self) {
        self.0.asked_to_drain.notified().await;
    }

    /// Whether the store takes nothing until the process is started again.
    pub fn store_is_broken(&self) -> bool {
        self.0.refused_until_ms.load(Ordering::Acquire) == FOR_GOOD
    }

    /// The store takes nothing until the process is started again.
    pub fn store_broke(&self) {
        self.0.refused_until_ms.store(FOR_GOOD, Ordering::Release);
    }

    /// Whether the store refused a write in the last [`REFUSAL_HOLDS`]. A refusal is forgotten by
    /// itself: only a push can show that the store writes again, and nobody sends one to a server
    /// that says it is not ready.
    pub fn store_refuses(&self) -> bool {
        self.0.now_ms() < self.0.refused_until_ms.load(Ordering::Acquire)
    }

    /// The store refused a write.
    pub fn store_refused(&self) {
        let until_ms = self.0.now_ms() + REFUSAL_HOLDS.as_millis() as u64;
        // What is for good stays.
        self.0
            .refused_until_ms
            .fetch_max(until_ms, Ordering::AcqRel);
    }

    /// The store took a write again.
    pub fn store_writes(&self) {
        self.0.refused_until_ms.store(0, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_a_refusal_when_the_store_writes_again_should_be_forgotten_and_a_broken_store_not() {
        let lifecycle = Lifecycle::default();
        assert!(!lifecycle.store_refuses());
        lifecycle.store_refused();
        assert!(lifecycle.store_refuses());
        lifecycle.store_writes();
        assert!(!lifecycle.store_refuses());
        lifecycle.store_broke();
        lifecycle.store_refused();
        assert!(lifecycle.store_refuses() && lifecycle.store_is_broken());
    }
}
