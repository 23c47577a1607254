//! What the devices say and hear: hello and welcome, ping and pong, pushes; acks are swallowed.
//!
//! Owner: the floor's thread. Always: no account is kept. A CID holds the number of its device, so that a login needs no
//! look-up but that of the connection it has now; message ids rise for all devices together.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::{Bytes, BytesMut};
use protocol::{ClientId, Decoder, Frame, Identity, MessageId, Peer, Push, Welcome};
use schema::push::{Content, PushMessage};

use super::records::Over;

/// What every CID of a floor begins with.
const CID_MARK: [u8; 12] = *b"floor of all";
/// What the server offers too.
const HEARTBEAT_S: u16 = 240;
const HEARTBEAT_MIN_S: u16 = 5;
const HEARTBEAT_MAX_S: u16 = 1800;
const WINDOW: u16 = 64;

/// A device that registered: its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DeviceNo(u32);

/// Who is connected, and the counters.
pub(super) struct Traffic {
    /// The connection of each device, by its number.
    at: Vec<Option<u32>>,
    last_message: u64,
    tasks: u64,
    /// Frames are read here, unless one is cut.
    decoder: Option<Decoder>,
    scratch: BytesMut,
}

/// What reading a connection's text came to.
#[derive(Default)]
pub(super) struct Heard {
    /// The hello it said.
    pub(super) device: Option<DeviceNo>,
    /// What is left of a cut frame.
    pub(super) cut: Option<Decoder>,
}

impl Traffic {
    pub(super) fn new() -> Self {
        Traffic {
            at: Vec::new(),
            // Above those of an earlier floor: devices keep the last id they handled.
            last_message: now_ms() << 20,
            tasks: 0,
            decoder: None,
            scratch: BytesMut::new(),
        }
    }

    /// Reads what a device said on a connection and appends the answers to `reply`.
    pub(super) fn hear(
        &mut self,
        connection: u32,
        text: &[u8],
        cut: Option<Decoder>,
        reply: &mut BytesMut,
    ) -> Result<Heard, Over> {
        let mut decoder = cut.or_else(|| self.decoder.take()).unwrap_or_else(greeted);
        decoder.push(text);
        let mut heard = Heard::default();
        while let Some(frame) = decoder.next_frame().map_err(|_| Over)? {
            match frame {
                Frame::Hello(hello) => {
                    let (device, registered) = self.admit(&hello.identity, connection)?;
                    heard.device = Some(device);
                    welcome(device, registered, hello.heartbeat_s).encode(reply);
                }
                Frame::Ping => Frame::Pong.encode(reply),
                Frame::Ack(_) | Frame::Pong => {}
                _ => return Err(Over),
            }
        }
        if decoder.has_partial() {
            heard.cut = Some(decoder);
        } else {
            self.decoder = Some(decoder);
        }
        Ok(heard)
    }

    fn admit(&mut self, identity: &Identity, connection: u32) -> Result<(DeviceNo, bool), Over> {
        match identity {
            Identity::Register(_) => {
                let number = u32::try_from(self.at.len()).map_err(|_| Over)?;
                self.at.push(Some(connection));
                Ok((DeviceNo(number), true))
            }
            Identity::Login(cid) => {
                let device = number_of(cid).ok_or(Over)?;
                *self.at.get_mut(device.0 as usize).ok_or(Over)? = Some(connection);
                Ok((device, false))
            }
        }
    }

    /// A connection has ended.
    pub(super) fn left(&mut self, device: DeviceNo, connection: u32) {
        if let Some(at) = self.at.get_mut(device.0 as usize)
            && *at == Some(connection)
        {
            *at = None;
        }
    }

    /// The connection of a device, if it has one.
    pub(super) fn connection(&self, cid: &ClientId) -> Option<u32> {
        let device = number_of(cid)?;
        self.at.get(device.0 as usize).copied().flatten()
    }

    /// All connections that have said their hello.
    pub(super) fn connections(&self) -> impl Iterator<Item = u32> {
        self.at.iter().copied().flatten()
    }

    /// How many devices have registered.
    pub(super) fn devices(&self) -> usize {
        self.at.len()
    }

    /// The connection of the n-th device, if it has one.
    pub(super) fn nth(&self, n: usize) -> Option<u32> {
        self.at.get(n).copied().flatten()
    }

    /// A name for a task, as long as the server's.
    pub(super) fn task(&mut self) -> String {
        self.tasks += 1;
        format!("RASS_0101_{:032x}", self.tasks)
    }

    /// The bytes of the next push frame; the body is built as the server builds it.
    pub(super) fn push(&mut self, task: &str, text: &str) -> &[u8] {
        let body = PushMessage {
            task_id: task.to_owned(),
            content: Content::Transmission(text.to_owned()),
            duration: None,
            network_type: 0,
        };
        self.last_message += 1;
        self.scratch.clear();
        Frame::Push(Push {
            id: MessageId(self.last_message),
            sealed: false,
            body: Bytes::from(body.encode()),
        })
        .encode(&mut self.scratch);
        &self.scratch
    }
}

/// A decoder that takes frames longer than a hello, too.
fn greeted() -> Decoder {
    let mut ping = BytesMut::new();
    Frame::Ping.encode(&mut ping);
    let mut decoder = Decoder::new(Peer::Device);
    decoder.push(&ping);
    // A ping is a frame.
    let _ = decoder.next_frame();
    decoder
}

fn welcome(device: DeviceNo, registered: bool, wish_s: u16) -> Frame {
    let heartbeat_s = match wish_s {
        0 => HEARTBEAT_S,
        wish_s => wish_s.clamp(HEARTBEAT_MIN_S, HEARTBEAT_MAX_S),
    };
    Frame::Welcome(Welcome {
        minor: protocol::VERSION_MINOR,
        registered,
        cid: cid_of(device),
        generation: 1,
        server_time_ms: now_ms(),
        heartbeat_s,
        heartbeat_min_s: HEARTBEAT_MIN_S,
        heartbeat_max_s: HEARTBEAT_MAX_S,
        window: WINDOW,
    })
}

fn cid_of(device: DeviceNo) -> ClientId {
    let mut bytes = [0; 16];
    bytes[..12].copy_from_slice(&CID_MARK);
    bytes[12..].copy_from_slice(&device.0.to_be_bytes());
    ClientId::from_bytes(bytes)
}

fn number_of(cid: &ClientId) -> Option<DeviceNo> {
    let number = cid.as_bytes().strip_prefix(&CID_MARK)?;
    Some(DeviceNo(u32::from_be_bytes(number.try_into().ok()?)))
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}
