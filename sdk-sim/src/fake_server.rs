//! A server of the device protocol for tests: welcomes everybody, sends a fixed list of pushes.
//!
//! Owner: one test. Always: the welcome and the pushes leave in one write, so that a device reads
//! them together; a registration's CID is its install id.

use std::io::{Read, Write};
use std::sync::mpsc::{self, Receiver, SyncSender};

use bytes::{Bytes, BytesMut};
use protocol::{
    ClientId, Close, CloseReason, CommandResult, Decoder, Frame, GoAway, GoAwayReason, Hello,
    Identity, MessageId, Peer, Push, ResultCode, Welcome,
};
use schema::push::{Content, PushMessage};

use crate::transport::tls_server::{TlsServer, TlsStream};

/// The ids every device is pushed.
pub(crate) const PUSHED: [u64; 3] = [1, 2, 3];

/// Frames a test may leave unread.
const HEARD_MAX: usize = 1024;

pub(crate) struct FakeServer {
    tls: TlsServer,
    heard: Receiver<Frame>,
}

impl FakeServer {
    /// Pushes what the resume number of the hello leaves, and that number once more.
    pub(crate) fn start() -> Self {
        Self::answering(|hello| {
            let mut frames = vec![welcome(hello, 60)];
            frames.extend(
                PUSHED
                    .iter()
                    .filter(|id| **id >= hello.resume.0)
                    .map(|id| push(*id)),
            );
            frames
        })
    }

    /// Turns every device away, for ever.
    pub(crate) fn refusing() -> Self {
        Self::answering(|_| {
            vec![Frame::Close(Close {
                reason: CloseReason::UnknownApp,
                retry_after_ms: u32::MAX,
                text: String::new(),
            })]
        })
    }

    /// Welcomes for a heartbeat of one second, and never answers a ping.
    pub(crate) fn falling_silent() -> Self {
        Self::answering(|hello| vec![welcome(hello, 1)])
    }

    /// Welcomes everybody and sends them on to another place.
    pub(crate) fn sending_to(endpoint: &str) -> Self {
        let endpoint = endpoint.to_owned();
        Self::answering(move |hello| {
            let go_away = Frame::GoAway(GoAway {
                reason: GoAwayReason::Rebalance,
                jitter_ms: 0,
                endpoint: endpoint.clone(),
            });
            vec![welcome(hello, 60), push(1), go_away]
        })
    }

    fn answering(greet: impl Fn(&Hello) -> Vec<Frame> + Send + Sync + 'static) -> Self {
        let (sender, heard) = mpsc::sync_channel(HEARD_MAX);
        let tls = TlsServer::conversing(move |stream| converse(stream, &greet, &sender));
        Self { tls, heard }
    }

    pub(crate) fn address(&self) -> &str {
        self.tls.address()
    }

    pub(crate) fn ca_pem(&self) -> &str {
        self.tls.ca_pem()
    }

    /// What was heard until `count` connections have ended with a close.
    pub(crate) fn heard_until_closes(&self, count: usize) -> Vec<Frame> {
        let mut frames = Vec::new();
        let mut closes = 0;
        while closes < count {
            let frame = self.heard.recv().expect("the server's threads go on");
            closes += usize::from(matches!(frame, Frame::Close(_)));
            frames.push(frame);
        }
        frames
    }
}

fn converse(
    mut stream: TlsStream,
    greet: &impl Fn(&Hello) -> Vec<Frame>,
    heard: &SyncSender<Frame>,
) {
    let mut decoder = Decoder::new(Peer::Device);
    let mut chunk = [0; 4096];
    loop {
        let len = match stream.read(&mut chunk) {
            Ok(len) if len > 0 => len,
            _ => return,
        };
        decoder.push(&chunk[..len]);
        while let Some(frame) = decoder.next_frame().expect("a device sends frames") {
            let answers = match &frame {
                Frame::Hello(hello) => greet(hello),
                Frame::Command(command) => vec![Frame::CommandResult(CommandResult {
                    serial: command.serial,
                    op: command.operation.op(),
                    code: ResultCode::Ok,
                    detail: Bytes::new(),
                })],
                _ => Vec::new(),
            };
            let closed = matches!(frame, Frame::Close(_));
            if heard.send(frame).is_err() || closed {
                return;
            }
            let mut bytes = BytesMut::new();
            for answer in &answers {
                answer.encode(&mut bytes);
            }
            if stream
                .write_all(&bytes)
                .and_then(|()| stream.flush())
                .is_err()
            {
                return;
            }
        }
    }
}

fn cid_of(hello: &Hello) -> ClientId {
    match hello.identity {
        Identity::Login(cid) => cid,
        Identity::Register(install) => ClientId::from_bytes(*install.as_bytes()),
    }
}

fn welcome(hello: &Hello, heartbeat_s: u16) -> Frame {
    Frame::Welcome(Welcome {
        minor: 0,
        registered: matches!(hello.identity, Identity::Register(_)),
        cid: cid_of(hello),
        generation: 1,
        server_time_ms: 0,
        heartbeat_s,
        heartbeat_min_s: 1,
        heartbeat_max_s: 600,
        window: 16,
    })
}

fn push(id: u64) -> Frame {
    let message = PushMessage {
        task_id: format!("RASS_{id}"),
        content: Content::Transmission(format!("message {id}")),
        duration: None,
        network_type: 0,
    };
    Frame::Push(Push {
        id: MessageId(id),
        sealed: false,
        body: message.encode().into(),
    })
}
