//! What third parties and operators are answered, held against everything that the world knows.
//!
//! Checked: a ticket is answered once, by an answer of its kind; nothing is told of a device to an
//! app that is not its own; a request id gives its first task for as long as it is kept, and a task
//! tells the words of its answer for as long as there is a history.

use std::collections::BTreeMap;

use protocol::{ClientId, MessageId};
use server_core::apply::StoredStatus;
use server_core::clock::Day;
use server_core::command::{Answer, Command, Reach, TargetStatus};
use server_core::history::{DeviceHistory, LiveSession, TaskHistory};
use server_core::ids::{AppNo, Ticket};
use server_core::limits::{
    CIDS_PER_ALIAS_MAX, HISTORY_DAYS, HISTORY_LEN_MAX, PAGE_LEN_MAX, QUEUE_LEN_MAX,
    REQUEST_ID_KEPT_MS, UNSTORED_LEN_MAX, WINDOW_LEN_MAX,
};
use server_core::op::{Accepted, Committed, Done, Op, Submitted};
use server_core::outbox::Fate;

use super::world::World;

/// A question that waits for its answer.
pub(super) struct Asked {
    command: Command,
    wall_ms: u64,
}

/// A task that is durable.
struct Task {
    app: AppNo,
    accepted_ms: u64,
    targets: Vec<(ClientId, TargetStatus)>,
}

#[derive(Default)]
pub(super) struct Questions {
    open: BTreeMap<Ticket, Asked>,
    tasks: BTreeMap<Box<str>, Task>,
    /// The tasks of each request id, oldest first.
    requests: BTreeMap<(AppNo, Box<str>), Vec<Box<str>>>,
    /// The latest that the clock ever showed at a commit: what is dropped by it stays dropped.
    newest_ms: u64,
}

impl Questions {
    pub(super) fn asked(&mut self, ticket: Ticket, command: Command, wall_ms: u64) {
        self.open.insert(ticket, Asked { command, wall_ms });
    }

    /// Nobody waits any more.
    pub(super) fn crash(&mut self) {
        self.open.clear();
    }

    pub(super) fn check_all_answered(&self) {
        let open: Vec<&Command> = self.open.values().map(|asked| &asked.command).collect();
        assert!(open.is_empty(), "unanswered: {open:?}");
    }

    /// A task that is known, by a number.
    pub(super) fn task(&self, number: u8) -> Option<Box<str>> {
        let at = usize::from(number) % self.tasks.len().max(1);
        self.tasks.keys().nth(at).cloned()
    }

