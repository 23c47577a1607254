//! Every upper bound of the server, with its reason and its rule for "full".
//! Bounds of decisions live in `server_core::limits`, bounds of the wire in `protocol::limits`.

// --- http ---

/// Connections that HTTP holds open where the file limit is large; see [`crate::shares`] for less.
/// The PHP client leaves one idle connection per URL and process; a few hundred workers with some
/// tens of URLs fit. When full: accepting pauses, the kernel's backlog waits, nothing open is cut.
pub const HTTP_CONNECTIONS_MAX: usize = 10_000;

/// Connections of these that a listener for operators keeps for itself: people, probes and a scraper
/// of metrics. When full: as for [`HTTP_CONNECTIONS_MAX`].
pub const HTTP_ADMIN_CONNECTIONS_MAX: usize = 64;

/// Bytes of a request line. 1000 CIDs of `GET /user/status` in one path segment, their commas
/// percent-encoded, take 35,000. When over: 20001, HTTP 400, the connection closes.
pub const HTTP_REQUEST_LINE_LEN_MAX: usize = 40 * 1024;

/// Bytes of all header lines of a request; what the common servers allow.
/// When over: 20001, HTTP 400, the connection closes.
pub const HTTP_HEADERS_LEN_MAX: usize = 16 * 1024;

/// Header lines of a request; the official clients send at most ten, proxies add a few.
/// When over: 20001, HTTP 400, the connection closes.
pub const HTTP_HEADERS_MAX: usize = 64;

/// Bytes of the line before a chunk: sixteen digits and a short extension nobody reads.
/// When over: 20001, HTTP 400, the connection closes.
pub const HTTP_CHUNK_LINE_LEN_MAX: usize = 256;

/// Bytes of a request body. A batch of 200 pushes, each with 3072 Chinese characters (9 KiB) of
/// transmission and as much again for a vendor channel, takes 3.7 MB.
/// When over: 20001, HTTP 400, the connection closes.
pub const HTTP_BODY_LEN_MAX: usize = 4 * 1024 * 1024;

/// Bytes of the body of `POST /auth`, the one body that is kept before anything is proved.
/// When over: as for [`HTTP_BODY_LEN_MAX`].
pub const HTTP_AUTH_BODY_LEN_MAX: usize = 16 * 1024;

/// Bytes of all request bodies held at one time by one ingress; sixteen of the longest.
/// When full: the request that asks for more is answered 30019 and may be repeated.
pub const HTTP_BODIES_HELD_LEN_MAX: usize = 64 * 1024 * 1024;

/// Bytes asked of a socket at once. A request of the official clients is one read.
/// When full: the next read takes the rest.
pub const HTTP_READ_LEN: usize = 8 * 1024;

/// Bytes thrown away after the last answer of a refused connection, so that the kernel does not
/// reset it before the answer was read. When over: the connection closes all the same.
pub const HTTP_LINGER_LEN_MAX: usize = 1024 * 1024;

/// Time given to the same; a round trip over a bad line.
pub const HTTP_LINGER_WAIT: std::time::Duration = std::time::Duration::from_secs(2);

/// Pause after `accept` failed, for want of file handles most of all: long enough not to spin,
/// short enough that nobody notices.
pub const HTTP_ACCEPT_PAUSE: std::time::Duration = std::time::Duration::from_millis(100);

/// Bytes from which on an answer is packed for a client that takes gzip: below it the head weighs more than what is won.
pub const HTTP_PACKED_LEN_MIN: usize = 1024;

/// Tokens of one app that are valid at one time. PHP authenticates once per web request, and a
/// day's allowance of Getui is 100,000. When full: the oldest token of that app goes.
pub const TOKENS_PER_APP_MAX: usize = 100_000;

/// Life of a token: one day, as Getui documents.
pub const TOKEN_LIFE_MS: u64 = 24 * 60 * 60 * 1000;

/// Characters of an app's name, for people. When over: 20001.
pub const APP_NAME_LEN_MAX: usize = 64;

/// Characters of the URL of an app's callbacks, as of any URL of the API. When over: 20001.
pub const CALLBACK_URL_LEN_MAX: usize = 1024;

