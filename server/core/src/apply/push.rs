//! Taking a push: its task, the row of its request id, its messages.

use bytes::Bytes;
use protocol::{ClientId, MessageId};
use schema::SchemaError;
use schema::record::{FirstAnswer, Message, Sums, Task, TaskTarget};

use super::Step;
use crate::clock::Day;
use crate::command::{Push, Reach, Storage, TargetStatus};
use crate::group::GroupNo;
use crate::ids::{AppNo, Ticket};
use crate::keys;
use crate::limits::{PIECE_LEN_MAX, REQUEST_ID_KEPT_MS};
use crate::op::{Accepted, Committed, Done, StoredMessage};
use crate::rows::{Keyspace, Rows, RowsError};

impl<R: Rows> Step<'_, R> {
    pub(super) fn accept(
        &mut self,
        ticket: Ticket,
        app: AppNo,
        targets: &[(ClientId, Reach)],
        push: &Push,
    ) -> Result<Done, RowsError> {
        if let Some(accepted) = self.first_answer(app, &push.request_id)? {
            return Ok(Done::Accepted { ticket, accepted });
        }
        let expires_ms = match push.storage {
            Storage::Until(expires_ms) => expires_ms,
            Storage::Never => self.now_ms,
        };
        let kept = push.storage != Storage::Never;
        let (mut filtered, mut expired, mut failed) = (0, 0, 0);
        let mut reached = Vec::with_capacity(targets.len());
        for (cid, reach) in targets {
            let reach = reach.of_push(push.skips_notify_off);
            let status = self.status(app, *cid, reach, kept)?;
            expired += u32::from(status == StoredStatus::Expired);
            filtered += u32::from(status == StoredStatus::Filtered);
            failed += u32::from(status == StoredStatus::Full);
            let message = match status {
                StoredStatus::Online | StoredStatus::Offline => {
                    self.ids.next(self.now_ms, &mut self.rows.writes)
                }
                StoredStatus::Expired | StoredStatus::Filtered | StoredStatus::Full => {
                    MessageId::NONE
                }
            };
            reached.push((*cid, message, status));
        }
        let tally = self.tallies.entry(Day::of_ms(expires_ms)).or_default();
        tally.accepted += targets.len() as u64;
        tally.expired += u64::from(expired);
        tally.filtered += u64::from(filtered);
        tally.failed += u64::from(failed);
        let made = Sums {
            targets: targets.len() as u64,
            expired: u64::from(expired),
            filtered: u64::from(filtered),
            ..Sums::default()
        };
        self.count_made(app, GroupNo::NONE, &made);
        for (cid, id, _) in &reached {
            if *id == MessageId::NONE {
                continue;
            }
            self.note_task(app, &push.task_id, *id)?;
            if kept {
                self.store_message(*cid, *id, expires_ms, &push.body);
            }
            let message = StoredMessage {
                id: *id,
                expires_ms,
                kept,
                sealed: false,
                group: GroupNo::NONE,
                body: push.body.clone(),
            };
            self.tell_owner(*cid, Committed::Stored { cid: *cid, message });
        }
        let words = reached
            .iter()
            .map(|(cid, _, status)| (*cid, status.word()))
            .collect();
        self.write_task(app, push, expires_ms, &reached);
        let task_id = push.task_id.clone();
        let accepted = Accepted {
            task_id,
            targets: words,
            filtered,
            expired,
            failed,
            repeated: false,
        };
        Ok(Done::Accepted { ticket, accepted })
    }

    /// The task, and under the request id that this task is the answer.
    pub(super) fn write_task(
        &mut self,
        app: AppNo,
        push: &Push,
        expires_ms: u64,
        reached: &[(ClientId, MessageId, StoredStatus)],
    ) {
        let targets = reached.iter().map(|(cid, message, status)| TaskTarget {
            cid: *cid.as_bytes(),
            message: message.0,
            status: *status as u8,
        });
        let task = Task {
            request_id: push.request_id.to_string(),
            accepted_ms: self.now_ms,
            expires_ms,
            kept: push.storage != Storage::Never,
            targets: targets.collect(),
            vendor: push.vendor.as_ref().map(|text| text.to_string()),
        };
        let keyspace = Keyspace::Task(Day::of_ms(self.now_ms));
        let key = keys::task(app, &push.task_id);
        self.rows.writes.put(keyspace, key, task.encode());
        self.write_first_answer(app, &push.request_id, &push.task_id);
    }

    /// Under a request id, which task is the answer.
    pub(super) fn write_first_answer(&mut self, app: AppNo, request_id: &str, task_id: &str) {
        let first = FirstAnswer {
            task_id: task_id.to_owned(),
            accepted_ms: self.now_ms,
        };
        let keyspace = Keyspace::Dedup(Day::of_ms(self.now_ms));
        let key = keys::request(app, request_id);
        self.rows.writes.put(keyspace, key, first.encode());
    }

    pub(super) fn first_answer(
        &self,
        app: AppNo,
        request_id: &str,
    ) -> Result<Option<Accepted>, RowsError> {
        let key = keys::request(app, request_id);
        let today = Day::of_ms(self.now_ms);
        // Tomorrow as well: the clock may have been set back over midnight.
        for day in [
            Some(today),
            today.0.checked_sub(1).map(Day),
            today.0.checked_add(1).map(Day),
        ] {
            let Some(keyspace) = day.map(Keyspace::Dedup) else {
                continue;
            };
            let Some(first) = self.rows.row(keyspace, &key, FirstAnswer::decode)? else {
                continue;
            };
            if first.accepted_ms.saturating_add(REQUEST_ID_KEPT_MS) <= self.now_ms {
                continue;
            }
            return self.answer_again(app, &first).map(Some);
        }
        Ok(None)
    }

    pub(super) fn answer_again(
        &self,
        app: AppNo,
        first: &FirstAnswer,
    ) -> Result<Accepted, RowsError> {
        let keyspace = Keyspace::Task(Day::of_ms(first.accepted_ms));
        let key = keys::task(app, &first.task_id);
        let Some(task) = self.rows.row(keyspace, &key, Task::decode)? else {
            // The first request was a push to many, whose task lies elsewhere.
            let answer = self.group_answer(app, &first.task_id)?;
            return answer.ok_or_else(|| {
                RowsError::damaged(keyspace, &key)(SchemaError::missing("Task", "its row is gone"))
            });
        };
        let word = |target: &TaskTarget| {
            let status = StoredStatus::from_number(target.status);
            (ClientId::from_bytes(target.cid), status.word())
        };
        Ok(Accepted {
            task_id: first.task_id.as_str().into(),
            targets: task.targets.iter().map(word).collect(),
            filtered: 0,
            expired: 0,
            failed: 0,
            repeated: true,
        })
    }

    /// What becomes of a message for one target.
    pub(super) fn status(
        &mut self,
        app: AppNo,
        cid: ClientId,
        reach: Reach,
        kept: bool,
    ) -> Result<StoredStatus, RowsError> {
        let status = StoredStatus::of(reach, kept);
        if status == StoredStatus::Offline && self.is_full(app, cid)? {
            return Ok(StoredStatus::Full);
        }
        Ok(status)
    }

    pub(super) fn store_message(
        &mut self,
        cid: ClientId,
        id: MessageId,
        expires_ms: u64,
        body: &Bytes,
    ) {
        let day = Day::of_ms(expires_ms);
        let mut pieces = body.chunks(PIECE_LEN_MAX);
        let first = Message {
            expires_ms,
            accepted_ms: self.now_ms,
            pieces: u16::try_from(body.len().div_ceil(PIECE_LEN_MAX).max(1))
                .expect("a body has few pieces"),
            sealed: false,
            body: pieces.next().unwrap_or_default().to_vec(),
            group: 0,
        };
        self.count_one_waiting(cid, body.len());
        let messages = &mut self.rows.writes.messages;
        messages.push((day, keys::message(cid, id, 0), first.encode()));
        for (piece, bytes) in (1u8..).zip(pieces) {
            messages.push((day, keys::message(cid, id, piece), bytes.to_vec()));
        }
    }
}

