//! Time: dead peers, unwritten cursors, days that are over, draining.

use protocol::{CloseReason, Frame, GoAway, GoAwayReason};

use schema::record::App;

use super::{Draining, Shard};
use crate::clock::{Day, Now};
use crate::effect::Effect;
use crate::ids::{AppNo, SessionId, ShardNo};
use crate::limits::{
    COMMITS_IN_FLIGHT_MAX, DAY_GRACE_MS, FLUSH_INTERVAL_MS, FORGET_PER_TICK, GO_AWAY_PER_TICK,
};
use crate::op::Op;
use crate::session::Session;

impl Shard {
    pub(super) fn on_tick(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let mut due = Vec::new();
        self.wheel.advance(now.mono_ms, &mut due);
        for session in due {
            self.on_deadline(now, session, effects);
        }
        self.tell_to_go(effects);
        self.forget_some(effects);
        self.walk_on(now, effects);
        self.start_due(now, effects);
        self.sample(now, effects);
        if now.mono_ms >= self.next_flush_ms {
            self.next_flush_ms = now.mono_ms + FLUSH_INTERVAL_MS;
            self.flush(effects);
        }
        let today = Day::of_ms(now.wall_ms.saturating_sub(DAY_GRACE_MS));
        // One shard does it for all: the store is one. With a full ring the next tick tries again.
        if self.identity.me == ShardNo(0)
            && today > self.today
            && self.commits.len() < COMMITS_IN_FLIGHT_MAX
        {
            self.today = today;
            self.commit(Op::DropDays(today), effects);
        }
    }

    fn on_deadline(&mut self, now: Now, session: SessionId, effects: &mut Vec<Effect>) {
        match self.sessions.get_mut(&session) {
            // A registration ends when the disk answers.
            None | Some(Session::Registering(_)) => {}
            Some(Session::Greeting { deadline_ms }) if *deadline_ms > now.mono_ms => {
                self.wheel.insert(*deadline_ms, session);
            }
            Some(Session::Greeting { .. }) => {
                self.close(session, CloseReason::HelloTimeout, "", effects)
            }
            Some(Session::Live(live)) if live.armed_ms > now.mono_ms => {}
            Some(Session::Live(live)) if live.deadline_ms() > now.mono_ms => {
                live.armed_ms = self.wheel.insert(live.deadline_ms(), session);
            }
            Some(Session::Live(_)) => {
                self.counters.heartbeat_timeouts += 1;
                self.close(session, CloseReason::HeartbeatTimeout, "", effects);
            }
        }
    }

    /// An app is gone: nobody of it stays, and its devices are forgotten slice by slice.
    pub(super) fn on_app_gone(&mut self, app: App, effects: &mut Vec<Effect>) {
        self.apps.remove(&app.app_id);
        let number = AppNo(app.number);
        self.close_all_of(number, CloseReason::Removed, effects);
        // Their cursors must not be written after their rows are deleted.
        self.flush(effects);
        let gone = self.devices.remove_all(|device| device.app == number);
        self.to_forget.extend(gone);
        if self.identity.me == ShardNo(0) {
            effects.push(Effect::AppGone(app));
        }
    }

    /// Ends every live session of an app.
    pub(super) fn close_all_of(
        &mut self,
        app: AppNo,
        reason: CloseReason,
        effects: &mut Vec<Effect>,
    ) {
        let mut live: Vec<SessionId> = Vec::new();
        for (id, session) in &self.sessions {
            if let Session::Live(session) = session
                && self.device_of(session.cid, app).is_some()
            {
                live.push(*id);
            }
        }
        live.sort_unstable();
        for session in live {
            self.close(session, reason, "the app was disabled or deleted", effects);
        }
    }

    fn forget_some(&mut self, effects: &mut Vec<Effect>) {
        if self.to_forget.is_empty() || self.commits.len() >= COMMITS_IN_FLIGHT_MAX {
            return;
        }
        let from = self.to_forget.len().saturating_sub(FORGET_PER_TICK);
        let cids = self.to_forget.split_off(from);
        self.commit(Op::ForgetDevices { ticket: None, cids }, effects);
    }

    /// Writes down all cursors that moved, with what became final by them.
    pub(super) fn flush(&mut self, effects: &mut Vec<Effect>) {
        let nothing = self.devices.dirty_len() == 0 && self.finals.is_empty();
        if nothing || self.commits.len() >= COMMITS_IN_FLIGHT_MAX {
            return;
        }
        let moves = self.devices.take_moves();
        let finals = std::mem::take(&mut self.finals);
        self.commit(Op::Cursors { moves, finals }, effects);
    }

    pub(super) fn on_drain(&mut self, jitter_ms: u32, endpoint: String) {
        let mut left: Vec<SessionId> = self.sessions.keys().copied().collect();
        left.sort_unstable();
        self.draining = Some(Draining {
            jitter_ms,
            endpoint,
            left,
        });
    }

    fn tell_to_go(&mut self, effects: &mut Vec<Effect>) {
        let Some(draining) = &mut self.draining else {
            return;
        };
        let (jitter_ms, endpoint) = (draining.jitter_ms, draining.endpoint.clone());
        let from = draining.left.len().saturating_sub(GO_AWAY_PER_TICK);
        for session in draining.left.split_off(from) {
            match self.sessions.get(&session) {
                Some(Session::Live(_)) => {
                    let go = GoAway {
                        reason: GoAwayReason::Draining,
                        jitter_ms,
                        endpoint: endpoint.clone(),
                    };
                    effects.push(Effect::Send(session, Frame::GoAway(go)));
                }
                Some(_) => self.close(session, CloseReason::Draining, "", effects),
                None => {}
            }
        }
    }

    pub(super) fn on_finish(&mut self, effects: &mut Vec<Effect>) {
        self.groups.finish();
        let mut left: Vec<SessionId> = self.sessions.keys().copied().collect();
        left.sort_unstable();
        for session in left {
            self.close(session, CloseReason::Draining, "", effects);
        }
        self.flush(effects);
        // Who comes from here on is turned away, whether a drain went before or not.
        match &mut self.draining {
            Some(draining) => draining.left.clear(),
            None => self.on_drain(0, String::new()),
        }
    }
}