/// Characters of the secret of an app's callbacks: 64 bytes in hex, and as much again. When over: 20001.
pub const CALLBACK_SECRET_LEN_MAX: usize = 128;

/// Characters of the path of a backup: the longest that the kernel takes. When over: 20001.
pub const BACKUP_PATH_LEN_MAX: usize = 4096;

/// Elements of `data_list` and of a list of CIDs in a path, as Getui documents. When over: 20001.
pub const API_LIST_LEN_MAX: usize = 1000;

/// Elements of `msg_list` of one batch, as Getui documents. When over: 20001.
pub const API_BATCH_LEN_MAX: usize = 200;

/// Devices of one page of an export, and of one call of an import. More are left for the next
/// page, or the call is answered 20001.
pub const DEVICES_PER_CALL_MAX: usize = API_LIST_LEN_MAX;

/// Devices of one page of an export if the call does not say.
pub const DEVICES_PER_PAGE: usize = 500;

/// Bytes of one line of `ringpost import`: the texts of a device are a few KiB, unless it has
/// hundreds of alias types. When over: the line is refused.
pub const IMPORT_LINE_LEN_MAX: usize = 64 * 1024;

/// Lines of one call of `ringpost import`: one commit, which others wait for.
pub const IMPORT_LINES_PER_CALL: usize = 500;

/// Bytes of one call of `ringpost import`. Full: the rest is the next call.
pub const IMPORT_CALL_LEN_MAX: usize = 1024 * 1024;

/// Parts of one request that are asked of shards at the same time: a batch of 200 takes two
/// commits, and eighty such requests at once do not fill a ring of questions.
/// Full: the next part waits for one of them.
pub const API_ABREAST_MAX: usize = 100;

/// Bytes of messages that wait to be handed to the vendor channel. When full: the hand-over is left
/// out and the log says so; the messages stay in the outbox.
pub const VENDOR_HELD_LEN_MAX: usize = 8 * 1024 * 1024;

/// Messages handed to the vendor channel before other requests have their turn.
pub const VENDOR_MESSAGES_PER_TURN: usize = 64;
/// CIDs of a black list or a badge in one path segment, as Getui documents. When over: 20001.
pub const API_PATH_CIDS_MAX: usize = 200;

/// Tasks of one report, as Getui documents. When over: 20001.
pub const API_PATH_TASKS_MAX: usize = 200;

/// Tags of one client, as Getui documents. When over: 20001.
pub const TAGS_PER_CID_MAX: usize = 100;

/// Days before today that a group report reaches back, as Getui documents, so that a span of dates
/// cannot make a reader walk for long. When over: earlier days are left out.
pub const GROUP_REPORT_DAYS: u32 = 70;

/// Values of one condition: their count takes one byte of a stored row. When over: 20001.
pub const CONDITION_ITEM_VALUES_MAX: usize = u8::MAX as usize;

