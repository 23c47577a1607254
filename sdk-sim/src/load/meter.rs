//! The devices' witness: counts and measures, and keeps nothing of a message.
//!
//! Owner: the devices' thread. Always: a push is counted before its ack can leave; at most
//! `LOGINS_IN_FLIGHT_MAX` devices are between their start and their welcome, so the time between is
//! the server's and not a queue of ours.

use std::cell::{Cell, RefCell};
use std::io;
use std::ops::Range;
use std::time::{Duration, Instant};

use protocol::{ClientId, Frame, MessageId, Push};
use tokio::sync::Semaphore;

use super::books::Receipts;
use super::latency::Latency;
use super::payload::{Found, Mark};
use super::schedule::Schedule;
use crate::client::{EndReason, Event};
use crate::fleet::{LOGINS_IN_FLIGHT_MAX, Witness};

/// What is known of one device.
#[derive(Debug, Clone, Copy)]
struct Known {
    cid: Option<ClientId>,
    last: MessageId,
    started_at: Instant,
    /// Started, and not welcomed yet.
    logging_in: bool,
    /// Pushes received whose acks have not left.
    unacked: u32,
}

/// Logins since [`Meter::begin_logins`].
#[derive(Debug)]
pub(super) struct Logins {
    pub(super) begun_at: Instant,
    pub(super) last_at: Instant,
    pub(super) count: u64,
    /// From a device's start to its welcome.
    pub(super) each: Latency,
    /// From the beginning to each welcome.
    pub(super) since_begin: Latency,
}

/// Pushes since [`Meter::expect`].
#[derive(Debug)]
pub(super) struct Received {
    pub(super) receipts: Receipts,
    /// From due to received, devices that stay.
    pub(super) stayers: Latency,
    /// The same, devices that travel.
    pub(super) travellers: Latency,
    /// Bytes of our texts.
    pub(super) payload_len: u64,
    /// Bytes of the frames they came in.
    pub(super) frame_len: u64,
    pub(super) last_at: Instant,
}

/// The push to all that is due.
#[derive(Debug, Clone, Copy)]
struct Broadcast {
    number: u64,
    start: Instant,
}

/// See the module's text.
pub(super) struct Meter {
    mark: Mark,
    /// Devices from this index on travel.
    travellers_from: usize,
    devices: RefCell<Vec<Known>>,
    slots: Semaphore,
    logins: RefCell<Logins>,
    schedule: Cell<Schedule>,
    /// Every device gets the same push, and this is the one that is due.
    broadcast: Cell<Option<Broadcast>>,
    received: RefCell<Received>,
    acked: Cell<u64>,
    repeats: Cell<u64>,
    links_lost: Cell<u64>,
    attempts_refused: Cell<u64>,
    last_news: Cell<Instant>,
}

impl Meter {
    /// A meter of `count` devices that have never registered.
    pub(super) fn new(
        mark: Mark,
        count: usize,
        travellers_from: usize,
        schedule: Schedule,
    ) -> Self {
        let now = Instant::now();
        let known = Known {
            cid: None,
            last: MessageId(0),
            started_at: now,
            logging_in: false,
            unacked: 0,
        };
        Self {
            mark,
            travellers_from,
            devices: RefCell::new(vec![known; count]),
            slots: Semaphore::new(LOGINS_IN_FLIGHT_MAX),
            logins: RefCell::new(Logins::new(now)),
            schedule: Cell::new(schedule),
            broadcast: Cell::new(None),
            received: RefCell::new(Received::new(schedule.total, now)),
            acked: Cell::new(0),
            repeats: Cell::new(0),
            links_lost: Cell::new(0),
            attempts_refused: Cell::new(0),
            last_news: Cell::new(now),
        }
    }

    /// Waits until one more device may start, and marks its start.
    pub(super) async fn start(&self, index: usize) {
        if let Ok(slot) = self.slots.acquire().await {
            slot.forget();
        }
        if let Some(known) = self.devices.borrow_mut().get_mut(index) {
            known.started_at = Instant::now();
            known.logging_in = true;
        }
    }

    /// Forgets the logins so far.
    pub(super) fn begin_logins(&self) {
        *self.logins.borrow_mut() = Logins::new(Instant::now());
    }

    /// The pushes of this schedule are due from now on; earlier receipts are forgotten.
    pub(super) fn expect(&self, schedule: Schedule) {
        self.schedule.set(schedule);
        *self.received.borrow_mut() = Received::new(schedule.total, schedule.start);
        self.acked.set(0);
        self.repeats.set(0);
        self.links_lost.set(0);
    }

    /// From now on it is this push that all devices get, due at `start`. Each device's receipt has a number of its own:
    /// see [`Meter::receipt`].
    pub(super) fn expect_broadcast(&self, number: u64, start: Instant) {
        self.broadcast.set(Some(Broadcast { number, start }));
    }

    /// The number of a device's receipt of a broadcast.
    pub(super) fn receipt(&self, broadcast: u64, device: usize) -> u64 {
        broadcast * self.devices.borrow().len() as u64 + device as u64
    }

