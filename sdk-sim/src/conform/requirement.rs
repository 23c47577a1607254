//! A requirement of the document, and what checks it.
//!
//! Owner: the table. Always: a requirement has checks, or a reason why it has none.

use super::bench::Bench;
use super::problem::Outcome;

/// One R-n.
pub(super) struct Requirement {
    /// Its number.
    pub(super) number: u16,
    /// What it is about, in a few words.
    pub(super) about: &'static str,
    /// What becomes of it.
    pub(super) cover: Cover,
}

/// What becomes of a requirement.
pub(super) enum Cover {
    /// It holds if all of these pass.
    Checks(&'static [Check]),
    /// Why it has none.
    NoCheck(&'static str),
}

/// One thing that a server must do.
pub(super) struct Check {
    /// What the peer does, in a few words.
    pub(super) name: &'static str,
    /// Does it. Bounded in time.
    pub(super) run: fn(&Bench) -> Outcome,
    /// It waits for seconds, and does so beside the others.
    pub(super) slow: bool,
}

/// A requirement that checks hold.
pub(super) const fn checked(
    number: u16,
    about: &'static str,
    checks: &'static [Check],
) -> Requirement {
    Requirement {
        number,
        about,
        cover: Cover::Checks(checks),
    }
}

/// A requirement without a check.
pub(super) const fn unchecked(number: u16, about: &'static str, why: &'static str) -> Requirement {
    Requirement {
        number,
        about,
        cover: Cover::NoCheck(why),
    }
}

/// A check that takes its turn.
pub(super) const fn check(name: &'static str, run: fn(&Bench) -> Outcome) -> Check {
    Check {
        name,
        run,
        slow: false,
    }
}

/// A check that waits for seconds.
pub(super) const fn slow(name: &'static str, run: fn(&Bench) -> Outcome) -> Check {
    Check {
        name,
        run,
        slow: true,
    }
}
