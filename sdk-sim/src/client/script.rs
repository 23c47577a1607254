//! Scripts: what a server says, what a client answers, in virtual time.
//!
//! Owner: the tests. Always: the "server" here is a decoder and an encoder; no socket, no clock.

mod ending;
mod hostile;
mod reporting;
mod session;

use bytes::{Bytes, BytesMut};
use protocol::{
    ClientId, Close, CloseReason, Decoder, DeviceSecret, Frame, Hello, InstallId, MessageId, Peer,
    Push, Welcome,
};

use super::{Client, Config, Event};

const CID: ClientId = ClientId::from_bytes([7; 16]);

fn config() -> Config {
    Config::new(
        "app",
        InstallId::from_bytes([1; 16]),
        DeviceSecret::from_bytes([2; 32]),
        99,
    )
}

fn known(last_handled: u64) -> Config {
    Config {
        identity: Some(CID),
        last_handled: MessageId(last_handled),
        ..config()
    }
}

/// A client and the server's end of its wire.
struct Stage {
    client: Client,
    server: Decoder,
    now_ms: u64,
}

impl Stage {
    fn new(config: Config) -> Self {
        Self {
            client: Client::new(config, 0),
            server: Decoder::new(Peer::Device),
            now_ms: 0,
        }
    }

    /// Connects and returns the hello.
    fn connect(&mut self) -> Hello {
        self.now_ms = self
            .client
            .connect_at_ms()
            .expect("wants to connect")
            .max(self.now_ms);
        self.server = Decoder::new(Peer::Device);
        self.client.begin_connect();
        self.client.connected(self.now_ms);
        match self.sent().as_slice() {
            [Frame::Hello(hello)] => hello.clone(),
            other => panic!("expected one hello, got {other:?}"),
        }
    }

    fn online(config: Config) -> Self {
        let mut stage = Self::new(config);
        stage.connect();
        stage.says(&[welcome(60)]);
        assert!(matches!(stage.events()[..], [Event::Online { .. }]));
        stage
    }

    fn says(&mut self, frames: &[Frame]) {
        let mut bytes = BytesMut::new();
        for frame in frames {
            frame.encode(&mut bytes);
        }
        self.client.bytes_received(self.now_ms, &bytes);
    }

    fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.client.next_event()).collect()
    }

    fn sent(&mut self) -> Vec<Frame> {
        if let Some(bytes) = self.client.take_output(self.now_ms) {
            self.server.push(&bytes);
        }
        std::iter::from_fn(|| self.server.next_frame().expect("the client sends frames")).collect()
    }

    fn at(&mut self, now_ms: u64) -> Vec<Frame> {
        self.now_ms = now_ms;
        self.client.timer(now_ms);
        self.sent()
    }
}

fn welcome(heartbeat_s: u16) -> Frame {
    Frame::Welcome(Welcome {
        minor: 0,
        registered: false,
        cid: CID,
        generation: 3,
        server_time_ms: 0,
        heartbeat_s,
        heartbeat_min_s: 10,
        heartbeat_max_s: 600,
        window: 16,
    })
}

fn push(id: u64) -> Frame {
    Frame::Push(Push {
        id: MessageId(id),
        sealed: false,
        body: Bytes::from_static(b"body"),
    })
}

fn close(reason: CloseReason, retry_after_ms: u32) -> Frame {
    Frame::Close(Close {
        reason,
        retry_after_ms,
        text: "why".to_owned(),
    })
}

fn ack_ids(frames: &[Frame]) -> Vec<Vec<u64>> {
    frames
        .iter()
        .map(|frame| match frame {
            Frame::Ack(ack) => ack.ids.iter().map(|id| id.0).collect(),
            other => panic!("expected only acks, got {other:?}"),
        })
        .collect()
}
