//! What a shard must have counted, by what went into it and what came out.
//!
//! Owner: one `Seat`. Always: every number follows from events and effects alone, never from the
//! shard's own; ends of messages are counted by their names, which `World` takes from the shard
//! as it counts them.

use std::collections::{BTreeMap, BTreeSet};

use protocol::{ClientId, CloseReason, Frame, MessageId, ResultCode, UpstreamStatus};
use schema::record::App;
use server_core::apply::StoredStatus;
use server_core::clock::Day;
use server_core::command::Answer;
use server_core::counters::Counters;
use server_core::effect::Effect;
use server_core::event::ShardEvent;
use server_core::group::GroupNo;
use server_core::ids::AppNo;
use server_core::op::{Committed, CursorMove, Done};
use server_core::outbox::Fate;
use server_core::read::Read;

/// What kind of event is under way, as far as the meaning of its effects hangs on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// News of an app: who is closed is not refused.
    AppNews,
    /// A registration of an app that is gone: nobody was refused who asked in time.
    TooLate,
    /// An op failed: its "busy" is not for a full ring.
    Failed,
    /// Anything else.
    Other,
}

/// What a shard knows of devices and pushes to many, by what it was told.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Devices that take no pushes.
    pub(super) muted: BTreeSet<ClientId>,
    /// Devices that are sent nothing, because their user switched push off.
    pub(super) held: BTreeSet<ClientId>,
    /// Pushes of which nothing is sent any more.
    pub(super) stopped: BTreeSet<GroupNo>,
    /// Whether the messages of pushes that began are stored.
    pub(super) kept: BTreeMap<GroupNo, bool>,
}

/// See the module page.
#[derive(Debug)]
pub(super) struct Counts {
    seen: Counters,
    /// The apps that it knows and that are not disabled.
    open: BTreeSet<AppNo>,
    apps: BTreeSet<AppNo>,
    devices: BTreeMap<ClientId, AppNo>,
    /// What it was told of devices and of pushes to many.
    pub(super) known: Known,
    /// The last login of each device, and the apps of those that are newly active of their day.
    logins: BTreeMap<ClientId, u64>,
    newly_active: BTreeMap<ClientId, AppNo>,
    /// Ends that the shard had counted and not submitted after the last event.
    pub(super) unwritten: usize,
}

impl Counts {
    /// Those of a shard that starts with these apps and devices.
    pub(super) fn new(
        apps: &[App],
        devices: BTreeMap<ClientId, AppNo>,
        known: Known,
        logins: BTreeMap<ClientId, u64>,
    ) -> Self {
        let number = |app: &App| AppNo(app.number);
        let open = apps.iter().filter(|app| !app.disabled);
        Counts {
            seen: Counters::default(),
            open: open.map(number).collect(),
            apps: apps.iter().map(number).collect(),
            devices,
            known,
            logins,
            newly_active: BTreeMap::new(),
            unwritten: 0,
        }
    }

    /// An event goes in.
    pub(super) fn event(&mut self, event: &ShardEvent) -> Cause {
        let seen = &mut self.seen;
        match event {
            ShardEvent::Opened(_) => seen.connections_opened += 1,
            ShardEvent::Adopted(..) => seen.adopted += 1,
            ShardEvent::Read(done) => seen.store_failures += u64::from(done.error().is_some()),
            ShardEvent::Committed(committed) => return self.committed(committed),
            _ => {}
        }
        Cause::Other
    }

