//! One connection between a phone and the server: bytes on their way, both ways.
//!
//! Owner: one `World`. Always: bytes of one direction arrive in order and unchanged until the
//! link is cut; what is behind a cut never arrives. A silent link swallows everything and tells
//! nobody.

use std::collections::{BTreeMap, VecDeque};

use bytes::{Bytes, BytesMut};
use protocol::{Decoder, Frame, Peer};
use server_core::ids::SessionId;

use super::dice::Dice;

/// Names a link. Never given twice in a run.
pub(super) type LinkId = u64;

/// What arrives at one end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Chunk {
    /// Bytes of frames.
    Bytes(Bytes),
    /// The other end is gone.
    End,
}

/// One direction.
#[derive(Debug, Default)]
pub(super) struct Pipe {
    chunks: VecDeque<(u64, Chunk)>,
    last_us: u64,
    len: usize,
    ended: bool,
}

impl Pipe {
    /// Whether nothing is on its way.
    pub(super) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Bytes on their way.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Puts bytes in, in pieces of any size, each after `delay_us` or a little more. Returns
    /// when each piece arrives.
    pub(super) fn send(
        &mut self,
        bytes: &[u8],
        now_us: u64,
        delay_us: u64,
        dice: &mut Dice,
    ) -> Vec<u64> {
        if self.ended {
            return Vec::new();
        }
        let mut rest = Bytes::copy_from_slice(bytes);
        let mut times = Vec::new();
        while !rest.is_empty() {
            let len = if dice.chance(1, 3) {
                dice.within(1, rest.len() as u64) as usize
            } else {
                rest.len()
            };
            let piece = rest.split_to(len);
            self.len += piece.len();
            times.push(self.put(
                Chunk::Bytes(piece),
                now_us,
                delay_us + dice.below(delay_us + 1),
            ));
        }
        times
    }

    /// Ends the direction behind what is on its way.
    pub(super) fn end(&mut self, now_us: u64, delay_us: u64) -> Option<u64> {
        if self.ended {
            return None;
        }
        let at_us = self.put(Chunk::End, now_us, delay_us);
        self.ended = true;
        Some(at_us)
    }

    fn put(&mut self, chunk: Chunk, now_us: u64, delay_us: u64) -> u64 {
        self.last_us = self.last_us.max(now_us + delay_us);
        self.chunks.push_back((self.last_us, chunk));
        self.last_us
    }

    /// Nothing arrives before this time.
    pub(super) fn pause(&mut self, until_us: u64) {
        self.last_us = self.last_us.max(until_us);
        for (at_us, _) in &mut self.chunks {
            *at_us = (*at_us).max(until_us);
        }
    }

    /// Takes what has arrived; `Err` gives the time when the first chunk will have.
    pub(super) fn take(&mut self, now_us: u64) -> Result<Option<Chunk>, u64> {
        match self.chunks.front() {
            None => Ok(None),
            Some((at_us, _)) if *at_us > now_us => Err(*at_us),
            Some(_) => {
                let chunk = self.chunks.pop_front().map(|(_, chunk)| chunk);
                if let Some(Chunk::Bytes(bytes)) = &chunk {
                    self.len -= bytes.len();
                }
                Ok(chunk)
            }
        }
    }

    /// Cuts the direction: of what is on its way a part still arrives, perhaps half a frame.
    fn cut(&mut self, now_us: u64, dice: &mut Dice) -> u64 {
        let keep = dice.index(self.chunks.len() + 1);
        self.chunks.truncate(keep);
        if let Some((_, Chunk::Bytes(bytes))) = self.chunks.back_mut() {
            bytes.truncate(dice.index(bytes.len() + 1));
        }
        self.len = self.chunks.iter().map(|(_, chunk)| chunk.len()).sum();
        let at_us = self.put(Chunk::End, now_us, 0);
        self.ended = true;
        at_us
    }

    fn swallow(&mut self) {
        self.chunks.clear();
        self.len = 0;
        self.ended = true;
    }
}

impl Chunk {
    fn len(&self) -> usize {
        match self {
            Chunk::Bytes(bytes) => bytes.len(),
            Chunk::End => 0,
        }
    }
}

/// Where the server's end of a link is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ServerEnd {
    /// A connection of a shard.
    At(usize, SessionId),
    /// On its way to another shard.
    HandedOver,
    /// Closed, or dead with its process.
    Gone,
}

/// See the module page.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) phone: usize,
    pub(super) latency_us: u64,
    pub(super) server: ServerEnd,
    /// Whether the phone still holds its end.
    pub(super) phone_holds: bool,
    /// The phone knows that it stands; until then nothing is read.
    pub(super) is_open: bool,
    /// Nothing arrives any more, and nobody knows.
    pub(super) is_silent: bool,
    pub(super) up: Pipe,
    pub(super) down: Pipe,
    /// Frames that the phone sent and no shard has taken, read back from its bytes.
    pub(super) sent: VecDeque<Frame>,
    mirror: Decoder,
}

impl Link {
    pub(super) fn new(phone: usize, latency_us: u64, server: ServerEnd) -> Self {
        Link {
            phone,
            latency_us,
            server,
            phone_holds: true,
            is_open: false,
            is_silent: false,
            up: Pipe::default(),
            down: Pipe::default(),
            sent: VecDeque::new(),
            mirror: Decoder::new(Peer::Device),
        }
    }

    /// Remembers the frames in what the phone sends.
    pub(super) fn remember(&mut self, bytes: &BytesMut) {
        self.mirror.push(bytes);
        while let Some(frame) = self.mirror.next_frame().expect("a client sends frames") {
            self.sent.push_back(frame);
        }
    }

    /// Cuts both ways. Returns when each end hears of it: up, down.
    pub(super) fn cut(&mut self, now_us: u64, dice: &mut Dice) -> (u64, u64) {
        (self.up.cut(now_us, dice), self.down.cut(now_us, dice))
    }

    /// From here on nothing arrives, and nobody is told: the phone moved out of its network.
    pub(super) fn silence(&mut self) {
        self.is_silent = true;
        self.up.swallow();
        self.down.swallow();
    }

    /// Whether neither end is left.
    pub(super) fn is_dead(&self) -> bool {
        self.server == ServerEnd::Gone && !self.phone_holds
    }
}

/// The links of a run by their ids.
#[derive(Debug, Default)]
pub(super) struct Links {
    pub(super) by_id: BTreeMap<LinkId, Link>,
    made: LinkId,
}

impl Links {
    pub(super) fn add(&mut self, link: Link) -> LinkId {
        self.made += 1;
        self.by_id.insert(self.made, link);
        self.made
    }

    pub(super) fn get_mut(&mut self, id: LinkId) -> Option<&mut Link> {
        self.by_id.get_mut(&id)
    }

    /// Forgets a link that neither end holds.
    pub(super) fn bury(&mut self, id: LinkId) {
        if self.by_id.get(&id).is_some_and(Link::is_dead) {
            self.by_id.remove(&id);
        }
    }
}
