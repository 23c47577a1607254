//! What users did with messages: shown, clicked, actions of the app.
//!
//! Always: an action of a message is counted once, in the batch of its row.

use protocol::wire::{ACTION_CLICKED, ACTION_OWN_CLICKED, ACTION_OWN_SHOWN, ACTION_SHOWN};
use protocol::{ClientId, Feedback, FeedbackVerdict, MessageId};
use schema::record::{Number, Outcome, Sums};

use super::{Step, made_ms, made_on};
use crate::command::Answer;
use crate::group::GroupNo;
use crate::ids::AppNo;
use crate::keys;
use crate::rows::{Keyspace, Rows, RowsError};

impl<R: Rows> Step<'_, R> {
    pub(super) fn feedback(
        &mut self,
        app: AppNo,
        cid: ClientId,
        entries: &[Feedback],
        under_way: &[(MessageId, GroupNo)],
    ) -> Result<Answer, RowsError> {
        if self.device(app, cid)?.is_none() {
            return Ok(Answer::TargetInvalid);
        }
        let mut verdicts = Vec::with_capacity(entries.len());
        for entry in entries {
            verdicts.push(self.feedback_entry(app, cid, entry, under_way)?);
        }
        Ok(Answer::Verdicts(verdicts))
    }

    fn feedback_entry(
        &mut self,
        app: AppNo,
        cid: ClientId,
        entry: &Feedback,
        under_way: &[(MessageId, GroupNo)],
    ) -> Result<FeedbackVerdict, RowsError> {
        let id = entry.message;
        let Some(group) = self.sent_group(cid, id, under_way)? else {
            return Ok(FeedbackVerdict::UnknownMessage);
        };
        if self.has_acted(cid, id, entry.action)? {
            return Ok(FeedbackVerdict::Known);
        }
        let mut done = Sums::default();
        match entry.action {
            ACTION_SHOWN => done.shown = self.once(cid, id, ACTION_OWN_SHOWN)?,
            ACTION_OWN_SHOWN => done.shown = self.once(cid, id, ACTION_SHOWN)?,
            ACTION_CLICKED => done.clicked = self.once(cid, id, ACTION_OWN_CLICKED)?,
            ACTION_OWN_CLICKED => done.clicked = self.once(cid, id, ACTION_CLICKED)?,
            _ => {}
        }
        if !matches!(entry.action, ACTION_SHOWN | ACTION_CLICKED) {
            done.actions.push((entry.action, 1));
        }
        // By the device's clock only how long ago: it cannot have been before the message.
        let ago_ms = u64::from(entry.ago_s) * 1000;
        let earliest_ms = made_ms(id).min(self.now_ms);
        let at_ms = self.now_ms.saturating_sub(ago_ms).max(earliest_ms);
        let key = keys::acted(cid, id, entry.action);
        let value = Number { value: at_ms };
        self.rows
            .writes
            .put(Keyspace::Acted(made_on(id)), key, value.encode());
        self.count_acted(app, group, id, &done);
        self.tell_action(app, cid, id, entry.action, at_ms)?;
        Ok(FeedbackVerdict::Counted)
    }

    /// The group push of a message, `GroupNo::NONE` for none; nothing if it has not ended and the
    /// client was not sent it. An end without a time of sending is enough: after a crash a client
    /// says at its login what it has.
    fn sent_group(
        &self,
        cid: ClientId,
        id: MessageId,
        under_way: &[(MessageId, GroupNo)],
    ) -> Result<Option<GroupNo>, RowsError> {
        let key = keys::outcome(cid, id);
        let keyspace = Keyspace::Outcome(made_on(id));
        if let Some(outcome) = self.rows.row(keyspace, &key, Outcome::decode)? {
            return Ok(Some(GroupNo(outcome.group)));
        }
        let found = under_way.iter().find(|(sent, _)| *sent == id);
        Ok(found.map(|(_, group)| *group))
    }

    fn has_acted(&self, cid: ClientId, id: MessageId, action: u32) -> Result<bool, RowsError> {
        let key = keys::acted(cid, id, action);
        let row = self.rows.get(Keyspace::Acted(made_on(id)), &key)?;
        Ok(row.is_some())
    }

    /// 1 if the action that means the same was not reported yet, else 0.
    fn once(&self, cid: ClientId, id: MessageId, twin: u32) -> Result<u64, RowsError> {
        Ok(u64::from(!self.has_acted(cid, id, twin)?))
    }
}