    /// A batch became durable: what it accepted.
    pub(super) fn committed<'a>(
        &mut self,
        batch: &[Submitted],
        events: impl Iterator<Item = &'a Committed>,
        wall_ms: u64,
    ) {
        self.newest_ms = self.newest_ms.max(wall_ms);
        let mut done = events.filter_map(|event| match event {
            Committed::Done(done) => Some(done),
            _ => None,
        });
        for submitted in batch {
            let done = done.next().expect("each op ends");
            if let (Op::Accept { app, push, .. }, Done::Accepted { accepted, .. }) =
                (&submitted.op, done)
            {
                self.accepted(*app, &push.request_id, accepted, wall_ms);
            }
        }
        assert!(done.next().is_none(), "each op ends once");
    }

    fn accepted(&mut self, app: AppNo, request_id: &str, accepted: &Accepted, wall_ms: u64) {
        let named = (app, Box::from(request_id));
        let earlier = self.requests.entry(named).or_default();
        let today = Day::of_ms(wall_ms).0;
        let kept: Vec<&Box<str>> = earlier
            .iter()
            .filter(|task| {
                let accepted_ms = self.tasks[*task].accepted_ms;
                let day = Day::of_ms(accepted_ms).0;
                day.abs_diff(today) <= 1
                    && Day::of_ms(self.newest_ms).0 <= day + 1
                    && accepted_ms + REQUEST_ID_KEPT_MS > wall_ms
            })
            .collect();
        if accepted.repeated {
            let first = &self.tasks[&accepted.task_id];
            assert!(earlier.contains(&accepted.task_id), "its own task");
            assert_eq!(first.targets, accepted.targets, "the first answer");
            return;
        }
        assert!(kept.is_empty(), "{request_id} was answered: {kept:?}");
        earlier.push(accepted.task_id.clone());
        let task = Task {
            app,
            accepted_ms: wall_ms,
            targets: accepted.targets.clone(),
        };
        let before = self.tasks.insert(accepted.task_id.clone(), task);
        assert!(before.is_none(), "a task is accepted once");
    }

    /// Whether the history must still hold a task when it is asked for.
    fn must_know(&self, task: &Task, asked_ms: u64) -> bool {
        let day = Day::of_ms(task.accepted_ms).0;
        let asked = Day::of_ms(asked_ms).0;
        day <= asked + 1
            && asked <= day + HISTORY_DAYS
            && Day::of_ms(self.newest_ms).0 <= day + HISTORY_DAYS
    }

    fn check_task(&self, asked: &Asked, app: AppNo, task_id: &str, history: Option<&TaskHistory>) {
        let known = self.tasks.get(task_id).filter(|task| task.app == app);
        let (Some(known), Some(history)) = (known, history) else {
            assert!(history.is_none(), "{task_id} is no task of {app:?}");
            let must = known.is_some_and(|task| self.must_know(task, asked.wall_ms));
            assert!(!must, "{task_id} is forgotten too early");
            return;
        };
        let told: Vec<(ClientId, TargetStatus)> = history
            .task
            .targets
            .iter()
            .map(|target| {
                let status = StoredStatus::from_number(target.status);
                (ClientId::from_bytes(target.cid), status.word())
            })
            .collect();
        assert_eq!(told, known.targets, "as answered");
        assert_eq!(history.task.accepted_ms, known.accepted_ms);
        assert_eq!(history.outcomes.len(), told.len(), "one each");
        for (target, outcome) in history.task.targets.iter().zip(&history.outcomes) {
            let Some(outcome) = outcome else { continue };
            assert_ne!(target.message, 0, "only a message has an end");
            assert!(Fate::from_number(outcome.fate).is_some(), "a fate of ours");
        }
    }
}

