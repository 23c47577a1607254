//! The apps that a world starts from.

use schema::record::App;

/// An app whose texts can be told from its AppID.
pub(super) fn app(app_id: &str) -> App {
    App {
        number: 0,
        app_id: app_id.to_owned(),
        app_key: format!("key of {app_id}"),
        app_secret: format!("secret of {app_id}"),
        master_secret: format!("master of {app_id}"),
        name: app_id.to_owned(),
        created_ms: 0,
        disabled: false,
        sign_required: false,
        previous: None,
        settings: Box::default(),
    }
}
