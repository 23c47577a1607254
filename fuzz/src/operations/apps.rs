//! Apps: as the operator is told of them, as each shard has heard of them, and whom they admit.
//!
//! Checked: a number is given once; an app that was deleted never comes back; only shard 0 tells.

use std::collections::{BTreeMap, BTreeSet};

use protocol::{Hello, Identity};
use schema::record::{App, PreviousSecrets};
use server_core::command::Command;
use server_core::ids::AppNo;
use server_core::op::Committed;
use server_core::recovery;
use server_core::rows::MemoryRows;
use sha2::{Digest, Sha256};

/// Apps of a script at one time: few, so that their devices meet.
const APPS_MAX: usize = 3;

#[derive(Default)]
pub(super) struct Apps {
    /// What shard 0 told, which an operator goes by: it may be out of date.
    told: BTreeMap<AppNo, App>,
    /// What each shard has heard, by AppID.
    heard: Vec<BTreeMap<String, App>>,
    /// Every AppID that an operator made.
    ids: Vec<String>,
    last: u32,
    deleted: BTreeSet<AppNo>,
}

impl Apps {
    /// All shards start over these rows.
    pub(super) fn boot(&mut self, shards: u16, rows: &MemoryRows) {
        let apps = recovery::apps(rows).expect("memory reads");
        self.told = apps
            .iter()
            .map(|app| (AppNo(app.number), app.clone()))
            .collect();
        let heard: BTreeMap<String, App> = apps
            .into_iter()
            .map(|app| (app.app_id.clone(), app))
            .collect();
        for app in heard.values() {
            assert!(!self.deleted.contains(&AppNo(app.number)), "deleted: gone");
        }
        self.heard = vec![heard; usize::from(shards)];
    }

    /// Durable.
    pub(super) fn committed(&mut self, event: &Committed) {
        match event {
            Committed::AppGone(app) => {
                self.deleted.insert(AppNo(app.number));
            }
            Committed::App(app) => {
                let number = AppNo(app.number);
                assert!(!self.deleted.contains(&number), "deleted: gone for good");
                assert!(number.0 <= self.last + 1, "numbers have no holes");
                self.last = self.last.max(number.0);
            }
            _ => {}
        }
    }

    /// A shard hears of it now.
    pub(super) fn heard(&mut self, at: usize, event: &Committed) {
        match event {
            Committed::App(app) => {
                self.heard[at].insert(app.app_id.clone(), app.clone());
            }
            Committed::AppGone(app) => {
                self.heard[at].remove(&app.app_id);
            }
            _ => {}
        }
    }

    /// A shard tells the operator.
    pub(super) fn tell(&mut self, at: usize, app: App, gone: bool) {
        assert_eq!(at, 0, "one shard tells");
        let number = AppNo(app.number);
        if gone {
            self.told.remove(&number);
        } else {
            self.told.insert(number, app);
        }
    }

    /// The app of an AppID as a shard knows it.
    pub(super) fn known(&self, at: usize, app_id: &str) -> Option<&App> {
        self.heard[at].get(app_id)
    }

    /// Whether a shard knows an app of this number.
    pub(super) fn has_number(&self, at: usize, number: AppNo) -> bool {
        self.heard[at].values().any(|app| app.number == number.0)
    }

    /// Whether a hello may come in where a shard reads it.
    pub(super) fn may(&self, at: usize, hello: &Hello, wall_ms: u64) -> bool {
        let Some(app) = self.known(at, &hello.app_id) else {
            return false;
        };
        let honoured = app.previous.as_ref().filter(|old| wall_ms < old.until_ms);
        let secrets = [
            Some(&app.app_secret),
            honoured.map(|previous| &previous.app_secret),
        ];
        let is_signed = secrets
            .into_iter()
            .flatten()
            .any(|secret| hello.sign == Some(sign(hello, secret)));
        !app.disabled && (is_signed || !app.sign_required)
    }

    /// One of the AppIDs that there are or were.
    pub(super) fn id(&self, number: u8) -> String {
        self.ids[usize::from(number) % self.ids.len()].clone()
    }

    /// The sign of a hello: none, right, by the secret before, wrong.
    pub(super) fn sign(&self, hello: &Hello, how: u8) -> Option<[u8; 32]> {
        let app = self.told.values().find(|app| app.app_id == hello.app_id);
        match (how % 4, app) {
            (0, _) => None,
            (1, Some(app)) => Some(sign(hello, &app.app_secret)),
            (2, Some(app)) => Some(sign(hello, &app.previous.as_ref()?.app_secret)),
            _ => Some(sign(hello, "of nobody")),
        }
    }

    /// A new app, if there is room.
    pub(super) fn create(&mut self) -> Option<App> {
        if self.told.len() >= APPS_MAX {
            return None;
        }
        let made = self.ids.len();
        let app_id = if made == 0 {
            "demo".to_owned()
        } else {
            format!("app-{made}")
        };
        self.ids.push(app_id.clone());
        Some(App {
            number: 0,
            app_key: format!("{app_id} key"),
            app_secret: format!("{app_id} secret"),
            master_secret: format!("{app_id} master"),
            name: app_id.clone(),
            app_id,
            created_ms: 0,
            disabled: false,
            sign_required: false,
            previous: None,
            settings: Box::default(),
        })
    }

    /// What an operator does: with an app that it was told of, or with a new one.
    pub(super) fn command(&mut self, what: u8, pick: u8, until_ms: u64) -> Option<Command> {
        let act = what % 7;
        if act == 6 {
            return self.create().map(Command::CreateApp);
        }
        let at = usize::from(pick) % self.told.len().max(1);
        let app = self.told.values().nth(at)?.clone();
        Some(match act {
            5 => Command::DeleteApp(app),
            0 | 1 => Command::ChangeApp(App {
                disabled: act == 0,
                ..app
            }),
            2 | 3 => Command::ChangeApp(App {
                sign_required: act == 2,
                ..app
            }),
            _ => Command::ChangeApp(App {
                app_secret: format!("{} {what}", app.app_id),
                previous: Some(PreviousSecrets {
                    app_secret: app.app_secret.clone(),
                    master_secret: app.master_secret.clone(),
                    until_ms,
                }),
                ..app
            }),
        })
    }
}

/// As docs/protocol.md has it.
fn sign(hello: &Hello, app_secret: &str) -> [u8; 32] {
    let identity = match &hello.identity {
        Identity::Register(install) => install.as_bytes(),
        Identity::Login(cid) => cid.as_bytes(),
    };
    let parts = [
        hello.app_id.as_bytes(),
        identity,
        hello.secret.as_bytes(),
        app_secret.as_bytes(),
    ];
    Sha256::digest(parts.concat()).into()
}
