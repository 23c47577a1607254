//! Places for device connections: how many the process may hold at one time, by its file limit.
//!
//! Owner of a place: the connection that took it, on whatever core it is. Always: a share of the
//! limit is never taken by devices, so that the store can open a table and third parties can
//! connect however many devices come.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::process::{Resource, getrlimit};

use crate::limits::{DESCRIPTORS_RESERVED_MAX, DESCRIPTORS_RESERVED_MIN};

/// The file limit is the process's, so there is one of these.
static PLACES: LazyLock<Places> = LazyLock::new(|| {
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    Places::of_limit(usize::try_from(files).unwrap_or(usize::MAX))
});

#[derive(Debug)]
struct Places {
    taken: AtomicUsize,
    len_max: usize,
}

impl Places {
    /// A sixteenth is kept back, within bounds that fit small and large limits.
    fn of_limit(files: usize) -> Places {
        let reserved = (files / 16).clamp(DESCRIPTORS_RESERVED_MIN, DESCRIPTORS_RESERVED_MAX);
        Places {
            taken: AtomicUsize::new(0),
            len_max: files.saturating_sub(reserved),
        }
    }

    fn take(&'static self) -> Option<Place> {
        let one_more = |taken| (taken < self.len_max).then_some(taken + 1);
        self.taken
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more)
            .ok()
            .map(|_| Place(self))
    }
}

/// The right to hold one device connection; given back when it is dropped.
#[derive(Debug)]
pub struct Place(&'static Places);

impl Place {
    /// Takes a place; `None` while all are taken.
    pub fn take() -> Option<Place> {
        PLACES.take()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_a_file_limit_when_places_are_counted_should_keep_a_share_back() {
        let places = |files| Places::of_limit(files).len_max;
        assert_eq!(places(256), 256 - DESCRIPTORS_RESERVED_MIN);
        assert_eq!(places(20_000), 20_000 - 1250);
        assert_eq!(places(1 << 20), (1 << 20) - DESCRIPTORS_RESERVED_MAX);
        assert_eq!(places(64), 0, "a server does not start with so few");
    }

    #[test]
    fn given_all_places_taken_when_one_is_given_back_should_give_it_again() {
        let places: &'static Places = Box::leak(Box::new(Places {
            taken: AtomicUsize::new(0),
            len_max: 2,
        }));
        let (first, second) = (places.take(), places.take());
        assert!(first.is_some() && second.is_some());
        assert!(places.take().is_none(), "two are taken");
        drop(first);
        let third = places.take();
        assert!(third.is_some(), "one was given back");
        assert!(places.take().is_none(), "two are taken again");
    }
}
