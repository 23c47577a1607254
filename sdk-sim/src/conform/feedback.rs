//! what the user did with messages.
//!
//! Owner: the table.

use protocol::wire::{
    ACTION_CLICKED, ACTION_OWN_CLICKED, ACTION_OWN_SHOWN, ACTION_SHOWN, OP_FEEDBACK,
};
use protocol::{MessageId, ResultCode, limits};

use super::bench::Bench;
use super::exchange::{demand_code, refuse_all};
use super::peer::Peer;
use super::problem::{Outcome, demand};

const COUNTED: u8 = 0;
const COUNTED_BEFORE: u8 = 1;
const NO_SUCH_MESSAGE: u8 = 2;

/// Numbers beside those that mean something.
const NO_ACTIONS: [u32; 6] = [0, ACTION_SHOWN + 1, 60_003, 90_000, 91_000, u32::MAX];

/// The first and the last of an app's own.
const ACTIONS_OF_THE_APP: [u32; 2] = [90_001, 90_999];

fn arguments(entries: &[(MessageId, u32)]) -> Vec<u8> {
    // No check gives more than one above the limit.
    let mut bytes = vec![entries.len() as u8];
    for (id, action) in entries {
        bytes.extend(id.0.to_be_bytes());
        bytes.extend(action.to_be_bytes());
        bytes.extend(3u32.to_be_bytes());
    }
    bytes
}

fn give(peer: &mut Peer, entries: &[(MessageId, u32)], verdicts: &[u8], what: &str) -> Outcome {
    let result = peer.ask(OP_FEEDBACK, &arguments(entries), what)?;
    demand_code(result.code, ResultCode::Ok, what)?;
    demand(
        result.detail == verdicts,
        format_args!("{what}: verdicts {verdicts:?}"),
        format_args!("{:?}", result.detail.to_vec()),
    )
}

fn give_bad(peer: &mut Peer, entries: &[(MessageId, u32)], what: &str) -> Outcome {
    let bytes = arguments(entries);
    peer.ask_for(ResultCode::BadParameter, OP_FEEDBACK, &bytes, what)
}

pub(super) fn counts_each_action_once(bench: &Bench) -> Outcome {
    let pusher = bench.pusher()?;
    let mut session = bench.session()?;
    pusher.push_many(session.cid(), 2)?;
    let ids = session.peer.expect_pushes(2)?;
    let (acked, under_way) = (ids[0], ids[1]);
    session.peer.ack(&[acked])?;
    let peer = &mut session.peer;
    let entries = [
        (acked, ACTION_SHOWN),
        (acked, ACTION_SHOWN),
        (acked, ACTION_CLICKED),
        (under_way, ACTION_SHOWN),
    ];
    let verdicts = [COUNTED, COUNTED_BEFORE, COUNTED, COUNTED];
    let what = "shown twice and clicked, and another shown";
    give(peer, &entries, &verdicts, what)?;
    let what = "the same in another command";
    give(peer, &entries, &[COUNTED_BEFORE; 4], what)?;
    let of_the_app = ACTIONS_OF_THE_APP.map(|action| (acked, action));
    let what = "what the app says";
    give(peer, &of_the_app, &[COUNTED; 2], what)?;
    let (device, cid) = session.leave();
    let mut session = bench.return_of(&device, cid)?;
    session.peer.expect_pushes(1)?;
    let what = "the same in a later session";
    give(&mut session.peer, &entries, &[COUNTED_BEFORE; 4], what)?;
    session.peer.ack(&[under_way])
}

pub(super) fn counts_nothing_with_a_bad_action(bench: &Bench) -> Outcome {
    let pusher = bench.pusher()?;
    let mut session = bench.session()?;
    pusher.push(session.cid(), "for bad actions")?;
    let ids = session.peer.expect_pushes(1)?;
    session.peer.ack(&ids)?;
    let peer = &mut session.peer;
    for action in NO_ACTIONS {
        let entries = [(ids[0], ACTION_OWN_SHOWN), (ids[0], action)];
        let what = format!("a good action and {action}");
        give_bad(peer, &entries, &what)?;
    }
    let entries = [(ids[0], ACTION_OWN_SHOWN), (ids[0], ACTION_OWN_CLICKED)];
    let what = "the good action alone, after commands that counted nothing";
    give(peer, &entries, &[COUNTED; 2], what)
}

pub(super) fn knows_whose_a_message_is(bench: &Bench) -> Outcome {
    let mut peer = bench.session()?.peer;
    let nobodys = [
        (MessageId(0), ACTION_SHOWN),
        (MessageId(u64::MAX), ACTION_CLICKED),
    ];
    let what = "messages that nobody was sent";
    give(&mut peer, &nobodys, &[NO_SUCH_MESSAGE; 2], what)?;
    let what = "no message, and an action that means nothing";
    give_bad(&mut peer, &[(MessageId(0), NO_ACTIONS[0])], what)?;
    let most = vec![nobodys[0]; limits::FEEDBACK_LEN_MAX];
    let verdicts = [NO_SUCH_MESSAGE; limits::FEEDBACK_LEN_MAX];
    give(&mut peer, &most, &verdicts, "64 entries")?;
    let more = vec![nobodys[0]; limits::FEEDBACK_LEN_MAX + 1];
    let bad = [
        ("no entries", arguments(&[])),
        ("65 entries", arguments(&more)),
        ("half an entry", vec![1, 0, 0]),
    ];
    refuse_all(bench, OP_FEEDBACK, &bad)
}

pub(super) fn keeps_messages_of_others_apart(bench: &Bench) -> Outcome {
    let pusher = bench.pusher()?;
    let mut other = bench.session()?;
    pusher.push(other.cid(), "for another")?;
    let ids = other.peer.expect_pushes(1)?;
    other.peer.ack(&ids)?;
    let mut session = bench.session()?;
    let entries = [(ids[0], ACTION_SHOWN)];
    let what = "a message of another CID";
    give(&mut session.peer, &entries, &[NO_SUCH_MESSAGE], what)?;
    let what = "the same by the CID that got it";
    give(&mut other.peer, &entries, &[COUNTED], what)
}
