//! The SDK of one device as a state machine: bytes, time and commands go in, bytes and events come
//! out. No socket, no clock, no task.
//!
//! Owner: whoever drives the connection. Always: time only grows; a push is acked only after the
//! caller confirmed it by [`Client::handled`]; nothing is sent before the hello or after a close.
//!
//! The order of one turn, for every input (`connected`, `bytes_received`, `timer`, ...):
//! 1. drain [`Client::next_event`]; store each push and confirm it by [`Client::handled`];
//! 2. send what [`Client::take_output`] gives (acks of all confirmed pushes share frames);
//! 3. if [`Client::wants_hang_up`], drop the connection;
//! 4. wait for bytes, or for [`Client::next_deadline_ms`], then call [`Client::timer`].
//!
//! Without a connection: wait for [`Client::connect_at_ms`], call [`Client::begin_connect`], then
//! `connected` or `disconnected`.
//!
//! [`crate::blocking_device`] and [`crate::fleet`] are two such drivers. To write another, here is
//! all there is to it. First, once per installation, who the device is:
//!
//! ```
//! use sdk_sim::client::{Config, DeviceSecret, InstallId};
//!
//! let (mut install, mut secret) = ([0; 16], [0; 32]);
//! getrandom::fill(&mut install)?;
//! getrandom::fill(&mut secret)?;
//! // Keep both now, where only the app can read them and no backup takes them along: a device
//! // whose first welcome is lost registers again with the same pair and gets the same client id.
//! let (install, secret) = (InstallId::from_bytes(install), DeviceSecret::from_bytes(secret));
//! let kept = format!("{install} {}", secret.to_hex());
//!
//! let mut config = Config::new("my-app-id", install, secret, getrandom::u64()?);
//! // At a later start, what `Event::Online` and `Client::last_handled` said in earlier runs:
//! config.identity = Some("00a1b2c3d4e5f60718293a4b5c6d7e8f".parse()?);
//! config.last_handled = "0000019a5b3c0007".parse()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Then the turns. The server here is a few lines that speak frames in memory; a driver has a
//! socket, and a clock in place of `now_ms`:
//!
//! ```
//! # use bytes::{Bytes, BytesMut};
//! # use protocol::{Decoder, Frame, Peer, Push, Welcome};
//! # let welcome = Frame::Welcome(Welcome {
//! #     minor: 0, registered: true, cid: ClientId::from_bytes([7; 16]), generation: 1, server_time_ms: 0,
//! #     heartbeat_s: 240, heartbeat_min_s: 10, heartbeat_max_s: 1800, window: 64,
//! # });
//! # let push = Frame::Push(Push { id: MessageId(5), sealed: false, body: Bytes::from_static(b"hi") });
//! # let mut from_server = BytesMut::new();
//! # welcome.encode(&mut from_server);
//! # push.encode(&mut from_server);
//! # let mut server = Decoder::new(Peer::Device);
//! use sdk_sim::client::{Client, ClientId, Config, DeviceSecret, Event, InstallId, MessageId};
//!
//! # let (install, secret) = (InstallId::from_bytes([1; 16]), DeviceSecret::from_bytes([2; 32]));
//! let mut now_ms = 0;
//! let mut client = Client::new(Config::new("my-app-id", install, secret, 1), now_ms);
//! let mut stored: Vec<(MessageId, Vec<u8>)> = Vec::new();
//!
//! assert_eq!(client.connect_at_ms(), Some(now_ms), "it is time to connect");
//! client.begin_connect();
//! // ... TCP and TLS ...
//! client.connected(now_ms);
//!
//! for received in [&[][..], &from_server] {
//!     // An input: here the bytes of one read, none in the first turn.
//!     client.bytes_received(now_ms, received);
//!     // 1. The events. A push is stored first, then confirmed.
//!     while let Some(event) = client.next_event() {
//!         match event {
//!             Event::Online { cid, registered: true, .. } => println!("to be kept: {cid}"),
//!             Event::Push { id, body, .. } => {
//!                 stored.push((id, body.to_vec()));
//!                 client.handled(id);
//!             }
//!             _ => {}
//!         }
//!     }
//!     if client.is_online() {
//!         // A command; its answer is an `Event::CommandResult` with this serial.
//!         let _serial = client.bind_alias("user", "alice")?;
//!     }
//!     // 2. What there is to send.
//!     if let Some(output) = client.take_output(now_ms) {
//!         # server.push(&output);
//!         // socket.write_all(&output)
//!     }
//!     // 3. The end of the connection, if it is to end.
//!     assert!(!client.wants_hang_up());
//!     // 4. The next input, or the next deadline.
//!     now_ms = client.next_deadline_ms().expect("a client that is connected has one");
//! }
//! assert_eq!(stored, [(MessageId(5), b"hi".to_vec())]);
//! assert_eq!(client.last_handled(), MessageId(5));
//! # let mut sent = Vec::new();
//! # while let Some(frame) = server.next_frame()? { sent.push(frame); }
//! # assert!(matches!(sent[..], [Frame::Hello(_), Frame::Command(_), Frame::Ack(_)]), "{sent:?}");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod acks;
mod backoff;
mod commands;
mod config;
mod dedupe;
mod ending;
mod event;
mod heartbeat;
mod inbound;
mod jitter;
mod learner;
mod learnt_heartbeat;
mod networks;
mod parting;
mod reports;
#[cfg(test)]
mod script;
mod silence;
mod upstreams;

