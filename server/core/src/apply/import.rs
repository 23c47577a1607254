//! Devices that come from elsewhere: a CID is kept as it was given there.
//!
//! Always: a CID of another app is left alone; a secret that a device has is neither changed nor
//! taken away; messages that were stored for a CID before it was imported are not the device's.

use schema::record::{Cursor, Device, Profile};

use super::Step;
use crate::command::Answer;
use crate::ids::AppNo;
use crate::keys;
use crate::op::{Committed, ImportedDevice};
use crate::portable::{Imported, NO_INSTALL, NO_SECRET, PortableDevice};
use crate::rows::{Keyspace, Rows, RowsError};

impl<R: Rows> Step<'_, R> {
    pub(super) fn import(
        &mut self,
        app: AppNo,
        devices: &[PortableDevice],
    ) -> Result<Answer, RowsError> {
        // It may have been deleted since: its devices would stay for ever.
        if self.rows.get(Keyspace::App, &keys::app(app))?.is_none() {
            return Ok(Answer::TargetInvalid);
        }
        let mut outcomes = Vec::with_capacity(devices.len());
        for device in devices {
            outcomes.push(self.import_one(app, device)?);
        }
        Ok(Answer::Imported(outcomes))
    }

    fn import_one(&mut self, app: AppNo, from: &PortableDevice) -> Result<Imported, RowsError> {
        let cid = from.cid;
        let key = keys::client(cid);
        let old = self.rows.row(Keyspace::Reg, &key, Device::decode)?;
        if old.as_ref().is_some_and(|old| old.app != app.0) {
            return Ok(Imported::OtherApp);
        }
        let is_new = old.is_none();
        let device = self.row_of_import(app, old, from);
        if from
            .secret_hash
            .is_some_and(|hash| hash != device.secret_hash)
        {
            return Ok(Imported::OtherSecret);
        }
        if device.secret_hash != NO_SECRET && device.install != NO_INSTALL {
            let (app, install, secret_hash) = crate::op::install_of(&device);
            let key = keys::install(app, install, &secret_hash);
            match self.rows.get(Keyspace::Install, &key)? {
                Some(row) if row.as_ref() != cid.as_bytes() => return Ok(Imported::InstallTaken),
                Some(_) => {}
                None => {
                    let value = cid.as_bytes().to_vec();
                    self.rows.writes.put(Keyspace::Install, key, value);
                }
            }
        }
        self.rows
            .writes
            .put(Keyspace::Reg, key.clone(), device.encode());
        let cursor = is_new.then(|| {
            self.note_registered(app, device.created_ms);
            let last_login_ms = from.last_login_ms.min(self.now_ms);
            Cursor {
                // Whoever had this CID here before may have left messages behind.
                acked: self.ids.last().0,
                last_login_ms,
                last_seen_ms: last_login_ms,
            }
        });
        if let Some(cursor) = cursor {
            self.rows
                .writes
                .put(Keyspace::Cur, key.clone(), cursor.encode());
        }
        self.import_aliases(app, from)?;
        self.import_profile(key, from)?;
        let old_tags: Vec<Box<str>> = self.tags(cid)?.into_iter().map(Box::from).collect();
        let without = |some: &[Box<str>], others: &[Box<str>]| {
            let left = some.iter().filter(|tag| !others.contains(tag));
            left.cloned().collect::<Vec<_>>()
        };
        let heard = ImportedDevice {
            cid,
            tags_gone: without(&old_tags, &from.tags),
            tags_new: without(&from.tags, &old_tags),
            device,
            cursor,
        };
        self.write_tags(cid, from.tags.iter().map(|tag| tag.to_string()).collect());
        self.tell_owner(cid, Committed::Imported(Box::new(heard)));
        Ok(Imported::Done)
    }

    /// What a device registered with stays; only a secret that it has not yet is taken over.
    fn row_of_import(&self, app: AppNo, old: Option<Device>, from: &PortableDevice) -> Device {
        let mut device = old.unwrap_or_else(|| Device {
            app: app.0,
            install: NO_INSTALL,
            secret_hash: NO_SECRET,
            // A clock that is ahead elsewhere must not be the latest registration of every push here.
            created_ms: from.created_ms.min(self.now_ms),
            platform: from.platform,
            sdk_version: from.sdk_version.to_string(),
            push_off: false,
            blocked: false,
            notify_off: false,
        });
        if device.secret_hash == NO_SECRET {
            device.secret_hash = from.secret_hash.unwrap_or(NO_SECRET);
            device.install = from.install.unwrap_or(device.install);
        }
        device.push_off = from.push_off;
        device.blocked = from.blocked;
        device
    }

    fn import_aliases(&mut self, app: AppNo, from: &PortableDevice) -> Result<(), RowsError> {
        for (kind, old) in self.aliases_of(from.cid)? {
            if from.aliases.iter().all(|(wanted, _)| *wanted != kind) {
                self.unbind(app, &kind, &old, from.cid)?;
            }
        }
        for (kind, alias) in &from.aliases {
            self.bind(app, kind, alias, from.cid)?;
        }
        Ok(())
    }

    /// What the device said of itself here stays.
    fn import_profile(&mut self, key: Vec<u8>, from: &PortableDevice) -> Result<(), RowsError> {
        let row = self.rows.row(Keyspace::Profile, &key, Profile::decode)?;
        let (token_kind, device_token) = match &from.token {
            Some((kind, token)) => (kind.to_string(), token.to_string()),
            None => (String::new(), String::new()),
        };
        let profile = Profile {
            badge: from.badge,
            device_token,
            token_kind,
            ..row.unwrap_or_default()
        };
        let writes = &mut self.rows.writes;
        if profile == Profile::default() {
            writes.delete(Keyspace::Profile, key);
        } else {
            writes.put(Keyspace::Profile, key, profile.encode());
        }
        Ok(())
    }
}
