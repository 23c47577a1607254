//! Timers that keep an executor from sleeping for ever over tasks that could run.
//!
//! glommio 0.9 does that: when its preempt timer fires after it polled and before its first task
//! ran, which takes a thread that loses its core at that moment for [`TURN_MAX`](crate::limits::TURN_MAX), `run_task_queues`
//! says that nothing ran, and `run` parks although tasks are ready. Only an I/O or a timer that is still to
//! come wakes it then; on a quiet server nothing comes, because the tasks that would ask for
//! anything are the ones that do not run. Seen on a loaded machine with thousands of connections.
//! Always: several timers are pending, with periods that do not fall together for long and some
//! that are longer than any turn of the executor, since those that expired during a turn are among
//! what does not run. Such a sleep ends with the next of them.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use glommio::timer::Timer;

use super::ShardLoop;

/// Primes, in ms. Beside the tick a sleep that should not be is over within about a second, or after a turn that was
/// longer within three times that turn. Each wake-up costs a shard a tenth of a millisecond, so there are few: not
/// two a second for all of them together.
const PERIODS_MS: [u64; 4] = [1009, 2003, 5003, 9001];

impl ShardLoop {
    /// Lets the timers run until the shard ends; the longest must not hold up that end.
    pub(super) fn post_watch(self: &Rc<Self>) {
        self.watch.borrow_mut().resize(PERIODS_MS.len(), None);
        for (post, period_ms) in PERIODS_MS.into_iter().enumerate() {
            let this = Rc::clone(self);
            self.spawn(async move {
                while !this.finishing.get() {
                    let timer = async {
                        Timer::new(Duration::from_millis(period_ms)).await;
                    };
                    futures_lite::future::or(timer, this.dismissed(post)).await;
                }
            });
        }
    }

    async fn dismissed(&self, post: usize) {
        poll_fn(|cx| {
            if self.finishing.get() {
                return Poll::Ready(());
            }
            if let Some(waker) = self.watch.borrow_mut().get_mut(post) {
                *waker = Some(cx.waker().clone());
            }
            Poll::Pending
        })
        .await;
    }

    /// The shard finishes: the timers are not waited for.
    pub(super) fn dismiss_watch(&self) {
        for waker in self.watch.take().into_iter().flatten() {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;
    use std::time::Duration;

    use glommio::Placement;

    use super::super::{executor, queue};
    use crate::mesh::{Bell, Inbox};

    /// Values that one thread sends as fast as it can, and then as fast as each is taken.
    const MANY: u64 = 100_000;
    const ROUNDS: u64 = 4;

    #[test]
    fn given_a_thread_that_rings_all_the_time_when_a_shard_has_no_timer_should_hear_each_ring() {
        for round in 0..ROUNDS {
            let bell = Bell::default();
            let mut inbox = Inbox::new(&bell);
            let mut sender = inbox.open(64);
            let (over, is_over) = sync_channel(1);
            executor(Placement::Unbound)
                .spawn(move || async move {
                    let queue = queue();
                    let hear = async move {
                        let mut sum = 0_u64;
                        while !inbox.is_closed() {
                            let is_due = || !inbox.is_empty() || inbox.is_closed();
                            bell.until(is_due).await;
                            while let Some(value) = inbox.take() {
                                sum += value;
                            }
                            futures_lite::future::yield_now().await;
                        }
                        sum
                    };
                    let sum = glommio::spawn_local_into(hear, queue).expect("a queue");
                    over.send(sum.await).expect("the test waits");
                })
                .expect("an executor");
            // On a thread of its own: what is lost must fail the test, not hang it.
            std::thread::spawn(move || {
                for value in 0..MANY {
                    let mut left = Some(value);
                    while let Some(value) = left.take() {
                        left = sender.send(value).err();
                    }
                    // Now and then the shard gets to the end of its work.
                    if value % 32 == round {
                        std::thread::yield_now();
                    }
                }
            });
            let sum = is_over.recv_timeout(Duration::from_secs(60));
            assert_eq!(sum, Ok(MANY * (MANY - 1) / 2), "round {round}");
        }
    }
}