/// What a target was told, as it stands in a `Task`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoredStatus {
    /// A session was live.
    Online = 0,
    /// No session: it was stored.
    Offline = 1,
    /// Ignored: the device takes no pushes.
    Filtered = 2,
    /// Ignored: no session, and the push may not wait.
    Expired = 3,
    /// Ignored: no session, and as much waits for the device as its app allows.
    Full = 4,
}

impl StoredStatus {
    /// What becomes of a message for a target that can be reached so; `kept` if it may wait.
    pub fn of(reach: Reach, kept: bool) -> StoredStatus {
        match (reach, kept) {
            (Reach::Online | Reach::OnlineNotifyOff, _) => StoredStatus::Online,
            (Reach::Offline | Reach::OfflineNotifyOff, true) => StoredStatus::Offline,
            (Reach::Offline | Reach::OfflineNotifyOff, false) => StoredStatus::Expired,
            (Reach::Filtered, _) => StoredStatus::Filtered,
        }
    }

    /// The status of a stored number; one that this version does not know was not sent.
    pub fn from_number(number: u8) -> StoredStatus {
        match number {
            0 => StoredStatus::Online,
            1 => StoredStatus::Offline,
            3 => StoredStatus::Expired,
            4 => StoredStatus::Full,
            _ => StoredStatus::Filtered,
        }
    }

    /// The word that its third party was told.
    pub fn word(self) -> TargetStatus {
        match self {
            StoredStatus::Online => TargetStatus::Online,
            StoredStatus::Offline => TargetStatus::Offline,
            StoredStatus::Filtered | StoredStatus::Expired | StoredStatus::Full => {
                TargetStatus::Ignored
            }
        }
    }
}
