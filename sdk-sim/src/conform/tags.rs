//! the tags that a device gives itself.
//!
//! Owner: the table. Always: each check has a device of its own, which has no tags in the end.

use protocol::{ResultCode, wire};

use super::bench::{Bench, Session, random_name};
use super::exchange::{demand_changed, demand_code};
use super::handwriting::texts;
use super::peer::Peer;
use super::problem::{Outcome, Problem, demand};

/// Most tags of one client.
const TAGS_MAX: usize = 100;

/// Most characters of its tags together.
const CHARACTERS_MAX: usize = 512;

/// Most characters of one.
const TAG_CHARACTERS_MAX: usize = 32;

fn arguments<T: AsRef<str>>(tags: &[T]) -> Vec<u8> {
    let tags: Vec<&str> = tags.iter().map(AsRef::as_ref).collect();
    // No check sets more than one above the limit.
    let mut bytes = vec![tags.len() as u8];
    bytes.extend(texts(&tags));
    bytes
}

fn set<T: AsRef<str>>(peer: &mut Peer, tags: &[T], code: ResultCode, what: &str) -> Outcome {
    let result = peer.ask(wire::OP_SET_TAGS, &arguments(tags), what)?;
    demand_changed(result.code, code, what)
}

/// The tags that the client has, as the server tells them.
fn demand_tags<T: AsRef<str>>(peer: &mut Peer, expected: &[T], what: &str) -> Outcome {
    let what = format!("the tags {what}");
    let result = peer.ask(wire::OP_QUERY_TAGS, &[], &what)?;
    demand_code(result.code, ResultCode::Ok, &what)?;
    let came = result
        .tags()
        .map_err(|error| Problem::wrong(format_args!("{what}: a list of tags"), error))?;
    let expected: Vec<&str> = expected.iter().map(AsRef::as_ref).collect();
    demand(
        came == expected,
        format_args!("{what}: {expected:?}"),
        format_args!("{came:?}"),
    )
}

/// A session that may set tags, and has none.
fn tagger(bench: &Bench) -> Result<Session, Problem> {
    let mut session = bench.session()?;
    let none = arguments::<&str>(&[]);
    let what = "no tags for a client without any";
    let result = session.peer.ask(wire::OP_SET_TAGS, &none, what)?;
    if result.code == ResultCode::NotPermitted {
        let why = "devices of this app may not set tags (code 3)";
        return Err(Problem::skipped(why));
    }
    demand_changed(result.code, ResultCode::Ok, what)?;
    demand_tags::<&str>(&mut session.peer, &[], "of a new client")?;
    Ok(session)
}

fn clear(peer: &mut Peer) -> Outcome {
    set::<&str>(peer, &[], ResultCode::Ok, "a count of 0")?;
    demand_tags::<&str>(peer, &[], "after a count of 0")
}

pub(super) fn sets_replace_each_other(bench: &Bench) -> Outcome {
    let mut session = tagger(bench)?;
    // In UTF-16 the last two would stand the other way round.
    let sorted = ["B", "a", "北京", "\u{ff21}", "\u{1f600}"];
    let given = ["\u{1f600}", "a", "\u{ff21}", "北京", "B"];
    for what in ["a set", "the same again"] {
        set(&mut session.peer, &given, ResultCode::Ok, what)?;
        demand_tags(&mut session.peer, &sorted, "in the order of their bytes")?;
    }
    let (device, cid) = session.leave();
    let mut session = bench.return_of(&device, cid)?;
    demand_tags(&mut session.peer, &sorted, "in a later session")?;
    set(&mut session.peer, &["c"], ResultCode::Ok, "another set")?;
    demand_tags(&mut session.peer, &["c"], "after another set")?;
    clear(&mut session.peer)
}

/// As many tags as there may be, with as many characters.
fn fullest() -> Vec<String> {
    let of_six = CHARACTERS_MAX - 5 * TAGS_MAX;
    (0..TAGS_MAX)
        .map(|n| match n {
            n if n < of_six => format!("t{n:05}"),
            n => format!("u{n:04}"),
        })
        .collect()
}

