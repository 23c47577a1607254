//! Many hostile peers at once: what they cost must not add up, and others must not wait for it.

use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use protocol::{CloseReason, Frame, Identity, InstallId};
use sdk_sim::file_limit::devices_that_fit;
use server::limits::GREETINGS_MAX;

use super::harness::device::{Device, client_hello, hello, register};
use super::harness::neighbour::Neighbours;
use super::harness::process::rss_kib;
use super::harness::{Server, wait_for};
use super::memory::{ROUNDS, WARM_UP, stays_flat};
use super::{CUT_WAIT_MAX, is_cut, raw, told_once};

/// Connections with a hello each, in one round: so many that a few KiB kept of each would show.
const HELLOS: usize = 300;

/// Pings of a good device while others send as fast as they can, and those before them that do not
/// count.
const ASKED_IN_FLOODS: usize = 200;
const WARM_UP_ASKS: usize = 20;

/// Bytes of two-byte frames that may be taken from one fast peer while a good device waits for a
/// pong, on the average. Measured: up to 3 KiB; from 37 KiB without turns between frames.
const PONGS_AHEAD_MAX: usize = 16 * 1024;

/// The same for long frames that nobody looks into. Measured: up to 0.3 MiB; from 3.5 MiB without
/// turns between reads.
const IGNORABLE_AHEAD_MAX: usize = 2 * 1024 * 1024;

#[test]
fn given_two_thousand_half_open_handshakes_when_repeated_should_be_cut_with_memory_flat() {
    let dir = tempfile::tempdir().expect("a folder");
    // Long enough for all of them to stand open at one time on a slow machine.
    let toml = "[devices]\nhello_timeout_s = 5\n";
    let server = Server::start_configured(dir.path(), 2, toml);
    let bootstrap = server.bootstrap();
    let mut neighbours = Neighbours::move_in(&server, 2);
    // Other tests of this process hold some files too.
    let count = devices_that_fit(500).min(2000);
    println!("{count} half-open handshakes at a time");
    let tls = client_hello(&bootstrap);
    stays_flat(&server, "half-open-handshakes", |number| {
        let mut open: Vec<TcpStream> = (0..count)
            .map(|at| {
                let mut socket = raw(&server);
                // Nothing, half a client hello, or all of it and then nothing.
                let bytes = &tls[..tls.len() * (at % 3) / 2];
                socket.write_all(bytes).expect("sent");
                socket
            })
            .collect();
        let since = Instant::now();
        // Those who behave come in all the same.
        register(&bootstrap, number as u8);
        neighbours.notice_nothing();
        open.iter_mut().for_each(is_cut);
        assert!(since.elapsed() < CUT_WAIT_MAX, "{:?}", since.elapsed());
    });
    told_once(&server, 2, "no hello in time");
    println!("longest wait for a pong: {:?}", neighbours.move_out());
}

#[test]
fn given_floods_of_hellos_when_repeated_should_be_told_with_memory_flat_and_the_log_short() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut server = Server::start(dir.path(), 2, &[]);
    let bootstrap = server.bootstrap();
    let mut neighbours = Neighbours::move_in(&server, 2);
    let cid = register(&bootstrap, 1);
    let login = hello(&bootstrap, Identity::Login(cid), [1; 32]);
    let wrong = hello(&bootstrap, Identity::Login(cid), [2; 32]);
    stays_flat(&server, "hello-floods", |_| {
        // Many on one connection: the second one ends it, the others are never looked at.
        let mut flood = Device::connect(&bootstrap);
        flood.send(&vec![Frame::Hello(login.clone()); 2000]);
        assert_eq!(flood.last_word(), Some(CloseReason::UnexpectedFrame));
        // The same install id over and over, and many connections with a hello each.
        for at in 0..HELLOS {
            let mut device = Device::connect(&bootstrap);
            if at % 2 == 0 {
                device.send(&[Frame::Hello(wrong.clone())]);
                assert_eq!(device.last_word(), Some(CloseReason::BadCredential));
            } else {
                let install = InstallId::from_bytes([1; 16]);
                let again = hello(&bootstrap, Identity::Register(install), [1; 32]);
                assert_eq!(device.greet(again), cid);
            }
        }
        neighbours.notice_nothing();
    });
    told_once(&server, 2, "unexpected frame");
    told_once(&server, 2, "bad credential");
    println!("longest wait for a pong: {:?}", neighbours.move_out());
    assert!(server.stop().success());
    // What was not told at once is told as a count.
    let refused = (WARM_UP + ROUNDS) * HELLOS / 2;
    let log = server.log();
    let lines = log.lines().filter(|line| line.contains("bad credential"));
    let (first, more): (Vec<&str>, Vec<&str>) =
        lines.partition(|line| line.contains("a peer is cut off"));
    let counted: usize = more
        .iter()
        .map(|line| {
            let text = line.split("more=").nth(1).expect("a count");
            let digits = text.split(' ').next().unwrap_or(text);
            digits.parse::<usize>().expect("a number")
        })
        .sum();
    assert_eq!(first.len() + counted, refused, "{first:?} {more:?}");
}

#[test]
fn given_connections_that_come_and_go_at_once_when_repeated_should_leave_nothing_behind() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = Server::start(dir.path(), 2, &[]);
    let bootstrap = server.bootstrap();
    let mut neighbours = Neighbours::move_in(&server, 2);
    let tls = client_hello(&bootstrap);
    let files = super::harness::process::open_files(server.pid());
    stays_flat(&server, "connections-that-come-and-go", |_| {
        for at in 0..300 {
            let mut socket = raw(&server);
            socket
                .write_all(&tls[..tls.len() * (at % 3) / 2])
                .expect("sent");
        }
        neighbours.notice_nothing();
    });
    wait_for("all descriptors to be given back", || {
        (super::harness::process::open_files(server.pid()) <= files + 2).then_some(())
    });
    neighbours.move_out();
}

