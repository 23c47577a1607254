//! The store path alone: pushes of 200 bytes go to the committer as a shard submits them, and count when it says that they
//! are durable. Beside it the floor: a file, as many bytes, one flush for each batch.
//!
//! `cargo bench --bench committer [-- --seconds S] [--pushes N]`; prints names and values, asserts nothing. What N pushes
//! take on disk is told without the journal, which has a bound of its own whatever is stored, and again after their day, if
//! there is a `faketime`. Latencies are from the time at which a push was due to the commit's event, of a flood from its
//! submission; the one thread that submits and listens sleeps some 50 us when it has nothing to do. The paced run comes
//! behind the flood in the same store: what that left to merge is merged beside it.

#[path = "../server/allocator.rs"]
mod allocator;
mod filling;

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use bytes::Bytes;
use protocol::ClientId;
use server::limits::BATCH_OPS_MAX;
use server::mesh::{Bell, Inbox, Sender};
use server_core::clock::Day;
use server_core::command::{Push, Reach, Storage};
use server_core::ids::{ShardNo, Ticket};
use server_core::op::{Committed, Done, Op, Submitted};

use filling::{APP, SHARDS, committer, create_app, now_ms, open, register, size_of};

const DEVICES: u64 = 10_000;
const BODY_LEN: usize = 200;
/// How long a message is kept.
const KEPT_MS: u64 = 7_200_000;
/// Nothing to do: as short as a sleep can be.
const NAP: Duration = Duration::from_micros(1);
/// When messages and the answers to their requests are over: both within three days.
const EXPIRED_AFTER: &str = "+5d";
/// Without a commit for so long something is broken.
const STUCK: Duration = Duration::from_secs(30);

fn main() {
    // As `serve` does.
    allocator::tune();
    server::preflight::take_small_pages();
    let (mut seconds, mut pushes) = (4, 1_000_000);
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut number = || args.next().and_then(|number| number.parse().ok());
        match arg.as_str() {
            "--seconds" => seconds = number().expect("a number after --seconds"),
            "--expire" => return drop_days(Path::new(&args.next().expect("a folder"))),
            "--pushes" => pushes = number().expect("a number after --pushes"),
            _ => {}
        }
    }
    let length = Duration::from_secs(seconds);
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = dir.path().join("store");
    let mut bench = Bench::over(&path);
    let empty = tables_len(&path);
    let flood = bench.run(None, length);
    println!("flood_per_s {:.0}", flood.per_s());
    println!("flood_commit_p50_us {}", flood.percentile(50));
    println!("flood_commit_p99_us {}", flood.percentile(99));
    let half = (flood.per_s() / 2.0).max(1.0);
    let paced = bench.run(Some(half), length);
    println!("half_rate_per_s {:.0}", paced.per_s());
    println!("half_rate_commit_p50_us {}", paced.percentile(50));
    println!("half_rate_commit_p99_us {}", paced.percentile(99));
    let stored = pushes.max(bench.next);
    println!("refused {}", bench.refused);
    let next = bench.end();
    fill(&path, next..stored);
    let per_push = || tables_len(&path).saturating_sub(empty) as f64 / stored as f64;
    println!("stored {stored}");
    println!("disk_bytes_per_push {:.1}", per_push());
    println!("journal_bytes {}", size_of(&path) - tables_len(&path));
    if expire(&path) {
        println!("disk_bytes_per_push_after_its_day {:.1}", per_push());
    }
    floor(&dir.path().join("log"), length);
}

/// What a run gave.
struct Run {
    waits_us: Vec<u64>,
    took: Duration,
}

impl Run {
    fn per_s(&self) -> f64 {
        self.waits_us.len() as f64 / self.took.as_secs_f64()
    }

    fn percentile(&self, percent: usize) -> u64 {
        let at = (self.waits_us.len() * percent / 100).min(self.waits_us.len().saturating_sub(1));
        self.waits_us.get(at).copied().unwrap_or(0)
    }
}

struct Bench {
    to: Vec<Sender<Submitted>>,
    heard: Inbox<Committed>,
    thread: std::thread::JoinHandle<()>,
    /// Number of the next push.
    next: u64,
    refused: u64,
}

impl Bench {
    fn over(path: &Path) -> Self {
        let mut committer = committer(open(path));
        let mut ops = vec![
            Op::Boot {
                registered_by_ms: 0,
            },
            create_app(),
        ];
        ops.extend((0..DEVICES).map(|n| register(n, cid(n))));
        committer.commit_now(ops).expect("committed");
        let mut heard = Inbox::new(&Bell::default());
        let to = (0..SHARDS).map(|_| committer.join(&mut heard)).collect();
        Bench {
            to,
            heard,
            thread: committer.start().expect("a thread"),
            next: 0,
            refused: 0,
        }
    }

