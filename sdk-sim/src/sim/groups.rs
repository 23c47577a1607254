//! Pushes to many as the documentation has them: whom each is for, who got it, where it stands.
//!
//! Owner: the ledger, which tells of batches that can no longer be lost, in commit order. Always:
//! membership is judged by the ops of third parties and devices, never by what shards were told.
//! A device must get a push to its app if it was in the audience from the beginning of the push to
//! its end, and may get it if it was in it at any time between.

use std::collections::{BTreeMap, BTreeSet};

use protocol::{ClientId, MessageId, Platform};
use schema::record::{Device, Group};
use server_core::apply::StoredStatus;
use server_core::clock::Day;
use server_core::command::{Answer, Reach};
use server_core::group::{
    Audience, Condition, ConditionKey, ConditionOp, GroupKind, GroupNo, GroupPush, GroupState,
};
use server_core::ids::{AppNo, ShardNo};
use server_core::keys;
use server_core::limits::{DAY_GRACE_MS, TAGS_LEN_MAX, UNSCHEDULE_MS};
use server_core::rows::{Keyspace, Rows};

use super::party::{AttemptNo, UNKEPT_OPEN_MS, read_body};
use super::sums::each;

/// One push to many.
#[derive(Debug)]
pub(super) struct Many {
    pub(super) number: GroupNo,
    pub(super) app: AppNo,
    pub(super) task: Box<str>,
    pub(super) attempt: AttemptNo,
    pub(super) body_len: usize,
    pub(super) kept: bool,
    pub(super) expires_ms: u64,
    pub(super) state: GroupState,
    start_ms: u64,
    /// Who registers later, to the second, is not in it.
    registered_by_ms: u64,
    audience: Audience,
    must: BTreeSet<ClientId>,
    may: BTreeSet<ClientId>,
    got: BTreeSet<ClientId>,
    /// Shards that have walked to their end, with how many there were.
    walked: BTreeSet<(u16, ShardNo)>,
}

#[derive(Debug)]
struct Member {
    app: AppNo,
    platform: u8,
    created_s: u64,
    tags: BTreeSet<Box<str>>,
}

/// See the module page.
#[derive(Debug, Default)]
pub(super) struct Groups {
    /// The latest wall clock that any commit had.
    latest_ms: u64,
    /// Nobody who was there at the start, or came since, registered later.
    registered_ms: u64,
    all: BTreeMap<GroupNo, Many>,
    of_task: BTreeMap<(AppNo, Box<str>), GroupNo>,
    members: BTreeMap<ClientId, Member>,
    /// Apps that were deleted: their devices are on their way out.
    gone: BTreeSet<AppNo>,
    /// Shards of this start.
    pub(super) shards: u16,
}

impl Many {
    fn has(&self, member: &Member) -> bool {
        member.created_s <= self.registered_by_ms / 1_000
            && member.app == self.app
            && self
                .audience
                .conditions
                .iter()
                .all(|one| meets(member, one))
    }
}

fn meets(member: &Member, condition: &Condition) -> bool {
    let has = |value: &str| match condition.key {
        ConditionKey::Unknown => false,
        ConditionKey::Tag => member.tags.contains(value),
        ConditionKey::Platform => {
            value == "android" && member.platform == Platform::Android.number()
        }
    };
    let mut values = condition.values.iter();
    match condition.op {
        ConditionOp::Or => values.any(|value| has(value)),
        ConditionOp::And => !condition.values.is_empty() && values.all(|value| has(value)),
        ConditionOp::Not => !values.any(|value| has(value)),
    }
}

impl Groups {
    /// The clock of a commit shows this.
    pub(super) fn clock(&mut self, now_ms: u64) {
        self.latest_ms = self.latest_ms.max(now_ms);
    }

    /// A push to many.
    pub(super) fn get(&self, number: GroupNo) -> Option<&Many> {
        self.all.get(&number)
    }

