//! who a device is, and which of its logins counts.
//!
//! Owner: the table.

use protocol::{ClientId, CloseReason, DeviceSecret, Frame};

use super::bench::{Bench, random};
use super::problem::{During, Outcome, demand};

pub(super) fn gives_one_cid_to_one_installation(bench: &Bench) -> Outcome {
    let first = bench.session()?;
    demand(
        first.welcome.registered,
        "a first registration says that the CID is new",
        "flags bit 0 of the Welcome is clear",
    )?;
    let (device, cid) = first.leave();
    for _ in 0..2 {
        let (_, again) = bench.greet(bench.registration(&device))?;
        demand(
            again.cid == cid,
            format_args!("the CID {cid} again"),
            again.cid,
        )?;
        demand(
            !again.registered,
            "a repeated registration says that the CID is known",
            "flags bit 0 of the Welcome is set",
        )?;
    }
    Ok(())
}

pub(super) fn gives_another_secret_another_cid(bench: &Bench) -> Outcome {
    let (device, cid) = bench.session()?.leave();
    let mut other = device.clone();
    other.secret = DeviceSecret::from_bytes(random()?);
    let (_, welcome) = bench.greet(bench.registration(&other))?;
    demand(
        welcome.cid != cid && welcome.registered,
        "a new CID for a known install id with another secret",
        format_args!("{}, registered {}", welcome.cid, welcome.registered),
    )?;
    let (_, again) = bench.greet(bench.registration(&device))?;
    demand(
        again.cid == cid,
        format_args!("the CID {cid} for the first secret"),
        again.cid,
    )
}

pub(super) fn logs_in_by_cid_and_secret(bench: &Bench) -> Outcome {
    let (device, cid) = bench.session()?.leave();
    let (_, welcome) = bench.greet(bench.login(&device, cid))?;
    demand(
        welcome.cid == cid && !welcome.registered,
        format_args!("a welcome for {cid}, which is known"),
        format_args!("{}, registered {}", welcome.cid, welcome.registered),
    )
}

pub(super) fn refuses_a_wrong_secret(bench: &Bench) -> Outcome {
    let mut session = bench.session()?;
    let mut thief = session.device.clone();
    thief.secret = DeviceSecret::from_bytes(random()?);
    let mut peer = bench.connect()?;
    peer.send_frames(&[Frame::Hello(bench.login(&thief, session.cid()))]);
    peer.expect_close(CloseReason::BadCredential)
        .during("after a login with another secret")?;
    session
        .peer
        .expect_alive()
        .during("the session of the right secret goes on")
}

pub(super) fn refuses_an_unknown_cid(bench: &Bench) -> Outcome {
    let nobody = ClientId::from_bytes(random()?);
    let mut peer = bench.connect()?;
    peer.send_frames(&[Frame::Hello(bench.login(&bench.device()?, nobody))]);
    peer.expect_close(CloseReason::UnknownClient)
        .during("after a login with a CID that nobody has")
}

pub(super) fn lets_the_newer_login_win(bench: &Bench) -> Outcome {
    let mut older = bench.session()?;
    for _ in 0..2 {
        let mut newer = bench.return_of(&older.device, older.cid())?;
        demand(
            newer.welcome.generation > older.welcome.generation,
            format_args!("a generation above {}", older.welcome.generation),
            newer.welcome.generation,
        )?;
        older
            .peer
            .expect_close(CloseReason::Replaced)
            .during("the older connection after a newer login")?;
        newer.peer.expect_alive().during("the newer connection")?;
        older = newer;
    }
    Ok(())
}

/// A registration that is repeated is a login of its CID too.
pub(super) fn lets_the_newer_registration_win(bench: &Bench) -> Outcome {
    let mut older = bench.session()?;
    let (mut newer, welcome) = bench.greet(bench.registration(&older.device))?;
    demand(
        welcome.generation > older.welcome.generation,
        format_args!("a generation above {}", older.welcome.generation),
        welcome.generation,
    )?;
    older.peer.expect_close(CloseReason::Replaced)?;
    newer.expect_alive()
}
