//! Settings that are read again while the server runs: who asks for it, and what is said of it.
//!
//! `http` asks and `boot` does it; neither knows the other. Always: one reload at a time; whoever asks hears of the reload
//! that began after the question.

use serde::Serialize;
use tokio::sync::{mpsc, oneshot};

use crate::config::Change;

/// What a reload came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reloaded {
    /// What the server goes by from now on.
    pub changed: Vec<Change>,
    /// What differs from the settings that the server was started with, and takes another start.
    pub needs_restart: Vec<Change>,
    /// Shards that have not said yet that they go by it; 0 unless one is busy for long.
    pub shards_behind: u64,
}

/// What a reload came to, or in words why nothing was changed.
pub type Outcome = Result<Reloaded, String>;

/// Where a reload is asked for.
#[derive(Debug, Clone)]
pub struct ReloadDesk(mpsc::Sender<oneshot::Sender<Outcome>>);

/// Where the questions arrive.
#[derive(Debug)]
pub struct ReloadOrders(mpsc::Receiver<oneshot::Sender<Outcome>>);

/// A desk, and the other end of it.
pub fn desk() -> (ReloadDesk, ReloadOrders) {
    let (order, orders) = mpsc::channel(1);
    (ReloadDesk(order), ReloadOrders(orders))
}

impl ReloadDesk {
    /// Asks for a reload, and waits until it is done.
    ///
    /// # Errors
    /// In words: what is wrong with the settings, or that the server ends.
    pub async fn reload(&self) -> Outcome {
        let (told, outcome) = oneshot::channel();
        let ends = |_| "the server ends".to_owned();
        self.0.send(told).await.map_err(|_| ends(()))?;
        outcome.await.map_err(|_| ends(()))?
    }
}

impl ReloadOrders {
    /// The next question, to be told the outcome; `None` once nobody can ask any more.
    pub async fn next(&mut self) -> Option<oneshot::Sender<Outcome>> {
        self.0.recv().await
    }
}
