//! What reports and receipts must say: the sums of each push to many, of each day of an app and of
//! its devices, and what developers' servers are still to hear.
//!
//! Owner: the ledger, which tells of batches that can no longer be lost, in commit order. Always:
//! compared with the rows only while none of them can be lost.

use std::collections::{BTreeMap, BTreeSet};

use protocol::{ClientId, Feedback, FeedbackVerdict, MessageId, Upstream, UpstreamStatus};
use schema::record::{App, Presence, Receipt, Sums};
use server_core::apply::made_on;
use server_core::clock::Day;
use server_core::command::Settling;
use server_core::group::GroupNo;
use server_core::ids::AppNo;
use server_core::keys;
use server_core::limits::RECEIPTS_PER_ANSWER_MAX;
use server_core::op::MessageEnd;
use server_core::outbox::Fate;
use server_core::rows::{Keyspace, Rows};

use super::sums::each;
use super::upward::Upward;

/// See the module page.
#[derive(Debug, Default)]
pub(super) struct Reports {
    groups: BTreeMap<GroupNo, Sums>,
    days: BTreeMap<(AppNo, Day), Sums>,
    presence: BTreeMap<(AppNo, Day), Presence>,
    /// Apps with a callback.
    wanting: BTreeSet<AppNo>,
    /// The tasks of messages of whose end somebody is to hear.
    noted: BTreeMap<MessageId, Box<str>>,
    /// To be told, and given up, by their place in the order.
    waiting: BTreeMap<(AppNo, u64), Receipt>,
    dead: BTreeMap<(AppNo, u64), Receipt>,
    /// What devices say.
    pub(super) upward: Upward,
    /// Those of the batch under way, in order.
    fresh: Vec<(AppNo, Receipt)>,
    /// Receipts so far.
    pub(super) told: u64,
}

impl Reports {
    pub(super) fn app(&mut self, app: &App) {
        if app.settings.callback.url.is_some() {
            self.wanting.insert(AppNo(app.number));
        } else {
            self.wanting.remove(&AppNo(app.number));
        }
    }

    pub(super) fn app_gone(&mut self, app: AppNo) {
        self.wanting.remove(&app);
    }

    pub(super) fn registered(&mut self, app: AppNo, created_ms: u64) {
        let day = (app, Day::of_ms(created_ms));
        self.presence.entry(day).or_default().registered += 1;
    }

    pub(super) fn active(&mut self, app: AppNo, login_ms: u64) {
        let day = (app, Day::of_ms(login_ms));
        self.presence.entry(day).or_default().active += 1;
    }

    /// Messages were made, of a push to many or not.
    pub(super) fn made(&mut self, app: AppNo, group: GroupNo, now_ms: u64, made: &Sums) {
        add(
            self.days.entry((app, Day::of_ms(now_ms))).or_default(),
            made,
        );
        if group != GroupNo::NONE {
            add(self.groups.entry(group).or_default(), made);
        }
    }

    /// A message was made, of this task.
    pub(super) fn note(&mut self, app: AppNo, task: &str, id: MessageId) {
        if self.wanting.contains(&app) {
            self.noted.insert(id, task.into());
        }
    }

    /// A message ended.
    pub(super) fn ended(&mut self, end: &MessageEnd) {
        let mut one = Sums::default();
        match end.end.fate {
            Fate::Acked => one.acked = 1,
            Fate::Expired => one.expired = 1,
            Fate::Revoked => one.revoked = 1,
        }
        let id = end.end.id;
        if end.end.group != GroupNo::NONE {
            add(self.groups.entry(end.end.group).or_default(), &one);
        }
        let Some(app) = end.app else { return };
        add(self.days.entry((app, made_on(id))).or_default(), &one);
        if let Some(task) = self.noted.get(&id).filter(|_| self.wanting.contains(&app)) {
            let receipt = Receipt {
                cid: *end.cid.as_bytes(),
                task_id: task.to_string(),
                message: id.0,
                fate: end.end.fate as u8,
                action: 0,
                at_ms: end.final_ms,
                upstream: 0,
                pieces: 0,
            };
            self.fresh.push((app, receipt));
        }
    }

    /// Entries of a feedback were judged; each with its group push.
    pub(super) fn acted(
        &mut self,
        app: AppNo,
        cid: ClientId,
        entries: impl Iterator<Item = (Feedback, FeedbackVerdict, GroupNo)>,
        now_ms: u64,
        latest_ms: u64,
    ) {
        for (entry, verdict, group) in entries {
            let judged = self.upward.judged(cid, &entry, verdict, now_ms, latest_ms);
            let Some((sums, at_ms)) = judged else {
                continue;
            };
            let id = entry.message;
            add(self.days.entry((app, made_on(id))).or_default(), &sums);
            if group != GroupNo::NONE {
                add(self.groups.entry(group).or_default(), &sums);
            }
            let task = self.noted.get(&id).filter(|_| self.wanting.contains(&app));
            if let Some(task) = task {
                let receipt = Receipt {
                    cid: *cid.as_bytes(),
                    task_id: task.to_string(),
                    message: id.0,
                    fate: 0,
                    action: entry.action,
                    at_ms,
                    upstream: 0,
                    pieces: 0,
                };
                self.fresh.push((app, receipt));
            }
        }
    }

    /// A message to the third party was judged.
    pub(super) fn upstream(
        &mut self,
        app: AppNo,
        cid: ClientId,
        message: &Upstream,
        status: UpstreamStatus,
        now_ms: u64,
    ) {
        if let Some(receipt) = self.upward.taken(cid, message, status, now_ms) {
            assert!(self.wanting.contains(&app), "{app:?} has a receiver");
            self.fresh.push((app, receipt));
        }
    }

