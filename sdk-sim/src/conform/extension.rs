//! what a server must skip, take or refuse of versions to come.
//!
//! Owner: the table.

use protocol::{CloseReason, Frame, Kind, limits, wire};

use super::bench::Bench;
use super::framing::{refused_first, refused_in_session};
use super::handwriting::{body_of, command, frame, head};
use super::problem::{During, Outcome};

/// Numbers below 0x80 that no frame has.
const NO_KINDS: [u8; 2] = [0x00, 0x7f];

/// Where the flags stand in the body of a hello.
const FLAGS_AT: usize = 1;

/// Bytes of a hello's body before its app id.
const APP_ID_AT: usize = 3;

pub(super) fn ignores_fields_behind_a_hello(bench: &Bench) -> Outcome {
    let hello = bench.registration(&bench.device()?);
    let mut body = body_of(&Frame::Hello(hello));
    body.extend_from_slice(&[0xff, 0x00, 0xc3]);
    let mut peer = bench.connect()?;
    peer.send(&frame(Kind::Hello.number(), &body));
    peer.expect_welcome()
        .during("after a hello with three more bytes")
        .map(drop)
}

pub(super) fn ignores_fields_behind_others(bench: &Bench) -> Outcome {
    let mut peer = bench.session()?.peer;
    peer.send(&frame(Kind::Ping.number(), &[0xff, 0xff]));
    peer.expect_pong().during("after a ping with a body")?;
    peer.send(&frame(Kind::Pong.number(), &[0xff]));
    let unbind = b"\x00\x00\x01xbehind the last field";
    peer.send(&command(1, wire::OP_UNBIND_ALIAS, unbind));
    peer.expect_result(1, wire::OP_UNBIND_ALIAS)
        .during("after a command with more bytes than its fields")?;
    peer.send(&frame(
        Kind::Close.number(),
        &[1, 0, 0, 0, 0, 0, 0xff, 0xff],
    ));
    peer.expect_parting()
        .during("after a close with more bytes than its fields")
}

pub(super) fn skips_unknown_kinds_from_0x80(bench: &Bench) -> Outcome {
    let mut peer = bench.session()?.peer;
    for kind in [0x80, 0xc1, 0xff] {
        for body_len in [0, 200, limits::BODY_LEN_MAX_TO_SERVER] {
            peer.send(&frame(kind, &vec![0x00; body_len]));
            peer.expect_alive().during(format_args!(
                "after kind {kind:#04x} with {body_len} bytes, and a ping"
            ))?;
        }
    }
    Ok(())
}

pub(super) fn skips_unknown_kinds_before_a_hello(bench: &Bench) -> Outcome {
    let hello = bench.registration(&bench.device()?);
    let mut peer = bench.connect()?;
    peer.send(&frame(0x80, &[0x00; limits::HELLO_LEN_MAX]));
    peer.send(&frame(0xff, &[]));
    peer.send_frames(&[Frame::Hello(hello)]);
    peer.expect_welcome()
        .during("after two ignorable frames and a hello")
        .map(drop)
}

pub(super) fn bounds_unknown_kinds(bench: &Bench) -> Outcome {
    let too_long = CloseReason::FrameTooLong;
    refused_first(bench, &head(0x80, limits::HELLO_LEN_MAX + 1), too_long)?;
    let later = limits::BODY_LEN_MAX_TO_SERVER + 1;
    refused_in_session(bench, &head(0xff, later), too_long)
}

pub(super) fn refuses_unknown_kinds_below_0x80(bench: &Bench) -> Outcome {
    for kind in NO_KINDS {
        refused_in_session(bench, &[kind, 0x00], CloseReason::UnsupportedFrame)?;
        refused_first(bench, &[kind, 0x00], CloseReason::UnsupportedFrame)?;
    }
    Ok(())
}

pub(super) fn refuses_reserved_kinds(bench: &Bench) -> Outcome {
    // A server of a later minor version may have built them.
    if bench.session()?.welcome.minor > protocol::VERSION_MINOR {
        return Ok(());
    }
    for (kind, name) in wire::RESERVED_KINDS {
        refused_in_session(bench, &[*kind, 0x00], CloseReason::UnsupportedFrame)
            .during(format_args!("{name} is reserved"))?;
    }
    Ok(())
}

pub(super) fn refuses_unknown_hello_flags(bench: &Bench) -> Outcome {
    let hello = bench.registration(&bench.device()?);
    let body = body_of(&Frame::Hello(hello));
    for flag in [0x02, 0x80] {
        let mut body = body.clone();
        body[FLAGS_AT] |= flag;
        refused_first(
            bench,
            &frame(Kind::Hello.number(), &body),
            CloseReason::UnsupportedVersion,
        )
        .during(format_args!("a hello with flag {flag:#04x}"))?;
    }
    Ok(())
}

pub(super) fn refuses_unknown_credentials(bench: &Bench) -> Outcome {
    let hello = bench.registration(&bench.device()?);
    let type_at = APP_ID_AT + hello.app_id.len() + wire::ID_LEN;
    let mut body = body_of(&Frame::Hello(hello));
    body[type_at] = 0x02;
    let bytes = frame(Kind::Hello.number(), &body);
    refused_first(bench, &bytes, CloseReason::UnsupportedVersion)
        .during("a hello with credential type 2")
}

pub(super) fn takes_unknown_platforms(bench: &Bench) -> Outcome {
    let hello = bench.registration(&bench.device()?);
    let version_len = hello.sdk_version.len() + 1;
    let mut body = body_of(&Frame::Hello(hello));
    let platform_at = body.len() - version_len - 1;
    body[platform_at] = 0xee;
    let mut peer = bench.connect()?;
    peer.send(&frame(Kind::Hello.number(), &body));
    peer.expect_welcome()
        .during("after a hello of platform 238")
        .map(drop)
}

fn kinds_of_servers() -> impl Iterator<Item = u8> {
    Kind::ALL
        .iter()
        .filter(|kind| kind.sender() == Some(protocol::Peer::Server))
        .map(|kind| kind.number())
}

pub(super) fn refuses_kinds_of_servers(bench: &Bench) -> Outcome {
    kinds_of_servers().try_for_each(|kind| {
        refused_first(bench, &[kind, 0x00], CloseReason::UnexpectedFrame)?;
        refused_in_session(bench, &[kind, 0x00], CloseReason::UnexpectedFrame)
    })
}

pub(super) fn takes_every_minor(bench: &Bench) -> Outcome {
    for minor in [1, 0xff] {
        let mut hello = bench.registration(&bench.device()?);
        hello.minor = minor;
        bench
            .greet(hello)
            .during(format_args!("minor version {minor}"))?;
    }
    Ok(())
}
