//! Operators at work: apps are disabled, enabled and deleted, devices are muted.

use schema::record::{App, Device};
use server_core::command::Command;
use server_core::ids::AppNo;
use server_core::keys;
use server_core::recovery;
use server_core::rows::{Keyspace, Rows};

use super::parties::app_no;
use super::party::Ask;
use super::plan::APPS;
use super::sums::each;
use super::world::{World, short};

/// The app that may be deleted; the work goes on with the others.
const DELETED_APP: usize = 1;

impl World {
    fn app_row(&self, app: AppNo) -> Option<App> {
        let apps = recovery::apps(&self.server.disk.rows).expect("memory reads");
        apps.into_iter().find(|row| row.number == app.0)
    }

    /// Disables an app, or enables it again.
    pub(super) fn switch_an_app(&mut self) {
        let app = self.dice.index(APPS.len());
        self.switch_app(app);
    }

    fn switch_app(&mut self, app: usize) {
        let Some(row) = self.app_row(app_no(app)) else {
            return;
        };
        if self.server.seats.is_empty() {
            return;
        }
        if self.is_wild() && self.dice.chance(1, 3) {
            self.trace.note("switch callback", [app as u64, 0, 0]);
            let any = self.dice.index(self.server.seats.len());
            return self.switch_callback(row, any);
        }
        let disabled = !row.disabled;
        self.trace
            .note("switch app", [app as u64, u64::from(disabled), 0]);
        self.switched.insert(app);
        let any = self.dice.index(self.server.seats.len());
        self.ask(any, Ask::App, Command::ChangeApp(App { disabled, ..row }));
    }

    /// Deletes the app that may be deleted.
    pub(super) fn delete_an_app(&mut self) {
        let app = app_no(DELETED_APP);
        let Some(row) = self.app_row(app) else {
            return;
        };
        if self.server.seats.is_empty() {
            return;
        }
        self.trace.note("delete app", [DELETED_APP as u64, 0, 0]);
        self.deleting.insert(DELETED_APP);
        let any = self.dice.index(self.server.seats.len());
        self.ask(any, Ask::Deletion(app), Command::DeleteApp(row));
    }

    /// Has disabled apps enabled, in the calm. Whether all are.
    pub(super) fn enable_apps(&mut self) -> bool {
        let asked = |ask: &Ask| matches!(ask, Ask::App | Ask::Deletion(_));
        if self.parties.waiting.values().any(asked) {
            return false;
        }
        let is_disabled = |row: App| row.disabled;
        let disabled = (0..APPS.len())
            .filter(|app| self.app_row(app_no(*app)).is_some_and(is_disabled))
            .collect::<Vec<_>>();
        for app in &disabled {
            self.switch_app(*app);
        }
        disabled.is_empty()
    }

    /// Before a start, a device is switched off or black-listed, or may be sent to again.
    pub(super) fn mute_somebody(&mut self) {
        let app = self.dice.index(APPS.len());
        let cids = self.known_cids(app);
        if cids.is_empty() {
            return;
        }
        let cid = cids[self.dice.index(cids.len())];
        let key = keys::client(cid);
        let row = self.server.disk.rows.get(Keyspace::Reg, &key);
        let Some(row) = row.expect("memory reads") else {
            return;
        };
        let Ok(mut device) = Device::decode(&row) else {
            return;
        };
        device.push_off = !device.push_off;
        self.trace
            .note("mute", [u64::from(device.push_off), short(cid), 0]);
        if device.push_off {
            self.ledger.push_off.insert(cid);
        } else {
            self.ledger.push_off.remove(&cid);
        }
        let new = device.encode().into();
        self.server.disk.replace(Keyspace::Reg, &key, &row, &new);
    }

    /// No session of an app that a shard knows as disabled or gone is live there.
    pub(super) fn check_sessions_of_apps(&self, at: usize) {
        let counts = &self.server.seats[at].counts;
        for cid in self.watch.live_at(at) {
            let app = self.ledger.app_of(cid).expect("it is registered");
            assert!(counts.admits(app), "a session of {cid} outlives its app");
        }
    }

    /// Of a deleted app nothing is left that names a device.
    pub(super) fn check_deleted_apps(&self) {
        let rows = &self.server.disk.rows;
        for app in (0..APPS.len()).map(app_no) {
            let row = self.app_row(app);
            assert_eq!(
                row.is_none(),
                self.ledger.is_app_gone(app),
                "whether the row of {app:?} is there: {row:?}"
            );
        }
        if self.forgetting_refused {
            return;
        }
        for keyspace in [
            Keyspace::Reg,
            Keyspace::Cur,
            Keyspace::ClientAlias,
            Keyspace::ClientTags,
            Keyspace::Profile,
        ] {
            each(rows, keyspace, |key, _| {
                let cid = keys::client_of(key).expect("a key of ours");
                assert!(
                    !self.ledger.is_gone(cid),
                    "{cid} is deleted and has a row in {keyspace:?}"
                );
            });
        }
        for keyspace in [Keyspace::Install, Keyspace::Alias] {
            each(rows, keyspace, |key, _| {
                let app = key.first_chunk().map(|app| AppNo(u32::from_be_bytes(*app)));
                assert!(
                    !app.is_some_and(|app| self.ledger.is_app_gone(app)),
                    "{app:?} was deleted and has a row in {keyspace:?}"
                );
            });
        }
    }
}
