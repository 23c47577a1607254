//! An app as it begins: fresh public and secret names.

use schema::record::App;

use crate::secret;

/// A new app; the store gives it its number. AppIDs are long and random, because an official
/// client breaks on one that occurs inside the host name.
pub(crate) fn new_app(name: String, now_ms: u64) -> App {
    App {
        number: 0,
        app_id: secret::name(),
        app_key: secret::name(),
        app_secret: secret::name(),
        master_secret: secret::name(),
        name,
        created_ms: now_ms,
        disabled: false,
        sign_required: false,
    }
}
