//! Key layouts. Integers big-endian: `S` slot u16, `C` CID 16 bytes, `A` app u32, `M` message id
//! u64, `G` number of a group push u64. The slot comes first, so that what moves between nodes one day is one range.
//!
//! | keyspace | key | value (`schema::record`) |
//! | --- | --- | --- |
//! | `Reg` | S C | `Device` |
//! | `Cur` | S C | `Cursor` |
//! | `Install` | A install-id secret-hash | CID, 16 bytes |
//! | `Alias` | A len type len alias C | `Binding` |
//! | `ClientAlias` | S C type | `AliasOfClient` |
//! | `App` | A | `App` |
//! | `Msg` day | S C M piece | `Message`, then bare bytes |
//! | `Dedup` day | A request-id | `FirstAnswer` |
//! | `Task` day | A task-id | `Task` |
//! | `Outcome` day | S C M | `Outcome` |
//! | `Stat` | day u32 | `Tally` |
//! | `Meta` | name | `Number` |
//! | `Group` | G | `Group` |
//! | `GroupOfTask` | A task-id | `Number`, G |
//! | `GroupOfName` | A len group-name G | - |
//! | `GroupSums` | G | `Sums` |
//! | `Body` day | G piece | bare bytes |
//! | `Walk` | G shards u16 shard u16 | `Walk` |
//! | `DaySums` | A day u32 | `Sums` |
//! | `Presence` | A day u32 | `Presence` |
//! | `Online` | A ms u64 shard u16 | `Number` |
//! | `ClientTags` | S C | `ClientTags` |
//! | `Profile` | S C | `Profile` |
//! | `Receipt`, `DeadReceipt` | A order u64 | `Receipt` |
//! | `TaskOf` day | M | task id, bare bytes |
//! | `Acted` day | S C M action u32 | `Number`, ms |
//! | `Upstreams` | S C | `Upstreams` |
//! | `UpstreamBody` | A order u64 piece | bare bytes |

use std::borrow::Cow;

use protocol::{ClientId, InstallId, MessageId};

use crate::clock::Day;
use crate::group::GroupNo;
use crate::ids::{AppNo, ShardNo};
use crate::placement::Slot;

/// Names in [`Keyspace::Meta`](crate::rows::Keyspace::Meta).
pub mod meta {
    /// The layout of this page; a store of another format is refused.
    pub const FORMAT: &[u8] = b"format";
    /// How often the store was opened; the upper half of every generation.
    pub const BOOT_EPOCH: &[u8] = b"boot_epoch";
    /// No message id at or above this time (ms) was ever given.
    pub const ID_CEILING_MS: &[u8] = b"id_ceiling_ms";
    /// The number of the last app created.
    pub const LAST_APP: &[u8] = b"last_app";
    /// No device that was there at the start, or has registered since, did so later than this (ms).
    pub const LATEST_REGISTERED_MS: &[u8] = b"latest_registered_ms";
    /// Counts alias bindings, so that "oldest" does not hang on the clock.
    pub const BINDING_ORDER: &[u8] = b"binding_order";

    /// The highest message id given when a day was dropped: what was left up to there counts as
    /// expired.
    pub fn day_closed(day: super::Day) -> Vec<u8> {
        format!("day_closed.{}", day.0).into_bytes()
    }
}

/// The format that this code writes.
pub const FORMAT: u64 = 1;

/// Bytes of a key made by [`client`].
const CLIENT_LEN: usize = 18;

/// Key in `Reg` and `Cur`, and prefix in `Msg` and `ClientAlias`.
pub fn client(cid: ClientId) -> Vec<u8> {
    let mut key = Vec::with_capacity(27);
    key.extend_from_slice(&Slot::of_cid(cid).number().to_be_bytes());
    key.extend_from_slice(cid.as_bytes());
    key
}

/// The CID in a key made by [`client`].
pub fn client_of(key: &[u8]) -> Option<ClientId> {
    key.get(2..CLIENT_LEN)?
        .try_into()
        .ok()
        .map(ClientId::from_bytes)
}

