//! Receipts: what the developer's server is to hear of each message, in order, until it has.
//!
//! Always: a receipt is written in the batch of the event that it tells. Only apps with a callback
//! URL have any, and pay for them.

use bytes::Bytes;
use protocol::{ClientId, MessageId, UpstreamStatus};
use schema::record::Receipt;

use super::{Step, made_on};
use crate::clock::Day;
use crate::command::{Answer, Settling};
use crate::ids::AppNo;
use crate::keys;
use crate::limits::{DEAD_RECEIPTS_MAX, RECEIPTS_PER_ANSWER_MAX};
use crate::op::MessageEnd;
use crate::rows::{Keyspace, Rows, RowsError};

impl<R: Rows> Step<'_, R> {
    /// Remembers of which task a message is, if somebody is to hear of it.
    pub(super) fn note_task(
        &mut self,
        app: AppNo,
        task_id: &str,
        id: MessageId,
    ) -> Result<(), RowsError> {
        if self.facts(app)?.wants_receipts {
            let keyspace = Keyspace::TaskOf(Day::of_ms(super::made_ms(id)));
            let text = task_id.as_bytes().to_vec();
            self.rows.writes.put(keyspace, keys::task_of(id), text);
        }
        Ok(())
    }

    /// The end of a message becomes a receipt.
    pub(super) fn tell_end(&mut self, end: &MessageEnd) -> Result<(), RowsError> {
        let Some(app) = end.app else {
            return Ok(());
        };
        let receipt = Receipt {
            cid: *end.cid.as_bytes(),
            message: end.end.id.0,
            fate: end.end.fate as u8,
            at_ms: end.final_ms,
            ..Receipt::default()
        };
        self.queue_message_receipt(app, receipt)
    }

    /// What a user did with a message becomes a receipt.
    pub(super) fn tell_action(
        &mut self,
        app: AppNo,
        cid: ClientId,
        id: MessageId,
        action: u32,
        at_ms: u64,
    ) -> Result<(), RowsError> {
        let receipt = Receipt {
            cid: *cid.as_bytes(),
            message: id.0,
            action,
            at_ms,
            ..Receipt::default()
        };
        self.queue_message_receipt(app, receipt)
    }

    /// Queues a receipt with the task of its message, if somebody is to hear of it.
    fn queue_message_receipt(&mut self, app: AppNo, receipt: Receipt) -> Result<(), RowsError> {
        if !self.facts(app)?.wants_receipts {
            return Ok(());
        }
        let id = MessageId(receipt.message);
        let task = self
            .rows
            .get(Keyspace::TaskOf(made_on(id)), &keys::task_of(id))?;
        // Without one the message is older than the callback.
        if let Some(task_id) = task.and_then(text) {
            self.queue_receipt(app, &Receipt { task_id, ..receipt }, &Bytes::new());
        }
        Ok(())
    }

    /// Puts a receipt at the end of the line, with what a message of a device says.
    pub(super) fn queue_receipt(&mut self, app: AppNo, receipt: &Receipt, body: &Bytes) {
        let order = self.ids.next(self.now_ms, &mut self.rows.writes).0;
        let key = keys::receipt(app, order);
        self.rows
            .writes
            .put(Keyspace::Receipt, key, receipt.encode());
        self.write_upstream_body(app, order, body);
    }

    pub(super) fn settle_receipts(
        &mut self,
        app: AppNo,
        upto: u64,
        settling: Settling,
    ) -> Result<Answer, RowsError> {
        let prefix = app.0.to_be_bytes();
        let end = keys::receipt(app, upto.saturating_add(1));
        let settled =
            self.rows
                .oldest(Keyspace::Receipt, &prefix, &end, RECEIPTS_PER_ANSWER_MAX)?;
        for (key, row) in settled {
            let receipt =
                Receipt::decode(&row).map_err(RowsError::damaged(Keyspace::Receipt, &key))?;
            if receipt.upstream != 0 {
                let status = match settling {
                    Settling::Told => UpstreamStatus::Delivered,
                    Settling::Dropped | Settling::Dead => UpstreamStatus::GivenUp,
                };
                self.end_upstream(&receipt, status)?;
            }
            if settling == Settling::Dead {
                let writes = &mut self.rows.writes;
                writes.put(Keyspace::DeadReceipt, key.clone(), row.to_vec());
            } else {
                self.delete_upstream_body(&key, &receipt);
            }
            self.rows.writes.delete(Keyspace::Receipt, key);
        }
        if settling == Settling::Dead {
            let kept = self.rows.under(Keyspace::DeadReceipt, &prefix)?;
            let gone = kept.len().saturating_sub(DEAD_RECEIPTS_MAX);
            for (key, row) in kept.into_iter().take(gone) {
                let receipt = Receipt::decode(&row)
                    .map_err(RowsError::damaged(Keyspace::DeadReceipt, &key))?;
                self.delete_upstream_body(&key, &receipt);
                self.rows.writes.delete(Keyspace::DeadReceipt, key);
            }
        }
        Ok(Answer::Done)
    }

    pub(super) fn replay_receipts(&mut self, app: AppNo) -> Result<Answer, RowsError> {
        let mut dead = self
            .rows
            .under(Keyspace::DeadReceipt, &app.0.to_be_bytes())?;
        dead.truncate(RECEIPTS_PER_ANSWER_MAX);
        let count = dead.len() as u64;
        for (key, row) in dead {
            let receipt =
                Receipt::decode(&row).map_err(RowsError::damaged(Keyspace::DeadReceipt, &key))?;
            let body = self.upstream_body(&key, &receipt)?;
            self.delete_upstream_body(&key, &receipt);
            self.queue_receipt(app, &receipt, &body);
            self.rows.writes.delete(Keyspace::DeadReceipt, key);
        }
        Ok(Answer::Count(count))
    }
}