    /// The push to many of a task.
    pub(super) fn of_task(&self, app: AppNo, task: &str) -> Option<&Many> {
        self.all.get(self.of_task.get(&(app, task.into()))?)
    }

    /// Those that were stopped.
    pub(super) fn stopped(&self) -> impl Iterator<Item = GroupNo> {
        let all = self.all.iter();
        all.filter(|(_, many)| many.state == GroupState::Stopped)
            .map(|(number, _)| *number)
    }

    /// Whether a push was stopped.
    pub(super) fn is_stopped(&self, number: GroupNo) -> bool {
        self.get(number)
            .is_some_and(|many| many.state == GroupState::Stopped)
    }

    /// The first push that should have begun or ended by now.
    pub(super) fn unfinished(&self, now_ms: u64) -> Option<GroupNo> {
        let open = |many: &Many| match many.state {
            GroupState::Running => !self.may_be_bodiless(many),
            GroupState::Scheduled => many.start_ms <= now_ms,
            _ => false,
        };
        let found = self.all.iter().find(|(_, many)| open(many));
        found.map(|(number, _)| *number)
    }

    /// The tags of a device.
    pub(super) fn tags(&self, cid: ClientId) -> Vec<Box<str>> {
        let member = self.members.get(&cid);
        member.map_or(Vec::new(), |member| member.tags.iter().cloned().collect())
    }

    /// The server starts, and has read its devices.
    pub(super) fn booted(&mut self, registered_by_ms: u64) {
        let latest_s = self.members.values().map(|member| member.created_s).max();
        self.registered_ms = latest_s.unwrap_or(0) * 1_000;
        assert_eq!(
            registered_by_ms, self.registered_ms,
            "when the last of those who are there registered"
        );
    }

    pub(super) fn registered(&mut self, cid: ClientId, device: &Device) {
        let member = Member {
            app: AppNo(device.app),
            platform: device.platform,
            created_s: device.created_ms / 1_000,
            tags: BTreeSet::new(),
        };
        self.members.insert(cid, member);
        self.registered_ms = self.registered_ms.max(device.created_ms);
        self.changed(cid);
    }

    pub(super) fn forgotten(&mut self, cid: ClientId) {
        self.members.remove(&cid);
        for many in self.all.values_mut() {
            many.must.remove(&cid);
        }
    }

    pub(super) fn app_gone(&mut self, app: AppNo) {
        self.gone.insert(app);
        for many in self.all.values_mut().filter(|many| many.app == app) {
            many.must.clear();
        }
    }

    /// The tags of a device are others.
    fn changed(&mut self, cid: ClientId) {
        let member = &self.members[&cid];
        for many in self.all.values_mut() {
            if many.state != GroupState::Running {
                continue;
            }
            if many.has(member) {
                many.may.insert(cid);
            } else {
                many.must.remove(&cid);
            }
        }
    }

    fn known(&self, app: AppNo, cid: ClientId) -> bool {
        self.members
            .get(&cid)
            .is_some_and(|member| member.app == app)
    }

    pub(super) fn tags_set(
        &mut self,
        app: AppNo,
        cid: ClientId,
        tags: &[Box<str>],
        answer: &Answer,
    ) {
        let known = self.known(app, cid);
        assert_eq!(*answer == Answer::Done, known, "whose tags are set: {cid}");
        if known {
            let member = self.members.get_mut(&cid).expect("it is known");
            member.tags = tags.iter().cloned().collect();
            self.changed(cid);
        }
    }

    pub(super) fn tag_changed(
        &mut self,
        app: AppNo,
        tag: &str,
        cids: &[ClientId],
        add: bool,
        answer: &Answer,
    ) {
        let mut expected = Vec::new();
        for cid in cids {
            let known = self.known(app, *cid);
            let mut done = false;
            if let Some(member) = self.members.get_mut(cid).filter(|_| known) {
                assert!(member.tags.len() < TAGS_LEN_MAX, "few tags are used");
                done = if add {
                    member.tags.insert(tag.into());
                    true
                } else {
                    member.tags.remove(tag)
                };
                self.changed(*cid);
            }
            expected.push((*cid, done));
        }
        assert_eq!(*answer, Answer::Changed(expected), "whose tag is changed");
    }