/// Lengths of the REST API, in Unicode scalar values unless said (`rest-v2.md` 3); over any of
/// them a request is answered 20001 `{x} size over limit`.
pub mod api_len {
    /// `request_id`, shortest.
    pub const REQUEST_ID_MIN: usize = 10;
    /// `request_id`, longest.
    pub const REQUEST_ID_MAX: usize = 32;
    /// `group_name`.
    pub const GROUP_NAME_MAX: usize = 100;
    /// `transmission`.
    pub const TRANSMISSION_MAX: usize = 3072;
    /// `old_task_id`: a task id of ours has 42.
    pub const TASK_ID_MAX: usize = 64;
    /// `title`.
    pub const TITLE_MAX: usize = 50;
    /// `body`.
    pub const BODY_MAX: usize = 256;
    /// `big_text`.
    pub const BIG_TEXT_MAX: usize = 512;
    /// `big_image` and `url`.
    pub const URL_MAX: usize = 1024;
    /// `logo`.
    pub const LOGO_MAX: usize = 64;
    /// `logo_url`.
    pub const LOGO_URL_MAX: usize = 256;
    /// `channel_id` and `channel_name`.
    pub const CHANNEL_MAX: usize = 64;
    /// `intent`.
    pub const INTENT_MAX: usize = 4096;
    /// `want`, in bytes: fewer than 1000.
    pub const WANT_BYTES_MAX: usize = 999;
    /// `payload`.
    pub const PAYLOAD_MAX: usize = 3072;
    /// Members whose length Getui does not document (`ring_name`, `thread_id`, `category`,
    /// `slot_type`): names, so the longest name limit of the API is enough.
    pub const NAME_MAX: usize = 256;
    /// A tag, and a value of a condition.
    pub const TAG_MAX: usize = 32;
    /// All tags of one client together.
    pub const TAGS_MAX: usize = 512;
    /// The kind of a vendor token: `type` in the path, which Getui does not bound; names have a few
    /// letters.
    pub const TOKEN_KIND_MAX: usize = 32;
    /// `device_token`, which Getui does not bound; the longest vendor's have a few hundred, and a
    /// client's row must hold it.
    pub const DEVICE_TOKEN_MAX: usize = 1024;
    /// Longest life of a stored message in ms: three days.
    pub const TTL_MS_MAX: i64 = 259_200_000;
    /// Life of a stored message in ms when the request says nothing: two hours.
    pub const TTL_MS_DEFAULT: i64 = 7_200_000;
    /// How far away `schedule_time` may be in ms: seven days.
    pub const SCHEDULE_MS_MAX: u64 = 7 * 24 * 3600 * 1000;
    /// `custom_callback`, whose length Getui does not document: a receipt carries it each time.
    pub const CUSTOM_CALLBACK_MAX: usize = 1024;
    /// `activate_filter_day`: its place in a stored row is one byte.
    pub const ACTIVITY_DAYS_MAX: i64 = 255;
    /// Channels of one `strategy`; Getui has about twenty.
    pub const STRATEGY_CHANNELS_MAX: usize = 64;
    /// Tags of one item of `cid_by_tag`: as many as a device may have.
    pub const TAGS_PER_CID_MAX: usize = 100;
    /// Shortest window of `duration` in ms, exclusive: ten minutes.
    pub const DURATION_SPAN_MS_MIN: u64 = 600_000;
}
/// How long the secrets of before a rotation are honoured if the operator says nothing: a day is
/// enough to roll a new secret out, and is how long a token lives.
pub const ROTATION_GRACE_S: u64 = 24 * 3600;

/// The longest grace that can be asked for: 30 days. Over: 20001.
pub const ROTATION_GRACE_S_MAX: i64 = 30 * 24 * 3600;

// --- webhook ---

/// Bytes of the body of one delivery, unless one receipt alone is longer: 500 receipts without `custom_callback` take half.
/// When full: the rest is the next delivery.
pub const WEBHOOK_BODY_LEN_MAX: usize = 512 * 1024;

/// Deliveries under way at one time, over all apps. Only these hold receipts: at most 500 and a body each.
/// When full: other apps wait for one that ends, which takes `webhooks.timeout_s` at most.
pub const WEBHOOK_CALLS_MAX: usize = 128;

/// Names that are looked up at one time; each takes a thread until the system gives up on it.
/// When full: the next look-up waits, and its try may fail for that.
pub const WEBHOOK_LOOKUPS_MAX: usize = 16;

/// Addresses of one name that are tried. When over: the rest is not looked at.
pub const WEBHOOK_ADDRESSES_MAX: usize = 8;

/// Bytes read of an answer, of which only the status counts. When over: the connection is closed.
pub const WEBHOOK_ANSWER_LEN_MAX: usize = 64 * 1024;

/// Bytes of the head of an answer. When over: the try failed.
pub const WEBHOOK_HEAD_LEN_MAX: usize = 16 * 1024;

/// How long name, connection and TLS may take of the time of a try.
pub const WEBHOOK_CONNECT_WAIT: std::time::Duration = std::time::Duration::from_secs(5);

/// Tries of a delivery in Getui's form, as Getui documents. When over: its receipts are dropped.
pub const WEBHOOK_GETUI_TRIES_MAX: u32 = 3;

/// Longest pause between tries in Getui's form: what waits behind them is dropped no later for waiting longer.
pub const WEBHOOK_GETUI_PAUSE_MAX: std::time::Duration = std::time::Duration::from_secs(10);

