//! A device on one thread and a blocking socket: the client, its connection, its clock, and the
//! loop of calls between them. For apps on platforms without io_uring.
//!
//! Owner: one thread at a time. Always: every event reaches the caller before anything it allows is
//! sent; an ack leaves only for what the caller confirmed; at most one connection is open.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use sdk_sim::blocking_device::BlockingDevice;
//! use sdk_sim::client::{Config, DeviceSecret, Event, InstallId};
//! use sdk_sim::transport::Tls;
//!
//! # let (install, secret) = (InstallId::from_bytes([1; 16]), DeviceSecret::from_bytes([2; 32]));
//! # let ca_pem = "";
//! # fn store(_body: &[u8]) {}
//! let config = Config::new("my-app-id", install, secret, 1);
//! let tls = Tls::trusting(ca_pem)?.for_device();
//! let mut device = BlockingDevice::connect(config, "push.example:5224", tls);
//! while !device.is_stopped() {
//!     match device.next_event(Duration::from_secs(60)) {
//!         Some(Event::Push { id, body, .. }) => {
//!             store(&body);
//!             device.client().handled(id);
//!         }
//!         Some(event) => println!("{event:?}"),
//!         None => {} // a quiet minute
//!     }
//! }
//! # Ok::<(), sdk_sim::transport::TlsError>(())
//! ```

use std::thread;
use std::time::{Duration, Instant};

use crate::client::{Client, Config, Event};
use crate::transport::{BlockingConnection, DeviceTls, TransportError};

/// The longest single wait: a client's deadlines may be weeks away, and an hour is far enough to
/// look again.
const LOOK_AGAIN: Duration = Duration::from_secs(60 * 60);

/// What a handler of [`BlockingDevice::run`] wants next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// More events.
    GoOn,
    /// An end in order.
    Stop,
}

/// One device. Nothing happens but inside its calls: an app gives it a thread of its own, and calls
/// it often enough for its heartbeat.
#[derive(Debug)]
pub struct BlockingDevice {
    client: Client,
    address: String,
    tls: DeviceTls,
    start: Instant,
    connection: Option<BlockingConnection>,
}

impl BlockingDevice {
    /// A device of the server at `HOST:PORT`. Connects at the first [`Self::next_event`], and again
    /// whenever the connection is lost, by the rules of the client.
    pub fn connect(config: Config, address: &str, tls: DeviceTls) -> Self {
        Self {
            client: Client::new(config, 0),
            address: address.to_owned(),
            tls,
            start: Instant::now(),
            connection: None,
        }
    }

    /// The client: to confirm pushes, to send commands, to name the network. What leaves by it
    /// leaves at the next [`Self::next_event`]. The calls that drive a connection are this type's
    /// own: made from elsewhere they would confuse it.
    pub fn client(&mut self) -> &mut Client {
        &mut self.client
    }

