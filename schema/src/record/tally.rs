//! Counters at rest.
//!
//! Owner: the shard that counts; it sums in memory and writes now and then. Always: accepted is at least the sum of the
//! five final stages, and the difference is what is still held.

use crate::SchemaError;
use crate::generated::record as fb;
use crate::limits::SMALL_RECORD_LEN_MAX;
use crate::root::Shape;

const TALLY: Shape = Shape {
    what: "Tally",
    len_max: SMALL_RECORD_LEN_MAX,
};

const NUMBER: Shape = Shape {
    what: "Number",
    len_max: SMALL_RECORD_LEN_MAX,
};

/// How many messages of a task or an app came to which stage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Taken from the third party.
    pub accepted: u64,
    /// Confirmed by the device.
    pub acked: u64,
    /// Out of time.
    pub expired: u64,
    /// Taken back.
    pub revoked: u64,
    /// Kept from the device by a switch or a list.
    pub filtered: u64,
    /// Lost by a fault of ours, and known to be.
    pub failed: u64,
}

impl Tally {
    /// The value to store.
    pub fn encode(&self) -> Vec<u8> {
        TALLY.build(|builder| {
            fb::Tally::create(
                builder,
                &fb::TallyArgs {
                    accepted: self.accepted,
                    acked: self.acked,
                    expired: self.expired,
                    revoked: self.revoked,
                    filtered: self.filtered,
                    failed: self.failed,
                },
            )
        })
    }

    /// Reads a stored value.
    ///
    /// # Errors
    /// Longer than [`SMALL_RECORD_LEN_MAX`], or not a verified `Tally`.
    pub fn decode(bytes: &[u8]) -> Result<Tally, SchemaError> {
        let tally = TALLY.open::<fb::Tally>(bytes)?;
        Ok(Tally {
            accepted: tally.accepted(),
            acked: tally.acked(),
            expired: tally.expired(),
            revoked: tally.revoked(),
            filtered: tally.filtered(),
            failed: tally.failed(),
        })
    }
}

/// One number: a ceiling, an epoch, a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Number {
    /// The number.
    pub value: u64,
}

impl Number {
    /// The value to store.
    pub fn encode(&self) -> Vec<u8> {
        let value = self.value;
        NUMBER.build(|builder| fb::Number::create(builder, &fb::NumberArgs { value }))
    }

    /// Reads a stored value.
    ///
    /// # Errors
    /// Longer than [`SMALL_RECORD_LEN_MAX`], or not a verified `Number`.
    pub fn decode(bytes: &[u8]) -> Result<Number, SchemaError> {
        let number = NUMBER.open::<fb::Number>(bytes)?;
        Ok(Number {
            value: number.value(),
        })
    }
}