use std::collections::VecDeque;

use bytes::BytesMut;
use protocol::{Decoder, Frame, Hello, Identity, Peer, VERSION_MINOR};

pub use protocol::{
    ClientId, CloseReason, DeviceInfo, DeviceSecret, FeedbackVerdict, GoAwayReason, InstallId,
    MessageId, NotificationSwitch, Platform, ResultCode, SilentTime, Upstream, UpstreamId,
    UpstreamStatus,
};

pub use self::backoff::BackoffBounds;
pub use self::commands::COMMANDS_WAITING_MAX;
pub use self::config::{AckMode, Config, WELCOME_WAIT_MS};
pub use self::event::{CommandError, EndReason, Event};
pub use self::networks::{
    LearntError, LearntHeartbeats, NETWORK_NAME_LEN_MAX, NETWORKS_MAX, NetworkNameError,
};

pub use self::reports::REPORTS_WAITING_MAX;
pub use self::upstreams::UPSTREAMS_WAITING_MAX;

use self::acks::Acks;
use self::backoff::Backoff;
use self::dedupe::Dedupe;
use self::ending::close_frame;
use self::heartbeat::Heartbeat;
use self::jitter::Jitter;
use self::learner::Learner;
use self::reports::Reports;
use self::silence::Silence;
use self::upstreams::Upstreams;

/// What the hello says this software is, at most 32 bytes.
const SDK_VERSION: &str = concat!("sim-", env!("CARGO_PKG_VERSION"));

/// What follows after the link at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    ConnectAt(u64),
    Stop,
}

#[derive(Debug, Clone)]
enum Link {
    Waiting {
        connect_at_ms: u64,
    },
    Connecting,
    Greeting {
        welcome_by_ms: u64,
    },
    Online(Heartbeat),
    /// Only the last acks and a close still leave.
    Leaving(Next),
    Stopped,
}

/// One device. See the module's text for the order of calls.
#[derive(Debug)]
pub struct Client {
    config: Config,
    identity: Option<ClientId>,
    dedupe: Dedupe,
    backoff: Backoff,
    jitter: Jitter,
    /// Boxed: most simulated devices learn nothing.
    learner: Option<Box<Learner>>,
    link: Link,
    endpoint: Option<String>,
    decoder: Decoder,
    acks: Acks,
    out: BytesMut,
    events: VecDeque<Event>,
    waiting_serials: Vec<u32>,
    next_serial: u32,
    reports: Reports,
    upstreams: Upstreams,
    silence: Silence,
    hang_up: bool,
}

