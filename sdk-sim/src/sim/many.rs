//! What the ledger makes of ops on pushes to many, on tags and black lists, and on receipts.
//!
//! Always: as the ledger, it hears of a batch when a crash can no longer take it.

use bytes::Bytes;
use protocol::{ClientId, FeedbackVerdict, MessageId};
use schema::record::Sums;
use server_core::apply::StoredStatus;
use server_core::command::{Answer, Reach};
use server_core::group::GroupNo;
use server_core::ids::AppNo;
use server_core::keys;
use server_core::op::{Done, Op, StoredMessage, Submitted};

use super::disk::Batch;
use super::ledger::Ledger;

impl Ledger {
    /// Messages were made for these targets.
    pub(super) fn made(
        &mut self,
        app: AppNo,
        group: GroupNo,
        kept: bool,
        targets: impl Iterator<Item = (ClientId, Reach)>,
        now_ms: u64,
    ) {
        let mut made = Sums::default();
        for (_, reach) in targets {
            let status = StoredStatus::of(reach, kept);
            made.targets += 1;
            made.filtered += u64::from(status == StoredStatus::Filtered);
            made.expired += u64::from(status == StoredStatus::Expired);
        }
        self.reports.made(app, group, now_ms, &made);
    }

    /// An op that can no longer be lost, and how it ended.
    pub(super) fn done_to_many(
        &mut self,
        submitted: &Submitted,
        done: &Done,
        stored: &[(ClientId, MessageId)],
        batch: &Batch,
    ) {
        let now_ms = batch.now_ms;
        match (&submitted.op, done) {
            (Op::Accept { app, push, .. }, Done::Accepted { .. }) => {
                for (_, id) in stored {
                    self.reports.note(*app, &push.task_id, *id);
                }
            }
            (
                Op::PushList {
                    app,
                    task_id,
                    targets,
                    ..
                },
                done,
            ) => {
                let taken = matches!(done, Done::Accepted { .. });
                let lost = self.groups.has_lost_body(*app, task_id);
                let open = self.groups.is_open(*app, task_id, now_ms) && (taken || !lost);
                assert_eq!(taken, open, "a push of list {task_id}: {done:?}");
                if let Some(many) = self.groups.of_task(*app, task_id).filter(|_| open) {
                    let (number, kept) = (many.number, many.kept);
                    self.made(*app, number, kept, targets.iter().copied(), now_ms);
                    let sent = |reach: Reach| {
                        let status = StoredStatus::of(reach, kept);
                        matches!(status, StoredStatus::Online | StoredStatus::Offline)
                    };
                    let sent = targets.iter().filter(|(_, reach)| sent(*reach));
                    assert!(
                        sent.map(|(cid, _)| cid)
                            .eq(stored.iter().map(|(cid, _)| cid)),
                        "one message for each target of {task_id} that is not ignored"
                    );
                    for (_, id) in stored {
                        self.reports.note(*app, task_id, *id);
                    }
                }
            }
            (
                Op::Fan {
                    group,
                    targets,
                    done,
                    ..
                },
                Done::Fanned {
                    reached, goes_on, ..
                },
            ) => {
                let shard = submitted.shard;
                self.groups
                    .fanned(shard, *group, targets, reached, *done, *goes_on, now_ms);
                if *goes_on {
                    self.fanned(*group, reached);
                    let many = self.groups.get(*group).expect("it was taken");
                    let (app, kept) = (many.app, many.kept);
                    self.made(app, *group, kept, targets.iter().copied(), now_ms);
                }
            }
            (Op::TakeGroup { app, push, .. }, Done::Answered { answer, .. }) => {
                let Answer::GroupTaken { task_id } = &**answer else {
                    panic!("a push to many is answered with {answer:?}");
                };
                let request = push.request_id.as_deref().expect("all of ours have one");
                let key = keys::group_of_task(*app, &push.task_id);
                match batch.taken.get(&key) {
                    Some(number) => {
                        assert_eq!(task_id, &push.task_id, "the task of {request}");
                        self.first(*app, request, task_id, now_ms);
                        self.groups.taken(*number, *app, push, now_ms);
                    }
                    None => self.answered(*app, request, task_id, &[]),
                }
            }
            (Op::StartGroup(group), Done::GroupStarted(_)) => {
                self.groups.started(*group, now_ms, self.latest_ms);
            }
            (
                Op::Feedback {
                    app, cid, entries, ..
                },
                Done::Answered { answer, .. },
            ) => {
                if let Answer::Verdicts(verdicts) = &**answer {
                    let groups = entries
                        .iter()
                        .map(|entry| self.made_for(*cid, entry.message));
                    let groups: Vec<GroupNo> = groups.collect();
                    for (entry, verdict) in entries.iter().zip(verdicts) {
                        let must_know = self.is_known_to_last(*cid, entry.message);
                        assert!(
                            !must_know || *verdict != FeedbackVerdict::UnknownMessage,
                            "{} of {cid} was handled, and is said to be unknown",
                            entry.message
                        );
                    }
                    let judged = entries.iter().zip(verdicts).zip(groups);
                    let judged = judged.map(|((entry, verdict), group)| (*entry, *verdict, group));
                    self.reports
                        .acted(*app, *cid, judged, now_ms, self.latest_ms);
                }
            }
            (
                Op::TakeUpstream {
                    app, cid, message, ..
                },
                Done::UpstreamTaken { status, .. },
            ) => self.reports.upstream(*app, *cid, message, *status, now_ms),
            (op, Done::Answered { answer, .. }) => self.answered_to_many(op, answer, now_ms),
            _ => {}
        }
    }

