//! Phones at work: they connect, handle, acknowledge, lose their links and come back.

use bytes::BytesMut;
use protocol::wire::{ACTION_CLICKED, ACTION_OWN_CLICKED, ACTION_OWN_SHOWN, ACTION_SHOWN};
use protocol::{
    Ack, ClientId, CloseReason, Decoder, Frame, MessageId, Peer, Upstream, UpstreamId,
    UpstreamStatus,
};

use super::agenda::Happening;
use super::link::{Chunk, Link, LinkId, ServerEnd};
use super::phone::Phone;
use super::world::{World, short};
use crate::client::{EndReason, Event};

/// Frames that an eager client sends right behind its hello, at most.
const EAGER_FRAMES_MAX: u64 = 100;

impl World {
    /// A phone is switched on.
    pub(super) fn phone_on(&mut self, at: usize, life: u64) {
        if self.phones[at].life != life || self.phones[at].client.is_some() {
            return;
        }
        self.trace.note("phone on", [at as u64, life, 0]);
        let seed = self.dice.any();
        let heartbeat_s = self.dice.within(10, 40) as u16;
        let now_ms = self.phone_ms();
        self.phones[at].start(now_ms, seed, heartbeat_s);
        self.drive(at);
    }

    /// A phone is switched off or its app is killed: the client and its memory are gone.
    pub(super) fn phone_off(&mut self, at: usize) {
        self.trace
            .note("phone off", [at as u64, self.phones[at].life, 0]);
        let phone = &mut self.phones[at];
        phone.client = None;
        phone.life += 1;
        phone.timer_us = None;
        if let Some(link) = phone.link.take() {
            self.phone_drops(link);
        }
    }

    /// A phone leaves in order.
    pub(super) fn phone_leaves(&mut self, at: usize) {
        let now_ms = self.phone_ms();
        if let Some(client) = &mut self.phones[at].client {
            client.close(now_ms);
            self.drive(at);
        }
        self.phone_off(at);
    }

    /// A phone gives up its end of a link.
    fn phone_drops(&mut self, id: LinkId) {
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        link.phone_holds = false;
        let ends = link.up.end(self.now_us, link.latency_us);
        self.arrivals(id, true, ends);
        self.links.bury(id);
    }

    /// A phone wanted to be called now.
    pub(super) fn phone_timer(&mut self, at: usize, life: u64, at_us: u64) {
        let now_ms = self.phone_ms();
        let phone = &mut self.phones[at];
        if phone.life != life || phone.timer_us != Some(at_us) {
            return;
        }
        phone.timer_us = None;
        let Some(client) = &mut phone.client else {
            return;
        };
        if client
            .connect_at_ms()
            .is_some_and(|due_ms| due_ms <= now_ms)
        {
            return self.connect(at);
        }
        client.timer(now_ms);
        self.drive(at);
    }

    fn connect(&mut self, at: usize) {
        let life = self.phones[at].life;
        if let Some(client) = &mut self.phones[at].client {
            client.begin_connect();
        }
        let latency_us = self.dice.within(50, self.plan.latency_us);
        let reachable = self.server.up && !self.server.stopping && !self.dice.chance(1, 20);
        if !reachable {
            let refused = Happening::Connected {
                phone: at,
                life,
                link: None,
            };
            return self.after(latency_us, refused);
        }
        let landing = self.dice.index(self.server.seats.len());
        self.trace
            .note("connect", [at as u64, landing as u64, life]);
        let id = self.links.add(Link::new(at, latency_us, ServerEnd::Gone));
        self.accept(landing, id);
        let connected = Happening::Connected {
            phone: at,
            life,
            link: Some(id),
        };
        self.after(latency_us * 3, connected);
    }

    /// A connection stands, or could not be made.
    pub(super) fn connected(&mut self, at: usize, life: u64, id: Option<LinkId>) {
        let now_ms = self.phone_ms();
        let alive = self.phones[at].life == life;
        let open = id.filter(|id| self.links.by_id.contains_key(id));
        let phone = &mut self.phones[at];
        let Some(client) = phone.client.as_mut().filter(|_| alive) else {
            if let Some(id) = id {
                self.phone_drops(id);
            }
            return;
        };
        let Some(id) = open else {
            client.disconnected(now_ms, "refused");
            return self.drive(at);
        };
        client.connected(now_ms);
        if let Some(link) = self.links.by_id.get_mut(&id) {
            link.is_open = true;
        }
        let may_be_eager = client.identity().is_some();
        phone.link = Some(id);
        let mut out = phone
            .client
            .as_mut()
            .and_then(|client| client.take_output(now_ms));
        if let Some(out) = out.as_mut().filter(|_| may_be_eager)
            && self.dice.chance(1, 4)
        {
            for _ in 0..self.dice.within(1, EAGER_FRAMES_MAX) {
                Frame::Ping.encode(out);
            }
        }
        if let Some(out) = out {
            self.phone_sends(id, &out);
        }
        self.after(0, Happening::Down(id));
        self.drive(at);
    }

