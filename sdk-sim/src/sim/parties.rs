//! Third parties at work: they push, repeat, give up, bind aliases and ask, as the ingress lets
//! them.

use protocol::ClientId;
use server_core::command::{Answer, Command, Push, Storage};
use server_core::ids::{AppNo, ShardNo, Ticket};
use server_core::placement::Slot;

use super::agenda::Happening;
use super::party::{Aim, Ask, AttemptNo, BODY_LEN_MIN, Request, Stage, Ttl, task_of};
use super::plan::APPS;
use super::world::{Phase, World};

/// Longest time that an ingress waits for an answer (`server/src/ask.rs`), in microseconds.
const ANSWER_WAIT_US: u64 = 10_000_000;

/// Names that aliases and alias types are picked from: few, so that they meet.
const ALIASES: [&str; 3] = ["amy", "bob", "cid"];
pub(super) const ALIAS_TYPES: [&str; 2] = ["", "work"];

impl World {
    /// A new push for one CID.
    pub(super) fn push_one(&mut self, app: usize, cid: ClientId) {
        self.request(app, Aim::One(cid));
    }

    /// A new push for several CIDs.
    pub(super) fn push_several(&mut self, app: usize) {
        let mut cids = self.known_cids(app);
        if cids.is_empty() {
            return;
        }
        for _ in 0..self.dice.below(3) {
            let drop = self.dice.index(cids.len());
            if cids.len() > 1 {
                cids.remove(drop);
            }
        }
        self.request(app, Aim::Many(cids));
    }

    /// A new push for an alias.
    pub(super) fn push_alias(&mut self, app: usize) {
        let (alias_type, alias) = self.pick_alias();
        self.request(app, Aim::Alias(alias_type, alias));
    }

    /// One of the aliases, with its type.
    pub(super) fn pick_alias(&mut self) -> (Box<str>, Box<str>) {
        (
            self.dice.pick(&ALIAS_TYPES).into(),
            self.dice.pick(&ALIASES).into(),
        )
    }

    /// A new push for whomever.
    pub(super) fn request(&mut self, app: usize, aim: Aim) {
        let ttl = match self.dice.below(20) {
            0..3 => Ttl::Never,
            3..6 => Ttl::Ms(self.dice.within(1, 20_000)),
            6..10 => Ttl::Ms(7_200_000),
            _ => Ttl::Ms(259_200_000),
        };
        let number = self.parties.requests.len();
        self.parties.requests.push(Request {
            id: format!("request-{number}").into(),
            app,
            aim,
            ttl,
        });
        self.try_again(number, 0);
        if self.dice.chance(1, 10) {
            // The client repeats on another connection before the first is answered.
            let after_us = self.dice.below(20_000);
            self.try_again(number, after_us);
        }
    }

    /// A further attempt at an old request.
    pub(super) fn repeat_old(&mut self) {
        let len = self.parties.requests.len();
        if len > 0 {
            let number = self.dice.index(len);
            self.try_again(number, 0);
        }
    }

    fn try_again(&mut self, request: usize, after_us: u64) {
        let len = self
            .dice
            .within(BODY_LEN_MIN as u64, self.plan.body_len_max);
        let attempt = self.parties.attempt_at(request, len as usize);
        self.after(after_us, Happening::Attempt(attempt));
    }

    /// An attempt begins.
    pub(super) fn attempt(&mut self, number: AttemptNo) {
        self.trace.note("attempt", [number, 0, 0]);
        let request = &self.parties.requests[self.parties.attempts[number as usize].request];
        let app = app_no(request.app);
        match request.aim.clone() {
            Aim::One(cid) => {
                let push = self.push_of(number);
                let at = self.owner(cid);
                self.ask(
                    at,
                    Ask::Push(number),
                    Command::PushSingle { app, cid, push },
                );
            }
            Aim::Many(cids) => self.probe(number, cids),
            Aim::Alias(alias_type, alias) => {
                let at = self.home(&[alias_type.as_bytes(), alias.as_bytes()].concat());
                let command = Command::CidsOfAlias {
                    app,
                    alias_type,
                    alias,
                };
                self.ask(at, Ask::LookUp(number), command);
            }
            Aim::OfList(_, cids) => self.probe(number, cids),
            Aim::List | Aim::App(_) => {
                let request = self.request_of(number);
                let name = [APPS[request.app].as_bytes(), request.id.as_bytes()].concat();
                let push = self.group_push_of(number);
                let at = self.home(&name);
                self.ask(at, Ask::Push(number), Command::PushGroup { app, push });
            }
        }
    }

