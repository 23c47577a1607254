//! What the process is doing: starting, ready, draining. Written by boot, read by everyone.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

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
pub struct Lifecycle(Arc<AtomicU8>);

impl Lifecycle {
    /// The stage now.
    pub fn stage(&self) -> Stage {
        match self.0.load(Ordering::Acquire) {
            0 => Stage::Starting,
            1 => Stage::Ready,
            _ => Stage::Draining,
        }
    }

    /// Enters a stage.
    pub fn enter(&self, stage: Stage) {
        self.0.store(stage as u8, Ordering::Release);
    }
}
