//! The tags of a client, and how many clients an app has.
//!
//! Owner: the commit; the key holds the CID, or the app and the day. Always: tags are in order and without repeats.

use crate::SchemaError;
use crate::generated::record as fb;
use crate::limits::SMALL_RECORD_LEN_MAX;
use crate::root::Shape;

const TAGS: Shape = Shape {
    what: "ClientTags",
    len_max: SMALL_RECORD_LEN_MAX,
};

const PRESENCE: Shape = Shape {
    what: "Presence",
    len_max: SMALL_RECORD_LEN_MAX,
};

/// The tags of a client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientTags {
    /// In order, each once.
    pub tags: Vec<String>,
}

/// The devices of an app on one day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Presence {
    /// Registered on that day.
    pub registered: u64,
    /// Logged in on that day.
    pub active: u64,
    /// The most that were online at once, by samples.
    pub online_peak: u64,
}

impl ClientTags {
    /// The value to store.
    pub fn encode(&self) -> Vec<u8> {
        TAGS.build(|builder| {
            let tags: Vec<_> = self
                .tags
                .iter()
                .map(|tag| builder.create_string(tag))
                .collect();
            let tags = builder.create_vector(&tags);
            fb::ClientTags::create(builder, &fb::ClientTagsArgs { tags: Some(tags) })
        })
    }

    /// Reads a stored value.
    ///
    /// # Errors
    /// Longer than [`SMALL_RECORD_LEN_MAX`], or not verified `ClientTags`.
    pub fn decode(bytes: &[u8]) -> Result<ClientTags, SchemaError> {
        let row = TAGS.open::<fb::ClientTags>(bytes)?;
        Ok(ClientTags {
            tags: row.tags().iter().map(str::to_owned).collect(),
        })
    }

    /// Shows each tag of a stored value without copying it: a start reads those of all clients.
    ///
    /// # Errors
    /// As [`ClientTags::decode`]; then nothing was shown.
    pub fn visit(bytes: &[u8], visit: impl FnMut(&str)) -> Result<(), SchemaError> {
        let row = TAGS.open::<fb::ClientTags>(bytes)?;
        row.tags().iter().for_each(visit);
        Ok(())
    }
}

impl Presence {
    /// The value to store.
    pub fn encode(&self) -> Vec<u8> {
        PRESENCE.build(|builder| {
            fb::Presence::create(
                builder,
                &fb::PresenceArgs {
                    registered: self.registered,
                    active: self.active,
                    online_peak: self.online_peak,
                },
            )
        })
    }

    /// Reads a stored value.
    ///
    /// # Errors
    /// Longer than [`SMALL_RECORD_LEN_MAX`], or not a verified `Presence`.
    pub fn decode(bytes: &[u8]) -> Result<Presence, SchemaError> {
        let row = PRESENCE.open::<fb::Presence>(bytes)?;
        Ok(Presence {
            registered: row.registered(),
            active: row.active(),
            online_peak: row.online_peak(),
        })
    }
}
