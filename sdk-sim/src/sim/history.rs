//! What third parties ask of the past, and what a reader finds: compared with what was seen.
//!
//! Always: a read is compared when it is made, with the rows of that moment; its answer has to be
//! what was read. A live session is compared when the answer comes: its shard had it in memory.

use protocol::{ClientId, MessageId};
use schema::record::TaskTarget;
use server_core::alias_name::TypedAlias;
use server_core::apply::{StoredStatus, made_on};
use server_core::clock::Day;
use server_core::command::{Answer, Command};
use server_core::group::GroupState;
use server_core::history::{DeviceHistory, LiveSession, Stage, TaskHistory, stage_of};
use server_core::ids::AppNo;
use server_core::keys;
use server_core::limits::HISTORY_LEN_MAX;
use server_core::op::Origin;
use server_core::outbox::Fate;
use server_core::read::{Read, ReadDone};
use server_core::report::Question;
use server_core::rows::{Keyspace, Rows, RowsError};

use super::parties::app_no;
use super::party::{Ask, task_of};
use super::stages::Told;
use super::world::World;

impl World {
    /// A question about the past of a device or a task, or about the present of a session.
    pub(super) fn ask_history(&mut self, app: usize) {
        let cids = self.known_cids(app);
        if cids.is_empty() || self.server.seats.is_empty() {
            return;
        }
        let cid = cids[self.dice.index(cids.len())];
        let app = app_no(app);
        match self.dice.below(3) {
            0 => self.ask(
                self.owner(cid),
                Ask::Live(cid),
                Command::LiveSession { app, cid },
            ),
            1 => self.ask(
                self.owner(cid),
                Ask::Other,
                Command::DeviceHistory { app, cid },
            ),
            _ => {
                let attempts = self.parties.attempts.len() as u64;
                let task_id = task_of(self.dice.below(attempts + 1));
                let any = self.dice.index(self.server.seats.len());
                self.ask(any, Ask::Other, Command::TaskHistory { app, task_id });
            }
        }
    }

    /// A reader has read: the past is as it was seen, and only a damaged row is an error.
    pub(super) fn check_read(&mut self, read: &Read, done: &ReadDone) {
        if let Some(error) = done.error() {
            self.check_damaged(error);
            self.met.reads_refused += u64::from(matches!(error, RowsError::Damaged { .. }));
        }
        let (ticket, answer) = match (read, done) {
            (Read::Device { cid, now_ms, .. }, ReadDone::Device { ticket, history }) => {
                self.check_damage_is_met(*cid, history.is_err());
                let answer = match history {
                    Ok(Some(history)) => {
                        if !self.ledger.is_gone(*cid) {
                            self.check_device(*cid, *now_ms, history);
                            self.met.devices_told += 1;
                        }
                        Answer::DeviceHistory(history.clone())
                    }
                    Ok(None) => {
                        assert!(self.ledger.is_gone(*cid), "{cid} has no history");
                        Answer::TargetInvalid
                    }
                    Err(_) => Answer::StoreFailed,
                };
                (*ticket, answer)
            }
            (
                Read::Task {
                    app,
                    task_id,
                    now_ms,
                    ..
                },
                ReadDone::Task { ticket, history },
            ) => {
                let told = self.stages.tasks.get(&(*app, task_id.clone()));
                let answer = match history {
                    Ok(history) => {
                        self.check_task(told, *now_ms, history.as_deref());
                        self.met.tasks_told += u64::from(history.is_some());
                        Answer::TaskHistory(history.clone())
                    }
                    Err(_) => Answer::StoreFailed,
                };
                (*ticket, answer)
            }
            (
                Read::Ask {
                    origin: Origin::Ticket(ticket),
                    app,
                    question,
                    ..
                },
                ReadDone::Asked { answer, .. },
            ) => {
                let answer = match answer {
                    Ok(answer) => {
                        self.check_told(*app, question, answer);
                        (**answer).clone()
                    }
                    Err(_) => Answer::StoreFailed,
                };
                (*ticket, answer)
            }
            _ => return,
        };
        self.parties.found.insert(ticket, answer);
    }

    /// What is told of tags and of pushes to many.
    fn check_told(&self, app: AppNo, question: &Question, answer: &Answer) {
        match (question, answer) {
            (Question::Tags(cid), Answer::Tags(tags)) => {
                let row = self
                    .server
                    .disk
                    .rows
                    .get(Keyspace::Reg, &keys::client(*cid));
                // Its deletion may be in the rows and not last yet.
                let expected = match row.expect("memory reads") {
                    Some(_) => self.ledger.groups.tags(*cid),
                    None => Vec::new(),
                };
                assert_eq!(*tags, expected, "the tags of {cid}");
            }
            (Question::Groups(tasks), Answer::Groups(views)) => {
                let known = tasks.iter().filter_map(|task| {
                    let many = self.ledger.groups.of_task(app, task)?;
                    Some((many.number, many.state))
                });
                let told = views.iter().map(|view| {
                    let state = GroupState::from_number(view.group.state);
                    (view.number, state)
                });
                assert!(told.eq(known), "what is told of {tasks:?}: {views:?}");
            }
            _ => {}
        }
    }

