//! Pushes to many: the walk over this shard's devices, its pace, the time of scheduled pushes.
//!
//! Always: a walk has at most one commit under way; what a walk made is known from its row, so a
//! walk that begins anew after a crash goes on behind it.

use std::collections::{BTreeMap, VecDeque};

use protocol::{ClientId, MessageId};

use super::Shard;
use super::commands::reach;
use crate::apply::StoredStatus;
use crate::clock::Now;
use crate::effect::Effect;
use crate::group::{GroupNo, Running, StoppedGroups, Walked};
use crate::ids::{AppNo, ShardNo};
use crate::limits::{COMMITS_IN_FLIGHT_MAX, FAN_LEN_MAX, SAMPLE_INTERVAL_MS, WALKS_RESOLVED_MAX};
use crate::op::{Op, StoredMessage};
use crate::recovery::GroupsAtStart;
use crate::session::Session;

/// The group pushes that a shard has to do with.
#[derive(Debug)]
pub(super) struct Groups {
    walks: VecDeque<Walk>,
    stopped: StoppedGroups,
    /// Scheduled pushes by their time; only the first shard has any.
    due: BTreeMap<(u64, GroupNo), Due>,
    /// The last interval of samples that was taken.
    sampled: u64,
    /// The shard ends: what is left is walked after the next start.
    finished: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Due {
    Waiting,
    Starting,
}

/// One push to an app, on its way over the devices of this shard.
#[derive(Debug)]
struct Walk {
    running: Running,
    /// What earlier starts reached.
    walked: Vec<Walked>,
    stage: WalkStage,
    /// How many devices the commit under way reaches, if one is.
    committing: Option<usize>,
}

#[derive(Debug)]
enum WalkStage {
    /// Its devices are not listed yet.
    Listing,
    /// It has told how many they are, and waits to hear how many all shards have.
    Pacing { order: Vec<ClientId> },
    /// It goes on.
    Walking {
        order: Vec<ClientId>,
        next: usize,
        pace: Option<Pace>,
    },
}

/// This shard's share of a speed, in whole numbers: it earns `share` a ms and pays `price` a
/// message.
#[derive(Debug, Clone, Copy)]
struct Pace {
    share: u128,
    price: u128,
    credit: u128,
    since_ms: u64,
}

impl Pace {
    fn new(speed: u32, own: u64, total: u64, mono_ms: u64) -> Pace {
        Pace {
            share: u128::from(speed) * u128::from(own),
            price: 1000 * u128::from(total.max(1)),
            credit: 0,
            since_ms: mono_ms,
        }
    }

    /// How many messages may go now. What was not used does not add up to more than a second.
    fn earn(&mut self, mono_ms: u64) -> usize {
        let earned = self.share * u128::from(mono_ms.saturating_sub(self.since_ms));
        self.since_ms = mono_ms;
        self.credit = (self.credit + earned).min((self.share * 1000).max(self.price));
        usize::try_from(self.credit / self.price).unwrap_or(usize::MAX)
    }

    fn pay(&mut self, len: usize) {
        self.credit = self.credit.saturating_sub(self.price * len as u128);
    }
}

impl Groups {
    pub(super) fn new(wall_ms: u64) -> Groups {
        Groups {
            walks: VecDeque::new(),
            stopped: StoppedGroups::new(),
            due: BTreeMap::new(),
            sampled: wall_ms / SAMPLE_INTERVAL_MS,
            finished: false,
        }
    }

    /// Group pushes of which nothing is sent any more.
    pub(super) fn stopped(&self) -> &StoppedGroups {
        &self.stopped
    }

    /// No walk goes on, nothing begins and no sample is taken from here on.
    pub(super) fn finish(&mut self) {
        self.finished = true;
    }

    pub(super) fn schedule(&mut self, group: GroupNo, start_ms: u64) {
        self.due.insert((start_ms, group), Due::Waiting);
    }

    pub(super) fn started(&mut self, group: GroupNo) {
        self.due.retain(|(_, number), _| *number != group);
    }

    pub(super) fn start_failed(&mut self, group: GroupNo) {
        for ((_, number), due) in &mut self.due {
            if *number == group {
                *due = Due::Waiting;
            }
        }
    }

    pub(super) fn walk_failed(&mut self, group: GroupNo) {
        if let Some(walk) = self.walk(group) {
            let len = walk.committing.take().unwrap_or(0);
            if let WalkStage::Walking { next, .. } = &mut walk.stage {
                *next -= len;
            }
            // Whether the others heard of its length is not known: it is told again.
            if let WalkStage::Pacing { .. } = walk.stage {
                walk.stage = WalkStage::Listing;
            }
        }
    }

