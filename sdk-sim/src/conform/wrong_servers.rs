//! The kit against servers that are wrong on purpose: what they break is named, and nothing else.
//!
//! Owner: the tests of the kit.

use std::io::{Read, Write};

use bytes::{Bytes, BytesMut};
use protocol::{
    ClientId, Close, CloseReason, CommandResult, Decoder, Frame, Hello, Identity, Peer, ResultCode,
    UpstreamAck, UpstreamStatus, Welcome,
};

use super::bench::Bench;
use super::outcomes;
use super::patience::Patience;
use super::report::{Report, Verdict};
use super::target::Target;
use crate::transport::tls_server::{TlsServer, TlsStream};

/// The report on a server that talks like this. Only quick checks: the slow ones wait for the clock
/// of the document.
fn report_on(converse: fn(TlsStream)) -> Report {
    let server = TlsServer::conversing(converse);
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("bootstrap.json");
    let file = serde_json::json!({
        "device": server.address(),
        "ca_cert": server.ca_pem(),
        "app": { "appid": "app" },
    });
    std::fs::write(&path, file.to_string()).expect("written");
    let target = Target::load(&path, None).expect("loads");
    let bench = Bench::new(target, Patience::short()).expect("it listens");
    Report::of(server.address(), outcomes(&bench, |check| !check.slow))
}

fn welcome(cid: ClientId) -> Frame {
    Frame::Welcome(Welcome {
        minor: 0,
        registered: true,
        cid,
        generation: 1,
        server_time_ms: 0,
        heartbeat_s: 60,
        heartbeat_min_s: 10,
        heartbeat_max_s: 600,
        window: 16,
    })
}

fn write(stream: &mut TlsStream, frame: &Frame) -> std::io::Result<()> {
    let mut bytes = BytesMut::new();
    frame.encode(&mut bytes);
    stream.write_all(&bytes)?;
    stream.flush()
}

/// Answers every read with a welcome, whatever it was.
fn welcome_everything(mut stream: TlsStream) {
    let mut chunk = [0; 4096];
    while matches!(stream.read(&mut chunk), Ok(len) if len > 0) {
        if write(&mut stream, &welcome(ClientId::from_bytes([1; 16]))).is_err() {
            return;
        }
    }
}

/// Reads as it should, answers hellos and pings, and everything else as `answer` says; closes after
/// bytes that are no frame.
fn answer_each(mut stream: TlsStream, mut answer: impl FnMut(Frame) -> Frame) {
    let mut decoder = Decoder::new(Peer::Device);
    let mut chunk = [0; 4096];
    while let Ok(len) = stream.read(&mut chunk) {
        if len == 0 {
            return;
        }
        decoder.push(&chunk[..len]);
        loop {
            let answer = match decoder.next_frame() {
                Ok(Some(Frame::Hello(Hello {
                    identity, app_id, ..
                }))) if app_id == "app" => {
                    let cid = match identity {
                        Identity::Login(cid) => cid,
                        Identity::Register(install) => ClientId::from_bytes(*install.as_bytes()),
                    };
                    welcome(cid)
                }
                Ok(Some(Frame::Ping)) => Frame::Pong,
                Ok(Some(Frame::Pong)) => continue,
                Ok(None) => break,
                Ok(Some(frame)) => answer(frame),
                Err(_) => the_one_reason(),
            };
            let last = matches!(answer, Frame::Close(_));
            if write(&mut stream, &answer).is_err() || last {
                return;
            }
        }
    }
}

fn the_one_reason() -> Frame {
    Frame::Close(Close {
        reason: CloseReason::ProtocolError,
        retry_after_ms: 0,
        text: String::new(),
    })
}

/// Reads as it should, and closes with one reason for everything that is no frame.
fn give_one_reason(stream: TlsStream) {
    answer_each(stream, |_| the_one_reason());
}

/// Says yes to every command, with nothing in it, and forgets that messages were delivered.
fn agree_to_everything(stream: TlsStream) {
    let mut delivered = false;
    answer_each(stream, |frame| match frame {
        Frame::Command(command) => Frame::CommandResult(CommandResult {
            serial: command.serial,
            op: command.operation.op(),
            code: ResultCode::Ok,
            detail: Bytes::new(),
        }),
        Frame::Upstream(message) => {
            delivered = !delivered;
            Frame::UpstreamAck(UpstreamAck {
                id: message.id,
                status: if delivered {
                    UpstreamStatus::Delivered
                } else {
                    UpstreamStatus::Stored
                },
            })
        }
        _ => the_one_reason(),
    });
}

#[test]
fn given_a_server_that_welcomes_everything_when_checked_should_name_what_it_breaks() {
    let report = report_on(welcome_everything);
    assert!(!report.is_good());
    let failed = report.numbers(Verdict::Fail);
    assert_eq!(
        failed,
        [
            5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 18, 19, 21, 26, 31, 32, 34, 35, 36, 40, 46, 47, 48,
            49, 50, 51, 52, 53, 54, 56
        ],
        "{report}"
    );
    // TLS is not its fault; its window is one, and it looks at no sign.
    let passed = report.numbers(Verdict::Pass);
    assert_eq!(passed, [1, 2, 28, 45, 55], "{report}");
}

#[test]
fn given_a_server_with_one_reason_for_all_when_checked_should_fail_only_where_another_is_due() {
    let report = report_on(give_one_reason);
    let text = report.to_string();
    assert!(
        text.contains("after 03 80 80 80 01 in a session: Close FrameTooLong (4)"),
        "{text}"
    );
    assert!(text.contains("Close ProtocolError (2)"), "{text}");
    let passed = report.numbers(Verdict::Pass);
    assert_eq!(passed, [1, 2, 8, 28, 32, 45, 55], "{text}");
    // Nobody can push to it.
    assert_eq!(
        report.numbers(Verdict::Skipped),
        [22, 23, 25, 27, 29, 30, 33, 44],
        "{text}"
    );
    assert!(text.contains("needs pushes"), "{text}");
}

#[test]
fn given_a_server_that_agrees_to_everything_when_checked_should_fail_what_it_does_not_do() {
    let report = report_on(agree_to_everything);
    let text = report.to_string();
    let about_commands = |verdict| -> Vec<u16> {
        let numbers = report.numbers(verdict).into_iter();
        numbers
            .filter(|number| (47..=53).contains(number))
            .collect()
    };
    assert_eq!(about_commands(Verdict::Fail), [47, 51, 52, 53], "{text}");
    assert_eq!(about_commands(Verdict::Pass), [48, 49, 50], "{text}");
    for told in [
        "expected: the tags of a new client: a list of tags",
        "expected: messages that nobody was sent: verdicts [2, 2]",
        "after Delivered",
    ] {
        assert!(text.contains(told), "{told} in {text}");
    }
}
