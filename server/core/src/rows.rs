//! The small store trait behind [`apply`](crate::apply): ordered rows in named keyspaces.
//!
//! Two implementers: fjall in the server, the simulated disk in the simulation. Writes never go
//! through the trait: they come out as a [`WriteSet`], which an implementer commits as one.

use std::collections::BTreeMap;

use bytes::Bytes;
use schema::SchemaError;

use crate::clock::Day;

/// A named, ordered set of rows. What each holds and how keys are laid out: [`crate::keys`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Keyspace {
    /// Registered devices.
    Reg,
    /// How far each device has got.
    Cur,
    /// Which CID an install id and secret have.
    Install,
    /// Alias to CIDs.
    Alias,
    /// CID to aliases.
    ClientAlias,
    /// Apps.
    App,
    /// Stage sums per expiry day.
    Stat,
    /// Numbers of the store itself.
    Meta,
    /// Pushes to many.
    Group,
    /// Which group push a task id is.
    GroupOfTask,
    /// The group pushes of a group name.
    GroupOfName,
    /// How the messages of a group push stand.
    GroupSums,
    /// How far each shard has walked for a group push.
    Walk,
    /// How the messages stand that an app made on a day.
    DaySums,
    /// How many devices of an app there were on a day.
    Presence,
    /// How many devices of an app were online at a time.
    Online,
    /// The tags of each client.
    ClientTags,
    /// What was told of each client since it registered.
    Profile,
    /// What the developers' servers are still to hear.
    Receipt,
    /// What they could not be told in time.
    DeadReceipt,
    /// The last messages of each client to its third party.
    Upstreams,
    /// What those say that are still to be told, or could not be.
    UpstreamBody,
    /// Messages that expire on this day; dropped whole.
    Msg(Day),
    /// Bodies of group pushes that expire on this day; dropped whole.
    Body(Day),
    /// First answers given on this day; dropped whole.
    Dedup(Day),
    /// Tasks accepted on this day; dropped whole.
    Task(Day),
    /// How messages made on this day ended; dropped whole.
    Outcome(Day),
    /// The tasks of messages made on this day of whose end somebody is to hear; dropped whole.
    TaskOf(Day),
    /// What users did with messages made on this day; dropped whole.
    Acted(Day),
}

impl Keyspace {
    /// The keyspaces that always exist.
    pub const FIXED: [Keyspace; 22] = [
        Keyspace::Reg,
        Keyspace::Cur,
        Keyspace::Install,
        Keyspace::Alias,
        Keyspace::ClientAlias,
        Keyspace::App,
        Keyspace::Stat,
        Keyspace::Meta,
        Keyspace::Group,
        Keyspace::GroupOfTask,
        Keyspace::GroupOfName,
        Keyspace::GroupSums,
        Keyspace::Walk,
        Keyspace::DaySums,
        Keyspace::Presence,
        Keyspace::Online,
        Keyspace::ClientTags,
        Keyspace::Profile,
        Keyspace::Receipt,
        Keyspace::DeadReceipt,
        Keyspace::Upstreams,
        Keyspace::UpstreamBody,
    ];
}

/// The store could not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RowsError {
    /// The store below failed.
    #[error("reading keyspace {keyspace:?}: {reason}")]
    Read {
        /// Where.
        keyspace: Keyspace,
        /// What the store said.
        reason: String,
    },
    /// The store below refused to write. Whether anything of it is on disk is not known.
    #[error("writing: {reason}")]
    Write {
        /// What the store said.
        reason: String,
    },
    /// A row is not what its keyspace holds.
    #[error("row {key:02x?} of keyspace {keyspace:?}: {source}")]
    Damaged {
        /// Where.
        keyspace: Keyspace,
        /// The key of the row.
        key: Vec<u8>,
        /// What is wrong with its value.
        source: SchemaError,
    },
}

impl RowsError {
    /// The error of a row whose value cannot be decoded.
    pub(crate) fn damaged(keyspace: Keyspace, key: &[u8]) -> impl FnOnce(SchemaError) -> RowsError {
        move |source| RowsError::Damaged {
            keyspace,
            key: key.to_vec(),
            source,
        }
    }
}

/// Reading. A view shows every write set committed before it was taken, whole or not at all.
pub trait Rows {
    /// One row.
    fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Bytes>, RowsError>;

