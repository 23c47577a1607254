//! Every bound of a shard's decisions, with its reason and its rule for "full".

/// Pushes a session may have sent and not acknowledged. At 100 ms round trip this still moves
/// 640 messages a second to one phone. Full: the rest waits in the outbox; nothing is lost.
pub const WINDOW_LEN_MAX: u16 = 64;

/// Bytes of unacknowledged pushes of one session. It bounds what a device that reads nothing can
/// make the server hold; one message may always go. Full: the rest waits in the outbox.
pub const WINDOW_BYTES_MAX: usize = 256 * 1024;

/// Entries of a window, those included that are final behind one that is not: acked out of order
/// or expired. Four windows. Without it a device that never acks its first message would make the
/// window grow for as long as it lives. Full: nothing more is sent until the gap is closed.
pub const WINDOW_SPAN_LEN_MAX: usize = 4 * WINDOW_LEN_MAX as usize;

/// Messages kept in memory behind a full window. Full: the session falls behind, drops the
/// bodies and reads them from the store once the window moves.
pub const QUEUE_LEN_MAX: usize = 64;

/// Bytes kept in memory behind a full window. Full: as [`QUEUE_LEN_MAX`].
pub const QUEUE_BYTES_MAX: usize = 256 * 1024;

/// Unstored messages (ttl -1) kept while a session still reads its backlog. Full: the newest
/// expires at once, which is what its sender asked for.
pub const UNSTORED_LEN_MAX: usize = 16;

/// Messages of one page read from the store. Larger pages would only wait behind the window.
pub const PAGE_LEN_MAX: usize = 64;

/// Bytes of bodies of one page read from the store; one message may always come.
pub const PAGE_BYTES_MAX: usize = 256 * 1024;

/// Commits a shard may have under way; the size of its ring to the committer. At 50,000 pushes a
/// second and shard it is 80 ms of work, more than a memtable flush takes. Full: the caller is
/// answered "busy".
pub const COMMITS_IN_FLIGHT_MAX: usize = 4096;

/// Commits kept free for the shard's own cursors, so that acknowledgements are written down even
/// while third parties keep the ring full.
pub const COMMITS_RESERVED: usize = 16;

/// Commits of these that pushes to many may take: third parties who fill the ring do not keep them from
/// going on. Their ops hold no bodies, so they do not wait for room for bytes. Full: the walk waits
/// for the next commit.
pub const COMMITS_RESERVED_FOR_WALKS: usize = 8;

/// Bytes of bodies in commits under way, per shard. Full: "busy".
pub const COMMIT_BYTES_IN_FLIGHT_MAX: usize = 32 * 1024 * 1024;

/// Reads a shard may have under way; the size of its ring to a reader thread. Full: sessions
/// wait in line, questions of the ingress are answered "busy".
pub const READS_IN_FLIGHT_MAX: usize = 256;

/// Cursors that may be unwritten before they are flushed without waiting for the tick.
pub const DIRTY_LEN_MAX: usize = 512;

/// Time between two flushes of cursors, in ms. What is lost with them is only redelivered.
pub const FLUSH_INTERVAL_MS: u64 = 500;

/// CIDs bound to one alias (Getui's rule). Full: the oldest binding goes.
pub const CIDS_PER_ALIAS_MAX: usize = 10;

/// How long a request id is remembered, in ms.
pub const REQUEST_ID_KEPT_MS: u64 = 24 * 3600 * 1000;

/// Bytes of a body in one row. A torn 4 KiB page then never lies wholly inside one value, which
/// keeps a damaged tail in the class that the store cuts off by itself.
pub const PIECE_LEN_MAX: usize = 2048;

/// Pieces of one body: `protocol`'s longest body needs 64.
pub const PIECES_MAX: usize = 128;

/// Finals that may be unwritten before they are flushed without waiting for the tick.
pub const FINALS_LEN_MAX: usize = 1024;

/// Days that tasks and the outcomes of their messages are kept after the day they were made, so
/// that an operator can still be told why something did not arrive last week.
pub const HISTORY_DAYS: u32 = 7;

/// Entries of one answer about a device: messages that wait, and outcomes. More are counted only.
pub const HISTORY_LEN_MAX: usize = 50;

/// Time after the end of an expiry day before its rows are dropped, in ms: cursors that are
/// flushed late still find their day.
pub const DAY_GRACE_MS: u64 = 10 * 60 * 1000;

/// Devices of a deleted app whose rows are deleted in one tick: a few ms of the committer.
pub const FORGET_PER_TICK: usize = 256;

/// Tags of one client (the REST API's limit). Full: the change is refused.
pub const TAGS_LEN_MAX: usize = 100;

