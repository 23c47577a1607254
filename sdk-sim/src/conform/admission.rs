//! the app that a hello names, and the sign that it may demand.
//!
//! Owner: the table.

use protocol::{ClientId, CloseReason, Frame, Hello};

use super::bench::{Bench, random, random_name};
use super::came::Came;
use super::problem::{During, Outcome, Problem};

fn refused(bench: &Bench, hello: Hello, reason: CloseReason, what: &str) -> Outcome {
    let mut peer = bench.connect()?;
    peer.send_frames(&[Frame::Hello(hello)]);
    peer.expect_close(reason).during(what)
}

pub(super) fn refuses_unknown_apps(bench: &Bench) -> Outcome {
    let session = bench.session()?;
    let registration = bench.registration(&bench.device()?);
    let login = bench.login(&session.device, session.cid());
    let nobody = bench.login(&bench.device()?, ClientId::from_bytes(random()?));
    for (what, hello) in [
        ("a registration", registration),
        ("a login of a known CID", login),
        ("a login of an unknown CID", nobody),
    ] {
        let hello = Hello {
            app_id: random_name()?,
            ..hello
        };
        let what = format!("{what} with an AppID that no app has");
        refused(bench, hello, CloseReason::UnknownApp, &what)?;
    }
    Ok(())
}

pub(super) fn ignores_a_sign_that_nobody_demands(bench: &Bench) -> Outcome {
    if bench.demands_signs() {
        return Err(Problem::skipped("the app demands a sign"));
    }
    let device = bench.device()?;
    let mut hello = bench.registration(&device);
    hello.sign = Some(random()?);
    let (peer, welcome) = bench.greet(hello).during("a registration with any sign")?;
    peer.cut();
    let mut hello = bench.login(&device, welcome.cid);
    hello.sign = Some(random()?);
    bench.greet(hello).during("a login with any sign").map(drop)
}

pub(super) fn demands_the_sign_of_a_registration(bench: &Bench) -> Outcome {
    if !bench.demands_signs() {
        return Err(Problem::skipped("the app demands no sign"));
    }
    let device = bench.device()?;
    let good = bench.registration(&device);
    let of_another = bench.registration(&bench.device()?).sign;
    let mut flipped = good.sign;
    if let Some(sign) = &mut flipped {
        sign[31] ^= 1;
    }
    for (what, sign) in [
        ("a registration without a sign", None),
        ("a registration with a wrong last bit", flipped),
        ("a registration with the sign of another device", of_another),
    ] {
        let hello = Hello {
            sign,
            ..good.clone()
        };
        refused(bench, hello, CloseReason::SignRequired, what)?;
    }
    bench
        .greet(good)
        .during("a registration with its sign")
        .map(drop)
}

pub(super) fn demands_the_sign_of_a_login(bench: &Bench) -> Outcome {
    if !bench.demands_signs() {
        return Err(Problem::skipped("the app demands no sign"));
    }
    let (device, cid) = bench.session()?.leave();
    let good = bench.login(&device, cid);
    let mut peer = bench.connect()?;
    let unsigned = Hello {
        sign: None,
        ..good.clone()
    };
    peer.send_frames(&[Frame::Hello(unsigned)]);
    match peer.next() {
        came if came.is_close(CloseReason::SignRequired) => {}
        Came::Frame {
            frame: Frame::Welcome(_),
            ..
        } => return Err(Problem::skipped("the app demands it of registrations only")),
        came => {
            let expected = "Close SignRequired (15), or Welcome, after a login without a sign";
            return Err(Problem::wrong(expected, came));
        }
    }
    let hello = Hello {
        sign: bench.registration(&device).sign,
        ..good.clone()
    };
    let what = "a login with the sign of its registration";
    refused(bench, hello, CloseReason::SignRequired, what)?;
    bench.greet(good).during("a login with its sign").map(drop)
}