    fn walk(&mut self, group: GroupNo) -> Option<&mut Walk> {
        self.walks
            .iter_mut()
            .find(|walk| walk.running.number == group)
    }
}

impl Shard {
    /// Goes on with what an earlier start left: call it once, before the first event.
    #[must_use]
    pub fn with_groups(mut self, groups: GroupsAtStart) -> Self {
        self.groups.stopped = groups.stopped;
        for (running, walked) in groups.running {
            self.groups.walks.push_back(Walk {
                running,
                walked,
                stage: WalkStage::Listing,
                committing: None,
            });
        }
        if self.identity.me == ShardNo(0) {
            for (group, start_ms) in groups.scheduled {
                self.groups.schedule(group, start_ms);
            }
        }
        self
    }

    pub(super) fn on_group_begins(&mut self, running: Running, effects: &mut Vec<Effect>) {
        self.groups.walks.push_back(Walk {
            running,
            walked: Vec::new(),
            stage: WalkStage::Listing,
            committing: None,
        });
        self.walk_on(self.now, effects);
    }

    pub(super) fn on_group_stopped(&mut self, group: GroupNo, expires_ms: u64) {
        let now_ms = self.now.wall_ms;
        self.groups
            .stopped
            .retain(|_, expires_ms| *expires_ms > now_ms);
        self.groups.stopped.insert(group, expires_ms);
        self.groups
            .walks
            .retain(|walk| walk.running.number != group);
    }

    pub(super) fn on_group_paced(&mut self, group: GroupNo, total: u64, effects: &mut Vec<Effect>) {
        let mono_ms = self.now.mono_ms;
        let Some(walk) = self.groups.walk(group) else {
            return;
        };
        let speed = walk.running.speed;
        match &mut walk.stage {
            WalkStage::Listing => {}
            WalkStage::Pacing { order } => {
                let order = std::mem::take(order);
                let pace = Pace::new(speed, order.len() as u64, total, mono_ms);
                walk.stage = WalkStage::Walking {
                    order,
                    next: 0,
                    pace: Some(pace),
                };
            }
            WalkStage::Walking { order, pace, .. } => {
                *pace = Some(Pace::new(speed, order.len() as u64, total, mono_ms));
            }
        }
        self.walk_on(self.now, effects);
    }

    /// Lets every walk take its next step, if it may.
    pub(super) fn walk_on(&mut self, now: Now, effects: &mut Vec<Effect>) {
        if self.groups.finished {
            return;
        }
        for at in 0..self.groups.walks.len().min(WALKS_RESOLVED_MAX) {
            self.list_devices(now, at, effects);
            self.step(now, at, effects);
        }
    }

    fn list_devices(&mut self, now: Now, at: usize, effects: &mut Vec<Effect>) {
        let walk = &mut self.groups.walks[at];
        if !matches!(walk.stage, WalkStage::Listing) || walk.committing.is_some() {
            return;
        }
        let running = &walk.running;
        let mut order = self.devices.resolve(
            running.app,
            &running.audience,
            running.registered_by_ms,
            now.wall_ms,
        );
        order.retain(|cid| !walk.walked.iter().any(|walked| walked.covers(*cid)));
        // A body that went with its day before the clock was set back: the walk ends, and nobody
        // gets a message without one.
        if running.body.is_empty() {
            order.clear();
        }
        if running.speed == 0 {
            walk.stage = WalkStage::Walking {
                order,
                next: 0,
                pace: None,
            };
            return;
        }
        let op = Op::BeginWalk {
            group: running.number,
            len: order.len() as u64,
        };
        if self.commits.len() < COMMITS_IN_FLIGHT_MAX {
            walk.stage = WalkStage::Pacing { order };
            self.commit(op, effects);
        }
    }

    fn step(&mut self, now: Now, at: usize, effects: &mut Vec<Effect>) {
        let Some(walk) = self.groups.walks.get_mut(at) else {
            return;
        };
        let WalkStage::Walking { order, next, pace } = &mut walk.stage else {
            return;
        };
        if walk.committing.is_some() {
            return;
        }
        let left = order.len() - *next;
        let allowed = match pace {
            Some(pace) => pace.earn(now.mono_ms),
            None => usize::MAX,
        };
        let len = left.min(allowed).min(FAN_LEN_MAX);
        if len == 0 && left > 0 {
            return;
        }
        let cids = &order[*next..*next + len];
        let app = walk.running.app;
        let targets = cids.iter().filter_map(|cid| {
            let device = self.devices.get(*cid)?;
            (device.app == app).then(|| (*cid, reach(device)))
        });
        let op = Op::Fan {
            group: walk.running.number,
            targets: targets.collect(),
            upto: cids
                .last()
                .copied()
                .unwrap_or(ClientId::from_bytes([0; 16])),
            done: len == left,
        };
        if !self.can_walk() {
            return;
        }
        let walk = &mut self.groups.walks[at];
        if let WalkStage::Walking { next, pace, .. } = &mut walk.stage {
            *next += len;
            if let Some(pace) = pace {
                pace.pay(len);
            }
        }
        walk.committing = Some(len);
        self.commit(op, effects);
    }