/// Characters of one tag (the REST API's limit). Longer: as [`TAGS_LEN_MAX`].
pub const TAG_LEN_MAX: usize = 32;

/// Characters of all tags of one client together (the REST API's limit). Full: as
/// [`TAGS_LEN_MAX`].
pub const TAGS_TEXT_LEN_MAX: usize = 512;

/// Bytes of the tokens of one client that were told before its last one; with that one (at most
/// 1024 bytes) its row stays below [`PIECE_LEN_MAX`]. Full: the oldest go.
pub const OTHER_TOKENS_BYTES_MAX: usize = 512;

/// Messages of one client to its third party that are known, to recognize a repeat: their row has
/// 24 bytes for each. Full: the oldest that has ended goes; if none has, the client is answered
/// "busy".
pub const UPSTREAMS_LEN_MAX: usize = 64;

/// Devices that a walk reaches in one commit: their sends are one turn of the shard's loop, about
/// 2 ms, so that heartbeats and single pushes stay quick.
pub const FAN_LEN_MAX: usize = 128;

/// Walks of one shard that have listed their devices (16 bytes each: at a million devices 16 MB a
/// walk). Full: later group pushes wait for an earlier one to end.
pub const WALKS_RESOLVED_MAX: usize = 16;

/// How long a push to many that stores nothing (ttl -1) can find targets, in ms: the default ttl.
/// What a walk has not reached by then it does not reach.
pub const UNKEPT_OPEN_MS: u64 = 2 * 3600 * 1000;

/// A scheduled push cannot be deleted any more this long before its time, in ms (the REST API's
/// rule).
pub const UNSCHEDULE_MS: u64 = 60_000;

/// How long a group push can be reported on, in ms (the REST API's 90 days).
pub const GROUP_KEPT_MS: u64 = 90 * 24 * 3600 * 1000;

/// Rows of one kind that are swept out in one commit.
pub const SWEEP_LEN_MAX: usize = 4096;

/// Time between two samples of how many devices are online, in ms (the REST API's ten minutes).
pub const SAMPLE_INTERVAL_MS: u64 = 10 * 60 * 1000;

/// How long samples are kept, in ms: the 24 hours that are answered, and one more.
pub const ONLINE_KEPT_MS: u64 = 25 * 3600 * 1000;

/// Receipts of one answer, and of one settlement: one request to a developer's server.
pub const RECEIPTS_PER_ANSWER_MAX: usize = 500;

/// Pieces of messages of devices in one answer: half a MiB, one request to a developer's server.
/// Full: the answer ends there, a message more may come.
pub const RECEIPT_PIECES_PER_ANSWER_MAX: usize = 256;

/// Receipts of an app that could not be told in time and are kept. Full: the oldest go.
pub const DEAD_RECEIPTS_MAX: usize = 10_000;

/// Group pushes of one answer. More are left out, the oldest first.
pub const GROUPS_PER_ANSWER_MAX: usize = 1000;

/// Registrations that one page of an export looks at, those of other apps included: a reader is
/// back for others after some ms. Full: the page ends there and says where to go on.
pub const PORTABLE_SCAN_MAX: usize = 10_000;

/// Bytes of one page of an export; a device more may come. Full: as [`PORTABLE_SCAN_MAX`].
pub const PORTABLE_PAGE_BYTES_MAX: usize = 1024 * 1024;

/// Faults that a check of a store keeps with their keys. More are counted only.
pub const FAULTS_LEN_MAX: usize = 1000;

/// Rows that a repair takes away or writes in one commit: some 2 MB.
pub const MENDS_PER_COMMIT_MAX: usize = 10_000;

/// How long a device should stay away, in ms, when the store has no room for its registration, or
/// failed: a disk that is behind by this much is not caught up by coming again.
pub const RETRY_AFTER_MS: u32 = 30_000;

/// Over how much more than [`RETRY_AFTER_MS`] those are spread for whom there was no room, in ms:
/// they were told at the same moment, and should not be back at the same moment.
pub const RETRY_SPREAD_MS: u32 = 30_000;

/// Sessions told to go away in one tick of a drain, so that reconnects spread.
pub const GO_AWAY_PER_TICK: usize = 512;

const _: () = assert!(PIECE_LEN_MAX * PIECES_MAX >= protocol::limits::BODY_LEN_MAX_TO_DEVICE);
const _: () = assert!(COMMITS_RESERVED < COMMITS_IN_FLIGHT_MAX);
const _: () = assert!(COMMITS_RESERVED_FOR_WALKS < COMMITS_RESERVED);
