//! How the threads start in which fjall writes and merges tables: with less priority than those who
//! answer somebody.
//!
//! Owner: the store. While one of them merges and more is to be merged, another turns in circles; and
//! what they do in a second matters less than that a shard goes on in a millisecond. fjall keeps no
//! handle of them, but a thread has the priority of the one that started it.

use rustix::process::{getpriority_process, setpriority_process};

use crate::limits::STORE_WORKERS_NICE;

/// Opens a database in a thread of its own, with less priority, which the threads of the database
/// take over.
///
/// # Errors
/// As of [`std::thread::JoinHandle::join`]: it panicked.
pub(super) fn opened<T: Send>(open: impl FnOnce() -> T + Send) -> std::thread::Result<T> {
    std::thread::scope(|scope| {
        let opener = scope.spawn(|| {
            // A kernel that refuses leaves all as important as the others.
            let _ = getpriority_process(None)
                .and_then(|own| setpriority_process(None, own + STORE_WORKERS_NICE));
            open()
        });
        opener.join()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The least important that a thread can be.
    const NICE_MAX: i32 = 19;

    #[test]
    fn given_a_thread_started_while_it_opens_should_have_less_priority_than_the_caller() {
        let own = || getpriority_process(None).expect("a priority");
        let started = || std::thread::spawn(own).join().expect("it ends");
        let before = own();
        let less = (before + STORE_WORKERS_NICE).min(NICE_MAX);
        assert_eq!(opened(started).expect("opened"), less);
        assert_eq!(own(), before);
    }

    #[test]
    fn given_an_opening_that_panics_should_say_so() {
        assert!(opened(|| panic!("as fjall does here and there")).is_err());
    }
}
