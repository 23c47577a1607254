//! Makes the executor look at its rings while a shard has something to do all the time.
//!
//! glommio looks at them when no task can run, when its preempt timer fires, and when something completes in its
//! latency ring. The sockets of devices are in another ring. So tasks that always have something to read would keep
//! the others waiting for the timer, and that must be long (`TURN_MAX`). A datagram to ourselves completes in the latency ring.
//! Always: at most one is under way, and one a [`LOOK_EVERY`] of work: a shard that rests in between looks at its rings by
//! itself, and an interrupt costs as much as the little that such a shard does. [`LISTENERS`] tasks wait for it: what a task
//! asks of a ring gets there with the next look, so the one that caused this look cannot cause the next.

use std::cell::Cell;
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use glommio::GlommioError;
use glommio::net::UnixDatagram;
use rustix::time::{ClockId, clock_gettime};

/// CPU time that a shard works without a look at what came in meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// How often it is asked how much that was, which takes a system call.
const ASK_EVERY: Duration = Duration::from_micros(250);

/// Tasks that call [`Interrupt::hear`] again and again: one that waits in the ring, and one on its way there.
pub(super) const LISTENERS: usize = 2;

/// See the module page.
#[derive(Debug)]
pub(super) struct Interrupt {
    said: UnixDatagram,
    heard: UnixDatagram,
    is_under_way: Cell<bool>,
    /// When it was last asked how much this thread has worked.
    asked: Cell<Instant>,
    /// CPU time of this thread at the last interrupt.
    worked: Cell<Duration>,
}

impl Interrupt {
    /// An interrupt of the executor that runs this.
    ///
    /// # Errors
    /// There are no more files.
    pub(super) fn on_this_executor() -> Result<Interrupt, GlommioError<()>> {
        let (said, heard) = UnixDatagram::pair()?;
        Ok(Interrupt {
            said,
            heard,
            is_under_way: Cell::new(false),
            asked: Cell::new(Instant::now()),
            worked: Cell::new(work_of_this_thread()),
        })
    }

    /// A task has more to do than it does now.
    pub(super) fn work_goes_on(&self) {
        if self.is_under_way.get() || self.asked.get().elapsed() < ASK_EVERY {
            return;
        }
        self.asked.set(Instant::now());
        if work_of_this_thread().saturating_sub(self.worked.get()) >= LOOK_EVERY {
            self.send();
        }
    }

    /// Ends the waiting of all listeners.
    pub(super) fn end(&self) {
        for _ in 0..LISTENERS {
            self.send();
        }
    }

    fn send(&self) {
        // Without room one is under way already.
        self.is_under_way.set(true);
        // A datagram goes at once or not at all: it is never waited for.
        let _ = pin!(self.said.send(&[0])).poll(&mut Context::from_waker(Waker::noop()));
    }

    /// Ends behind the next interrupt.
    pub(super) async fn hear(&self) {
        // Whatever it says, the executor has looked at its rings.
        let _ = self.heard.recv(&mut [0]).await;
        self.is_under_way.set(false);
        self.asked.set(Instant::now());
        self.worked.set(work_of_this_thread());
    }
}

/// CPU time since the thread began.
fn work_of_this_thread() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use futures_lite::{AsyncReadExt, AsyncWriteExt};
    use glommio::Placement;
    use glommio::net::UnixStream;

    use super::super::{executor, queue};
    use super::*;

    /// Bytes that go there and back.
    const ASKED: usize = 50;
    /// What one task works before it lets others run.
    const WORK: Duration = Duration::from_micros(100);

    #[test]
    fn given_a_task_that_never_rests_when_sockets_are_ready_should_let_them_be_read_soon() {
        let busy = executor(Placement::Unbound)
            .spawn(|| async {
                let queue = queue();
                let interrupt = Rc::new(Interrupt::on_this_executor().expect("files"));
                let is_over = Rc::new(Cell::new(false));
                let (mut near, mut far) = UnixStream::pair().expect("files");
                let listen = || {
                    let (interrupt, is_over) = (Rc::clone(&interrupt), Rc::clone(&is_over));
                    let listen = async move {
                        while !is_over.get() {
                            interrupt.hear().await;
                        }
                    };
                    glommio::spawn_local_into(listen, queue).expect("a queue")
                };
                let listeners: Vec<_> = (0..LISTENERS).map(|_| listen()).collect();
                let echo = async move {
                    let mut byte = [0];
                    while far.read_exact(&mut byte).await.is_ok() {
                        far.write_all(&byte).await.expect("room");
                    }
                };
                glommio::spawn_local_into(echo, queue)
                    .expect("a queue")
                    .detach();
                let work = {
                    let (interrupt, is_over) = (Rc::clone(&interrupt), Rc::clone(&is_over));
                    async move {
                        let mut turns = 0;
                        while !is_over.get() {
                            let begun = Instant::now();
                            while begun.elapsed() < WORK {
                                std::hint::spin_loop();
                            }
                            turns += 1;
                            interrupt.work_goes_on();
                            futures_lite::future::yield_now().await;
                        }
                        turns
                    }
                };
                let work = glommio::spawn_local_into(work, queue).expect("a queue");
                let ask = async move {
                    for _ in 0..ASKED {
                        near.write_all(&[1]).await.expect("room");
                        near.read_exact(&mut [0]).await.expect("an answer");
                    }
                    is_over.set(true);
                    interrupt.end();
                };
                glommio::spawn_local_into(ask, queue)
                    .expect("a queue")
                    .await;
                for listener in listeners {
                    listener.await;
                }
                work.await
            })
            .expect("an executor");
        let turns: usize = busy.join().expect("it ends well");
        // Twice a look each: 20 turns of 100 us, where the timer would let 2,000 pass.
        assert!(turns < ASKED * 200, "{turns} turns for {ASKED} answers");
    }

    #[test]
    fn given_a_shard_that_rests_between_short_turns_when_it_goes_on_should_seldom_be_interrupted() {
        const TURNS: usize = 100;
        let resting = executor(Placement::Unbound)
            .spawn(|| async {
                let queue = queue();
                let interrupt = Rc::new(Interrupt::on_this_executor().expect("files"));
                let heard = Rc::new(Cell::new(0));
                let is_over = Rc::new(Cell::new(false));
                let listen = {
                    let (interrupt, heard) = (Rc::clone(&interrupt), Rc::clone(&heard));
                    let is_over = Rc::clone(&is_over);
                    async move {
                        while !is_over.get() {
                            interrupt.hear().await;
                            heard.set(heard.get() + 1);
                        }
                    }
                };
                let listener = glommio::spawn_local_into(listen, queue).expect("a queue");
                let before = work_of_this_thread();
                for _ in 0..TURNS {
                    glommio::timer::sleep(2 * LOOK_EVERY).await;
                    interrupt.work_goes_on();
                    futures_lite::future::yield_now().await;
                }
                let worked = work_of_this_thread() - before;
                let heard_of = heard.get();
                is_over.set(true);
                interrupt.end();
                listener.await;
                (heard_of, worked)
            })
            .expect("an executor");
        let (heard, worked) = resting.join().expect("it ends well");
        let most = usize::try_from(worked.as_millis()).expect("a short test") + 1;
        assert!(
            heard <= most,
            "{heard} interrupts of {worked:?} of work in {TURNS} turns"
        );
    }
}
