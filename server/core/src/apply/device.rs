//! Devices: registered, moved on, forgotten.

use protocol::ClientId;
use schema::record::{Cursor, Device, Outcome};

use super::{Step, made_on, number, put_number};
use crate::ids::AppNo;
use crate::keys::{self, meta};
use crate::op::MessageEnd;
use crate::rows::{Keyspace, Rows, RowsError};

impl<R: Rows> Step<'_, R> {
    pub(super) fn register(
        &mut self,
        cid: ClientId,
        device: &Device,
    ) -> Result<(ClientId, Option<Device>), RowsError> {
        let (app, install, secret_hash) = crate::op::install_of(device);
        let key = keys::install(app, install, &secret_hash);
        if let Some(row) = self.rows.get(Keyspace::Install, &key)?
            && let Ok(bytes) = <[u8; 16]>::try_from(row.as_ref())
        {
            return Ok((ClientId::from_bytes(bytes), None));
        }
        self.rows
            .writes
            .put(Keyspace::Install, key, cid.as_bytes().to_vec());
        self.rows
            .writes
            .put(Keyspace::Reg, keys::client(cid), device.encode());
        self.note_registered(app, device.created_ms);
        Ok((cid, Some(device.clone())))
    }

    pub(super) fn note_registered(&mut self, app: AppNo, created_ms: u64) {
        self.count_registered(app, created_ms);
        self.registered_ms = self.registered_ms.max(created_ms);
    }

    /// No device that is there registered later, by whatever clock: it may have been set back since.
    pub(super) fn registered_by_ms(&self) -> Result<u64, RowsError> {
        let before_ms = number(&self.rows, meta::LATEST_REGISTERED_MS)?;
        Ok(before_ms.max(self.registered_ms).max(self.now_ms))
    }

    pub(super) fn write_latest_registered(&mut self) -> Result<(), RowsError> {
        if self.registered_ms == 0 {
            return Ok(());
        }
        let name = meta::LATEST_REGISTERED_MS;
        if self.registered_ms > number(&self.rows, name)? {
            put_number(&mut self.rows.writes, name, self.registered_ms);
        }
        Ok(())
    }

    pub(super) fn forget(&mut self, cid: ClientId) -> Result<(), RowsError> {
        let key = keys::client(cid);
        let Some(device) = self.rows.row(Keyspace::Reg, &key, Device::decode)? else {
            return Ok(());
        };
        let (app, install, secret_hash) = crate::op::install_of(&device);
        for (alias_type, alias) in self.aliases_of(cid)? {
            self.unbind(app, &alias_type, &alias, cid)?;
        }
        let writes = &mut self.rows.writes;
        writes.delete(Keyspace::Install, keys::install(app, install, &secret_hash));
        writes.delete(Keyspace::Cur, key.clone());
        writes.delete(Keyspace::ClientTags, key.clone());
        writes.delete(Keyspace::Profile, key.clone());
        writes.delete(Keyspace::Upstreams, key.clone());
        writes.delete(Keyspace::Reg, key);
        Ok(())
    }

    pub(super) fn cursors(&mut self, moves: &[crate::op::CursorMove]) -> Result<(), RowsError> {
        for step in moves {
            if let Some(app) = step.active {
                self.count_active(app, step.last_login_ms);
            }
            let cursor = Cursor {
                acked: step.acked.0,
                last_login_ms: step.last_login_ms,
                last_seen_ms: step.last_seen_ms,
            };
            self.rows
                .writes
                .put(Keyspace::Cur, keys::client(step.cid), cursor.encode());
        }
        Ok(())
    }

    pub(super) fn end(&mut self, ended: &MessageEnd) -> Result<(), RowsError> {
        let MessageEnd {
            cid,
            app,
            end,
            final_ms,
        } = ended;
        self.count_end(end.day, end.id, end.fate)?;
        self.count_fate(*app, end.group, end.id, end.fate);
        let outcome = Outcome {
            fate: end.fate as u8,
            sent_ms: end.sent_ms,
            final_ms: *final_ms,
            group: end.group.0,
        };
        let keyspace = Keyspace::Outcome(made_on(end.id));
        let key = keys::outcome(*cid, end.id);
        self.rows.writes.put(keyspace, key, outcome.encode());
        self.tell_end(ended)
    }
}
