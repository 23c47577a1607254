//! More than a server can do, all at once: what is too much is refused in a way that it can be
//! repeated, those who are served notice nothing, memory stays inside a budget and comes back.
//!
//! Always: a load ends when what it is for has happened, and never by a clock; latencies are
//! printed and not asserted. All of it at once is small by itself; with 18,000 devices, beside which
//! nothing else should run:
//! `RINGPOST_PATIENCE_S=600 RINGPOST_CURVES=target/overload cargo test --release --test overload -- --ignored --nocapture --test-threads 1`.

#[path = "overload/crowd.rs"]
mod crowd;
mod harness;
#[path = "overload/nuisance.rs"]
mod nuisance;
#[path = "overload/offline.rs"]
mod offline;
#[path = "overload/probe.rs"]
mod probe;
#[path = "overload/storm.rs"]
mod storm;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crowd::Crowd;
use harness::curve::Reading;
use harness::device::register;
use harness::disk::Disk;
use harness::neighbour::Neighbours;
use harness::process::rss_kib;
use harness::receiver::{Receiver, SILENCE};
use harness::{Devices, Server, wait_for};
use hyper::Method;
use nuisance::Nuisance;
use probe::Probe;
use sdk_sim::bootstrap::Bootstrap;
use sdk_sim::third_party::{BlockingThirdParty, CallError, Credentials, random_request_id};
use serde_json::json;
use server::limits::STORE_MEMORY_MIB_MIN;
use server::memory_budget::MemoryBudget;
use server::store::StoreMemory;
use server_core::placement::Slot;

const SHARDS: u16 = 2;

/// How often third parties ask for more than is taken: three times.
const TIMES: usize = 3;

/// Requests that must have been taken meanwhile: more than fit into the queues before the disk.
const TAKEN_MIN: usize = 20;

/// What the store is given, in MiB: the least, so that it is soon full and what is held beside it shows.
const STORE_MIB: u64 = STORE_MEMORY_MIB_MIN;

/// Memory that the store may keep, in KiB: a half more than it is given, for the allocator's share.
const STORE_KIB: u64 = STORE_MIB * 1024 * 3 / 2;

/// Logins that give the threads of the server something to do while memory is to come back.
const LOGINS: u8 = 100;

/// What memory at rest may differ by: the allocator's own, and buffers that threads keep.
const SLACK_KIB: u64 = 24 * 1024;

/// Where the curves of memory are written, if they are asked for.
fn curves_folder() -> Option<PathBuf> {
    std::env::var_os("RINGPOST_CURVES").map(PathBuf::from)
}

/// How much of everything there is.
struct Scale {
    /// Devices that log in at once.
    devices: usize,
    /// Devices that read one byte a second.
    readers: usize,
    /// Third parties that push at once, each 1.8 MB at a time.
    pushers: usize,
    /// Third parties that send bodies of 10 MB at once.
    senders: usize,
    /// Devices that are pushed to one push after the other, for the time that one takes.
    probes: u8,
    /// Seconds between two pings of a device: several pass while it lasts. All of the devices are one
    /// process of one thread, which must not be taken for silent when it is slow.
    heartbeat_s: u32,
    /// By how much each flush of the disk is delayed, in ms.
    flush_ms: u32,
}

impl Scale {
    const SMALL: Scale = Scale {
        devices: 300,
        readers: 8,
        pushers: 40,
        senders: 2,
        probes: 4,
        heartbeat_s: 20,
        flush_ms: 300,
    };

    const FULL: Scale = Scale {
        devices: 18_000,
        readers: 50,
        pushers: 40,
        senders: 4,
        probes: 16,
        heartbeat_s: 120,
        flush_ms: 50,
    };

    /// What the server says that it takes at most.
    fn budget_kib(&self) -> u64 {
        let store = StoreMemory::of_mib(STORE_MIB).expect("within its bounds");
        let devices = (self.devices + self.readers) as u64;
        MemoryBudget::of(SHARDS, store).with_devices(devices, devices) / 1024
    }
}

/// Another app, with devices of its own: what is pushed to all of it disturbs nobody else.
fn make_app(server: &Server) -> Bootstrap {
    let made = server.say(&["app", "create", "crowd"]);
    let text = |name: &str| made[name].as_str().expect("text").to_owned();
    let mut bootstrap = server.bootstrap();
    bootstrap.app.appid = text("appid");
    bootstrap.app.appkey = text("appkey");
    bootstrap.app.mastersecret = text("mastersecret");
    bootstrap
}

