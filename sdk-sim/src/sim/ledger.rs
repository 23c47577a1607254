//! The oracle: what was accepted for good, what each device handled, and what must therefore be.
//!
//! Owner: one `World`. It hears of a batch when a crash can no longer take it, and of a message
//! when a device's app has handled it. Always: it decides nothing of its own about ids or
//! repeats; it compares what the store did with what the documentation promises.

use std::collections::{BTreeMap, BTreeSet};

use protocol::{ClientId, MessageId, Push};
use server_core::clock::DAY_MS;
use server_core::command::{Answer, Push as Asked, Storage, TargetStatus};
use server_core::group::GroupNo;
use server_core::ids::AppNo;
use server_core::op::{Accepted, Committed, Done, MessageEnd, Op, StoredMessage};
use server_core::outbox::Fate;

use super::aliases::{Aliases, Binding};
use super::disk::Batch;
use super::groups::Groups;
use super::party::{AttemptNo, read_body};
use super::reports::Reports;
use super::stages::One;

/// How long a request id is remembered at least (`design.md` 5), in ms.
const REMEMBERED_MS: u64 = DAY_MS;

/// A message that was accepted for good.
#[derive(Debug, Clone, Copy)]
pub(super) struct Message {
    pub(super) attempt: AttemptNo,
    pub(super) expires_ms: u64,
    pub(super) kept: bool,
    pub(super) group: GroupNo,
    len: usize,
}

/// A request that was accepted for good.
#[derive(Debug)]
struct First {
    task: Box<str>,
    accepted_ms: u64,
    words: Vec<(ClientId, TargetStatus)>,
    /// The clock has shown a time at which it may be forgotten.
    forgettable: bool,
}

/// See the module page.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    messages: BTreeMap<(ClientId, MessageId), Message>,
    highest: MessageId,
    /// The latest time that any clock showed.
    pub(super) latest_ms: u64,
    /// Each time that the clock was set to, and how many of them the batch that is heard of had seen
    /// when it was made.
    set_to_ms: Vec<u64>,
    set_before: usize,
    /// Most have one; a request that was forgotten may have more, the newest last.
    requests: BTreeMap<(AppNo, Box<str>), Vec<First>>,
    /// Every device that was ever registered, and those that were forgotten since.
    devices: BTreeMap<ClientId, AppNo>,
    forgotten: BTreeSet<ClientId>,
    /// Apps that were deleted.
    gone: BTreeSet<AppNo>,
    /// Devices whose row says that push is switched off, and those on the black list.
    pub(super) push_off: BTreeSet<ClientId>,
    pub(super) blocked: BTreeSet<ClientId>,
    /// The last login of each device that is written down, in ms of Unix time.
    pub(super) logins: BTreeMap<ClientId, u64>,
    pub(super) groups: Groups,
    pub(super) reports: Reports,
    pub(super) aliases: Aliases,
    cursors: BTreeMap<ClientId, MessageId>,
    handled: BTreeMap<(ClientId, MessageId), BTreeSet<usize>>,
}

impl Ledger {
    /// The clock shows this. `stepped`: it did not get there by itself.
    pub(super) fn clock(&mut self, now_ms: u64, stepped: bool) {
        self.latest_ms = self.latest_ms.max(now_ms);
        self.groups.clock(now_ms);
        if stepped {
            self.set_to_ms.push(now_ms);
            for first in self.requests.values_mut().flatten() {
                first.forgettable |= may_forget(first.accepted_ms, now_ms);
            }
        }
    }

    /// How often the clock was set.
    pub(super) fn clocks_set(&self) -> usize {
        self.set_to_ms.len()
    }

    /// A batch can no longer be lost.
    pub(super) fn lasting(&mut self, batch: &Batch) {
        self.set_before = batch.clocks_set;
        let mut ops = batch.ops.iter();
        let mut stored = Vec::new();
        for (_, event) in &batch.events {
            match event {
                Committed::Stored { cid, message } => {
                    self.stored(*cid, message);
                    stored.push((*cid, message.id));
                }
                Committed::Done(done) => {
                    let submitted = ops.next().expect("one answer for each op");
                    let cids: Vec<ClientId> = stored.iter().map(|(cid, _)| *cid).collect();
                    self.done(&submitted.op, done, &cids, batch.now_ms);
                    self.done_to_many(submitted, done, &stored, batch);
                    stored.clear();
                }
                _ => {}
            }
        }
        self.reports.batch_ends(&batch.receipts);
    }

