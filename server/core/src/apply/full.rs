//! Whether the queue of a device that is offline is full, by the limits of its app.
//!
//! Only apps with a limit pay: what waits is counted in the rows, at most up to the limit.

use protocol::{ClientId, MessageId};
use schema::record::{Cursor, MessageRef, OfflineLimits};

use super::Step;
use crate::ids::AppNo;
use crate::keys;
use crate::rows::{Keyspace, Rows, RowsError};

/// What waits for one device.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Waiting {
    len: u32,
    bytes: u64,
}

impl Waiting {
    fn fills(self, limits: OfflineLimits) -> bool {
        (limits.len_max > 0 && self.len >= limits.len_max)
            || (limits.bytes_max > 0 && self.bytes >= limits.bytes_max)
    }
}

impl<R: Rows> Step<'_, R> {
    /// Whether nothing more may wait for this device.
    pub(super) fn is_full(&mut self, app: AppNo, cid: ClientId) -> Result<bool, RowsError> {
        let limits = self.facts(app)?.offline;
        if limits == OfflineLimits::default() {
            return Ok(false);
        }
        let waiting = match self.waiting.get(&cid) {
            Some(waiting) => *waiting,
            None => {
                let waiting = self.count_waiting(cid, limits)?;
                self.waiting.insert(cid, waiting);
                waiting
            }
        };
        Ok(waiting.fills(limits))
    }

    /// Counts a message that this batch makes, if its device was looked at.
    pub(super) fn count_one_waiting(&mut self, cid: ClientId, bytes: usize) {
        if let Some(waiting) = self.waiting.get_mut(&cid) {
            waiting.len += 1;
            waiting.bytes += bytes as u64;
        }
    }

    fn count_waiting(&self, cid: ClientId, limits: OfflineLimits) -> Result<Waiting, RowsError> {
        let client = keys::client(cid);
        let cursor = self.rows.row(Keyspace::Cur, &client, Cursor::decode)?;
        let acked = cursor.unwrap_or_default().acked;
        let from = keys::message(cid, MessageId(acked.saturating_add(1)), 0);
        let mut waiting = Waiting::default();
        // Messages that this batch made before the device was looked at.
        for (_, key, value) in &self.rows.writes.messages {
            if key.starts_with(&client) {
                waiting.len += u32::from(keys::message_of(key).is_some_and(|(_, at)| at == 0));
                waiting.bytes += value.len() as u64;
            }
        }
        for day in self.rows.message_days() {
            let keyspace = Keyspace::Msg(day);
            let mut counts = true;
            self.rows
                .below_range(keyspace, &client, &from, &mut |key, value| {
                    if let Some((_, 0)) = keys::message_of(key) {
                        // One that cannot be read waits, too: its device will be told.
                        counts = MessageRef::decode(value)
                            .map_or(true, |row| row.expires_ms > self.now_ms);
                        waiting.len += u32::from(counts);
                    }
                    if counts {
                        waiting.bytes += value.len() as u64;
                    }
                    !waiting.fills(limits)
                })?;
        }
        Ok(waiting)
    }
}
