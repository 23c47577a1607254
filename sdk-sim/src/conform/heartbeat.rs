//! signs of life.
//!
//! Owner: the table.

use std::time::{Duration, Instant};

use protocol::{CloseReason, Frame, Kind};

use super::bench::{Bench, Session};
use super::came::Came;
use super::framing::OP_UNKNOWN;
use super::handwriting::{command, frame};
use super::patience::LATE;
use super::problem::{During, Outcome, Problem, demand};

/// The longest interval that is waited for, seconds. The document leaves the bounds to the server;
/// one and a half of these are half a minute.
const INTERVAL_S_MAX: u16 = 20;

fn wishing(bench: &Bench, heartbeat_s: u16) -> Result<Session, Problem> {
    let device = bench.device()?;
    let mut hello = bench.registration(&device);
    hello.heartbeat_s = heartbeat_s;
    bench.return_with(&device, hello)
}

pub(super) fn grants_wishes_within_its_bounds(bench: &Bench) -> Outcome {
    let own = wishing(bench, 0)?.welcome;
    let (min, max) = (own.heartbeat_min_s, own.heartbeat_max_s);
    demand(
        min <= own.heartbeat_s && own.heartbeat_s <= max && own.heartbeat_s > 0,
        "an interval between the bounds of the Welcome",
        format_args!("{} s of {min} to {max} s", own.heartbeat_s),
    )?;
    for wish in [1, min, min.saturating_add(1), max, u16::MAX] {
        let granted = wishing(bench, wish.max(1))?.welcome.heartbeat_s;
        let expected = wish.max(1).clamp(min, max);
        demand(
            granted == expected,
            format_args!("{expected} s for a wish of {wish} s, bounds {min} to {max} s"),
            format_args!("{granted} s"),
        )?;
    }
    Ok(())
}

pub(super) fn answers_pings(bench: &Bench) -> Outcome {
    let mut peer = bench.session()?.peer;
    peer.send_frames(&[Frame::Ping, Frame::Ping, Frame::Ping]);
    (0..3).try_for_each(|_| peer.expect_pong())?;
    peer.expect_silence().during("after three pings and pongs")
}

pub(super) fn ignores_pongs(bench: &Bench) -> Outcome {
    let mut peer = bench.session()?.peer;
    peer.send_frames(&[Frame::Pong, Frame::Pong]);
    peer.expect_silence().during("after two pongs")?;
    peer.expect_alive()
}

/// A session with the shortest interval.
fn shortest(bench: &Bench) -> Result<(Session, Duration), Problem> {
    let session = wishing(bench, 1)?;
    let interval_s = session.welcome.heartbeat_s;
    if interval_s > INTERVAL_S_MAX {
        let why = format!(
            "the shortest interval is {interval_s} s, at most {INTERVAL_S_MAX} s are waited for"
        );
        return Err(Problem::skipped(why));
    }
    Ok((session, Duration::from_secs(interval_s.into())))
}

pub(super) fn gives_up_after_one_and_a_half_intervals(bench: &Bench) -> Outcome {
    let (mut session, interval) = shortest(bench)?;
    session.peer.play_dead();
    let since = Instant::now();
    let limit = interval * 3 / 2;
    let deadline = since + limit + LATE;
    let came = loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match session.peer.next_within(left) {
            // A server may ask before it gives up.
            Came::Frame {
                frame: Frame::Ping, ..
            } => {}
            came => break came,
        }
    };
    let after = since.elapsed();
    let timed_out = came.is_close(CloseReason::HeartbeatTimeout);
    // The server's clock began a little earlier than ours: at the hello.
    demand(
        timed_out && after + interval / 4 >= limit,
        format_args!(
            "Close HeartbeatTimeout (11) after {} ms of silence",
            limit.as_millis()
        ),
        format_args!("{came}, after {} ms", after.as_millis()),
    )
}

/// One frame an interval, each time of another kind, over three intervals.
pub(super) fn takes_any_frame_as_a_sign_of_life(bench: &Bench) -> Outcome {
    let (mut session, interval) = shortest(bench)?;
    let signs = [
        frame(Kind::Pong.number(), &[]),
        command(1, OP_UNKNOWN, &[]),
        frame(Kind::Ping.number(), &[]),
    ];
    for sign in signs {
        // Within this the answers to the one before.
        let deadline = Instant::now() + interval;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match session.peer.next_within(left) {
                Came::Silence(_) => break,
                Came::Frame {
                    frame: Frame::CommandResult(_) | Frame::Pong,
                    ..
                } => {}
                came => return Err(Problem::wrong("no close: a frame came each interval", came)),
            }
        }
        session.peer.send(&sign);
    }
    session.peer.expect_pong()
}
