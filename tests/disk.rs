//! The server on a disk that is watched, held, broken or full.
//!
//! The disk is that of `harness/disk.rs`. Always: a test gives its orders by files, so both sides are
//! in step without a clock.

mod harness;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use harness::device::{Device, hello, register};
use harness::disk::Disk;
use harness::{Server, wait_for};
use hyper::Method;
use protocol::{Frame, Identity};
use sdk_sim::third_party::{Accepted, BlockingThirdParty, CallError, Push, PushBody};
use serde_json::json;

fn serve(disk: &Disk, dir: &Path) -> Server {
    Server::start_in(dir, 1, "", disk.surroundings())
}

fn push(third_party: &BlockingThirdParty, cid: &str) -> Result<Accepted, CallError> {
    let push = Push::new(PushBody::Transmission("to be kept".into())).expect("random");
    third_party.push_single_cid(cid, &push)
}

fn is_busy<T>(pushed: Result<T, CallError>) -> bool {
    pushed.is_err_and(|error| error.to_string().contains("30019"))
}

fn readiness(third_party: &BlockingThirdParty) -> (u16, String) {
    let answer = third_party.get("/readyz").expect("an answer");
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    (answer.http.as_u16(), text)
}

#[test]
fn given_pushes_when_answered_should_each_have_been_flushed_before() {
    let dir = tempfile::tempdir().expect("a folder");
    let disk = Disk::new(dir.path());
    let server = serve(&disk, dir.path());
    let cid = register(&server.bootstrap(), 1).to_string();
    let third_party = server.third_party();
    for number in 0..20 {
        let before = disk.flushed();
        push(&third_party, &cid).expect("accepted");
        assert!(disk.flushed() > before, "push {number} was not flushed");
    }
    let before = disk.flushed();
    register(&server.bootstrap(), 2);
    assert!(disk.flushed() > before, "a registration was not flushed");
}

#[test]
fn given_a_flush_that_hangs_when_pushed_meanwhile_should_answer_and_deliver_only_after_it() {
    let dir = tempfile::tempdir().expect("a folder");
    let disk = Disk::new(dir.path());
    let server = serve(&disk, dir.path());
    let bootstrap = server.bootstrap();
    let cid = register(&bootstrap, 1);
    let mut device = Device::connect(&bootstrap);
    device.greet(hello(&bootstrap, Identity::Login(cid), [1; 32]));
    // The first push of a day flushes the folders that it makes; this is about the push itself.
    let third_party = server.third_party();
    push(&third_party, &cid.to_string()).expect("accepted");
    let is_push = |frame: &Frame| matches!(frame, Frame::Push(_)).then_some(());
    device.receive_until("the first push", is_push);
    let held = disk.hold();
    let pushing = std::thread::spawn(move || push(&third_party, &cid.to_string()));
    wait_for("the flush to hang", || disk.holds().then_some(()));
    // Everything but the disk goes on: more than a turn of each thread passes meanwhile.
    for _ in 0..20 {
        device.send(&[Frame::Ping]);
        let next = device.receive().expect("connected");
        assert!(matches!(next, Frame::Pong), "{next:?} before the flush");
        assert_eq!(readiness(&server.third_party()).0, 200);
    }
    assert!(!pushing.is_finished(), "answered before the flush");
    drop(held);
    pushing.join().expect("no panic").expect("accepted");
    device.receive_until("the push", is_push);
}

/// How long a flush hangs under load, in seconds; `RINGPOST_STALL_S` for more.
const STALL_S: u64 = 1;

#[test]
fn given_a_flush_that_hangs_for_long_when_many_push_should_lose_and_repeat_nothing() {
    let stall_s = std::env::var("RINGPOST_STALL_S");
    let stall_s = stall_s.map_or(STALL_S, |text| text.parse().expect("seconds"));
    let dir = tempfile::tempdir().expect("a folder");
    let disk = Disk::new(dir.path());
    let server = serve(&disk, dir.path());
    let bootstrap = server.bootstrap();
    let cid = register(&bootstrap, 1);
    let held = disk.hold();
    let released = Arc::new(AtomicBool::new(false));
    let pushing: Vec<_> = (0..32)
        .map(|_| {
            let (third_party, released) = (server.third_party(), Arc::clone(&released));
            std::thread::spawn(move || {
                let body = PushBody::Transmission("to be kept".into());
                let push = Push::new(body).expect("random");
                // Whoever waits for ten seconds is told to repeat it, and does.
                while let Err(error) = third_party.push_single_cid(&cid.to_string(), &push) {
                    assert!(error.to_string().contains("30019"), "{error}");
                }
                assert!(
                    released.load(Ordering::Acquire),
                    "answered before the flush"
                );
            })
        })
        .collect();
    wait_for("the flush to hang", || disk.holds().then_some(()));
    let until = Instant::now() + Duration::from_secs(stall_s);
    while Instant::now() < until {
        assert_eq!(readiness(&server.third_party()).0, 200);
        std::thread::park_timeout(Duration::from_millis(100));
    }
    released.store(true, Ordering::Release);
    drop(held);
    for one in pushing {
        one.join().expect("accepted, and not before the flush");
    }
    let mut device = Device::connect(&bootstrap);
    device.greet(hello(&bootstrap, Identity::Login(cid), [1; 32]));
    let mut ids = BTreeSet::new();
    for at in 0..32 {
        let id = device.receive_until(&format!("push {at}"), |frame| match frame {
            Frame::Push(push) => Some(push.id),
            _ => None,
        });
        assert!(ids.insert(id), "{id} came twice");
    }
    wait_for("all to be counted, and each once", || {
        (server.metric("ringpost_messages_accepted_total") == 32).then_some(())
    });
}

