//! The owner of some CIDs: their sessions, outboxes, timers and cursors.
//!
//! Owner: one executor; never crosses cores. Drive it so: one [`ShardEvent`] in with the time,
//! then perform every [`Effect`] that came out, in order, before the next.
//! Always (checked after each event in debug builds): a live session's device names it back; no
//! more commits and reads are under way than their rings hold.
//!
//! The parts: `login` (hello to welcome), `commands` (what third parties ask), `device` (what a
//! live device sends), `operations` (what it asks for by commands), `delivery` (outbox to socket), `groups` (pushes to many), `import` (devices
//! from elsewhere), `upkeep` (time, flush, drain).

mod commands;
mod delivery;
mod device;
mod groups;
mod import;
mod login;
mod operations;
mod upkeep;

use std::collections::{BTreeSet, VecDeque};

use hashbrown::HashMap;
use protocol::{ClientId, Close, CloseReason, UpstreamStatus};
use schema::record::App;

use crate::apps::Apps;
use crate::clock::{Day, Now};
use crate::command::Answer;
use crate::counters::Counters;
use crate::device_quotas::DeviceQuotas;
use crate::devices::{Device, Devices, Mix};
use crate::effect::Effect;
use crate::event::ShardEvent;
use crate::ids::{AppNo, Generation, SessionId, ShardNo};
use crate::limits::{
    COMMIT_BYTES_IN_FLIGHT_MAX, COMMITS_IN_FLIGHT_MAX, COMMITS_RESERVED,
    COMMITS_RESERVED_FOR_WALKS, DIRTY_LEN_MAX, FINALS_LEN_MAX, READS_IN_FLIGHT_MAX, RETRY_AFTER_MS,
    RETRY_SPREAD_MS,
};
use crate::op::{Committed, Done, Failed, MessageEnd, Op, Origin};
use crate::read::{Read, ReadDone};
use crate::session::Session;
use crate::wheel::Wheel;

use groups::Groups;

/// What the operator may set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The heartbeat of a device that asks for none, in seconds.
    pub heartbeat_default_s: u16,
    /// The shortest heartbeat granted, in seconds.
    pub heartbeat_min_s: u16,
    /// The longest heartbeat granted, in seconds.
    pub heartbeat_max_s: u16,
    /// Time from accept to a complete hello, handshake included, in ms.
    pub hello_timeout_ms: u64,
    /// Whether devices may bind and unbind aliases themselves. Who binds another user's alias
    /// receives that user's pushes.
    pub devices_may_bind: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            heartbeat_default_s: 240,
            heartbeat_min_s: 10,
            heartbeat_max_s: 1800,
            hello_timeout_ms: 10_000,
            devices_may_bind: true,
        }
    }
}

/// Which shard this is, and what made it.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The index of this shard.
    pub me: ShardNo,
    /// How many shards there are.
    pub shards: u16,
    /// The durable number of this start.
    pub epoch: u32,
    /// Secret randomness of this shard; CIDs are drawn from it.
    pub seed: [u8; 32],
}

/// See the module page.
#[derive(Debug)]
pub struct Shard {
    identity: Identity,
    settings: Settings,
    apps: Apps,
    devices: Devices,
    sessions: HashMap<SessionId, Session, std::hash::BuildHasherDefault<Mix>>,
    wheel: Wheel<SessionId>,
    logins: u32,
    cids_drawn: u64,
    /// Weights of the commits under way, oldest first.
    commits: VecDeque<usize>,
    commit_bytes: usize,
    reads: usize,
    /// Sessions that want a page and wait for room in the ring.
    page_line: VecDeque<SessionId>,
    /// Devices of deleted apps whose rows are still to be deleted.
    to_forget: Vec<ClientId>,
    finals: Vec<MessageEnd>,
    /// The time of the event under way.
    now: Now,
    next_flush_ms: u64,
    today: Day,
    draining: Option<Draining>,
    groups: Groups,
    device_quotas: DeviceQuotas,
    counters: Counters,
}