    fn committed(&mut self, committed: &Committed) -> Cause {
        let seen = &mut self.seen;
        match committed {
            Committed::Stored { message, .. } => seen.stored += u64::from(message.kept),
            Committed::App(app) => {
                let number = AppNo(app.number);
                self.apps.insert(number);
                if app.disabled {
                    self.open.remove(&number);
                } else {
                    self.open.insert(number);
                }
                return Cause::AppNews;
            }
            Committed::AppGone(app) => {
                self.apps.remove(&AppNo(app.number));
                self.open.remove(&AppNo(app.number));
                self.devices.retain(|_, of| *of != AppNo(app.number));
                return Cause::AppNews;
            }
            Committed::Done(Done::Accepted { accepted, .. }) if accepted.repeated => {
                seen.requests_repeated += 1;
            }
            Committed::Done(Done::Accepted { accepted, .. }) => {
                seen.accepted += accepted.targets.len() as u64;
                seen.filtered += u64::from(accepted.filtered);
                seen.expired += u64::from(accepted.expired);
            }
            Committed::Done(Done::Registered {
                cid,
                new: Some(device),
                ..
            }) => {
                let app = AppNo(device.app);
                if !self.apps.contains(&app) {
                    return Cause::TooLate;
                }
                seen.registrations += 1;
                self.devices.insert(*cid, app);
            }
            Committed::Done(Done::DaysDropped { expired }) => seen.expired += expired,
            Committed::Done(Done::Failed(_)) => {
                seen.store_failures += 1;
                return Cause::Failed;
            }
            Committed::Done(Done::Forgotten {
                ticket: Some(_),
                cids,
            }) => self.devices.retain(|cid, _| !cids.contains(cid)),
            Committed::Done(Done::Fanned { group, reached, .. }) => {
                let kept = u64::from(self.known.kept.get(group) == Some(&true));
                for (_, id, status) in reached {
                    seen.accepted += 1;
                    seen.filtered += u64::from(*status == StoredStatus::Filtered);
                    seen.expired += u64::from(*status == StoredStatus::Expired);
                    seen.failed += u64::from(*status == StoredStatus::Full);
                    seen.stored += if *id == MessageId::NONE { 0 } else { kept };
                }
            }
            Committed::GroupBegins(running) => {
                self.known.kept.insert(running.number, running.kept);
            }
            Committed::GroupStopped { group, .. } => {
                self.known.stopped.insert(*group);
            }
            Committed::Switched { cid, switches } => {
                change(&mut self.known.muted, *cid, switches.is_muted());
                change(&mut self.known.held, *cid, switches.push_off);
            }
            Committed::GroupScheduled { .. }
            | Committed::GroupPaced { .. }
            | Committed::Tagged { .. }
            | Committed::UpstreamEnded { .. }
            | Committed::Imported(_)
            | Committed::Done(_) => {}
        }
        Cause::Other
    }

    /// An effect comes out.
    pub(super) fn effect(&mut self, cause: Cause, effect: &Effect) {
        let seen = &mut self.seen;
        match effect {
            Effect::Send(_, Frame::Welcome(_)) => seen.logins += 1,
            Effect::Send(_, Frame::Push(_)) => seen.sent += 1,
            Effect::Send(_, Frame::CommandResult(result)) => {
                let is_busy = result.code == ResultCode::Busy && cause != Cause::Failed;
                seen.busy += u64::from(is_busy);
            }
            Effect::Send(_, Frame::UpstreamAck(ack)) => {
                let is_busy = ack.status == UpstreamStatus::Busy && cause != Cause::Failed;
                seen.busy += u64::from(is_busy);
            }
            Effect::Close(_, close) => match close.reason {
                CloseReason::Replaced => seen.replaced += 1,
                CloseReason::HeartbeatTimeout => seen.heartbeat_timeouts += 1,
                CloseReason::UnknownApp
                | CloseReason::AppDisabled
                | CloseReason::SignRequired
                | CloseReason::UnknownClient
                | CloseReason::BadCredential
                | CloseReason::Overloaded
                    if cause == Cause::Other =>
                {
                    seen.logins_refused += 1;
                }
                _ => {}
            },
            Effect::HandOff { .. } => seen.handed_off += 1,
            Effect::Read(Read::Backlog { .. }) => seen.pages_read += 1,
            Effect::Answer(_, Answer::Busy) => seen.busy += 1,
            _ => {}
        }
    }

    /// A device logs in.
    pub(super) fn welcomed(&mut self, cid: ClientId, app: AppNo, wall_ms: u64) {
        let before = self.logins.insert(cid, wall_ms).unwrap_or(0);
        if Day::of_ms(before) < Day::of_ms(wall_ms) {
            self.newly_active.insert(cid, app);
        }
    }

    /// Cursors are submitted: with who logged in first of its day.
    pub(super) fn flushed(&mut self, moves: &[CursorMove]) {
        for step in moves {
            let active = self.newly_active.remove(&step.cid);
            assert_eq!(step.active, active, "whether {} is newly active", step.cid);
        }
    }

    /// Whether it knows a device.
    pub(super) fn knows(&self, cid: ClientId) -> bool {
        self.devices.contains_key(&cid)
    }

    /// Whether devices of an app may be live here.
    pub(super) fn admits(&self, app: AppNo) -> bool {
        self.open.contains(&app)
    }

    /// The shard counts the end of a message.
    pub(super) fn ended(&mut self, fate: Fate) {
        match fate {
            Fate::Acked => self.seen.acked += 1,
            Fate::Expired => self.seen.expired += 1,
            Fate::Revoked => self.seen.revoked += 1,
        }
    }

    /// The shard counted what was seen, and nothing else.
    pub(super) fn check(&self, at: usize, counted: Counters, live_len: u64) {
        let seen = Counters {
            sessions: live_len,
            devices: self.devices.len() as u64,
            ..self.seen
        };
        assert_eq!(counted, seen, "counters of shard {at}, and what was seen");
    }
}

fn change(set: &mut BTreeSet<ClientId>, cid: ClientId, is_in: bool) {
    if is_in {
        set.insert(cid);
    } else {
        set.remove(&cid);
    }
}
