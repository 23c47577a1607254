//! What the commit has to know of apps, looked up once a batch.

use schema::record::{App, OfflineLimits};

use super::Step;
use crate::ids::AppNo;
use crate::keys;
use crate::rows::{Keyspace, Rows, RowsError};

/// What the commit has to know of one app.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct AppFacts {
    /// Whether the developer's server hears of its messages.
    pub(super) wants_receipts: bool,
    /// How much may wait for a device of it that is offline.
    pub(super) offline: OfflineLimits,
}

impl<R: Rows> Step<'_, R> {
    /// What an app is set to; nothing if it was deleted.
    pub(super) fn facts(&mut self, app: AppNo) -> Result<AppFacts, RowsError> {
        if let Some(known) = self.apps.get(&app) {
            return Ok(*known);
        }
        let key = keys::app(app);
        let row = self.rows.row(Keyspace::App, &key, App::decode)?;
        let facts = row.map_or_else(AppFacts::default, |app| AppFacts {
            wants_receipts: app.settings.callback.url.is_some(),
            offline: app.settings.offline,
        });
        self.apps.insert(app, facts);
        Ok(facts)
    }
}