#[derive(Debug)]
struct Draining {
    jitter_ms: u32,
    endpoint: String,
    left: Vec<SessionId>,
}

impl Shard {
    /// A shard that knows the apps and devices of the store.
    pub fn new(
        identity: Identity,
        settings: Settings,
        apps: Vec<App>,
        devices: Devices,
        now: Now,
    ) -> Self {
        assert!(
            identity.me.0 < identity.shards,
            "a shard is one of the shards"
        );
        let apps = Apps::new(apps);
        let mut devices = devices;
        // A crash may have come between the deletion of an app and that of its devices.
        let to_forget = devices.remove_all(|device| !apps.has_number(device.app));
        Shard {
            identity,
            settings,
            apps,
            devices,
            sessions: HashMap::default(),
            wheel: Wheel::new(now.mono_ms),
            logins: 0,
            cids_drawn: 0,
            commits: VecDeque::new(),
            commit_bytes: 0,
            reads: 0,
            page_line: VecDeque::new(),
            to_forget,
            finals: Vec::new(),
            now,
            next_flush_ms: now.mono_ms,
            today: Day(0),
            draining: None,
            groups: Groups::new(now.wall_ms),
            device_quotas: DeviceQuotas::default(),
            counters: Counters::default(),
        }
    }

    /// What was counted so far.
    pub fn counters(&self) -> Counters {
        Counters {
            devices: self.devices.len() as u64,
            ..self.counters
        }
    }

    /// Whether nothing is under way: no session, no commit, no read, no unwritten cursor or count.
    pub fn is_at_rest(&self) -> bool {
        self.sessions.is_empty()
            && self.commits.is_empty()
            && self.reads == 0
            && self.devices.dirty_len() == 0
            && self.finals.is_empty()
    }

    /// Whether a session is known here.
    pub fn has_session(&self, session: SessionId) -> bool {
        self.sessions.contains_key(&session)
    }

    /// How many connections there are, logged in or not.
    pub fn session_len(&self) -> usize {
        self.sessions.len()
    }

    /// Takes one event; what is to be done about it is appended to `effects`.
    pub fn on_event(&mut self, now: Now, event: ShardEvent, effects: &mut Vec<Effect>) {
        self.now = now;
        match event {
            ShardEvent::Opened(session) => self.on_opened(now, session, effects),
            ShardEvent::Adopted(session, hello) => self.on_adopted(now, session, *hello, effects),
            ShardEvent::Frame(session, frame) => self.on_frame(now, session, frame, effects),
            ShardEvent::Malformed(session, error) => {
                self.close(session, error.close_reason(), &error.to_string(), effects);
            }
            ShardEvent::Closed(session) => self.forget(session),
            ShardEvent::Command(ticket, command) => self.on_command(now, ticket, command, effects),
            ShardEvent::Committed(committed) => self.on_committed(now, committed, effects),
            ShardEvent::Read(done) => self.on_read(now, done, effects),
            ShardEvent::Tick => self.on_tick(now, effects),
            ShardEvent::Settings(settings) => self.settings = settings,
            ShardEvent::Drain {
                jitter_ms,
                endpoint,
            } => self.on_drain(jitter_ms, endpoint),
            ShardEvent::Finish => self.on_finish(effects),
        }
        if self.devices.dirty_len() >= DIRTY_LEN_MAX || self.finals.len() >= FINALS_LEN_MAX {
            self.flush(effects);
        }
        self.check_bounds();
    }

    fn check_bounds(&self) {
        assert!(
            self.commits.len() <= COMMITS_IN_FLIGHT_MAX,
            "more commits than the ring holds"
        );
        assert!(
            self.reads <= READS_IN_FLIGHT_MAX,
            "more reads than the ring holds"
        );
    }

    /// Messages that ended and are not submitted yet, in the order counted.
    pub fn unwritten_ends(&self) -> &[MessageEnd] {
        &self.finals
    }

    /// How many sessions stand in line for a page, dead ones included.
    pub fn page_line_len(&self) -> usize {
        self.page_line.len()
    }

