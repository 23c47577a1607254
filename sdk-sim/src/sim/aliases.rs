//! Which CID has which alias, as the documentation says it and not as the store does.
//!
//! Owner: the ledger. Always: a CID has at most one alias of a type; an alias has at most ten
//! CIDs, the oldest goes first.

use protocol::ClientId;
use server_core::alias_name::TypedAlias;
use server_core::ids::AppNo;

/// CIDs of one alias (Getui's rule, `design.md` 1).
const CIDS_MAX: usize = 10;

/// One binding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Binding {
    pub(super) app: AppNo,
    pub(super) alias_type: Box<str>,
    pub(super) alias: Box<str>,
    pub(super) cid: ClientId,
}

/// All bindings, oldest first.
#[derive(Debug, Default)]
pub(super) struct Aliases(Vec<Binding>);

impl Aliases {
    /// Binds a CID; what it had of this type before is unbound.
    pub(super) fn bind(&mut self, new: Binding) {
        if self.0.contains(&new) {
            return;
        }
        self.0
            .retain(|old| old.cid != new.cid || old.alias_type != new.alias_type);
        let same = |old: &&Binding| {
            (old.app, &old.alias_type, &old.alias) == (new.app, &new.alias_type, &new.alias)
        };
        if self.0.iter().filter(same).count() == CIDS_MAX {
            let oldest = self
                .0
                .iter()
                .position(|old| same(&old))
                .expect("ten of them");
            self.0.remove(oldest);
        }
        self.0.push(new);
    }

    /// Unbinds exactly this, if it is bound.
    pub(super) fn unbind(&mut self, gone: &Binding) {
        self.0.retain(|old| old != gone);
    }

    /// Unbinds every CID of an alias.
    pub(super) fn drop_alias(&mut self, app: AppNo, alias_type: &str, alias: &str) {
        self.0
            .retain(|old| (old.app, &*old.alias_type, &*old.alias) != (app, alias_type, alias));
    }

    /// The CIDs of an alias, oldest binding first.
    pub(super) fn cids(&self, app: AppNo, alias_type: &str, alias: &str) -> Vec<ClientId> {
        let of =
            |one: &&Binding| (one.app, &*one.alias_type, &*one.alias) == (app, alias_type, alias);
        self.0.iter().filter(of).map(|one| one.cid).collect()
    }

    /// Unbinds everything of a CID.
    pub(super) fn forget(&mut self, cid: ClientId) {
        self.0.retain(|old| old.cid != cid);
    }

    /// Type and alias of each binding of a CID.
    pub(super) fn of(&self, cid: ClientId) -> impl Iterator<Item = TypedAlias> {
        let of = self.0.iter().filter(move |one| one.cid == cid);
        of.map(|one| (one.alias_type.clone(), one.alias.clone()))
    }

    /// All bindings.
    pub(super) fn all(&self) -> &[Binding] {
        &self.0
    }
}
