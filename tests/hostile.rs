//! Peers that mean harm, against a real server: each is told why or cut within its limit, the log
//! says so once, and good devices on the same cores notice nothing.
//!
//! The parts: this file (one peer at a time), `hostile/deaf.rs` (devices that never acknowledge or
//! never read), `hostile/many.rs` (floods), `hostile/memory.rs` (memory over rounds),
//! `hostile/file_limit.rs` (no descriptor left).

#[path = "hostile/deaf.rs"]
mod deaf;
#[path = "hostile/file_limit.rs"]
mod file_limit;
mod harness;
#[path = "hostile/many.rs"]
mod many;
#[path = "hostile/memory.rs"]
mod memory;

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use harness::device::{Device, client_config, client_hello, hello, register};
use harness::neighbour::Neighbours;
use harness::process::cpu_percent_over;
use harness::{Server, wait_for};
use protocol::{CloseReason, Frame, Identity, InstallId};
use rustls::ClientConnection;
use rustls::pki_types::ServerName;

/// Short times, so that a cut is soon; good devices ask for longer ones.
const SHORT: &str = "[heartbeat]\nmin_s = 1\ndefault_s = 1\n[devices]\nhello_timeout_s = 1\n";

/// A cut that takes longer than this is no cut: one second, and what a loaded machine adds.
const CUT_WAIT_MAX: Duration = Duration::from_secs(20);

/// Where the curves of memory are written, if they are asked for.
fn curves_folder() -> Option<PathBuf> {
    std::env::var_os("RINGPOST_CURVES").map(PathBuf::from)
}

/// Waits for the line that tells of an offence; it may come once per shard, and no more.
fn told_once(server: &Server, shards: usize, offence: &str) {
    let offence = format!("offence=\"{offence}\"");
    let count = || {
        let log = server.log();
        let told = |line: &&str| line.contains("a peer is cut off") && line.contains(&offence);
        log.lines().filter(told).count()
    };
    wait_for(&offence, || (count() > 0).then_some(()));
    assert!(count() <= shards, "{} lines of {offence}", count());
}

/// A raw connection whose reads end with [`CUT_WAIT_MAX`].
fn raw(server: &Server) -> TcpStream {
    let socket = TcpStream::connect(server.device()).expect("connected");
    socket.set_read_timeout(Some(CUT_WAIT_MAX)).expect("set");
    socket
}

/// Reads until the server ends it; fails if it does not.
fn is_cut(socket: &mut TcpStream) {
    let mut rest = Vec::new();
    match socket.read_to_end(&mut rest) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        Err(error) => panic!("not cut: {error}"),
    }
}

fn encoded(frame: Frame) -> BytesMut {
    let mut bytes = BytesMut::new();
    frame.encode(&mut bytes);
    bytes
}

/// Gives `bytes` one at a time, ten a second, until the peer ends it; how long that took.
fn drip(mut give: impl FnMut(u8) -> bool, bytes: &[u8]) -> Duration {
    let started = Instant::now();
    for byte in bytes.iter().cycle() {
        if !give(*byte) {
            break;
        }
        assert!(started.elapsed() < CUT_WAIT_MAX, "never cut");
        std::thread::park_timeout(Duration::from_millis(100));
    }
    started.elapsed()
}

#[test]
fn given_devices_that_are_not_who_they_say_when_greeting_should_be_told_and_logged_once() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = Server::start(dir.path(), 1, &[]);
    let bootstrap = server.bootstrap();
    let mut neighbours = Neighbours::move_in(&server, 1);
    let cid = register(&bootstrap, 1);

    let other_app = server.create_app("another");
    let login = hello(&bootstrap, Identity::Login(cid), [1; 32]);
    let wrong_secret = protocol::Hello {
        secret: protocol::DeviceSecret::from_bytes([2; 32]),
        ..login.clone()
    };
    let foreign_app = protocol::Hello {
        app_id: other_app,
        ..login.clone()
    };
    let unknown_app = protocol::Hello {
        app_id: "nosuchappnosuchappnosuch".into(),
        ..login.clone()
    };
    // Each many times: the log must not grow with them.
    for _ in 0..20 {
        for (hello, reason) in [
            (&wrong_secret, CloseReason::BadCredential),
            (&foreign_app, CloseReason::UnknownClient),
            (&unknown_app, CloseReason::UnknownApp),
        ] {
            let mut device = Device::connect(&bootstrap);
            device.send(&[Frame::Hello(hello.clone())]);
            assert_eq!(device.last_word(), Some(reason));
        }
    }
    for offence in ["bad credential", "unknown client", "unknown app"] {
        told_once(&server, 1, offence);
    }
    neighbours.notice_nothing();
    neighbours.move_out();
    Device::connect(&bootstrap).greet(login);
}

#[test]
fn given_a_client_that_trusts_another_authority_when_connecting_should_give_up_and_the_server_go_on()
 {
    let dir = tempfile::tempdir().expect("a folder");
    let other_dir = tempfile::tempdir().expect("a folder");
    let server = Server::start(dir.path(), 1, &[]);
    let other = Server::start(other_dir.path(), 1, &[]).bootstrap();
    let mut neighbours = Neighbours::move_in(&server, 1);
    for _ in 0..20 {
        let mut socket = raw(&server);
        let name = ServerName::try_from("127.0.0.1").expect("a name");
        let config = client_config(&other, &[protocol::ALPN]);
        let mut tls = ClientConnection::new(config, name).expect("TLS");
        let error = loop {
            match tls.complete_io(&mut socket) {
                Ok(_) => assert!(tls.is_handshaking(), "it trusts a stranger"),
                Err(error) => break error,
            }
        };
        let text = error.to_string();
        assert!(text.contains("invalid peer certificate"), "{text}");
        is_cut(&mut socket);
    }
    told_once(&server, 1, "broken TLS");
    neighbours.notice_nothing();
    neighbours.move_out();
}