/// Key in `Install`.
pub fn install(app: AppNo, install: InstallId, secret_hash: &[u8; 32]) -> Vec<u8> {
    let mut key = app.0.to_be_bytes().to_vec();
    key.extend_from_slice(install.as_bytes());
    key.extend_from_slice(secret_hash);
    key
}

fn push_text(key: &mut Vec<u8>, text: &str) {
    // The ingress and the wire bound these texts to less than 256 bytes.
    assert!(text.len() < 256, "text of {} bytes in a key", text.len());
    key.push(text.len() as u8);
    key.extend_from_slice(text.as_bytes());
}

/// Prefix of an alias in `Alias`.
pub fn alias(app: AppNo, alias_type: &str, alias: &str) -> Vec<u8> {
    let mut key = app.0.to_be_bytes().to_vec();
    push_text(&mut key, alias_type);
    push_text(&mut key, alias);
    key
}

/// Key in `Alias`.
pub fn binding(app: AppNo, alias_type: &str, name: &str, cid: ClientId) -> Vec<u8> {
    let mut key = alias(app, alias_type, name);
    key.extend_from_slice(cid.as_bytes());
    key
}

/// The CID at the end of a key made by [`binding`].
pub fn bound_cid(key: &[u8]) -> Option<ClientId> {
    key.last_chunk::<16>().copied().map(ClientId::from_bytes)
}

/// Key in `ClientAlias`.
pub fn client_alias(cid: ClientId, alias_type: &str) -> Vec<u8> {
    let mut key = client(cid);
    key.extend_from_slice(alias_type.as_bytes());
    key
}

/// The alias type in a key made by [`client_alias`].
pub fn alias_type_of(key: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(key.get(CLIENT_LEN..).unwrap_or_default())
}

/// Key in `App`.
pub fn app(app: AppNo) -> Vec<u8> {
    app.0.to_be_bytes().to_vec()
}

/// Key in `Msg`.
pub fn message(cid: ClientId, id: MessageId, piece: u8) -> Vec<u8> {
    let mut key = client(cid);
    key.extend_from_slice(&id.0.to_be_bytes());
    key.push(piece);
    key
}

/// Message id and piece in a key made by [`message`].
pub fn message_of(key: &[u8]) -> Option<(MessageId, u8)> {
    let id = key.get(18..26)?.try_into().ok().map(u64::from_be_bytes)?;
    Some((MessageId(id), *key.get(26)?))
}

/// Key in `Dedup`.
pub fn request(app: AppNo, request_id: &str) -> Vec<u8> {
    let mut key = app.0.to_be_bytes().to_vec();
    key.extend_from_slice(request_id.as_bytes());
    key
}

/// Key in `Task`.
pub fn task(app: AppNo, task_id: &str) -> Vec<u8> {
    request(app, task_id)
}

/// Key in `Outcome`; its keyspace is the day on which the id was made.
pub fn outcome(cid: ClientId, id: MessageId) -> Vec<u8> {
    let mut key = client(cid);
    key.extend_from_slice(&id.0.to_be_bytes());
    key
}

/// The message id in a key made by [`outcome`].
pub fn outcome_of(key: &[u8]) -> Option<MessageId> {
    let id = key.get(18..26)?.try_into().ok()?;
    Some(MessageId(u64::from_be_bytes(id)))
}

/// Key in `Stat`.
pub fn tally(day: Day) -> Vec<u8> {
    day.0.to_be_bytes().to_vec()
}

/// Key in `Group` and `GroupSums`, and prefix in `Body` and `Walk`.
pub fn group(group: GroupNo) -> Vec<u8> {
    group.0.to_be_bytes().to_vec()
}

/// The number at the end of a key made by [`group`] or [`group_of_name`].
pub fn group_at_end(key: &[u8]) -> Option<GroupNo> {
    let bytes = key.last_chunk::<8>()?;
    Some(GroupNo(u64::from_be_bytes(*bytes)))
}

/// Key in `GroupOfTask`.
pub fn group_of_task(app: AppNo, task_id: &str) -> Vec<u8> {
    request(app, task_id)
}