    /// Whether all of these are devices of this app.
    pub(super) fn all_known(&self, app: AppNo, cids: &[ClientId]) -> bool {
        cids.iter().all(|cid| self.known(app, *cid))
    }

    pub(super) fn taken(&mut self, number: GroupNo, app: AppNo, push: &GroupPush, now_ms: u64) {
        let start_ms = push.start_ms.unwrap_or(now_ms).max(now_ms);
        let many = Many {
            number,
            app,
            task: push.task_id.clone(),
            attempt: read_body(&push.body).expect("the body of a push of ours"),
            body_len: push.body.len(),
            kept: push.ttl_ms.is_some(),
            expires_ms: start_ms + push.ttl_ms.unwrap_or(UNKEPT_OPEN_MS),
            state: match push.kind {
                GroupKind::List => GroupState::Open,
                GroupKind::App => GroupState::Scheduled,
            },
            start_ms,
            registered_by_ms: 0,
            audience: push.audience.clone(),
            must: BTreeSet::new(),
            may: BTreeSet::new(),
            got: BTreeSet::new(),
            walked: BTreeSet::new(),
        };
        let other = self.of_task.insert((app, push.task_id.clone()), number);
        assert!(other.is_none(), "task {} was taken twice", push.task_id);
        self.all.insert(number, many);
        if push.kind == GroupKind::App && start_ms <= now_ms {
            self.begins(number, now_ms);
        }
    }

    /// Whoever is there when it begins is in it, by whatever clock he registered.
    fn begins(&mut self, number: GroupNo, now_ms: u64) {
        let many = self.all.get_mut(&number).expect("it was taken");
        many.state = GroupState::Running;
        many.registered_by_ms = self.registered_ms.max(now_ms);
        let members = self.members.iter();
        let those = members.filter(|(_, member)| many.has(member));
        many.may = those.map(|(cid, _)| *cid).collect();
        if !self.gone.contains(&many.app) {
            many.must = many.may.clone();
        }
    }

    /// The time of a scheduled push has come, in the eyes of a shard.
    pub(super) fn started(&mut self, number: GroupNo, now_ms: u64, latest_ms: u64) {
        let many = self.get(number).expect("what is started was taken");
        if many.state == GroupState::Scheduled {
            let start_ms = many.start_ms;
            assert!(
                start_ms <= latest_ms,
                "{number:?} is due at {start_ms} and begins at {latest_ms}"
            );
            self.begins(number, now_ms);
        }
    }

    /// Whether a list could be pushed to at this time.
    pub(super) fn is_open(&self, app: AppNo, task: &str, now_ms: u64) -> bool {
        self.of_task(app, task)
            .is_some_and(|many| many.state == GroupState::Open && now_ms < many.expires_ms)
    }

    /// Whether the body of a list went with its day, and the clock was set back since.
    pub(super) fn has_lost_body(&self, app: AppNo, task: &str) -> bool {
        self.of_task(app, task)
            .is_some_and(|many| self.may_be_bodiless(many))
    }

    /// Whether the body of a push may have gone with its day: it may, once a clock said so.
    fn may_be_bodiless(&self, many: &Many) -> bool {
        let dropped = Day::of_ms(self.latest_ms.saturating_sub(DAY_GRACE_MS));
        Day::of_ms(many.expires_ms) < dropped
    }

    pub(super) fn stop(&mut self, app: AppNo, task: &str, now_ms: u64, answer: &Answer) {
        let number = self.of_task.get(&(app, task.into()));
        let many = number.and_then(|number| self.all.get_mut(number));
        let expected = match many {
            None => Answer::NoSuchTask,
            Some(many) => match many.state {
                GroupState::Deleted => Answer::NoSuchTask,
                GroupState::Stopped => Answer::Done,
                _ if now_ms >= many.expires_ms => Answer::TaskCannotStop,
                _ => {
                    many.state = GroupState::Stopped;
                    Answer::Done
                }
            },
        };
        assert_eq!(*answer, expected, "the stop of {task}");
    }

