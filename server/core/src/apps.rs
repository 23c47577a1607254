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

    /// The number of an app.
    pub fn number(&self, app_id: &str) -> Option<AppNo> {
        self.0.get(app_id).map(|app| AppNo(app.number))
    }

    /// The app that a hello names, if the device may use it.
    pub fn admit(&self, hello: &Hello) -> Result<AppNo, AppRefusal> {
        let app = self.0.get(&hello.app_id).ok_or(AppRefusal::Unknown)?;
        if app.disabled {
            return Err(AppRefusal::Disabled);
        }
        if app.sign_required && hello.sign != Some(sign(hello, &app.app_secret)) {
            return Err(AppRefusal::SignRequired);
        }
        Ok(AppNo(app.number))
    }
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
