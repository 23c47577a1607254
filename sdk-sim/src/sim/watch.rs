//! What must hold of every live session, whatever happens: seen from outside, by what the shards
//! ask for.
//!
//! Owner: one `World`. Always: cleared when a process dies, except for what must hold over
//! processes too.

use std::collections::{BTreeMap, BTreeSet};

use protocol::{ClientId, MessageId, Push, Welcome};
use server_core::ids::{SessionId, Ticket};
use server_core::limits::{WINDOW_BYTES_MAX, WINDOW_LEN_MAX};
use server_core::op::{Op, Origin};

/// A session by its shard and number.
pub(super) type Seen = (usize, SessionId);

#[derive(Debug)]
struct Live {
    cid: ClientId,
    last_sent: MessageId,
    unacked: BTreeMap<MessageId, usize>,
}

/// Somebody who was told that something lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Promise {
    /// A third party.
    Ticket(Ticket),
    /// A device, for its command.
    Command(Seen, u32),
}

impl Promise {
    /// Who waits for this op of this shard.
    pub(super) fn of(at: usize, op: &Op) -> Option<Promise> {
        match op {
            Op::Accept { ticket, .. }
            | Op::ChangeApp { ticket, .. }
            | Op::DeleteApp { ticket, .. }
            | Op::ForgetDevices {
                ticket: Some(ticket),
                ..
            }
            | Op::TakeGroup { ticket, .. }
            | Op::PushList { ticket, .. }
            | Op::StopGroup { ticket, .. }
            | Op::Unschedule { ticket, .. }
            | Op::ChangeTag { ticket, .. }
            | Op::Block { ticket, .. }
            | Op::SettleReceipts { ticket, .. }
            | Op::ReplayReceipts { ticket, .. } => Some(Promise::Ticket(*ticket)),
            Op::SetTags { origin, .. }
            | Op::Feedback { origin, .. }
            | Op::BindAliases { origin, .. }
            | Op::UnbindAliases { origin, .. }
            | Op::DropAlias { origin, .. } => Some(match origin {
                Origin::Ticket(ticket) => Promise::Ticket(*ticket),
                Origin::Device {
                    session, serial, ..
                } => Promise::Command((at, *session), *serial),
            }),
            _ => None,
        }
    }
}

/// See the module page.
#[derive(Debug, Default)]
pub(super) struct Watch {
    live: BTreeMap<Seen, Live>,
    /// The last generation of each CID, over all processes.
    generations: BTreeMap<ClientId, u64>,
    /// The CID of each install id that was welcomed, over all processes.
    installs: BTreeMap<[u8; 16], ClientId>,
    /// Devices whose deletion lasts, of which their shard has perhaps not heard yet.
    leaving: BTreeSet<ClientId>,
    promised: BTreeSet<Promise>,
}

impl Watch {
    /// The process died: its sessions and its debts are gone.
    pub(super) fn process_died(&mut self) {
        self.live.clear();
        self.promised.clear();
    }

    /// The live session of a CID: its generation, and what it was sent and has not acknowledged.
    pub(super) fn live_of(&self, cid: ClientId) -> Option<(u64, Vec<MessageId>)> {
        let live = self.live.values().find(|live| live.cid == cid)?;
        let generation = *self.generations.get(&cid)?;
        Some((generation, live.unacked.keys().copied().collect()))
    }

    /// Whose sessions are live on a shard.
    pub(super) fn live_at(&self, at: usize) -> impl Iterator<Item = ClientId> {
        let here = self.live.iter().filter(move |((shard, _), _)| *shard == at);
        here.map(|(_, live)| live.cid)
    }

    /// Live sessions of a shard.
    pub(super) fn live_len(&self, at: usize) -> usize {
        self.live_at(at).count()
    }

    /// The deletion of a device lasts: its installation may come back as another.
    pub(super) fn deleted(&mut self, cid: ClientId) {
        self.leaving.insert(cid);
        self.installs.retain(|_, known| *known != cid);
    }

    /// The shard of a deleted device knows it no more: nobody may come back as it.
    pub(super) fn forgotten(&mut self, cid: ClientId) {
        self.leaving.remove(&cid);
        self.installs.retain(|_, known| *known != cid);
    }

    /// Whether a session of a CID is live on a shard.
    pub(super) fn is_live_at(&self, at: usize, cid: ClientId) -> bool {
        self.live_at(at).any(|live| live == cid)
    }

    /// Whether no live session has a push to acknowledge.
    pub(super) fn is_all_acked(&self) -> bool {
        self.live.values().all(|live| live.unacked.is_empty())
    }

    /// CIDs that were ever welcomed.
    pub(super) fn welcomed(&self) -> impl Iterator<Item = ClientId> {
        self.generations.keys().copied()
    }

    /// A shard welcomes a device.
    pub(super) fn welcome(&mut self, seen: Seen, install: [u8; 16], welcome: &Welcome) {
        let cid = welcome.cid;
        let other = self.live.values().find(|live| live.cid == cid);
        assert!(other.is_none(), "two sessions of {cid} are live");
        let before = self.generations.insert(cid, welcome.generation);
        assert!(
            before < Some(welcome.generation),
            "the generation of {cid} went from {before:?} to {}",
            welcome.generation
        );
        if !self.leaving.contains(&cid) {
            let known = *self.installs.entry(install).or_insert(cid);
            assert_eq!(known, cid, "one installation got two client ids");
        }
        let live = Live {
            cid,
            last_sent: MessageId::NONE,
            unacked: BTreeMap::new(),
        };
        self.live.insert(seen, live);
    }

    /// A shard sends a push. Returns whose it is.
    pub(super) fn push(&mut self, seen: Seen, push: &Push) -> ClientId {
        let live = self
            .live
            .get_mut(&seen)
            .expect("a push goes to a live session");
        assert!(
            push.id > live.last_sent,
            "order: {} was sent to {} after {}",
            push.id,
            live.cid,
            live.last_sent
        );
        live.last_sent = push.id;
        live.unacked.insert(push.id, push.body.len());
        let bytes: usize = live.unacked.values().sum();
        assert!(
            live.unacked.len() <= usize::from(WINDOW_LEN_MAX),
            "window: {} pushes of {} are unacknowledged",
            live.unacked.len(),
            live.cid
        );
        assert!(
            live.unacked.len() == 1 || bytes <= WINDOW_BYTES_MAX,
            "window: {bytes} bytes of {} are unacknowledged",
            live.cid
        );
        live.cid
    }

    /// A shard hears of acknowledgements.
    pub(super) fn acked(&mut self, seen: Seen, ids: &[MessageId]) {
        if let Some(live) = self.live.get_mut(&seen) {
            for id in ids {
                live.unacked.remove(id);
            }
        }
    }

    /// A session ended.
    pub(super) fn ended(&mut self, seen: Seen) {
        self.live.remove(&seen);
    }

    /// Somebody was told that something lasts.
    pub(super) fn promised(&mut self, promise: Promise) {
        self.promised.insert(promise);
    }

    /// This op is lost in a crash: nobody may have been told otherwise.
    pub(super) fn lost(&self, at: usize, op: &Op) {
        if let Some(promise) = Promise::of(at, op) {
            assert!(
                !self.promised.contains(&promise),
                "promised and lost: {promise:?} was answered before it was durable"
            );
        }
    }
}