    fn phone_sends(&mut self, id: LinkId, out: &BytesMut) {
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        link.remember(out);
        let times = link
            .up
            .send(out, self.now_us, link.latency_us, &mut self.dice);
        self.arrivals(id, true, times);
    }

    /// Of some acknowledgements the first ids leave later than the last: the protocol lets an SDK
    /// acknowledge in any order.
    fn hold_back_acks(&mut self, link: LinkId, out: BytesMut) -> BytesMut {
        if !self.plan.late_acks || !self.is_wild() || self.dice.chance(1, 2) {
            return out;
        }
        // A stranger's first frame may only be as long as a hello; this one has been greeted.
        let mut decoder = Decoder::new(Peer::Device);
        let mut left = BytesMut::new();
        Frame::Ping.encode(&mut left);
        decoder.push(&left.split());
        assert_eq!(decoder.next_frame(), Ok(Some(Frame::Ping)));
        decoder.push(&out);
        while let Some(frame) = decoder.next_frame().expect("a client sends frames") {
            match frame {
                Frame::Ack(Ack { mut ids }) if ids.len() > 1 => {
                    let later = self.dice.within(1, ids.len() as u64 - 1) as usize;
                    let last = ids.split_off(later);
                    Frame::Ack(Ack { ids: last }).encode(&mut left);
                    let after_us = self.dice.within(1, 2_000_000);
                    self.after(after_us, Happening::LateAck { link, ids });
                }
                frame => frame.encode(&mut left),
            }
        }
        left
    }

    /// What was held back leaves, if its link still stands.
    pub(super) fn late_ack(&mut self, id: LinkId, ids: Vec<MessageId>) {
        let stands = self
            .links
            .by_id
            .get(&id)
            .is_some_and(|link| link.phone_holds);
        if stands {
            let mut out = BytesMut::new();
            Frame::Ack(Ack { ids }).encode(&mut out);
            self.phone_sends(id, &out);
        }
    }

    /// Bytes of the server reach a phone.
    pub(super) fn arrive_down(&mut self, id: LinkId) {
        let (now_us, now_ms) = (self.now_us, self.phone_ms());
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        if !link.is_open {
            return;
        }
        let chunk = match link.down.take(now_us) {
            Ok(Some(chunk)) => chunk,
            Ok(None) => return,
            Err(at_us) => return self.at(at_us, Happening::Down(id)),
        };
        let (at, server) = (link.phone, link.server);
        if !link.down.is_empty() {
            self.after(0, Happening::Down(id));
        }
        let phone = &mut self.phones[at];
        if phone.link == Some(id)
            && let Some(client) = &mut phone.client
        {
            match chunk {
                Chunk::Bytes(bytes) => client.bytes_received(now_ms, &bytes),
                Chunk::End => {
                    client.disconnected(now_ms, "closed by the peer");
                    phone.link = None;
                    self.phone_drops(id);
                }
            }
            self.drive(at);
        }
        if let ServerEnd::At(at, session) = server {
            // The socket has room again.
            self.flush(at, session);
        }
    }

    /// The order of one turn of a client: events, output, hang-up, the next call.
    pub(super) fn drive(&mut self, at: usize) {
        // A killed app forgets what it has not handled, wherever it is.
        let dies_after = self.dice.chance(self.plan.phone_faults, 40_000);
        let mut handled = 0;
        let patience = self.dice.below(4);
        while let Some(event) = self.phones[at]
            .client
            .as_mut()
            .and_then(|client| client.next_event())
        {
            if dies_after && handled == patience && self.is_wild() {
                return self.phone_dies(at);
            }
            handled += 1;
            self.phone_hears(at, event);
        }
        if dies_after && self.is_wild() {
            return self.phone_dies(at);
        }
        let now_ms = self.phone_ms();
        let phone = &mut self.phones[at];
        let Some(client) = &mut phone.client else {
            return;
        };
        let out = client.take_output(now_ms);
        let hangs_up = client.wants_hang_up();
        let deadline_us = client.next_deadline_ms().map(|ms| ms * 1_000);
        let (life, link) = (phone.life, phone.link);
        if let (Some(out), Some(link)) = (out, link) {
            let out = self.hold_back_acks(link, out);
            self.phone_sends(link, &out);
        }
        if let Some(link) = link.filter(|_| hangs_up) {
            self.phones[at].link = None;
            self.phone_drops(link);
        }
        if let Some(at_us) = deadline_us
            && self.phones[at].timer_us != Some(at_us)
        {
            self.phones[at].timer_us = Some(at_us);
            self.at(
                at_us,
                Happening::PhoneTimer {
                    phone: at,
                    life,
                    at_us,
                },
            );
        }
    }

    fn phone_dies(&mut self, at: usize) {
        self.phone_off(at);
        let life = self.phones[at].life;
        let after_us = self.dice.within(1_000, 5_000_000);
        self.after(after_us, Happening::PhoneOn { phone: at, life });
    }