    fn check_device(&self, cid: ClientId, now_ms: u64, history: &DeviceHistory) {
        let DeviceHistory {
            device,
            profile: _,
            cursor,
            aliases,
            waiting,
            more_wait,
            ended,
        } = history;
        assert_eq!(
            (Some(AppNo(device.app)), device.push_off || device.blocked),
            (self.ledger.app_of(cid), self.ledger.is_muted(cid)),
            "the registration of {cid}"
        );
        let acked = self.stages.cursors.get(&cid).copied();
        let acked = acked.unwrap_or(MessageId::NONE);
        assert_eq!(MessageId(cursor.acked), acked, "the cursor of {cid}");
        let latest_ms = self.ledger.latest_ms;
        for at_ms in [device.created_ms, cursor.last_login_ms, cursor.last_seen_ms] {
            assert!(at_ms <= latest_ms, "{at_ms} is not yet, for {cid}");
        }
        let mut bound: Vec<TypedAlias> = self.ledger.aliases.of(cid).collect();
        bound.sort_unstable();
        assert_eq!(aliases, &bound, "the aliases of {cid}");

        let held = self.stages.of_device(cid);
        let held = held.filter(|(id, one)| *id > acked && one.kept && !one.is_in_rows());
        let held: Vec<(MessageId, u64)> = held.map(|(id, one)| (id, one.expires_ms)).collect();
        // Rows of a day that is over may be left by a crash; they count as expired.
        let is_open = |id: MessageId| self.stages.get(&(cid, id)).is_some_and(|one| !one.closed);
        let found = waiting.iter().filter(|message| is_open(message.id));
        let found: Vec<_> = found
            .map(|message| (message.id, message.expires_ms))
            .collect();
        assert!(
            held.starts_with(&found) && (*more_wait || held.len() == found.len()),
            "what waits for {cid}: {found:?}, more: {more_wait}, and not {held:?}"
        );

        let newest = Day(Day::of_ms(now_ms).0 + 1);
        let done = self.stages.of_device(cid).rev();
        let done = done.filter_map(|(id, one)| Some((id, one.outcome()?)));
        let done = done.filter(|(id, _)| made_on(*id) <= newest);
        let done: Vec<_> = done.take(HISTORY_LEN_MAX).collect();
        assert_eq!(ended, &done, "how messages of {cid} ended");
    }

    fn check_task(&self, told: Option<&Told>, now_ms: u64, history: Option<&TaskHistory>) {
        let (told, history) = match (told, history) {
            (None, None) => return,
            (Some(told), None) => {
                // The clock was set back behind the day before it: nobody looks so far ahead.
                let beyond = Day::of_ms(told.accepted_ms).0 > Day::of_ms(now_ms).0 + 1;
                assert!(beyond, "a task was accepted and is not known: {told:?}");
                return;
            }
            (None, Some(history)) => panic!("a task that nobody accepted: {history:?}"),
            (Some(told), Some(history)) => (told, history),
        };
        let task = &history.task;
        assert_eq!(
            (task.accepted_ms, task.expires_ms, task.kept),
            (told.accepted_ms, told.expires_ms, told.kept),
            "a task"
        );
        let target = |(cid, id, status): &(ClientId, MessageId, StoredStatus)| TaskTarget {
            cid: *cid.as_bytes(),
            message: id.0,
            status: *status as u8,
        };
        let targets: Vec<TaskTarget> = told.targets.iter().map(target).collect();
        assert_eq!(task.targets, targets, "the targets of a task");
        assert_eq!(history.outcomes.len(), targets.len(), "ends of a task");
        for ((cid, id, status), outcome) in told.targets.iter().zip(&history.outcomes) {
            let known = self.stages.get(&(*cid, *id)).and_then(|one| one.outcome());
            assert_eq!(outcome, &known, "how {id} of {cid} ended");
            let acked = known.is_some_and(|end| end.fate == Fate::Acked as u8);
            let over = known.is_some() || now_ms >= told.expires_ms;
            let expected = match status {
                StoredStatus::Filtered => Stage::Filtered,
                StoredStatus::Full => Stage::Failed,
                StoredStatus::Expired => Stage::Expired,
                StoredStatus::Online | StoredStatus::Offline if acked => Stage::Acked,
                StoredStatus::Online | StoredStatus::Offline if over => Stage::Expired,
                StoredStatus::Online | StoredStatus::Offline => Stage::Stored,
            };
            let word = stage_of(*status, *outcome, None, told.expires_ms, now_ms);
            assert_eq!(word, expected, "the word for {id} of {cid}");
        }
    }

    /// What a shard says of the session of a CID.
    pub(super) fn check_live(&mut self, cid: ClientId, session: Option<&LiveSession>) {
        let seen = self.watch.live_of(cid);
        let Some(session) = session else {
            assert!(seen.is_none(), "a session of {cid} is live and not told of");
            return;
        };
        self.met.sessions_told += 1;
        let (generation, under_way) = seen.unwrap_or_else(|| panic!("no session of {cid} is live"));
        let sent = |id: &MessageId| {
            let one = self.stages.get(&(cid, *id));
            (*id, one.map_or(0, |one| one.sent_ms))
        };
        let under_way: Vec<(MessageId, u64)> = under_way.iter().map(sent).collect();
        assert_eq!(session.generation.0, generation, "the generation of {cid}");
        assert_eq!(session.under_way, under_way, "what is sent to {cid}");
        assert!(
            (10_000..=40_000).contains(&session.heartbeat_ms),
            "the heartbeat of {cid}: {session:?}"
        );
    }
}