/// Tasks whose `custom_callback` a sender remembers from one delivery to the next. When over: all are forgotten.
pub const WEBHOOK_TASKS_KNOWN_MAX: usize = 64;

/// How often a sender looks for receipts while there are any, and at least how often it does when there are none.
pub const WEBHOOK_LOOK_MIN: std::time::Duration = std::time::Duration::from_millis(100);

/// See [`WEBHOOK_LOOK_MIN`]; each look that finds nothing doubles the pause up to here.
pub const WEBHOOK_LOOK_MAX: std::time::Duration = std::time::Duration::from_secs(2);

/// Apps whose lag is a metric. When over: that of further apps is not shown.
pub const WEBHOOK_LAGS_SHOWN_MAX: usize = 100;

// --- store ---

/// Ops of one commit. One flush carries 100,000 records a second at this size; a longer batch
/// only makes its first op wait. Full: the rest is the next batch.
pub const BATCH_OPS_MAX: usize = 2048;

/// Bytes of one commit. Full: the rest is the next batch.
pub const BATCH_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Events that one shard may be behind the committer. Full: the committer waits for the shard,
/// and its own ring then answers "busy".
pub const COMMITTED_RING: usize = 8192;

/// Threads that read for shards.
pub const READERS: usize = 2;

/// MiB of memory that the store takes if the operator says nothing: 64 for rows, 64 of changes.
pub const STORE_MEMORY_MIB_DEFAULT: u64 = 256;

/// Least MiB of memory for the store: with less every few commits write tables. Under: the setting
/// is refused.
pub const STORE_MEMORY_MIB_MIN: u64 = 32;

/// Most MiB of memory for the store, more than any machine has. Over: the setting is refused.
pub const STORE_MEMORY_MIB_MAX: u64 = 16 * 1024 * 1024;

/// Most bytes of changes that gather in memory, however much the operator gives: they are in the
/// journal too, which a start reads. Full: the largest memtables are written as tables.
pub const UNWRITTEN_BYTES_MAX: u64 = 128 * 1024 * 1024;

/// Tables that wait to be written. Full: no more are made until the memory for changes is full, too; then the committer
/// waits for them, and its own ring answers "busy".
pub const FLUSHES_WAITING_MAX: usize = 4;

/// Bytes that the process takes without devices, requests and store: the program, its threads, and what
/// the allocator keeps of them. Bounds nothing; a sum of bounds begins with it.
pub const PROCESS_BYTES: u64 = 64 * 1024 * 1024;

/// Bytes that a connection of a device takes at most while it logs in or is sent to; idle, less than
/// half of it.
pub const CONNECTION_BYTES: u64 = 16 * 1024;

/// Bytes that a registered device takes in the memory of its shard, without its tags: resident after a start with a
/// million of them (docs/performance.md, P17).
pub const DEVICE_BYTES: u64 = 193;

/// Which part of a disk stays free: tables are written anew while the old ones are still there.
/// Less: what makes the store grow is refused as busy, until there is room.
pub const DISK_KEPT_PART: u64 = 20;

/// Most bytes of a disk that stay free: the largest merge of tables takes less.
pub const DISK_KEPT_BYTES_MAX: u64 = 1024 * 1024 * 1024;

/// Bytes that are committed before the committer looks at what has gathered.
pub const UNWRITTEN_LOOK_BYTES: u64 = 1024 * 1024;

/// Bytes of one keyspace that gather in memory before they are written as a table; measured with
/// two workers: commits of 6 ms at p99 where 32 MiB and one worker gave 64 ms.
pub const MEMTABLE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Bytes of journal kept beside the newest. They are replayed at a start: about 10 ms a MiB.
/// Full: the store writes out what the oldest is kept for.
pub const JOURNAL_BYTES_MAX: u64 = 128 * 1024 * 1024;

/// Files that the store has open at one time where the file limit is large; a few a day of kept
/// history and some for each level of its tables. Full: the store closes one that it used long ago.
pub const STORE_FILES_MAX: usize = 1024;

/// Files of these that are no tables at rest: journals, and tables that are being written.
pub const STORE_FILES_WRITTEN: usize = 16;

/// Tables of a keyspace that are left as they are, however small. More: they are merged.
pub const SMALL_TABLES_MAX: usize = 32;

