//! The books: what the server was asked for and what it answered.
//!
//! Always: only what was answered is owed; what was asked and never answered may have happened, and
//! is written down as such. Nothing here is taken from a look-up.

#![allow(dead_code, reason = "each of the two test targets uses a part of it")]
#![expect(
    clippy::disallowed_types,
    reason = "the threads of a test write into one book; no shard is near"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use protocol::ClientId;
use sdk_sim::third_party::{Accepted, Push};

/// Answered pushes that are kept to be asked for again, the newest first to go.
const KEPT: usize = 256;

/// What each load has of.
const KINDS: [&str; 13] = [
    "single pushes",
    "repeats",
    "lists",
    "pushes to a tag",
    "pushes to the app",
    "tags by the third party",
    "aliases by the third party",
    "tags by devices",
    "aliases by devices",
    "messages to the third party",
    "reports",
    "registrations",
    "logins",
];

/// `(task, CID)`.
pub(crate) type Message = (String, String);

/// A single push with its first answer.
#[derive(Debug, Clone)]
pub(crate) struct Answered {
    pub(crate) cid: String,
    pub(crate) push: Push,
    pub(crate) accepted: Accepted,
}

/// What one look at the books shows.
#[derive(Debug, Default)]
pub(crate) struct Pages {
    /// Messages that must come, once.
    pub(crate) owed: BTreeSet<Message>,
    /// Messages of requests without an answer.
    pub(crate) maybe: BTreeSet<Message>,
    /// What came to the devices that the test itself plays.
    pub(crate) came: BTreeSet<Message>,
    /// What these devices said that they showed, and the server counted.
    pub(crate) shown: BTreeSet<Message>,
    /// The last answered alias and tag of each device.
    pub(crate) aliases: BTreeMap<String, String>,
    pub(crate) tags: BTreeMap<String, String>,
    /// Messages of devices that were said to be stored: CID and the device's own number.
    pub(crate) upstreams: BTreeSet<(String, String)>,
    /// Devices by the number of their install.
    pub(crate) registered: BTreeMap<usize, ClientId>,
    answered: Vec<Answered>,
    next_kept: usize,
    /// Answers by what was asked for.
    counts: BTreeMap<&'static str, u64>,
}

/// See the module page.
#[derive(Debug, Default)]
pub(crate) struct Books(Mutex<Pages>);

impl Books {
    /// To read or to write. A thread that failed does not hide what the others wrote.
    pub(crate) fn open(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A push that was answered.
    pub(crate) fn owe<'a>(&self, task: &str, cids: impl IntoIterator<Item = &'a String>) {
        let messages = cids.into_iter().map(|cid| (task.to_owned(), cid.clone()));
        self.open().owed.extend(messages);
    }

    /// Whether a device that the test plays has not got all that it must get.
    pub(crate) fn owes(&self, cid: &str) -> bool {
        let pages = self.open();
        let mut missing = pages.owed.difference(&pages.came);
        missing.any(|(_, owed_to)| owed_to == cid)
    }

    /// A push that may have happened.
    pub(crate) fn doubt<'a>(&self, task: &str, cids: impl IntoIterator<Item = &'a String>) {
        let messages = cids.into_iter().map(|cid| (task.to_owned(), cid.clone()));
        self.open().maybe.extend(messages);
    }

    /// Keeps an answer, so that it can be asked for again.
    pub(crate) fn keep(&self, answered: Answered) {
        let mut pages = self.open();
        pages.next_kept += 1;
        if pages.answered.len() < KEPT {
            pages.answered.push(answered);
        } else {
            let at = pages.next_kept % KEPT;
            pages.answered[at] = answered;
        }
    }

    /// One of the answers kept.
    pub(crate) fn kept(&self, number: usize) -> Option<Answered> {
        let pages = self.open();
        let len = pages.answered.len();
        (len > 0).then(|| pages.answered[number % len].clone())
    }

    /// Nothing of before is asked for again.
    pub(crate) fn forget_answers(&self) {
        self.open().answered.clear();
    }

    /// One more answer.
    pub(crate) fn count(&self, what: &'static str) {
        *self.open().counts.entry(what).or_default() += 1;
    }

    /// All answers.
    pub(crate) fn answers(&self) -> u64 {
        self.open().counts.values().sum()
    }

    /// Each kind of call was answered: what was never asked for cannot be lost.
    pub(crate) fn assert_every_kind(&self) {
        let pages = self.open();
        for kind in KINDS {
            assert!(pages.counts.contains_key(kind), "there were no {kind}");
        }
    }

    /// The answers, as words for whoever ran the test.
    pub(crate) fn summary(&self) -> String {
        let pages = self.open();
        let counts = pages.counts.iter();
        let words: Vec<String> = counts
            .map(|(what, count)| format!("{count} {what}"))
            .collect();
        format!("{}; {} messages owed", words.join(", "), pages.owed.len())
    }
}
