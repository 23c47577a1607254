//! The outbox against a plain reference: a list of all messages and what the device has seen.

use std::collections::BTreeSet;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::group::{GroupNo, StoppedGroups};
use crate::limits::{PAGE_BYTES_MAX, PAGE_LEN_MAX};

static BODY: [u8; 120_000] = [0; 120_000];
const NEVER_MS: u64 = u64::MAX;

/// One thing that may happen.
#[derive(Debug, Clone)]
enum Step {
    /// Messages become durable; the outbox hears of them later.
    Commit {
        count: usize,
        kept: bool,
        len: usize,
        ttl_ms: Option<u64>,
    },
    /// The outbox, or nobody, hears of the next messages.
    Hear { count: usize },
    /// A page is asked for.
    Ask,
    /// The store is read for the page.
    Read { len_max: usize },
    /// The page comes.
    Page,
    /// The device acknowledges some of what it was sent: every id whose bit is set.
    Ack { bits: u64 },
    /// The device acknowledges everything.
    AckAll,
    /// Time passes.
    Wait { ms: u64 },
    /// The session ends, and another begins, perhaps with a resume.
    Again { resume: bool },
}

fn step() -> impl Strategy<Value = Step> {
    let len = prop_oneof![8 => 0..200usize, 1 => 30_000..BODY.len()];
    let ttl_ms = prop::option::weighted(0.3, 1..5_000u64);
    let commit = (
        prop_oneof![6 => 1..4usize, 1 => 50..150usize],
        prop::bool::weighted(0.8),
        len,
        ttl_ms,
    );
    prop_oneof![
        8 => commit.prop_map(|(count, kept, len, ttl_ms)| Step::Commit { count, kept, len, ttl_ms }),
        8 => (1..120usize).prop_map(|count| Step::Hear { count }),
        5 => Just(Step::Ask),
        5 => prop_oneof![Just(PAGE_LEN_MAX), 1..5usize].prop_map(|len_max| Step::Read { len_max }),
        5 => Just(Step::Page),
        6 => any::<u64>().prop_map(|bits| Step::Ack { bits }),
        2 => Just(Step::AckAll),
        2 => (1..3_000u64).prop_map(|ms| Step::Wait { ms }),
        1 => any::<bool>().prop_map(|resume| Step::Again { resume }),
    ]
}

struct Reference {
    outbox: Outbox,
    now_ms: u64,
    /// Every message, in the order of ids: id N stands at N - 1.
    all: Vec<StoredMessage>,
    heard_len: usize,
    page: Option<Option<Page>>,
    /// What this session was sent and has not acknowledged.
    unacked: BTreeSet<MessageId>,
    last_sent: MessageId,
    /// What the device handled in any session.
    handled: BTreeSet<MessageId>,
    /// The highest resume of any session.
    resumed: MessageId,
    finals: Finals,
}