    /// Rows whose key starts with `prefix` and is at least `from`, in order, until `visit` says
    /// no. A keyspace that does not exist is empty.
    fn range(
        &self,
        keyspace: Keyspace,
        prefix: &[u8],
        from: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), RowsError>;

    /// The message days that may hold rows, in order.
    fn message_days(&self) -> Vec<Day>;

    /// One row, decoded.
    ///
    /// # Errors
    /// The store cannot read, or the row is damaged.
    fn row<T>(
        &self,
        keyspace: Keyspace,
        key: &[u8],
        decode: impl FnOnce(&[u8]) -> Result<T, SchemaError>,
    ) -> Result<Option<T>, RowsError> {
        decoded(keyspace, key, self.get(keyspace, key)?, decode)
    }

    /// As [`Rows::range`], with a visit that decodes.
    ///
    /// # Errors
    /// The store cannot read, or the visit found a row damaged: the range ends there.
    fn try_range(
        &self,
        keyspace: Keyspace,
        prefix: &[u8],
        from: &[u8],
        mut visit: impl FnMut(&[u8], &[u8]) -> Result<bool, SchemaError>,
    ) -> Result<(), RowsError> {
        let mut failed = None;
        self.range(keyspace, prefix, from, &mut |key, value| {
            visit(key, value).unwrap_or_else(|source| {
                failed = Some(RowsError::damaged(keyspace, key)(source));
                false
            })
        })?;
        failed.map_or(Ok(()), Err)
    }
}

fn decoded<T>(
    keyspace: Keyspace,
    key: &[u8],
    value: Option<Bytes>,
    decode: impl FnOnce(&[u8]) -> Result<T, SchemaError>,
) -> Result<Option<T>, RowsError> {
    value
        .map(|value| decode(&value).map_err(RowsError::damaged(keyspace, key)))
        .transpose()
}

/// What one batch of ops writes: all of it or nothing.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct WriteSet {
    /// Rows to put (`Some`) or delete (`None`).
    pub rows: BTreeMap<(Keyspace, Vec<u8>), Option<Vec<u8>>>,
    /// Message rows: only ever added, never read back by `apply`.
    pub messages: Vec<(Day, Vec<u8>, Vec<u8>)>,
    /// After the commit: drop every message day before this one.
    pub messages_dropped_before: Option<Day>,
    /// After the commit: drop every request-id day before this one.
    pub requests_dropped_before: Option<Day>,
    /// After the commit: drop every day of tasks and outcomes before this one.
    pub history_dropped_before: Option<Day>,
}

impl WriteSet {
    /// Puts a row.
    pub fn put(&mut self, keyspace: Keyspace, key: Vec<u8>, value: Vec<u8>) {
        self.rows.insert((keyspace, key), Some(value));
    }

    /// Deletes a row.
    pub fn delete(&mut self, keyspace: Keyspace, key: Vec<u8>) {
        self.rows.insert((keyspace, key), None);
    }

    /// Whether a keyspace goes whole after the commit.
    pub fn drops(&self, keyspace: Keyspace) -> bool {
        let (day, before) = match keyspace {
            Keyspace::Msg(day) | Keyspace::Body(day) => (day, self.messages_dropped_before),
            Keyspace::Dedup(day) => (day, self.requests_dropped_before),
            Keyspace::Task(day)
            | Keyspace::Outcome(day)
            | Keyspace::TaskOf(day)
            | Keyspace::Acted(day) => (day, self.history_dropped_before),
            _ => return false,
        };
        before.is_some_and(|before| day < before)
    }

    /// Whether any keyspace goes after the commit.
    pub fn drops_any(&self) -> bool {
        self.messages_dropped_before.is_some()
            || self.requests_dropped_before.is_some()
            || self.history_dropped_before.is_some()
    }

    /// Whether nothing would be written.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.messages.is_empty() && !self.drops_any()
    }
}

/// A view of rows with a write set on top, so that later ops of a batch see earlier ones.
#[derive(Debug)]
pub struct Overlay<'a, R> {
    below: &'a R,
    /// What was written so far.
    pub writes: WriteSet,
}

