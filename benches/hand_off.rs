//! What it costs to hand something to another core: the rings and bells of the server, into an executor that is set
//! as a shard's is.
//!
//! `cargo bench --bench hand_off [-- --json] [--runs N]`; prints a table, asserts nothing. Saturated: the time of one message
//! when the sender never pauses. Latency: from the time at which it was due to the receiver's hand, one message each
//! [`PAUSE`], with a receiver that sleeps and with one that works on a broadcast all the time; beside
//! the sleeping one its floor, a thread that blocks on an `eventfd` and nothing else. The three take turns. Sender and
//! receiver have a core each.

use std::cell::Cell;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use glommio::Placement;
use hdrhistogram::Histogram;
use rustix::event::{EventfdFlags, eventfd};
use rustix::thread::{CpuSet, sched_setaffinity};
use server::mesh::{Bell, Inbox, Sender};
use server::shard_loop;

/// Messages of a saturated run.
const MANY: u64 = 3_000_000;
/// Messages of a run that looks at latency.
const FEW: u64 = 5_000;
/// Between two of them.
const PAUSE: Duration = Duration::from_micros(200);
/// Places of a ring, as of those between shards.
const RING: usize = 4096;
/// Messages that a shard takes before others may run.
const SLICE: usize = 64;
/// What a shard does of a broadcast before it yields: the sends of a commit of a walk, `FAN_LEN_MAX` of some seventeen
/// microseconds each, as half of them took in a server (docs/performance.md, "Hand-off").
const WORK: Duration = Duration::from_micros(2_200);
/// Longer counts as this.
const LONGEST: Duration = Duration::from_secs(60);
const RECEIVER_CPU: usize = 0;
const SENDER_CPU: usize = 1;

/// What a receiver does beside receiving.
#[derive(Clone, Copy, PartialEq)]
enum Beside {
    Nothing,
    Broadcast,
}

fn main() {
    let (mut as_json, mut runs) = (false, 5);
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        as_json |= arg == "--json";
        if arg == "--runs" {
            let number = args.next().and_then(|number| number.parse().ok());
            runs = number.expect("a number of runs");
        }
    }
    let mut nanos = Vec::new();
    let (mut floors, mut idles, mut busies) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..runs {
        nanos.push(saturated());
        floors.push(floor());
        idles.push(into_a_shard(Beside::Nothing));
        busies.push(into_a_shard(Beside::Broadcast));
    }
    let nanos = median(nanos);
    let (floor, idle, busy) = (marks(&floors), marks(&idles), marks(&busies));
    if as_json {
        let (fp50, fp99) = floor;
        let ((ip50, ip99), (bp50, bp99)) = (idle, busy);
        println!(
            "{{\"saturated_ns\":{nanos:.1},\"eventfd_p50_us\":{fp50:.1},\"eventfd_p99_us\":{fp99:.1},\
             \"idle_p50_us\":{ip50:.1},\"idle_p99_us\":{ip99:.1},\"busy_p50_us\":{bp50:.1},\"busy_p99_us\":{bp99:.1}}}"
        );
        return;
    }
    println!("saturated: {nanos:.1} ns a message; medians of {runs} runs");
    for (name, (p50, p99)) in [
        ("eventfd, the floor", floor),
        ("shard that sleeps", idle),
        ("shard that broadcasts", busy),
    ] {
        println!("{name:<24} p50 {p50:>8.1} us   p99 {p99:>8.1} us");
    }
    println!(
        "a shard that sleeps, p99: {:.2} times the floor",
        idle.1 / floor.1
    );
}

fn median(mut of: Vec<f64>) -> f64 {
    of.sort_by(f64::total_cmp);
    of[of.len() / 2]
}

/// Medians of the 50 % and 99 % marks, in microseconds.
fn marks(runs: &[Histogram<u64>]) -> (f64, f64) {
    let mark = |quantile: f64| {
        let marks = runs.iter().map(|run| run.value_at_quantile(quantile));
        median(marks.map(|nanos| nanos as f64 / 1000.0).collect())
    };
    (mark(0.5), mark(0.99))
}

fn pin(cpu: usize) {
    let mut set = CpuSet::new();
    set.set(cpu);
    sched_setaffinity(None, &set).expect("two cores");
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_max(LONGEST.as_nanos() as u64, 3).expect("three digits")
}

