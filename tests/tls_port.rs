//! The device port against peers that do not speak as they should.

mod harness;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use bytes::BytesMut;
use harness::Server;
use harness::device::{Device, client_config, hello, register};
use protocol::{Ack, CloseReason, Decoder, Frame, Identity, InstallId, MessageId, Peer};
use rustls::pki_types::ServerName;
use rustls::{AlertDescription, ClientConnection};

fn close_reason(device: &mut Device) -> CloseReason {
    let reason = device.receive_until("a close", |frame| match frame {
        Frame::Close(close) => Some(close.reason),
        _ => None,
    });
    assert_eq!(device.receive(), None, "closed after the reason");
    reason
}

#[test]
fn given_no_alpn_when_connecting_should_speak_version_one_and_with_a_wrong_one_should_refuse_by_alert()
 {
    let dir = tempfile::tempdir().expect("a folder");
    let server = Server::start(dir.path(), 2, &[]);
    let bootstrap = server.bootstrap();
    let install = InstallId::from_bytes([9; 16]);
    Device::connect_with(&bootstrap, &[]).greet(hello(
        &bootstrap,
        Identity::Register(install),
        [9; 32],
    ));

    let mut socket = TcpStream::connect(server.device()).expect("connected");
    let name = ServerName::try_from("127.0.0.1").expect("a name");
    let config = client_config(&bootstrap, &[b"ringpost/999"]);
    let mut tls = ClientConnection::new(config, name).expect("TLS");
    let error = loop {
        match tls.complete_io(&mut socket) {
            Ok(_) => assert!(tls.is_handshaking(), "the handshake succeeded"),
            Err(error) => break error,
        }
    };
    let alert = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    assert_eq!(
        alert,
        Some(&rustls::Error::AlertReceived(
            AlertDescription::NoApplicationProtocol
        ))
    );
}

#[test]
fn given_garbage_instead_of_tls_when_sent_should_be_cut_at_once() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = Server::start(dir.path(), 1, &[]);
    let mut socket = TcpStream::connect(server.device()).expect("connected");
    socket
        .set_read_timeout(Some(Duration::from_secs(30)))
        .expect("set");
    socket.write_all(&[0x55; 4096]).expect("sent");
    let mut rest = Vec::new();
    // An alert, then the end or a reset; never a hang.
    let _ = socket.read_to_end(&mut rest);
    assert!(rest.len() < 64, "{} bytes", rest.len());
}

#[test]
fn given_hellos_that_must_be_refused_when_sent_should_say_why() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = Server::start(dir.path(), 2, &[]);
    let bootstrap = server.bootstrap();
    let cid = register(&bootstrap, 1);
    let login = hello(&bootstrap, Identity::Login(cid), [1; 32]);

    let mut wrong_secret = Device::connect(&bootstrap);
    wrong_secret.send(&[Frame::Hello(hello(
        &bootstrap,
        Identity::Login(cid),
        [2; 32],
    ))]);
    assert_eq!(close_reason(&mut wrong_secret), CloseReason::BadCredential);

    let mut unknown_app = Device::connect(&bootstrap);
    unknown_app.send(&[Frame::Hello(protocol::Hello {
        app_id: "nosuchappnosuchappnosuch".into(),
        ..login.clone()
    })]);
    assert_eq!(close_reason(&mut unknown_app), CloseReason::UnknownApp);

    let mut unknown_cid = Device::connect(&bootstrap);
    let nobody = protocol::ClientId::from_bytes([7; 16]);
    unknown_cid.send(&[Frame::Hello(hello(
        &bootstrap,
        Identity::Login(nobody),
        [1; 32],
    ))]);
    assert_eq!(close_reason(&mut unknown_cid), CloseReason::UnknownClient);

    let mut no_hello = Device::connect(&bootstrap);
    no_hello.send(&[Frame::Ping]);
    assert_eq!(close_reason(&mut no_hello), CloseReason::UnexpectedFrame);

    let mut no_frame = Device::connect(&bootstrap);
    no_frame.send_bytes(&[0x7e, 0x01, 0x00]);
    assert_eq!(close_reason(&mut no_frame), CloseReason::UnsupportedFrame);

    let mut bad_ack = Device::connect(&bootstrap);
    bad_ack.greet(login.clone());
    bad_ack.send(&[Frame::Ack(Ack {
        ids: vec![MessageId(u64::MAX)],
    })]);
    assert_eq!(close_reason(&mut bad_ack), CloseReason::BadAck);

    // And a good one is not disturbed by any of them.
    Device::connect(&bootstrap).greet(login);
}

