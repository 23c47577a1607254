//! The life of one device: connect, talk, lose the link, return, until told to stop.
//!
//! Owner: one task. Always: every event reaches the witness, in order, before anything it allows is
//! sent.

use std::io;
use std::rc::Rc;
use std::time::{SystemTime, UNIX_EPOCH};

use protocol::ClientId;
use schema::push::PushMessage;
use tokio::sync::{SemaphorePermit, watch};

use super::errands::Errands;
use super::screen::{self, Cards, Notice};
use super::{Device, Fleet};
use crate::client::{Client, EndReason, Event};
use crate::transport::{Connection, DeviceTls, TransportError};

struct Life<'a> {
    fleet: &'a Fleet,
    index: usize,
    client: Client,
    tls: DeviceTls,
    errands: Errands,
    cards: Option<Cards>,
    stop: watch::Receiver<bool>,
    counted_ready: bool,
}

pub(super) async fn live(fleet: Rc<Fleet>, device: Device) {
    let life = Life {
        fleet: &fleet,
        index: device.index,
        client: Client::new(device.config, fleet.clock.now_ms()),
        tls: device.tls,
        errands: Errands::new(device.errands),
        cards: device.screen.map(Cards::new),
        stop: fleet.stop.subscribe(),
        counted_ready: false,
    };
    life.run().await;
}

impl Life<'_> {
    async fn run(mut self) {
        while let Some(connect_at_ms) = self.client.connect_at_ms() {
            let wait = self.fleet.clock.until(connect_at_ms);
            tokio::select! {
                biased;
                _ = self.stop.wait_for(|stop| *stop) => return,
                () = wait => {}
            }
            if self.fleet.clock.now_ms() < connect_at_ms {
                continue;
            }
            // Dropped by `talk` at the welcome.
            let permit = tokio::select! {
                biased;
                _ = self.stop.wait_for(|stop| *stop) => return,
                Ok(permit) = self.fleet.gate.acquire() => permit,
            };
            self.client.begin_connect();
            let address = self
                .client
                .endpoint()
                .unwrap_or(&self.fleet.address)
                .to_owned();
            let opened = tokio::select! {
                biased;
                _ = self.stop.wait_for(|stop| *stop) => return,
                opened = Connection::open(&address, &self.tls) => opened,
            };
            match opened {
                Ok(connection) => self.talk(connection, permit).await,
                Err(error) => {
                    self.lost(&error);
                }
            }
        }
        if !self.counted_ready && !*self.stop.borrow() {
            let why = format!("device {} may not log in", self.index);
            self.fleet.fail(why);
        }
    }

    async fn talk(&mut self, mut connection: Connection, permit: SemaphorePermit<'_>) {
        let mut permit = Some(permit);
        self.client.connected(self.fleet.clock.now_ms());
        loop {
            if !self.report() {
                return;
            }
            if self.client.is_online() {
                permit = None;
            }
            if let Err(error) = self.flush(&mut connection).await {
                self.lost(&error);
                break;
            }
            if self.client.wants_hang_up() {
                break;
            }
            self.turn(&mut connection).await;
        }
        drop(permit);
        connection.close().await;
    }

    /// Waits for one input and gives it to the client.
    async fn turn(&mut self, connection: &mut Connection) {
        let clock = self.fleet.clock;
        let online = self.client.is_online();
        let errands_at_ms = self.errands.deadline_ms().filter(|_| online);
        let cards_at_ms = self.cards.as_ref().and_then(Cards::deadline_ms);
        let cards_at_ms = cards_at_ms.map(|at_ms| {
            let wait_ms = at_ms.saturating_sub(unix_ms());
            clock.now_ms().saturating_add(wait_ms)
        });
        let deadlines = [self.client.next_deadline_ms(), errands_at_ms, cards_at_ms];
        let deadline_ms = deadlines.into_iter().flatten().min().unwrap_or(u64::MAX);
        let client = &mut self.client;
        let received = tokio::select! {
            biased;
            _ = self.stop.wait_for(|stop| *stop) => None,
            received = connection.receive(|bytes| client.bytes_received(clock.now_ms(), bytes)) => {
                Some(received)
            }
            () = clock.until(deadline_ms) => Some(Ok(())),
        };
        match received {
            None => self.client.close(clock.now_ms()),
            Some(Ok(())) => self.client.timer(clock.now_ms()),
            Some(Err(error)) => {
                self.client.disconnected(clock.now_ms(), &error.to_string());
            }
        }
    }

    async fn flush(&mut self, connection: &mut Connection) -> Result<(), TransportError> {
        if let Some(bytes) = self.client.take_output(self.fleet.clock.now_ms()) {
            connection.send(&bytes).await?;
            self.fleet.witness.acked(self.index);
        }
        Ok(())
    }

    fn lost(&mut self, error: &TransportError) {
        self.client
            .disconnected(self.fleet.clock.now_ms(), &error.to_string());
        self.report();
    }

    /// Hands all events to the witness; false if the fleet failed.
    fn report(&mut self) -> bool {
        let now_ms = self.fleet.clock.now_ms();
        while let Some(event) = self.client.next_event() {
            self.errands.hear(&event, now_ms);
            if let Event::Refused { reason } = &event
                && *reason != EndReason::Own
            {
                self.fleet.complain(self.index, &reason.to_string());
            }
            let cid: Option<ClientId> = self.client.identity();
            if let Err(error) = self.fleet.witness.event(self.index, cid, &event) {
                self.fleet.fail(error.to_string());
                return false;
            }
            if let Event::Push { id, .. } = event {
                self.client.handled(id);
                if let Err(error) = self.look_at(&event) {
                    self.fleet.fail(error.to_string());
                    return false;
                }
            }
        }
        if let Err(error) = self.show_what_is_due() {
            self.fleet.fail(error.to_string());
            return false;
        }
        self.errands.ask(&mut self.client, now_ms);
        if let Some((errand, code)) = self.errands.refused() {
            let why = format!("device {}: {errand:?} refused: {code:?}", self.index);
            self.fleet.fail(why);
        }
        if !self.counted_ready && self.client.is_online() && self.errands.are_done() {
            self.counted_ready = true;
            self.fleet.ready.send_modify(|ready| *ready += 1);
        }
        true
    }

    /// A message was handed to the app: if it is a notification, the phone has its way with it.
    fn look_at(&mut self, event: &Event) -> io::Result<()> {
        let (
            Some(cards),
            Event::Push {
                id,
                sealed: false,
                body,
            },
        ) = (&mut self.cards, event)
        else {
            return Ok(());
        };
        // What cannot be read is acked and not shown.
        let Ok(message) = PushMessage::decode(body) else {
            return Ok(());
        };
        let notices = cards.take(unix_ms(), *id, &message);
        self.tell(&notices)
    }

    fn show_what_is_due(&mut self) -> io::Result<()> {
        match &mut self.cards {
            Some(cards) => {
                let notices = cards.timer(unix_ms());
                self.tell(&notices)
            }
            None => Ok(()),
        }
    }

    fn tell(&mut self, notices: &[Notice]) -> io::Result<()> {
        let (now_ms, cid) = (self.fleet.clock.now_ms(), self.client.identity());
        for notice in notices {
            self.fleet.witness.notice(cid, notice)?;
            if let Err(error) = screen::report(&mut self.client, now_ms, notice) {
                self.fleet.complain(self.index, &error.to_string());
            }
        }
        Ok(())
    }
}

/// By the clock of the machine: display windows are times of Unix.
fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}