/// Runs `receive` on an executor as a shard has it; the sender goes to the caller.
fn on_a_shard<T: Send + 'static, R: Send + 'static>(
    beside: Beside,
    mut receive: impl FnMut(T) -> Option<R> + Send + 'static,
) -> (Sender<T>, glommio::ExecutorJoinHandle<R>) {
    let bell = Bell::default();
    let mut inbox = Inbox::new(&bell);
    let sender = inbox.open(RING);
    let (ready, is_ready) = mpsc::sync_channel(1);
    let executor = shard_loop::executor(Placement::Fixed(RECEIVER_CPU))
        .spawn(move || async move {
            let queue = shard_loop::queue();
            let is_over = Rc::new(Cell::new(false));
            let broadcast = {
                let is_over = Rc::clone(&is_over);
                let work = async move {
                    while beside == Beside::Broadcast && !is_over.get() {
                        let begun = Instant::now();
                        while begun.elapsed() < WORK {
                            std::hint::spin_loop();
                        }
                        futures_lite::future::yield_now().await;
                    }
                };
                glommio::spawn_local_into(work, queue).expect("a queue")
            };
            let receiving = async move {
                ready.send(()).expect("somebody waits");
                loop {
                    bell.until(|| !inbox.is_empty()).await;
                    for _ in 0..SLICE {
                        let Some(message) = inbox.take() else { break };
                        if let Some(result) = receive(message) {
                            is_over.set(true);
                            return result;
                        }
                    }
                    futures_lite::future::yield_now().await;
                }
            };
            let receiving = glommio::spawn_local_into(receiving, queue).expect("a queue");
            let result = receiving.await;
            broadcast.await;
            result
        })
        .expect("an executor");
    is_ready.recv().expect("it starts");
    (sender, executor)
}

/// Nanoseconds a message, when one thread sends as fast as the other takes.
fn saturated() -> f64 {
    let mut taken = 0;
    let (mut sender, executor) = on_a_shard(Beside::Nothing, move |_: u64| {
        taken += 1;
        (taken == MANY).then_some(())
    });
    pin(SENDER_CPU);
    let begun = Instant::now();
    for number in 0..MANY {
        while sender.put(number).is_err() {
            sender.wake();
            std::hint::spin_loop();
        }
        if number % SLICE as u64 == 0 {
            sender.wake();
        }
    }
    sender.wake();
    executor.join().expect("it ends well");
    begun.elapsed().as_nanos() as f64 / MANY as f64
}

/// Calls `send` each [`PAUSE`], with the time at which it was due, however late it is.
fn paced(mut send: impl FnMut(Instant)) {
    pin(SENDER_CPU);
    let mut due = Instant::now() + PAUSE;
    for _ in 0..FEW {
        while Instant::now() < due {
            std::hint::spin_loop();
        }
        send(due);
        due += PAUSE;
    }
}

fn into_a_shard(beside: Beside) -> Histogram<u64> {
    let mut seen = Some(histogram());
    let mut left = FEW;
    let (mut sender, executor) = on_a_shard(beside, move |due: Instant| {
        let histogram = seen.as_mut()?;
        histogram.saturating_record(due.elapsed().as_nanos() as u64);
        left -= 1;
        if left == 0 { seen.take() } else { None }
    });
    paced(|due| {
        let mut message = Some(due);
        while let Some(due) = message.take() {
            message = sender.send(due).err();
        }
    });
    executor.join().expect("it ends well")
}

/// The same through the kernel alone: a thread that reads an `eventfd`.
fn floor() -> Histogram<u64> {
    let fd: OwnedFd = eventfd(0, EventfdFlags::CLOEXEC).expect("an eventfd");
    let mut bell = File::from(fd.try_clone().expect("a second handle"));
    let (times, due) = mpsc::sync_channel::<Instant>(RING);
    let reader = std::thread::spawn(move || {
        pin(RECEIVER_CPU);
        let mut bell = File::from(fd);
        let mut histogram = histogram();
        let mut left = FEW;
        while left > 0 {
            bell.read_exact(&mut [0; 8]).expect("it rings");
            while let Ok(due) = due.try_recv() {
                histogram.saturating_record(due.elapsed().as_nanos() as u64);
                left -= 1;
            }
        }
        histogram
    });
    paced(|due| {
        times.send(due).expect("the reader lives");
        bell.write_all(&1u64.to_ne_bytes()).expect("it rings");
    });
    reader.join().expect("it ends well")
}