/// Bytes of a table, on the average of its keyspace, from which it is large enough not to be merged:
/// a thousand times of what it takes in memory.
pub const TABLE_BYTES_MIN: u64 = 4 * 1024 * 1024;

/// Bytes of a keyspace that are merged at once: they are on the disk twice meanwhile, for a second or two. A
/// larger one is left as it is.
pub const MERGED_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Threads of the store for flushing and compaction.
pub const STORE_WORKERS: usize = 2;

/// How much less of a core these get than others who want it, as of `nice`: a third.
pub const STORE_WORKERS_NICE: i32 = 5;

// --- net and shard loop ---

/// Connections that the kernel may complete before they are accepted. A reconnect storm of 10,000
/// a second is 0.4 s of it. Full: the kernel drops the SYN and the device tries again after 1 s.
pub const DEVICE_BACKLOG: i32 = 4096;

/// Bytes read from a device's socket at once, into the scratch buffer of its shard: the
/// longest TLS record and its header.
pub const READ_LEN: usize = 16 * 1024 + 256;

/// After how long glommio looks at its rings at the latest. A shard that works looks by itself, much sooner
/// (`server/src/shard_loop/interrupt.rs`). When this passes before the first task of a turn has run, glommio parks over
/// what could run (`server/src/shard_loop/night_watch.rs`): so it is longer than a thread usually waits for its core.
pub const TURN_MAX: std::time::Duration = std::time::Duration::from_millis(100);

/// Frames of one device before others on its core may run.
pub const FRAMES_PER_TURN: usize = 64;

/// How long a device may take nothing of what it is sent, unless `devices.send_timeout_s` says
/// otherwise: two spells of a bad mobile network.
/// Over: the connection is given up; what was unacknowledged waits for its next login.
pub const SEND_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(60);

/// How long a closing connection is read, so that the peer sees the reason before a reset.
pub const LINGER: std::time::Duration = std::time::Duration::from_secs(2);

/// Bytes that may wait for one device beyond what its socket takes: a window of pushes, one push
/// that may always go, and as much again for answers. Full: nothing is read from it until it takes
/// some, so that it cannot ask for more answers; silence then ends it as it ends any other.
pub const UNSENT_LEN_MAX: usize = 512 * 1024;

/// Reads of a closing connection before others on its core may run.
pub const LINGER_READS_PER_TURN: usize = 8;

/// Logins of a shard that have begun and were not answered: those in their handshake, 5 to 10 KB
/// each. A core at its full rate has some hundred; the others are for peers that go on slowly or not
/// at all.
/// Full: those that were accepted wait in line until one of them is done, which takes
/// `hello_timeout` at most.
pub const GREETINGS_MAX: usize = 4096;

/// Connections of a shard that were accepted and wait in line for their handshake, 2 KiB each
/// without TLS. Half of `hello_timeout` at what a core logs in comes to less.
/// Full: as when the wait would be too long, the next is turned away.
pub const LOGINS_WAITING_MAX: usize = 16 * 1024;

/// Connections of a shard that are being turned away: as much as one in its handshake.
/// Full: accepting pauses; the kernel's backlog waits, behind it the kernel drops the SYN.
pub const LOGINS_TURNED_AWAY_MAX: usize = 512;

/// Steps of logins in one turn of a shard, such as a handshake that is computed: 0.1 to 0.2 ms each.
/// Then pushes, acks and heartbeats of those that are in have their turn.
/// Full: the next step waits for the next turn.
pub const LOGIN_STEPS_PER_TURN: usize = 8;

/// Connections accepted in one turn of a shard, 20 µs each: more than are logged in, so that who
/// waits does it in line, where it can be seen, and not in the kernel.
/// Full: the next is accepted in the next turn.
pub const ACCEPTS_PER_TURN: usize = 16;

/// Logins a second that a shard is taken to be good for until a line has shown it.
pub const LOGINS_PER_S_AT_FIRST: u32 = 1000;

/// How long logins are counted for one look at how fast they go.
pub const LOGINS_PER_S_SPELL: std::time::Duration = std::time::Duration::from_millis(250);

