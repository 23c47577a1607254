//! A shard's loop: what happens becomes an event, and every effect is performed at once, in order.

use bytes::{Buf, BytesMut};
use protocol::limits::BODY_LEN_MAX_TO_DEVICE;
use protocol::{Close, Frame, Hello};
use server_core::command::{Answer, Command, Reach};
use server_core::effect::Effect;
use server_core::event::ShardEvent;
use server_core::ids::{SessionId, ShardNo};
use server_core::limits::WINDOW_BYTES_MAX;
use server_core::op::Op;
use server_core::op::{Committed, Done};
use server_core::outbox::Fate;
use server_core::wheel::TICK_MS;

use super::agenda::Happening;
use super::counts::Cause;
use super::link::{Chunk, LinkId, ServerEnd};
use super::parties::app_no;
use super::server::{Conn, Parcel, Seat};
use super::watch::Promise;
use super::world::{World, short};

/// Frames of one connection before others may run (`server/src/limits.rs`).
const FRAMES_PER_TURN: usize = 64;

/// How long a device may take nothing of what it is sent (`server/src/limits.rs`).
const SEND_BLOCKED_MAX_US: u64 = 60_000_000;

/// Bytes that may wait for one connection: a window of pushes and some answers.
const WAITING_LEN_MAX: usize = WINDOW_BYTES_MAX + 2 * BODY_LEN_MAX_TO_DEVICE;

impl World {
    /// One event into a shard, all its effects performed, everything checked.
    pub(super) fn step(&mut self, at: usize, event: ShardEvent) {
        let now = self.now();
        let mut effects = Vec::new();
        if let ShardEvent::Frame(session, Frame::Ack(ack)) = &event {
            self.watch.acked((at, *session), &ack.ids);
        }
        if let ShardEvent::Closed(session) = &event {
            self.watch.ended((at, *session));
        }
        let owned = matches!(
            event,
            ShardEvent::Command(_, Command::PushSingle { .. } | Command::Probe { .. })
        );
        let seat = &mut self.server.seats[at];
        if let ShardEvent::Committed(Committed::Done(Done::Forgotten { cids, .. })) = &event {
            // Its old self may have come back between the commit and this.
            for cid in cids {
                self.watch.forgotten(*cid);
            }
        }
        let cause = seat.counts.event(&event);
        seat.shard.on_event(now, event, &mut effects);
        for effect in &effects {
            seat.counts.effect(cause, effect);
        }
        self.count_ends(at, now.wall_ms, &effects);
        for effect in effects {
            self.check_reach(at, owned, &effect);
            self.perform(at, effect);
        }
        let Seat { shard, counts, .. } = &self.server.seats[at];
        shard.check_invariants();
        counts.check(at, shard.counters(), self.watch.live_len(at) as u64);
        self.stages.check();
        if cause == Cause::AppNews {
            self.check_sessions_of_apps(at);
        }
    }

    /// Ends of messages that the shard counted in this event: they are in what it submits now, or
    /// wait in its memory, behind those of before.
    fn count_ends(&mut self, at: usize, wall_ms: u64, effects: &[Effect]) {
        let Seat { shard, counts, .. } = &mut self.server.seats[at];
        let submitted = effects.iter().filter_map(|effect| match effect {
            Effect::Commit(Op::Cursors { finals, .. }) => Some(finals.as_slice()),
            _ => None,
        });
        let kept = shard.unwritten_ends();
        let known = std::mem::replace(&mut counts.unwritten, kept.len());
        let len = submitted.clone().map(<[_]>::len).sum::<usize>() + kept.len();
        assert!(known <= len, "{} counted ends are forgotten", known - len);
        for end in submitted.flatten().chain(kept).skip(known) {
            counts.ended(end.end.fate);
            let app = self.ledger.app_of(end.cid);
            let named = end.app == app || (end.app.is_none() && !counts.knows(end.cid));
            assert!(named, "the app of {end:?} is {app:?}");
            let stopped = counts.known.stopped.contains(&end.end.group);
            assert!(
                stopped || end.end.fate != Fate::Revoked,
                "{end:?}, and nobody said so"
            );
            let one = self.stages.ended(end, wall_ms);
            self.ledger.ended(end, &one);
        }
    }

