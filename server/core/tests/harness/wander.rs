//! A world without a script: whoever holds it says what happens, and three promises are kept:
//! invariants after each line, the sum of stages at rest, and no accepted message is lost.

use std::collections::{BTreeMap, BTreeSet};

use protocol::{ClientId, MessageId};
use schema::record::Device;
use server_core::keys;
use server_core::rows::{Keyspace, Rows};

use super::line::Line;
use super::show::Shown;
use super::world::World;

pub(crate) struct Wanderer {
    world: World,
    /// Ordinals that came on each session, in their order.
    came: BTreeMap<String, Vec<usize>>,
    received: BTreeSet<MessageId>,
    /// The latest time that the wall clock showed: what expired once may be gone.
    latest_ms: u64,
}

impl Wanderer {
    pub(crate) fn new(first: &str) -> Wanderer {
        let world = World::new(&Line::all(first)[0]);
        Wanderer {
            world,
            came: BTreeMap::new(),
            received: BTreeSet::new(),
            latest_ms: 0,
        }
    }

    /// Runs one line, whatever its effects.
    pub(crate) fn go(&mut self, text: &str) {
        for line in Line::all(text) {
            self.world.run(&line);
            self.latest_ms = self.latest_ms.max(self.world.now.wall_ms);
            for shown in self.world.take_shown() {
                let Shown::Push {
                    session, ordinal, ..
                } = shown
                else {
                    continue;
                };
                let came = self.came.entry(session.clone()).or_default();
                assert!(
                    came.last() < Some(&ordinal),
                    "{session}: {ordinal} after {came:?}"
                );
                came.push(ordinal);
                let cid = self
                    .cid_of(&session)
                    .expect("a push comes to a live session");
                self.received
                    .insert(self.world.message(cid, &ordinal.to_string()));
            }
            self.world.check_invariants();
        }
    }

    /// How many devices have a name.
    pub(crate) fn devices(&self) -> usize {
        self.world.cids.len()
    }

    /// Whether a session of this name was opened since the last crash.
    pub(crate) fn has_session(&self, name: &str) -> bool {
        self.world.sessions.contains_key(name)
    }

    /// What came on a session and may be acked.
    pub(crate) fn came(&self, session: &str) -> &[usize] {
        let live = self.has_session(session);
        self.came
            .get(session)
            .filter(|_| live)
            .map_or(&[], Vec::as_slice)
    }

    /// Messages that were accepted, may still be sent and were never received.
    fn missing(&self) -> BTreeSet<MessageId> {
        let alive = self
            .world
            .kept
            .iter()
            .filter(|(_, expires_ms)| **expires_ms > self.latest_ms);
        alive
            .map(|(id, _)| *id)
            .filter(|id| !self.received.contains(id))
            .collect()
    }

    /// The highest ordinal up to which a device received everything it may still get.
    pub(crate) fn unbroken(&self, cid: char) -> usize {
        let Some(ids) = self.world.messages.get(&self.world.cid(&cid.to_string())) else {
            return 0;
        };
        let missing = self.missing();
        let open = |id: &MessageId| missing.contains(id);
        ids.iter().position(open).unwrap_or(ids.len())
    }

    /// Devices of a wanderer register with a secret that equals their install id.
    pub(crate) fn secret(&self, cid: char) -> u8 {
        let key = keys::client(self.world.cid(&cid.to_string()));
        let row = self
            .world
            .rows
            .get(Keyspace::Reg, &key)
            .expect("memory reads");
        Device::decode(&row.expect("it is registered"))
            .expect("a row of ours")
            .install[0]
    }

    fn cid_of(&self, session: &str) -> Option<ClientId> {
        let (at, session) = self.world.session(session);
        self.world.cid_of_session(at, session)
    }

    /// Lets every device come once more and take what is left, then ends in order.
    pub(crate) fn end(mut self) {
        for _ in 0..4 {
            self.go("commit\n read\n deliver reads\n tick 1s");
        }
        for device in 0..self.devices() {
            let (name, cid) = (format!("last{device}"), char::from(b'A' + device as u8));
            self.go(&format!(
                "open {name}\n hello {name} login {cid} secret={}",
                self.secret(cid)
            ));
            self.read_all();
            while let Some(last) = self.came(&name).last().copied() {
                self.go(&format!("ack {name} 1..{last}"));
                self.read_all();
                if self.came(&name).last() == Some(&last) {
                    break;
                }
            }
        }
        self.go("tick 1s\n commit");
        self.world.settle();
        let lost = self.missing();
        assert!(lost.is_empty(), "accepted and lost: {lost:?}");
    }

    /// Pages that hold nothing but expired messages ask for the next at once.
    fn read_all(&mut self) {
        while !self.world.reads.is_empty() {
            self.go("read");
        }
    }
}
