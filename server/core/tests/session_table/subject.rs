//! One session of a real shard, brought into a state, and what becomes of it.
//!
//! Always: the state is told from outside, by what the session answers, as its peer would tell it;
//! effects of other sessions, and the shard's own cursors and days, are left out.

use bytes::Bytes;
use protocol::{
    Ack, ClientId, Close, CloseReason, DeviceSecret, Frame, Hello, Identity as Who, InstallId,
    MessageId, Platform,
};
use schema::record::{App, Device as DeviceRow};
use server_core::clock::Now;
use server_core::command::Command;
use server_core::devices::{Device, Devices, hash_of};
use server_core::effect::Effect;
use server_core::event::ShardEvent;
use server_core::ids::{AppNo, SessionId, ShardNo, Ticket};
use server_core::limits::{COMMITS_IN_FLIGHT_MAX, COMMITS_RESERVED, QUEUE_LEN_MAX, WINDOW_LEN_MAX};
use server_core::op::{Committed, Done, Op, StoredMessage};
use server_core::placement::Slot;
use server_core::read::{Page, Read, ReadDone};
use server_core::rows::RowsError;
use server_core::shard::{Identity, Settings, Shard};

/// Two, so that a login can belong to the other one.
const SHARDS: u16 = 2;
const SECRET: [u8; 32] = [1; 32];
const START_MS: u64 = 1_760_000_000_000;

/// The session that is looked at, and the one that logs in as the same device.
pub(crate) const SUBJECT: SessionId = SessionId(1);
const RIVAL: SessionId = SessionId(2);
const STRANGER: SessionId = SessionId(3);

/// The device of the live session has acked this message,
pub(crate) const ACKED: u64 = 10;
/// was sent this one
pub(crate) const SENT: u64 = 20;
/// and was never sent this one.
pub(crate) const NOT_SENT: u64 = 1 << 40;

/// What a session can be in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum State {
    /// Its connection is about to come.
    New,
    Greeting,
    Registering,
    Live,
    /// Forgotten, while frames and answers for it may still be on their way.
    Closed,
}

/// A state, and whether a drain has begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) state: State,
    pub(crate) draining: bool,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let drain = if self.draining { "+drain" } else { "" };
        f.pad(&format!("{:?}{drain}", self.state))
    }
}

/// A CID in a slot of this shard or of the other one.
pub(crate) fn cid_at(shard: u16, byte: u8) -> ClientId {
    Slot::within(ShardNo(shard), SHARDS, 0).cid([byte; 16])
}

/// The CID of the device that is known here.
pub(crate) fn known() -> ClientId {
    cid_at(0, 0x11)
}

fn app(number: u32, app_id: &str) -> App {
    App {
        number,
        app_id: app_id.to_owned(),
        app_key: String::new(),
        app_secret: "app secret".to_owned(),
        master_secret: String::new(),
        name: app_id.to_owned(),
        created_ms: 0,
        disabled: app_id == "off",
        sign_required: app_id == "signed",
        previous: None,
        settings: Box::default(),
    }
}

/// The app of the subject.
pub(crate) fn demo() -> App {
    app(1, "demo")
}

/// A row as a registration leaves it.
pub(crate) fn row(install: u8) -> DeviceRow {
    DeviceRow {
        app: 1,
        install: [install; 16],
        secret_hash: hash_of(&DeviceSecret::from_bytes(SECRET)),
        created_ms: START_MS,
        platform: Platform::Android.number(),
        sdk_version: String::new(),
        push_off: false,
        blocked: false,
        notify_off: false,
    }
}

/// A hello without a fault.
pub(crate) fn hello(identity: Who) -> Hello {
    Hello {
        minor: 0,
        app_id: "demo".to_owned(),
        identity,
        secret: DeviceSecret::from_bytes(SECRET),
        sign: None,
        resume: MessageId::NONE,
        heartbeat_s: 0,
        platform: Platform::Android,
        sdk_version: String::new(),
    }
}

/// A registration without a fault.
pub(crate) fn registration() -> Hello {
    hello(Who::Register(InstallId::from_bytes([0x22; 16])))
}

/// A good-bye.
pub(crate) fn bye() -> Close {
    Close {
        reason: CloseReason::Normal,
        retry_after_ms: 0,
        text: String::new(),
    }
}

