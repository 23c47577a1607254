//! Apps, the numbers of the store itself, and receipts with what devices wrote.

use schema::record::{App, Number, Receipt};

use super::{Check, Look, belongs, ensure, parted};
use crate::keys::{self, meta};
use crate::rows::{Keyspace, Rows};

impl<R: Rows> Check<'_, R> {
    pub(super) fn app(&self, key: &[u8], value: &[u8]) -> Look {
        let app = App::decode(value)?;
        ensure(
            key == app.number.to_be_bytes(),
            "its key has another number",
        )?;
        let last = self.number(meta::LAST_APP)?;
        ensure(u64::from(app.number) <= last, "its number was never given")
    }

    pub(super) fn meta(&self, key: &[u8], value: &[u8]) -> Look {
        let number = Number::decode(value)?;
        ensure(
            key != meta::FORMAT || number.value == keys::FORMAT,
            "it is of another format",
        )
    }

    /// The app may be gone: its receipts then wait for nobody.
    pub(super) fn receipt(&self, keyspace: Keyspace, key: &[u8], value: &[u8]) -> Look {
        ensure(key.len() == 12, "its key is no app and place")?;
        let receipt = Receipt::decode(value)?;
        let waits = keyspace == Keyspace::DeadReceipt && self.has(Keyspace::Receipt, key)?;
        belongs(!waits, "it waits, and is given up")?;
        self.pieces(
            Keyspace::UpstreamBody,
            0..receipt.pieces,
            |piece| keys::piece_of_upstream(key, piece),
            "a piece of what the device wrote is gone",
        )
    }

    pub(super) fn upstream_body(&self, key: &[u8]) -> Look {
        ensure(key.len() == 13, "its key is no receipt and piece")?;
        let (receipt, piece) = key.split_at(12);
        let waits = self.get(Keyspace::Receipt, receipt)?;
        let row = match waits {
            Some(row) => Some(row),
            None => self.get(Keyspace::DeadReceipt, receipt)?,
        };
        let row = row.ok_or_else(|| parted("its receipt is gone"))?;
        let pieces = Receipt::decode(&row).map_or(0, |receipt| receipt.pieces);
        ensure(u16::from(piece[0]) < pieces, "its receipt has fewer pieces")
    }
}

pub(super) fn online(key: &[u8], value: &[u8]) -> Look {
    Number::decode(value)?;
    ensure(key.len() == 14, "its key is no app, time and shard")
}
