//! What happened, in order: folded into one number, and the last of it kept for people.
//!
//! Owner: one run; the world and whoever catches its fall hold the same one. Always: every note
//! goes into the hash, so two runs with equal hashes went the same way.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::rc::Rc;

/// Notes that a failed run shows. Enough to see what led to it; a replay shows more.
pub(super) const NOTES_SHOWN_MAX: usize = 60;

/// One thing that happened, in the words of the simulation.
#[derive(Debug, Clone, Copy)]
struct Note {
    step: u64,
    at_us: u64,
    what: &'static str,
    facts: [u64; 3],
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Note {
            step,
            at_us,
            what,
            facts: [a, b, c],
        } = self;
        let (s, us) = (at_us / 1_000_000, at_us % 1_000_000);
        write!(f, "{step:>8} {s:>6}.{us:06} {what:<16} {a} {b} {c:x}")
    }
}

#[derive(Debug)]
struct Inner {
    hash: u64,
    step: u64,
    now_us: u64,
    notes: VecDeque<Note>,
    /// Every note is printed at once.
    aloud: bool,
}

/// See the module page. Cheap to clone: the clone is the same trace.
#[derive(Debug, Clone)]
pub(super) struct Trace(Rc<RefCell<Inner>>);

impl Trace {
    pub(super) fn new(seed: u64, aloud: bool) -> Self {
        Trace(Rc::new(RefCell::new(Inner {
            hash: seed ^ 0xcbf2_9ce4_8422_2325,
            step: 0,
            now_us: 0,
            notes: VecDeque::with_capacity(NOTES_SHOWN_MAX),
            aloud,
        })))
    }

    /// The next happening of the agenda begins.
    pub(super) fn step(&self, now_us: u64) {
        let mut inner = self.0.borrow_mut();
        inner.step += 1;
        inner.now_us = now_us;
    }

    /// Something happened.
    pub(super) fn note(&self, what: &'static str, facts: [u64; 3]) {
        let mut inner = self.0.borrow_mut();
        let (step, at_us) = (inner.step, inner.now_us);
        for byte in what.bytes() {
            inner.fold(u64::from(byte));
        }
        inner.fold(at_us);
        facts.into_iter().for_each(|fact| inner.fold(fact));
        if inner.notes.len() == NOTES_SHOWN_MAX {
            inner.notes.pop_front();
        }
        let note = Note {
            step,
            at_us,
            what,
            facts,
        };
        if inner.aloud {
            println!("{note}");
        }
        inner.notes.push_back(note);
    }

    /// Happenings of the agenda so far.
    pub(super) fn steps(&self) -> u64 {
        self.0.borrow().step
    }

    /// Every note so far in one number.
    pub(super) fn hash(&self) -> u64 {
        self.0.borrow().hash
    }

    /// The last notes, oldest first.
    pub(super) fn last(&self) -> Vec<String> {
        self.0.borrow().notes.iter().map(Note::to_string).collect()
    }
}

impl Inner {
    fn fold(&mut self, value: u64) {
        self.hash = (self.hash ^ value).wrapping_mul(0x0000_0100_0000_01b3);
        self.hash ^= self.hash >> 29;
    }
}
