//! Who is let in, with real processes: addresses, balancers, what an app allows, packed bodies.

mod harness;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use harness::device::{Device, hello, register};
use harness::{PATIENCE, Server, wait_for};
use protocol::{CloseReason, Command, Frame, Identity, InstallId, Operation, ResultCode};
use sdk_sim::third_party::{CallError, Push, PushBody};
use serde_json::{Value, json};

const BALANCED: &str = "device_proxy_protocol = true\ntrusted_proxies = ['127.0.0.1']\n\
    device_deny = ['192.0.2.0/24']\n[devices]\nhello_timeout_s = 2\n";

/// A PROXY header for TCP over IPv4 from this address.
fn proxied(source: [u8; 4]) -> Vec<u8> {
    let addresses = [&source[..], &[198, 51, 100, 200], &[0x12, 0x67, 0x14, 0x68]].concat();
    [b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c", &addresses[..]].concat()
}

/// A balancer's connection of its own.
const LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00";

fn connect(server: &Server) -> TcpStream {
    let socket = TcpStream::connect(server.device()).expect("connected");
    socket.set_nodelay(true).expect("set");
    socket.set_read_timeout(Some(PATIENCE)).expect("set");
    socket
}

/// A device behind a balancer that begins the connection with these bytes.
fn behind(server: &Server, header: &[u8]) -> Device {
    let mut socket = connect(server);
    socket.write_all(header).expect("sent");
    Device::over(&server.bootstrap(), socket, &[protocol::ALPN])
}

fn install(server: &Server, number: u8) -> protocol::Hello {
    let install = InstallId::from_bytes([number; 16]);
    hello(
        &server.bootstrap(),
        Identity::Register(install),
        [number; 32],
    )
}

/// What comes until the server closes.
fn rest(mut socket: TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A reset is an end, too.
    let _ = socket.read_to_end(&mut bytes);
    bytes
}

fn set(server: &Server, settings: &[&str]) {
    let app = server.bootstrap().app.appid;
    let output = server.run(&[&["app", "set", &app], settings].concat());
    assert!(output.status.success(), "{output:?}");
}

fn close_reason(device: &mut Device) -> CloseReason {
    device.receive_until("a close", |frame| match frame {
        Frame::Close(close) => Some(close.reason),
        _ => None,
    })
}

#[test]
fn given_a_balancer_when_it_names_devices_should_serve_some_and_shut_others_out_before_tls() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = Server::start_configured(dir.path(), 2, BALANCED);
    behind(&server, &proxied([203, 0, 113, 5])).greet(install(&server, 1));
    behind(&server, LOCAL).greet(install(&server, 2));
    // However the header is cut, and with TLS close behind it.
    let mut socket = connect(&server);
    for byte in proxied([203, 0, 113, 6]) {
        socket.write_all(&[byte]).expect("sent");
    }
    let alpn = [protocol::ALPN];
    Device::over(&server.bootstrap(), socket, &alpn).greet(install(&server, 3));
    assert_eq!(server.metric("ringpost_connections_denied_total"), 0);

    let mut denied = connect(&server);
    denied.write_all(&proxied([192, 0, 2, 7])).expect("sent");
    assert_eq!(rest(denied), b"", "not a byte of TLS");
    assert_eq!(server.metric("ringpost_connections_denied_total"), 1);
    let log = server.log();
    assert!(
        log.contains("denied address") && log.contains("192.0.2.7"),
        "{log}"
    );

    // A balancer that does not say whom it speaks for is cut, whatever it says instead.
    for first in [
        &b"\x16\x03\x01\x02\x00"[..],
        b"PROXY TCP4 ",
        b"\r\n\r\n\0\r\nQUIT\n\x31",
    ] {
        let mut socket = connect(&server);
        socket.write_all(first).expect("sent");
        assert_eq!(rest(socket), b"");
    }
    assert_eq!(server.metric("ringpost_proxy_headers_refused_total"), 3);
    // One that stops in the middle has the time of a hello.
    let mut socket = connect(&server);
    socket
        .write_all(&proxied([203, 0, 113, 7])[..20])
        .expect("sent");
    assert!(rest(socket).len() < 64, "an alert at most");
    behind(&server, &proxied([203, 0, 113, 5])).greet(install(&server, 4));
}

