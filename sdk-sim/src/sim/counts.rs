//! What a shard must have counted, by what went into it and what came out.
//!
//! Owner: one `Seat`. Always: every number follows from events and effects alone, never from the
//! shard's own; ends of messages are counted by their names, which `World` takes from the shard
//! as it counts them.

use std::collections::{BTreeMap, BTreeSet};

use protocol::{ClientId, CloseReason, Frame, ResultCode};
use schema::record::App;
use server_core::command::Answer;
use server_core::counters::Counters;
use server_core::effect::Effect;
use server_core::event::ShardEvent;
use server_core::ids::AppNo;
use server_core::op::{Committed, Done};
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

/// See the module page.
#[derive(Debug)]
pub(super) struct Counts {
    seen: Counters,
    /// The apps that it knows and that are not disabled.
    open: BTreeSet<AppNo>,
    apps: BTreeSet<AppNo>,
    devices: BTreeMap<ClientId, AppNo>,
    /// Ends that the shard had counted and not submitted after the last event.
    pub(super) unwritten: usize,
}

impl Counts {
    /// Those of a shard that starts with these apps and devices.
    pub(super) fn new(apps: &[App], devices: BTreeMap<ClientId, AppNo>) -> Self {
        let number = |app: &App| AppNo(app.number);
        let open = apps.iter().filter(|app| !app.disabled);
        Counts {
            seen: Counters::default(),
            open: open.map(number).collect(),
            apps: apps.iter().map(number).collect(),
            devices,
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
            Committed::GroupBegins(_)
            | Committed::GroupStopped { .. }
            | Committed::GroupScheduled { .. }
            | Committed::GroupPaced { .. }
            | Committed::Tagged { .. }
            | Committed::Muted { .. }
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