    pub(super) fn unscheduled(&mut self, app: AppNo, task: &str, now_ms: u64, answer: &Answer) {
        let number = self.of_task.get(&(app, task.into()));
        let many = number.and_then(|number| self.all.get_mut(number));
        let expected = match many {
            None => Answer::NoSuchTask,
            Some(many) => match many.state {
                GroupState::Scheduled if many.start_ms >= now_ms + UNSCHEDULE_MS => {
                    many.state = GroupState::Deleted;
                    Answer::Done
                }
                GroupState::Scheduled | GroupState::Running | GroupState::Done => Answer::TaskBegun,
                _ => Answer::NoSuchTask,
            },
        };
        assert_eq!(*answer, expected, "the deletion of {task}");
    }

    /// A shard reached its next devices.
    #[expect(clippy::too_many_arguments, reason = "the facts of one commit")]
    pub(super) fn fanned(
        &mut self,
        shard: ShardNo,
        number: GroupNo,
        targets: &[(ClientId, Reach)],
        reached: &[(ClientId, MessageId, StoredStatus)],
        done: bool,
        goes_on: bool,
        now_ms: u64,
    ) {
        let shards = self.shards;
        let bodiless = self
            .get(number)
            .is_some_and(|many| self.may_be_bodiless(many));
        let many = self.all.get_mut(&number).expect("what is walked was taken");
        let over = now_ms >= many.expires_ms;
        let runs = many.state == GroupState::Running;
        if !goes_on {
            assert!(
                reached.is_empty(),
                "{number:?} is over and reaches somebody"
            );
            assert!(
                over || !runs || bodiless,
                "{number:?} runs and does not go on"
            );
            if runs {
                many.state = GroupState::Done;
            }
            return;
        }
        assert!(runs && !over, "{number:?} is {:?} and goes on", many.state);
        let expected: Vec<(ClientId, StoredStatus)> = targets
            .iter()
            .map(|(cid, reach)| (*cid, StoredStatus::of(*reach, many.kept)))
            .collect();
        let found: Vec<_> = reached
            .iter()
            .map(|(cid, _, status)| (*cid, *status))
            .collect();
        assert_eq!(found, expected, "whom {number:?} reached");
        for (cid, _) in found {
            assert!(many.may.contains(&cid), "{number:?} is not for {cid}");
            assert!(many.got.insert(cid), "{cid} gets {number:?} twice");
        }
        if done {
            many.walked.insert((shards, shard));
            let all = (0..shards).all(|at| many.walked.contains(&(shards, ShardNo(at))));
            if all {
                many.state = GroupState::Done;
                let left_out = many.must.difference(&many.got).next();
                assert!(
                    left_out.is_none() || bodiless,
                    "{number:?} is done and left out {left_out:?}: {many:?}"
                );
            }
        }
    }

    /// The rows say of each push what was seen, once nothing written can be lost.
    pub(super) fn check(&self, rows: &impl Rows) {
        let mut found = 0;
        each(rows, Keyspace::Group, |key, value| {
            let number = keys::group_at_end(key).expect("a key of ours");
            let row = Group::decode(value).expect("a row of ours");
            let many = self.get(number);
            let many = many.unwrap_or_else(|| panic!("{number:?} has a row and was never taken"));
            let state = match GroupState::from_number(row.state) {
                // It ended as it began, for want of a body.
                GroupState::Done if self.may_be_bodiless(many) => many.state,
                state => state,
            };
            assert_eq!(
                (state, row.start_ms, row.expires_ms),
                (many.state, many.start_ms, many.expires_ms),
                "how {number:?} stands"
            );
            found += 1;
        });
        assert_eq!(found, self.all.len(), "rows of pushes to many");
    }
}
