//! Every interleaving of the rings and their bell, as a model checker sees it.
//!
//! Owner: `server/src/mesh/rings.rs`, which is compiled here a second time, word for word, over
//! models of its lock-free parts. Always: a lost wake-up is a receiver that sleeps for ever, which
//! the checker reports as a deadlock; a missed value is a wrong sum. Each rule of the rings' header
//! is also broken on purpose, and the checker must find that.
//!
//! `LOOM_LOG=trace LOOM_LOCATION=1 cargo test -p server --test mesh_model NAME` shows a failing
//! run step by step.

#[path = "mesh_model/parts.rs"]
mod parts;
#[expect(unreachable_pub, reason = "the file is the server's own, public there")]
#[path = "../src/mesh/rings.rs"]
mod rings;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use loom::sync::Notify;
use loom::thread;

use parts::Mistake;
use rings::{Bell, Inbox, Sender};

/// Switches that no thread asked for, in one run. The lost wake-ups below need one, and three
/// threads with three of them take a minute in debug.
const PREEMPTIONS_MAX: usize = 2;

/// A thread that sleeps until its future may go on.
struct Sleeper(Notify);

impl Wake for Sleeper {
    fn wake(self: Arc<Self>) {
        self.0.notify();
    }
}

/// The checker's own does not survive the failing runs that are wanted here.
fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let sleeper = Arc::new(Sleeper(Notify::new()));
    let waker = Waker::from(sleeper.clone());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        sleeper.0.wait();
    }
}

/// Checks all interleavings of `run`.
fn explore(run: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(PREEMPTIONS_MAX);
    model.check(run);
}

/// Checks all interleavings and returns what the checker said of the first that fails.
fn failure_of(run: impl Fn() + Sync + Send + 'static) -> String {
    let failure = catch_unwind(AssertUnwindSafe(|| explore(run)))
        .expect_err("the checker must find this mistake");
    failure
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| {
            failure
                .downcast_ref::<&str>()
                .map(|text| (*text).to_owned())
        })
        .expect("a panic with a text")
}

/// Reads until all producers are gone, as the server's loops do. Gives the sum.
fn read_all(inbox: &mut Inbox<u32>) -> u32 {
    let mut sum = 0;
    while !inbox.is_closed() {
        block_on(inbox.news());
        while let Some(value) = inbox.take() {
            sum += value;
        }
    }
    sum
}

/// Reads one value, asleep until it comes.
fn read_one(bell: &Bell, inbox: &mut Inbox<u32>) -> u32 {
    block_on(bell.until(|| !inbox.is_empty()));
    inbox.take().expect("woken for a value")
}

fn one_ring(capacity: usize) -> (Bell, Inbox<u32>, Sender<u32>) {
    let bell = Bell::default();
    let mut inbox = Inbox::new(&bell);
    let sender = inbox.open(capacity);
    (bell, inbox, sender)
}

#[test]
fn given_a_sleeping_receiver_when_a_value_is_sent_should_wake() {
    explore(|| {
        let (bell, mut inbox, mut sender) = one_ring(1);
        let producer = thread::spawn(move || {
            sender.send(7).expect("room for one");
            sender
        });
        assert_eq!(read_one(&bell, &mut inbox), 7);
        producer.join().expect("producer");
    });
}

#[test]
fn given_a_producer_when_it_sends_and_goes_should_have_all_read() {
    explore(|| {
        let (_, mut inbox, mut sender) = one_ring(2);
        let producer = thread::spawn(move || {
            sender.send(1).expect("room for two");
            sender.send(2).expect("room for two");
        });
        assert_eq!(read_all(&mut inbox), 3);
        producer.join().expect("producer");
    });
}

#[test]
fn given_a_batch_when_it_ends_with_one_wake_should_have_all_read() {
    explore(|| {
        let (bell, mut inbox, mut sender) = one_ring(2);
        let producer = thread::spawn(move || {
            sender.put(1).expect("room for two");
            sender.put(2).expect("room for two");
            sender.wake();
            sender
        });
        assert_eq!(read_one(&bell, &mut inbox), 1);
        assert_eq!(read_one(&bell, &mut inbox), 2);
        producer.join().expect("producer");
    });
}