    /// Checks every invariant, in time proportional to the number of sessions.
    pub fn check_invariants(&self) {
        self.check_bounds();
        let mut live_len = 0;
        for (id, session) in &self.sessions {
            if let Session::Live(live) = session {
                live_len += 1;
                let device = self
                    .devices
                    .get(live.cid)
                    .expect("a live session has a device");
                assert_eq!(
                    device.session(),
                    Some(*id),
                    "the device of {id:?} names it back"
                );
                assert!(
                    live.outbox.cursor() <= device.acked,
                    "the cursor of {} is kept",
                    live.cid
                );
            }
        }
        assert_eq!(
            self.counters.sessions, live_len,
            "live sessions are counted"
        );
        let mut lined_up = BTreeSet::new();
        for session in &self.page_line {
            assert!(
                lined_up.insert(*session),
                "{session:?} stands in the line once"
            );
        }
    }

    fn on_committed(&mut self, now: Now, committed: Committed, effects: &mut Vec<Effect>) {
        match committed {
            Committed::Stored { cid, message } => self.on_stored(now, cid, message, effects),
            Committed::App(app) => {
                if self.identity.me == ShardNo(0) {
                    effects.push(Effect::App(app.clone()));
                }
                if app.disabled {
                    self.close_all_of(AppNo(app.number), CloseReason::AppDisabled, effects);
                }
                self.apps.put(app);
            }
            Committed::AppGone(app) => self.on_app_gone(app, effects),
            Committed::GroupBegins(running) => self.on_group_begins(*running, effects),
            Committed::GroupStopped { group, expires_ms } => {
                self.on_group_stopped(group, expires_ms);
            }
            Committed::GroupScheduled { group, start_ms } => {
                self.groups.schedule(group, start_ms);
            }
            Committed::GroupPaced { group, total } => self.on_group_paced(group, total, effects),
            Committed::Tagged { cid, tag, has } => self.devices.set_tag(cid, &tag, has),
            Committed::Switched { cid, switches } => self.on_switched(now, cid, switches, effects),
            Committed::UpstreamEnded { cid, id, status } => {
                let session = self.devices.get(cid).and_then(|device| device.session());
                if let Some(session) = session {
                    self.send_upstream_ack(session, id, status, effects);
                }
            }
            Committed::Imported(imported) => self.on_imported(*imported),
            Committed::Done(done) => {
                let weight = self.commits.pop_front().expect("a commit is under way");
                self.commit_bytes -= weight;
                self.on_done(now, done, effects);
            }
        }
    }

    fn on_done(&mut self, now: Now, done: Done, effects: &mut Vec<Effect>) {
        match done {
            Done::Accepted { ticket, accepted } => self.on_accepted(ticket, accepted, effects),
            Done::Registered { session, cid, new } => {
                self.on_registered(now, session, cid, new, effects)
            }
            Done::AppCreated {
                ticket: Some(ticket),
                app,
            } => {
                effects.push(Effect::Answer(ticket, Answer::AppCreated(app)));
            }
            Done::Forgotten { ticket: None, .. } => {}
            Done::Forgotten {
                ticket: Some(ticket),
                cids,
            } => {
                self.on_forgotten(&cids, effects);
                effects.push(Effect::Answer(ticket, Answer::Done));
            }
            Done::Answered { origin, answer } => self.answer(origin, *answer, effects),
            Done::UpstreamTaken {
                session,
                id,
                status,
            } => {
                self.counters.busy += u64::from(status == UpstreamStatus::Busy);
                self.send_upstream_ack(session, id, status, effects);
            }
            Done::GroupStarted(group) => self.groups.started(group),
            Done::WalkBegun | Done::Sampled => {}
            Done::Fanned {
                group,
                reached,
                goes_on,
            } => self.on_fanned(now, group, reached, goes_on, effects),
            Done::AppChanged { ticket, known } => {
                let answer = if known {
                    Answer::Done
                } else {
                    Answer::TargetInvalid
                };
                effects.push(Effect::Answer(ticket, answer));
            }
            Done::AppCreated { ticket: None, .. } | Done::Booted { .. } => {}
            Done::Cursors => {}
            Done::DaysDropped { expired } => self.counters.expired += expired,
            Done::Failed(failed) => {
                self.counters.store_failures += 1;
                match failed {
                    Failed::Origin(origin) => self.answer(origin, Answer::StoreFailed, effects),
                    Failed::Registration(session) => {
                        self.close(
                            session,
                            CloseReason::InternalError,
                            "the store refuses",
                            effects,
                        );
                    }
                    Failed::Upstream(session, id) => {
                        self.send_upstream_ack(session, id, UpstreamStatus::Busy, effects);
                    }
                    Failed::Forgetting { ticket, cid } => {
                        self.devices.set_leaving(cid, false);
                        effects.push(Effect::Answer(ticket, Answer::StoreFailed));
                    }
                    Failed::Walk(group) => self.groups.walk_failed(group),
                    Failed::Start(group) => self.groups.start_failed(group),
                    Failed::Nobody => {}
                }
            }
        }
    }