    pub(super) fn on_fanned(
        &mut self,
        now: Now,
        group: GroupNo,
        reached: Vec<(ClientId, MessageId, StoredStatus)>,
        goes_on: bool,
        effects: &mut Vec<Effect>,
    ) {
        let Some(walk) = self.groups.walk(group) else {
            // Stopped, and the walk with it: then nothing was reached after the stop.
            debug_assert!(reached.is_empty(), "a stopped group reaches nobody");
            return;
        };
        walk.committing = None;
        let running = &walk.running;
        let (expires_ms, kept, body) = (running.expires_ms, running.kept, running.body.clone());
        for (_, _, status) in &reached {
            self.counters.accepted += 1;
            match status {
                StoredStatus::Filtered => self.counters.filtered += 1,
                StoredStatus::Expired => self.counters.expired += 1,
                StoredStatus::Full => self.counters.failed += 1,
                StoredStatus::Online | StoredStatus::Offline => {}
            }
        }
        for (cid, id, _) in reached {
            if id == MessageId::NONE {
                continue;
            }
            let message = StoredMessage {
                id,
                expires_ms,
                kept,
                sealed: false,
                group,
                body: body.clone(),
            };
            self.on_stored(now, cid, message, effects);
        }
        let over = |walk: &Walk| match &walk.stage {
            WalkStage::Walking { order, next, .. } => *next == order.len(),
            WalkStage::Listing | WalkStage::Pacing { .. } => false,
        };
        self.groups
            .walks
            .retain(|walk| walk.running.number != group || (goes_on && !over(walk)));
        self.walk_on(now, effects);
    }

    /// Begins the scheduled pushes whose time has come.
    pub(super) fn start_due(&mut self, now: Now, effects: &mut Vec<Effect>) {
        if self.groups.finished {
            return;
        }
        let mut starting = Vec::new();
        for ((start_ms, group), due) in &mut self.groups.due {
            if *start_ms > now.wall_ms {
                break;
            }
            if *due == Due::Waiting && self.commits.len() + starting.len() < COMMITS_IN_FLIGHT_MAX {
                *due = Due::Starting;
                starting.push(*group);
            }
        }
        for group in starting {
            self.commit(Op::StartGroup(group), effects);
        }
    }

    /// Counts the devices online, once an interval.
    pub(super) fn sample(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let interval = now.wall_ms / SAMPLE_INTERVAL_MS;
        let nothing_new = interval == self.groups.sampled || self.groups.finished;
        if nothing_new || self.commits.len() >= COMMITS_IN_FLIGHT_MAX {
            return;
        }
        self.groups.sampled = interval;
        let mut online: BTreeMap<AppNo, u64> = BTreeMap::new();
        for session in self.sessions.values() {
            if let Session::Live(live) = session
                && let Some(device) = self.devices.get(live.cid)
            {
                *online.entry(device.app).or_default() += 1;
            }
        }
        if online.is_empty() {
            return;
        }
        let op = Op::Sample {
            at_ms: interval * SAMPLE_INTERVAL_MS,
            online: online.into_iter().collect(),
        };
        self.commit(op, effects);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_two_scheduled_pushes_when_one_has_begun_should_keep_the_other_alone() {
        let mut groups = Groups::new(0);
        groups.schedule(GroupNo(1), 5);
        groups.schedule(GroupNo(2), 5);
        groups.started(GroupNo(1));
        let waiting: Vec<_> = groups.due.into_iter().collect();
        assert_eq!(waiting, [((5, GroupNo(2)), Due::Waiting)]);
    }

    #[test]
    fn given_shares_of_a_speed_when_time_passes_should_add_up_to_it() {
        // 1000 a second over 30 and 70 devices of a hundred, asked at uneven times.
        let mut sent = [0, 0];
        for (at, own) in [(0, 30), (1, 70)] {
            let mut pace = Pace::new(1000, own, 100, 5);
            for mono_ms in (5..10_005).step_by(37) {
                let len = pace.earn(mono_ms).min(FAN_LEN_MAX);
                pace.pay(len);
                sent[at] += len;
            }
        }
        assert!((2980..=3000).contains(&sent[0]), "{sent:?}");
        assert!((6950..=7000).contains(&sent[1]), "{sent:?}");
    }

    #[test]
    fn given_a_long_pause_when_it_ends_should_not_make_up_for_more_than_a_second() {
        let mut pace = Pace::new(100, 1, 1, 0);
        assert_eq!(pace.earn(60_000), 100);
        pace.pay(100);
        assert_eq!(pace.earn(60_010), 1);
    }

    #[test]
    fn given_a_speed_below_one_a_tick_when_time_passes_should_still_go_on() {
        let mut pace = Pace::new(1, 1, 1000, 0);
        assert_eq!(pace.earn(999_999), 0);
        assert_eq!(pace.earn(1_000_000), 1);
    }
}
