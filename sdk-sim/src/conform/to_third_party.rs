//! messages to the third party, and where they stand.
//!
//! Owner: the table. Always: whether the app has a server that takes them is the server's affair; a
//! check goes by what the first is answered.

use protocol::{CloseReason, Frame, UpstreamId, UpstreamStatus, limits};

use super::bench::{Bench, random};
use super::came::Came;
use super::framing::refused_in_session;
use super::handwriting::upstream;
use super::peer::Peer;
use super::problem::{During, Outcome, Problem, demand};

/// A task that an app could name.
const TASK: &str = "ringpost-conform";

/// Answers to one message that are looked at; it has two at most.
const ACKS_MAX: usize = 4;

/// An id that no device gave before.
fn fresh() -> Result<UpstreamId, Problem> {
    let id = u64::from_be_bytes(random()?);
    Ok(UpstreamId(id.max(1)))
}

/// Whether a message that stood at `before` may stand at `now`.
fn may_follow(before: UpstreamStatus, now: UpstreamStatus) -> bool {
    use UpstreamStatus::{Delivered, GivenUp, Stored};
    match before {
        Stored => [Stored, Delivered, GivenUp].contains(&now),
        ended => now == ended,
    }
}

/// Sends a message for the first time; where it stands.
fn tell(
    peer: &mut Peer,
    id: UpstreamId,
    task_id: &str,
    message: &[u8],
) -> Result<UpstreamStatus, Problem> {
    peer.send(&upstream(id.0, task_id, message));
    let status = peer.expect_upstream_ack(id)?;
    match status {
        UpstreamStatus::Other(number) => Err(Problem::wrong(
            "an UpstreamAck with a status of 1 to 5",
            format_args!("status {number}"),
        )),
        UpstreamStatus::Busy => Err(Problem::skipped("the server is busy (UpstreamAck 4)")),
        known => Ok(known),
    }
}

fn demand_follows(before: UpstreamStatus, now: UpstreamStatus) -> Outcome {
    demand(
        may_follow(before, now),
        format_args!("where the message stands, after {before}"),
        now,
    )
}

/// Waits a little for the end of a message; where it stands then. A third party's server that is
/// near takes it at once, another one perhaps tomorrow.
fn wait_for_end(
    peer: &mut Peer,
    id: UpstreamId,
    before: UpstreamStatus,
) -> Result<UpstreamStatus, Problem> {
    match peer.next_within(peer.patience().quiet()) {
        Came::Silence(_) => Ok(before),
        Came::Frame {
            frame: Frame::UpstreamAck(ack),
            ..
        } if ack.id == id => demand_follows(before, ack.status).map(|()| ack.status),
        came => Err(Problem::wrong("UpstreamAck, or nothing", came)),
    }
}

/// Sends a message again, and a ping; the status of the last answer before the pong. What became of
/// the message meanwhile may be told beside the answer.
fn tell_again(
    peer: &mut Peer,
    id: UpstreamId,
    before: UpstreamStatus,
) -> Result<UpstreamStatus, Problem> {
    peer.send(&upstream(id.0, TASK, b"the same id again"));
    let mut stands = peer.expect_upstream_ack(id)?;
    demand_follows(before, stands)?;
    peer.send_frames(&[Frame::Ping]);
    for _ in 0..ACKS_MAX {
        let next = peer.expect("Pong, or UpstreamAck", |frame| match frame {
            Frame::Pong => Some(None),
            Frame::UpstreamAck(ack) if ack.id == id => Some(Some(ack.status)),
            _ => None,
        })?;
        let Some(next) = next else {
            return Ok(stands);
        };
        demand_follows(stands, next)?;
        stands = next;
    }
    Err(Problem::wrong("Pong", "one UpstreamAck after the other"))
}

pub(super) fn answers_messages_and_repeats(bench: &Bench) -> Outcome {
    let mut peer = bench.session()?.peer;
    let id = fresh()?;
    let first = tell(&mut peer, id, TASK, b"hello").during("a message")?;
    let end = wait_for_end(&mut peer, id, first).during("a message")?;
    let second = tell_again(&mut peer, id, end).during("the same again")?;
    tell_again(&mut peer, id, second)
        .during("and again")
        .map(drop)
}

pub(super) fn takes_messages_of_every_length(bench: &Bench) -> Outcome {
    let task = "任".repeat(limits::UPSTREAM_TASK_LEN_MAX / 3);
    let longest = vec![0xff; limits::UPSTREAM_BODY_LEN_MAX];
    for (what, task, message) in [
        ("an empty message without a task", "", &[][..]),
        ("the longest message of the longest task", &task, &longest),
    ] {
        let mut peer = bench.session()?.peer;
        tell(&mut peer, fresh()?, task, message).during(what)?;
    }
    Ok(())
}

pub(super) fn refuses_malformed_messages(bench: &Bench) -> Outcome {
    let task = "t".repeat(limits::UPSTREAM_TASK_LEN_MAX + 1);
    let body = vec![0; limits::UPSTREAM_BODY_LEN_MAX + 1];
    let mut no_text = upstream(1, "t", b"");
    if let Some(last) = no_text.last_mut() {
        *last = 0xff;
    }
    for (what, bytes) in [
        ("id 0", upstream(0, TASK, b"hello")),
        ("a task of 65 bytes", upstream(1, &task, b"hello")),
        ("a message of 16312 bytes", upstream(1, "", &body)),
        ("a task that is no text", no_text),
    ] {
        refused_in_session(bench, &bytes, CloseReason::ProtocolError).during(what)?;
    }
    Ok(())
}

pub(super) fn says_later_where_a_message_stands(bench: &Bench) -> Outcome {
    let mut session = bench.session()?;
    let id = fresh()?;
    let first = tell(&mut session.peer, id, TASK, b"hello")?;
    let end = wait_for_end(&mut session.peer, id, first)?;
    if first == UpstreamStatus::NoReceiver {
        let why = "the app has no server that takes messages (UpstreamAck 5)";
        return Err(Problem::skipped(why));
    }
    let (device, cid) = session.leave();
    let mut session = bench.return_of(&device, cid)?;
    let again = tell_again(&mut session.peer, id, end).during("in a later session")?;
    // Another one's message of the same id is another message.
    let mut other = bench.session()?.peer;
    tell(&mut other, id, TASK, b"not yours").during("the same id by another CID")?;
    tell_again(&mut session.peer, id, again)
        .during("after another CID used the id")
        .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_where_a_message_stood_when_told_anew_should_never_go_back() {
        use UpstreamStatus::{Busy, Delivered, GivenUp, NoReceiver, Stored};
        for (before, now, right) in [
            (Stored, Stored, true),
            (Stored, Delivered, true),
            (Stored, GivenUp, true),
            (Stored, NoReceiver, false),
            (Delivered, Delivered, true),
            (Delivered, Stored, false),
            (GivenUp, Delivered, false),
            (NoReceiver, NoReceiver, true),
            (NoReceiver, Busy, false),
        ] {
            assert_eq!(may_follow(before, now), right, "{before} {now}");
        }
    }
}