    fn push_of(&self, number: AttemptNo) -> Push {
        let request = &self.parties.requests[self.parties.attempts[number as usize].request];
        Push {
            vendor: None,
            skips_notify_off: false,
            request_id: request.id.clone(),
            task_id: task_of(number),
            storage: match request.ttl {
                Ttl::Never => Storage::Never,
                Ttl::Ms(ms) => Storage::Until(self.wall_ms() + ms),
            },
            body: self.parties.body(number),
        }
    }

    fn probe(&mut self, number: AttemptNo, cids: Vec<ClientId>) {
        let app = app_no(self.request_of(number).app);
        let mut owners: Vec<Vec<ClientId>> = vec![Vec::new(); self.shard_len()];
        for cid in &cids {
            if let Some(owned) = owners.get_mut(self.owner(*cid)) {
                owned.push(*cid);
            }
        }
        let open = owners.iter().filter(|cids| !cids.is_empty()).count();
        self.parties.attempts[number as usize].stage = if open == 0 {
            Stage::Over
        } else {
            Stage::Probing {
                cids,
                reached: Default::default(),
                open,
            }
        };
        for (at, cids) in owners.into_iter().enumerate() {
            if !cids.is_empty() {
                self.ask(at, Ask::Probe(number), Command::Probe { app, cids });
            }
        }
    }

    /// Asks a shard. No server, or a full ring, is a refusal.
    pub(super) fn ask(&mut self, at: usize, ask: Ask, command: Command) {
        let ticket = self.parties.ticket(ask);
        let full = match self.server.seats.get(at) {
            Some(seat) => seat.questions.len() >= self.plan.ring_len,
            None => true,
        };
        if full {
            return self.answer(ticket, Answer::Busy);
        }
        self.server.seats[at].questions.push_back((ticket, command));
        self.call(at);
        let patience_us = self.dice.within(ANSWER_WAIT_US / 20, ANSWER_WAIT_US);
        self.after(patience_us, Happening::GiveUp(ticket.0));
    }

    /// A question that is only asked, and a change of aliases.
    pub(super) fn ask_aside(&mut self, app: usize, what: u64) {
        let cids = self.known_cids(app);
        if cids.is_empty() || self.shard_len() == 0 {
            return;
        }
        let cid = cids[self.dice.index(cids.len())];
        let (alias_type, alias) = self.pick_alias();
        let any = self.dice.index(self.shard_len());
        let home = self.home(alias.as_bytes());
        let owner = self.owner(cid);
        let app = app_no(app);
        let bindings = vec![(cid, alias.clone())];
        let (at, command) = match what {
            0 => (
                owner,
                Command::Status {
                    app,
                    cids: vec![cid],
                },
            ),
            1 => (
                home,
                Command::CidsOfAlias {
                    app,
                    alias_type,
                    alias,
                },
            ),
            2 => (
                owner,
                Command::AliasOfCid {
                    app,
                    alias_type,
                    cid,
                },
            ),
            3 | 4 => (
                any,
                Command::UnbindAliases {
                    app,
                    alias_type,
                    bindings,
                },
            ),
            _ => (
                any,
                Command::BindAliases {
                    app,
                    alias_type,
                    bindings,
                },
            ),
        };
        self.ask(at, Ask::Other, command);
    }

    /// Unbinds an alias that nobody has, by way of a shard: an op that writes nothing.
    pub(super) fn unbind_somewhere(&mut self, app: usize, at: usize) {
        if let Some(cid) = self.known_cids(app).first().copied() {
            let command = Command::UnbindAliases {
                app: app_no(app),
                alias_type: "nobody".into(),
                bindings: vec![(cid, "nobody".into())],
            };
            self.ask(at, Ask::Other, command);
        }
    }