    /// The number of a receipt, and how long after its due time it came.
    fn late(&self, device: usize, number: u64, now: Instant) -> (u64, Duration) {
        match self.broadcast.get() {
            None => (number, self.schedule.get().late(number, now)),
            Some(broadcast) if broadcast.number == number => (
                self.receipt(number, device),
                now.saturating_duration_since(broadcast.start),
            ),
            // A second time: the next is sent when all have the one before.
            Some(_) => (self.receipt(number, device), Duration::ZERO),
        }
    }

    /// The pushes that are expected.
    pub(super) fn schedule(&self) -> Schedule {
        self.schedule.get()
    }

    /// The devices that travel.
    pub(super) fn travellers(&self) -> Range<usize> {
        self.travellers_from..self.devices.borrow().len()
    }

    /// The logins so far.
    pub(super) fn logins<T>(&self, read: impl FnOnce(&Logins) -> T) -> T {
        read(&self.logins.borrow())
    }

    /// The pushes so far.
    pub(super) fn received<T>(&self, read: impl FnOnce(&Received) -> T) -> T {
        read(&self.received.borrow())
    }

    /// Messages whose acks were sent.
    pub(super) fn acked(&self) -> u64 {
        self.acked.get()
    }

    /// Messages that came again and were dropped.
    pub(super) fn repeats(&self) -> u64 {
        self.repeats.get()
    }

    /// Sessions that ended without being told to.
    pub(super) fn links_lost(&self) -> u64 {
        self.links_lost.get()
    }

    /// Attempts that ended before a welcome.
    pub(super) fn attempts_refused(&self) -> u64 {
        self.attempts_refused.get()
    }

    /// Counts the silence from now.
    pub(super) fn touch(&self) {
        self.last_news.set(Instant::now());
    }

    /// How long nothing has happened.
    pub(super) fn quiet_for(&self) -> Duration {
        self.last_news.get().elapsed()
    }

    /// What the server knows a device by, and the highest message id it has handled.
    pub(super) fn identity(&self, index: usize) -> (Option<ClientId>, MessageId) {
        let devices = self.devices.borrow();
        let known = devices.get(index);
        known.map_or((None, MessageId(0)), |known| (known.cid, known.last))
    }

    /// The client ids of all devices, in their order.
    pub(super) fn cids(&self) -> Vec<ClientId> {
        self.devices
            .borrow()
            .iter()
            .filter_map(|known| known.cid)
            .collect()
    }

    fn online(&self, device: usize, cid: ClientId, now: Instant) {
        let mut devices = self.devices.borrow_mut();
        let Some(known) = devices.get_mut(device) else {
            return;
        };
        known.cid = Some(cid);
        known.unacked = 0;
        if !known.logging_in {
            // Back by itself after a lost link: no start of ours to measure from.
            return;
        }
        known.logging_in = false;
        self.slots.add_permits(1);
        let mut logins = self.logins.borrow_mut();
        logins.count += 1;
        logins.last_at = now;
        logins
            .each
            .record(now.saturating_duration_since(known.started_at));
        let since_begin = now.saturating_duration_since(logins.begun_at);
        logins.since_begin.record(since_begin);
    }

    fn push(
        &self,
        device: usize,
        id: MessageId,
        frame_len: u64,
        found: Option<Found>,
        now: Instant,
    ) {
        if let Some(known) = self.devices.borrow_mut().get_mut(device) {
            known.last = id;
            known.unacked = known.unacked.saturating_add(1);
        }
        let found = found.map(|found| (self.late(device, found.number, now), found.len));
        let mut received = self.received.borrow_mut();
        received.frame_len += frame_len;
        let Some(((number, late), len)) = found else {
            received.receipts.record_foreign();
            return;
        };
        received.payload_len += len;
        if received.receipts.record(number) {
            received.last_at = now;
            if device < self.travellers_from {
                received.stayers.record(late);
            } else {
                received.travellers.record(late);
            }
        }
    }
}

impl Witness for Meter {
    fn event(&self, device: usize, _cid: Option<ClientId>, event: &Event) -> io::Result<()> {
        let now = Instant::now();
        self.last_news.set(now);
        match event {
            Event::Push { id, sealed, body } => {
                // A clone of `Bytes` copies no byte.
                let frame = Frame::Push(Push {
                    id: *id,
                    sealed: *sealed,
                    body: body.clone(),
                });
                let found = self.mark.find(body);
                self.push(device, *id, frame.encoded_len() as u64, found, now);
            }
            Event::Repeat { .. } => self.repeats.set(self.repeats.get() + 1),
            Event::Online { cid, .. } => self.online(device, *cid, now),
            Event::Offline {
                reason: EndReason::Own,
            } => {}
            Event::Offline { .. } => self.links_lost.set(self.links_lost.get() + 1),
            Event::Refused { .. } => self.attempts_refused.set(self.attempts_refused.get() + 1),
            Event::CommandResult { .. }
            | Event::CommandLost { .. }
            | Event::Reported { .. }
            | Event::Upstream { .. }
            | Event::GoAway { .. } => {}
        }
        Ok(())
    }

