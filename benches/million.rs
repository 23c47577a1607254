//! What a million registered devices cost: memory, the time of an expression of eight conditions, and of a
//! start over a store that holds them with tags and a message each, with its files in the kernel's cache and without.
//!
//! `cargo bench --bench million [-- --devices N] [--bare]`; prints a table, asserts nothing. `--bare`: devices without tags
//! and messages, for the memory of one that is registered and away. The devices are
//! shared out over two shards, as on two cores; each shard answers for its own, at the same time as
//! the others, so the time of an expression is that of the slower one.

mod filling;
#[path = "million/held.rs"]
mod held;

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use protocol::ClientId;
use rustix::fs::{Advice, fadvise};
use server::store::recovery;
use server_core::command::{Push, Reach, Storage};
use server_core::devices::{Device, Devices};
use server_core::group::{Audience, Condition, ConditionKey, ConditionOp};
use server_core::ids::{ShardNo, Ticket};
use server_core::op::{Op, Origin};

use filling::{APP, SHARDS, committer, create_app, device, now_ms, open, register, size_of};

/// Ops in one commit while the store is filled.
const BATCH_LEN: usize = 5_000;
/// How often an expression is resolved.
const ROUNDS: usize = 15;

fn main() {
    let mut devices_len = 1_000_000;
    let mut bare = false;
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        if arg == "--devices" {
            let number = args.next().expect("a number after --devices");
            devices_len = number.parse().expect("a number of devices");
        }
        bare |= arg == "--bare";
    }
    let dir = tempfile::tempdir().expect("a temporary folder");
    if bare {
        return memory(dir.path(), devices_len);
    }
    let store_path = dir.path().join("store");
    let filled = Instant::now();
    let store_len = fill(&store_path, devices_len, true);
    println!(
        "{devices_len} devices with five tags and one stored message each: filled in {:.1} s, {} bytes on disk",
        filled.elapsed().as_secs_f64(),
        store_len
    );
    weigh(devices_len);
    let loaded = load(&store_path);
    expression(&loaded);
    drop(loaded);
    start(dir.path(), Cache::Warm);
    start(dir.path(), Cache::Cold);
}

/// The memory of devices that are registered and nothing else, beside a server that has none.
fn memory(dir: &Path, devices_len: u64) {
    let (none, all) = (dir.join("none"), dir.join("all"));
    fill(&none.join("store"), 0, false);
    let none_kib = start(&none, Cache::Warm);
    let on_disk = fill(&all.join("store"), devices_len, false);
    let all_kib = start(&all, Cache::Warm);
    println!(
        "a registered device: {:.1} bytes of memory, {:.1} on disk",
        all_kib.saturating_sub(none_kib) as f64 * 1024.0 / devices_len as f64,
        on_disk as f64 / devices_len as f64
    );
}

/// A CID whose slot and rest are spread by a fixed mix.
fn cid(n: u64) -> ClientId {
    let mixed = n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&mixed);
    bytes[8..].copy_from_slice(&n.to_be_bytes());
    ClientId::from_bytes(bytes)
}

/// Five tags: a half, a third, a fifth, a hundredth and a thousandth of all have the same.
fn tags(n: u64) -> Vec<Box<str>> {
    let mut tags: Vec<Box<str>> = [("h", 2), ("t", 3), ("f", 5), ("c", 100), ("m", 1000)]
        .map(|(name, of)| format!("{name}{}", n % of).into())
        .into();
    tags.sort_unstable();
    tags
}

fn fill(path: &Path, devices_len: u64, with_all: bool) -> u64 {
    let store = open(path);
    let mut committer = committer(store.clone());
    let expires_ms = now_ms() + 7_200_000;
    let mut ops = vec![
        Op::Boot {
            registered_by_ms: 0,
        },
        create_app(),
    ];
    for n in 0..devices_len {
        let cid = cid(n);
        ops.push(register(n, cid));
        if ops.len() >= BATCH_LEN {
            committer
                .commit_now(std::mem::take(&mut ops))
                .expect("committed");
        }
        if !with_all {
            continue;
        }
        ops.push(Op::SetTags {
            origin: Origin::Ticket(Ticket(n)),
            app: APP,
            cid,
            tags: tags(n),
        });
        ops.push(Op::Accept {
            ticket: Ticket(n),
            app: APP,
            targets: vec![(cid, Reach::Offline)],
            push: Push {
                request_id: format!("request {n}").into(),
                task_id: format!("RASS_0101_{n:032x}").into(),
                storage: Storage::Until(expires_ms),
                vendor: None,
                skips_notify_off: false,
                body: Bytes::from(vec![7; 200]),
            },
        });
    }
    committer.commit_now(ops).expect("committed");
    store.sync().expect("synced");
    drop(committer);
    drop(store);
    size_of(path)
}