    fn on_read(&mut self, now: Now, done: ReadDone, effects: &mut Vec<Effect>) {
        self.reads = self.reads.checked_sub(1).expect("a read is under way");
        match done {
            ReadDone::Backlog { session, page } => self.on_page(now, session, page, effects),
            ReadDone::Cids { ticket, cids } => {
                let answer = cids.map_or_else(|_| self.store_failed(), Answer::Cids);
                effects.push(Effect::Answer(ticket, answer));
            }
            ReadDone::Device { ticket, history } => {
                let answer = match history {
                    Ok(Some(history)) => Answer::DeviceHistory(history),
                    Ok(None) => Answer::TargetInvalid,
                    Err(_) => self.store_failed(),
                };
                effects.push(Effect::Answer(ticket, answer));
            }
            ReadDone::Task { ticket, history } => {
                let answer = history.map_or_else(|_| self.store_failed(), Answer::TaskHistory);
                effects.push(Effect::Answer(ticket, answer));
            }
            ReadDone::Asked { origin, answer } => {
                let answer = answer.map_or_else(|_| self.store_failed(), |answer| *answer);
                self.answer(origin, answer, effects);
            }
            ReadDone::Alias { ticket, alias } => {
                let answer = alias.map_or_else(|_| self.store_failed(), Answer::Alias);
                effects.push(Effect::Answer(ticket, answer));
            }
        }
        self.serve_page_line(now, effects);
    }

    fn store_failed(&mut self) -> Answer {
        self.counters.store_failures += 1;
        Answer::StoreFailed
    }

    /// Whether an op of somebody who waits may be submitted now.
    fn can_commit(&self, weight: usize) -> bool {
        self.commits.len() < COMMITS_IN_FLIGHT_MAX - COMMITS_RESERVED
            && self.commit_bytes + weight <= COMMIT_BYTES_IN_FLIGHT_MAX
    }

    /// Whether a walk may submit its next step now: third parties leave it some room.
    fn can_walk(&self) -> bool {
        let kept_for_cursors = COMMITS_RESERVED - COMMITS_RESERVED_FOR_WALKS;
        self.commits.len() < COMMITS_IN_FLIGHT_MAX - kept_for_cursors
    }

    fn commit(&mut self, op: Op, effects: &mut Vec<Effect>) {
        let weight = op.weight();
        self.commits.push_back(weight);
        self.commit_bytes += weight;
        effects.push(Effect::Commit(op));
    }

    /// Asks the store for an answer, or answers "busy".
    fn read_for(&mut self, origin: impl Into<Origin>, read: Read, effects: &mut Vec<Effect>) {
        if self.reads == READS_IN_FLIGHT_MAX {
            self.busy(origin, effects);
        } else {
            self.reads += 1;
            effects.push(Effect::Read(read));
        }
    }