#[test]
fn given_a_peer_that_is_no_trusted_balancer_when_it_connects_should_speak_for_itself() {
    let dir = tempfile::tempdir().expect("a folder");
    let toml = "device_proxy_protocol = true\ntrusted_proxies = ['198.51.100.0/24']\n";
    let server = Server::start_configured(dir.path(), 1, toml);
    register(&server.bootstrap(), 1);
    let mut socket = connect(&server);
    socket.write_all(&proxied([203, 0, 113, 5])).expect("sent");
    assert!(rest(socket).len() < 64, "no TLS: an alert at most");
}

#[test]
fn given_denied_devices_when_they_connect_should_be_closed_while_http_goes_on() {
    let dir = tempfile::tempdir().expect("a folder");
    let toml = "device_allow = ['10.0.0.0/8', '::1']\nhttp_deny = ['203.0.113.0/24']\n\
        trusted_proxies = ['127.0.0.1']\n";
    let server = Server::start_configured(dir.path(), 2, toml);
    for _ in 0..20 {
        assert_eq!(rest(connect(&server)), b"");
    }
    assert_eq!(server.metric("ringpost_connections_denied_total"), 20);
    assert_eq!(server.metric("ringpost_connections_opened_total"), 0);
    let lines = server.log();
    let told = lines
        .lines()
        .filter(|line| line.contains("denied address"))
        .count();
    assert!(
        told <= 2,
        "one line a shard, not one a connection:\n{lines}"
    );

    let get = |forwarded: &str, path: &str| {
        let mut socket = TcpStream::connect(server.http()).expect("connected");
        let request = format!("GET {path} HTTP/1.0\r\nX-Forwarded-For: {forwarded}\r\n\r\n");
        socket.write_all(request.as_bytes()).expect("sent");
        String::from_utf8(rest(socket)).expect("text")
    };
    let denied = get("198.51.100.1, 203.0.113.9", "/metrics");
    assert!(
        denied.starts_with("HTTP/1.0 401") && denied.contains("\"code\":10002"),
        "{denied}"
    );
    for (forwarded, path) in [
        ("203.0.113.9, 198.51.100.1", "/metrics"),
        ("203.0.113.9", "/healthz"),
    ] {
        let answer = get(forwarded, path);
        assert!(answer.starts_with("HTTP/1.0 200"), "{forwarded}: {answer}");
    }
}

#[test]
fn given_the_settings_of_an_app_when_set_should_hold_for_its_devices_and_calls_and_over_a_restart()
{
    let dir = tempfile::tempdir().expect("a folder");
    let mut server = Server::start_configured(dir.path(), 2, BALANCED);
    let from = |server: &Server| behind(server, &proxied([203, 0, 113, 5]));
    let mut live = from(&server);
    let cid = live.greet(install(&server, 1));
    let login = hello(&server.bootstrap(), Identity::Login(cid), [1; 32]);
    set(
        &server,
        &[
            "registration=closed",
            "devices_may_bind=false",
            "single_per_day=1",
        ],
    );

    let bind = Operation::BindAlias {
        alias_type: String::new(),
        alias: "alice".into(),
    };
    live.send(&[Frame::Command(Command {
        serial: 1,
        operation: bind,
    })]);
    let code = live.receive_until("a result", |frame| match frame {
        Frame::CommandResult(result) => Some(result.code),
        _ => None,
    });
    assert_eq!(code, ResultCode::NotPermitted);
    let mut new = from(&server);
    new.send(&[Frame::Hello(install(&server, 2))]);
    assert_eq!(close_reason(&mut new), CloseReason::AppDisabled);
    let push = || {
        let push = Push::new(PushBody::Transmission("x".into())).expect("random");
        server
            .third_party()
            .push_single_cid(&cid.to_string(), &push)
    };
    push().expect("the one of today");
    // Midnight between the two would make the day of the second a new one.
    let second = push();
    if !matches!(
        second,
        Err(CallError::Refused {
            http: 403,
            code: 30009,
            ..
        })
    ) {
        second.expect("a new day");
        assert!(matches!(
            push(),
            Err(CallError::Refused { code: 30009, .. })
        ));
    }

    let app = server.bootstrap().app.appid;
    let output = server.run(&["app", "set", &app, "colour=red"]);
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        told.contains("colour is invalid: no such setting"),
        "{told}"
    );

    set(
        &server,
        &[
            "device_deny=203.0.113.0/28",
            "single_per_day=",
            "http_deny=192.0.2.0/24",
        ],
    );
    server.kill_nine();
    server.restart();
    let shown = server.run(&["app", "show", &app, "--json"]);
    let shown: Value = serde_json::from_slice(&shown.stdout).expect("JSON");
    assert_eq!(shown["registration"], "closed");
    assert_eq!(shown["device_deny"], json!(["203.0.113.0/28"]));
    assert_eq!(
        (&shown["single_per_day"], &shown["devices_may_bind"]),
        (&json!(0), &json!(false))
    );
    let mut denied = from(&server);
    denied.send(&[Frame::Hello(login.clone())]);
    assert_eq!(denied.last_word(), None, "closed without a word");
    assert_eq!(server.metric("ringpost_connections_denied_total"), 1);
    behind(&server, &proxied([203, 0, 113, 16])).greet(login);
}