    /// A message was made.
    pub(super) fn stored(&mut self, cid: ClientId, message: &StoredMessage) {
        assert!(
            message.id > self.highest,
            "ids: {} was given after {}",
            message.id,
            self.highest
        );
        self.highest = message.id;
        let one = Message {
            attempt: read_body(&message.body).expect("the body of a push of ours"),
            expires_ms: message.expires_ms,
            kept: message.kept,
            group: message.group,
            len: message.body.len(),
        };
        self.messages.insert((cid, message.id), one);
    }

    fn done(&mut self, op: &Op, done: &Done, stored: &[ClientId], now_ms: u64) {
        match (op, done) {
            (
                Op::Accept {
                    app, push, targets, ..
                },
                Done::Accepted { accepted, .. },
            ) => {
                if !accepted.repeated {
                    let words = targets.iter().map(|(cid, reach)| (*cid, *reach));
                    let kept = push.storage != Storage::Never;
                    self.made(*app, GroupNo::NONE, kept, words, now_ms);
                }
                self.accepted(*app, push, accepted, stored, now_ms);
            }
            (Op::Boot { registered_by_ms }, Done::Booted { .. }) => {
                self.groups.booted(*registered_by_ms);
            }
            (Op::Register { device, .. }, Done::Registered { cid, new, .. }) => {
                let app = AppNo(device.app);
                self.devices.insert(*cid, app);
                if new.is_some() {
                    self.groups.registered(*cid, device);
                    self.reports.registered(app, device.created_ms);
                }
            }
            (Op::Cursors { moves, finals }, _) => {
                for step in moves {
                    self.cursor(step.cid, step.acked);
                    self.logins.insert(step.cid, step.last_login_ms);
                    if let Some(app) = step.active {
                        self.reports.active(app, step.last_login_ms);
                    }
                }
                for end in finals {
                    self.reports.ended(end);
                }
            }
            (
                Op::BindAliases {
                    app,
                    alias_type,
                    bindings,
                    ..
                },
                Done::Answered { answer, .. },
            ) => {
                let all = bindings.iter().all(|(cid, _)| {
                    self.devices.get(cid) == Some(app) && !self.forgotten.contains(cid)
                });
                let expected = if all {
                    Answer::Done
                } else {
                    Answer::TargetInvalid
                };
                assert_eq!(**answer, expected, "who is bound: {bindings:?}");
                for (cid, alias) in bindings.iter().filter(|_| all) {
                    self.aliases.bind(binding(*app, alias_type, alias, *cid));
                }
            }
            (
                Op::UnbindAliases {
                    app,
                    alias_type,
                    bindings,
                    ..
                },
                _,
            ) => {
                for (cid, alias) in bindings {
                    self.aliases.unbind(&binding(*app, alias_type, alias, *cid));
                }
            }
            (
                Op::DropAlias {
                    app,
                    alias_type,
                    alias,
                    ..
                },
                _,
            ) => {
                self.aliases.drop_alias(*app, alias_type, alias);
            }
            (Op::DeleteApp { app, .. }, Done::AppChanged { .. }) => {
                let app = AppNo(app.number);
                self.gone.insert(app);
                self.groups.app_gone(app);
                self.reports.app_gone(app);
            }
            (Op::CreateApp { .. }, Done::AppCreated { app, .. })
            | (Op::ChangeApp { app, .. }, Done::AppChanged { known: true, .. }) => {
                self.reports.app(app);
            }
            (Op::ForgetDevices { cids, .. }, Done::Forgotten { .. }) => {
                for cid in cids {
                    self.forgotten.insert(*cid);
                    self.aliases.forget(*cid);
                    self.groups.forgotten(*cid);
                    self.reports.upward.forgotten(*cid);
                }
            }
            _ => {}
        }
    }

    /// Whoever is known by this request id and when: its 24 h are not over.
    pub(super) fn first(&mut self, app: AppNo, request: &str, task: &str, now_ms: u64) {
        let forgettable = self.is_forgettable(now_ms);
        let firsts = self.requests.entry((app, request.into())).or_default();
        for first in firsts.iter() {
            let may = first.forgettable || may_forget(first.accepted_ms, now_ms);
            assert!(may, "request {request:?} was accepted twice");
        }
        firsts.push(First {
            task: task.into(),
            accepted_ms: now_ms,
            words: Vec::new(),
            forgettable,
        });
    }

