//! What shards must know before they start: apps, devices, cursors.
//!
//! Pure over [`Rows`], so the simulation starts its shards with the same code.

use protocol::{ClientId, MessageId};
use schema::record::{App, ClientTags, Cursor, Device as DeviceRow, Group, Tally, Walk};

use crate::clock::Day;

use crate::devices::{Device, Devices};
use crate::group::{GroupNo, GroupState, Running, StoppedGroups, Walked};
use crate::ids::ShardNo;
use crate::keys;
use crate::placement::first_cid;
use crate::read::group_body;
use crate::rows::{Keyspace, Rows, RowsError};

/// All apps.
pub fn apps(rows: &impl Rows) -> Result<Vec<App>, RowsError> {
    let mut apps = Vec::new();
    each(rows, Keyspace::App, |_, value| {
        App::decode(value).map(|app| apps.push(app))
    })?;
    Ok(apps)
}

/// The devices of each shard, with their cursors and tags, one shard after the other.
pub fn devices(rows: &impl Rows, shards: u16) -> Result<Vec<Devices>, RowsError> {
    (0..shards)
        .map(|shard| devices_of(rows, ShardNo(shard), shards))
        .collect()
}

/// The devices of one shard, with their cursors and tags. Reads nothing of other shards, so that
/// all can be read side by side.
pub fn devices_of(rows: &impl Rows, shard: ShardNo, shards: u16) -> Result<Devices, RowsError> {
    let mut devices = Devices::default();
    let owned = Owned::by(shard, shards);
    owned.each(rows, Keyspace::Reg, |cid, value| {
        let row = DeviceRow::decode(value)?;
        devices.put(cid, Device::new(&row, None));
        Ok(())
    })?;
    owned.each(rows, Keyspace::Cur, |cid, value| {
        let cursor = Cursor::decode(value)?;
        if let Some(device) = devices.get_mut(cid) {
            device.acked = MessageId(cursor.acked);
            device.last_login_ms = cursor.last_login_ms;
            device.last_seen_ms = cursor.last_seen_ms;
        }
        Ok(())
    })?;
    owned.each(rows, Keyspace::ClientTags, |cid, value| {
        match devices.tagged(cid) {
            Some((sets, app, ordinal)) => {
                ClientTags::visit(value, |tag| sets.set_tag(app, tag, ordinal, true))
            }
            None => Ok(()),
        }
    })?;
    Ok(devices)
}

/// No device of these shards registered later, in ms of Unix time; 0 if there is none.
pub fn registered_by_ms(shards: &[Devices]) -> u64 {
    let latest = shards.iter().map(Devices::registered_by_ms).max();
    latest.unwrap_or(0)
}

/// The rows of one shard in a keyspace whose keys are CIDs.
struct Owned {
    first: Vec<u8>,
    /// The first that is not one; `None`: to the end.
    next: Option<Vec<u8>>,
}

impl Owned {
    fn by(shard: ShardNo, shards: u16) -> Owned {
        let first = |shard| first_cid(ShardNo(shard), shards).map(keys::client);
        Owned {
            first: first(shard.0).unwrap_or_default(),
            next: first(shard.0 + 1),
        }
    }

    fn each(
        &self,
        rows: &impl Rows,
        keyspace: Keyspace,
        mut visit: impl FnMut(ClientId, &[u8]) -> Result<(), schema::SchemaError>,
    ) -> Result<(), RowsError> {
        rows.try_range(keyspace, &[], &self.first, |key, value| {
            if self
                .next
                .as_ref()
                .is_some_and(|next| key >= next.as_slice())
            {
                return Ok(false);
            }
            if let Some(cid) = keys::client_of(key) {
                visit(cid, value)?;
            }
            Ok(true)
        })
    }
}

/// The pushes to many that an earlier start left under way.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GroupsAtStart {
    /// Those that shards walk for, with how far the shards of that start had come.
    pub running: Vec<(Running, Vec<Walked>)>,
    /// Those that wait for their time, in ms of Unix time.
    pub scheduled: Vec<(GroupNo, u64)>,
    /// Those of which nothing is sent any more.
    pub stopped: StoppedGroups,
}

/// The pushes to many that are not over.
pub fn groups(rows: &impl Rows, now_ms: u64) -> Result<GroupsAtStart, RowsError> {
    let mut found = GroupsAtStart::default();
    let mut running = Vec::new();
    each(rows, Keyspace::Group, |key, value| {
        let group = Group::decode(value)?;
        let Some(number) = keys::group_at_end(key) else {
            return Ok(());
        };
        match GroupState::from_number(group.state) {
            GroupState::Running => running.push((number, group)),
            GroupState::Scheduled => found.scheduled.push((number, group.start_ms)),
            GroupState::Stopped if group.expires_ms > now_ms => {
                found.stopped.insert(number, group.expires_ms);
            }
            _ => {}
        }
        Ok(())
    })?;
    for (number, group) in running {
        let body = group_body(rows, Day::of_ms(group.expires_ms), number)?;
        // Of one whose day was dropped the next step of its walk is the last, and reaches nobody.
        let running = Running::new(number, &group, body.unwrap_or_default());
        found.running.push((running, walked(rows, number)?));
    }
    Ok(found)
}

fn walked(rows: &impl Rows, number: GroupNo) -> Result<Vec<Walked>, RowsError> {
    let mut walks = Vec::new();
    let prefix = keys::group(number);
    rows.try_range(Keyspace::Walk, &prefix, &prefix, |key, value| {
        if let Some((shards, shard)) = keys::walk_of(key) {
            let walk = Walk::decode(value)?;
            walks.push(Walked {
                shards,
                shard,
                upto: ClientId::from_bytes(walk.upto),
                done: walk.done,
            });
        }
        Ok(true)
    })?;
    Ok(walks)
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
    rows.try_range(keyspace, &[], &[], |key, value| {
        visit(key, value).map(|()| true)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::group::tests::row;
    use crate::rows::MemoryRows;

    #[test]
    fn given_stopped_pushes_when_started_should_know_those_whose_messages_have_not_expired() {
        let stopped = |number, expires_ms| {
            let group = row(GroupState::Stopped, expires_ms);
            (Keyspace::Group, keys::group(number), group.encode())
        };
        let rows = MemoryRows::of([stopped(GroupNo(1), 1_000), stopped(GroupNo(2), 1_001)]);
        let found = groups(&rows, 1_000).expect("memory reads");
        assert_eq!(found.stopped, StoppedGroups::from([(GroupNo(2), 1_001)]));
    }

    #[test]
    fn given_sums_of_two_days_when_started_should_add_each_stage() {
        let day = Tally {
            accepted: 1,
            acked: 2,
            expired: 3,
            revoked: 4,
            filtered: 5,
            failed: 6,
        };
        let rows = [Day(7), Day(8)].map(|of| (Keyspace::Stat, keys::tally(of), day.encode()));
        let both = Tally {
            accepted: 2,
            acked: 4,
            expired: 6,
            revoked: 8,
            filtered: 10,
            failed: 12,
        };
        assert_eq!(tally(&MemoryRows::of(rows)), Ok(both));
    }
}
