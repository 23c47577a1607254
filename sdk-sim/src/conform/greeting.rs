//! the first frames of a connection.
//!
//! Owner: the table.

use std::time::{Duration, Instant};

use protocol::{CloseReason, Frame, Kind, MessageId, limits};
use rustls::version::TLS13;

use super::bench::Bench;
use super::came::Came;
use super::framing::{OP_UNKNOWN, refused_first, refused_in_session};
use super::handwriting::{ack, body_of, command, encoded, frame};
use super::patience::{LATE, wait_until};
use super::peer::Peer;
use super::problem::{During, Outcome, Problem, demand};

/// How long a device may take to its hello.
const HELLO_WAIT: Duration = Duration::from_millis(limits::HELLO_WAIT_MS_MAX);

/// How much earlier than the document says a server may look at its clock.
const EARLY: Duration = Duration::from_millis(500);

/// A hello this late is still in time, also if the way takes a second.
const LATE_HELLO: Duration = Duration::from_millis(8_000);

/// How far a drip goes in one step.
const DRIP: Duration = Duration::from_millis(500);

pub(super) fn refuses_other_first_frames(bench: &Bench) -> Outcome {
    let ping = frame(Kind::Ping.number(), &[]);
    let pong = frame(Kind::Pong.number(), &[]);
    let ack = ack(MessageId(1));
    for bytes in [ping, pong, ack, command(1, OP_UNKNOWN, &[])] {
        refused_first(bench, &bytes, CloseReason::UnexpectedFrame)?;
    }
    Ok(())
}

pub(super) fn lets_a_device_leave_first(bench: &Bench) -> Outcome {
    let mut peer = bench.connect()?;
    peer.send(&frame(Kind::Close.number(), &[1, 0, 0, 0, 0, 0]));
    peer.expect_parting().during("after a close as first frame")
}

pub(super) fn refuses_a_second_hello(bench: &Bench) -> Outcome {
    let mut session = bench.session()?;
    let again = bench.login(&session.device, session.cid());
    session.peer.send_frames(&[Frame::Hello(again)]);
    session
        .peer
        .expect_close(CloseReason::UnexpectedFrame)
        .during("after a second hello")
}

/// Frames that are wrong in two ways: as bytes, and in the state.
pub(super) fn judges_bytes_before_the_state(bench: &Bench) -> Outcome {
    let malformed = CloseReason::ProtocolError;
    refused_first(bench, &frame(Kind::Ack.number(), &[]), malformed)?;
    refused_first(bench, &frame(Kind::Command.number(), &[0, 0]), malformed)?;
    let session = bench.session()?;
    let mut second = body_of(&Frame::Hello(bench.login(&session.device, session.cid())));
    let cut = &second[..second.len() - 1];
    refused_in_session(bench, &frame(Kind::Hello.number(), cut), malformed)
        .during("a second hello that is cut")?;
    second[1] |= 0x80;
    let bytes = frame(Kind::Hello.number(), &second);
    refused_in_session(bench, &bytes, CloseReason::UnsupportedVersion)
        .during("a second hello with an unknown flag")
}

/// Waits for the close of a connection that was made at `since`.
fn expect_hello_timeout(peer: &mut Peer, since: Instant) -> Outcome {
    let deadline = since + HELLO_WAIT + LATE;
    let left = deadline.saturating_duration_since(Instant::now());
    let came = peer.next_within(left);
    let after = since.elapsed();
    let in_time = after + EARLY >= HELLO_WAIT;
    let timed_out = came.is_close(CloseReason::HelloTimeout);
    demand(
        timed_out && in_time,
        "Close HelloTimeout (12) 10 s after the connection",
        format_args!("{came}, {} ms after it", after.as_millis()),
    )
}

pub(super) fn waits_ten_seconds_for_a_hello(bench: &Bench) -> Outcome {
    let since = Instant::now();
    let mut peer = bench.connect()?;
    expect_hello_timeout(&mut peer, since).during("without a hello")
}

/// Neither ignorable frames nor a hello that is not complete give more time.
pub(super) fn waits_no_longer_for_a_slow_hello(bench: &Bench) -> Outcome {
    let since = Instant::now();
    let mut peer = bench.connect()?;
    let hello = encoded(&Frame::Hello(bench.registration(&bench.device()?)));
    let skipped = frame(0x80, &[]);
    peer.send(&skipped);
    for byte in hello {
        if since.elapsed() + EARLY >= HELLO_WAIT {
            break;
        }
        peer.send(&[byte]);
        match peer.next_within(DRIP) {
            Came::Silence(_) => {}
            came => return Err(Problem::wrong("nothing before 10 s are over", came)),
        }
    }
    expect_hello_timeout(&mut peer, since).during("with a hello of two bytes a second")
}

pub(super) fn counts_the_handshake(bench: &Bench) -> Outcome {
    let since = Instant::now();
    let socket = bench.dial()?;
    wait_until(since + HELLO_WAIT / 2);
    let mut peer = bench
        .secure(socket, &[protocol::ALPN], &TLS13)
        .map_err(|came| Problem::wrong("a handshake after 5 s", came))?;
    expect_hello_timeout(&mut peer, since).during("with a handshake after 5 s and no hello")
}

pub(super) fn takes_a_hello_after_eight_seconds(bench: &Bench) -> Outcome {
    let since = Instant::now();
    let mut peer = bench.connect()?;
    match peer.next_within(LATE_HELLO.saturating_sub(since.elapsed())) {
        Came::Silence(_) => {}
        came => return Err(Problem::wrong("nothing before 10 s are over", came)),
    }
    peer.send_frames(&[Frame::Hello(bench.registration(&bench.device()?))]);
    peer.expect_welcome()
        .during("after a hello at 8 s")
        .map(drop)
}

/// A ping behind the hello in the same write: refused, or answered, and the rest stays in order.
pub(super) fn answers_a_hasty_ping_or_refuses_it(bench: &Bench) -> Outcome {
    let hello = bench.registration(&bench.device()?);
    let mut peer = bench.connect()?;
    peer.send_frames(&[Frame::Hello(hello), Frame::Ping]);
    let expected = "Welcome and Pong in any order, or Close UnexpectedFrame (5)";
    let (mut welcomed, mut ponged) = (false, false);
    while !(welcomed && ponged) {
        let over = peer.expect(expected, |frame| match frame {
            Frame::Welcome(_) if !welcomed => {
                welcomed = true;
                Some(false)
            }
            Frame::Pong if !ponged => {
                ponged = true;
                Some(false)
            }
            Frame::Close(close) => (close.reason == CloseReason::UnexpectedFrame).then_some(true),
            _ => None,
        })?;
        if over {
            break;
        }
    }
    Ok(())
}

pub(super) fn lets_a_device_leave_before_its_welcome(bench: &Bench) -> Outcome {
    let hello = bench.registration(&bench.device()?);
    let mut peer = bench.connect()?;
    peer.send_frames(&[
        Frame::Hello(hello),
        Frame::Close(protocol::Close {
            reason: CloseReason::Normal,
            retry_after_ms: 0,
            text: String::new(),
        }),
    ]);
    let what = "after a hello and a close";
    match peer.next() {
        Came::Frame {
            frame: Frame::Welcome(_),
            ..
        } => peer.expect_parting().during(what),
        came if came.is_close(CloseReason::Normal) => Ok(()),
        came if came.is_end() => Ok(()),
        came => Err(Problem::wrong(
            format_args!("{what}: Welcome, Close Normal (1) or the end"),
            came,
        )),
    }
}