#[test]
fn given_peers_that_send_as_fast_as_they_can_when_good_devices_share_their_core_should_all_be_served()
 {
    let dir = tempfile::tempdir().expect("a folder");
    let server = Server::start(dir.path(), 1, &[]);
    let mut neighbours = Neighbours::move_in(&server, 1);
    // A pong is never answered and is a sign of life: nothing ends this one but itself.
    let pongs = [0x04, 0x00].repeat(8 * 1024);
    // Ignorable frames of the longest kind: few frames, many bytes.
    let mut ignorable = vec![0x80, 0x80, 0x40];
    ignorable.resize(3 + 8192, 0);
    // After its bad frame everything is thrown away, for as long as a closing peer is read.
    let after_the_end = [&[0x00, 0x00][..], &[0x55; 16 * 1024]].concat();
    // They go on until all others were served: who waits for their end waits for ever.
    let stop = Arc::new(AtomicBool::new(false));
    let floods: Vec<_> = (1..)
        .zip([pongs, ignorable, after_the_end])
        .map(|(number, bytes)| {
            let (bootstrap, stop) = (server.bootstrap(), Arc::clone(&stop));
            let sent = Arc::new(AtomicUsize::new(0));
            let counted = Arc::clone(&sent);
            let thread = std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let install = InstallId::from_bytes([number; 16]);
                    let identity = Identity::Register(install);
                    let mut device = Device::connect(&bootstrap);
                    device.greet(hello(&bootstrap, identity, [number; 32]));
                    while !stop.load(Ordering::Relaxed) && device.try_send_bytes(&bytes).is_ok() {
                        counted.fetch_add(bytes.len(), Ordering::Relaxed);
                    }
                }
            });
            (sent, thread)
        })
        .collect();
    let sent = || -> Vec<usize> {
        let each = floods.iter().map(|(sent, _)| sent.load(Ordering::Relaxed));
        each.collect()
    };
    // Measured in bytes of the others and not in time, which a loaded machine stretches.
    let mut asking = Device::connect(&server.bootstrap());
    let install = InstallId::from_bytes([9; 16]);
    asking.greet(hello(
        &server.bootstrap(),
        Identity::Register(install),
        [9; 32],
    ));
    let mut meanwhile = vec![0; floods.len()];
    for asked in 0..WARM_UP_ASKS + ASKED_IN_FLOODS {
        assert!(!floods.iter().any(|(_, thread)| thread.is_finished()));
        let before = sent();
        asking.send(&[Frame::Ping]);
        assert!(matches!(asking.receive(), Some(Frame::Pong)));
        let after = sent().into_iter().zip(before);
        // The first of them are asked while the floods fill the buffers of the kernel.
        for (total, (after, before)) in meanwhile.iter_mut().zip(after) {
            *total += usize::from(asked >= WARM_UP_ASKS) * (after - before);
        }
        if asked % 20 == 0 {
            neighbours.notice_nothing();
        }
    }
    let each: Vec<usize> = meanwhile
        .iter()
        .map(|total| total / ASKED_IN_FLOODS)
        .collect();
    println!(
        "{:?} bytes taken, {each:?} of them between a ping and its pong",
        sent()
    );
    assert!(
        each[0] <= PONGS_AHEAD_MAX,
        "{each:?} bytes before each pong"
    );
    assert!(
        each[1] <= IGNORABLE_AHEAD_MAX,
        "{each:?} bytes before each pong"
    );
    stop.store(true, Ordering::Relaxed);
    for (_, thread) in floods {
        thread.join().expect("a flood");
    }
    println!("longest wait for a pong: {:?}", neighbours.move_out());
}

#[test]
fn given_more_half_open_handshakes_than_a_shard_takes_when_one_device_comes_should_come_in_or_be_told_when()
 {
    let dir = tempfile::tempdir().expect("a folder");
    let toml = "[devices]\nhello_timeout_s = 10\n";
    let server = Server::start_configured(dir.path(), 1, toml);
    let mut neighbours = Neighbours::move_in(&server, 1);
    let count = GREETINGS_MAX + 100;
    if devices_that_fit(500) < count {
        println!("too few files may be open for {count} connections: not tried");
        return;
    }
    let before = rss_kib(server.pid());
    let mut open: Vec<TcpStream> = (0..count).map(|_| raw(&server)).collect();
    wait_for("the shard to begin no more logins", || {
        let begun = server.metric("ringpost_handshakes");
        assert!(begun <= GREETINGS_MAX as u64, "{begun} handshakes");
        (begun == GREETINGS_MAX as u64).then_some(())
    });
    let height = rss_kib(server.pid());
    neighbours.notice_nothing();
    let came = Instant::now();
    let bootstrap = server.bootstrap();
    let mut device = Device::connect(&bootstrap);
    let install = InstallId::from_bytes([1; 16]);
    let register_it = hello(&bootstrap, Identity::Register(install), [1; 32]);
    device.send(&[Frame::Hello(register_it)]);
    let told = device.receive().expect("an answer");
    println!(
        "{count} half-open: {} KiB more; a device behind them waited {:?} for {told:?}",
        height.saturating_sub(before),
        came.elapsed()
    );
    match told {
        Frame::Welcome(_) => {}
        Frame::Close(close) => {
            assert_eq!(close.reason, CloseReason::Overloaded);
            assert!(close.retry_after_ms > 0, "{close:?}");
        }
        other => panic!("{other:?} to a hello"),
    }
    open.iter_mut().for_each(is_cut);
    register(&bootstrap, 2);
    neighbours.notice_nothing();
    neighbours.move_out();
}
