//! The tasks of connections: read, hand over, end.

use std::future::poll_fn;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use glommio::timer::Timer;
use protocol::Frame;
use server_core::event::ShardEvent;
use server_core::ids::SessionId;

use super::turnstile::Lane;
use super::{ShardLoop, offences};
use crate::addresses;
use crate::limits::{FRAMES_PER_TURN, LINGER};
use crate::net::{Connection, Gone, Input, Parcel};

impl ShardLoop {
    /// Counts a connection that is closed for its address, and tells the first of a spell.
    pub(super) fn deny(&self, address: IpAddr) {
        self.telemetry.connection_denied();
        let offence = offences::DENIED;
        if self.offences.borrow_mut().note(offence, Instant::now()) {
            tracing::info!(shard = self.me.0, offence, details = %address, "a peer is cut off");
        }
    }

    /// The hello of this connection was answered, or never will be.
    pub(super) fn greeted(&self, connection: &Connection) {
        if connection.end_greeting() {
            self.greetings.set(self.greetings.get() - 1);
            // The next in line may have waited for that.
            self.turnstile.ring();
        }
    }

    pub(super) fn take_in(&self, connection: &Rc<Connection>) -> SessionId {
        let made = self.sessions_made.get() + 1;
        self.sessions_made.set(made);
        let session = SessionId(made);
        self.connections
            .borrow_mut()
            .insert(session, Rc::clone(connection));
        session
    }

    /// Takes a connection that landed elsewhere.
    pub(super) fn adopt(self: &Rc<Self>, parcel: Parcel) {
        let (connection, hello) = Connection::adopted(parcel);
        let session = self.take_in(&connection);
        self.step(ShardEvent::Adopted(session, hello));
        // Frames that came with the hello are in its decoder already.
        self.spawn(Rc::clone(self).serve(session, connection));
    }

    /// Reads a connection in turns until its hello is answered, and hands it to a task that is smaller; it may have
    /// its first turn.
    pub(super) async fn greet(
        self: Rc<Self>,
        session: SessionId,
        connection: Rc<Connection>,
        mut has_turn: bool,
    ) {
        let mut goes_on = true;
        while goes_on {
            while self.take_frames(session, &connection) {
                self.end_turn();
                self.yield_to_others().await;
            }
            self.end_turn();
            if !connection.is_greeting() {
                return self.spawn(Rc::clone(&self).serve(session, connection));
            }
            let has_turn = std::mem::take(&mut has_turn);
            let input = self.read_in_turn(&connection, Lane::Login, has_turn).await;
            goes_on = self.take_input(session, &connection, input);
            self.yield_to_others().await;
        }
        self.greeted(&connection);
        self.let_go(&connection).await;
    }

    /// Reads a connection that is logged in, or was handed over for that, until it is gone, given away or closed. As
    /// many of these wait as there are devices: what is rare is a task of its own.
    pub(super) async fn serve(self: Rc<Self>, session: SessionId, connection: Rc<Connection>) {
        loop {
            while self.take_frames(session, &connection) {
                self.end_turn();
                self.yield_to_others().await;
            }
            self.end_turn();
            let input =
                poll_fn(|cx| connection.poll_input(cx, &mut self.scratch.borrow_mut())).await;
            if !self.take_input(session, &connection, input) {
                break;
            }
            // However fast the peer sends, others on this core get their turn.
            self.yield_to_others().await;
        }
        if connection.is_closing() {
            let this = Rc::clone(&self);
            self.spawn(async move { this.let_go(&connection).await });
        }
    }

    /// What reading came to; false if it was the last of this connection.
    fn take_input(
        self: &Rc<Self>,
        session: SessionId,
        connection: &Connection,
        input: Input,
    ) -> bool {
        match self.introduced(connection, input) {
            Input::Bytes => return true,
            Input::Released => return false,
            Input::Introduced(address) => self.deny(address),
            Input::Gone(gone) => {
                match &gone {
                    Gone::Tls(error) => self.note(offences::BROKEN_TLS, session, error),
                    Gone::Proxy(error) => {
                        self.telemetry.proxy_header_refused();
                        self.note(offences::BROKEN_HEADER, session, error);
                    }
                    Gone::Eof | Gone::Io(_) => {}
                }
                tracing::debug!(
                    shard = self.me.0,
                    session = session.0,
                    ?gone,
                    "connection is gone"
                );
            }
        }
        self.drop_connection(session);
        self.end_turn();
        false
    }

    /// Lets a connection whose balancer said where it comes from begin, if it may come from there.
    pub(super) fn introduced(&self, connection: &Connection, input: Input) -> Input {
        match input {
            Input::Introduced(address) if self.admits(address) => {
                connection.begin_tls(&mut self.scratch.borrow_mut())
            }
            input => input,
        }
    }

    /// Takes the complete frames of what was read, at most a turn's worth; true if more may follow.
    fn take_frames(self: &Rc<Self>, session: SessionId, connection: &Rc<Connection>) -> bool {
        for _ in 0..FRAMES_PER_TURN {
            match connection.next_frame() {
                Ok(Some(Frame::Hello(hello))) if !self.app_admits(&hello.app_id, connection) => {
                    self.deny(connection.address());
                    self.drop_connection(session);
                    return false;
                }
                Ok(Some(frame)) => self.step(ShardEvent::Frame(session, frame)),
                Ok(None) => return false,
                Err(error) => {
                    self.step(ShardEvent::Malformed(session, error));
                    return false;
                }
            }
        }
        true
    }

    /// Whether the list of the server lets an address in that a balancer named.
    fn admits(&self, address: IpAddr) -> bool {
        self.terms.borrow().door.list.admits(address)
    }

    /// Whether the lists of an app let this device in. The core knows no addresses, so it is asked
    /// for the app before it sees the hello.
    fn app_admits(&self, app_id: &str, connection: &Connection) -> bool {
        let shard = self.shard.borrow();
        let app = shard.app(app_id);
        app.is_none_or(|app| addresses::admits(&app.settings.device, connection.address()))
    }

    /// The connection failed or is given up: the core hears it, the socket goes.
    pub(super) fn drop_connection(self: &Rc<Self>, session: SessionId) {
        if let Some(connection) = self.connections.borrow_mut().remove(&session) {
            connection.abort();
            self.step(ShardEvent::Closed(session));
        }
    }

    /// Lets a closing connection say its last word, for a bounded time.
    pub(super) async fn let_go(&self, connection: &Rc<Connection>) {
        let said = poll_fn(|cx| connection.poll_closed(cx, &mut self.scratch.borrow_mut()));
        let late = async {
            Timer::new(LINGER).await;
        };
        futures_lite::future::or(said, late).await;
        connection.abort();
    }
}

const _: () = assert!(LINGER.as_nanos() < Duration::from_secs(10).as_nanos());
