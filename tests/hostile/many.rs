//! Many hostile peers at once, in rounds: what they cost must not add up.

use std::io::Write;
use std::net::TcpStream;
use std::time::Instant;

use protocol::{CloseReason, Frame, Identity, InstallId};
use sdk_sim::file_limit::devices_that_fit;
use server::limits::GREETINGS_MAX;

use super::harness::device::{Device, hello, register};
use super::harness::neighbour::Neighbours;
use super::harness::process::rss_kib;
use super::harness::{Server, wait_for};
use super::{CUT_WAIT_MAX, client_hello, is_cut, raw, told_once};

/// Rounds that warm the allocator, and rounds that must add nothing.
const WARM_UP: usize = 3;
const ROUNDS: usize = 5;

/// What memory may differ between two rounds that are alike: pages the allocator has not given
/// back yet, and the store's own buffers.
const SLACK_KIB: u64 = 6 * 1024;

/// Bytes that one fast peer sends.
const FLOOD_LEN: usize = 24 * 1024 * 1024;

/// Runs rounds of an attack, each of which gives the server's memory at its height: neither that
/// nor what is left after a round may rise after the warm-up.
fn stays_flat(server: &Server, mut round: impl FnMut(usize) -> u64) {
    let (mut at_height, mut after) = (Vec::new(), Vec::new());
    for number in 0..WARM_UP + ROUNDS {
        at_height.push(round(number));
        after.push(rss_kib(server.pid()));
    }
    is_flat("at the height of each round", &at_height);
    is_flat("after each round", &after);
}

fn is_flat(when: &str, curve: &[u64]) {
    println!("memory {when}, KiB: {curve:?}");
    let (warm, later) = curve.split_at(WARM_UP);
    let (warm, later) = (warm.iter().max(), later.iter().max());
    let (warm, later) = (*warm.expect("rounds"), *later.expect("rounds"));
    assert!(
        later <= warm + SLACK_KIB,
        "memory rises {when}: {curve:?} KiB"
    );
}

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
    stays_flat(&server, |number| {
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
        let height = rss_kib(server.pid());
        // Those who behave come in all the same.
        register(&bootstrap, number as u8);
        neighbours.notice_nothing();
        open.iter_mut().for_each(is_cut);
        assert!(since.elapsed() < CUT_WAIT_MAX, "{:?}", since.elapsed());
        height
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
    stays_flat(&server, |_| {
        // Many on one connection: the second one ends it, the others are never looked at.
        let mut flood = Device::connect(&bootstrap);
        flood.send(&vec![Frame::Hello(login.clone()); 2000]);
        assert_eq!(flood.last_word(), Some(CloseReason::UnexpectedFrame));
        // The same install id over and over, and many connections with a hello each.
        for at in 0..100 {
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
        let height = rss_kib(server.pid());
        neighbours.notice_nothing();
        height
    });
    told_once(&server, 2, "unexpected frame");
    told_once(&server, 2, "bad credential");
    println!("longest wait for a pong: {:?}", neighbours.move_out());
    assert!(server.stop().success());
    // What was not told at once is told as a count.
    let refused = (WARM_UP + ROUNDS) * 50;
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
    stays_flat(&server, |_| {
        for at in 0..300 {
            let mut socket = raw(&server);
            socket
                .write_all(&tls[..tls.len() * (at % 3) / 2])
                .expect("sent");
        }
        let height = rss_kib(server.pid());
        neighbours.notice_nothing();
        height
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
    let floods: Vec<_> = (1..)
        .zip([pongs, ignorable, after_the_end])
        .map(|(number, bytes)| {
            let bootstrap = server.bootstrap();
            std::thread::spawn(move || {
                let install = InstallId::from_bytes([number; 16]);
                let mut device = Device::connect(&bootstrap);
                device.greet(hello(&bootstrap, Identity::Register(install), [number; 32]));
                let mut sent = 0;
                while sent < FLOOD_LEN && device.try_send_bytes(&bytes).is_ok() {
                    sent += bytes.len();
                }
                sent
            })
        })
        .collect();
    let mut noticed = 0;
    while !floods.iter().all(std::thread::JoinHandle::is_finished) {
        neighbours.notice_nothing();
        noticed += 1;
    }
    let sent: Vec<usize> = floods
        .into_iter()
        .map(|flood| flood.join().expect("a flood"))
        .collect();
    assert!(sent[..2].iter().all(|sent| *sent >= FLOOD_LEN), "{sent:?}");
    println!("{sent:?} bytes taken, {noticed} pushes to neighbours meanwhile");
    println!("longest wait for a pong: {:?}", neighbours.move_out());
}

#[test]
fn given_more_half_open_handshakes_than_a_shard_takes_when_one_device_comes_should_wait_no_longer_than_they()
 {
    let dir = tempfile::tempdir().expect("a folder");
    let toml = "[devices]\nhello_timeout_s = 5\n";
    let server = Server::start_configured(dir.path(), 1, toml);
    let mut neighbours = Neighbours::move_in(&server, 1);
    let count = GREETINGS_MAX + 100;
    if devices_that_fit(500) < count {
        println!("too few files may be open for {count} connections: not tried");
        return;
    }
    let before = rss_kib(server.pid());
    let mut open: Vec<TcpStream> = (0..count).map(|_| raw(&server)).collect();
    wait_for("the shard to take no more", || {
        let log = server.log();
        let pause = "accepting pauses";
        let mut lines = log.lines().filter(|line| line.contains(pause));
        lines
            .any(|line| line.contains("without a hello"))
            .then_some(())
    });
    let height = rss_kib(server.pid());
    neighbours.notice_nothing();
    let came = Instant::now();
    register(&server.bootstrap(), 1);
    println!(
        "{count} half-open: {} KiB more; a device behind them waited {:?}",
        height.saturating_sub(before),
        came.elapsed()
    );
    open.iter_mut().for_each(is_cut);
    neighbours.notice_nothing();
    neighbours.move_out();
}
