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

mod acks;
mod backoff;
mod commands;
mod config;
mod dedupe;
mod event;
mod heartbeat;
mod inbound;
mod jitter;
mod learner;
mod learnt_heartbeat;
mod networks;
mod parting;
#[cfg(test)]
mod script;

use std::collections::VecDeque;

use bytes::BytesMut;
use protocol::{
    ClientId, Close, CloseReason, Decoder, Frame, Hello, Identity, MessageId, Peer, VERSION_MINOR,
};

pub use self::backoff::BackoffBounds;
pub use self::commands::COMMANDS_WAITING_MAX;
pub use self::config::{AckMode, Config, WELCOME_WAIT_MS};
pub use self::event::{CommandError, EndReason, Event};
pub use self::networks::{
    LearntError, LearntHeartbeats, NETWORK_NAME_LEN_MAX, NETWORKS_MAX, NetworkNameError,
};

use self::acks::Acks;
use self::backoff::Backoff;
use self::dedupe::Dedupe;
use self::heartbeat::Heartbeat;
use self::jitter::Jitter;
use self::learner::Learner;

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
    hang_up: bool,
}

impl Client {
    /// A client that wants to connect at once.
    pub fn new(mut config: Config, now_ms: u64) -> Self {
        let learner = config.learnt.take().map(Learner::new);
        Self {
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
            hang_up: false,
            config,
        }
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
            Link::Online(heartbeat) => Some(heartbeat.deadline_ms()),
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
    }

    /// The connection was lost, or could not be made. Without effect when the link was given up
    /// before.
    pub fn disconnected(&mut self, now_ms: u64, why: &str) {
        match self.link {
            Link::Connecting | Link::Greeting { .. } | Link::Online(_) => {
                self.end_by_backoff(now_ms, EndReason::Transport(why.to_owned()));
            }
            Link::Leaving(next) => self.settle(next),
            Link::Waiting { .. } | Link::Stopped => {}
        }
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

    /// Ends this client in order: an online session sends its last acks and a normal close.
    pub fn close(&mut self, now_ms: u64) {
        match self.link {
            Link::Online(_) => {
                self.finish_session(EndReason::Own);
                self.link = Link::Leaving(Next::Stop);
            }
            Link::Greeting { .. } => {
                self.break_off(now_ms, CloseReason::Normal, EndReason::Own);
                self.link = Link::Stopped;
            }
            Link::Leaving(_) => self.link = Link::Leaving(Next::Stop),
            Link::Waiting { .. } | Link::Connecting | Link::Stopped => self.link = Link::Stopped,
        }
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

    /// Our own side found a fault: says so and leaves.
    fn break_off(&mut self, now_ms: u64, close: CloseReason, reason: EndReason) {
        self.end_by_backoff(now_ms, reason);
        close_frame(close).encode(&mut self.out);
    }

    fn end_by_backoff(&mut self, now_ms: u64, reason: EndReason) {
        self.learn_from_end(now_ms, &reason);
        if !self.is_online() {
            // The place a go-away named does not answer: back to the configured one.
            self.endpoint = None;
        }
        self.finish_session(reason);
        let next = self.retry_after(now_ms, 0);
        self.settle(next);
    }

    fn retry_after(&mut self, now_ms: u64, wait_ms: u64) -> Next {
        let delay_ms = self.backoff.delay_ms(&mut self.jitter);
        Next::ConnectAt(now_ms.saturating_add(wait_ms).saturating_add(delay_ms))
    }

    /// Tells the caller of the end; acks confirmed from here on have no session to leave in,
    /// unless the link becomes `Leaving`.
    fn finish_session(&mut self, reason: EndReason) {
        for serial in std::mem::take(&mut self.waiting_serials) {
            self.events.push_back(Event::CommandLost { serial });
        }
        self.events.push_back(if self.is_online() {
            Event::Offline { reason }
        } else {
            Event::Refused { reason }
        });
    }

    fn settle(&mut self, next: Next) {
        self.acks.clear();
        self.hang_up = true;
        self.link = match next {
            Next::ConnectAt(connect_at_ms) => Link::Waiting { connect_at_ms },
            Next::Stop => Link::Stopped,
        };
    }
}

fn close_frame(reason: CloseReason) -> Frame {
    Frame::Close(Close {
        reason,
        retry_after_ms: 0,
        text: String::new(),
    })
}