pub(super) fn takes_sets_up_to_the_limits(bench: &Bench) -> Outcome {
    let mut session = tagger(bench)?;
    let peer = &mut session.peer;
    let full = fullest();
    let what = "100 tags with 512 characters";
    set(peer, &full, ResultCode::Ok, what)?;
    demand_tags(peer, &full, "after 100 of them")?;
    // Characters count, not bytes; each of four.
    let rest = "\u{1f600}".repeat(TAG_CHARACTERS_MAX - 1);
    let long: Vec<String> = ('a'..='p').map(|first| format!("{first}{rest}")).collect();
    let what = "16 tags of 32 characters";
    set(peer, &long, ResultCode::Ok, what)?;
    demand_tags(peer, &long, "after 16 long ones")?;
    clear(peer)
}

/// Sets with faults, the code of each, and what it is.
fn bad_sets() -> Vec<(Vec<String>, ResultCode, &'static str)> {
    use ResultCode::{DuplicateTag, EmptyTag, TagMalformed, TagsTooLong, TooManyTags};
    let short = |count: usize| -> Vec<String> { (0..count).map(|n| format!("t{n}")).collect() };
    let list = |tags: &[&str]| -> Vec<String> { tags.iter().map(|&tag| tag.to_owned()).collect() };
    let mut long = fullest();
    long[0].push('x');
    let too_long = "a".repeat(TAG_CHARACTERS_MAX + 1);
    let many_too_long = ('a'..='p').map(|first| format!("{first}{}", &too_long[1..]));
    let mut all_faults = short(TAGS_MAX);
    all_faults.push("t1".to_owned());
    let mut sets = vec![
        (short(TAGS_MAX + 1), TooManyTags, "101 tags"),
        (all_faults, TooManyTags, "101 tags, one of them twice"),
        (list(&["a", "b", "a"]), DuplicateTag, "a tag twice"),
        (list(&["", "x y", ""]), DuplicateTag, "an empty tag twice"),
        (list(&["x y", "", "a"]), EmptyTag, "a space and no tag"),
        (long, TagsTooLong, "513 characters"),
        (
            many_too_long.collect(),
            TagsTooLong,
            "528 characters in tags of 33",
        ),
        (list(&["a", &too_long]), TagMalformed, "33 characters"),
    ];
    for bad in [
        "x y",
        " x",
        "x\t",
        "\u{a0}",
        "x\u{3000}y",
        "\0",
        "\u{7f}",
        "\u{85}",
    ] {
        sets.push((list(&["a", bad]), TagMalformed, "blanks and controls"));
    }
    sets
}

pub(super) fn refuses_bad_sets_and_changes_nothing(bench: &Bench) -> Outcome {
    let mut session = tagger(bench)?;
    let peer = &mut session.peer;
    let kept = ["kept"];
    set(peer, &kept, ResultCode::Ok, "a good set")?;
    for (tags, code, what) in bad_sets() {
        set(peer, &tags, code, what)?;
        demand_tags(peer, &kept, &format!("after a refused set ({what})"))?;
    }
    clear(peer)
}

pub(super) fn shares_them_with_the_third_party(bench: &Bench) -> Outcome {
    let pusher = bench.pusher()?;
    let mut session = tagger(bench)?;
    let tag = random_name()?;
    pusher.tag(session.cid(), &tag)?;
    let what = "after the third party gave one";
    demand_tags(&mut session.peer, &[&tag], what)?;
    set(&mut session.peer, &["own"], ResultCode::Ok, "a set")?;
    let what = "after the device replaced that of the third party";
    demand_tags(&mut session.peer, &["own"], what)?;
    clear(&mut session.peer)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn given_the_fullest_set_when_counted_should_be_at_both_limits() {
        let full = fullest();
        assert_eq!(full.len(), TAGS_MAX);
        assert_eq!(full.concat().chars().count(), CHARACTERS_MAX);
        assert!(full.is_sorted(), "as it comes back");
        assert_eq!(full.iter().collect::<BTreeSet<_>>().len(), TAGS_MAX);
    }
}