#[test]
fn given_the_same_install_id_when_registering_again_should_get_the_same_cid_only_with_its_secret() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut server = Server::start(dir.path(), 2, &[]);
    let bootstrap = server.bootstrap();
    let cid = register(&bootstrap, 1);
    // Lands on either core, and after a restart too.
    for _ in 0..8 {
        assert_eq!(register(&bootstrap, 1), cid);
    }
    server.kill_nine();
    server.restart();
    assert_eq!(register(&bootstrap, 1), cid);
    let install = InstallId::from_bytes([1; 16]);
    let thief =
        Device::connect(&bootstrap).greet(hello(&bootstrap, Identity::Register(install), [66; 32]));
    assert_ne!(thief, cid);
}

#[test]
fn given_a_silent_peer_when_its_time_is_over_should_be_told_and_cut() {
    let dir = tempfile::tempdir().expect("a folder");
    let config = dir.path().join("ringpost.toml");
    std::fs::write(
        &config,
        "[heartbeat]\nmin_s = 1\ndefault_s = 1\n[devices]\nhello_timeout_s = 1\n",
    )
    .expect("written");
    let server = Server::start(dir.path(), 2, &["--config", config.to_str().expect("text")]);
    let bootstrap = server.bootstrap();
    let cid = register(&bootstrap, 1);

    let mut dead = Device::connect(&bootstrap);
    dead.greet(hello(&bootstrap, Identity::Login(cid), [1; 32]));
    assert_eq!(close_reason(&mut dead), CloseReason::HeartbeatTimeout);

    let mut half_open = TcpStream::connect(server.device()).expect("connected");
    half_open
        .set_read_timeout(Some(Duration::from_secs(30)))
        .expect("set");
    let mut rest = Vec::new();
    half_open.read_to_end(&mut rest).expect("cut, not hanging");
    assert!(rest.len() < 64, "{} bytes", rest.len());
}

#[test]
fn given_a_hello_behind_the_handshake_in_one_write_when_answered_should_get_ticket_and_welcome_in_one_piece()
 {
    let dir = tempfile::tempdir().expect("a folder");
    let server = Server::start(dir.path(), 1, &[]);
    let bootstrap = server.bootstrap();
    let (mut tls, mut socket) = Device::connect(&bootstrap).take_apart();
    let mut frames = BytesMut::new();
    let identity = Identity::Register(InstallId::from_bytes([9; 16]));
    Frame::Hello(hello(&bootstrap, identity, [9; 32])).encode(&mut frames);
    // It leaves as soon as TLS allows: with the last of the handshake.
    tls.writer().write_all(&frames).expect("kept");
    let mut came = [0; 16 * 1024];
    let mut exchange = |tls: &mut ClientConnection| {
        let mut flight = Vec::new();
        while tls.wants_write() {
            tls.write_tls(&mut flight).expect("to memory");
        }
        socket.write_all(&flight).expect("sent");
        let len = socket.read(&mut came).expect("an answer");
        tls.read_tls(&mut &came[..len]).expect("from memory");
        tls.process_new_packets().expect("good TLS");
    };
    while tls.is_handshaking() {
        exchange(&mut tls);
    }
    exchange(&mut tls);
    let mut plain = [0; 4096];
    let len = tls.reader().read(&mut plain).expect("plaintext");
    let mut decoder = Decoder::new(Peer::Server);
    decoder.push(&plain[..len]);
    let frame = decoder.next_frame().expect("a good server");
    assert!(matches!(frame, Some(Frame::Welcome(_))), "{frame:?}");
    assert_eq!(tls.tls13_tickets_received(), 1);
}
