//! One process of the server, taken apart: shards with their inboxes and connections, the
//! committer, the readers. Below it the disk, which outlives it.
//!
//! Owner: one `World`. Always: each ring is first in, first out; what crosses between two rings
//! does so in any order, as between threads.

use std::collections::{BTreeMap, VecDeque};

use bytes::BytesMut;
use protocol::{Decoder, Hello, Peer};
use server_core::apply::Ids;
use server_core::command::Command;
use server_core::ids::{SessionId, ShardNo, Ticket};
use server_core::op::{Committed, Op};
use server_core::read::{Read, ReadDone};
use server_core::shard::Shard;

use super::counts::Counts;
use super::disk::Disk;
use super::link::LinkId;

/// One connection as its shard loop holds it.
#[derive(Debug)]
pub(super) struct Conn {
    pub(super) link: LinkId,
    pub(super) decoder: Decoder,
    /// Bytes that the socket did not take yet.
    pub(super) out: BytesMut,
    pub(super) blocked_since_us: Option<u64>,
}

impl Conn {
    pub(super) fn new(link: LinkId) -> Self {
        Conn {
            link,
            decoder: Decoder::new(Peer::Device),
            out: BytesMut::new(),
            blocked_since_us: None,
        }
    }
}

/// A connection on its way to another shard.
#[derive(Debug)]
pub(super) struct Parcel {
    pub(super) conn: Conn,
    pub(super) hello: Box<Hello>,
}

/// One shard and all that its loop holds.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) shard: Shard,
    pub(super) counts: Counts,
    pub(super) conns: BTreeMap<SessionId, Conn>,
    pub(super) sessions_made: u64,
    pub(super) next_reader: usize,
    pub(super) committed: VecDeque<Committed>,
    pub(super) reads: VecDeque<ReadDone>,
    pub(super) questions: VecDeque<(Ticket, Command)>,
    pub(super) parcels: VecDeque<Parcel>,
    /// Ops on their way to the committer.
    pub(super) submitted: VecDeque<Op>,
    /// Reads asked and not answered.
    pub(super) reads_asked: usize,
    /// A `Hear` is on the agenda.
    pub(super) called: bool,
    pub(super) stalled_until_us: u64,
}

impl Seat {
    pub(super) fn new(shard: Shard, counts: Counts) -> Self {
        Seat {
            shard,
            counts,
            conns: BTreeMap::new(),
            sessions_made: 0,
            next_reader: 0,
            committed: VecDeque::new(),
            reads: VecDeque::new(),
            questions: VecDeque::new(),
            parcels: VecDeque::new(),
            submitted: VecDeque::new(),
            reads_asked: 0,
            called: false,
            stalled_until_us: 0,
        }
    }

    /// Takes the number of the next connection.
    pub(super) fn next_session(&mut self) -> SessionId {
        self.sessions_made += 1;
        SessionId(self.sessions_made)
    }

    /// Whether any inbox holds something.
    pub(super) fn has_mail(&self) -> bool {
        !(self.committed.is_empty()
            && self.reads.is_empty()
            && self.questions.is_empty()
            && self.parcels.is_empty())
    }
}

/// The thread that writes.
#[derive(Debug, Default)]
pub(super) struct Committer {
    /// From the first op of a batch until the last shard was told.
    pub(super) busy: bool,
    /// What the batch on its way to the disk is, and whether it is synced.
    pub(super) writing: Option<Writing>,
    /// What shards have to be told yet.
    pub(super) telling: VecDeque<(ShardNo, Committed)>,
    /// The next batch takes at least this long: the disk is stuck.
    pub(super) stuck_us: u64,
    /// So many ops are committed each by itself: one of them met a damaged row.
    pub(super) one_by_one: usize,
    /// The disk failed: nothing is written any more until the server starts again.
    pub(super) broken: bool,
}

/// A batch on its way to the disk.
#[derive(Debug)]
pub(super) struct Writing {
    pub(super) ids: Ids,
    pub(super) must_last: bool,
    pub(super) events: Vec<(ShardNo, Committed)>,
}

/// One thread that reads.
#[derive(Debug, Default)]
pub(super) struct Reader {
    pub(super) asked: VecDeque<(ShardNo, Read)>,
    pub(super) read: Option<(ShardNo, ReadDone)>,
    pub(super) stalled_until_us: u64,
}

/// See the module page.
#[derive(Debug)]
pub(super) struct Server {
    /// The number of this start.
    pub(super) process: u64,
    pub(super) up: bool,
    /// It was told to stop in order.
    pub(super) stopping: bool,
    /// It was told to finish, and has to be at rest by then.
    pub(super) resting_until_us: Option<u64>,
    pub(super) started_us: u64,
    pub(super) seats: Vec<Seat>,
    pub(super) committer: Committer,
    pub(super) readers: Vec<Reader>,
    pub(super) disk: Disk,
    pub(super) ids: Ids,
}

impl Server {
    /// Whether nothing is under way between shards and disk.
    pub(super) fn is_at_rest(&self) -> bool {
        !self.committer.busy
            && self.seats.iter().all(|seat| {
                seat.shard.is_at_rest() && seat.submitted.is_empty() && !seat.has_mail()
            })
    }
}