impl World {
    pub(super) fn answered(&mut self, at: usize, ticket: Ticket, answer: &Answer) {
        let asked = self.questions.open.remove(&ticket);
        let asked = asked.expect("a ticket is answered once");
        let questions = &self.questions;
        match (&asked.command, answer) {
            (
                Command::Probe { .. }
                | Command::Status { .. }
                | Command::LiveSession { .. }
                | Command::MatchTags { .. },
                Answer::Busy,
            ) => panic!("answered at once or not at all"),
            (_, Answer::Busy) => {}
            (
                Command::PushSingle { push, .. } | Command::PushMany { push, .. },
                Answer::Pushed { task_id, targets },
            ) => {
                assert_eq!(questions.tasks[task_id].targets, *targets, "as committed");
                if *task_id == push.task_id {
                    let cids: Vec<ClientId> = targets.iter().map(|(cid, _)| *cid).collect();
                    assert_eq!(cids, targets_of(&asked.command), "those asked");
                } else {
                    assert!(push.request_id.starts_with("same"), "another's task");
                }
            }
            (
                Command::PushSingle { app, cid, .. }
                | Command::AliasOfCid { app, cid, .. }
                | Command::LiveSession { app, cid }
                | Command::DeviceHistory { app, cid },
                Answer::TargetInvalid,
            ) => assert!(!self.belongs(at, *cid, *app), "{cid} is of {app:?}"),
            (Command::Probe { app, cids }, Answer::Reached(reached)) => {
                let expected: Vec<(ClientId, Reach)> = self
                    .of_app(at, cids, *app)
                    .map(|cid| match self.live_link(cid) {
                        _ if self.groups.is_muted(cid) => (cid, Reach::Filtered),
                        Some(_) => (cid, Reach::Online),
                        None => (cid, Reach::Offline),
                    })
                    .collect();
                // What the phone said of its notifications is not followed here: as a push that asks
                // nothing of it.
                let reached: Vec<(ClientId, Reach)> = reached
                    .iter()
                    .map(|(cid, reach)| (*cid, reach.of_push(false)))
                    .collect();
                assert_eq!(reached, expected);
            }
            (Command::Status { app, cids }, Answer::Statuses(statuses)) => {
                let told: Vec<(ClientId, bool)> = statuses
                    .iter()
                    .map(|(cid, status)| (*cid, status.online))
                    .collect();
                let expected: Vec<(ClientId, bool)> = self
                    .of_app(at, cids, *app)
                    .map(|cid| (cid, self.live_link(cid).is_some()))
                    .collect();
                assert_eq!(told, expected);
            }
            (Command::CidsOfAlias { app, .. }, Answer::Cids(cids)) => {
                assert!(cids.len() <= CIDS_PER_ALIAS_MAX);
                assert!(cids.iter().all(|cid| self.app_of(*cid) == Some(*app)));
            }
            (Command::AliasOfCid { app, cid, .. }, Answer::Alias(_)) => {
                assert_eq!(self.app_of(*cid), Some(*app));
            }
            (Command::BindAliases { app, bindings, .. }, Answer::Done | Answer::TargetInvalid) => {
                let all_own = bindings
                    .iter()
                    .all(|(cid, _)| self.app_of(*cid) == Some(*app));
                assert!(all_own || *answer == Answer::TargetInvalid, "of others");
            }
            (Command::UnbindAliases { .. }, Answer::Done) => {}
            (Command::CreateApp(asked), Answer::AppCreated(app)) => {
                assert_eq!(asked.app_id, app.app_id);
                assert_ne!(app.number, 0);
            }
            (
                Command::ChangeApp(_) | Command::DeleteApp(_),
                Answer::Done | Answer::TargetInvalid,
            ) => {}
            (Command::LiveSession { app, cid }, Answer::LiveSession(live)) => {
                assert!(self.belongs(at, *cid, *app), "{cid} is not of {app:?}");
                self.check_live(*cid, live.as_deref());
            }
            (Command::DeviceHistory { app, cid }, Answer::DeviceHistory(history)) => {
                assert_eq!(self.app_of(*cid), Some(*app));
                check_device(*app, history);
            }
            (Command::TaskHistory { app, task_id }, Answer::TaskHistory(history)) => {
                questions.check_task(&asked, *app, task_id, history.as_deref());
            }
            (command, answer) if self.answers_many(at, command, answer) => {}
            (command, answer) => panic!("{answer:?} does not answer {command:?}"),
        }
    }

