//! A consistent view of the store: [`Rows`] over a fjall snapshot.

use bytes::Bytes;
use fjall::{Readable, Snapshot};
use server_core::clock::Day;
use server_core::rows::{Keyspace, Rows, RowsError};

use super::keyspaces::{Days, Store};

/// A snapshot with the keyspaces that it can see.
pub struct View<'a> {
    store: &'a Store,
    snapshot: Snapshot,
    days: &'a Days,
}

impl std::fmt::Debug for View<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("View")
            .field("store", self.store)
            .finish_non_exhaustive()
    }
}

/// The day keyspaces as one thread knows them; looked up again when they change.
#[derive(Default)]
pub struct KnownDays {
    days: Days,
    version: u64,
}

impl std::fmt::Debug for KnownDays {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KnownDays")
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

impl Store {
    /// A view of everything committed before this call.
    pub fn view<'a>(&'a self, known: &'a mut KnownDays) -> Result<View<'a>, RowsError> {
        // The snapshot comes first: a day that it holds was made known before.
        let snapshot = self.db.snapshot();
        let version = self.days_version();
        if known.version != version {
            known.days = self.days().map_err(|error| failed(Keyspace::Meta, error))?;
            known.version = version;
        }
        Ok(View {
            store: self,
            snapshot,
            days: &known.days,
        })
    }

    pub(super) fn view_with<'a>(&'a self, days: &'a Days) -> View<'a> {
        View {
            store: self,
            snapshot: self.db.snapshot(),
            days,
        }
    }
}

impl View<'_> {
    /// The day keyspaces that it can see, in the order of their kinds.
    pub fn day_keyspaces(&self) -> Vec<Keyspace> {
        self.days.keys().copied().collect()
    }

    /// Every keyspace that it can see.
    pub(super) fn handles(&self) -> impl Iterator<Item = (Keyspace, &fjall::Keyspace)> {
        let days = self
            .days
            .iter()
            .map(|(keyspace, handle)| (*keyspace, handle));
        self.store.fixed_keyspaces().chain(days)
    }

    pub(super) fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    fn handle(&self, keyspace: Keyspace) -> Option<&fjall::Keyspace> {
        self.store
            .fixed(keyspace)
            .or_else(|| self.days.get(&keyspace))
    }
}

pub(super) fn failed(keyspace: Keyspace, error: fjall::Error) -> RowsError {
    RowsError::Read {
        keyspace,
        reason: error.to_string(),
    }
}

impl Rows for View<'_> {
    fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Bytes>, RowsError> {
        let Some(handle) = self.handle(keyspace) else {
            return Ok(None);
        };
        let value = self
            .snapshot
            .get(handle, key)
            .map_err(|error| failed(keyspace, error))?;
        Ok(value.map(|value| Bytes::copy_from_slice(&value)))
    }

    fn range(
        &self,
        keyspace: Keyspace,
        prefix: &[u8],
        from: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), RowsError> {
        let Some(handle) = self.handle(keyspace) else {
            return Ok(());
        };
        for row in self.snapshot.range::<&[u8], _>(handle, from.max(prefix)..) {
            let (key, value) = row.into_inner().map_err(|error| failed(keyspace, error))?;
            if !key.starts_with(prefix) || !visit(&key, &value) {
                break;
            }
        }
        Ok(())
    }

    fn message_days(&self) -> Vec<Day> {
        self.days
            .keys()
            .filter_map(|keyspace| match keyspace {
                Keyspace::Msg(day) => Some(*day),
                _ => None,
            })
            .collect()
    }
}