    /// Whether a clock that was set since the batch was made says that what was accepted then may be
    /// forgotten.
    fn is_forgettable(&self, accepted_ms: u64) -> bool {
        let since = &self.set_to_ms[self.set_before..];
        since.iter().any(|set_to| may_forget(accepted_ms, *set_to))
    }

    fn accepted(
        &mut self,
        app: AppNo,
        push: &Asked,
        accepted: &Accepted,
        stored: &[ClientId],
        now_ms: u64,
    ) {
        let forgettable = self.is_forgettable(now_ms);
        let name = (app, push.request_id.clone());
        let firsts = self.requests.entry(name).or_default();
        if accepted.repeated {
            let first = firsts.iter().find(|first| first.task == accepted.task_id);
            let first = first.expect("a repeat names the task of a first answer");
            assert_eq!(
                accepted.targets, first.words,
                "a repeat gets the words of the first answer"
            );
            assert!(stored.is_empty(), "a repeat delivers nothing");
            return;
        }
        for first in firsts.iter() {
            let may = first.forgettable || may_forget(first.accepted_ms, now_ms);
            assert!(may, "request {:?} was accepted twice", push.request_id);
        }
        let words = accepted.targets.clone();
        let sent = words
            .iter()
            .filter(|(_, word)| *word != TargetStatus::Ignored);
        let sent: Vec<ClientId> = sent.map(|(cid, _)| *cid).collect();
        assert_eq!(
            sent, stored,
            "one message for each target that is not ignored"
        );
        firsts.push(First {
            task: accepted.task_id.clone(),
            accepted_ms: now_ms,
            words,
            forgettable,
        });
    }

    fn cursor(&mut self, cid: ClientId, acked: MessageId) {
        let before = self.cursors.insert(cid, acked).unwrap_or(MessageId::NONE);
        assert!(
            acked >= before,
            "the cursor of {cid} went back from {before} to {acked}"
        );
        if acked == before {
            return;
        }
        let passed = (cid, MessageId(before.0 + 1))..=(cid, acked);
        for (key, message) in self.messages.range(passed) {
            let is_final = !message.kept
                || message.expires_ms <= self.latest_ms
                || self.groups.is_stopped(message.group)
                || self.handled.contains_key(key);
            assert!(
                is_final,
                "the cursor of {cid} passed {}, which nobody handled",
                key.1
            );
        }
    }

    /// A shard sends a push to a device.
    pub(super) fn sent(&self, cid: ClientId, push: &Push, wall_ms: u64) {
        let message = self.messages.get(&(cid, push.id));
        let message = message.unwrap_or_else(|| {
            panic!(
                "{} is sent to {cid} and nothing durable has this id",
                push.id
            )
        });
        assert_eq!(
            (read_body(&push.body), push.body.len()),
            (Some(message.attempt), message.len),
            "{} is sent with another body",
            push.id
        );
        assert!(
            !message.kept || message.expires_ms > wall_ms,
            "{} expired at {} and is sent at {wall_ms}",
            push.id,
            message.expires_ms
        );
        if let Some(acked) = self.cursors.get(&cid) {
            assert!(
                push.id > *acked,
                "{} is sent after its ack was durable",
                push.id
            );
        }
    }

    /// The app of a device handled a message.
    pub(super) fn handled(&mut self, phone: usize, cid: ClientId, id: MessageId, body: &[u8]) {
        let message = self.messages.get(&(cid, id));
        let message = message.unwrap_or_else(|| panic!("{id} arrived and was never accepted"));
        assert_eq!(
            (read_body(body), body.len()),
            (Some(message.attempt), message.len),
            "{id} arrived with another body"
        );
        let new = self.handled.entry((cid, id)).or_default().insert(phone);
        assert!(new, "phone {phone} handled {id} twice");
    }

    /// A third party was told that its push was accepted.
    pub(super) fn answered(
        &self,
        app: AppNo,
        request: &str,
        task: &str,
        words: &[(ClientId, TargetStatus)],
    ) {
        let firsts = self.requests.get(&(app, request.into()));
        let first = firsts.and_then(|firsts| firsts.iter().find(|first| &*first.task == task));
        let first =
            first.unwrap_or_else(|| panic!("promised and not durable: request {request}, {task}"));
        assert_eq!(first.words, words, "the words of request {request}, {task}");
    }

