//! What shards must know before they start: apps, devices, cursors.
//!
//! Pure over [`Rows`], so the simulation starts its shards with the same code.

use protocol::MessageId;
use schema::record::{App, Cursor, Device as DeviceRow, Tally};

use crate::devices::{Device, Devices};
use crate::keys;
use crate::placement::Slot;
use crate::rows::{Keyspace, Rows, RowsError};

/// All apps.
pub fn apps(rows: &impl Rows) -> Result<Vec<App>, RowsError> {
    let mut apps = Vec::new();
    each(rows, Keyspace::App, |_, value| {
        App::decode(value).map(|app| apps.push(app))
    })?;
    Ok(apps)
}

/// The devices of each shard, with their cursors.
pub fn devices(rows: &impl Rows, shards: u16) -> Result<Vec<Devices>, RowsError> {
    let mut owners: Vec<Devices> = (0..shards).map(|_| Devices::default()).collect();
    each(rows, Keyspace::Reg, |key, value| {
        let row = DeviceRow::decode(value)?;
        if let Some(cid) = keys::client_of(key) {
            let owner = Slot::of_cid(cid).shard(shards);
            owners[usize::from(owner.0)].put(cid, Device::new(&row, None));
        }
        Ok(())
    })?;
    each(rows, Keyspace::Cur, |key, value| {
        let cursor = Cursor::decode(value)?;
        let Some(cid) = keys::client_of(key) else {
            return Ok(());
        };
        let owner = Slot::of_cid(cid).shard(shards);
        if let Some(device) = owners[usize::from(owner.0)].get_mut(cid) {
            device.acked = MessageId(cursor.acked);
            device.last_login_ms = cursor.last_login_ms;
            device.last_seen_ms = cursor.last_seen_ms;
        }
        Ok(())
    })?;
    Ok(owners)
}

/// The stage sums of all days.
pub fn tally(rows: &impl Rows) -> Result<Tally, RowsError> {
    let mut sum = Tally::default();
    each(rows, Keyspace::Stat, |_, value| {
        let day = Tally::decode(value)?;
        sum.accepted += day.accepted;
        sum.acked += day.acked;
        sum.expired += day.expired;
        sum.revoked += day.revoked;
        sum.filtered += day.filtered;
        sum.failed += day.failed;
        Ok(())
    })?;
    Ok(sum)
}

fn each(
    rows: &impl Rows,
    keyspace: Keyspace,
    mut visit: impl FnMut(&[u8], &[u8]) -> Result<(), schema::SchemaError>,
) -> Result<(), RowsError> {
    let mut failed = None;
    rows.range(
        keyspace,
        &[],
        &[],
        &mut |key, value| match visit(key, value) {
            Ok(()) => true,
            Err(source) => {
                failed = Some(RowsError::Damaged {
                    keyspace,
                    key: key.to_vec(),
                    source,
                });
                false
            }
        },
    )?;
    failed.map_or(Ok(()), Err)
}