/// A message that rests in the store for an hour.
pub(crate) fn message(id: u64) -> StoredMessage {
    StoredMessage {
        group: server_core::group::GroupNo::NONE,
        id: MessageId(id),
        expires_ms: START_MS + 3_600_000,
        kept: true,
        sealed: false,
        body: Bytes::from_static(b"x"),
    }
}

/// Such a message for the known device, just durable.
pub(crate) fn stored(id: u64) -> Committed {
    Committed::Stored {
        cid: known(),
        message: message(id),
    }
}

/// See the module page.
pub(crate) struct Subject {
    shard: Shard,
    now: Now,
    seen: Vec<String>,
}

impl Subject {
    /// A session in this place, with nothing seen yet.
    pub(crate) fn at(place: Place) -> Subject {
        let mut devices = Devices::default();
        devices.put(known(), Device::new(&row(0x11), Some(MessageId::NONE)));
        let identity = Identity {
            me: ShardNo(0),
            shards: SHARDS,
            epoch: 1,
            seed: [7; 32],
        };
        let now = Now {
            wall_ms: START_MS,
            mono_ms: 0,
        };
        let apps = vec![demo(), app(2, "off"), app(3, "signed"), app(4, "other")];
        let mut subject = Subject {
            shard: Shard::new(identity, Settings::default(), apps, devices, now),
            now,
            seen: Vec::new(),
        };
        subject.feed(ShardEvent::Tick);
        subject.enter(place.state);
        if place.draining {
            subject.feed(drain());
            if place.state == State::Live {
                subject.feed(ShardEvent::Tick);
            }
        }
        subject.seen.clear();
        subject
    }

    fn enter(&mut self, state: State) {
        if state == State::New {
            return;
        }
        self.feed(ShardEvent::Opened(SUBJECT));
        match state {
            State::New | State::Greeting => {}
            State::Registering => self.frame(Frame::Hello(registration())),
            State::Live => {
                self.frame(Frame::Hello(hello(Who::Login(known()))));
                self.commits(stored(ACKED));
                self.acks(&[ACKED]);
                self.commits(stored(SENT));
            }
            State::Closed => {
                // Gone while the disk works on its registration: an answer is still to come.
                self.frame(Frame::Hello(registration()));
                self.closes();
            }
        }
    }

    fn feed(&mut self, event: ShardEvent) {
        let mut effects = Vec::new();
        self.shard.on_event(self.now, event, &mut effects);
        self.shard.check_invariants();
        self.seen.extend(effects.iter().filter_map(words));
    }

    /// What it did since it came into its place, and where it is now. The end: it is asked in ways
    /// that may close it.
    pub(crate) fn outcome(mut self) -> (Vec<String>, Place) {
        let seen = std::mem::take(&mut self.seen);
        let state = self.state();
        self.feed(ShardEvent::Opened(STRANGER));
        let draining = !self.shard.has_session(STRANGER);
        (seen, Place { state, draining })
    }

    fn state(&mut self) -> State {
        if !self.shard.has_session(SUBJECT) {
            return State::Closed;
        }
        self.frame(Frame::Ping);
        if !self.shard.has_session(SUBJECT) {
            return State::Greeting;
        }
        self.frame(Frame::Pong);
        if self.shard.has_session(SUBJECT) {
            State::Live
        } else {
            State::Registering
        }
    }

    // What can happen to it.

    pub(crate) fn opens(&mut self) {
        self.feed(ShardEvent::Opened(SUBJECT));
    }

    pub(crate) fn is_handed_over(&mut self, hello: Hello) {
        self.feed(ShardEvent::Adopted(SUBJECT, Box::new(hello)));
    }

    pub(crate) fn frame(&mut self, frame: Frame) {
        self.feed(ShardEvent::Frame(SUBJECT, frame));
    }

    pub(crate) fn acks(&mut self, ids: &[u64]) {
        let ids = ids.iter().copied().map(MessageId).collect();
        self.frame(Frame::Ack(Ack { ids }));
    }

    pub(crate) fn sends_garbage(&mut self, error: protocol::FrameError) {
        self.feed(ShardEvent::Malformed(SUBJECT, error));
    }

    pub(crate) fn closes(&mut self) {
        self.feed(ShardEvent::Closed(SUBJECT));
    }

    pub(crate) fn commits(&mut self, committed: Committed) {
        self.feed(ShardEvent::Committed(committed));
    }