#[test]
fn given_a_flush_that_fails_when_pushed_should_refuse_say_so_once_and_want_a_restart() {
    // The first push of a day makes the folders of that day, and flushes them.
    for is_first in [true, false] {
        let dir = tempfile::tempdir().expect("a folder");
        let disk = Disk::new(dir.path());
        let mut server = serve(&disk, dir.path());
        let cid = register(&server.bootstrap(), 1).to_string();
        let third_party = server.third_party();
        if !is_first {
            push(&third_party, &cid).expect("accepted");
        }
        disk.order("broken");
        for _ in 0..3 {
            assert!(is_busy(push(&third_party, &cid)));
        }
        let (status, why) = readiness(&third_party);
        assert_eq!(status, 503, "{why}");
        assert!(why.contains("the store refuses to write"), "{why}");
        assert!(why.contains("until the server is started again"), "{why}");
        disk.end("broken");
        // It is tried again each second, but what was not flushed once may be gone for good.
        let ended = Instant::now();
        let alias = json!({ "data_list": [{ "cid": cid, "alias": "alice" }] });
        while ended.elapsed() < Duration::from_millis(2_500) {
            assert!(is_busy(push(&third_party, &cid)));
            let named = third_party.call(Method::POST, "/user/alias", Some(&alias));
            assert!(is_busy(named), "an alias was taken");
            std::thread::park_timeout(Duration::from_millis(100));
        }
        assert_eq!(readiness(&third_party).0, 503);
        let told = "the store refuses; nothing is accepted";
        let log = server.log();
        assert_eq!(log.matches(told).count(), 1, "{log}");
        assert!(log.contains("until_restart=true"), "{log}");
        assert!(log.contains("Input/output error"), "{log}");

        server.kill_nine();
        server.restart();
        let third_party = server.third_party();
        assert_eq!(readiness(&third_party).0, 200);
        push(&third_party, &cid).expect("accepted");
    }
}

#[test]
fn given_a_full_disk_when_there_is_room_again_should_be_tried_again_and_write() {
    let dir = tempfile::tempdir().expect("a folder");
    let disk = Disk::new(dir.path());
    let server = serve(&disk, dir.path());
    let cid = register(&server.bootstrap(), 1).to_string();
    let third_party = server.third_party();
    // The first push of a day makes the folders of that day.
    disk.order("full");
    assert!(is_busy(push(&third_party, &cid)));
    assert_eq!(readiness(&third_party).0, 503);
    assert!(is_busy(push(&third_party, &cid)), "not tried at once");
    disk.end("full");
    wait_for("a push to be taken", || {
        std::thread::park_timeout(Duration::from_millis(100));
        push(&third_party, &cid).ok()
    });
    assert_eq!(readiness(&third_party).0, 200);
    let log = server.log();
    for told in [
        "the store refuses; nothing is accepted",
        "the store writes again",
    ] {
        assert_eq!(log.matches(told).count(), 1, "{log}");
    }
}

#[test]
fn given_a_journal_that_takes_half_a_write_when_started_again_should_have_each_answered_push_once()
{
    for is_killed in [true, false] {
        let dir = tempfile::tempdir().expect("a folder");
        let disk = Disk::new(dir.path());
        let mut server = serve(&disk, dir.path());
        let cid = register(&server.bootstrap(), 1);
        let third_party = server.third_party();
        push(&third_party, &cid.to_string()).expect("accepted");
        let body = PushBody::Transmission("x".repeat(500));
        let torn = Push::new(body).expect("random");
        disk.order("torn");
        assert!(is_busy(
            third_party.push_single_cid(&cid.to_string(), &torn)
        ));
        assert!(disk.was_half_written(), "no journal was written to");
        disk.end("torn");
        assert!(is_busy(push(&third_party, &cid.to_string())));
        let (status, why) = readiness(&third_party);
        assert_eq!(status, 503, "{why}");
        assert!(why.contains("until the server is started again"), "{why}");
        // The database says itself what became of its file.
        let log = server.log();
        assert!(log.contains("No space left on device"), "{log}");
        // Who ends in order may write the other half.
        match is_killed {
            true => server.kill_nine(),
            false => drop(server.stop()),
        }
        server.restart();

        let third_party = server.third_party();
        let repeated = third_party.push_single_cid(&cid.to_string(), &torn);
        repeated.expect("the disk has room");
        push(&third_party, &cid.to_string()).expect("accepted");
        let mut device = Device::connect(&server.bootstrap());
        device.greet(hello(&server.bootstrap(), Identity::Login(cid), [1; 32]));
        let lens = ["to be kept".len(), 500, "to be kept".len()];
        for len in lens {
            let (_, text) = device.receive_text();
            assert_eq!(text.len(), len, "killed: {is_killed}");
        }
    }
}
