//! the golden vectors, as a device sends them.
//!
//! Owner: the table. Always: each vector has a connection of its own. The apps and the clients that
//! vectors name exist on no server, so a good hello of one is refused as unknown.

use protocol::{CloseReason, ResultCode, UpstreamId};

use super::bench::Bench;
use super::peer::Peer;
use super::problem::{During, Outcome, Problem};
use super::vector::{Section, Vector};
use super::vectors;

/// Vectors that may fail before the rest is left out: a server that is wrong in all of them shall
/// not be waited for in each.
const FAULTS_MAX: usize = 5;

/// The errors that a limit of the first frame makes, and no later one.
const ERROR_OF_LIMIT: &str = "BodyTooLong";

/// Ops far above those that were given out.
const OPS_UNKNOWN_FROM: u8 = 0x80;

/// Errors of the fields of a body.
const ERRORS_OF_BODIES: [&str; 8] = [
    "VarintNotMinimal",
    "VarintTooLong",
    "Truncated",
    "BadLength",
    "OutOfRange",
    "NotUtf8",
    "NotAscending",
    "IdOverflow",
];

/// Runs the vectors that are wanted and tells all that are wrong in one problem.
fn each(
    bench: &Bench,
    is_wanted: fn(&Vector) -> bool,
    run: fn(&Bench, &Vector) -> Outcome,
) -> Outcome {
    let vectors = vectors::all().map_err(Problem::skipped)?;
    let (mut expected, mut came) = (Vec::new(), Vec::new());
    for vector in vectors.iter().filter(|vector| is_wanted(vector)) {
        match run(bench, vector).during(vector.name) {
            Ok(()) => {}
            Err(Problem::Wrong {
                expected: wanted,
                came: got,
            }) => {
                expected.push(wanted);
                came.push(format!("{}: {got}", vector.name));
            }
            Err(skipped) => return Err(skipped),
        }
        if expected.len() == FAULTS_MAX {
            expected.push("the other vectors were not sent".to_owned());
            break;
        }
    }
    if expected.is_empty() {
        return Ok(());
    }
    Err(Problem::wrong(expected.join("; "), came.join("; ")))
}

fn is_of_bodies(vector: &Vector) -> bool {
    let error = vector.error.as_ref();
    error.is_some_and(|error| ERRORS_OF_BODIES.contains(&error.word.as_str()))
}

/// Whether bytes mean the same behind a hello as on a fresh connection.
fn fits_a_session(vector: &Vector) -> bool {
    let error = vector.error.as_ref();
    let begins_with_hello = vector.bytes.first() == Some(&protocol::Kind::Hello.number());
    !begins_with_hello && error.is_none_or(|error| error.word != ERROR_OF_LIMIT)
}

pub(super) fn reads_all(bench: &Bench) -> Outcome {
    each(
        bench,
        |_| true,
        |bench, vector| first(bench, vector, Peer::send),
    )
}

pub(super) fn reads_all_byte_by_byte(bench: &Bench) -> Outcome {
    each(
        bench,
        |_| true,
        |bench, vector| first(bench, vector, Peer::drip),
    )
}

pub(super) fn reads_all_in_a_session(bench: &Bench) -> Outcome {
    each(bench, fits_a_session, in_session)
}

pub(super) fn refuses_bad_bodies(bench: &Bench) -> Outcome {
    each(bench, is_of_bodies, |bench, vector| {
        // Where a good frame stands before the bad one, that is what a fresh connection is about.
        if vector.frames.is_empty() {
            first(bench, vector, Peer::send)?;
        }
        if fits_a_session(vector) {
            in_session(bench, vector)?;
        }
        Ok(())
    })
}

fn first(bench: &Bench, vector: &Vector, send: fn(&mut Peer, &[u8])) -> Outcome {
    let mut peer = bench.connect()?;
    send(&mut peer, &vector.bytes);
    expect_first(&mut peer, vector)
}

/// What a server answers to a vector on a fresh connection.
fn expect_first(peer: &mut Peer, vector: &Vector) -> Outcome {
    let refusal = vector.error.as_ref().map(|error| error.reason);
    match (vector.frames.as_slice(), refusal) {
        ([], Some(reason)) => peer.expect_close(reason),
        ([Section::Hello], None) => peer.expect_close(CloseReason::UnknownApp),
        // What stands behind a hello may be refused before the hello is answered.
        ([Section::Hello, ..], reason) => {
            let hasty = reason.unwrap_or(CloseReason::UnexpectedFrame);
            peer.expect_close_of(&[CloseReason::UnknownApp, CloseReason::UnexpectedFrame, hasty])
        }
        ([Section::Close, ..], _) => peer.expect_parting(),
        ([_, ..], _) => peer.expect_close(CloseReason::UnexpectedFrame),
        // Half a frame has no answer.
        ([], None) => Ok(()),
    }
}

fn in_session(bench: &Bench, vector: &Vector) -> Outcome {
    let mut peer = bench.session()?.peer;
    peer.send(&vector.bytes);
    expect_in_session(&mut peer, vector).during("in a session")
}

fn expect_in_session(peer: &mut Peer, vector: &Vector) -> Outcome {
    for frame in &vector.frames {
        match frame {
            Section::Ping => peer.expect_pong()?,
            Section::Pong => {}
            // No id of a vector was pushed here.
            Section::Ack => return peer.expect_close(CloseReason::BadAck),
            Section::Command { serial, op } => {
                let code = peer.expect_result(*serial, *op)?;
                if *op >= OPS_UNKNOWN_FROM && code != ResultCode::Unsupported {
                    let came = format!("code {}", code.number());
                    return Err(Problem::wrong("code 1 for an unknown op", came));
                }
            }
            // Where it stands may be told again at any time.
            Section::Upstream { id } => {
                return peer.expect_upstream_ack(UpstreamId(*id)).map(drop);
            }
            Section::Close => return peer.expect_parting(),
            Section::Hello => return peer.expect_close(CloseReason::UnexpectedFrame),
        }
    }
    match &vector.error {
        Some(error) => peer.expect_close(error.reason),
        None => peer.expect_alive(),
    }
}
