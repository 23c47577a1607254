//! messages, their ids and their acks.
//!
//! Owner: the table. Always: what needs a message on its way is skipped where nobody can push.

use std::time::{Duration, Instant};

use protocol::{CloseReason, MessageId};
use schema::push::{Content, PushMessage};

use super::bench::{Bench, random_name};
use super::patience::wait_until;
use super::peer::Peer;
use super::problem::{During, Outcome, Problem, demand};

/// Wider windows are not filled: the pushes would take most of the run, and their ids two acks.
const WINDOW_MAX: u16 = protocol::limits::ACK_IDS_MAX as u16;

/// How long the message lives that shall expire.
const TTL_MS: i64 = 1_000;

/// When it has: also a server that looks at its clock once a second knows.
const EXPIRED_AFTER: Duration = Duration::from_millis(2_500);

fn demand_rising(ids: &[MessageId]) -> Outcome {
    let rising = ids.windows(2).all(|pair| pair[0] < pair[1]);
    demand(
        rising && ids.first().is_none_or(|id| *id > MessageId::NONE),
        "ids above 0 that rise",
        texts(ids),
    )
}

/// These pushes and no other.
pub(super) fn expect_exactly(peer: &mut Peer, expected: &[MessageId], why: &str) -> Outcome {
    for (at, id) in expected.iter().enumerate() {
        let came = peer.expect_push().during(why)?.id;
        demand(
            came == *id,
            format_args!("{why}: push {} of {}", at + 1, texts(expected)),
            format_args!("push {came}"),
        )?;
    }
    peer.expect_silence()
        .during(format_args!("{why}: {} and no more", texts(expected)))
}

fn texts(ids: &[MessageId]) -> String {
    let texts: Vec<String> = ids.iter().map(MessageId::to_string).collect();
    format!("[{}]", texts.join(" "))
}

pub(super) fn pushes_in_rising_order(bench: &Bench) -> Outcome {
    let pusher = bench.pusher()?;
    let mut session = bench.session()?;
    pusher.push_many(session.cid(), 3)?;
    let live = session.peer.expect_pushes(3)?;
    demand_rising(&live)?;
    session.peer.ack(&live)?;
    let (device, cid) = session.leave();
    pusher.push_many(cid, 3)?;
    let waited = bench.return_of(&device, cid)?.peer.expect_pushes(3)?;
    demand_rising(&[live, waited].concat())
}

pub(super) fn orders_one_and_many_alike(bench: &Bench) -> Outcome {
    let pusher = bench.pusher()?;
    let mut session = bench.session()?;
    let tag = random_name()?;
    pusher.tag(session.cid(), &tag)?;
    let mut ids = Vec::new();
    for _ in 0..2 {
        pusher.push(session.cid(), "to one")?;
        ids.extend(session.peer.expect_pushes(1)?);
        pusher.push_to_tag(&tag)?;
        ids.extend(
            session
                .peer
                .expect_pushes(1)
                .during("after a push to a tag")?,
        );
    }
    demand_rising(&ids)
}

pub(super) fn repeats_what_was_not_acked(bench: &Bench) -> Outcome {
    let pusher = bench.pusher()?;
    let mut session = bench.session()?;
    pusher.push_many(session.cid(), 3)?;
    let first = session.peer.expect_pushes(3)?;
    let (device, cid) = session.leave();
    for round in ["after a cut", "after another"] {
        let mut session = bench.return_of(&device, cid)?;
        expect_exactly(&mut session.peer, &first, round)?;
        session.leave();
    }
    let mut session = bench.return_of(&device, cid)?;
    session.peer.expect_pushes(3)?;
    session.peer.ack(&first)?;
    session.leave();
    bench
        .return_of(&device, cid)?
        .peer
        .expect_silence()
        .during("after all was acked")
}

pub(super) fn takes_acks_of_several(bench: &Bench) -> Outcome {
    let pusher = bench.pusher()?;
    let mut session = bench.session()?;
    pusher.push_many(session.cid(), 4)?;
    let ids = session.peer.expect_pushes(4)?;
    session.peer.ack(&ids[..3])?;
    let (device, cid) = session.leave();
    let mut session = bench.return_of(&device, cid)?;
    let why = "after one ack of three of four";
    expect_exactly(&mut session.peer, &ids[3..], why)
}

pub(super) fn refuses_acks_of_unsent_ids(bench: &Bench) -> Outcome {
    for id in [1 << 40, u64::MAX] {
        let mut peer = bench.session()?.peer;
        peer.send(&super::handwriting::ack(MessageId(id)));
        peer.expect_close(CloseReason::BadAck).during(format_args!(
            "after an ack of {id} in a session without pushes"
        ))?;
    }
    Ok(())
}