fn fleet(dir: &Path, server: &Server, app: &str, count: usize, heartbeat_s: u32) -> Devices {
    std::fs::create_dir(dir).expect("made");
    let heartbeat_s = heartbeat_s.to_string();
    let args = ["--app", app, "--heartbeat", &heartbeat_s];
    Devices::start(dir, server, count, &args)
}

fn push_to_all(party: &BlockingThirdParty) -> String {
    let body = json!({ "request_id": random_request_id().expect("random"), "audience": "all",
        "push_message": { "transmission": "to everybody" } });
    let data = wait_for("the broadcast to be taken", || {
        match party.call(Method::POST, "/push/all", Some(&body)) {
            Ok(data) => Some(data),
            Err(CallError::Refused { code: 30019, .. }) => None,
            Err(error) => panic!("{error}"),
        }
    });
    data["taskid"].as_str().expect("a task").to_owned()
}

#[test]
fn given_too_much_of_everything_at_once_when_it_lasts_should_refuse_the_excess_and_give_memory_back()
 {
    overload(&Scale::SMALL);
}

#[test]
#[ignore = "minutes, and a machine of its own"]
fn given_eighteen_thousand_devices_and_everything_at_once_when_it_lasts_should_do_the_same() {
    overload(&Scale::FULL);
}