impl Reference {
    fn new() -> Self {
        Reference {
            outbox: Outbox::new(MessageId(0), MessageId(0), true),
            now_ms: 1_000,
            all: Vec::new(),
            heard_len: 0,
            page: None,
            unacked: BTreeSet::new(),
            last_sent: MessageId(0),
            handled: BTreeSet::new(),
            resumed: MessageId(0),
            finals: Finals::new(),
        }
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Commit {
                count,
                kept,
                len,
                ttl_ms,
            } => {
                for _ in 0..*count {
                    self.all.push(StoredMessage {
                        id: MessageId(self.all.len() as u64 + 1),
                        expires_ms: ttl_ms.map_or(NEVER_MS, |ttl_ms| self.now_ms + ttl_ms),
                        kept: *kept,
                        sealed: false,
                        group: GroupNo::NONE,
                        body: Bytes::from_static(&BODY[..*len]),
                    });
                }
            }
            Step::Hear { count } => {
                for _ in 0..(*count).min(self.all.len() - self.heard_len) {
                    self.outbox
                        .stored(self.all[self.heard_len].clone(), &mut self.finals);
                    self.heard_len += 1;
                    self.pump();
                }
            }
            Step::Ask => {
                if self.outbox.wants_page().is_some() {
                    self.outbox.page_asked(self.now_ms);
                    self.page = Some(None);
                }
            }
            Step::Read { len_max } => {
                if let Some(None) = self.page {
                    self.page = Some(Some(self.read(*len_max)));
                }
            }
            Step::Page => {
                if let Some(Some(page)) = self.page.take_if(|page| page.is_some()) {
                    self.outbox.page(page);
                    self.pump();
                }
            }
            Step::Ack { bits } => {
                let picked = self
                    .unacked
                    .iter()
                    .enumerate()
                    .filter(|(at, _)| bits >> (at % 64) & 1 == 1);
                let ids: Vec<MessageId> = picked.map(|(_, id)| *id).collect();
                self.ack(&ids);
            }
            Step::AckAll => {
                let ids: Vec<MessageId> = self.unacked.iter().copied().collect();
                self.ack(&ids);
            }
            Step::Wait { ms } => self.now_ms += ms,
            Step::Again { resume } => self.again(*resume),
        }
        self.check();
    }

    /// The page that a reader would bring: what is durable above the highest id that came in.
    fn read(&self, len_max: usize) -> Page {
        let above = self
            .all
            .iter()
            .filter(|message| message.kept && message.id > self.outbox.fed);
        let mut page = Page {
            messages: Vec::new(),
            complete: true,
        };
        let mut bytes = 0;
        for message in above {
            bytes += message.body.len();
            let full = page.messages.len() == len_max || bytes > PAGE_BYTES_MAX;
            if full && !page.messages.is_empty() {
                page.complete = false;
                break;
            }
            page.messages.push(message.clone());
        }
        page
    }

    fn pump(&mut self) {
        while let Some(push) =
            self.outbox
                .next_push(self.now_ms, &StoppedGroups::new(), &mut self.finals)
        {
            assert!(
                push.id > self.last_sent,
                "{} was sent after {}",
                push.id,
                self.last_sent
            );
            assert_eq!(
                push,
                self.all[push.id.0 as usize - 1],
                "a message is sent as it was stored"
            );
            assert!(
                !push.kept || push.expires_ms > self.now_ms,
                "an expired message is not sent"
            );
            self.last_sent = push.id;
            self.unacked.insert(push.id);
        }
    }

    fn ack(&mut self, ids: &[MessageId]) {
        let mut finals = std::mem::take(&mut self.finals);
        self.outbox
            .acked(ids, &mut finals)
            .expect("only ids that were sent are acknowledged");
        self.finals = finals;
        for id in ids {
            self.unacked.remove(id);
            self.handled.insert(*id);
        }
        self.pump();
    }

    /// As the shard does it: the cursor is kept, and whether anything heard of lies above it.
    fn again(&mut self, resume: bool) {
        let cursor = self.outbox.cursor();
        let resume = if resume {
            self.unbroken()
        } else {
            MessageId(0)
        };
        self.resumed = self.resumed.max(resume);
        let caught_up = !self.all[..self.heard_len]
            .iter()
            .any(|message| message.kept && message.id > cursor);
        let old = std::mem::replace(&mut self.outbox, Outbox::new(cursor, resume, caught_up));
        old.close(&mut self.finals);
        self.page = None;
        self.unacked.clear();
        self.last_sent = cursor;
        self.pump();
    }

    /// Up to here the device handled everything that it could have.
    fn unbroken(&self) -> MessageId {
        let open = self.all.iter().find(|message| {
            message.kept && message.expires_ms > self.now_ms && !self.handled.contains(&message.id)
        });
        MessageId(open.map_or(self.all.len() as u64, |message| message.id.0 - 1))
    }

    fn counted(&self) -> u64 {
        let ids: BTreeSet<MessageId> = self.finals.iter().map(|end| end.id).collect();
        assert_eq!(ids.len(), self.finals.len(), "a message is final once");
        for end in self.finals.iter().filter(|end| end.fate == Fate::Acked) {
            let acked = self.handled.contains(&end.id) || end.id <= self.resumed;
            assert!(acked, "{} is final as acked, and nobody acked it", end.id);
        }
        self.finals.len() as u64
    }

    fn check(&self) {
        let outbox = &self.outbox;
        assert!(
            outbox.unacked_len() <= WINDOW_LEN_MAX,
            "{} unacked",
            outbox.unacked_len()
        );
        assert_eq!(usize::from(outbox.unacked_len()), self.unacked.len());
        let bytes: usize = self
            .unacked
            .iter()
            .map(|id| self.all[id.0 as usize - 1].body.len())
            .sum();
        assert!(
            bytes <= WINDOW_BYTES_MAX || self.unacked.len() == 1,
            "{bytes} bytes unacked"
        );
        assert!(
            outbox.window.len() <= WINDOW_SPAN_LEN_MAX,
            "a window of {}",
            outbox.window.len()
        );
        assert!(outbox.queue.len() <= QUEUE_LEN_MAX.max(PAGE_LEN_MAX) + UNSTORED_LEN_MAX);
        let queued: usize = outbox.queue.iter().map(|message| message.body.len()).sum();
        assert_eq!(queued, outbox.queue_bytes);

        for message in self
            .all
            .iter()
            .filter(|message| message.kept && message.id <= outbox.cursor())
        {
            let done = self.handled.contains(&message.id)
                || message.id <= outbox.resume
                || message.expires_ms <= self.now_ms;
            assert!(done, "the cursor passed {}, which nobody has", message.id);
        }

        let kept = self
            .all
            .iter()
            .filter(|message| message.kept && message.id <= outbox.cursor())
            .count();
        let unkept_heard = self.all[..self.heard_len]
            .iter()
            .filter(|message| !message.kept)
            .count();
        let unkept_inside = outbox.window.iter().filter(|entry| !entry.kept).count()
            + outbox
                .queue
                .iter()
                .chain(&outbox.unstored)
                .filter(|message| !message.kept)
                .count();
        let finals = kept + unkept_heard - unkept_inside;
        assert_eq!(
            self.counted(),
            finals as u64,
            "each message is counted once, when it is final"
        );
    }

    /// Goes on without any trouble until nothing is left.
    fn settle(&mut self) {
        for _ in 0..10_000 {
            for step in [
                Step::Hear { count: usize::MAX },
                Step::Ask,
                Step::Read {
                    len_max: PAGE_LEN_MAX,
                },
                Step::Page,
                Step::AckAll,
            ] {
                self.take(&step);
            }
            if self.outbox.is_idle() && self.page.is_none() && self.heard_len == self.all.len() {
                break;
            }
        }
        assert!(
            self.outbox.is_idle(),
            "the outbox never comes to rest: {:?}",
            self.outbox
        );
        assert_eq!(
            self.counted(),
            self.all.len() as u64,
            "accepted = acked + expired"
        );
        for message in self
            .all
            .iter()
            .filter(|message| message.kept && message.expires_ms == NEVER_MS)
        {
            let has = self.handled.contains(&message.id) || message.id <= self.outbox.resume;
            assert!(has, "{} is lost", message.id);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn given_any_order_of_events_when_settled_should_have_delivered_and_counted_each_message_once(
        steps in prop::collection::vec(step(), 1..250),
    ) {
        let mut reference = Reference::new();
        for step in &steps {
            reference.take(step);
        }
        reference.settle();
    }
}

fn message(id: u64, kept: bool) -> StoredMessage {
    StoredMessage {
        id: MessageId(id),
        expires_ms: NEVER_MS,
        kept,
        sealed: false,
        group: GroupNo::NONE,
        body: Bytes::new(),
    }
}

#[test]
fn given_an_ack_above_everything_sent_when_it_comes_should_be_refused_and_change_nothing() {
    let mut finals = Finals::new();
    let mut outbox = Outbox::new(MessageId(4), MessageId(0), true);
    assert_eq!(outbox.acked(&[MessageId(4)], &mut finals), Ok(()));
    let refused = Err(BadAck {
        id: MessageId(5),
        passed: MessageId(4),
    });
    assert_eq!(outbox.acked(&[MessageId(5)], &mut finals), refused);
    outbox.stored(message(6, true), &mut finals);
    assert_eq!(
        outbox.next_push(0, &StoppedGroups::new(), &mut finals),
        Some(message(6, true))
    );
    let refused = Err(BadAck {
        id: MessageId(7),
        passed: MessageId(6),
    });
    assert_eq!(
        outbox.acked(&[MessageId(6), MessageId(7)], &mut finals),
        refused
    );
    assert_eq!(
        (outbox.cursor(), outbox.unacked_len(), finals.len()),
        (MessageId(4), 1, 0)
    );
}

#[test]
fn given_an_idle_outbox_when_everything_is_acked_should_hold_no_memory() {
    let mut finals = Finals::new();
    let mut outbox = Outbox::new(MessageId(0), MessageId(0), true);
    for id in 1..=60 {
        outbox.stored(message(id, true), &mut finals);
    }
    for id in 1..=60 {
        assert_eq!(
            outbox.next_push(0, &StoppedGroups::new(), &mut finals),
            Some(message(id, true))
        );
        assert_eq!(outbox.acked(&[MessageId(id)], &mut finals), Ok(()));
    }
    assert!(outbox.is_idle());
    assert_eq!(
        (
            outbox.window.capacity(),
            outbox.queue.capacity(),
            outbox.unstored.capacity()
        ),
        (0, 0, 0)
    );
}

#[test]
fn given_a_message_that_had_expired_when_its_page_was_asked_for_when_the_clock_is_set_back_should_not_be_sent()
 {
    let mut outbox = Outbox::new(MessageId(0), MessageId(0), false);
    outbox.page_asked(1_000);
    outbox.page(Page {
        messages: [(1, 1_000), (2, 1_001)]
            .map(|(id, expires_ms)| StoredMessage {
                expires_ms,
                ..message(id, true)
            })
            .into(),
        complete: true,
    });
    let mut finals = Finals::new();
    let sent = outbox
        .next_push(0, &StoppedGroups::new(), &mut finals)
        .map(|push| push.id);
    assert_eq!(sent, Some(MessageId(2)), "its body was read");
    assert_eq!(
        outbox.cursor(),
        MessageId(1),
        "nothing was read of this one"
    );
}

#[test]
fn given_each_thing_that_can_wait_when_asked_should_be_idle_only_without_it() {
    let mut finals = Finals::new();
    let mut outbox = Outbox::new(MessageId(0), MessageId(0), true);
    assert!(outbox.is_idle());
    assert_eq!(outbox.unacked_len(), 0);
    outbox.stored(message(1, true), &mut finals);
    assert!(!outbox.is_idle(), "one waits in the queue");
    assert_eq!(
        outbox.next_push(0, &StoppedGroups::new(), &mut finals),
        Some(message(1, true))
    );
    assert!(!outbox.is_idle(), "one waits for its ack");
    assert_eq!(outbox.acked(&[MessageId(1)], &mut finals), Ok(()));
    assert!(outbox.is_idle());
    let behind = Outbox::new(MessageId(0), MessageId(0), false);
    assert!(!behind.is_idle(), "some may wait in the store");
}

#[test]
fn given_messages_sent_queued_and_neither_when_asked_should_say_which_may_still_come() {
    let mut finals = Finals::new();
    let mut outbox = Outbox::new(MessageId(4), MessageId(0), true);
    for id in [6, 8] {
        outbox.stored(message(id, true), &mut finals);
    }
    let sent = outbox.next_push(0, &StoppedGroups::new(), &mut finals);
    assert_eq!(sent, Some(message(6, true)));
    for (id, may_come) in [(4, false), (6, false), (7, false), (8, true), (9, false)] {
        assert_eq!(outbox.may_come(MessageId(id)), may_come, "{id}");
    }
    let behind = Outbox::new(MessageId(4), MessageId(0), false);
    assert!(!behind.may_come(MessageId(4)));
    assert!(behind.may_come(MessageId(5)), "it may wait in the store");
}
