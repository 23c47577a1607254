//! What scripts call sessions, CIDs, messages and tickets, and what these names stand for.
//!
//! Always: a name keeps its meaning over a crash, but for sessions, which are gone with it.

use protocol::{ClientId, MessageId};
use server_core::ids::{SessionId, ShardNo, Ticket};
use server_core::placement::Slot;

use super::line::number;
use super::world::World;

impl World {
    pub(super) fn ticket(&mut self, label: &str) -> Ticket {
        self.next_ticket += 1;
        self.tickets
            .insert(Ticket(self.next_ticket), label.to_owned());
        Ticket(self.next_ticket)
    }

    pub(super) fn new_session(&mut self, name: &str, at: usize) -> SessionId {
        self.next_session += 1;
        self.sessions
            .insert(name.to_owned(), (at, SessionId(self.next_session)));
        SessionId(self.next_session)
    }

    pub(super) fn session(&self, name: &str) -> (usize, SessionId) {
        *self
            .sessions
            .get(name)
            .unwrap_or_else(|| panic!("no session {name}"))
    }

    pub(super) fn name_of_session(&self, at: usize, session: SessionId) -> String {
        let named = self
            .sessions
            .iter()
            .find(|(_, other)| **other == (at, session));
        named.map_or_else(|| format!("{session:?}"), |(name, _)| name.clone())
    }

    /// Whose session it is, or was.
    pub(super) fn cid_of_session(&self, at: usize, session: SessionId) -> Option<ClientId> {
        self.live.get(&(at, session)).copied()
    }

    pub(super) fn learn(&mut self, cid: ClientId) {
        if !self.cids.contains(&cid) {
            self.cids.push(cid);
        }
    }

    pub(super) fn name_of_cid(&self, cid: ClientId) -> String {
        match self.cids.iter().position(|other| *other == cid) {
            Some(at @ 0..26) => char::from(b'A' + at as u8).to_string(),
            Some(at) => format!("no{at}"),
            None => cid.to_string(),
        }
    }

    /// The CID of a letter, or for `?N` one of shard N that nobody has.
    pub(super) fn cid(&self, name: &str) -> ClientId {
        if let Some(shard) = name.strip_prefix('?') {
            let shard = ShardNo(number(shard) as u16);
            return Slot::within(shard, self.shards.len() as u16, 0).cid([0xee; 16]);
        }
        let letter = name.bytes().next().unwrap_or_default();
        *self
            .cids
            .get(usize::from(letter.wrapping_sub(b'A')))
            .unwrap_or_else(|| panic!("nobody has the CID {name}"))
    }

    pub(super) fn owner(&self, cid: ClientId) -> usize {
        usize::from(Slot::of_cid(cid).shard(self.shards.len() as u16).0)
    }

    pub(super) fn message_of(&self, id: MessageId) -> (ClientId, usize) {
        let found = self
            .messages
            .iter()
            .find_map(|(cid, ids)| ids.binary_search(&id).ok().map(|at| (*cid, at + 1)));
        found.unwrap_or_else(|| panic!("{id} was never stored"))
    }

    /// The id of an ordinal; `top` is the highest there can be, 0 is none.
    pub(super) fn message(&self, cid: ClientId, ordinal: &str) -> MessageId {
        match ordinal {
            "top" => MessageId(u64::MAX),
            "0" => MessageId::NONE,
            text => *self
                .messages
                .get(&cid)
                .and_then(|ids| ids.get(number(text) as usize - 1))
                .unwrap_or_else(|| panic!("message {text} was never stored")),
        }
    }
}