fn overload(scale: &Scale) {
    let dir = tempfile::tempdir().expect("a folder");
    let disk = Disk::new(dir.path());
    // A receiver is tried again soon, so that the test need not wait for it when it is well.
    let toml = format!(
        "[webhooks]\nallow_private = true\ntimeout_s = 2\nretry_first_ms = 100\nretry_most_s = 1\n\
         [store]\nmemory_mib = {STORE_MIB}\n"
    );
    let server = Server::start_in(dir.path(), SHARDS, &toml, disk.surroundings());
    let app = make_app(&server);
    let app_id = app.app.appid.clone();
    let receiver = Receiver::start(SILENCE);
    let callback = format!("callback_url={}", receiver.url());
    server.say(&["app", "set", &app_id, &callback, "callback_mode=signed"]);
    let party = BlockingThirdParty::new(&app.http, Credentials::from(&app)).expect("a client");

    let fleet = |name: &str, count| {
        let dir = dir.path().join(name);
        fleet(&dir, &server, &app_id, count, scale.heartbeat_s)
    };
    // A desk of devices that the crowd pushes to, all on one shard: its queue is the one that fills.
    let desk = fleet("desk", 16);
    let mut cids = desk.events().cids();
    cids.retain(|cid| Slot::of_cid(cid.parse().expect("a CID")).shard(SHARDS).0 == 0);
    assert!(
        !cids.is_empty(),
        "of sixteen devices none is on the first shard"
    );
    // Devices that were there before, and come back all at once.
    let mut storm = fleet("storm", scale.devices);
    assert!(storm.stop().success());
    let mut neighbours = Neighbours::move_in(&server, SHARDS);
    wait_for("all but the desk to have left", || {
        (server.metric("ringpost_sessions") <= 16 + u64::from(SHARDS)).then_some(())
    });
    let logins = server.metric("ringpost_logins_total");
    let at_rest_kib = rss_kib(server.pid());
    let reading = Reading::of(server.pid());

    // Whoever registers behind a full queue waits for it, which is not what this is about.
    let nuisance = Nuisance::begin(&server, scale.readers, scale.senders);
    let probe = Probe::begin(&server, scale.probes);
    disk.delay(scale.flush_ms);
    let crowd = Crowd::gather(scale.pushers, &app.http, &Credentials::from(&app), &cids);
    let started = Instant::now();
    let at_once = scale.devices.to_string();
    let returning = std::thread::spawn(move || {
        storm.restart_with(&["--at-once", &at_once]);
        storm
    });
    // In the middle of the storm: half of them are in.
    let half = logins + scale.devices as u64 / 2;
    wait_for("half of the devices to be in", || {
        (server.metric("ringpost_logins_total") >= half).then_some(())
    });
    let broadcast = Instant::now();
    let task = push_to_all(&party);
    println!("the broadcast was taken after {:.1?}", broadcast.elapsed());
    neighbours.notice_no_overload();
    let mut storm = returning.join().expect("all devices came in");
    let all_in = Instant::now();
    let offline = storm.events().count("offline");
    wait_for("the broadcast to have come to all", || {
        (storm.events().count("push") >= scale.devices).then_some(())
    });
    let broadcast_over = Instant::now();
    // Refused at the door, which holds so many bodies, or by a shard, whose queue before the disk is
    // full: which of them comes first is a matter of how fast the machine is.
    let (accepted, refused) = wait_for("more than the store takes", || {
        neighbours.notice_no_overload();
        let (accepted, refused) = crowd.counts.read();
        let is_enough = accepted >= TAKEN_MIN && refused >= (TIMES - 1) * accepted;
        is_enough.then_some((accepted, refused))
    });
    wait_for("bodies of 10 MB to be refused", || {
        (nuisance.bodies_refused() >= scale.senders).then_some(())
    });

    // While all of it goes on; the verdicts come behind it.
    let shed = server.metric("ringpost_logins_shed_total");
    let busy = server.metric("ringpost_busy_answers_total");
    println!(
        "{} devices in after {:?}, {shed} logins shed; {accepted} requests of {} bytes taken, {refused} refused, {busy} of them by a shard; {} bodies of 10 MB refused",
        scale.devices,
        all_in - started,
        Crowd::request_len(),
        nuisance.bodies_refused()
    );
    let latencies = probe.end();

    // The load ends; what was refused is repeated until it is taken, and all of it comes once.
    disk.end("slow");
    let slow = nuisance.end();
    assert!(slow > 0, "no slow reader was left to burden the server");
    let mut owed = crowd.disperse();
    let written: usize = owed.values().map(Vec::len).sum();
    for cid in desk.events().cids() {
        owed.entry(cid).or_default().push(task.clone());
    }
    wait_for("the desk to have got all", || {
        let all: usize = owed.values().map(Vec::len).sum();
        (desk.events().count("push") >= all).then_some(())
    });
    desk.events().assert_exactly_once(&owed);
    let everybody = storm.events().cids();
    let once = everybody.into_iter().map(|cid| (cid, vec![task.clone()]));
    storm.events().assert_exactly_once(&once.collect());
    // The receiver is well again, and is told all that it missed.
    receiver.answer(200);
    wait_for("the receiver to have been told all", || {
        let taken: usize = receiver
            .taken()
            .iter()
            .map(|told| told.events().len())
            .sum();
        (taken >= written + scale.devices + 16).then_some(())
    });
    neighbours.notice_nothing();
    let longest = neighbours.move_out();
    println!("longest wait for a pong: {longest:?}");
    let heartbeat = Duration::from_secs(scale.heartbeat_s.into());
    assert!(longest < heartbeat, "a good device waited {longest:?}");
    assert_eq!(
        server.metric("ringpost_heartbeat_timeouts_total"),
        0,
        "somebody's heartbeat was not heard"
    );
    let lost = storm.events().count("offline") - offline;
    assert_eq!(lost, 0, "devices that were in lost their session");
    let log = server.log();
    let errors: Vec<&str> = log.lines().filter(|line| line.contains("ERROR")).collect();
    let failures = server.metric("ringpost_store_failures_total");
    assert_eq!(failures, 0, "the store was slow, and refused: {errors:#?}");
    assert!(storm.stop().success());
    drop(desk);

    // At rest again: what the store was given may still be in its memory, and nothing else.
    let message_kib = Crowd::request_len() as u64 / 1024 / 200;
    let stored_kib = 2 * written as u64 * message_kib;
    let allowed_kib = at_rest_kib + stored_kib.min(STORE_KIB) + SLACK_KIB;
    let mut after_kib = u64::MAX;
    wait_for("memory to come back", || {
        // A thread gives back what was left to it when it works again.
        server.metric("ringpost_sessions");
        let now_kib = rss_kib(server.pid());
        if now_kib > allowed_kib {
            for number in 0..LOGINS {
                register(&app, number);
            }
        }
        if now_kib < after_kib {
            println!("{now_kib} KiB, at most {allowed_kib}");
            after_kib = now_kib;
        }
        (now_kib <= allowed_kib).then_some(())
    });
    let curve = reading.end();
    curve.show("overload", curves_folder().as_deref());
    let top_kib = curve.top_kib();
    let budget_kib = scale.budget_kib();
    println!(
        "memory of the server: {at_rest_kib} KiB at rest, {top_kib} at most of a budget of {budget_kib}, {after_kib} after it, with {slow} slow readers"
    );
    latencies.show("during the broadcast", broadcast, broadcast_over);
    latencies.show("during all of it", started, broadcast_over);
    assert!(top_kib <= budget_kib, "{top_kib} KiB of {budget_kib}");
}