    /// How devices can be reached, by the word of their owner: as it was told of them, and whether
    /// a session is live there.
    fn check_reach(&self, at: usize, owned: bool, effect: &Effect) {
        let targets = match effect {
            Effect::Commit(Op::Fan { targets, .. })
            | Effect::Answer(_, Answer::Reached(targets)) => targets,
            Effect::Commit(Op::Accept { targets, .. }) if owned => targets,
            _ => return,
        };
        for (cid, reach) in targets {
            let expected = if self.server.seats[at].counts.known.muted.contains(cid) {
                Reach::Filtered
            } else if self.watch.is_live_at(at, *cid) {
                Reach::Online
            } else {
                Reach::Offline
            };
            assert_eq!(*reach, expected, "how {cid} can be reached");
        }
    }

    fn perform(&mut self, at: usize, effect: Effect) {
        if let Effect::Commit(Op::Cursors { moves, .. }) = &effect {
            self.server.seats[at].counts.flushed(moves);
        }
        match effect {
            Effect::Send(session, frame) => self.send(at, session, &frame),
            Effect::Close(session, close) => self.close(at, session, close),
            Effect::HandOff { session, to, hello } => self.hand_off(at, session, to, hello),
            Effect::Commit(op) => self.submit(at, op),
            Effect::Read(read) => self.ask_to_read(at, read),
            Effect::Answer(ticket, answer) => {
                self.watch.promised(Promise::Ticket(ticket));
                self.answer(ticket, answer);
            }
            // News of apps for the ingress; the third parties here know their apps.
            _ => {}
        }
    }

    fn send(&mut self, at: usize, session: SessionId, frame: &Frame) {
        let seen = (at, session);
        let number = session.0;
        match frame {
            Frame::Welcome(welcome) => {
                self.trace
                    .note("welcome", [at as u64, number, short(welcome.cid)]);
                let conn = self.server.seats[at]
                    .conns
                    .get(&session)
                    .expect("it says hello");
                let link = &self.links.by_id[&conn.link];
                let install = *self.phones[link.phone].install.as_bytes();
                self.watch.welcome(seen, install, welcome);
                let app = app_no(self.phones[link.phone].app);
                let admits = self.server.seats[at].counts.admits(app);
                assert!(admits, "a login to {app:?}, which is disabled or gone");
                let wall_ms = self.wall_ms();
                let counts = &mut self.server.seats[at].counts;
                counts.welcomed(welcome.cid, app, wall_ms);
            }
            Frame::Push(push) => {
                self.trace.note("push", [at as u64, number, push.id.0]);
                let cid = self.watch.push(seen, push);
                let wall_ms = self.wall_ms();
                self.ledger.sent(cid, push, wall_ms);
                let group = self.ledger.group_of(cid, push.id);
                let known = &self.server.seats[at].counts.known;
                assert!(
                    !known.held.contains(&cid),
                    "{} is sent to {cid}, whose user switched push off",
                    push.id
                );
                let stopped = &known.stopped;
                assert!(
                    !group.is_some_and(|group| stopped.contains(&group)),
                    "{} of {group:?} is sent, which was stopped",
                    push.id
                );
                self.stages.sent(cid, push.id, wall_ms);
            }
            Frame::CommandResult(result) => {
                self.trace
                    .note("result", [at as u64, number, u64::from(result.serial)]);
                if result.code == protocol::ResultCode::Ok {
                    self.watch.promised(Promise::Command(seen, result.serial));
                }
            }
            _ => {}
        }
        if let Some(conn) = self.server.seats[at].conns.get_mut(&session) {
            frame.encode(&mut conn.out);
            self.unflushed.push(seen);
        }
    }

    fn close(&mut self, at: usize, session: SessionId, close: Close) {
        self.trace.note(
            "close",
            [at as u64, session.0, u64::from(close.reason.number())],
        );
        self.watch.ended((at, session));
        let Some(mut conn) = self.server.seats[at].conns.remove(&session) else {
            return;
        };
        Frame::Close(close).encode(&mut conn.out);
        self.let_go(conn);
    }