impl<'a, R: Rows> Overlay<'a, R> {
    /// An overlay with nothing written.
    pub fn new(below: &'a R) -> Self {
        Overlay {
            below,
            writes: WriteSet::default(),
        }
    }

    /// One row.
    pub fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Bytes>, RowsError> {
        match self.writes.rows.get(&(keyspace, key.to_vec())) {
            Some(Some(value)) => Ok(Some(Bytes::copy_from_slice(value))),
            Some(None) => Ok(None),
            None => self.below.get(keyspace, key),
        }
    }

    /// One row, decoded.
    ///
    /// # Errors
    /// The store cannot read, or the row is damaged.
    pub fn row<T>(
        &self,
        keyspace: Keyspace,
        key: &[u8],
        decode: impl FnOnce(&[u8]) -> Result<T, SchemaError>,
    ) -> Result<Option<T>, RowsError> {
        decoded(keyspace, key, self.get(keyspace, key)?, decode)
    }

    /// All rows under a prefix, in order; meant for prefixes with few rows.
    pub fn under(
        &self,
        keyspace: Keyspace,
        prefix: &[u8],
    ) -> Result<Vec<(Vec<u8>, Bytes)>, RowsError> {
        let mut found = BTreeMap::new();
        self.below
            .range(keyspace, prefix, prefix, &mut |key, value| {
                found.insert(key.to_vec(), Bytes::copy_from_slice(value));
                true
            })?;
        let written = self.writes.rows.range((keyspace, prefix.to_vec())..);
        for ((at, key), value) in written {
            if *at != keyspace || !key.starts_with(prefix) {
                break;
            }
            match value {
                Some(value) => found.insert(key.clone(), Bytes::copy_from_slice(value)),
                None => found.remove(key),
            };
        }
        Ok(found.into_iter().collect())
    }

    /// As [`Rows::range`], without what this batch wrote.
    pub fn below_range(
        &self,
        keyspace: Keyspace,
        prefix: &[u8],
        from: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), RowsError> {
        self.below.range(keyspace, prefix, from, visit)
    }

    /// The message days that held rows before this batch, in order.
    pub fn message_days(&self) -> Vec<Day> {
        self.below.message_days()
    }

    /// The first rows of a keyspace below `end`, at most `len_max`: without what this batch put, and
    /// without what it deleted.
    pub fn oldest(
        &self,
        keyspace: Keyspace,
        prefix: &[u8],
        end: &[u8],
        len_max: usize,
    ) -> Result<Vec<(Vec<u8>, Bytes)>, RowsError> {
        let mut found = Vec::new();
        self.below
            .range(keyspace, prefix, prefix, &mut |key, value| {
                let wanted = key < end && found.len() < len_max;
                let written = self.writes.rows.get(&(keyspace, key.to_vec()));
                if wanted && written != Some(&None) {
                    found.push((key.to_vec(), Bytes::copy_from_slice(value)));
                }
                wanted
            })?;
        Ok(found)
    }
}

/// The plainest implementer: rows in a map. The simulated disk and the tests stand on it.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct MemoryRows {
    rows: BTreeMap<(Keyspace, Vec<u8>), Bytes>,
}

impl MemoryRows {
    /// These rows and no others.
    #[cfg(test)]
    pub(crate) fn of(rows: impl IntoIterator<Item = (Keyspace, Vec<u8>, Vec<u8>)>) -> MemoryRows {
        let mut writes = WriteSet::default();
        for (keyspace, key, value) in rows {
            writes.put(keyspace, key, value);
        }
        let mut rows = MemoryRows::default();
        rows.commit(writes);
        rows
    }

    /// Commits a write set.
    pub fn commit(&mut self, mut writes: WriteSet) {
        for ((keyspace, key), value) in std::mem::take(&mut writes.rows) {
            match value {
                Some(value) => self.rows.insert((keyspace, key), Bytes::from(value)),
                None => self.rows.remove(&(keyspace, key)),
            };
        }
        for (day, key, value) in std::mem::take(&mut writes.messages) {
            self.rows
                .insert((Keyspace::Msg(day), key), Bytes::from(value));
        }
        if writes.drops_any() {
            self.rows
                .retain(|(keyspace, _), _| !writes.drops(*keyspace));
        }
    }