/// Shortest wait that a device is told that was turned away: the first back-off of the SDK.
pub const RETRY_AFTER_MIN: std::time::Duration = std::time::Duration::from_secs(1);

/// Longest wait of these: the longest back-off of the SDK. When over: a wait between half of
/// it and all of it.
pub const RETRY_AFTER_MAX: std::time::Duration = std::time::Duration::from_secs(120);

/// How long a connection that is turned away may take to its TLS hello. When over: it is cut.
pub const TURNED_AWAY_WAIT: std::time::Duration = std::time::Duration::from_secs(2);

/// How long accepting pauses while as many are turned away as can be: one of them is done by then.
pub const TURNED_AWAY_PAUSE: std::time::Duration = std::time::Duration::from_millis(10);

/// Fewest descriptors of the process that devices never take, for the store and for third parties.
/// Full: accepting of devices pauses until a connection ends.
pub const DESCRIPTORS_RESERVED_MIN: usize = 128;

/// Most descriptors kept from devices: all connections of the ingress, and the files of the store.
pub const DESCRIPTORS_RESERVED_MAX: usize = HTTP_CONNECTIONS_MAX + STORE_FILES_MAX;

/// Descriptors that a server has open before anybody comes, without those of its shards.
pub const DESCRIPTORS_OWN: usize = 24;

/// Descriptors of a shard: its rings, events, interrupt and listener.
pub const DESCRIPTORS_PER_SHARD: usize = 10;

/// How long offences of one kind are counted before a line of the log says how many there were.
pub const OFFENCE_SPELL: std::time::Duration = std::time::Duration::from_secs(60);

/// How long accepting pauses when there is no room for another connection.
pub const ACCEPT_PAUSE: std::time::Duration = std::time::Duration::from_millis(200);

/// Connections on their way from one shard to another. Full: the device is told to come again, as
/// one for which the line is too long.
pub const PARCEL_RING: usize = 1024;

/// Questions of the ingress to one shard that wait. Full: "busy".
pub const QUESTION_RING: usize = 8192;

/// Answers of one shard to the ingress that wait; more wait in the shard.
pub const ANSWER_RING: usize = 8192;

/// How long whoever asked for a reload waits until all shards go by it: a turn of a shard takes milliseconds, and callers
/// give up after 30 s. Over: the answer says how many do not yet.
pub const TERMS_WAIT: std::time::Duration = std::time::Duration::from_secs(10);

/// How often a running server looks whether the leaf under its own authority nears its end, which it does 98 days before,
/// and whether a new key of tickets is due.
pub const KEYS_LOOKED_AT_EVERY: std::time::Duration = std::time::Duration::from_secs(6 * 3600);

/// How long a key seals tickets of TLS, in seconds; then another one is made at the next look.
pub const TICKET_KEY_SEALS_S: u64 = 12 * 3600;

/// How long it opens them. Whoever has a key can be taken for the server by devices that resume, so it ends soon; a device
/// that comes later makes a full handshake.
pub const TICKET_KEY_OPENS_S: u64 = 36 * 3600;

/// Bytes of a ticket: ours have some 200. When over: it is not looked at, and the handshake is a full one.
pub const TICKET_LEN_MAX: usize = 2048;

/// Bytes of a PROXY header, its 16 first included: what fits into one segment of the smallest network, as its authors
/// say. When over: the connection is cut.
pub const PROXY_HEADER_LEN_MAX: usize = 536;

const _: () = assert!(IMPORT_LINES_PER_CALL <= DEVICES_PER_CALL_MAX);
const _: () = assert!(IMPORT_CALL_LEN_MAX + IMPORT_LINE_LEN_MAX < HTTP_BODY_LEN_MAX);
// A ticket of the last moment before a look is good for as long as it says.
const _: () =
    assert!(TICKET_KEY_OPENS_S >= 2 * TICKET_KEY_SEALS_S + KEYS_LOOKED_AT_EVERY.as_secs());
const _: () = assert!(LOGINS_WAITING_MAX >= DEVICE_BACKLOG as usize);
const _: () = assert!(
    UNSENT_LEN_MAX
        >= server_core::limits::WINDOW_BYTES_MAX + protocol::limits::BODY_LEN_MAX_TO_DEVICE
);