    /// The clock that the client goes by: milliseconds since [`Self::connect`].
    pub fn now_ms(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// True when nothing will happen any more: closed, or told by the server to stay away, and the
    /// connection is gone.
    pub fn is_stopped(&self) -> bool {
        self.client.is_stopped() && self.connection.is_none()
    }

    /// The next thing that happened; waits for it, at most for `wait`, and does meanwhile what the
    /// client has to do. `None`: the time is over, or the device [is stopped](Self::is_stopped).
    ///
    /// A push is confirmed by [`Client::handled`] after it was stored and before the next call.
    /// Connecting, writing and closing may last longer than `wait`, each up to its own limit
    /// ([`OPEN_WAIT`](crate::transport::OPEN_WAIT) at most).
    pub fn next_event(&mut self, wait: Duration) -> Option<Event> {
        let begun = Instant::now();
        loop {
            if let Some(event) = self.client.next_event() {
                return Some(event);
            }
            self.flush();
            if let Some(event) = self.client.next_event() {
                return Some(event);
            }
            let left = wait.saturating_sub(begun.elapsed());
            if self.is_stopped() || left.is_zero() {
                return None;
            }
            match self.connection.take() {
                Some(connection) => self.listen(connection, left),
                None => self.reconnect(left),
            }
        }
    }

    /// Hands every event to `handler` until it wishes to stop, it fails, or the device is stopped.
    /// A push counts as handled when the handler returned `Ok`, and is then acked. The device is
    /// closed in order in any case.
    ///
    /// # Errors
    /// The handler's; the push it was given is not acked and will come again.
    pub fn run<E>(
        &mut self,
        mut handler: impl FnMut(&mut Client, &Event) -> Result<Wish, E>,
    ) -> Result<(), E> {
        let mut outcome = Ok(Wish::GoOn);
        while let Ok(Wish::GoOn) = outcome {
            let Some(event) = self.next_event(LOOK_AGAIN) else {
                if self.is_stopped() {
                    break;
                }
                continue;
            };
            outcome = handler(&mut self.client, &event);
            if let (Ok(_), Event::Push { id, .. }) = (&outcome, &event) {
                self.client.handled(*id);
            }
        }
        self.close();
        outcome.map(drop)
    }

    /// Ends the device in order: the last acks and a close leave, and the server's end is waited
    /// for, at most [`CLOSE_WAIT`](crate::transport::CLOSE_WAIT). The last event can still be
    /// taken. Dropping a device instead cuts its connection; what was not acked comes again.
    pub fn close(&mut self) {
        let now_ms = self.now_ms();
        self.client.close(now_ms);
        self.flush();
    }

    /// Sends what there is to send and hangs up if the client wants to.
    fn flush(&mut self) {
        let now_ms = self.now_ms();
        let Some(mut connection) = self.connection.take() else {
            return;
        };
        if let Some(bytes) = self.client.take_output(now_ms)
            && let Err(error) = connection.send(&bytes)
        {
            self.lost(&error);
            return;
        }
        if self.client.wants_hang_up() {
            connection.close();
        } else {
            self.connection = Some(connection);
        }
    }

    /// Waits for bytes, the client's next deadline, or the end of `wait`.
    fn listen(&mut self, mut connection: BlockingConnection, wait: Duration) {
        let wait = wait.min(self.until(self.client.next_deadline_ms()));
        let start = self.start;
        let client = &mut self.client;
        let received = connection.receive(wait, |bytes| {
            let now_ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
            client.bytes_received(now_ms, bytes);
        });
        match received {
            Ok(()) => {
                let now_ms = self.now_ms();
                self.client.timer(now_ms);
                self.connection = Some(connection);
            }
            Err(error) => self.lost(&error),
        }
    }

    /// Connects, if it is time to; waits for that otherwise.
    fn reconnect(&mut self, wait: Duration) {
        let due = self.until(self.client.connect_at_ms());
        if !due.is_zero() {
            thread::park_timeout(due.min(wait));
            return;
        }
        self.client.begin_connect();
        let address = self.client.endpoint().unwrap_or(&self.address);
        match BlockingConnection::open(address, &self.tls) {
            Ok(connection) => {
                let now_ms = self.now_ms();
                self.client.connected(now_ms);
                self.connection = Some(connection);
            }
            Err(error) => self.lost(&error),
        }
    }

    fn lost(&mut self, error: &TransportError) {
        let now_ms = self.now_ms();
        self.client.disconnected(now_ms, &error.to_string());
    }

    /// How long until a mark of the client's clock; rounded up, so that it has come afterwards.
    fn until(&self, at_ms: Option<u64>) -> Duration {
        let at = Duration::from_millis(at_ms.unwrap_or(u64::MAX));
        at.saturating_sub(self.start.elapsed()).min(LOOK_AGAIN)
    }
}

#[cfg(test)]
mod tests {
    use protocol::{CloseReason, Frame, MessageId};

    use super::*;
    use crate::client::{DeviceSecret, EndReason, InstallId};
    use crate::fake_server::{FakeServer, PUSHED};
    use crate::transport::Tls;

    /// Long for a loopback, short for a person.
    const PATIENCE: Duration = Duration::from_secs(60);

    fn device(server: &FakeServer, ca_pem: &str) -> BlockingDevice {
        let config = Config::new(
            "app",
            InstallId::from_bytes([1; 16]),
            DeviceSecret::from_bytes([2; 32]),
            3,
        );
        let tls = Tls::trusting(ca_pem).expect("the test certificate");
        BlockingDevice::connect(config, server.address(), tls.for_device())
    }

    fn next(device: &mut BlockingDevice) -> Event {
        device.next_event(PATIENCE).expect("something happens")
    }

