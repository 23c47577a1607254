//! A storm of logins that is more than a shard can take in time.

use std::io::Write;
use std::net::TcpStream;
use std::process::Command;

use protocol::{Close, CloseReason, Frame, Identity, InstallId};
use sdk_sim::bootstrap::Bootstrap;

use super::harness::device::{Device, client_hello, hello};
use super::harness::neighbour::Neighbours;
use super::harness::{Server, wait_for};

/// Connections at once: more than a line of half a second takes, at the rate that a shard is taken to
/// be good for at first.
const CROWD: usize = 1600;

/// Every how many of them is a device that hears what it is told.
const EVERY: usize = 50;

fn signal(server: &Server, name: &str) {
    let done = Command::new("kill")
        .args([name, &server.pid().to_string()])
        .status();
    assert!(done.expect("kill").success());
}

/// Registers; the close if that is what it is told.
fn try_to_register(bootstrap: &Bootstrap, socket: TcpStream, number: u8) -> Result<(), Close> {
    let mut device = Device::over(bootstrap, socket, &[protocol::ALPN]);
    let install = InstallId::from_bytes([number; 16]);
    let hello = hello(bootstrap, Identity::Register(install), [number; 32]);
    // A server that turns it away may have closed before this was sent.
    let mut bytes = bytes::BytesMut::new();
    Frame::Hello(hello).encode(&mut bytes);
    let _ = device.try_send_bytes(&bytes);
    match device.receive().expect("an answer before the end") {
        Frame::Welcome(_) => Ok(()),
        Frame::Close(close) => Err(close),
        other => panic!("{other:?} to a hello"),
    }
}

#[test]
fn given_more_logins_than_a_shard_takes_in_time_when_they_come_at_once_should_be_told_when_to_return()
 {
    let dir = tempfile::tempdir().expect("a folder");
    // Who waits longer than half a second is turned away.
    let toml = "[devices]\nhello_timeout_s = 1\n";
    let server = Server::start_configured(dir.path(), 1, toml);
    let bootstrap = server.bootstrap();
    let mut neighbours = Neighbours::move_in(&server, 1);
    let tls = client_hello(&bootstrap);
    // All of them stand before a server that does not run: none can be taken before the last is there.
    signal(&server, "-STOP");
    let mut silent = Vec::new();
    let mut devices = Vec::new();
    for number in 0..CROWD {
        let mut socket = TcpStream::connect(server.device()).expect("connected");
        if number % EVERY == 0 {
            let (bootstrap, number) = (bootstrap.clone(), (number / EVERY) as u8);
            let login = move || try_to_register(&bootstrap, socket, number);
            devices.push(std::thread::spawn(login));
        } else {
            socket.write_all(&tls).expect("sent");
            silent.push(socket);
        }
    }
    signal(&server, "-CONT");
    let told: Vec<Result<(), Close>> = devices
        .into_iter()
        .map(|thread| thread.join().expect("an answer"))
        .collect();
    let closes: Vec<&Close> = told.iter().filter_map(|told| told.as_ref().err()).collect();
    println!("{closes:?}");
    println!("{} of {} came in", told.len() - closes.len(), told.len());
    assert!(!closes.is_empty(), "all of them came in at once");
    let mut waits: Vec<u32> = closes.iter().map(|close| close.retry_after_ms).collect();
    for close in &closes {
        assert_eq!(close.reason, CloseReason::Overloaded, "{close:?}");
        assert!(
            (1000..=120_000).contains(&close.retry_after_ms),
            "{close:?}"
        );
    }
    waits.sort_unstable();
    waits.dedup();
    // They are drawn from a second: two of ten may fall on one millisecond, and not half of them.
    assert!(
        waits.len() * 2 > closes.len(),
        "each has a moment of its own: {waits:?} of {}",
        closes.len()
    );
    neighbours.notice_nothing();
    drop(silent);

    assert!(server.metric("ringpost_logins_shed_total") >= closes.len() as u64);
    let log = server.log();
    assert_eq!(log.matches("logins are shed").count(), 1, "{log}");
    // When the storm is over everybody comes in, and nobody waits any more.
    for number in 0..(CROWD / EVERY) as u8 {
        wait_for("a device to come in", || {
            let socket = TcpStream::connect(server.device()).expect("connected");
            try_to_register(&bootstrap, socket, number).ok()
        });
    }
    for gauge in ["ringpost_logins_waiting", "ringpost_handshakes"] {
        wait_for(gauge, || (server.metric(gauge) == 0).then_some(()));
    }
    neighbours.notice_nothing();
    println!("longest wait for a pong: {:?}", neighbours.move_out());
}