    /// A developer's server heard of the oldest receipts, or will not.
    pub(super) fn settled(&mut self, app: AppNo, upto: u64, settling: Settling) {
        let settled = self.waiting.range((app, 0)..=(app, upto));
        let settled: Vec<_> = settled
            .take(RECEIPTS_PER_ANSWER_MAX)
            .map(|(key, receipt)| (*key, receipt.clone()))
            .collect();
        for (key, receipt) in settled {
            self.waiting.remove(&key);
            if receipt.upstream != 0 {
                let status = match settling {
                    Settling::Told => UpstreamStatus::Delivered,
                    Settling::Dropped | Settling::Dead => UpstreamStatus::GivenUp,
                };
                self.upward.settled(&receipt, status);
            }
            if settling == Settling::Dead {
                self.dead.insert(key, receipt);
            }
        }
    }

    /// Receipts that were given up are to be told again. Returns how many.
    pub(super) fn replayed(&mut self, app: AppNo) -> u64 {
        let again = self.dead.range((app, 0)..=(app, u64::MAX));
        let again: Vec<_> = again
            .take(RECEIPTS_PER_ANSWER_MAX)
            .map(|(key, receipt)| (*key, receipt.clone()))
            .collect();
        let len = again.len() as u64;
        for (key, receipt) in again {
            self.dead.remove(&key);
            self.fresh.push((key.0, receipt));
        }
        len
    }

    /// The batch is over; it wrote these receipts, in order.
    pub(super) fn batch_ends(&mut self, written: &[(AppNo, u64, Receipt)]) {
        let mut fresh = std::mem::take(&mut self.fresh);
        fresh.sort_by_key(|(app, _)| *app);
        let found: Vec<_> = written
            .iter()
            .map(|(app, _, receipt)| (*app, receipt.clone()))
            .collect();
        assert_eq!(found, fresh, "the receipts of a batch");
        self.told += fresh.len() as u64;
        for (app, order, receipt) in written {
            let last = self.waiting.range((*app, 0)..=(*app, u64::MAX)).next_back();
            assert!(
                last.is_none_or(|((_, last), _)| last < order),
                "a receipt comes before one that was told earlier"
            );
            self.waiting.insert((*app, *order), receipt.clone());
        }
    }

    /// The rows say what was seen.
    pub(super) fn check(&self, rows: &impl Rows) {
        let mut found = BTreeMap::new();
        each(rows, Keyspace::GroupSums, |key, value| {
            let number = keys::group_at_end(key).expect("a key of ours");
            found.insert(number, Sums::decode(value).expect("a row of ours"));
        });
        assert_eq!(found, self.groups, "sums of pushes to many");
        let mut found = BTreeMap::new();
        each(rows, Keyspace::DaySums, |key, value| {
            found.insert(app_day(key), Sums::decode(value).expect("a row of ours"));
        });
        assert_eq!(found, self.days, "sums of days of apps");
        let mut found = BTreeMap::new();
        each(rows, Keyspace::Presence, |key, value| {
            let presence = Presence::decode(value).expect("a row of ours");
            let seen = Presence {
                // By samples: how many were online at those moments is not kept up here.
                online_peak: 0,
                ..presence
            };
            if seen != Presence::default() {
                found.insert(app_day(key), seen);
            }
        });
        assert_eq!(found, self.presence, "devices of days of apps");
        for (keyspace, expected) in [
            (Keyspace::Receipt, &self.waiting),
            (Keyspace::DeadReceipt, &self.dead),
        ] {
            let mut found = BTreeMap::new();
            each(rows, keyspace, |key, value| {
                let order = keys::receipt_of(key).expect("a key of ours");
                let receipt = Receipt::decode(value).expect("a row of ours");
                found.insert((app_of(key), order), receipt);
            });
            assert_eq!(&found, expected, "rows of {keyspace:?}");
        }
        let mut found = BTreeMap::new();
        each(rows, Keyspace::UpstreamBody, |key, _| {
            let order = keys::receipt_of(key).expect("a key of ours");
            *found.entry((app_of(key), order)).or_insert(0) += 1;
        });
        let kept = self.waiting.iter().chain(&self.dead);
        let kept = kept.filter(|(_, receipt)| receipt.pieces > 0);
        let expected = kept.map(|(key, receipt)| (*key, receipt.pieces)).collect();
        assert_eq!(found, expected, "what messages to third parties say");
    }
}

/// The app at the beginning of a key.
pub(super) fn app_of(key: &[u8]) -> AppNo {
    AppNo(u32::from_be_bytes(
        *key.first_chunk().expect("a key of ours"),
    ))
}

fn app_day(key: &[u8]) -> (AppNo, Day) {
    (app_of(key), keys::day_of(key).expect("a key of ours"))
}

fn add(sums: &mut Sums, more: &Sums) {
    sums.targets += more.targets;
    sums.acked += more.acked;
    sums.expired += more.expired;
    sums.filtered += more.filtered;
    sums.revoked += more.revoked;
    sums.shown += more.shown;
    sums.clicked += more.clicked;
    for (action, count) in &more.actions {
        match sums.actions.iter_mut().find(|(known, _)| known == action) {
            Some((_, sum)) => *sum += count,
            None => sums.actions.push((*action, *count)),
        }
    }
    sums.actions.sort_unstable();
}
