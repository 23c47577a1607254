//! What threads say to each other: bounded lock-free rings and the bell that wakes their receiver.
//!
//! `rings` holds the order of operations on which no lost wake-up rests, `parts` the lock-free
//! pieces below; `server/tests/mesh_model.rs` checks the first over models of the second.

mod parts;
mod rings;

pub use rings::{Bell, Inbox, Sender};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_a_full_ring_when_sending_should_give_the_value_back() {
        let mut inbox = Inbox::new(&Bell::default());
        let mut sender = inbox.open(2);
        assert_eq!(sender.send(1), Ok(()));
        assert_eq!(sender.send(2), Ok(()));
        assert_eq!(sender.send(3), Err(3));
        assert_eq!(inbox.take(), Some(1));
        assert_eq!(sender.send(3), Ok(()));
        assert_eq!(
            (inbox.take(), inbox.take(), inbox.take()),
            (Some(2), Some(3), None)
        );
    }

    #[test]
    fn given_a_sleeping_thread_when_values_come_should_miss_none() {
        let mut inbox = Inbox::new(&Bell::default());
        let mut senders = [inbox.open(4), inbox.open(4)];
        let reader = std::thread::spawn(move || {
            let mut sum = 0u64;
            while !inbox.is_closed() {
                futures_lite::future::block_on(inbox.news());
                while let Some(value) = inbox.take() {
                    sum += value;
                }
            }
            sum
        });
        for value in 0..20_000u64 {
            let sender = &mut senders[(value % 2) as usize];
            let mut left = Some(value);
            while let Some(value) = left.take() {
                if let Err(value) = sender.send(value) {
                    left = Some(value);
                    std::thread::yield_now();
                }
            }
        }
        drop(senders);
        assert_eq!(reader.join().expect("reader"), 19_999 * 20_000 / 2);
    }
}