    /// A shard counts the end of a message: it was handled, or its time was over.
    pub(super) fn ended(&self, end: &MessageEnd, one: &One) {
        let key = (end.cid, end.end.id);
        let over = one.expires_ms <= self.latest_ms;
        let may = match end.end.fate {
            // What a session passed over because it was over or stopped lies under the mark that the
            // device names at its next login.
            Fate::Acked => {
                let passed = one.kept && (over || self.groups.is_stopped(one.group));
                passed || self.handled.contains_key(&key)
            }
            Fate::Expired => !one.kept || over,
            Fate::Revoked => self.groups.is_stopped(one.group),
        };
        assert!(may, "{key:?} ended so, and nothing was the cause: {end:?}");
    }

    /// Whether a device was deleted, or its app.
    pub(super) fn is_gone(&self, cid: ClientId) -> bool {
        let app = self.devices.get(&cid);
        self.forgotten.contains(&cid) || app.is_some_and(|app| self.gone.contains(app))
    }

    /// Whether a device takes no pushes.
    pub(super) fn is_muted(&self, cid: ClientId) -> bool {
        self.push_off.contains(&cid) || self.blocked.contains(&cid)
    }

    /// The push to many that a message belongs to, unless its time is over by any clock: then it
    /// may be forgotten that it was stopped.
    pub(super) fn group_of(&self, cid: ClientId, id: MessageId) -> Option<GroupNo> {
        let message = self.messages.get(&(cid, id))?;
        let over = message.kept && message.expires_ms <= self.latest_ms;
        (!over).then_some(message.group)
    }

    /// The group push that a message was made for.
    pub(super) fn made_for(&self, cid: ClientId, id: MessageId) -> GroupNo {
        let message = self.messages.get(&(cid, id));
        message.map_or(GroupNo::NONE, |message| message.group)
    }

    /// Whether a device handled a message whose day is not over.
    pub(super) fn is_known_to_last(&self, cid: ClientId, id: MessageId) -> bool {
        let message = self.messages.get(&(cid, id));
        let lasts = message.is_some_and(|one| one.kept && one.expires_ms > self.latest_ms);
        lasts && self.handled.contains_key(&(cid, id)) && !self.is_gone(cid)
    }

    /// The app of a device.
    pub(super) fn app_of(&self, cid: ClientId) -> Option<AppNo> {
        self.devices.get(&cid).copied()
    }

    /// Whether an app was deleted.
    pub(super) fn is_app_gone(&self, app: AppNo) -> bool {
        self.gone.contains(&app)
    }

    /// Devices that are registered, with their apps; none of a deleted app.
    pub(super) fn devices(&self) -> impl Iterator<Item = (ClientId, AppNo)> {
        let all = self.devices.iter().map(|(cid, app)| (*cid, *app));
        all.filter(|(cid, _)| !self.is_gone(*cid))
    }

    /// Whether a message must still arrive: it has a row, no clock ever showed its end, and
    /// nobody handled it.
    pub(super) fn missing(&self) -> Vec<(ClientId, MessageId)> {
        let open = self.messages.iter().filter(|(key, message)| {
            message.kept
                && message.expires_ms > self.latest_ms
                && !self.handled.contains_key(key)
                && !self.groups.is_stopped(message.group)
                && !self.is_gone(key.0)
                && !self.push_off.contains(&key.0)
        });
        open.map(|(key, _)| *key).collect()
    }

    /// Messages accepted for good, and those handled.
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.messages.len(), self.handled.len())
    }
}

fn binding(app: AppNo, alias_type: &str, alias: &str, cid: ClientId) -> Binding {
    Binding {
        app,
        alias_type: alias_type.into(),
        alias: alias.into(),
        cid,
    }
}

/// Whether a request id of this time may be unknown when the clock shows `now_ms`: its 24 h are
/// over, or the clock went back by more than it may.
fn may_forget(accepted_ms: u64, now_ms: u64) -> bool {
    let day_ms = accepted_ms - accepted_ms % DAY_MS;
    now_ms >= accepted_ms + REMEMBERED_MS || now_ms + DAY_MS < day_ms
}