/// As the server does: each shard's by a thread of its own.
fn load(path: &Path) -> Vec<Devices> {
    let store = open(path);
    let started = Instant::now();
    let devices: Vec<Devices> = std::thread::scope(|scope| {
        let read = |shard| {
            let store = &store;
            scope.spawn(move || {
                let mut known = Default::default();
                let view = store.view(&mut known).expect("a view");
                recovery::devices_of(&view, ShardNo(shard), SHARDS).expect("read")
            })
        };
        let threads: Vec<_> = (0..SHARDS).map(read).collect();
        let devices = threads.into_iter().map(|thread| thread.join());
        devices.collect::<Result<_, _>>().expect("all read well")
    });
    println!(
        "devices, cursors and tags read by a thread for each shard in {} ms",
        started.elapsed().as_millis()
    );
    devices
}

/// What the allocator holds for so many devices without a tag, each byte counted.
fn weigh(devices_len: u64) {
    let row = device(0);
    let before = held::bytes();
    let mut devices = Devices::default();
    for n in 0..devices_len {
        devices.put(cid(n), Device::new(&row, None));
    }
    let bytes = held::bytes() - before;
    println!(
        "{} devices without tags in memory: {:.1} bytes each",
        devices.len(),
        bytes as f64 / devices_len as f64
    );
}

fn expression(shards: &[Devices]) {
    let condition = |key, op, values: &[&str]| Condition {
        key,
        op,
        values: values.iter().map(|value| (*value).into()).collect(),
    };
    use ConditionKey::{Platform, Tag};
    use ConditionOp::{And, Not, Or};
    let conditions = vec![
        condition(Platform, Or, &["android", "ios"]),
        condition(Tag, Or, &["h0", "h1"]),
        condition(Tag, Or, &["t0", "t1"]),
        condition(Tag, Not, &["f0"]),
        condition(Tag, Not, &["c1", "c2", "c3", "c4"]),
        condition(Tag, Or, &["f1", "f2", "f3"]),
        condition(Tag, Not, &["m7"]),
        condition(Tag, And, &["h1"]),
    ];
    let audience = Audience {
        conditions,
        activity: None,
    };
    let mut slowest: Vec<Duration> = Vec::new();
    let mut found = 0;
    for _ in 0..ROUNDS {
        found = 0;
        let times = shards.iter().map(|devices| {
            let started = Instant::now();
            found += devices.count(APP, &audience, 0);
            started.elapsed()
        });
        slowest.push(times.max().unwrap_or_default());
    }
    slowest.sort_unstable();
    println!(
        "eight conditions: {found} devices; {:.2} ms on the slower of {SHARDS} shards (median of {ROUNDS}; {:.2} to {:.2})",
        slowest[ROUNDS / 2].as_secs_f64() * 1e3,
        slowest[0].as_secs_f64() * 1e3,
        slowest[ROUNDS - 1].as_secs_f64() * 1e3
    );
    let started = Instant::now();
    let listed: usize = shards
        .iter()
        .map(|devices| devices.resolve(APP, &audience, u64::MAX, 0).len())
        .sum();
    println!(
        "the same, listed in order for a push: {listed} devices in {:.1} ms, both shards one after the other",
        started.elapsed().as_secs_f64() * 1e3
    );
}

/// Where a start finds what it reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cache {
    /// As after an ordinary restart: the kernel has it in memory.
    Warm,
    /// As after a start of the machine: on the disk.
    Cold,
}

impl Cache {
    fn prepare(self, path: &Path) {
        if self == Cache::Warm {
            return;
        }
        for entry in std::fs::read_dir(path).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                self.prepare(&path);
            } else {
                let file = File::open(&path).expect("our own file");
                // Only what is on the disk is let go.
                file.sync_all().expect("synced");
                fadvise(&file, 0, None, Advice::DontNeed).expect("advised");
            }
        }
    }
}

/// Starts the real server over the store: the time from its start to `ready`. Its memory in KiB, the least of all starts.
fn start(dir: &Path, cache: Cache) -> u64 {
    let mut least_kib = u64::MAX;
    for round in 1..=3 {
        cache.prepare(dir);
        let started = Instant::now();
        let mut server = Command::new(env!("CARGO_BIN_EXE_ringpost"))
            .args([
                "serve",
                "--device",
                "127.0.0.1:0",
                "--http",
                "127.0.0.1:0",
                "--data",
            ])
            .arg(dir)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the server starts");
        let mut line = String::new();
        let stdout = server.stdout.take().expect("piped");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        let took = started.elapsed();
        let status = std::fs::read_to_string(format!("/proc/{}/status", server.id()));
        server.kill().expect("it lives");
        server.wait().expect("it ends");
        assert!(line.starts_with("ready "), "the server did not start");
        let rss_kib = status
            .unwrap_or_default()
            .lines()
            .find_map(|line| {
                line.strip_prefix("VmRSS:")?
                    .trim()
                    .strip_suffix(" kB")?
                    .parse()
                    .ok()
            })
            .unwrap_or(0_u64);
        least_kib = least_kib.min(rss_kib);
        println!(
            "{} start {round} to ready: {:.2} s, {} MiB resident",
            if cache == Cache::Cold { "cold" } else { "warm" },
            took.as_secs_f64(),
            rss_kib / 1024,
        );
    }
    least_kib
}
