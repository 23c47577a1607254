//! An app as it begins, and with its secrets made anew.

use schema::record::{App, PreviousSecrets};

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
        previous: None,
        settings: Box::default(),
    }
}

/// The app with fresh secrets; those of now are honoured until `until_ms` of Unix time.
pub(crate) fn rotated(app: &App, until_ms: u64) -> App {
    let previous = PreviousSecrets {
        app_secret: app.app_secret.clone(),
        master_secret: app.master_secret.clone(),
        until_ms,
    };
    App {
        app_secret: secret::name(),
        master_secret: secret::name(),
        previous: Some(previous),
        ..app.clone()
    }
}
