//! The apps of this server, as every shard knows them. Few, read at each login, changed rarely.

use std::collections::BTreeMap;

use protocol::{Hello, Identity};
use schema::record::{App, DeviceQuotas, Registration};
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
    /// The app takes no new devices.
    RegistrationClosed,
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

    /// Whether devices of an app bind aliases and tags themselves, where the server lets them if
    /// `by_default`.
    pub fn devices_may_bind(&self, number: AppNo, by_default: bool) -> bool {
        let app = self.0.values().find(|app| app.number == number.0);
        app.and_then(|app| app.settings.devices_may_bind)
            .unwrap_or(by_default)
    }

    /// How often a device of this app may change things.
    pub fn device_quotas(&self, app: AppNo) -> DeviceQuotas {
        let found = self.0.values().find(|row| row.number == app.0);
        found.map_or_else(DeviceQuotas::default, |row| row.settings.device_quotas)
    }

    /// The app of this AppID with all that is set about it.
    pub fn get(&self, app_id: &str) -> Option<&App> {
        self.0.get(app_id)
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
        let registration = match hello.identity {
            Identity::Register(_) => app.settings.registration,
            Identity::Login(_) => Registration::Open,
        };
        if registration == Registration::Closed {
            return Err(AppRefusal::RegistrationClosed);
        }
        let sign_required = app.sign_required || registration == Registration::Signed;
        if sign_required && !is_signed(hello, app, wall_ms) {
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
        Identity::Register(install) => *install.as_bytes(),
        Identity::Login(cid) => *cid.as_bytes(),
    };
    Sha256::new()
        .chain_update(hello.app_id.as_bytes())
        .chain_update(identity)
        .chain_update(hello.secret.as_bytes())
        .chain_update(app_secret.as_bytes())
        .finalize()
        .into()
}

#[cfg(test)]
pub(crate) mod tests {
    use protocol::{DeviceSecret, InstallId, MessageId, Platform};

    use super::*;

    pub(crate) fn app() -> App {
        App {
            number: 7,
            app_id: "id".to_owned(),
            app_key: "key".to_owned(),
            app_secret: "secret".to_owned(),
            master_secret: "master".to_owned(),
            name: "app".to_owned(),
            created_ms: 0,
            disabled: false,
            sign_required: true,
            previous: None,
            settings: Box::default(),
        }
    }

    fn hello(sign: Option<[u8; 32]>) -> Hello {
        Hello {
            minor: 0,
            app_id: "id".to_owned(),
            identity: Identity::Register(InstallId::from_bytes([1; 16])),
            secret: DeviceSecret::from_bytes([2; 32]),
            sign,
            resume: MessageId::NONE,
            heartbeat_s: 0,
            platform: Platform::Android,
            sdk_version: "test".to_owned(),
        }
    }

    #[test]
    fn given_a_sign_that_differs_in_bits_that_cancel_out_when_admitted_should_be_refused() {
        let apps = Apps::new([app()]);
        let mut given = sign(&hello(None), "secret");
        assert_eq!(apps.admit(&hello(Some(given)), 0), Ok(AppNo(7)));
        given[0] ^= 1;
        given[31] ^= 1;
        let refused = Err(AppRefusal::SignRequired);
        assert_eq!(apps.admit(&hello(Some(given)), 0), refused);
    }

    #[test]
    fn given_an_app_when_asked_for_by_its_id_should_be_found_with_its_settings() {
        let apps = Apps::new([app()]);
        assert_eq!(apps.get("id"), Some(&app()));
        assert_eq!(apps.get("another"), None);
    }
}