    /// Submits for `length`, at a rate or as fast as the rings take it, and waits for all commits.
    fn run(&mut self, rate: Option<f64>, length: Duration) -> Run {
        let first = self.next;
        // When each was due; of a flood, when it was submitted.
        let mut dues: Vec<Instant> = Vec::new();
        let mut waits_us: Vec<u64> = Vec::new();
        let began = Instant::now();
        let (mut news, mut ended) = (began, 0);
        while began.elapsed() < length || ended < self.next - first {
            let mut idle = true;
            let since = began.elapsed();
            let due = rate.map_or(u64::MAX, |rate| (since.as_secs_f64() * rate) as u64);
            while since < length && self.next - first < due && self.submit() {
                let count = dues.len() as f64 + 1.0;
                let at = rate.map(|rate| began + Duration::from_secs_f64(count / rate));
                dues.push(at.unwrap_or_else(Instant::now));
                idle = false;
                // What is done is looked at between two batches.
                if dues.len().is_multiple_of(256) {
                    break;
                }
            }
            while let Some(event) = self.heard.take() {
                idle = false;
                let Committed::Done(done) = event else {
                    continue;
                };
                ended += 1;
                news = Instant::now();
                match done {
                    Done::Accepted { ticket, .. } => {
                        let at = dues[(ticket.0 - first) as usize];
                        waits_us.push(at.elapsed().as_micros() as u64);
                    }
                    _ => self.refused += 1,
                }
            }
            if idle {
                assert!(news.elapsed() < STUCK, "no commit for {STUCK:?}");
                std::thread::sleep(NAP);
            }
        }
        let took = began.elapsed();
        waits_us.sort_unstable();
        Run { waits_us, took }
    }

    /// Submits the next push; false if the ring is full.
    fn submit(&mut self) -> bool {
        let number = self.next;
        let shard = number % self.to.len() as u64;
        let submitted = Submitted {
            shard: ShardNo(shard as u16),
            op: accept(number),
        };
        let took = self.to[shard as usize].send(submitted).is_ok();
        self.next += u64::from(took);
        took
    }

    /// The number of the next push.
    fn end(self) -> u64 {
        drop(self.to);
        drop(self.heard);
        self.thread.join().expect("the committer ends");
        self.next
    }
}

/// Bytes spread by a fixed mix: what repeats would be packed by the store.
fn mixed(n: u64) -> u64 {
    let mut x = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

fn cid(n: u64) -> ClientId {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&mixed(n).to_be_bytes());
    bytes[8..].copy_from_slice(&n.to_be_bytes());
    ClientId::from_bytes(bytes)
}

fn body(n: u64) -> Vec<u8> {
    let words = (0..).map(|word| mixed(n.wrapping_mul(64).wrapping_add(word)));
    words.flat_map(u64::to_le_bytes).take(BODY_LEN).collect()
}

fn accept(number: u64) -> Op {
    Op::Accept {
        ticket: Ticket(number),
        app: APP,
        targets: vec![(cid(number % DEVICES), Reach::Online)],
        push: Push {
            request_id: format!("request {number:024x}").into(),
            task_id: format!("RASS_0101_{number:032x}").into(),
            storage: Storage::Until(now_ms() + KEPT_MS),
            vendor: None,
            skips_notify_off: false,
            body: Bytes::from(body(number)),
        },
    }
}

/// Stores pushes beyond those of the runs.
fn fill(path: &Path, numbers: std::ops::Range<u64>) {
    let mut committer = committer(open(path));
    for start in numbers.clone().step_by(BATCH_OPS_MAX) {
        let end = numbers.end.min(start + BATCH_OPS_MAX as u64);
        let ops = (start..end).map(accept).collect();
        committer.commit_now(ops).expect("committed");
    }
}

/// Bytes of the store but for its journal.
fn tables_len(path: &Path) -> u64 {
    size_of(&path.join("keyspaces"))
}

/// Lets the days of all messages pass: a process of its own, whose clock is days ahead, does what the first shard does at
/// midnight. False without Debian's `faketime`: the committer goes by the clock.
fn expire(path: &Path) -> bool {
    let own = std::env::current_exe().expect("this program");
    let ended = Command::new("faketime")
        .args(["-f", EXPIRED_AFTER])
        .arg(own)
        .arg("--expire")
        .arg(path)
        .status();
    ended.is_ok_and(|status| status.success())
}

fn drop_days(path: &Path) {
    let mut committer = committer(open(path));
    committer
        .commit_now(vec![Op::DropDays(Day::of_ms(now_ms()))])
        .expect("committed");
    drop(committer);
    // A start puts away what the journal held of them.
    drop(filling::committer(open(path)));
}

/// The floor: the records of a batch in one write to a file, then a flush of its data.
fn floor(path: &Path, length: Duration) {
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .expect("a file");
    // A body, two ids, the texts of an answer: what a row and its answer hold.
    let record = [&body(1)[..], &[0; 16 + 8 + 32 + 42]].concat();
    let batch = record.repeat(BATCH_OPS_MAX);
    let began = Instant::now();
    let mut waits_us = Vec::new();
    while began.elapsed() < length {
        let started = Instant::now();
        file.write_all(&batch).expect("written");
        file.sync_data().expect("flushed");
        waits_us.push(started.elapsed().as_micros() as u64);
        if waits_us.len().is_multiple_of(256) {
            file.set_len(0).expect("cut");
        }
    }
    let took = began.elapsed().as_secs_f64();
    let per_s = (waits_us.len() * BATCH_OPS_MAX) as f64 / took;
    waits_us.sort_unstable();
    println!("floor_per_s {per_s:.0}");
    println!("floor_batch_p99_us {}", waits_us[waits_us.len() * 99 / 100]);
}