    #[test]
    fn given_a_server_when_run_should_ack_what_was_handled_and_end_in_order() {
        let server = FakeServer::start();
        let mut device = device(&server, server.ca_pem());
        let mut pushed = Vec::new();
        let outcome: Result<(), ()> = device.run(|client, event| {
            if let Event::Online { .. } = event {
                client.bind_alias("", "somebody").expect("taken");
            }
            if let Event::Push { id, .. } = event {
                pushed.push(id.0);
            }
            let last = matches!(event, Event::CommandResult { .. });
            Ok(if last { Wish::Stop } else { Wish::GoOn })
        });
        assert_eq!((outcome, pushed.as_slice()), (Ok(()), PUSHED.as_slice()));
        assert!(device.is_stopped());
        let heard = server.heard_until_closes(1);
        let ids = PUSHED.map(MessageId).to_vec();
        assert!(
            matches!(&heard[..], [Frame::Hello(_), Frame::Command(_), Frame::Ack(ack), Frame::Close(close)]
                if ack.ids == ids && close.reason == CloseReason::Normal),
            "{heard:?}"
        );
        assert!(matches!(
            device.next_event(PATIENCE),
            Some(Event::Offline {
                reason: EndReason::Own
            })
        ));
        assert_eq!(device.next_event(PATIENCE), None, "at once: it is stopped");
    }

    #[test]
    fn given_a_handler_that_fails_when_a_push_comes_should_not_ack_it() {
        let server = FakeServer::start();
        let mut device = device(&server, server.ca_pem());
        let outcome = device.run(|_, event| match event {
            Event::Push { id, .. } if id.0 == PUSHED[1] => Err("disk full"),
            _ => Ok(Wish::GoOn),
        });
        assert_eq!(outcome, Err("disk full"));
        let heard = server.heard_until_closes(1);
        assert!(
            matches!(&heard[..], [Frame::Hello(_), Frame::Ack(ack), Frame::Close(_)]
                if ack.ids == [MessageId(PUSHED[0])]),
            "{heard:?}"
        );
    }

    #[test]
    fn given_a_server_that_falls_silent_when_time_is_over_should_ping_give_up_and_return() {
        let server = FakeServer::falling_silent();
        let mut device = device(&server, server.ca_pem());
        assert!(matches!(
            next(&mut device),
            Event::Online {
                registered: true,
                ..
            }
        ));
        let reason = EndReason::Silent;
        assert_eq!(next(&mut device), Event::Offline { reason });
        assert!(matches!(
            next(&mut device),
            Event::Online {
                registered: false,
                ..
            }
        ));
        device.close();
        let heard = server.heard_until_closes(1);
        assert!(
            matches!(
                heard[..],
                [
                    Frame::Hello(_),
                    Frame::Ping,
                    Frame::Hello(_),
                    Frame::Close(_)
                ]
            ),
            "{heard:?}"
        );
    }

    #[test]
    fn given_a_go_away_when_it_comes_should_ack_close_and_go_where_it_says() {
        let second = FakeServer::start();
        let first = FakeServer::sending_to(second.address());
        let both = format!("{}{}", first.ca_pem(), second.ca_pem());
        let mut device = device(&first, &both);
        let mut online = 0;
        while online < 2 {
            match next(&mut device) {
                Event::Online { .. } => online += 1,
                Event::Push { id, .. } => device.client().handled(id),
                _ => {}
            }
        }
        device.close();
        let heard = first.heard_until_closes(1);
        assert!(
            matches!(&heard[..], [Frame::Hello(_), Frame::Ack(_), Frame::Close(close)]
                if close.reason == CloseReason::Normal),
            "{heard:?}"
        );
        let heard = second.heard_until_closes(1);
        assert!(
            matches!(&heard[0], Frame::Hello(hello) if hello.resume == MessageId(1)),
            "{heard:?}"
        );
    }

    #[test]
    fn given_a_server_that_forbids_when_asked_should_stop_and_say_so() {
        let server = FakeServer::refusing();
        let mut device = device(&server, server.ca_pem());
        assert!(matches!(next(&mut device), Event::Refused { .. }));
        assert_eq!(device.next_event(PATIENCE), None);
        assert!(device.is_stopped());
    }

    #[test]
    fn given_nobody_at_the_address_when_waited_for_should_back_off_and_return_in_time() {
        let server = FakeServer::start();
        let mut device = device(&server, server.ca_pem());
        // A port that was free a moment ago.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        device.address = listener.local_addr().expect("an address").to_string();
        drop(listener);
        let refused = |event| {
            matches!(
                event,
                Event::Refused {
                    reason: EndReason::Transport(_)
                }
            )
        };
        assert!(refused(next(&mut device)));
        assert!(refused(next(&mut device)), "it tries again");
        assert!(!device.is_stopped());
        assert_eq!(device.next_event(Duration::ZERO), None);
    }
}
