//! Places for device connections: how many the process may hold at one time.
//!
//! Owner of a place: the connection that took it, on whatever core it is. Always: no more places
//! are taken than there are, over all shards.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// All places of a process; clones share them.
#[derive(Debug, Clone)]
pub struct Places(Arc<Count>);

#[derive(Debug)]
struct Count {
    taken: AtomicUsize,
    len_max: usize,
}

impl Places {
    /// As many places as the share of devices in the file limit.
    pub fn new(len_max: usize) -> Places {
        let taken = AtomicUsize::new(0);
        Places(Arc::new(Count { taken, len_max }))
    }

    /// Takes a place; `None` while all are taken.
    pub fn take(&self) -> Option<Place> {
        let one_more = |taken| (taken < self.0.len_max).then_some(taken + 1);
        self.0
            .taken
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more)
            .ok()
            .map(|_| Place(self.clone()))
    }
}

/// The right to hold one device connection; given back when it is dropped.
#[derive(Debug)]
pub struct Place(Places);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.0.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_all_places_taken_when_one_is_given_back_should_give_it_again() {
        let places = Places::new(2);
        let (first, second) = (places.take(), places.take());
        assert!(first.is_some() && second.is_some());
        assert!(places.take().is_none(), "two are taken");
        drop(first);
        let third = places.take();
        assert!(third.is_some(), "one was given back");
        assert!(places.take().is_none(), "two are taken again");
    }
}
