//! Aliases: both directions, replacement, and the oldest beyond the limit.

use protocol::ClientId;
use schema::record::{AliasOfClient, Binding};

use super::Step;
use crate::alias_name::TypedAlias;
use crate::ids::AppNo;
use crate::keys::{self, meta};
use crate::limits::CIDS_PER_ALIAS_MAX;
use crate::rows::{Keyspace, Rows, RowsError};

impl<R: Rows> Step<'_, R> {
    pub(super) fn bind(
        &mut self,
        app: AppNo,
        alias_type: &str,
        alias: &str,
        cid: ClientId,
    ) -> Result<(), RowsError> {
        if let Some(old) = self.alias_of(cid, alias_type)? {
            if old == alias {
                return Ok(());
            }
            self.unbind(app, alias_type, &old, cid)?;
        }
        let order = self.count(meta::BINDING_ORDER)?;
        let binding = Binding { order };
        let writes = &mut self.rows.writes;
        writes.put(
            Keyspace::Alias,
            keys::binding(app, alias_type, alias, cid),
            binding.encode(),
        );
        let reverse = AliasOfClient {
            alias: alias.to_owned(),
            order,
        };
        writes.put(
            Keyspace::ClientAlias,
            keys::client_alias(cid, alias_type),
            reverse.encode(),
        );
        let bound = self.bound(app, alias_type, alias)?;
        for (oldest, _) in bound
            .iter()
            .take(bound.len().saturating_sub(CIDS_PER_ALIAS_MAX))
        {
            self.unbind(app, alias_type, alias, *oldest)?;
        }
        Ok(())
    }

    pub(super) fn unbind(
        &mut self,
        app: AppNo,
        alias_type: &str,
        alias: &str,
        cid: ClientId,
    ) -> Result<(), RowsError> {
        // The forward row carries the app: a CID of another app is not bound here, whatever its alias.
        let binding = keys::binding(app, alias_type, alias, cid);
        if self.rows.get(Keyspace::Alias, &binding)?.is_none() {
            return Ok(());
        }
        self.rows.writes.delete(Keyspace::Alias, binding);
        self.rows
            .writes
            .delete(Keyspace::ClientAlias, keys::client_alias(cid, alias_type));
        Ok(())
    }

    pub(super) fn alias_of(
        &self,
        cid: ClientId,
        alias_type: &str,
    ) -> Result<Option<String>, RowsError> {
        let key = keys::client_alias(cid, alias_type);
        let row = self
            .rows
            .row(Keyspace::ClientAlias, &key, AliasOfClient::decode)?;
        Ok(row.map(|row| row.alias))
    }

    /// All aliases of a CID, in the order of their types.
    pub(super) fn aliases_of(&self, cid: ClientId) -> Result<Vec<TypedAlias>, RowsError> {
        let rows = self.rows.under(Keyspace::ClientAlias, &keys::client(cid))?;
        let mut found = Vec::with_capacity(rows.len());
        for (key, row) in rows {
            let row = AliasOfClient::decode(&row)
                .map_err(RowsError::damaged(Keyspace::ClientAlias, &key))?;
            found.push((keys::alias_type_of(&key).into(), row.alias.into()));
        }
        Ok(found)
    }

    /// The CIDs of an alias with the order of their binding, oldest first.
    pub(super) fn bound(
        &self,
        app: AppNo,
        alias_type: &str,
        alias: &str,
    ) -> Result<Vec<(ClientId, u64)>, RowsError> {
        let rows = self
            .rows
            .under(Keyspace::Alias, &keys::alias(app, alias_type, alias))?;
        let mut bound = Vec::with_capacity(rows.len());
        for (key, row) in rows {
            let binding =
                Binding::decode(&row).map_err(RowsError::damaged(Keyspace::Alias, &key))?;
            if let Some(cid) = keys::bound_cid(&key) {
                bound.push((cid, binding.order));
            }
        }
        bound.sort_by_key(|(_, order)| *order);
        Ok(bound)
    }
}
