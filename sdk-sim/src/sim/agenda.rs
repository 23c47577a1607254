//! What happens next: everything that is due at a time, in virtual time.
//!
//! Owner: one `World`. Always: what is due earlier comes first; what is due at the same
//! microsecond comes in an order that the dice chose, as it would between threads.

use std::collections::BTreeMap;

use protocol::{ClientId, MessageId};

use super::dice::Dice;
use super::link::LinkId;
use super::party::AttemptNo;

/// One thing that will happen. `process` is the start of the server that it belongs to: after a
/// crash it means nothing. `life` is the same for a phone.
#[derive(Debug, Clone)]
pub(super) enum Happening {
    /// A shard's clock ticks.
    Tick { process: u64, at: usize },
    /// A shard takes from its inboxes.
    Hear { process: u64, at: usize },
    /// A shard takes further frames of a connection.
    Serve { process: u64, link: LinkId },
    /// The committer takes a batch.
    CommitBegins { process: u64 },
    /// The batch is on disk.
    CommitEnds { process: u64 },
    /// The committer tells shards.
    Tell { process: u64 },
    /// A reader performs its oldest read.
    ReadBegins { process: u64, reader: usize },
    /// The result of a read goes out.
    ReadEnds { process: u64, reader: usize },
    /// Bytes reach the server.
    Up(LinkId),
    /// Bytes reach a phone.
    Down(LinkId),
    /// A phone's connection stands, TLS included.
    Connected {
        phone: usize,
        life: u64,
        link: Option<LinkId>,
    },
    /// A phone sends acknowledgements that it held back.
    LateAck { link: LinkId, ids: Vec<MessageId> },
    /// A phone wanted to be called.
    PhoneTimer { phone: usize, life: u64, at_us: u64 },
    /// A phone is switched on.
    PhoneOn { phone: usize, life: u64 },
    /// Something of the outside happens.
    Act,
    /// A third party tries, or tries again.
    Attempt(AttemptNo),
    /// A third party has waited long enough.
    GiveUp(u64),
    /// A push of a burst.
    Push { app: usize, cid: ClientId },
    /// The server dies.
    Crash { process: u64 },
    /// The server starts.
    Start,
    /// A damaged row is mended.
    Mend,
    /// A drain is over: the server is told to finish.
    Finish { process: u64 },
}

/// See the module page.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    due: BTreeMap<(u64, u64), Happening>,
    entered: u32,
}

impl Agenda {
    /// Enters something for a time.
    pub(super) fn enter(&mut self, at_us: u64, happening: Happening, dice: &mut Dice) {
        self.entered = self.entered.wrapping_add(1);
        let order = dice.any() << 32 | u64::from(self.entered);
        self.due.insert((at_us, order), happening);
    }

    /// Takes what is due first.
    pub(super) fn next(&mut self) -> Option<(u64, Happening)> {
        let ((at_us, _), happening) = self.due.pop_first()?;
        Some((at_us, happening))
    }
}