    fn acked(&self, device: usize) {
        if let Some(known) = self.devices.borrow_mut().get_mut(device) {
            self.acked.set(self.acked.get() + u64::from(known.unacked));
            known.unacked = 0;
        }
    }
}

impl Logins {
    fn new(now: Instant) -> Self {
        Self {
            begun_at: now,
            last_at: now,
            count: 0,
            each: Latency::new(),
            since_begin: Latency::new(),
        }
    }
}

impl Received {
    fn new(total: u64, now: Instant) -> Self {
        Self {
            receipts: Receipts::new(total),
            stayers: Latency::new(),
            travellers: Latency::new(),
            payload_len: 0,
            frame_len: 0,
            last_at: now,
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::schedule::Pace;
    use super::*;
    use crate::client::EndReason;

    const TOTAL: u64 = 4;

    fn meter(devices: usize, travellers_from: usize) -> (Meter, Mark) {
        let mark = Mark::random().expect("random bytes");
        let schedule = Schedule {
            start: Instant::now(),
            pace: Pace::AtOnce,
            total: TOTAL,
        };
        (Meter::new(mark, devices, travellers_from, schedule), mark)
    }

    fn hear(meter: &Meter, device: usize, event: &Event) {
        meter.event(device, None, event).expect("never fails");
    }

    fn online(number: u8) -> Event {
        Event::Online {
            cid: ClientId::from_bytes([number; 16]),
            registered: true,
            generation: 1,
        }
    }

    fn push(id: u64, mark: Mark, number: u64) -> Event {
        Event::Push {
            id: MessageId(id),
            sealed: false,
            body: Bytes::from(mark.string(number)),
        }
    }

    #[test]
    fn given_pushes_when_heard_should_count_once_and_ack_what_left() {
        let (meter, mark) = meter(2, 1);
        for (device, id, number) in [(0, 5, 0), (1, 6, 1), (0, 7, 0), (0, 8, TOTAL)] {
            hear(&meter, device, &push(id, mark, number));
        }
        let strange = Event::Push {
            id: MessageId(9),
            sealed: false,
            body: Bytes::from_static(b"something else"),
        };
        hear(&meter, 1, &strange);
        meter.received(|received| {
            assert_eq!(received.receipts.received(), 2);
            assert_eq!(received.receipts.doubled(), 1);
            assert_eq!(received.receipts.foreign(), 2);
            assert_eq!(received.payload_len, 4 * 24);
            // Four bodies of 28 bytes and one of 14, each with 9 fixed bytes and 2 of header.
            assert_eq!(received.frame_len, 4 * 28 + 14 + 5 * 11);
            assert_eq!(received.stayers.percentiles().expect("one").count, 1);
            assert_eq!(received.travellers.percentiles().expect("one").count, 1);
        });
        assert_eq!(meter.acked(), 0);
        Witness::acked(&meter, 0);
        Witness::acked(&meter, 0);
        assert_eq!(meter.acked(), 3);
        assert_eq!(meter.identity(0).1, MessageId(8));
        // A link that ends takes its acks along.
        hear(&meter, 1, &online(1));
        Witness::acked(&meter, 1);
        assert_eq!(meter.acked(), 3);
    }

    #[test]
    fn given_broadcasts_when_heard_should_count_each_device_once() {
        let (meter, mark) = meter(2, 2);
        for number in [0, 1] {
            meter.expect_broadcast(number, Instant::now());
            for device in [0, 1] {
                hear(&meter, device, &push(5 + number, mark, number));
            }
        }
        hear(&meter, 1, &push(9, mark, 0));
        meter.received(|received| {
            assert_eq!(received.receipts.received(), TOTAL);
            assert_eq!(received.receipts.doubled(), 1);
            assert_eq!(received.stayers.percentiles().expect("four").count, TOTAL);
        });
    }

    #[tokio::test]
    async fn given_more_devices_than_slots_when_started_should_wait_for_a_welcome() {
        let count = LOGINS_IN_FLIGHT_MAX + 1;
        let (meter, _) = meter(count, count);
        for device in 0..LOGINS_IN_FLIGHT_MAX {
            meter.start(device).await;
        }
        let mut last = std::pin::pin!(meter.start(LOGINS_IN_FLIGHT_MAX));
        let waits = tokio::select! {
            biased;
            () = &mut last => false,
            () = std::future::ready(()) => true,
        };
        assert!(waits);
        hear(&meter, 3, &online(3));
        last.await;
        // Back after a lost link: neither a login of ours nor a slot.
        let lost = |reason| Event::Offline { reason };
        hear(&meter, 3, &lost(EndReason::Silent));
        hear(&meter, 3, &online(3));
        hear(&meter, 3, &lost(EndReason::Own));
        assert_eq!(meter.logins(|logins| logins.count), 1);
        assert_eq!(meter.links_lost(), 1);
        assert_eq!(meter.cids(), [ClientId::from_bytes([3; 16])]);
        assert_eq!(meter.slots.available_permits(), 0);
    }
}