    fn busy(&mut self, origin: impl Into<Origin>, effects: &mut Vec<Effect>) {
        self.counters.busy += 1;
        self.answer(origin.into(), Answer::Busy, effects);
    }

    /// Forgets a session and has its connection closed with a reason.
    fn close(
        &mut self,
        session: SessionId,
        reason: CloseReason,
        text: &str,
        effects: &mut Vec<Effect>,
    ) {
        let retry_after_ms = match reason {
            CloseReason::UnknownApp
            | CloseReason::BadCredential
            | CloseReason::SignRequired
            | CloseReason::AppDisabled
            | CloseReason::UnsupportedVersion => u32::MAX,
            CloseReason::Overloaded => RETRY_AFTER_MS + spread_ms(session),
            CloseReason::InternalError => RETRY_AFTER_MS,
            _ => 0,
        };
        if self.sessions.contains_key(&session) {
            self.forget(session);
            let text = clip(text, protocol::limits::CLOSE_TEXT_LEN_MAX);
            effects.push(Effect::Close(
                session,
                Close {
                    reason,
                    retry_after_ms,
                    text,
                },
            ));
        }
    }

    /// The connection is gone or was given away.
    fn forget(&mut self, session: SessionId) {
        let Some(Session::Live(live)) = self.sessions.remove(&session) else {
            return;
        };
        self.counters.sessions -= 1;
        let (cid, seen_ms) = (live.cid, live.seen_ms);
        let mut finals = Vec::new();
        live.outbox.close(&mut finals);
        self.keep(self.now, live.cid, finals);
        if let Some(device) = self.devices.get_mut(cid) {
            debug_assert_eq!(device.session(), Some(session));
            device.set_session(None);
            device.last_seen_ms = seen_ms;
        }
        self.devices.touch(cid);
    }

    fn next_generation(&mut self) -> Generation {
        self.logins += 1;
        Generation(u64::from(self.identity.epoch) << 32 | u64::from(self.logins))
    }

    fn device_of(&self, cid: ClientId, app: crate::ids::AppNo) -> Option<&Device> {
        self.devices.get(cid).filter(|device| device.app == app)
    }
}

/// A part of [`RETRY_SPREAD_MS`] that differs from session to session: multiples of the golden
/// ratio fall evenly.
fn spread_ms(session: SessionId) -> u32 {
    let part = (session.0 as u32).wrapping_mul(0x9e37_79b9);
    ((u64::from(part) * u64::from(RETRY_SPREAD_MS)) >> u32::BITS) as u32
}

/// Cuts a text at a character border so that it fits the wire.
fn clip(text: &str, len_max: usize) -> String {
    let mut end = text.len().min(len_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::apps::tests::app;

    #[test]
    fn given_an_app_when_asked_for_by_its_id_should_be_found() {
        let identity = Identity {
            me: ShardNo(0),
            shards: 1,
            epoch: 1,
            seed: [0; 32],
        };
        let (settings, now) = (Settings::default(), Now::default());
        let shard = Shard::new(identity, settings, vec![app()], Devices::default(), now);
        assert_eq!(shard.app("id"), Some(&app()));
        assert_eq!(shard.app("another"), None);
    }

    #[test]
    fn given_sessions_that_are_refused_one_after_the_other_when_told_should_return_evenly() {
        let tenths: BTreeSet<u32> = (1..=20)
            .map(|number| spread_ms(SessionId(number)) * 10 / RETRY_SPREAD_MS)
            .collect();
        assert_eq!(tenths, (0..10).collect());
    }

    #[test]
    fn given_texts_around_a_limit_when_clipped_should_fit_and_end_at_a_character() {
        for (text, len_max, clipped) in [
            ("", 4, ""),
            ("abcd", 4, "abcd"),
            ("abcde", 4, "abcd"),
            ("ab字", 5, "ab字"),
            ("ab字", 4, "ab"),
            ("ab字", 3, "ab"),
            ("字", 2, ""),
        ] {
            assert_eq!(clip(text, len_max), clipped, "{text} in {len_max}");
        }
    }
}
