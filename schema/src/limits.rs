//! Every bound of this crate, its reason, and its rule for "full".
//!
//! Owner: this crate; writers may ask for a bound before they build. Always: what an honest writer makes passes, so a
//! refused buffer is a damaged or a hostile one. The rule for "full" is the same everywhere: `decode` refuses with
//! [`crate::Problem`] before it copies anything; a writer that exceeds a bound is a mistake of ours (debug assertion).

/// Longest `PushMessage`, bytes. The REST API bounds a notification's texts to 10 970 characters in all (intent 4096,
/// payload 3072, big_image 1024, url 1024, want 1000, the rest 754), at worst 4 bytes each: 43 880 bytes. The four names
/// it leaves open (ring, thread, category, slot) have room for 1024 such characters each, 16 384 bytes; the rest is the
/// table. It is half of what one frame can carry to a device.
pub const PUSH_LEN_MAX: usize = 64 * 1024;

/// Longest record without a list or a body, bytes: a `Device` has one text, an alias is at most 40 characters. Sixteen
/// times the longest of them.
pub const SMALL_RECORD_LEN_MAX: usize = 8 * 1024;

/// Longest `App`, bytes: four lists of [`APP_ADDRESSES_MAX`] networks of at most 43 characters with 8 bytes of table each,
/// 14 KiB; nine texts that an operator typed or we made, the longest a URL of 1024 characters; twice that.
pub const APP_LEN_MAX: usize = 32 * 1024;

/// Most addresses and networks in one list of an app, so that a call can look through them. Full: the list is refused.
pub const APP_ADDRESSES_MAX: usize = 64;

/// Longest `Message` record, bytes: a first piece of at most 2 KiB (the store's piece size, so that a torn page cuts
/// where the store itself cuts) and 60 bytes of table; twice that, so that fields can be added.
pub const MESSAGE_LEN_MAX: usize = 4 * 1024;

/// Most targets in a `Task`: one request names at most 1000 CIDs or 1000 aliases, an alias has at most 10 CIDs.
pub const TASK_TARGETS_MAX: usize = 10_000;

/// Longest `Task`, bytes: 32 a target, and 1 KiB for the request id and the table.
pub const TASK_LEN_MAX: usize = TASK_TARGETS_MAX * 32 + VENDOR_LEN_MAX + 1024;

/// Longest text for vendor channels, bytes. They take at most 4 KiB a message each; there are about a dozen of them.
pub const VENDOR_LEN_MAX: usize = 48 * 1024;

/// Most values over all conditions of one push, so that a request cannot make a shard walk its sets for long.
pub const CONDITION_VALUES_MAX: usize = 1000;

/// Most conditions of one push (the REST API's limit).
pub const CONDITIONS_MAX: usize = 100;

/// Longest `Group`, bytes: values of at most 32 characters with 8 bytes of table each, the vendor text, 4 KiB for the rest.
pub const GROUP_LEN_MAX: usize = CONDITION_VALUES_MAX * (32 * 4 + 16) + VENDOR_LEN_MAX + 4096;

/// Most different actions that one sum counts. Full: further ones are counted in no list, only as events.
pub const ACTIONS_MAX: usize = 64;

/// Deepest nesting of tables: a push and its content. Tables a newer writer adds are not visited, so the bound is exact.
pub const DEPTH_MAX: usize = 2;

/// Most tables visited in one buffer: a push and its content, for the same reason.
pub const TABLES_MAX: usize = 2;

/// What the verifier may count beyond a buffer's own length. It sums what it visits and visits some bytes of a vtable
/// twice: 2 a table and 2 a field, with at most 31 fields and 2 tables 66 bytes. More means that fields share bytes,
/// which no writer of ours does and which would turn a short buffer into many long copies.
pub const APPARENT_OVERHEAD_MAX: usize = 256;

/// What the verifier may count for a buffer of `len` bytes. In a list of texts it counts the 4 bytes that lead to each of
/// them twice; a text has at least 12 bytes of its own with these, so that is at most a third of the buffer.
pub(crate) const fn apparent_len_max(len: usize) -> usize {
    len.saturating_add(len / 3)
        .saturating_add(APPARENT_OVERHEAD_MAX)
}

const _: () = assert!(APPARENT_OVERHEAD_MAX >= 2 * (31 + TABLES_MAX));
