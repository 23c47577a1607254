//! The life of one device: connect, talk, lose the link, return, until told to stop.
//!
//! Owner: one task. Always: every event reaches the witness, in order, before anything it allows is
//! sent.

use std::rc::Rc;

use protocol::ClientId;
use tokio::sync::{SemaphorePermit, watch};

use super::alias_binding::AliasBinding;
use super::{Device, Fleet};
use crate::client::{Client, EndReason, Event};
use crate::transport::{Connection, DeviceTls, TransportError};

struct Life<'a> {
    fleet: &'a Fleet,
    index: usize,
    client: Client,
    tls: DeviceTls,
    alias: AliasBinding,
    stop: watch::Receiver<bool>,
    counted_ready: bool,
}

pub(super) async fn live(fleet: Rc<Fleet>, device: Device) {
    let life = Life {
        fleet: &fleet,
        index: device.index,
        client: Client::new(device.config, fleet.clock.now_ms()),
        tls: device.tls,
        alias: AliasBinding::new(device.alias),
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
        let alias_at_ms = self.alias.deadline_ms().filter(|_| online);
        let deadline_ms = [self.client.next_deadline_ms(), alias_at_ms]
            .into_iter()
            .flatten()
            .min()
            .unwrap_or(u64::MAX);
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
            self.alias.hear(&event, now_ms);
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
            }
        }
        self.alias.ask(&mut self.client, now_ms);
        if let Some(code) = self.alias.refused() {
            let why = format!("device {}: alias refused: {code:?}", self.index);
            self.fleet.fail(why);
        }
        if !self.counted_ready && self.client.is_online() && self.alias.is_bound() {
            self.counted_ready = true;
            self.fleet.ready.send_modify(|ready| *ready += 1);
        }
        true
    }
}