    /// Whether this is an answer to a question of those who push to many.
    fn answers_many(&self, at: usize, command: &Command, answer: &Answer) -> bool {
        match (command, answer) {
            (Command::PushGroup { push, .. }, Answer::GroupTaken { task_id }) => {
                *task_id == push.task_id || push.request_id.is_some()
            }
            (
                Command::PushList { task_id, .. },
                Answer::Pushed {
                    task_id: told,
                    targets,
                },
            ) => {
                let cids: Vec<ClientId> = targets.iter().map(|(cid, _)| *cid).collect();
                task_id == told && cids == targets_of(command)
            }
            (Command::PushList { .. }, Answer::NoSuchTask)
            | (
                Command::StopGroup { .. },
                Answer::Done | Answer::NoSuchTask | Answer::TaskCannotStop,
            )
            | (Command::Unschedule { .. }, Answer::Done | Answer::NoSuchTask | Answer::TaskBegun) => {
                true
            }
            (Command::Groups { app, task_ids }, Answer::Groups(views)) => {
                views.iter().all(|view| {
                    let sums = &view.sums;
                    view.group.app == app.0
                        && task_ids.contains(&view.group.task_id.as_str().into())
                        && sums.acked + sums.expired + sums.filtered + sums.revoked <= sums.targets
                })
            }
            (Command::SetTags { app, cid, .. }, Answer::Done) => self.app_of(*cid) == Some(*app),
            (Command::Block { app, cids, .. }, Answer::Done) => {
                cids.iter().all(|cid| self.app_of(*cid) == Some(*app))
            }
            (Command::SetTags { .. } | Command::Block { .. }, Answer::TargetInvalid) => true,
            (Command::ChangeTag { app, cids, .. }, Answer::Changed(changed)) => {
                let told = changed.iter().map(|(cid, _)| cid);
                told.eq(cids)
                    && changed
                        .iter()
                        .all(|(cid, changed)| !changed || self.app_of(*cid) == Some(*app))
            }
            (Command::MatchTags { app, terms }, Answer::Cids(matching)) => {
                let expected = terms.iter().filter(|(cid, term)| {
                    self.belongs(at, *cid, *app) && self.groups.has_tag(*cid, &term.tags[0])
                });
                expected.map(|(cid, _)| cid).eq(matching)
            }
            _ => false,
        }
    }

    /// Whether a shard knows a device as one of this app.
    fn belongs(&self, at: usize, cid: ClientId, app: AppNo) -> bool {
        self.app_of(cid) == Some(app) && self.apps.has_number(at, app)
    }

    fn of_app(&self, at: usize, cids: &[ClientId], app: AppNo) -> impl Iterator<Item = ClientId> {
        cids.iter()
            .copied()
            .filter(move |cid| self.belongs(at, *cid, app))
    }

    fn check_live(&self, cid: ClientId, live: Option<&LiveSession>) {
        let (Some(link), Some(live)) = (self.live_link(cid), live) else {
            assert!(live.is_none(), "nobody holds this session");
            assert!(self.live_link(cid).is_none(), "its link is open");
            return;
        };
        assert_eq!(Some(live.generation.0), link.generation, "its login");
        assert!(live.under_way.is_sorted_by_key(|(id, _)| *id));
        assert!(live.under_way.len() <= usize::from(WINDOW_LEN_MAX));
        for (id, _) in &live.under_way {
            assert!(link.came.contains(id), "{id} is under way, not sent");
        }
        assert!(live.queue_len <= QUEUE_LEN_MAX + PAGE_LEN_MAX + UNSTORED_LEN_MAX);
        assert!(live.heard_ms_ago <= live.heartbeat_ms * 2, "dead for long");
    }
}

fn targets_of(command: &Command) -> Vec<ClientId> {
    match command {
        Command::PushSingle { cid, .. } => vec![*cid],
        Command::PushMany { targets, .. } | Command::PushList { targets, .. } => {
            targets.iter().map(|(cid, _)| *cid).collect()
        }
        _ => Vec::new(),
    }
}

fn check_device(app: AppNo, history: &DeviceHistory) {
    assert_eq!(history.device.app, app.0);
    let waiting: Vec<MessageId> = history.waiting.iter().map(|one| one.id).collect();
    assert!(waiting.is_sorted_by(|a, b| a < b), "in order of their ids");
    assert!(waiting.len() <= PAGE_LEN_MAX);
    assert!(waiting.first().is_none_or(|id| id.0 > history.cursor.acked));
    assert!(history.ended.len() <= HISTORY_LEN_MAX);
    assert!(
        history.ended.is_sorted_by(|(a, _), (b, _)| a > b),
        "newest first"
    );
    for (id, outcome) in &history.ended {
        assert!(!waiting.contains(id), "{id} waits and has ended");
        assert!(Fate::from_number(outcome.fate).is_some());
    }
    assert!(history.aliases.len() <= 1, "scripts have one type");
}