    /// An answer reaches whoever waits for it, if anybody still does.
    pub(super) fn answer(&mut self, ticket: Ticket, answer: Answer) {
        if let Some(found) = self.parties.found.remove(&ticket) {
            assert_eq!(answer, found, "an answer, and what the reader found");
        }
        let Some(ask) = self.parties.waiting.remove(&ticket) else {
            return;
        };
        self.trace.note("answer", [ticket.0, 0, 0]);
        match (ask, answer) {
            (Ask::Push(number), Answer::Pushed { task_id, targets }) => {
                let at = self.parties.attempts[number as usize].request;
                self.parties.attempts[number as usize].stage = Stage::Over;
                let request = &self.parties.requests[at];
                let app = app_no(request.app);
                if let Aim::OfList(list, _) = &request.aim {
                    assert_eq!(*list, task_id, "the task of a list");
                } else {
                    self.ledger.answered(app, &request.id, &task_id, &targets);
                }
            }
            (Ask::Push(number), Answer::GroupTaken { task_id }) => {
                let at = self.parties.attempts[number as usize].request;
                self.parties.attempts[number as usize].stage = Stage::Over;
                let request = &self.parties.requests[at];
                let app = app_no(request.app);
                self.ledger.answered(app, &request.id, &task_id, &[]);
                let known = match &request.aim {
                    Aim::List => &mut self.parties.lists,
                    _ => &mut self.parties.app_pushes,
                };
                known.push((request.app, task_id));
            }
            (Ask::Push(number), Answer::NoSuchTask) => {
                self.parties.attempts[number as usize].stage = Stage::Over;
            }
            (Ask::Receipts(app), Answer::Receipts(told)) => self.settle(app, &told.receipts),
            (Ask::LookUp(number), Answer::Cids(cids)) => self.probe(number, cids),
            (Ask::Probe(number), Answer::Reached(found)) => self.probed(number, found),
            (Ask::Push(number) | Ask::LookUp(number) | Ask::Probe(number), _) => {
                self.refused(number);
            }
            (Ask::Live(cid), Answer::LiveSession(session)) => {
                self.check_live(cid, session.as_deref());
            }
            (Ask::Deletion(app), Answer::Done) => {
                let gone = self.ledger.is_app_gone(app);
                assert!(gone, "promised and not durable: the deletion of {app:?}");
                self.met.deletions += 1;
            }
            (Ask::Live(_) | Ask::App | Ask::Deletion(_) | Ask::Receipts(_) | Ask::Other, _) => {}
        }
    }

    fn probed(&mut self, number: AttemptNo, found: Vec<(ClientId, server_core::command::Reach)>) {
        let stage = &mut self.parties.attempts[number as usize].stage;
        let Stage::Probing {
            cids,
            reached,
            open,
        } = stage
        else {
            return;
        };
        reached.extend(found);
        *open -= 1;
        if *open > 0 {
            return;
        }
        let targets: Vec<_> = cids
            .iter()
            .filter_map(|cid| Some((*cid, *reached.get(cid)?)))
            .collect();
        *stage = Stage::Waiting;
        if targets.is_empty() {
            *stage = Stage::Over;
            return;
        }
        let request = self.request_of(number);
        let app = app_no(request.app);
        if let Aim::OfList(task_id, _) = request.aim.clone() {
            let at = self.home_of_task(&task_id);
            let command = Command::PushList {
                app,
                task_id,
                targets,
            };
            return self.ask(at, Ask::Push(number), command);
        }
        let name = [APPS[request.app].as_bytes(), request.id.as_bytes()].concat();
        let push = self.push_of(number);
        let at = self.home(&name);
        self.ask(
            at,
            Ask::Push(number),
            Command::PushMany { app, targets, push },
        );
    }

    /// A third party has waited long enough.
    pub(super) fn give_up(&mut self, ticket: u64) {
        if let Some(Ask::Push(number) | Ask::LookUp(number) | Ask::Probe(number)) =
            self.parties.waiting.remove(&Ticket(ticket))
        {
            self.trace.note("give up", [ticket, number, 0]);
            self.refused(number);
        }
    }

    /// No answer, or a refusal: the official clients repeat, with the same request id.
    fn refused(&mut self, number: AttemptNo) {
        let attempt = &mut self.parties.attempts[number as usize];
        if matches!(attempt.stage, Stage::Over) {
            return;
        }
        attempt.stage = Stage::Over;
        let request = attempt.request;
        if self.phase == Phase::Wild && self.dice.chance(2, 3) {
            let after_us = self.dice.within(1_000, 2_000_000);
            self.try_again(request, after_us);
        }
    }

    /// The server died: every connection to it is broken.
    pub(super) fn parties_lost_server(&mut self) {
        self.parties.found.clear();
        for (_, ask) in std::mem::take(&mut self.parties.waiting) {
            if let Ask::Push(number) | Ask::LookUp(number) | Ask::Probe(number) = ask {
                self.refused(number);
            }
        }
    }

    pub(super) fn request_of(&self, number: AttemptNo) -> &Request {
        &self.parties.requests[self.parties.attempts[number as usize].request]
    }

    fn shard_len(&self) -> usize {
        self.server.seats.len()
    }

    /// The owner of a CID; beyond the last shard while no server runs.
    pub(super) fn owner(&self, cid: ClientId) -> usize {
        self.place(Slot::of_cid(cid))
    }

    fn home(&self, name: &[u8]) -> usize {
        self.place(Slot::of_name(name))
    }

    pub(super) fn place(&self, slot: Slot) -> usize {
        match self.shard_len() {
            0 => usize::MAX,
            len => {
                let ShardNo(at) = slot.shard(len as u16);
                usize::from(at)
            }
        }
    }
}

/// The number that the store gives to the apps, in the order of their creation.
pub(super) fn app_no(app: usize) -> AppNo {
    AppNo(app as u32 + 1)
}