#[test]
fn given_a_full_ring_when_values_are_taken_should_reuse_its_slots() {
    explore(|| {
        let (_, mut inbox, mut sender) = one_ring(1);
        let producer = thread::spawn(move || {
            let mut value = 1;
            while value < 3 {
                match sender.send(value) {
                    Ok(()) => value += 1,
                    Err(back) => {
                        assert_eq!(back, value, "the value comes back");
                        thread::yield_now();
                    }
                }
            }
        });
        assert_eq!(read_all(&mut inbox), 3);
        producer.join().expect("producer");
    });
}

#[test]
fn given_two_producers_when_both_send_and_go_should_have_all_read() {
    explore(|| {
        let (_, mut inbox, mut first) = one_ring(1);
        let mut second = inbox.open(1);
        let producers = [
            thread::spawn(move || first.send(1).expect("room for one")),
            thread::spawn(move || second.send(2).expect("room for one")),
        ];
        assert_eq!(read_all(&mut inbox), 3);
        for producer in producers {
            producer.join().expect("producer");
        }
    });
}

#[test]
fn given_a_sleeping_receiver_when_the_last_producer_goes_should_see_it_closed() {
    explore(|| {
        let (bell, inbox, sender) = one_ring(1);
        let producer = thread::spawn(move || drop(sender));
        block_on(bell.until(|| inbox.is_closed()));
        producer.join().expect("producer");
    });
}

#[test]
fn given_a_receiver_that_goes_when_its_producer_looks_should_be_abandoned() {
    explore(|| {
        let (_bell, inbox, sender) = one_ring(1);
        let receiver = thread::spawn(move || drop(inbox));
        while !sender.is_abandoned() {
            thread::yield_now();
        }
        receiver.join().expect("receiver");
    });
}

#[test]
fn given_a_ring_before_the_push_when_checked_should_lose_a_wake_up() {
    let failure = failure_of(|| {
        let (bell, mut inbox, mut sender) = one_ring(1);
        let producer = thread::spawn(move || {
            sender.wake();
            sender.put(7).expect("room for one");
            sender
        });
        read_one(&bell, &mut inbox);
        producer.join().expect("producer");
    });
    assert!(failure.contains("deadlock"), "{failure}");
}

#[test]
fn given_a_look_before_the_registration_when_checked_should_lose_a_wake_up() {
    let failure = failure_of(|| {
        let (bell, inbox, mut sender) = one_ring(1);
        let producer = thread::spawn(move || {
            sender.send(7).expect("room for one");
            sender
        });
        // What `until` would do if it only looked first: what it goes by is older than the registration.
        let mut looks = 0;
        let mut early = false;
        block_on(bell.until(|| {
            looks += 1;
            match looks {
                1 => early = !inbox.is_empty(),
                2 => {}
                _ => return !inbox.is_empty(),
            }
            early
        }));
        producer.join().expect("producer");
    });
    assert!(failure.contains("deadlock"), "{failure}");
}

#[test]
fn given_no_ring_at_the_end_when_checked_should_sleep_for_ever() {
    let failure = failure_of(|| {
        let (bell, inbox, sender) = one_ring(1);
        let producer = thread::spawn(move || {
            let _silence = Mistake::silence();
            drop(sender);
        });
        block_on(bell.until(|| inbox.is_closed()));
        producer.join().expect("producer");
    });
    assert!(failure.contains("deadlock"), "{failure}");
}

#[test]
fn given_a_last_ring_before_the_end_when_checked_should_sleep_for_ever() {
    let failure = failure_of(|| {
        let (bell, inbox, sender) = one_ring(1);
        let producer = thread::spawn(move || {
            sender.wake();
            let _silence = Mistake::silence();
            drop(sender);
        });
        block_on(bell.until(|| inbox.is_closed()));
        producer.join().expect("producer");
    });
    assert!(failure.contains("deadlock"), "{failure}");
}

#[test]
fn given_an_end_seen_without_synchronising_when_checked_should_miss_the_last_value() {
    let failure = failure_of(|| {
        let _relaxed = Mistake::relaxed_end();
        let (_, mut inbox, mut sender) = one_ring(1);
        let producer = thread::spawn(move || sender.send(7).expect("room for one"));
        assert_eq!(read_all(&mut inbox), 7, "the last value");
        producer.join().expect("producer");
    });
    assert!(failure.contains("the last value"), "{failure}");
}
