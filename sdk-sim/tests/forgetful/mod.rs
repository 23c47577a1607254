//! A network that forgets idle connections, and a server behind it, in virtual time.
//!
//! Owner: the tests of the learnt heartbeat. Always: what crosses a forgotten connection vanishes,
//! in both directions, and nobody is told; the server keeps to docs/protocol.md 4.4.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use protocol::{
    ClientId, Close, CloseReason, Decoder, DeviceSecret, Frame, InstallId, MessageId, Peer, Push,
    Welcome,
};
use sdk_sim::client::{Client, Config, EndReason, Event, LearntHeartbeats};

/// What the server of `ringpost serve` grants by default.
pub(crate) const MIN_S: u16 = 10;
pub(crate) const MAX_S: u16 = 1_800;
pub(crate) const CHOICE_S: u16 = 240;

pub(crate) const HOUR_MS: u64 = 3_600_000;

/// One way through the network, in milliseconds: no two trips take the same time.
const TRIP_MS: std::ops::Range<u64> = 50..250;

/// Bytes on their way.
struct Flight {
    at_ms: u64,
    to_server: bool,
    bytes: Vec<u8>,
}

/// The server's end of a connection.
struct Session {
    decoder: Decoder,
    granted_ms: Option<u64>,
    heard_ms: u64,
}

/// How one session of the client ended.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Ending {
    pub(crate) at_ms: u64,
    pub(crate) reason: EndReason,
    /// When the connection had been forgotten, if it was.
    pub(crate) dead_ms: Option<u64>,
}

pub(crate) struct Network {
    pub(crate) client: Client,
    pub(crate) now_ms: u64,
    /// Idle time after which a connection is forgotten.
    pub(crate) drop_ms: u64,
    /// Most that the server grants, whatever it says.
    pub(crate) grant_max_s: u16,
    /// Pushes come this far apart, if at all.
    pub(crate) push_every_ms: Option<u64>,
    session: Option<Session>,
    flights: VecDeque<Flight>,
    /// When a byte of this connection last went through, either way.
    used_ms: u64,
    dead_ms: Option<u64>,
    next_push: (u64, u64),
    /// Online time, and the same weighted with the client's own interval.
    pub(crate) online_ms: u64,
    interval_sum: u128,
    pub(crate) logins: u64,
    pub(crate) wishes: Vec<u16>,
    pub(crate) endings: Vec<Ending>,
}

pub(crate) fn config(learnt: Option<LearntHeartbeats>) -> Config {
    let mut config = Config::new(
        "app",
        InstallId::from_bytes([1; 16]),
        DeviceSecret::from_bytes([2; 32]),
        7,
    );
    config.learnt = learnt;
    config
}

impl Network {
    /// A device that learns, on a network that forgets connections idle for longer than `drop_s`.
    pub(crate) fn forgetting_after(drop_s: u64) -> Network {
        Self::of(config(Some(LearntHeartbeats::default())), drop_s)
    }

    pub(crate) fn of(config: Config, drop_s: u64) -> Network {
        Network {
            client: Client::new(config, 0),
            now_ms: 0,
            drop_ms: drop_s * 1_000,
            grant_max_s: MAX_S,
            push_every_ms: None,
            session: None,
            flights: VecDeque::new(),
            used_ms: 0,
            dead_ms: None,
            next_push: (0, 1),
            online_ms: 0,
            interval_sum: 0,
            logins: 0,
            wishes: Vec::new(),
            endings: Vec::new(),
        }
    }

    /// Lets this much time pass.
    pub(crate) fn pass(&mut self, span_ms: u64) {
        let until_ms = self.now_ms + span_ms;
        while let Some(at_ms) = self.next_ms().filter(|at_ms| *at_ms <= until_ms) {
            self.advance(at_ms);
            self.step();
        }
        self.advance(until_ms);
    }

    /// Cuts the connection without a word and returns how long the client takes to notice.
    pub(crate) fn cut(&mut self) -> u64 {
        let (cut_ms, endings) = (self.now_ms, self.endings.len());
        self.dead_ms = Some(cut_ms);
        while self.endings.len() == endings {
            let at_ms = self.next_ms().expect("a client online has a deadline");
            self.advance(at_ms);
            self.step();
        }
        self.now_ms - cut_ms
    }

    /// Mean of the client's own interval while online, in seconds.
    pub(crate) fn mean_interval_s(&self) -> f64 {
        self.interval_sum as f64 / self.online_ms as f64 / 1_000.0
    }

    /// Sessions that ended because the network forgot them.
    pub(crate) fn losses(&self) -> usize {
        let silent = |ending: &&Ending| ending.reason == EndReason::Silent;
        self.endings.iter().filter(silent).count()
    }

    /// Forgets what was counted, not what was learnt.
    pub(crate) fn count_anew(&mut self) {
        (self.online_ms, self.interval_sum) = (0, 0);
        self.logins = 0;
        self.wishes.clear();
        self.endings.clear();
    }

    /// The server closes as one that heard nothing for too long.
    pub(crate) fn say_heartbeat_timeout(&mut self) {
        let mut bytes = BytesMut::new();
        Frame::Close(Close {
            reason: CloseReason::HeartbeatTimeout,
            retry_after_ms: 0,
            text: String::new(),
        })
        .encode(&mut bytes);
        self.travel(false, &bytes);
        self.session = None;
    }

    /// Another network: the old connection is gone, and the device is told so.
    pub(crate) fn move_to(&mut self, name: &str, drop_s: u64) {
        self.drop_ms = drop_s * 1_000;
        self.client.set_network(name).expect("a name");
        self.client.disconnected(self.now_ms, "another network");
        self.hear();
        self.session = None;
        self.flights.clear();
    }