impl Client {
    /// A client that wants to connect at once.
    pub fn new(mut config: Config, now_ms: u64) -> Self {
        let learner = config.learnt.take().map(Learner::new);
        let mut client = Self {
            identity: config.identity,
            dedupe: Dedupe::new(config.last_handled),
            backoff: Backoff::new(config.backoff),
            jitter: Jitter::new(config.seed),
            learner: learner.map(Box::new),
            link: Link::Waiting {
                connect_at_ms: now_ms,
            },
            endpoint: None,
            decoder: Decoder::new(Peer::Server),
            acks: Acks::default(),
            out: BytesMut::new(),
            events: VecDeque::new(),
            waiting_serials: Vec::new(),
            next_serial: 1,
            reports: Reports::default(),
            upstreams: Upstreams::default(),
            silence: Silence::new(config.silent, config.unix_offset_ms),
            hang_up: false,
            config,
        };
        client.link = Link::Waiting {
            connect_at_ms: client.awake_at(now_ms),
        };
        client
    }

    /// The client id, once the server has given one.
    pub fn identity(&self) -> Option<ClientId> {
        self.identity
    }

    /// The highest message id the caller has confirmed; what a restart must be given back.
    pub fn last_handled(&self) -> MessageId {
        self.dedupe.handled_up_to()
    }

    /// True between welcome and the end of the link.
    pub fn is_online(&self) -> bool {
        matches!(self.link, Link::Online(_))
    }

    /// How long this client lets the link be idle before it pings, in milliseconds; `None` when
    /// not online.
    pub fn heartbeat_ms(&self) -> Option<u64> {
        match &self.link {
            Link::Online(heartbeat) => Some(heartbeat.interval_ms()),
            _ => None,
        }
    }

    /// True when this client will never connect again by itself.
    pub fn is_stopped(&self) -> bool {
        matches!(self.link, Link::Stopped | Link::Leaving(Next::Stop))
    }

    /// When to connect, in the caller's milliseconds; `None` while connected, or stopped.
    pub fn connect_at_ms(&self) -> Option<u64> {
        match self.link {
            Link::Waiting { connect_at_ms } => Some(connect_at_ms),
            _ => None,
        }
    }

    /// Where a go-away sent this client: `HOST:PORT`. `None` = the configured server. Forgotten
    /// when an attempt to reach it fails.
    pub fn endpoint(&self) -> Option<&str> {
        self.endpoint.as_deref()
    }

    /// When [`Self::timer`] has to be called next.
    pub fn next_deadline_ms(&self) -> Option<u64> {
        match &self.link {
            Link::Waiting { connect_at_ms } => Some(*connect_at_ms),
            Link::Greeting { welcome_by_ms } => Some(*welcome_by_ms),
            Link::Online(heartbeat) => {
                let others = [
                    self.reports.deadline_ms(),
                    self.upstreams.deadline_ms(),
                    self.silence.begins_ms(heartbeat.last_sent_ms()),
                ];
                let others = others.into_iter().flatten();
                Some(others.fold(heartbeat.deadline_ms(), u64::min))
            }
            Link::Connecting | Link::Leaving(_) | Link::Stopped => None,
        }
    }

    /// The connection is of no more use: send the output that is left, then drop it.
    pub fn wants_hang_up(&self) -> bool {
        self.hang_up
    }

    /// The caller starts to connect.
    ///
    /// # Panics
    /// If the client is not waiting to connect.
    pub fn begin_connect(&mut self) {
        assert!(
            matches!(self.link, Link::Waiting { .. }),
            "connect only when connect_at_ms says so"
        );
        self.link = Link::Connecting;
    }

    /// The connection stands, TLS included: the hello leaves.
    ///
    /// # Panics
    /// If [`Self::begin_connect`] was not called before.
    pub fn connected(&mut self, now_ms: u64) {
        assert!(
            matches!(self.link, Link::Connecting),
            "begin_connect comes first"
        );
        self.hang_up = false;
        self.out.clear();
        self.decoder = Decoder::new(Peer::Server);
        self.dedupe.session_begins();
        Frame::Hello(self.hello(now_ms)).encode(&mut self.out);
        self.link = Link::Greeting {
            welcome_by_ms: now_ms.saturating_add(self.config.welcome_wait_ms),
        };
    }

