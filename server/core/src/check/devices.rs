//! Devices, and what names them: from both sides.

use protocol::ClientId;
use schema::record::{AliasOfClient, Binding, ClientTags, Cursor, Device, Profile, Upstreams};

use super::{
    Check, Look, Wrong, app_of, belongs, client, client_before, ensure, lacking, parted, text,
};
use crate::keys;
use crate::op::install_of;
use crate::portable::{NO_INSTALL, NO_SECRET};
use crate::rows::{Keyspace, Rows};

impl<R: Rows> Check<'_, R> {
    fn device(&self, cid: ClientId) -> Result<Device, Wrong> {
        let row = self.get(Keyspace::Reg, &keys::client(cid))?;
        let row = row.ok_or_else(|| parted("its client is not registered"))?;
        Device::decode(&row).map_err(|_| "the registration of its client is damaged".into())
    }

    pub(super) fn reg(&self, key: &[u8], value: &[u8]) -> Look {
        let cid = client(key, 18)?;
        let device = Device::decode(value)?;
        // One that was imported without them has no other row.
        if device.install == NO_INSTALL || device.secret_hash == NO_SECRET {
            return Ok(());
        }
        let (app, install, hash) = install_of(&device);
        let install = keys::install(app, install, &hash);
        let what = match self.get(Keyspace::Install, &install)? {
            Some(row) if row == cid.as_bytes()[..] => return Ok(()),
            // Of two devices with one install id neither is right.
            Some(row) if self.install(&install, &row).is_ok() => {
                return Err("its install id has another CID".into());
            }
            Some(_) => "its install id has another CID",
            None => "its install id is not known",
        };
        let cid = cid.as_bytes().to_vec();
        Err(lacking(what, Keyspace::Install, install, cid))
    }

    pub(super) fn install(&self, key: &[u8], value: &[u8]) -> Look {
        let cid = value.try_into().map_err(|_| "it is no CID")?;
        let device = self.device(ClientId::from_bytes(cid))?;
        let (app, install, hash) = install_of(&device);
        belongs(
            key == keys::install(app, install, &hash),
            "its client has another app, install id or secret",
        )
    }

    pub(super) fn cursor(&mut self, key: &[u8], value: &[u8]) -> Look {
        client(key, 18)?;
        self.given(Cursor::decode(value)?.acked)
    }

    pub(super) fn alias(&self, key: &[u8], value: &[u8]) -> Look {
        let binding = Binding::decode(value)?;
        let mut rest = key;
        let app = app_of(&mut rest)?;
        let (kind, alias) = (text(&mut rest)?, text(&mut rest)?);
        let cid = rest.try_into().map_err(|_| "its key has no CID")?;
        let cid = ClientId::from_bytes(cid);
        let device = self.device(cid)?;
        belongs(device.app == app.0, "its client is of another app")?;
        let back = self.get(Keyspace::ClientAlias, &keys::client_alias(cid, kind))?;
        let back = back.ok_or_else(|| parted("its client has no alias of this type"))?;
        let back = AliasOfClient::decode(&back)?;
        belongs(back.alias == alias, "its client has another alias")?;
        belongs(
            back.order == binding.order,
            "its client has it from another time",
        )
    }

    pub(super) fn client_alias(&self, key: &[u8], value: &[u8]) -> Look {
        let cid = client_before(key)?;
        let row = AliasOfClient::decode(value)?;
        let device = self.device(cid)?;
        let kind = keys::alias_type_of(key);
        ensure(
            kind.len() < 256 && row.alias.len() < 256,
            "it is longer than any alias",
        )?;
        let app = crate::ids::AppNo(device.app);
        let binding = keys::binding(app, &kind, &row.alias, cid);
        if self.has(Keyspace::Alias, &binding)? {
            return Ok(());
        }
        let named = Binding { order: row.order }.encode();
        let what = "its alias does not name it";
        Err(lacking(what, Keyspace::Alias, binding, named))
    }

    pub(super) fn client_tags(&self, key: &[u8], value: &[u8]) -> Look {
        let cid = client(key, 18)?;
        let tags = ClientTags::decode(value)?.tags;
        ensure(
            tags.windows(2).all(|pair| pair[0] < pair[1]),
            "its tags are not in order, each once",
        )?;
        self.device(cid).map(|_| ())
    }

    pub(super) fn profile(&self, key: &[u8], value: &[u8]) -> Look {
        let cid = client(key, 18)?;
        Profile::decode(value)?;
        self.device(cid).map(|_| ())
    }

    pub(super) fn upstreams(&self, key: &[u8], value: &[u8]) -> Look {
        let cid = client(key, 18)?;
        Upstreams::decode(value)?;
        self.device(cid).map(|_| ())
    }
}
