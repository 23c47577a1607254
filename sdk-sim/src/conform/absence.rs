//! a device that takes no pushes, or stays away for some hours.
//!
//! Owner: the table.

use std::time::{SystemTime, UNIX_EPOCH};

use protocol::{Frame, MessageId, ResultCode, wire};

use super::bench::Bench;
use super::delivery::expect_exactly;
use super::exchange::{demand_code, refuse_all};
use super::handwriting::command;
use super::peer::Peer;
use super::problem::{During, Outcome, Problem};

/// On the wire, the zone of UTC.
const ZONE_OF_UTC: u16 = 720;

/// Frames in which an answer must be, beside the pushes of the check.
const FRAMES_MAX: usize = 4;

fn switch(peer: &mut Peer, on: u8, what: &str) -> Outcome {
    peer.ask_for(ResultCode::Ok, wire::OP_PUSH_SWITCH, &[on], what)
}

/// Switches on and gives the ids of the pushes that came before the result: what waits may come at
/// once.
fn switch_on(peer: &mut Peer) -> Result<Vec<MessageId>, Problem> {
    let op = wire::OP_PUSH_SWITCH;
    peer.send(&command(1, op, &[wire::SWITCH_ON]));
    let mut ids = Vec::new();
    for _ in 0..FRAMES_MAX {
        let code = peer.expect("a CommandResult, or Push", |frame| match frame {
            Frame::CommandResult(result) if result.op == op => Some(Some(result.code)),
            Frame::Push(push) => {
                ids.push(push.id);
                Some(None)
            }
            _ => None,
        })?;
        if let Some(code) = code {
            demand_code(code, ResultCode::Ok, "push switched on")?;
            return Ok(ids);
        }
    }
    Err(Problem::wrong(
        "a result of PushSwitch on",
        "more pushes than were made",
    ))
}

/// The pushes that come around the result of a switch to on; those and no other.
fn expect_after_switch_on(peer: &mut Peer, expected: &[MessageId], why: &str) -> Outcome {
    let came = switch_on(peer)?;
    let rest = expected.strip_prefix(&came[..]).ok_or_else(|| {
        let expected = format!("{why}: pushes {expected:?}");
        Problem::wrong(expected, format_args!("pushes {came:?}"))
    })?;
    expect_exactly(peer, rest, why)
}

pub(super) fn answers_the_switch(bench: &Bench) -> Outcome {
    let mut session = bench.session()?;
    for (on, what) in [
        (wire::SWITCH_OFF, "push switched off"),
        (wire::SWITCH_OFF, "push switched off again"),
        (wire::SWITCH_ON, "push switched on"),
        (wire::SWITCH_ON, "push switched on again"),
    ] {
        switch(&mut session.peer, on, what)?;
        session.peer.expect_alive().during(what)?;
    }
    let bad = [
        ("a switch of 2", vec![2]),
        ("a switch of 255", vec![255]),
        ("no switch", vec![]),
    ];
    refuse_all(bench, wire::OP_PUSH_SWITCH, &bad)
}

pub(super) fn holds_and_filters_while_switched_off(bench: &Bench) -> Outcome {
    let pusher = bench.pusher()?;
    let mut session = bench.session()?;
    pusher.push(session.cid(), "before")?;
    let before = session.peer.expect_pushes(1)?;
    switch(&mut session.peer, wire::SWITCH_OFF, "push switched off")?;
    let cid = session.cid();
    pusher.push(cid, "meanwhile")?;
    let away = "with push switched off";
    session.peer.expect_silence().during(away)?;
    session.peer.expect_alive().during(away)?;
    let (device, cid) = session.leave();
    pusher.push(cid, "meanwhile, and away")?;
    let mut session = bench.return_of(&device, cid)?;
    let away = "with push switched off in an earlier session";
    session.peer.expect_silence().during(away)?;
    session.peer.expect_alive().during(away)?;
    let back = "what was accepted before push was switched off, after it was switched on";
    expect_after_switch_on(&mut session.peer, &before, back)?;
    session.peer.ack(&before)?;
    pusher.push(cid, "after")?;
    session
        .peer
        .expect_push()
        .during("after push was switched on")
        .map(drop)
}

/// Arguments of SilentTime.
fn silence(begin_hour: u8, hours: u8, zone: u16) -> Vec<u8> {
    let [high, low] = zone.to_be_bytes();
    vec![begin_hour, hours, high, low]
}

fn hour_of_utc() -> u8 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
    // Of 24.
    (since_epoch.unwrap_or_default().as_secs() / 3600 % 24) as u8
}

pub(super) fn takes_every_silent_time(bench: &Bench) -> Outcome {
    let good = [
        ("no hours", silence(0, 0, ZONE_OF_UTC)),
        ("the last hour", silence(23, 1, 0)),
        ("23 hours in the east", silence(0, 23, wire::ZONE_MAX)),
        ("no hours at 23", silence(23, 0, ZONE_OF_UTC)),
    ];
    let mut session = bench.session()?;
    session.peer.ask_all(wire::OP_SILENT_TIME, &good)?;
    let bad = [
        ("hour 24", silence(24, 1, ZONE_OF_UTC)),
        ("24 hours", silence(0, 24, ZONE_OF_UTC)),
        ("zone 1561", silence(0, 1, wire::ZONE_MAX + 1)),
        ("half a zone", vec![0, 1, 2]),
    ];
    refuse_all(bench, wire::OP_SILENT_TIME, &bad)
}

/// A device that is here although it said it would not be.
pub(super) fn refuses_nothing_in_silent_hours(bench: &Bench) -> Outcome {
    let op = wire::OP_SILENT_TIME;
    let mut session = bench.session()?;
    let now = silence(hour_of_utc(), 23, ZONE_OF_UTC);
    let what = "silent hours that have begun";
    session.peer.ask_for(ResultCode::Ok, op, &now, what)?;
    session.peer.expect_silence().during(what)?;
    session.peer.expect_alive().during(what)?;
    let (device, cid) = session.leave();
    let mut session = bench
        .return_of(&device, cid)
        .during("a login in silent hours")?;
    session
        .peer
        .expect_alive()
        .during("a session in silent hours")?;
    let none = silence(0, 0, ZONE_OF_UTC);
    let what = "silent hours cancelled";
    session.peer.ask_for(ResultCode::Ok, op, &none, what)
}
