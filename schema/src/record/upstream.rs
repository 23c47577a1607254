//! The last messages of a device to its third party.
//!
//! Owner: the commit; the key holds the CID. Always: in the order in which they were taken.

use crate::SchemaError;
use crate::generated::record as fb;
use crate::limits::SMALL_RECORD_LEN_MAX;
use crate::root::Shape;

const UPSTREAMS: Shape = Shape {
    what: "Upstreams",
    len_max: SMALL_RECORD_LEN_MAX,
};

/// See the module page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Upstreams {
    /// The oldest first.
    pub entries: Vec<UpstreamEntry>,
}

/// Where one message stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpstreamEntry {
    /// What the device calls it.
    pub id: u64,
    /// When it was taken, in Unix milliseconds.
    pub at_ms: u64,
    /// Its status, by its number on the wire.
    pub status: u8,
}

impl Upstreams {
    /// The value to store.
    pub fn encode(&self) -> Vec<u8> {
        UPSTREAMS.build(|builder| {
            let entries = builder.create_vector_from_iter(
                self.entries
                    .iter()
                    .map(|entry| fb::UpstreamEntry::new(entry.id, entry.at_ms, entry.status)),
            );
            let entries = Some(entries);
            fb::Upstreams::create(builder, &fb::UpstreamsArgs { entries })
        })
    }

    /// Reads a stored value.
    ///
    /// # Errors
    /// Longer than [`SMALL_RECORD_LEN_MAX`], or not verified `Upstreams`.
    pub fn decode(bytes: &[u8]) -> Result<Upstreams, SchemaError> {
        let row = UPSTREAMS.open::<fb::Upstreams>(bytes)?;
        let entries = row.entries().iter().map(|entry| UpstreamEntry {
            id: entry.id(),
            at_ms: entry.at_ms(),
            status: entry.status(),
        });
        Ok(Upstreams {
            entries: entries.collect(),
        })
    }
}