    /// Bytes of the server, in any cut. Ignored once the link is given up.
    pub fn bytes_received(&mut self, now_ms: u64, bytes: &[u8]) {
        let held = match &mut self.link {
            Link::Greeting { .. } => false,
            Link::Online(heartbeat) => heartbeat.received(now_ms),
            _ => return,
        };
        self.decoder.push(bytes);
        while matches!(self.link, Link::Greeting { .. } | Link::Online(_)) {
            match self.decoder.next_frame() {
                Ok(Some(frame)) => self.on_frame(now_ms, frame),
                Ok(None) => break,
                Err(error) => {
                    let reason = error.close_reason();
                    self.break_off(now_ms, reason, EndReason::BadFrame(error));
                }
            }
        }
        if held {
            self.interval_held(now_ms);
        }
    }

    /// Time has passed.
    pub fn timer(&mut self, now_ms: u64) {
        match &mut self.link {
            Link::Greeting { welcome_by_ms } if now_ms >= *welcome_by_ms => {
                let waited_ms = self.config.welcome_wait_ms;
                self.end_by_backoff(now_ms, EndReason::NoWelcome { waited_ms });
            }
            Link::Online(heartbeat) if now_ms >= heartbeat.dead_at_ms() => {
                self.end_by_backoff(now_ms, EndReason::Silent);
            }
            Link::Online(heartbeat) if now_ms >= heartbeat.ping_at_ms() => {
                heartbeat.pinged(now_ms);
                Frame::Ping.encode(&mut self.out);
            }
            _ => {}
        }
        self.keep_silence(now_ms);
    }

    /// The next thing that happened.
    pub fn next_event(&mut self) -> Option<Event> {
        let event = self.events.pop_front();
        if self.events.is_empty() {
            // An idle device must not keep the queue of its busiest moment.
            self.events = VecDeque::new();
        }
        event
    }

    /// The caller has stored what the oldest unconfirmed push asked for: its ack may leave.
    ///
    /// # Panics
    /// If `id` is not the oldest unconfirmed push.
    pub fn handled(&mut self, id: MessageId) {
        if self.dedupe.confirm(id) {
            self.ack(id);
        }
    }

    /// The bytes to send now; `None` when there are none.
    pub fn take_output(&mut self, now_ms: u64) -> Option<BytesMut> {
        if self.is_online() {
            self.send_reports(now_ms);
            self.send_upstreams(now_ms);
        }
        if matches!(self.link, Link::Online(_) | Link::Leaving(_)) {
            self.acks.flush(&mut self.out);
        }
        if let Link::Leaving(next) = self.link {
            close_frame(CloseReason::Normal).encode(&mut self.out);
            self.settle(next);
        }
        if self.out.is_empty() {
            return None;
        }
        if let Link::Online(heartbeat) = &mut self.link {
            heartbeat.sent(now_ms);
        }
        Some(std::mem::take(&mut self.out))
    }

    fn hello(&mut self, now_ms: u64) -> Hello {
        let heartbeat_s = match &mut self.learner {
            Some(learner) => learner.wish_s(now_ms),
            None => self.config.heartbeat_s,
        };
        let (identity, id) = match self.identity {
            Some(cid) => (Identity::Login(cid), *cid.as_bytes()),
            None => (
                Identity::Register(self.config.install),
                *self.config.install.as_bytes(),
            ),
        };
        let resume = match (self.config.ack, self.identity) {
            (AckMode::Auto, Some(_)) => self.dedupe.handled_up_to(),
            _ => MessageId(0),
        };
        Hello {
            minor: VERSION_MINOR,
            app_id: self.config.app_id.clone(),
            identity,
            secret: self.config.secret.clone(),
            sign: self.config.sign(&id),
            resume,
            heartbeat_s,
            platform: self.config.platform,
            sdk_version: SDK_VERSION.to_owned(),
        }
    }

    fn ack(&mut self, id: MessageId) {
        let may_ack = matches!(self.link, Link::Online(_) | Link::Leaving(_));
        if may_ack && self.config.ack == AckMode::Auto {
            self.acks.add(id, &mut self.out);
        }
    }
}