    /// The last bytes of a connection, and its end.
    fn let_go(&mut self, conn: Conn) {
        let Some(link) = self.links.get_mut(conn.link) else {
            return;
        };
        link.server = ServerEnd::Gone;
        let (now_us, latency_us) = (self.now_us, link.latency_us);
        let mut times = link
            .down
            .send(&conn.out, now_us, latency_us, &mut self.dice);
        times.extend(link.down.end(now_us, latency_us));
        self.arrivals(conn.link, false, times);
        self.links.bury(conn.link);
    }

    fn hand_off(&mut self, at: usize, session: SessionId, to: ShardNo, hello: Box<Hello>) {
        self.trace
            .note("hand off", [at as u64, session.0, u64::from(to.0)]);
        self.watch.ended((at, session));
        let conn = self.server.seats[at].conns.remove(&session);
        let conn = conn.expect("only a connection that is there is handed over");
        let to = usize::from(to.0);
        assert_ne!(at, to, "a shard hands off to others");
        if self.server.seats[to].parcels.len() >= self.plan.ring_len {
            return self.let_go(conn);
        }
        if let Some(link) = self.links.get_mut(conn.link) {
            link.server = ServerEnd::HandedOver;
        }
        self.server.seats[to]
            .parcels
            .push_back(Parcel { conn, hello });
        self.call(to);
    }

    /// Takes a connection that landed elsewhere.
    fn adopt(&mut self, at: usize, Parcel { conn, hello }: Parcel) {
        let session = self.server.seats[at].next_session();
        let id = conn.link;
        if let Some(link) = self.links.get_mut(id) {
            link.server = ServerEnd::At(at, session);
        }
        self.server.seats[at].conns.insert(session, conn);
        self.step(at, ShardEvent::Adopted(session, hello));
        // Frames behind the hello are in the decoder, and what came since is in the socket.
        let process = self.server.process;
        self.after(1, Happening::Serve { process, link: id });
        self.after(2, Happening::Up(id));
    }

    /// A connection is accepted on some shard.
    pub(super) fn accept(&mut self, at: usize, id: LinkId) {
        let session = self.server.seats[at].next_session();
        if let Some(link) = self.links.get_mut(id) {
            link.server = ServerEnd::At(at, session);
        }
        self.server.seats[at].conns.insert(session, Conn::new(id));
        self.step(at, ShardEvent::Opened(session));
    }

    /// Bytes of a phone reach the server.
    pub(super) fn arrive_up(&mut self, id: LinkId) {
        let now_us = self.now_us;
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        // Until its new owner reads, the socket keeps what comes.
        if link.server == ServerEnd::HandedOver {
            return;
        }
        let chunk = match link.up.take(now_us) {
            Ok(Some(chunk)) => chunk,
            Ok(None) => return,
            Err(at_us) => return self.at(at_us, Happening::Up(id)),
        };
        match (link.server, chunk) {
            (ServerEnd::At(at, session), Chunk::Bytes(bytes)) => {
                let conn = self.server.seats[at].conns.get_mut(&session);
                conn.expect("the link knows its connection")
                    .decoder
                    .push(&bytes);
                self.serve(id);
            }
            (ServerEnd::At(at, session), Chunk::End) => self.drop_connection(at, session),
            _ => {}
        }
        if self
            .links
            .by_id
            .get(&id)
            .is_some_and(|link| !link.up.is_empty())
        {
            self.after(0, Happening::Up(id));
        }
    }

    /// Takes the frames of a connection, a turn's worth at most.
    pub(super) fn serve(&mut self, id: LinkId) {
        let turn = self.dice.within(1, FRAMES_PER_TURN as u64);
        for _ in 0..turn {
            let Some(link) = self.links.get_mut(id) else {
                return;
            };
            let ServerEnd::At(at, session) = link.server else {
                return;
            };
            let Some(conn) = self.server.seats[at].conns.get_mut(&session) else {
                return;
            };
            match conn.decoder.next_frame() {
                Ok(Some(frame)) => {
                    let sent = link.sent.pop_front();
                    assert_eq!(
                        Some(&frame),
                        sent.as_ref(),
                        "a shard gets what the phone sent"
                    );
                    self.step(at, ShardEvent::Frame(session, frame));
                }
                Ok(None) => return,
                Err(error) => panic!("a shard reads no frame from what a phone sent: {error}"),
            }
        }
        let process = self.server.process;
        let after_us = self.dice.within(1, 50);
        self.after(after_us, Happening::Serve { process, link: id });
    }