    /// The day keyspaces that have rows, in order.
    pub fn day_keyspaces(&self) -> Vec<Keyspace> {
        let mut days: Vec<Keyspace> = self.rows.keys().map(|(keyspace, _)| *keyspace).collect();
        days.dedup();
        days.retain(|keyspace| !Keyspace::FIXED.contains(keyspace));
        days
    }

    /// Every row, in order.
    pub fn all(&self) -> impl Iterator<Item = (Keyspace, &[u8], &[u8])> {
        self.rows
            .iter()
            .map(|((keyspace, key), value)| (*keyspace, key.as_slice(), value.as_ref()))
    }
}

impl Rows for MemoryRows {
    fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Bytes>, RowsError> {
        Ok(self.rows.get(&(keyspace, key.to_vec())).cloned())
    }

    fn range(
        &self,
        keyspace: Keyspace,
        prefix: &[u8],
        from: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), RowsError> {
        let from = from.max(prefix).to_vec();
        for ((at, key), value) in self.rows.range((keyspace, from)..) {
            if *at != keyspace || !key.starts_with(prefix) || !visit(key, value) {
                break;
            }
        }
        Ok(())
    }

    fn message_days(&self) -> Vec<Day> {
        let mut days: Vec<Day> = self
            .rows
            .keys()
            .filter_map(|(keyspace, _)| match keyspace {
                Keyspace::Msg(day) => Some(*day),
                _ => None,
            })
            .collect();
        days.dedup();
        days
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_days_to_be_dropped_when_asked_should_drop_those_before_of_their_kind_and_no_others() {
        let kinds = |day| {
            [
                (Keyspace::Msg(day), 10),
                (Keyspace::Body(day), 10),
                (Keyspace::Dedup(day), 20),
                (Keyspace::Task(day), 30),
                (Keyspace::Outcome(day), 30),
                (Keyspace::TaskOf(day), 30),
                (Keyspace::Acted(day), 30),
            ]
        };
        let writes = WriteSet {
            messages_dropped_before: Some(Day(10)),
            requests_dropped_before: Some(Day(20)),
            history_dropped_before: Some(Day(30)),
            ..WriteSet::default()
        };
        for day in [9, 10, 19, 20, 29, 30] {
            for (keyspace, before) in kinds(Day(day)) {
                assert_eq!(writes.drops(keyspace), day < before, "{keyspace:?}");
            }
        }
        assert!(!writes.drops(Keyspace::Reg));
    }

    #[test]
    fn given_a_write_set_when_anything_is_in_it_should_not_be_empty() {
        let empty = WriteSet::default();
        assert!(empty.is_empty() && !empty.drops_any());
        let mut row = WriteSet::default();
        row.delete(Keyspace::Reg, vec![1]);
        let mut message = WriteSet::default();
        message.messages.push((Day(1), vec![1], vec![1]));
        for writes in [row, message] {
            assert!(!writes.is_empty() && !writes.drops_any());
        }
        let day = Some(Day(1));
        let messages = WriteSet {
            messages_dropped_before: day,
            ..WriteSet::default()
        };
        let requests = WriteSet {
            requests_dropped_before: day,
            ..WriteSet::default()
        };
        let history = WriteSet {
            history_dropped_before: day,
            ..WriteSet::default()
        };
        for writes in [messages, requests, history] {
            assert!(!writes.is_empty() && writes.drops_any());
        }
    }

    #[test]
    fn given_more_rows_than_are_wanted_when_the_oldest_are_taken_should_be_as_many_as_wanted() {
        let mut writes = WriteSet::default();
        for key in 1..=4 {
            writes.put(Keyspace::Reg, vec![key], vec![key]);
        }
        let mut rows = MemoryRows::default();
        rows.commit(writes);
        let mut overlay = Overlay::new(&rows);
        overlay.writes.delete(Keyspace::Reg, vec![1]);
        for (end, len_max, keys) in [(9, 2, &[2, 3][..]), (4, 9, &[2, 3]), (9, 9, &[2, 3, 4])] {
            let oldest = overlay.oldest(Keyspace::Reg, &[], &[end], len_max);
            let oldest = oldest.expect("memory reads").into_iter();
            let found: Vec<u8> = oldest.map(|(key, _)| key[0]).collect();
            assert_eq!(found, keys);
        }
    }
}