pub(super) fn takes_acks_twice_but_not_beyond(bench: &Bench) -> Outcome {
    let pusher = bench.pusher()?;
    let mut session = bench.session()?;
    pusher.push_many(session.cid(), 2)?;
    let ids = session.peer.expect_pushes(2)?;
    for _ in 0..2 {
        session.peer.ack(&ids).during("after an ack, and again")?;
    }
    session.peer.ack(&ids[..1]).during("after an older ack")?;
    let beyond = MessageId(ids[1].0 + 1);
    session.peer.send(&super::handwriting::ack(beyond));
    session
        .peer
        .expect_close(CloseReason::BadAck)
        .during("after an ack one above the last push")
}

pub(super) fn moves_the_cursor_over_unbroken_runs(bench: &Bench) -> Outcome {
    let pusher = bench.pusher()?;
    let mut session = bench.session()?;
    pusher.push_many(session.cid(), 3)?;
    let ids = session.peer.expect_pushes(3)?;
    session.peer.ack(&[ids[0], ids[2]])?;
    let (device, cid) = session.leave();
    let mut session = bench.return_of(&device, cid)?;
    let why = "after acks of the first and the third";
    expect_exactly(&mut session.peer, &ids[1..], why)?;
    session.peer.ack(&ids[1..])?;
    session.leave();
    bench
        .return_of(&device, cid)?
        .peer
        .expect_silence()
        .during("after the gap was closed")
}

pub(super) fn grants_a_window(bench: &Bench) -> Outcome {
    let window = bench.session()?.welcome.window;
    demand(window > 0, "a window of at least 1", window)
}

pub(super) fn keeps_to_its_window(bench: &Bench) -> Outcome {
    let pusher = bench.pusher()?;
    let mut session = bench.session()?;
    let window = session.welcome.window;
    if window > WINDOW_MAX {
        let why = format!("the window is {window}, at most {WINDOW_MAX} pushes are made for it");
        return Err(Problem::skipped(why));
    }
    let window = usize::from(window);
    let all = window + 3;
    pusher.push_many(session.cid(), all)?;
    let mut ids = session.peer.pushes_until_quiet()?;
    demand(
        (1..=window).contains(&ids.len()),
        format_args!("1 to {window} pushes without an ack"),
        format_args!("{} pushes", ids.len()),
    )?;
    session
        .peer
        .expect_alive()
        .during("a device that acks nothing stays connected")?;
    let mut acked = 0;
    while ids.len() < all {
        session.peer.ack_quietly(&ids[acked..]);
        acked = ids.len();
        let more = session.peer.pushes_until_quiet()?;
        demand(
            (1..=window).contains(&more.len()),
            format_args!(
                "1 to {window} more pushes after acks, {} of {all} came",
                ids.len()
            ),
            format_args!("{} pushes", more.len()),
        )?;
        ids.extend(more);
    }
    demand_rising(&ids)
}

pub(super) fn resumes_where_the_device_says(bench: &Bench) -> Outcome {
    let pusher = bench.pusher()?;
    let mut session = bench.session()?;
    pusher.push_many(session.cid(), 3)?;
    let ids = session.peer.expect_pushes(3)?;
    let (device, cid) = session.leave();
    let mut hello = bench.login(&device, cid);
    hello.resume = ids[1];
    let mut session = bench.return_with(&device, hello)?;
    let why = "with the second of three as resume";
    expect_exactly(&mut session.peer, &ids[2..], why)?;
    session.leave();
    let mut session = bench.return_of(&device, cid)?;
    expect_exactly(&mut session.peer, &ids[2..], "with 0 as resume after that")
}

pub(super) fn drops_what_expired(bench: &Bench) -> Outcome {
    let pusher = bench.pusher()?;
    let (device, cid) = bench.session()?.leave();
    pusher.push_for(cid, TTL_MS)?;
    let since = Instant::now();
    pusher.push(cid, "stays")?;
    wait_until(since + EXPIRED_AFTER);
    let mut session = bench.return_of(&device, cid)?;
    let push = session.peer.expect_push()?;
    let text = text_of(&push.body)?.1;
    demand(
        text == "stays",
        "the message that has not expired",
        format_args!("{text:?}"),
    )?;
    session.peer.ack(&[push.id])?;
    session.peer.expect_silence().during("nothing else waits")
}

pub(super) fn sends_bodies_that_verify(bench: &Bench) -> Outcome {
    let pusher = bench.pusher()?;
    let mut session = bench.session()?;
    let sent = "推送 \u{0}\u{1f4e8}".repeat(100);
    let task = pusher.push(session.cid(), &sent)?;
    let push = session.peer.expect_push()?;
    let (task_id, text) = text_of(&push.body)?;
    demand(
        !push.sealed && task_id == task && text == sent,
        format_args!("a Transmission of task {task} with the text that was pushed"),
        format_args!("task {task_id}, {} bytes of text", text.len()),
    )
}

/// Task and text of a transmission.
fn text_of(body: &[u8]) -> Result<(String, String), Problem> {
    let expected = "a PushMessage with a Transmission";
    let message = PushMessage::decode(body).map_err(|error| Problem::wrong(expected, error))?;
    match message.content {
        Content::Transmission(text) => Ok((message.task_id, text)),
        _ => Err(Problem::wrong(expected, "another content")),
    }
}