    /// A connection failed, or is given up.
    pub(super) fn drop_connection(&mut self, at: usize, session: SessionId) {
        let Some(mut conn) = self.server.seats[at].conns.remove(&session) else {
            return;
        };
        self.trace.note("gone", [at as u64, session.0, 0]);
        conn.out = BytesMut::new();
        self.let_go(conn);
        self.step(at, ShardEvent::Closed(session));
    }

    /// Has a shard look into its inboxes soon.
    pub(super) fn call(&mut self, at: usize) {
        let seat = &mut self.server.seats[at];
        if seat.called {
            return;
        }
        seat.called = true;
        let stalled_us = seat.stalled_until_us;
        let at_us = stalled_us.max(self.now_us + self.dice.within(1, 150));
        let process = self.server.process;
        self.at(at_us, Happening::Hear { process, at });
    }

    /// A shard takes from its inboxes, in any order between them.
    pub(super) fn hear(&mut self, at: usize) {
        self.server.seats[at].called = false;
        for _ in 0..self.dice.within(1, 64) {
            if !self.server.seats[at].has_mail() {
                break;
            }
            let inbox = self.dice.below(4);
            let seat = &mut self.server.seats[at];
            match inbox {
                0 => {
                    if let Some(committed) = seat.committed.pop_front() {
                        self.step(at, ShardEvent::Committed(committed));
                    }
                }
                1 => {
                    if let Some(done) = seat.reads.pop_front() {
                        seat.reads_asked -= 1;
                        self.step(at, ShardEvent::Read(done));
                    }
                }
                2 => {
                    if let Some((ticket, command)) = seat.questions.pop_front() {
                        self.step(at, ShardEvent::Command(ticket, command));
                    }
                }
                _ => {
                    if let Some(parcel) = seat.parcels.pop_front() {
                        self.adopt(at, parcel);
                    }
                }
            }
        }
        if self.server.seats[at].has_mail() {
            self.call(at);
        }
    }

    /// A shard's clock ticks.
    pub(super) fn tick(&mut self, at: usize) {
        let stalled_us = self.server.seats[at].stalled_until_us;
        let process = self.server.process;
        if stalled_us > self.now_us {
            return self.at(stalled_us, Happening::Tick { process, at });
        }
        self.after(TICK_MS * 1_000, Happening::Tick { process, at });
        self.step(at, ShardEvent::Tick);
        let stuck: Vec<SessionId> = self.server.seats[at]
            .conns
            .iter()
            .filter(|(_, conn)| {
                let since_us = conn.blocked_since_us;
                since_us.is_some_and(|since_us| self.now_us > since_us + SEND_BLOCKED_MAX_US)
            })
            .map(|(session, _)| *session)
            .collect();
        for session in stuck {
            self.drop_connection(at, session);
        }
        if at == 0 {
            self.look_for_calm();
        }
    }

    /// The end of a turn: connections that got frames send them.
    pub(super) fn end_turn(&mut self) {
        for (at, session) in std::mem::take(&mut self.unflushed) {
            self.flush(at, session);
        }
        if self.server.up {
            self.end_if_at_rest();
        }
    }

    /// Gives the socket what it takes.
    pub(super) fn flush(&mut self, at: usize, session: SessionId) {
        let Some(seat) = self.server.seats.get_mut(at) else {
            return;
        };
        let Some(conn) = seat.conns.get_mut(&session) else {
            return;
        };
        let Some(link) = self.links.get_mut(conn.link) else {
            return;
        };
        let room = self.plan.socket_len.saturating_sub(link.down.len());
        let len = room.min(conn.out.len());
        let times = link.down.send(
            &conn.out[..len],
            self.now_us,
            link.latency_us,
            &mut self.dice,
        );
        conn.out.advance(len);
        if conn.out.is_empty() {
            conn.blocked_since_us = None;
            conn.out = BytesMut::new();
        } else if len > 0 || conn.blocked_since_us.is_none() {
            conn.blocked_since_us = Some(self.now_us);
        }
        let waiting = conn.out.len();
        assert!(
            waiting <= WAITING_LEN_MAX,
            "{waiting} bytes wait for one device"
        );
        let id = conn.link;
        self.arrivals(id, false, times);
    }
}
