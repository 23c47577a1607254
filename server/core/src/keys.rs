//! Key layouts. Integers big-endian: `S` slot u16, `C` CID 16 bytes, `A` app u32, `M` message id
//! u64. The slot comes first, so that what moves between nodes one day is one range.
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

use protocol::{ClientId, InstallId, MessageId};

use crate::clock::Day;
use crate::ids::AppNo;
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

/// Key in `Reg` and `Cur`, and prefix in `Msg` and `ClientAlias`.
pub fn client(cid: ClientId) -> Vec<u8> {
    let mut key = Vec::with_capacity(27);
    key.extend_from_slice(&Slot::of_cid(cid).number().to_be_bytes());
    key.extend_from_slice(cid.as_bytes());
    key
}

/// The CID in a key made by [`client`].
pub fn client_of(key: &[u8]) -> Option<ClientId> {
    key.get(2..18)?.try_into().ok().map(ClientId::from_bytes)
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