    pub(crate) fn done(&mut self, done: Done) {
        self.commits(Committed::Done(done));
    }

    /// Its registration ends, here or elsewhere, as a new device or as a known one.
    pub(crate) fn is_registered(&mut self, cid: ClientId, new: Option<DeviceRow>) {
        self.done(Done::Registered {
            session: SUBJECT,
            cid,
            new,
        });
    }

    pub(crate) fn read(&mut self, page: Result<Page, RowsError>) {
        self.feed(ShardEvent::Read(ReadDone::Backlog {
            session: SUBJECT,
            page,
        }));
    }

    /// More was stored than memory holds for it, it acked all that memory held and waits for a page.
    /// Returns the first message that has to be on the page.
    pub(crate) fn falls_behind(&mut self) -> u64 {
        // The window holds SENT and those below, the queue the others below the last.
        let queued = SENT + u64::from(WINDOW_LEN_MAX);
        let last = queued + QUEUE_LEN_MAX as u64;
        for id in SENT + 1..=last {
            self.commits(stored(id));
        }
        self.acks(&(SENT..queued).collect::<Vec<u64>>());
        let reads = self
            .seen
            .last()
            .is_some_and(|seen| seen == "read the backlog");
        assert!(reads, "it did not fall behind: {:?}", self.seen);
        self.acks(&(queued..last).collect::<Vec<u64>>());
        self.seen.clear();
        last
    }

    /// Third parties keep the ring to the committer full.
    pub(crate) fn finds_the_store_busy(&mut self) {
        for n in 0..(COMMITS_IN_FLIGHT_MAX - COMMITS_RESERVED) as u64 {
            let command = Command::BindAliases {
                app: AppNo(1),
                alias_type: "".into(),
                bindings: Vec::new(),
            };
            self.feed(ShardEvent::Command(Ticket(n), command));
        }
        self.seen.clear();
    }

    pub(crate) fn is_rivalled(&mut self) {
        self.feed(ShardEvent::Opened(RIVAL));
        let hello = hello(Who::Login(known()));
        self.feed(ShardEvent::Frame(RIVAL, Frame::Hello(hello)));
    }

    /// Nothing is heard for so long, in steps of a second.
    pub(crate) fn is_silent_for_s(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.now.mono_ms += 1_000;
            self.now.wall_ms += 1_000;
            self.feed(ShardEvent::Tick);
        }
    }

    pub(crate) fn is_drained(&mut self) {
        self.feed(drain());
        self.feed(ShardEvent::Tick);
    }

    pub(crate) fn ticks(&mut self) {
        self.feed(ShardEvent::Tick);
    }

    pub(crate) fn is_finished(&mut self) {
        self.feed(ShardEvent::Finish);
    }
}

/// What an effect is to the subject's peer or to the store; `None` if it does not concern it.
fn words(effect: &Effect) -> Option<String> {
    match effect {
        Effect::Send(SUBJECT, Frame::CommandResult(result)) => {
            Some(format!("send CommandResult {}", result.code))
        }
        Effect::Send(SUBJECT, frame) => Some(format!("send {}", frame.kind())),
        Effect::Close(SUBJECT, close) => {
            let wait = match close.retry_after_ms {
                0 => String::new(),
                u32::MAX => " (never again)".to_owned(),
                ms => format!(" (not within {} s)", ms / 1_000),
            };
            Some(format!("send Close {}{wait}", close.reason))
        }
        Effect::HandOff { session, to, .. } if *session == SUBJECT => {
            Some(format!("hand over to shard {}", to.0))
        }
        Effect::Commit(Op::Register { session, .. }) if *session == SUBJECT => {
            Some("commit the registration".to_owned())
        }
        Effect::Commit(
            Op::BindAliases { .. } | Op::UnbindAliases { .. } | Op::DropAlias { .. },
        ) => Some("commit the change of aliases".to_owned()),
        Effect::Read(Read::Backlog { session, .. }) if *session == SUBJECT => {
            Some("read the backlog".to_owned())
        }
        Effect::Send(..)
        | Effect::Close(..)
        | Effect::HandOff { .. }
        | Effect::Commit(_)
        | Effect::Read(_)
        | Effect::Answer(..)
        | Effect::App(_)
        | Effect::AppGone(_) => None,
    }
}

fn drain() -> ShardEvent {
    ShardEvent::Drain {
        jitter_ms: 1_000,
        endpoint: String::new(),
    }
}
