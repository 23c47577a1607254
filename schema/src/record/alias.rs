//! Which client has which alias, from both sides.
//!
//! Owner: the shard of the CID for `AliasOfClient`, the shard of the alias for `Binding`. Always: the `order` of both
//! rows of one binding is equal, so the older of two that disagree is known.

use crate::SchemaError;
use crate::generated::record as fb;
use crate::limits::SMALL_RECORD_LEN_MAX;
use crate::root::Shape;

const ALIAS_OF_CLIENT: Shape = Shape {
    what: "AliasOfClient",
    len_max: SMALL_RECORD_LEN_MAX,
};

const BINDING: Shape = Shape {
    what: "Binding",
    len_max: SMALL_RECORD_LEN_MAX,
};

/// The alias of a client, under the client's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AliasOfClient {
    /// The alias.
    pub alias: String,
    /// When it was bound, in the order of all bindings: a higher one is newer.
    pub order: u64,
}

impl AliasOfClient {
    /// The value to store.
    pub fn encode(&self) -> Vec<u8> {
        ALIAS_OF_CLIENT.build(|builder| {
            let alias = Some(builder.create_string(&self.alias));
            let order = self.order;
            fb::AliasOfClient::create(builder, &fb::AliasOfClientArgs { alias, order })
        })
    }

    /// Reads a stored value.
    ///
    /// # Errors
    /// Longer than [`SMALL_RECORD_LEN_MAX`], or not a verified `AliasOfClient`.
    pub fn decode(bytes: &[u8]) -> Result<AliasOfClient, SchemaError> {
        let row = ALIAS_OF_CLIENT.open::<fb::AliasOfClient>(bytes)?;
        Ok(AliasOfClient {
            alias: row.alias().to_owned(),
            order: row.order(),
        })
    }
}

/// A client of an alias, under the alias's key, which names both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding {
    /// When it was bound, in the order of all bindings: a higher one is newer.
    pub order: u64,
}

impl Binding {
    /// The value to store.
    pub fn encode(&self) -> Vec<u8> {
        let order = self.order;
        BINDING.build(|builder| fb::Binding::create(builder, &fb::BindingArgs { order }))
    }

    /// Reads a stored value.
    ///
    /// # Errors
    /// Longer than [`SMALL_RECORD_LEN_MAX`], or not a verified `Binding`.
    pub fn decode(bytes: &[u8]) -> Result<Binding, SchemaError> {
        let row = BINDING.open::<fb::Binding>(bytes)?;
        Ok(Binding { order: row.order() })
    }
}
