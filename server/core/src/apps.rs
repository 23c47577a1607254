//! The apps of this server, as every shard knows them. Few, read at each login, changed rarely.

use std::collections::BTreeMap;

use protocol::Hello;
use schema::record::App;
use sha2::{Digest, Sha256};

use crate::ids::AppNo;

/// Why a device may not use an app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppRefusal {
    /// No app has this AppID.
    Unknown,
    /// The app was disabled.
    Disabled,
    /// The app demands a sign, and there is none or a wrong one.
    SignRequired,
}

/// Apps by their public id.
#[derive(Debug, Default)]
pub struct Apps(BTreeMap<String, App>);

impl Apps {
    /// The apps that the store held at start.
    pub fn new(apps: impl IntoIterator<Item = App>) -> Self {
        Apps(
            apps.into_iter()
                .map(|app| (app.app_id.clone(), app))
                .collect(),
        )
    }

    /// An app was created or changed.
    pub fn put(&mut self, app: App) {
        self.0.insert(app.app_id.clone(), app);
    }

    /// An app was deleted.
    pub fn remove(&mut self, app_id: &str) {
        self.0.remove(app_id);
    }

    /// Whether an app of this number exists.
    pub fn has_number(&self, number: AppNo) -> bool {
        self.0.values().any(|app| app.number == number.0)
    }

    /// The app of this AppID, if it exists and is not disabled.
    pub fn open(&self, app_id: &str) -> Result<AppNo, AppRefusal> {
        let app = self.0.get(app_id).ok_or(AppRefusal::Unknown)?;
        if app.disabled {
            return Err(AppRefusal::Disabled);
        }
        Ok(AppNo(app.number))
    }

    /// The app that a hello names, if the device may use it.
    pub fn admit(&self, hello: &Hello, wall_ms: u64) -> Result<AppNo, AppRefusal> {
        let number = self.open(&hello.app_id)?;
        let app = self.0.get(&hello.app_id).ok_or(AppRefusal::Unknown)?;
        if app.sign_required && !is_signed(hello, app, wall_ms) {
            return Err(AppRefusal::SignRequired);
        }
        Ok(number)
    }
}

/// Whether the sign was made with the secret of the app, or with the one before while it is
/// honoured.
fn is_signed(hello: &Hello, app: &App, wall_ms: u64) -> bool {
    let Some(given) = hello.sign else {
        return false;
    };
    let previous = app
        .previous
        .as_ref()
        .filter(|previous| wall_ms < previous.until_ms);
    let secrets = [
        Some(&app.app_secret),
        previous.map(|previous| &previous.app_secret),
    ];
    secrets.into_iter().flatten().any(|secret| {
        let right = sign(hello, secret);
        right
            .iter()
            .zip(given)
            .fold(0, |differ, (a, b)| differ | (a ^ b))
            == 0
    })
}

/// What an app that demands a sign expects in a hello (docs/protocol.md, Hello).
fn sign(hello: &Hello, app_secret: &str) -> [u8; 32] {
    let identity = match &hello.identity {
        protocol::Identity::Register(install) => *install.as_bytes(),
        protocol::Identity::Login(cid) => *cid.as_bytes(),
    };
    Sha256::new()
        .chain_update(hello.app_id.as_bytes())
        .chain_update(identity)
        .chain_update(hello.secret.as_bytes())
        .chain_update(app_secret.as_bytes())
        .finalize()
        .into()
}
