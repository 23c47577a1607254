//! From durable to sent to acknowledged.

use protocol::{ClientId, CloseReason, Frame, MessageId, Push};

use super::Shard;
use crate::clock::Now;
use crate::effect::Effect;
use crate::ids::SessionId;
use crate::limits::READS_IN_FLIGHT_MAX;
use crate::op::MessageEnd;
use crate::op::StoredMessage;
use crate::outbox::{Fate, Finals, expired};
use crate::read::{Page, Read};
use crate::rows::RowsError;
use crate::session::Session;

impl Shard {
    pub(super) fn on_stored(
        &mut self,
        now: Now,
        cid: ClientId,
        message: StoredMessage,
        effects: &mut Vec<Effect>,
    ) {
        if message.kept {
            self.counters.stored += 1;
        }
        let Some(device) = self.devices.get_mut(cid) else {
            // It went with its app since the push was answered for. What has a row is counted
            // with its day.
            if !message.kept {
                self.keep(now, cid, vec![expired(&message)]);
            }
            return;
        };
        if message.kept && device.tail().is_some() {
            device.raise_tail(message.id);
        }
        let session = device.session();
        let live = session.and_then(|session| match self.sessions.get_mut(&session) {
            Some(Session::Live(live)) => Some((session, live)),
            _ => None,
        });
        let mut finals = Finals::new();
        match live {
            Some((session, live)) => {
                live.outbox.stored(message, &mut finals);
                self.keep(now, cid, finals);
                self.pump(now, session, effects);
            }
            None if message.kept => {}
            None => {
                // It went offline between the answer and the commit.
                finals.push(expired(&message));
                self.keep(now, cid, finals);
            }
        }
    }

    /// Sends whatever the window has room for, and asks for a page when memory holds no more.
    pub(super) fn pump(&mut self, now: Now, session: SessionId, effects: &mut Vec<Effect>) {
        let Some(Session::Live(live)) = self.sessions.get_mut(&session) else {
            return;
        };
        let mut finals = Finals::new();
        // Its user takes no pushes: what was accepted before waits.
        let held = self
            .devices
            .get(live.cid)
            .is_some_and(|device| device.switches.push_off);
        while !held
            && let Some(message) =
                live.outbox
                    .next_push(now.wall_ms, self.groups.stopped(), &mut finals)
        {
            self.counters.sent += 1;
            let push = Push {
                id: message.id,
                sealed: message.sealed,
                body: message.body,
            };
            effects.push(Effect::Send(session, Frame::Push(push)));
        }
        let (cid, cursor) = (live.cid, live.outbox.cursor());
        let wants_page = live.outbox.wants_page().filter(|_| !held);
        self.keep(now, cid, finals);
        self.move_cursor(cid, cursor);
        if let Some(after) = wants_page {
            // Behind those who wait: a long backlog must not keep its place for itself.
            if self.reads < READS_IN_FLIGHT_MAX && self.page_line.is_empty() {
                self.ask_page(now, session, cid, after, effects);
            } else {
                self.line_up(session);
            }
        }
    }

    /// Dead sessions leave the line when it is longer than what is alive can make it, so that
    /// devices that come and go while a reader hangs do not lengthen it for ever.
    fn line_up(&mut self, session: SessionId) {
        if self.page_line.len() > 2 * self.sessions.len() {
            self.page_line
                .retain(|waiting| self.sessions.contains_key(waiting));
            assert!(
                self.page_line.len() <= self.sessions.len(),
                "each stands in line once"
            );
        }
        if let Some(Session::Live(live)) = self.sessions.get_mut(&session)
            && !live.in_page_line
        {
            live.in_page_line = true;
            self.page_line.push_back(session);
        }
    }

    fn ask_page(
        &mut self,
        now: Now,
        session: SessionId,
        cid: ClientId,
        after: MessageId,
        effects: &mut Vec<Effect>,
    ) {
        let Some(Session::Live(live)) = self.sessions.get_mut(&session) else {
            return;
        };
        live.outbox.page_asked(now.wall_ms);
        self.reads += 1;
        self.counters.pages_read += 1;
        effects.push(Effect::Read(Read::Backlog {
            session,
            cid,
            after,
            now_ms: now.wall_ms,
        }));
    }

    /// Gives a free place in the ring of reads to those who wait for one.
    pub(super) fn serve_page_line(&mut self, now: Now, effects: &mut Vec<Effect>) {
        while self.reads < READS_IN_FLIGHT_MAX {
            let Some(session) = self.page_line.pop_front() else {
                return;
            };
            let wants = match self.sessions.get_mut(&session) {
                Some(Session::Live(live)) => {
                    live.in_page_line = false;
                    live.outbox.wants_page().map(|after| (live.cid, after))
                }
                _ => None,
            };
            if let Some((cid, after)) = wants {
                self.ask_page(now, session, cid, after, effects);
            }
        }
    }

    pub(super) fn on_page(
        &mut self,
        now: Now,
        session: SessionId,
        page: Result<Page, RowsError>,
        effects: &mut Vec<Effect>,
    ) {
        let page = match page {
            Ok(page) => page,
            Err(_) => {
                self.counters.store_failures += 1;
                return self.close(
                    session,
                    CloseReason::InternalError,
                    "the backlog cannot be read",
                    effects,
                );
            }
        };
        let Some(Session::Live(live)) = self.sessions.get_mut(&session) else {
            return;
        };
        live.outbox.page(page);
        // Not the last id of a complete page: what was stored while the page was on its way lies
        // above it, and an empty page says nothing of what is sent and unacknowledged.
        if let Some(tail) = live.outbox.caught_up_to()
            && let Some(device) = self.devices.get_mut(live.cid)
        {
            device.raise_tail(tail);
        }
        self.pump(now, session, effects);
    }

    /// The device handled these ids.
    pub(super) fn on_acked(
        &mut self,
        now: Now,
        session: SessionId,
        ids: &[MessageId],
        effects: &mut Vec<Effect>,
    ) {
        let Some(Session::Live(live)) = self.sessions.get_mut(&session) else {
            return;
        };
        let mut finals = Finals::new();
        let cid = live.cid;
        let acked = live.outbox.acked(ids, &mut finals);
        self.keep(now, cid, finals);
        match acked {
            Ok(()) => self.pump(now, session, effects),
            Err(bad) => {
                let text = format!("ack of {}, the highest passed is {}", bad.id, bad.passed);
                self.close(session, CloseReason::BadAck, &text, effects);
            }
        }
    }

    fn move_cursor(&mut self, cid: ClientId, cursor: MessageId) {
        if let Some(device) = self.devices.get_mut(cid)
            && cursor > device.acked
        {
            device.acked = cursor;
            self.devices.touch(cid);
        }
    }

    /// Counts what became final; it is written down with the cursors.
    pub(super) fn keep(&mut self, now: Now, cid: ClientId, finals: Finals) {
        let app = self.devices.get(cid).map(|device| device.app);
        for end in finals {
            match end.fate {
                Fate::Acked => self.counters.acked += 1,
                Fate::Expired => self.counters.expired += 1,
                Fate::Revoked => self.counters.revoked += 1,
            }
            self.finals.push(MessageEnd {
                cid,
                app,
                end,
                final_ms: now.wall_ms,
            });
        }
    }
}
