//! An app of a third party with its keys and secrets.
//!
//! Owner: the shard of the app; copies live in the ingress. Always: the secrets never reach a log through `Debug`.

use std::fmt;

use crate::SchemaError;
use crate::generated::record as fb;
use crate::limits::APP_LEN_MAX;
use crate::root::Shape;

use super::AppSettings;

const APP: Shape = Shape {
    what: "App",
    len_max: APP_LEN_MAX,
};

/// An app, as created by the operator.
#[derive(Clone, PartialEq, Eq)]
pub struct App {
    /// Its short number in keys, never given twice.
    pub number: u32,
    /// Public id, in URLs.
    pub app_id: String,
    /// Key of the third-party server.
    pub app_key: String,
    /// Secret of the device side.
    pub app_secret: String,
    /// Secret of the third-party server.
    pub master_secret: String,
    /// The operator's name for it.
    pub name: String,
    /// Unix milliseconds.
    pub created_ms: u64,
    /// Refuses devices and calls.
    pub disabled: bool,
    /// A device must prove that it knows `app_secret`.
    pub sign_required: bool,
    /// The secrets of before the last rotation.
    pub previous: Option<PreviousSecrets>,
    /// What the operator set about it. In a box, because an app is a part of many messages and seldom in one.
    pub settings: Box<AppSettings>,
}

/// Secrets that were rotated away and are honoured for a while.
#[derive(Clone, PartialEq, Eq)]
pub struct PreviousSecrets {
    /// Secret of the device side.
    pub app_secret: String,
    /// Secret of the third-party server.
    pub master_secret: String,
    /// Unix milliseconds; from then on they are refused.
    pub until_ms: u64,
}

impl App {
    /// The value to store.
    pub fn encode(&self) -> Vec<u8> {
        APP.build(|builder| {
            let previous = self.previous.as_ref();
            let args = fb::AppArgs {
                number: self.number,
                app_id: Some(builder.create_string(&self.app_id)),
                app_key: Some(builder.create_string(&self.app_key)),
                app_secret: Some(builder.create_string(&self.app_secret)),
                master_secret: Some(builder.create_string(&self.master_secret)),
                name: Some(builder.create_string(&self.name)),
                created_ms: self.created_ms,
                disabled: self.disabled,
                sign_required: self.sign_required,
                previous_app_secret: previous.map(|old| builder.create_string(&old.app_secret)),
                previous_master_secret: previous
                    .map(|old| builder.create_string(&old.master_secret)),
                previous_until_ms: previous.map_or(0, |old| old.until_ms),
                ..fb::AppArgs::default()
            };
            let args = self.settings.write(builder, args);
            fb::App::create(builder, &args)
        })
    }

    /// Reads a stored value.
    ///
    /// # Errors
    /// Longer than [`APP_LEN_MAX`], or not a verified `App`.
    pub fn decode(bytes: &[u8]) -> Result<App, SchemaError> {
        let app = APP.open::<fb::App>(bytes)?;
        Ok(App {
            number: app.number(),
            app_id: app.app_id().to_owned(),
            app_key: app.app_key().to_owned(),
            app_secret: app.app_secret().to_owned(),
            master_secret: app.master_secret().to_owned(),
            name: app.name().to_owned(),
            created_ms: app.created_ms(),
            disabled: app.disabled(),
            sign_required: app.sign_required(),
            previous: app
                .previous_app_secret()
                .zip(app.previous_master_secret())
                .map(|(app_secret, master_secret)| PreviousSecrets {
                    app_secret: app_secret.to_owned(),
                    master_secret: master_secret.to_owned(),
                    until_ms: app.previous_until_ms(),
                }),
            settings: Box::new(AppSettings::read(&app)),
        })
    }
}

impl fmt::Debug for PreviousSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PreviousSecrets")
            .field("until_ms", &self.until_ms)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App")
            .field("number", &self.number)
            .field("app_id", &self.app_id)
            .field("app_key", &"redacted")
            .field("app_secret", &"redacted")
            .field("master_secret", &"redacted")
            .field("name", &self.name)
            .field("created_ms", &self.created_ms)
            .field("disabled", &self.disabled)
            .field("sign_required", &self.sign_required)
            .field("previous", &self.previous)
            .field("settings", &self.settings)
            .finish()
    }
}
