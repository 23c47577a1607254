//! Timers that keep an executor from sleeping for ever over tasks that could run.
//!
//! glommio 0.9 does that: when its preempt timer fires after it polled and before its first task
//! ran, which takes a thread that loses its core at that moment, `run_task_queues` says that
//! nothing ran, and `run` parks although tasks are ready. Only an I/O or a timer that is still to
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
