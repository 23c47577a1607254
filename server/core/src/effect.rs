//! Everything that a shard can ask for.

use protocol::{Close, Frame, Hello};
use schema::record::App;

use crate::command::Answer;
use crate::ids::{SessionId, ShardNo, Ticket};
use crate::op::Op;
use crate::read::Read;

/// One thing to be done. Effects of one event are performed in order.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Send a frame.
    Send(SessionId, Frame),
    /// Send the reason, then close. The shard has forgotten the session already.
    Close(SessionId, Close),
    /// Give the connection with its unread bytes and this hello to another shard. The shard has
    /// forgotten the session already.
    HandOff {
        /// The connection.
        session: SessionId,
        /// Its new owner.
        to: ShardNo,
        /// What the new owner decides on.
        hello: Box<Hello>,
    },
    /// Make an op durable. Never more than
    /// [`COMMITS_IN_FLIGHT_MAX`](crate::limits::COMMITS_IN_FLIGHT_MAX) are under way.
    Commit(Op),
    /// Read from the store. Never more than
    /// [`READS_IN_FLIGHT_MAX`](crate::limits::READS_IN_FLIGHT_MAX) are under way.
    Read(Read),
    /// Answer a third party.
    Answer(Ticket, Answer),
    /// Tell the ingress of an app that was created or changed (only shard 0 does).
    App(App),
    /// Tell the ingress of an app that was deleted (only shard 0 does).
    AppGone(App),
}
