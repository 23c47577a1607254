//! commands, and the aliases they bind.
//!
//! Owner: the table. Always: aliases have random names; what a check bound it unbinds in the end.

use std::collections::BTreeSet;

use protocol::{ResultCode, wire};

use super::bench::{Bench, Session, random_name};
use super::exchange::{demand_changed, demand_code};
use super::framing::OP_UNKNOWN;
use super::handwriting::{command, texts};
use super::peer::Peer;
use super::problem::{During, Outcome, Problem, demand};

/// Commands a device should have unanswered.
const UNANSWERED_MAX: u32 = 16;

/// Most CIDs of one alias.
const CIDS_PER_ALIAS_MAX: usize = 10;

fn bind(peer: &mut Peer, alias_type: &str, alias: &str) -> Result<ResultCode, Problem> {
    let op = wire::OP_BIND_ALIAS;
    peer.send(&command(1, op, &texts(&[alias_type, alias])));
    peer.expect_result(1, op)
        .during(format_args!("bind {alias_type:?} {alias:?}"))
}

fn unbind(peer: &mut Peer, scope: u8, alias: &str) -> Result<ResultCode, Problem> {
    let op = wire::OP_UNBIND_ALIAS;
    let arguments = [&[scope][..], &texts(&["", alias])].concat();
    peer.send(&command(2, op, &arguments));
    peer.expect_result(2, op)
        .during(format_args!("unbind {alias:?}"))
}

/// A session that may bind aliases, and an alias it has not bound.
fn binder(bench: &Bench) -> Result<(Session, String), Problem> {
    let mut session = bench.session()?;
    let alias = random_name()?;
    if unbind(&mut session.peer, wire::SCOPE_THIS_CLIENT, &alias)? == ResultCode::NotPermitted {
        let why = "devices of this app may not bind aliases (code 3)";
        return Err(Problem::skipped(why));
    }
    Ok((session, alias))
}

pub(super) fn answers_unknown_ops_with_code_1(bench: &Bench) -> Outcome {
    let mut peer = bench.session()?.peer;
    for (serial, op) in [(0, 0x00), (u32::MAX, OP_UNKNOWN), (7, 0xff)] {
        peer.send(&command(serial, op, b"\xff not looked at"));
        let code = peer.expect_result(serial, op)?;
        demand_code(code, ResultCode::Unsupported, "an op that nobody knows")?;
    }
    peer.send(&command(8, OP_UNKNOWN, &[]));
    let code = peer.expect_result(8, OP_UNKNOWN)?;
    demand_code(
        code,
        ResultCode::Unsupported,
        "an unknown op without arguments",
    )
}

pub(super) fn answers_each_command_once(bench: &Bench) -> Outcome {
    let mut peer = bench.session()?.peer;
    let unbind = [&[wire::SCOPE_THIS_CLIENT][..], &texts(&["", "nobody"])].concat();
    let mut waiting = BTreeSet::new();
    let mut bytes = Vec::new();
    for number in 0..UNANSWERED_MAX {
        // Serials in no order; the two ops may be answered out of order.
        let serial = number.wrapping_mul(0x9e37_79b9);
        let op = if number % 2 == 0 {
            OP_UNKNOWN
        } else {
            wire::OP_UNBIND_ALIAS
        };
        bytes.extend(command(serial, op, &unbind));
        waiting.insert((serial, op));
    }
    peer.send(&bytes);
    while !waiting.is_empty() {
        let expected = format!("a CommandResult for each of {} commands", waiting.len());
        peer.expect(&expected, |frame| match frame {
            protocol::Frame::CommandResult(result) => {
                waiting.remove(&(result.serial, result.op)).then_some(())
            }
            _ => None,
        })?;
    }
    peer.expect_silence().during("after a result for each")
}

pub(super) fn takes_the_same_command_again(bench: &Bench) -> Outcome {
    let (mut session, alias) = binder(bench)?;
    for what in ["a binding", "a repeated binding"] {
        demand_changed(bind(&mut session.peer, "", &alias)?, ResultCode::Ok, what)?;
    }
    for what in ["an unbinding", "a repeated unbinding"] {
        let code = unbind(&mut session.peer, wire::SCOPE_THIS_CLIENT, &alias)?;
        demand_changed(code, ResultCode::Ok, what)?;
    }
    let code = unbind(&mut session.peer, wire::SCOPE_EVERYWHERE, &alias)?;
    demand_changed(code, ResultCode::Ok, "an unbinding everywhere")
}

pub(super) fn takes_the_names_of_the_document(bench: &Bench) -> Outcome {
    let (mut session, alias) = binder(bench)?;
    let peer = &mut session.peer;
    let longest = format!("{alias}_{}", "A".repeat(38 - alias.len()));
    let chinese = format!("{alias}_\u{3400}推送\u{9fff}");
    for good in [&longest, &chinese] {
        demand_changed(bind(peer, "", good)?, ResultCode::Ok, good)?;
        unbind(peer, wire::SCOPE_THIS_CLIENT, good)?;
    }
    let invalid = ResultCode::AliasInvalid;
    let too_long = "a".repeat(40);
    for bad in [too_long.as_str(), "a-b", "a b", "é", "\u{33ff}", "\u{a000}"] {
        demand_changed(bind(peer, "", bad)?, invalid, bad)?;
    }
    for bad_type in [too_long.as_str(), "a.b"] {
        let what = format!("type {bad_type:?}");
        demand_changed(bind(peer, bad_type, &alias)?, invalid, &what)?;
    }
    Ok(())
}

pub(super) fn keeps_one_alias_a_client(bench: &Bench) -> Outcome {
    let pusher = bench.pusher()?;
    let (mut session, first) = binder(bench)?;
    let second = random_name()?;
    let own = [session.cid().to_string()];
    for alias in [&first, &second] {
        demand_changed(bind(&mut session.peer, "", alias)?, ResultCode::Ok, alias)?;
        let named = pusher.clients_of_alias(alias)?;
        demand(
            named == own,
            format_args!("{own:?} behind an alias it bound"),
            format_args!("{named:?}"),
        )?;
        session.peer.expect_push().during("after a push to it")?;
    }
    // A push to an alias that names nobody is refused, or names nobody.
    let left = pusher.clients_of_alias(&first).unwrap_or_default();
    demand(
        left.is_empty(),
        "nobody behind the alias that was replaced",
        format_args!("{left:?}"),
    )?;
    unbind(&mut session.peer, wire::SCOPE_THIS_CLIENT, &second).map(drop)
}

pub(super) fn keeps_ten_clients_an_alias(bench: &Bench) -> Outcome {
    let pusher = bench.pusher()?;
    let (_, alias) = binder(bench)?;
    let mut cids = Vec::new();
    let mut last = None;
    for _ in 0..=CIDS_PER_ALIAS_MAX {
        let mut session = bench.session()?;
        let code = bind(&mut session.peer, "", &alias)?;
        demand_changed(code, ResultCode::Ok, "a binding")?;
        cids.push(session.cid().to_string());
        last = Some(session);
    }
    let named = pusher.clients_of_alias(&alias)?;
    let mut newest = cids.split_off(1);
    newest.sort();
    demand(
        named == newest,
        format_args!("the ten CIDs that bound last: {newest:?}"),
        format_args!("{named:?}"),
    )?;
    let mut session = last.ok_or_else(|| Problem::skipped("no session"))?;
    session
        .peer
        .expect_push()
        .during("after a push to the alias")?;
    unbind(&mut session.peer, wire::SCOPE_EVERYWHERE, &alias).map(drop)
}
