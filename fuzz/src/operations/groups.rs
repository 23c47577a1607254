//! Pushes to many, tags and the black list: what is durable of them, and what shards have heard.
//!
//! Checked: a push to an app makes at most one message for a device, over crashes and whatever the
//! number of shards; a message of a group goes to its own device; nothing is made after a stop is
//! durable, and nothing is sent by a shard that has heard of it.

use std::collections::{BTreeMap, BTreeSet};

use protocol::{ClientId, MessageId};
use server_core::group::{GroupNo, GroupPush};
use server_core::ids::AppNo;
use server_core::op::{Committed, Done};

#[derive(Default)]
pub(super) struct Groups {
    /// Every group push that was asked for: its app and its task.
    asked: Vec<(AppNo, Box<str>)>,
    /// Whether the messages of a push to an app have rows.
    kept: BTreeMap<GroupNo, bool>,
    /// Whom each message of a group is for.
    messages: BTreeMap<MessageId, (GroupNo, ClientId)>,
    /// Whom the pushes to apps have reached.
    reached: BTreeSet<(GroupNo, ClientId)>,
    /// Those that were stopped, with the time when their messages expire anyway.
    stopped: BTreeMap<GroupNo, u64>,
    /// The stops that each shard has heard of.
    heard_stops: Vec<BTreeSet<GroupNo>>,
    durable: Clients,
    /// By the word of the owner of each CID.
    heard: Clients,
}

/// What third parties said of devices.
#[derive(Default, Clone)]
struct Clients {
    tags: BTreeSet<(ClientId, Box<str>)>,
    muted: BTreeSet<ClientId>,
}

impl Clients {
    fn hear(&mut self, event: &Committed) {
        match event {
            Committed::Tagged { cid, tag, has } => {
                let named = (*cid, tag.clone());
                let news = if *has {
                    self.tags.insert(named)
                } else {
                    self.tags.remove(&named)
                };
                assert!(news, "{cid} is told {tag} {has} twice");
            }
            Committed::Switched { cid, switches } if switches.is_muted() => {
                self.muted.insert(*cid);
            }
            Committed::Switched { cid, .. } => {
                self.muted.remove(cid);
            }
            _ => {}
        }
    }
}

impl Groups {
    pub(super) fn asked(&mut self, app: AppNo, push: &GroupPush) {
        self.asked.push((app, push.task_id.clone()));
    }

    /// One that was asked for, by a number.
    pub(super) fn task(&self, number: u8) -> Option<(AppNo, Box<str>)> {
        let at = usize::from(number) % self.asked.len().max(1);
        self.asked.get(at).cloned()
    }

    /// All shards start.
    pub(super) fn boot(&mut self, shards: u16) {
        let stops: BTreeSet<GroupNo> = self.stopped.keys().copied().collect();
        self.heard_stops = vec![stops; usize::from(shards)];
        self.heard = self.durable.clone();
    }

    /// Durable: the messages that came with it, each with whether it has a row.
    pub(super) fn committed(&mut self, event: &Committed) -> Vec<(MessageId, bool)> {
        self.durable.hear(event);
        match event {
            Committed::Stored { cid, message } => {
                if message.group != GroupNo::NONE {
                    self.made(message.group, message.id, *cid);
                }
                vec![(message.id, message.kept)]
            }
            Committed::GroupBegins(running) => {
                self.kept.insert(running.number, running.kept);
                Vec::new()
            }
            Committed::GroupStopped { group, expires_ms } => {
                self.stopped.insert(*group, *expires_ms);
                Vec::new()
            }
            Committed::Done(Done::Fanned { group, reached, .. }) => {
                let mut made = Vec::new();
                for (cid, id, _) in reached {
                    assert!(self.reached.insert((*group, *cid)), "{cid} is reached once");
                    if *id != MessageId::NONE {
                        self.made(*group, *id, *cid);
                        made.push((*id, self.kept[group]));
                    }
                }
                made
            }
            _ => Vec::new(),
        }
    }

    fn made(&mut self, group: GroupNo, id: MessageId, cid: ClientId) {
        assert!(!self.stopped.contains_key(&group), "made after the stop");
        self.messages.insert(id, (group, cid));
    }

    /// A shard hears of it now.
    pub(super) fn heard(&mut self, at: usize, event: &Committed) {
        self.heard.hear(event);
        if let Committed::GroupStopped { group, .. } = event {
            self.heard_stops[at].insert(*group);
        }
    }

    /// A shard sends a message. `latest_ms` is the latest that its clock ever showed: by then a
    /// stop may be forgotten if its messages had expired.
    pub(super) fn sent(&self, at: usize, id: MessageId, cid: ClientId, latest_ms: u64) {
        let Some((group, whose)) = self.messages.get(&id) else {
            return;
        };
        assert_eq!(*whose, cid, "its own message");
        let is_over = self.heard_stops[at].contains(group) && self.stopped[group] > latest_ms;
        assert!(!is_over, "{group:?} was stopped");
    }

    pub(super) fn is_muted(&self, cid: ClientId) -> bool {
        self.heard.muted.contains(&cid)
    }

    pub(super) fn has_tag(&self, cid: ClientId, tag: &str) -> bool {
        self.heard.tags.contains(&(cid, tag.into()))
    }
}
