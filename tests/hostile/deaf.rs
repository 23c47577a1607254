//! Devices that never acknowledge or never read: they get a window and no more, and who takes
//! nothing is cut.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use protocol::{ClientId, Frame, Identity, InstallId, MessageId};
use sdk_sim::third_party::{Push, PushBody};

use super::harness::device::{Device, hello, register};
use super::harness::neighbour::Neighbours;
use super::harness::process::rss_kib;
use super::harness::{PATIENCE, Server};
use super::memory::stays_flat;
use super::{SHORT, told_once};

/// Pushes to each device in a round: more than a window and the queue behind it hold, and so much
/// that keeping them would show.
const PUSHES_PER_ROUND: usize = 150;

fn push_of(letter: &str, ttl_ms: Option<i64>) -> Push {
    let push = Push::new(PushBody::Transmission(letter.repeat(3000))).expect("random");
    Push { ttl_ms, ..push }
}

/// Sends pings and reads no pong until the server ends it; how it ended.
fn ask_until_cut(server: &Server, device: &mut Device) -> std::io::Error {
    let before = rss_kib(server.pid());
    device
        .socket()
        // On a loaded machine the server takes long to read what it was sent before.
        .set_write_timeout(Some(PATIENCE))
        .expect("set");
    let pings = [0x03, 0x00].repeat(32 * 1024);
    let mut sent = 0_usize;
    loop {
        match device.try_send_bytes(&pings) {
            Ok(()) => sent += pings.len(),
            Err(error) => {
                println!("{error} after {sent} bytes of pings");
                return error;
            }
        }
        let grown = rss_kib(server.pid()).saturating_sub(before);
        assert!(
            grown < 16 * 1024,
            "{grown} KiB more after {sent} bytes of pings"
        );
    }
}

/// Cut while it was writing, not left waiting.
fn was_cut(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe
    )
}

#[test]
fn given_a_device_that_takes_nothing_when_the_time_to_send_is_over_should_be_cut_and_told_once() {
    let dir = tempfile::tempdir().expect("a folder");
    // Long heartbeats: only that it takes nothing can end it.
    let toml = "[heartbeat]\nmin_s = 600\ndefault_s = 600\n[devices]\nsend_timeout_s = 2\n";
    let server = Server::start_configured(dir.path(), 1, toml);
    let bootstrap = server.bootstrap();
    let mut neighbours = Neighbours::move_in(&server, 1);
    for number in 1..=2 {
        let mut device = Device::connect(&bootstrap);
        let install = InstallId::from_bytes([number; 16]);
        device.greet(hello(&bootstrap, Identity::Register(install), [number; 32]));
        let started = Instant::now();
        let error = ask_until_cut(&server, &mut device);
        assert!(was_cut(&error), "{error}");
        let took = started.elapsed();
        println!("cut after {took:?}");
        assert!(took > Duration::from_secs(2), "not before its time");
        neighbours.notice_nothing();
    }
    told_once(&server, 1, "takes nothing of what it is sent");
    let log = server.log();
    assert!(log.contains("details=for 2 s"), "{log}");
    neighbours.move_out();
}

#[test]
fn given_devices_that_never_ack_or_never_read_when_pushed_to_in_rounds_should_leave_memory_flat() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = Server::start(dir.path(), 1, &[]);
    let bootstrap = server.bootstrap();
    let mut neighbours = Neighbours::move_in(&server, 1);
    let third_party = server.third_party();
    let mut deaf: Vec<(String, Device)> = (1..=2)
        .map(|number| {
            let mut device = Device::connect(&bootstrap);
            let install = InstallId::from_bytes([number; 16]);
            let hello = hello(&bootstrap, Identity::Register(install), [number; 32]);
            (device.greet(hello).to_string(), device)
        })
        .collect();
    stays_flat(&server, "devices-that-never-ack-or-read", |_| {
        for _ in 0..PUSHES_PER_ROUND {
            for (cid, _) in &deaf {
                // Not stored: what waits for them waits in memory or nowhere.
                third_party
                    .push_single_cid(cid, &push_of("中", Some(-1)))
                    .expect("accepted");
            }
        }
        // The first one reads, and acknowledges nothing; the second one does neither.
        deaf[0].1.send(&[Frame::Ping]);
        let mut pushes = 0;
        while !matches!(deaf[0].1.receive().expect("connected"), Frame::Pong) {
            pushes += 1;
        }
        assert!(pushes <= usize::from(server_core::limits::WINDOW_LEN_MAX));
        neighbours.notice_nothing();
    });
    neighbours.move_out();
}

#[test]
fn given_a_device_that_asks_and_never_reads_when_it_goes_on_should_be_read_no_more_and_cut() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = Server::start_configured(dir.path(), 1, SHORT);
    let bootstrap = server.bootstrap();
    let mut neighbours = Neighbours::move_in(&server, 1);
    let mut device = Device::connect(&bootstrap);
    let install = InstallId::from_bytes([1; 16]);
    device.greet(hello(&bootstrap, Identity::Register(install), [1; 32]));
    let error = ask_until_cut(&server, &mut device);
    assert!(was_cut(&error), "{error}");
    told_once(&server, 1, "no sign of life in time");
    neighbours.notice_nothing();
    neighbours.move_out();
}

#[test]
fn given_devices_that_never_ack_or_never_read_when_pushed_to_should_get_a_window_and_later_all() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = Server::start(dir.path(), 1, &[]);
    let bootstrap = server.bootstrap();
    let mut neighbours = Neighbours::move_in(&server, 1);
    let third_party = server.third_party();
    let cids: Vec<ClientId> = (1..=2).map(|number| register(&bootstrap, number)).collect();
    let [mut no_ack, mut no_read] = [0_u8, 1].map(|at| {
        let mut device = Device::connect(&bootstrap);
        let cid = cids[usize::from(at)];
        device.greet(hello(&bootstrap, Identity::Login(cid), [at + 1; 32]));
        device
    });
    const PUSHES: usize = 200;
    for number in 0..PUSHES {
        for cid in &cids {
            third_party
                .push_single_cid(&cid.to_string(), &push_of("x", None))
                .expect("accepted");
        }
        if number % 20 == 0 {
            neighbours.notice_nothing();
        }
    }
    // The pong stands behind everything that was sent: a window, and no more. It stays connected.
    no_ack.send(&[Frame::Ping]);
    let mut got: Vec<MessageId> = Vec::new();
    loop {
        match no_ack.receive().expect("connected") {
            Frame::Push(push) => got.push(push.id),
            Frame::Pong => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(got.len(), usize::from(server_core::limits::WINDOW_LEN_MAX));
    no_read.send(&[Frame::Ping]);

    // Who comes back gets everything, in order.
    for (at, cid) in (1..).zip(&cids) {
        let mut device = Device::connect(&bootstrap);
        device.greet(hello(&bootstrap, Identity::Login(*cid), [at; 32]));
        let mut ids: Vec<MessageId> = Vec::new();
        while ids.len() < PUSHES {
            if let Frame::Push(push) = device.receive().expect("connected") {
                ids.push(push.id);
                device.send(&[Frame::Ack(protocol::Ack { ids: vec![push.id] })]);
            }
        }
        assert!(
            ids.windows(2).all(|pair| pair[0] < pair[1]),
            "in order, each once"
        );
    }
    neighbours.notice_nothing();
    neighbours.move_out();
}