fn text(bytes: Bytes) -> Option<String> {
    String::from_utf8(bytes.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apply::{Ids, apply};
    use crate::ids::{ShardNo, Ticket};
    use crate::op::{Op, Submitted};
    use crate::rows::{MemoryRows, WriteSet};

    const APP: AppNo = AppNo(1);

    /// Rows with `dead` receipts that were given up and one that waits, and what settling it so
    /// leaves of the first: how many, and the number of the oldest.
    fn kept(dead: u64, settling: Settling) -> (usize, Option<u64>) {
        let receipt = Receipt::default().encode();
        let mut writes = WriteSet::default();
        for order in 1..=dead {
            let key = keys::receipt(APP, order);
            writes.put(Keyspace::DeadReceipt, key, receipt.clone());
        }
        let last = dead + 1;
        writes.put(Keyspace::Receipt, keys::receipt(APP, last), receipt);
        let mut rows = MemoryRows::default();
        rows.commit(writes);
        let op = Op::SettleReceipts {
            ticket: Ticket(1),
            app: APP,
            upto: last,
            settling,
        };
        let batch = [Submitted {
            shard: ShardNo(0),
            op,
        }];
        let mut ids = Ids::recover(&rows).expect("memory reads");
        let applied = apply(&batch, 0, 1, &mut ids, &rows).expect("memory reads");
        rows.commit(applied.writes);
        let of_dead = |(keyspace, _, _): &(Keyspace, &[u8], _)| *keyspace == Keyspace::DeadReceipt;
        let oldest = rows.all().find(of_dead);
        let oldest = oldest.and_then(|(_, key, _)| keys::receipt_of(key));
        (rows.all().filter(of_dead).count(), oldest)
    }

    #[test]
    fn given_as_many_dead_receipts_as_are_kept_when_one_more_dies_should_drop_the_oldest() {
        let full = DEAD_RECEIPTS_MAX as u64;
        assert_eq!(kept(full - 1, Settling::Dead), (DEAD_RECEIPTS_MAX, Some(1)));
        assert_eq!(kept(full, Settling::Dead), (DEAD_RECEIPTS_MAX, Some(2)));
        assert_eq!(kept(full, Settling::Told), (DEAD_RECEIPTS_MAX, Some(1)));
    }
}