    fn phone_hears(&mut self, at: usize, event: Event) {
        match event {
            Event::Online { cid, .. } => {
                self.trace.note("online", [at as u64, short(cid), 0]);
                let phone = &mut self.phones[at];
                let gone = |known: &ClientId| *known != cid && self.forgetting.contains(known);
                if phone.saved_cid.as_ref().is_some_and(gone) {
                    // It was deleted, and came back as another.
                    (phone.saved_cid, phone.saved_mark) = (Some(cid), MessageId::NONE);
                }
                let known = *phone.saved_cid.get_or_insert(cid);
                assert_eq!(known, cid, "phone {at} is known by another client id");
            }
            Event::Push { id, body, .. } => {
                self.trace.note("handled", [at as u64, id.0, 0]);
                let phone = &mut self.phones[at];
                assert!(
                    id > phone.saved_mark,
                    "order: phone {at} handles {id} after {}",
                    phone.saved_mark
                );
                phone.saved_mark = id;
                let cid = phone.saved_cid.expect("it is online");
                self.ledger.handled(at, cid, id, &body);
                if let Some(client) = &mut self.phones[at].client {
                    client.handled(id);
                }
                self.user_does(at, id);
            }
            Event::Upstream { id, status } => {
                let cid = self.phones[at].saved_cid.expect("it is online");
                let ended = matches!(
                    status,
                    UpstreamStatus::Stored | UpstreamStatus::Delivered | UpstreamStatus::GivenUp
                );
                let gone = self.ledger.is_gone(cid) || self.forgetting.contains(&cid);
                if ended && !gone {
                    let known = self.ledger.reports.upward.status(cid, id);
                    let told = known == Some(status) || status == UpstreamStatus::Stored;
                    assert!(
                        known.is_some() && told,
                        "phone {at} is told {status} of {id}, which is {known:?}"
                    );
                }
            }
            Event::Refused { reason } | Event::Offline { reason } => self.phone_left(at, &reason),
            Event::Repeat { .. }
            | Event::CommandResult { .. }
            | Event::CommandLost { .. }
            | Event::Reported { .. }
            | Event::GoAway { .. } => {}
        }
    }

    /// The user of a phone looks at a message, or the app writes to its third party.
    fn user_does(&mut self, at: usize, id: MessageId) {
        let now_ms = self.phone_ms();
        let looks = self.dice.chance(1, 4);
        let writes = self.dice.chance(1, 20);
        let action = self.dice.pick(&[
            ACTION_SHOWN,
            ACTION_CLICKED,
            ACTION_OWN_SHOWN,
            ACTION_OWN_CLICKED,
            90_001,
        ]);
        let upstream = Upstream {
            id: UpstreamId(self.dice.any().max(1)),
            task_id: String::new(),
            body: vec![7; self.dice.pick(&[0, 10, 3_000])].into(),
        };
        let Some(client) = &mut self.phones[at].client else {
            return;
        };
        // A phone that has as much to tell as it keeps tells no more.
        if looks {
            let _ = client.report(now_ms, id, action);
        }
        if writes {
            let _ = client.send_upstream(now_ms, upstream);
        }
    }

    fn phone_left(&mut self, at: usize, reason: &EndReason) {
        self.trace.note("left", [at as u64, 0, 0]);
        match reason {
            EndReason::Closed { reason, text, .. } => {
                let Phone { app, saved_cid, .. } = self.phones[at];
                let known = saved_cid.is_some();
                let forgotten = saved_cid.is_some_and(|cid| self.forgetting.contains(&cid));
                let expected = match reason {
                    CloseReason::Replaced
                    | CloseReason::Draining
                    | CloseReason::HeartbeatTimeout
                    | CloseReason::HelloTimeout
                    | CloseReason::Normal
                    | CloseReason::Overloaded => true,
                    // Its registration is on the way to the owner of its new id.
                    CloseReason::UnknownClient => !known || forgotten,
                    CloseReason::Removed if forgotten => true,
                    CloseReason::InternalError => {
                        self.store_failed
                            || saved_cid.is_some_and(|cid| self.damaged.contains(&cid))
                    }
                    CloseReason::AppDisabled => self.switched.contains(&app),
                    CloseReason::UnknownApp | CloseReason::Removed => self.deleting.contains(&app),
                    _ => false,
                };
                assert!(expected, "phone {at} is closed: {reason:?} {text}");
                if *reason == CloseReason::AppDisabled {
                    self.met.disabled += 1;
                    // It was told never to come back; its user looks again all the same.
                    self.phone_dies(at);
                } else if *reason == CloseReason::Removed && forgotten {
                    self.met.forgotten += 1;
                    self.phone_dies(at);
                }
            }
            EndReason::BadFrame(_)
            | EndReason::UnexpectedFrame(_)
            | EndReason::WrongClient { .. } => panic!("phone {at}: {reason}"),
            EndReason::GoAway
            | EndReason::LongerHeartbeat
            | EndReason::Silent
            | EndReason::NoWelcome { .. }
            | EndReason::Transport(_)
            | EndReason::Silence
            | EndReason::Own => {}
        }
    }
}