    fn fanned(&mut self, group: GroupNo, reached: &[(ClientId, MessageId, StoredStatus)]) {
        let many = self.groups.get(group).expect("it was taken");
        let (app, task, attempt) = (many.app, many.task.clone(), many.attempt);
        let mut body = attempt.to_be_bytes().to_vec();
        body.resize(many.body_len, attempt as u8);
        let message = StoredMessage {
            id: MessageId::NONE,
            expires_ms: many.expires_ms,
            kept: many.kept,
            sealed: false,
            group,
            body: Bytes::from(body),
        };
        for (cid, id, status) in reached {
            let ignored = matches!(status, StoredStatus::Filtered | StoredStatus::Expired);
            assert_eq!(*id == MessageId::NONE, ignored, "the message of {cid}");
            if !ignored {
                let message = StoredMessage {
                    id: *id,
                    ..message.clone()
                };
                self.stored(*cid, &message);
                self.reports.note(app, &task, *id);
            }
        }
    }

    fn answered_to_many(&mut self, op: &Op, answer: &Answer, now_ms: u64) {
        match op {
            Op::StopGroup { app, task_id, .. } => {
                self.groups.stop(*app, task_id, now_ms, answer);
            }
            Op::Unschedule { app, task_id, .. } => {
                self.groups.unscheduled(*app, task_id, now_ms, answer);
            }
            Op::SetTags { app, cid, tags, .. } => {
                self.groups.tags_set(*app, *cid, tags, answer);
            }
            Op::ChangeTag {
                app,
                tag,
                cids,
                add,
                ..
            } => self.groups.tag_changed(*app, tag, cids, *add, answer),
            Op::Block {
                app, cids, blocked, ..
            } => {
                let known = self.groups.all_known(*app, cids);
                assert_eq!(*answer == Answer::Done, known, "who is black-listed");
                for cid in cids.iter().filter(|_| known) {
                    if *blocked {
                        self.blocked.insert(*cid);
                    } else {
                        self.blocked.remove(cid);
                    }
                }
            }
            Op::SettleReceipts {
                app,
                upto,
                settling,
                ..
            } => self.reports.settled(*app, *upto, *settling),
            Op::ReplayReceipts { app, .. } => {
                let len = self.reports.replayed(*app);
                assert_eq!(*answer, Answer::Count(len), "receipts told again");
            }
            _ => {}
        }
    }
}
