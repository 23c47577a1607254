//! lengths, their limits, and how bytes may be cut.
//!
//! Owner: the table.

use protocol::{CloseReason, Frame, Kind, limits};

use super::bench::Bench;
use super::came::hex;
use super::handwriting::{body_of, command, encoded, frame, head};
use super::peer::Peer;
use super::problem::{During, Outcome, demand};

/// An op that no version has given out yet.
pub(super) const OP_UNKNOWN: u8 = 0xfa;

/// Sends bytes in a session of a new device; the server must close with this reason.
pub(super) fn refused_in_session(bench: &Bench, bytes: &[u8], reason: CloseReason) -> Outcome {
    let mut peer = bench.session()?.peer;
    peer.send(bytes);
    let what = format!("after {} in a session", hex(bytes));
    peer.expect_close(reason).during(what)
}

/// Sends bytes first on a connection; the server must close with this reason.
pub(super) fn refused_first(bench: &Bench, bytes: &[u8], reason: CloseReason) -> Outcome {
    let mut peer = bench.connect()?;
    peer.send(bytes);
    let what = format!("after {} first", hex(bytes));
    peer.expect_close(reason).during(what)
}

pub(super) fn refuses_a_longer_form(bench: &Bench) -> Outcome {
    let ping = Kind::Ping.number();
    for bytes in [&[ping, 0x80, 0x00][..], &[ping, 0x81, 0x80, 0x00]] {
        refused_in_session(bench, bytes, CloseReason::ProtocolError)?;
    }
    refused_first(
        bench,
        &[Kind::Hello.number(), 0xea, 0x00],
        CloseReason::ProtocolError,
    )
}

pub(super) fn refuses_a_fourth_length_byte(bench: &Bench) -> Outcome {
    let ping = Kind::Ping.number();
    let bytes = [ping, 0x80, 0x80, 0x80, 0x01];
    refused_in_session(bench, &bytes, CloseReason::FrameTooLong)?;
    refused_first(bench, &bytes, CloseReason::FrameTooLong)
}

pub(super) fn reads_lengths_of_all_sizes(bench: &Bench) -> Outcome {
    let mut peer = bench.session()?.peer;
    for body_len in [127, 128, 16_383, limits::BODY_LEN_MAX_TO_SERVER] {
        peer.send(&frame(Kind::Ping.number(), &vec![0x55; body_len]));
        peer.expect_pong()
            .during(format_args!("after a ping with a body of {body_len} bytes"))?;
    }
    Ok(())
}

/// Heads without their bodies: a server that waited for the body would stay silent.
pub(super) fn refuses_by_the_head_alone(bench: &Bench) -> Outcome {
    let too_long = CloseReason::FrameTooLong;
    let first = limits::HELLO_LEN_MAX + 1;
    refused_first(bench, &head(Kind::Hello.number(), first), too_long)?;
    let later = limits::BODY_LEN_MAX_TO_SERVER + 1;
    for kind in [Kind::Ack, Kind::Command, Kind::Ping] {
        refused_in_session(bench, &head(kind.number(), later), too_long)?;
    }
    refused_in_session(bench, &head(Kind::Ack.number(), 0x1f_ffff), too_long)
}

pub(super) fn takes_a_hello_of_the_longest(bench: &Bench) -> Outcome {
    let hello = bench.registration(&bench.device()?);
    let mut body = body_of(&Frame::Hello(hello));
    body.resize(limits::HELLO_LEN_MAX, 0x55);
    let mut peer = bench.connect()?;
    peer.send(&frame(Kind::Hello.number(), &body));
    peer.expect_welcome()
        .during("after a hello of 512 bytes")
        .map(drop)
}

pub(super) fn looks_at_kind_direction_and_length_in_turn(bench: &Bench) -> Outcome {
    // One byte: nothing but the kind can be judged yet.
    refused_in_session(bench, &[0x7f], CloseReason::UnsupportedFrame)?;
    refused_in_session(
        bench,
        &[Kind::Welcome.number()],
        CloseReason::UnexpectedFrame,
    )?;
    // Wrong in two ways: the first in order counts.
    let later = limits::BODY_LEN_MAX_TO_SERVER + 1;
    refused_in_session(bench, &head(0x7f, later), CloseReason::UnsupportedFrame)?;
    let push = head(Kind::Push.number(), later);
    refused_in_session(bench, &push, CloseReason::UnexpectedFrame)
}

/// What every cut of [`conversation`] is answered with.
fn expect_answers(peer: &mut Peer) -> Outcome {
    let (mut pongs, mut results) = (0, 0);
    for _ in 0..3 {
        peer.expect("two Pongs and a CommandResult", |frame| match frame {
            Frame::Pong => {
                pongs += 1;
                Some(())
            }
            Frame::CommandResult(result) if result.serial == 7 => {
                results += 1;
                Some(())
            }
            _ => None,
        })?;
    }
    demand(
        (pongs, results) == (2, 1),
        "two Pongs and a CommandResult",
        format_args!("{pongs} Pongs and {results} CommandResults"),
    )
}

/// Two pings, and between them a command and a frame that is skipped.
fn conversation() -> Vec<u8> {
    let ping = frame(Kind::Ping.number(), &[]);
    let command = command(7, OP_UNKNOWN, b"cut anywhere");
    [&ping[..], &command, &frame(0xfe, &[1, 2, 3]), &ping].concat()
}

pub(super) fn reads_bytes_one_by_one(bench: &Bench) -> Outcome {
    let hello = encoded(&Frame::Hello(bench.registration(&bench.device()?)));
    let mut peer = bench.connect()?;
    peer.drip(&hello);
    peer.expect_welcome()
        .during("after a hello of one byte a write")?;
    peer.drip(&conversation());
    expect_answers(&mut peer).during("after frames of one byte a write")
}

pub(super) fn reads_frames_in_one_write(bench: &Bench) -> Outcome {
    let mut peer = bench.session()?.peer;
    peer.send(&conversation());
    expect_answers(&mut peer).during("after several frames in one write")
}

pub(super) fn reads_records_cut_anywhere(bench: &Bench) -> Outcome {
    let mut peer = bench.session()?.peer;
    peer.send_cut_below_tls(&conversation());
    expect_answers(&mut peer).during("after a TLS record of one byte a segment")
}