    fn advance(&mut self, at_ms: u64) {
        let passed_ms = at_ms.saturating_sub(self.now_ms);
        if let Some(interval_ms) = self.client.heartbeat_ms() {
            self.online_ms += passed_ms;
            self.interval_sum += u128::from(passed_ms) * u128::from(interval_ms);
        }
        self.now_ms = self.now_ms.max(at_ms);
    }

    fn next_ms(&self) -> Option<u64> {
        let lands_ms = self.flights.front().map(|flight| flight.at_ms);
        let timeout_ms = self
            .session
            .as_ref()
            .and_then(|session| Some(session.heard_ms + session.granted_ms? * 3 / 2));
        let push_ms = self.push_every_ms.map(|_| self.next_push.0);
        [
            self.client.next_deadline_ms(),
            lands_ms,
            timeout_ms,
            push_ms,
        ]
        .into_iter()
        .flatten()
        .min()
        .map(|at_ms| at_ms.max(self.now_ms))
    }

    fn step(&mut self) {
        if let Some(flight) = self
            .flights
            .pop_front_if(|flight| flight.at_ms <= self.now_ms)
        {
            if flight.to_server {
                self.serve(&flight.bytes);
            } else {
                self.client.bytes_received(self.now_ms, &flight.bytes);
            }
        } else if self
            .client
            .connect_at_ms()
            .is_some_and(|at_ms| at_ms <= self.now_ms)
        {
            self.connect();
        } else {
            self.server_timer();
            self.client.timer(self.now_ms);
        }
        self.hear();
        if let Some(bytes) = self.client.take_output(self.now_ms) {
            self.travel(true, &bytes);
        }
        if self.client.wants_hang_up() && self.dead_ms.is_none() {
            // An end in order reaches the server; what still flies is of no use to anybody.
            self.session = None;
            self.flights.clear();
        }
    }

    fn connect(&mut self) {
        self.flights.clear();
        (self.used_ms, self.dead_ms) = (self.now_ms, None);
        self.session = Some(Session {
            decoder: Decoder::new(Peer::Device),
            granted_ms: None,
            heard_ms: self.now_ms,
        });
        self.logins += 1;
        self.client.begin_connect();
        self.client.connected(self.now_ms);
    }

    fn hear(&mut self) {
        while let Some(event) = self.client.next_event() {
            match event {
                Event::Push { id, .. } => self.client.handled(id),
                Event::Offline { reason } | Event::Refused { reason } => {
                    self.endings.push(Ending {
                        at_ms: self.now_ms,
                        reason,
                        dead_ms: self.dead_ms,
                    });
                }
                _ => {}
            }
        }
    }

    /// Sends bytes, unless the connection is forgotten, which is found out now.
    fn travel(&mut self, to_server: bool, bytes: &[u8]) {
        if self.dead_ms.is_none() && self.now_ms > self.used_ms + self.drop_ms {
            self.dead_ms = Some(self.used_ms + self.drop_ms);
        }
        if self.dead_ms.is_none() {
            self.used_ms = self.now_ms;
            let trip_ms = TRIP_MS.start + self.now_ms * 7_919 % (TRIP_MS.end - TRIP_MS.start);
            let last_ms = self.flights.back().map_or(0, |flight| flight.at_ms);
            self.flights.push_back(Flight {
                at_ms: last_ms.max(self.now_ms + trip_ms),
                to_server,
                bytes: bytes.to_vec(),
            });
        }
    }

    fn serve(&mut self, bytes: &[u8]) {
        let Some(session) = &mut self.session else {
            return;
        };
        session.heard_ms = self.now_ms;
        session.decoder.push(bytes);
        let mut answers = BytesMut::new();
        while let Some(frame) = session.decoder.next_frame().expect("a client sends frames") {
            match frame {
                Frame::Hello(hello) => {
                    let granted_s = match hello.heartbeat_s {
                        0 => CHOICE_S,
                        wish_s => wish_s.clamp(MIN_S, MAX_S),
                    };
                    let granted_s = granted_s.min(self.grant_max_s);
                    session.granted_ms = Some(u64::from(granted_s) * 1_000);
                    self.wishes.push(hello.heartbeat_s);
                    welcome(granted_s).encode(&mut answers);
                }
                Frame::Ping => Frame::Pong.encode(&mut answers),
                _ => {}
            }
        }
        if !answers.is_empty() {
            self.travel(false, &answers);
        }
    }

    fn server_timer(&mut self) {
        let overdue = self.session.as_ref().is_some_and(|session| {
            let granted_ms = session.granted_ms.unwrap_or(u64::MAX / 4);
            self.now_ms >= session.heard_ms + granted_ms * 3 / 2
        });
        if overdue {
            self.say_heartbeat_timeout();
        }
        if let Some(every_ms) = self.push_every_ms
            && self.now_ms >= self.next_push.0
        {
            let id = MessageId(self.next_push.1);
            self.next_push = (self.now_ms + every_ms, id.0 + 1);
            if self
                .session
                .as_ref()
                .is_some_and(|session| session.granted_ms.is_some())
            {
                let mut bytes = BytesMut::new();
                let body = Bytes::from_static(b"body");
                Frame::Push(Push {
                    id,
                    sealed: false,
                    body,
                })
                .encode(&mut bytes);
                self.travel(false, &bytes);
            }
        }
    }
}

fn welcome(heartbeat_s: u16) -> Frame {
    Frame::Welcome(Welcome {
        minor: 0,
        registered: false,
        cid: ClientId::from_bytes([7; 16]),
        generation: 1,
        server_time_ms: 0,
        heartbeat_s,
        heartbeat_min_s: MIN_S,
        heartbeat_max_s: MAX_S,
        window: 16,
    })
}
