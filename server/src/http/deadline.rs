//! A time limit on one direction of a connection.
//!
//! Owner: the wire. Always: a limit runs from the moment something was first waited for, not from
//! the last byte, so a peer that drips cannot stretch it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// Measures one wait, which its key names.
#[derive(Debug)]
pub(super) struct Deadline<K> {
    sleep: Option<Pin<Box<Sleep>>>,
    armed: Option<K>,
}

impl<K: PartialEq> Deadline<K> {
    /// Nothing is waited for.
    pub(super) fn new() -> Self {
        Deadline {
            sleep: None,
            armed: None,
        }
    }

    /// Ready when `key` has been waited for longer than `wait`. Another key starts anew.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, key: K, wait: Duration) -> Poll<()> {
        let until = Instant::now() + wait;
        let sleep = self
            .sleep
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
        if self.armed.as_ref() != Some(&key) {
            sleep.as_mut().reset(until);
            self.armed = Some(key);
        }
        sleep.as_mut().poll(cx)
    }

    /// What was waited for came.
    pub(super) fn disarm(&mut self) {
        self.armed = None;
    }
}