/// Prefix of a group name in `GroupOfName`.
pub fn named(app: AppNo, group_name: &str) -> Vec<u8> {
    let mut key = app.0.to_be_bytes().to_vec();
    push_text(&mut key, group_name);
    key
}

/// Key in `GroupOfName`.
pub fn group_of_name(app: AppNo, group_name: &str, number: GroupNo) -> Vec<u8> {
    let mut key = named(app, group_name);
    key.extend_from_slice(&number.0.to_be_bytes());
    key
}

/// Key in `Body`.
pub fn body(number: GroupNo, piece: u8) -> Vec<u8> {
    let mut key = group(number);
    key.push(piece);
    key
}

/// Key in `Walk`.
pub fn walk(number: GroupNo, shards: u16, shard: ShardNo) -> Vec<u8> {
    let mut key = group(number);
    key.extend_from_slice(&shards.to_be_bytes());
    key.extend_from_slice(&shard.0.to_be_bytes());
    key
}

/// How many shards there were and which one, in a key made by [`walk`].
pub fn walk_of(key: &[u8]) -> Option<(u16, ShardNo)> {
    let shards = key.get(8..10)?.try_into().ok().map(u16::from_be_bytes)?;
    let shard = key.get(10..12)?.try_into().ok().map(u16::from_be_bytes)?;
    Some((shards, ShardNo(shard)))
}

/// Key in `DaySums` and `Presence`.
pub fn app_day(app: AppNo, day: Day) -> Vec<u8> {
    let mut key = app.0.to_be_bytes().to_vec();
    key.extend_from_slice(&day.0.to_be_bytes());
    key
}

/// The day in a key made by [`app_day`].
pub fn day_of(key: &[u8]) -> Option<Day> {
    let day = key.get(4..8)?.try_into().ok()?;
    Some(Day(u32::from_be_bytes(day)))
}

/// Prefix of a time in `Online`.
pub fn online_at(app: AppNo, at_ms: u64) -> Vec<u8> {
    let mut key = app.0.to_be_bytes().to_vec();
    key.extend_from_slice(&at_ms.to_be_bytes());
    key
}

/// Key in `Online`.
pub fn online(app: AppNo, at_ms: u64, shard: ShardNo) -> Vec<u8> {
    let mut key = online_at(app, at_ms);
    key.extend_from_slice(&shard.0.to_be_bytes());
    key
}

/// The time in a key made by [`online`].
pub fn online_of(key: &[u8]) -> Option<u64> {
    key.get(4..12)?.try_into().ok().map(u64::from_be_bytes)
}

/// Key in `Receipt` and `DeadReceipt`.
pub fn receipt(app: AppNo, order: u64) -> Vec<u8> {
    let mut key = app.0.to_be_bytes().to_vec();
    key.extend_from_slice(&order.to_be_bytes());
    key
}

/// The place in the order in a key made by [`receipt`].
pub fn receipt_of(key: &[u8]) -> Option<u64> {
    key.get(4..12)?.try_into().ok().map(u64::from_be_bytes)
}

/// Key in `TaskOf`.
pub fn task_of(id: MessageId) -> Vec<u8> {
    id.0.to_be_bytes().to_vec()
}

/// Key in `Acted`; its keyspace is the day on which the id was made. Without the action it is the
/// prefix of all that the user did with the message: [`outcome`].
pub fn acted(cid: ClientId, id: MessageId, action: u32) -> Vec<u8> {
    let mut key = outcome(cid, id);
    key.extend_from_slice(&action.to_be_bytes());
    key
}

/// The action in a key made by [`acted`].
pub fn action_of(key: &[u8]) -> Option<u32> {
    key.get(26..30)?.try_into().ok().map(u32::from_be_bytes)
}

/// Key in `UpstreamBody`; its beginning is the key of its receipt.
pub fn upstream_body(app: AppNo, order: u64, piece: u8) -> Vec<u8> {
    piece_of_upstream(&receipt(app, order), piece)
}

/// The same, by the key of the receipt.
pub fn piece_of_upstream(receipt: &[u8], piece: u8) -> Vec<u8> {
    [receipt, &[piece]].concat()
}