#[test]
fn given_packed_requests_when_sent_should_be_done_and_answered_packed_where_asked() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = Server::start(dir.path(), 2, &[]);
    let bootstrap = server.bootstrap();
    let mut device = Device::connect(&bootstrap);
    let cid = device.greet(install(&server, 1)).to_string();
    let token = server.third_party().token().expect("a token");
    let text = "packed ".repeat(400);
    let body = json!({"request_id": "a-packed-request", "audience": {"cid": [cid]},
        "push_message": {"transmission": text}});
    let mut into = GzEncoder::new(Vec::new(), Compression::default());
    into.write_all(body.to_string().as_bytes()).expect("packed");
    let packed = into.finish().expect("packed");
    assert!(packed.len() < 400, "{}", packed.len());
    let ask = |head: &str, body: &[u8]| {
        let mut socket = TcpStream::connect(server.http()).expect("connected");
        socket
            .set_read_timeout(Some(Duration::from_secs(60)))
            .expect("set");
        let head = format!(
            "{head}Host: h\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        socket
            .write_all(&[head.as_bytes(), body].concat())
            .expect("sent");
        let answer = rest(socket);
        let at = answer
            .windows(4)
            .position(|end| end == b"\r\n\r\n")
            .expect("a head")
            + 4;
        let head = String::from_utf8_lossy(&answer[..at]).to_ascii_lowercase();
        (head, answer[at..].to_vec())
    };
    let path = format!("/v2/{}/push/single/cid", bootstrap.app.appid);
    let head = format!("POST {path} HTTP/1.1\r\ntoken: {token}\r\nContent-Encoding: gzip\r\n");
    let (status, answer) = ask(&head, &packed);
    assert!(status.starts_with("http/1.1 200"), "{status}");
    let answer: Value = serde_json::from_slice(&answer).expect("short, so not packed");
    assert_eq!(answer["code"], 0, "{answer}");
    let came = device.receive_until("the push", |frame| match frame {
        Frame::Push(push) => Some(push.body.clone()),
        _ => None,
    });
    assert!(
        came.windows(text.len()).any(|part| part == text.as_bytes()),
        "the whole text"
    );

    let metrics = "GET /metrics HTTP/1.1\r\nAccept-Encoding: gzip\r\n";
    let unpacked = wait_for("the metrics to be long", || {
        let (head, page) = ask(metrics, b"");
        head.contains("content-encoding: gzip").then(|| {
            let mut text = String::new();
            GzDecoder::new(&page[..])
                .read_to_string(&mut text)
                .expect("gzip");
            text
        })
    });
    assert!(unpacked.contains("ringpost_connections_opened_total"));
}
