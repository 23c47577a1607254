//! The end of a run: no more work, no more trouble, everybody online; then the oracle.

use std::collections::BTreeMap;

use protocol::ClientId;
use schema::record::AliasOfClient;
use server_core::keys;
use server_core::read::{alias_of_cid, cids_of_alias};
use server_core::rows::Keyspace;

use super::agenda::Happening;
use super::link::ServerEnd;
use super::parties::app_no;
use super::sums;
use super::world::{Phase, World};

/// How long the calm may last, in microseconds: longer than any back-off, heartbeat and time
/// limit together.
const CALM_US_MAX: u64 = 1_200_000_000;

/// Links are good in the calm: their delay in microseconds, and what their sockets take at least.
const CALM_LATENCY_US: u64 = 5_000;
const CALM_SOCKET_LEN: usize = 200_000;

/// How long everything must have been settled before the end, in microseconds: cursors are
/// flushed twice a second.
const SETTLED_US: u64 = 3_000_000;

impl World {
    /// Nothing new is asked from here on, and nothing goes wrong any more.
    pub(super) fn calm_down(&mut self) {
        self.trace.note("calm", [0, 0, 0]);
        self.phase = Phase::Calm {
            until_us: self.now_us + CALM_US_MAX,
        };
        self.settled_since_us = None;
        self.mend();
        self.plan.latency_us = self.plan.latency_us.min(CALM_LATENCY_US);
        self.plan.socket_len = self.plan.socket_len.max(CALM_SOCKET_LEN);
        for link in self.links.by_id.values_mut() {
            link.latency_us = link.latency_us.min(CALM_LATENCY_US);
        }
        for at in 0..self.phones.len() {
            if self.phones[at].is_twin {
                self.phone_off(at);
            } else {
                let life = self.phones[at].life;
                self.after(0, Happening::PhoneOn { phone: at, life });
            }
        }
    }

    /// Looks whether everything has settled; if so the server is told to end.
    pub(super) fn look_for_calm(&mut self) {
        let Phase::Calm { until_us } = self.phase else {
            return;
        };
        let missing = self.ledger.missing();
        let unfinished = self.ledger.groups.unfinished(self.wall_ms());
        if self.now_us > until_us {
            let offline = (0..self.phones.len()).filter(|at| !self.is_content(*at));
            panic!(
                "it never settles: {} phones are offline, {} requests wait, {} messages are \
                 missing, the first {:?}, a push to many has no end: {unfinished:?}",
                offline.count(),
                self.parties.waiting.len(),
                missing.len(),
                missing.first()
            );
        }
        let enabled = self.enable_apps();
        let online = (0..self.phones.len()).all(|at| self.is_content(at));
        let settled = online
            && missing.is_empty()
            && self.watch.is_all_acked()
            && self.parties.waiting.is_empty()
            && !self.server.stopping
            && !self.server.committer.broken
            && self.store_is_idle()
            && self.links_are_empty()
            && enabled
            && unfinished.is_none();
        if !settled {
            self.settled_since_us = None;
            return;
        }
        let since_us = *self.settled_since_us.get_or_insert(self.now_us);
        if self.now_us >= since_us + SETTLED_US {
            self.phase = Phase::Ending;
            self.finish();
        }
    }

    /// Whether a phone is online, over a link that the server holds too. Twins stay off.
    fn is_content(&self, at: usize) -> bool {
        let phone = &self.phones[at];
        let link = phone.link.and_then(|id| self.links.by_id.get(&id));
        let held =
            link.is_some_and(|link| matches!(link.server, ServerEnd::At(..)) && !link.is_silent);
        let gone = self.ledger.is_app_gone(app_no(phone.app));
        phone.is_twin || gone || (phone.is_online() && held)
    }

    /// Nothing is on its way, and the server took every frame that a phone sent.
    fn links_are_empty(&self) -> bool {
        let mut links = self.links.by_id.values();
        links.all(|link| {
            let is_empty = link.up.is_empty() && link.down.is_empty() && link.sent.is_empty();
            is_empty || !link.phone_holds
        })
    }

    /// What must be, now that all is over.
    pub(super) fn ask_the_oracle(&mut self) {
        let missing = self.ledger.missing();
        assert!(
            missing.is_empty(),
            "accepted and never handled: {missing:?}"
        );
        let mut held = sums::check(&self.server.disk.rows, &self.stages);
        held.retain(|(_, (cid, _))| {
            !self.ledger.is_gone(*cid) && !self.ledger.push_off.contains(cid)
        });
        assert!(
            held.is_empty(),
            "held though every device was online and drained: {held:?}"
        );
        self.check_aliases();
        self.check_deleted_apps();
        self.check_reports();
        self.phase = Phase::Over;
    }

    /// The rows of aliases, both ways, are what was bound.
    fn check_aliases(&self) {
        let rows = &self.server.disk.rows;
        let mut bound: BTreeMap<(ClientId, String), String> = BTreeMap::new();
        sums::each(rows, Keyspace::ClientAlias, |key, value| {
            let cid = keys::client_of(key).expect("a key of ours");
            let alias_type = String::from_utf8(key[18..].to_vec()).expect("a key of ours");
            let row = AliasOfClient::decode(value).expect("a row of ours");
            bound.insert((cid, alias_type), row.alias);
        });
        let expected = self.ledger.aliases.all();
        let as_row = |one: &super::aliases::Binding| {
            ((one.cid, one.alias_type.to_string()), one.alias.to_string())
        };
        assert_eq!(
            bound,
            expected.iter().map(as_row).collect(),
            "aliases of client ids"
        );
        let mut forward = 0;
        sums::each(rows, Keyspace::Alias, |_, _| forward += 1);
        assert_eq!(forward, expected.len(), "rows of aliases");
        for one in expected {
            let found = cids_of_alias(rows, one.app, &one.alias_type, &one.alias);
            let cids = self
                .ledger
                .aliases
                .cids(one.app, &one.alias_type, &one.alias);
            assert_eq!(found, Ok(cids), "client ids of alias {}", one.alias);
            let found = alias_of_cid(rows, one.cid, &one.alias_type);
            assert_eq!(found, Ok(Some(one.alias.clone())), "alias of {}", one.cid);
        }
    }
}
