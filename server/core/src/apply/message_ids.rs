//! Message ids: given at the commit, rising over restarts and clock steps.

use protocol::MessageId;

use super::{number, put_number};
use crate::clock::Day;
use crate::keys::meta;
use crate::rows::{Overlay, Rows, RowsError, WriteSet};

/// How far ahead of the ids given a ceiling is written, in ms: one row a minute, and after a
/// crash ids go on at most a minute in the future.
pub(crate) const ID_CEILING_STEP_MS: u64 = 60_000;
const ID_COUNTER_BITS: u32 = 22;

/// Gives message ids: 42 bits of ms, 22 bits of node and counter. They rise strictly, whatever
/// the clock does, over restarts too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ids {
    last: u64,
    ceiling_ms: u64,
}

impl Ids {
    /// Goes on above the ceiling that the store holds.
    pub fn recover(rows: &impl Rows) -> Result<Ids, RowsError> {
        let ceiling_ms = number(&Overlay::new(rows), meta::ID_CEILING_MS)?;
        Ok(Ids {
            last: ceiling_ms << ID_COUNTER_BITS,
            ceiling_ms,
        })
    }

    /// The highest id given, or one above every id that a lost process may have given.
    pub(super) fn last(&self) -> MessageId {
        MessageId(self.last)
    }

    pub(super) fn next(&mut self, now_ms: u64, writes: &mut WriteSet) -> MessageId {
        self.last = (self.last + 1).max(now_ms << ID_COUNTER_BITS);
        let ms = self.last >> ID_COUNTER_BITS;
        if ms >= self.ceiling_ms {
            self.ceiling_ms = ms + ID_CEILING_STEP_MS;
            put_number(writes, meta::ID_CEILING_MS, self.ceiling_ms);
        }
        MessageId(self.last)
    }
}

/// The lowest id that can be made in this ms.
pub(super) fn first_of_ms(ms: u64) -> u64 {
    ms << ID_COUNTER_BITS
}

/// When an id was made, in ms of Unix time.
pub fn made_ms(id: MessageId) -> u64 {
    id.0 >> ID_COUNTER_BITS
}

/// The day on which an id was made.
pub fn made_on(id: MessageId) -> Day {
    Day::of_ms(made_ms(id))
}