#[test]
fn given_bytes_that_are_no_protocol_when_sent_should_be_told_or_cut_and_logged_once() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = Server::start(dir.path(), 2, &[]);
    let bootstrap = server.bootstrap();
    let mut neighbours = Neighbours::move_in(&server, 2);
    let cid = register(&bootstrap, 1);
    let too_long_first = [0x01, 0x81, 0x04];
    let too_long_later = [0x08, 0x81, 0x80, 0x01];
    for _ in 0..10 {
        let mut socket = raw(&server);
        socket
            .write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            .expect("sent");
        is_cut(&mut socket);

        let cases = [
            (&[0x00, 0x00][..], CloseReason::UnsupportedFrame),
            (&too_long_first, CloseReason::FrameTooLong),
            (&[0x01, 0x00], CloseReason::ProtocolError),
        ];
        for (bytes, reason) in cases {
            let mut device = Device::connect(&bootstrap);
            device.send_bytes(bytes);
            assert_eq!(device.last_word(), Some(reason), "{bytes:02x?}");
        }
        let mut device = Device::connect(&bootstrap);
        device.greet(hello(&bootstrap, Identity::Login(cid), [1; 32]));
        device.send_bytes(&too_long_later);
        assert_eq!(device.last_word(), Some(CloseReason::FrameTooLong));
    }
    for offence in [
        "broken TLS",
        "unknown frame",
        "frame over its limit",
        "malformed frame",
    ] {
        told_once(&server, 2, offence);
    }
    neighbours.notice_nothing();
    neighbours.move_out();
}

#[test]
fn given_peers_that_stop_or_drip_when_their_time_is_over_should_be_cut() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = Server::start_configured(dir.path(), 2, SHORT);
    let bootstrap = server.bootstrap();
    let mut neighbours = Neighbours::move_in(&server, 2);
    let cid = register(&bootstrap, 1);
    let login = || hello(&bootstrap, Identity::Login(cid), [1; 32]);

    // Before TLS is up: silence, half a client hello, a byte at a time.
    let tls = client_hello(&bootstrap);
    let mut silent = raw(&server);
    let mut half = raw(&server);
    half.write_all(&tls[..tls.len() / 2]).expect("sent");
    let mut dripping = raw(&server);
    drip(|byte| dripping.write_all(&[byte]).is_ok(), &tls);
    is_cut(&mut silent);
    is_cut(&mut half);

    // Inside TLS: silence, half a hello, a byte at a time.
    let frame = encoded(Frame::Hello(login()));
    let mut silent = Device::connect(&bootstrap);
    silent.send_bytes(&[]);
    let mut half = Device::connect(&bootstrap);
    half.send_bytes(&frame[..frame.len() / 2]);
    let mut dripping = Device::connect(&bootstrap);
    drip(
        |byte| dripping.try_send_bytes(&[byte]).is_ok(),
        &[0x81, 0x80, 0x01],
    );
    for device in [&mut silent, &mut half] {
        assert_eq!(device.last_word(), Some(CloseReason::HelloTimeout));
    }

    // After the login: half a frame, then silence or a byte at a time.
    let mut half = Device::connect(&bootstrap);
    half.greet(login());
    half.send_bytes(&[0x08, 0x10, 0x00]);
    assert_eq!(half.last_word(), Some(CloseReason::HeartbeatTimeout));
    let mut dripping = Device::connect(&bootstrap);
    dripping.greet(login());
    dripping.send_bytes(&[0x08, 0xff, 0x7f]);
    drip(|byte| dripping.try_send_bytes(&[byte]).is_ok(), &[0]);

    told_once(&server, 2, "no hello in time");
    told_once(&server, 2, "no sign of life in time");
    neighbours.notice_nothing();
    neighbours.move_out();
}

#[test]
fn given_bytes_behind_the_end_of_tls_when_they_fill_more_than_one_read_should_not_stop_the_shard() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = Server::start(dir.path(), 1, &[]);
    let bootstrap = server.bootstrap();
    let mut neighbours = Neighbours::move_in(&server, 1);
    let mut device = Device::connect(&bootstrap);
    // One frame, so that the handshake is over on both sides.
    device.send(&[Frame::Close(protocol::Close {
        reason: CloseReason::Normal,
        retry_after_ms: 0,
        text: String::new(),
    })]);
    let mut unended = Device::connect(&bootstrap);
    let install = InstallId::from_bytes([1; 16]);
    unended.greet(hello(&bootstrap, Identity::Register(install), [1; 32]));
    for device in [device, unended] {
        let (mut tls, mut socket) = device.take_apart();
        tls.send_close_notify();
        let mut bytes = Vec::new();
        tls.write_tls(&mut bytes).expect("to memory");
        bytes.extend([0x17, 0x03, 0x03, 0x40, 0x00]);
        bytes.resize(16_000, 0);
        // The first of them may find its connection closed already.
        let _ = socket.write_all(&bytes);
        neighbours.notice_nothing();
    }
    let busy = cpu_percent_over(server.pid(), Duration::from_secs(1));
    assert!(busy < 50, "{busy} % of a core for nothing");
    neighbours.move_out();
}
