//! The tasks of connections: accept, read, hand over, end.

use std::future::poll_fn;
use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use glommio::net::TcpStream;
use glommio::timer::Timer;
use protocol::Frame;
use server_core::event::ShardEvent;
use server_core::ids::SessionId;

use super::{ShardLoop, offences};
use crate::addresses;
use crate::limits::{ACCEPT_PAUSE, FRAMES_PER_TURN, GREETINGS_MAX, LINGER};
use crate::net::{Connection, DeviceListener, Gone, Input, Parcel, Place};

impl ShardLoop {
    /// Accepts until the listener is shut, as long as there is room.
    pub(super) async fn accept(self: Rc<Self>, listener: Rc<DeviceListener>) {
        while let Some(place) = self.room().await {
            match listener.accept().await {
                Ok(stream) => {
                    self.open(stream, place);
                    // However many wait, those that are in get their turn.
                    futures_lite::future::yield_now().await;
                }
                Err(error) if is_shut(&error) => return,
                // Something else holds the descriptors, or the connection ended before it was taken.
                Err(error) => {
                    self.tell_pause(&error);
                    Timer::new(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Takes in a connection that was just accepted, if its address may come.
    fn open(self: &Rc<Self>, stream: TcpStream, place: Place) {
        // Without an address its peer is gone again.
        let Ok(peer) = stream.peer_addr() else { return };
        let peer = peer.ip().to_canonical();
        let terms = Arc::clone(&self.terms.borrow());
        let with_header = terms.door.wants_header(peer);
        if !with_header && !terms.door.list.admits(peer) {
            return self.deny(peer);
        }
        match Connection::accepted(stream, peer, with_header, Arc::clone(&terms.tls), place) {
            Ok(connection) => {
                self.greetings.set(self.greetings.get() + 1);
                let session = self.take_in(&connection);
                self.step(ShardEvent::Opened(session));
                self.spawn(Rc::clone(self).serve(session, connection));
            }
            Err(error) => tracing::error!(%error, "TLS cannot start"),
        }
    }

    /// Counts a connection that is closed for its address, and tells the first of a spell.
    fn deny(&self, address: IpAddr) {
        self.telemetry.connection_denied();
        let offence = offences::DENIED;
        if self.offences.borrow_mut().note(offence, Instant::now()) {
            tracing::info!(shard = self.me.0, offence, details = %address, "a peer is cut off");
        }
    }

    /// A place for the next connection, waited for; `None` when the shard ends.
    async fn room(&self) -> Option<Place> {
        let mut told = false;
        while !self.finishing.get() {
            let why = if self.greetings.get() >= GREETINGS_MAX {
                "connections without a hello"
            } else if let Some(place) = self.places.take() {
                if told {
                    tracing::info!(shard = self.me.0, "accepting goes on");
                }
                return Some(place);
            } else {
                "the file limit"
            };
            told |= self.tell_pause(&why);
            Timer::new(ACCEPT_PAUSE).await;
        }
        None
    }

    /// Says that accepting pauses, unless that was said lately.
    fn tell_pause(&self, why: &dyn std::fmt::Display) -> bool {
        let is_first = self
            .offences
            .borrow_mut()
            .note(offences::NO_ROOM, Instant::now());
        if is_first {
            tracing::warn!(shard = self.me.0, %why, "accepting pauses");
        }
        is_first
    }

    /// The hello of this connection was answered, or never will be.
    pub(super) fn greeted(&self, connection: &Connection) {
        if connection.end_greeting() {
            self.greetings.set(self.greetings.get() - 1);
        }
    }

    fn take_in(&self, connection: &Rc<Connection>) -> SessionId {
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

    /// Reads a connection until it is gone, given away or closed.
    async fn serve(self: Rc<Self>, session: SessionId, connection: Rc<Connection>) {
        loop {
            while self.take_frames(session, &connection) {
                self.end_turn();
                futures_lite::future::yield_now().await;
            }
            self.end_turn();
            let input =
                poll_fn(|cx| connection.poll_input(cx, &mut self.scratch.borrow_mut())).await;
            let input = match input {
                Input::Introduced(address) if self.admits(address) => connection.begin_tls(),
                input => input,
            };
            match input {
                // However fast the peer sends, others on this core get their turn.
                Input::Bytes => futures_lite::future::yield_now().await,
                Input::Released => break,
                Input::Introduced(address) => {
                    self.deny(address);
                    self.drop_connection(session);
                    self.end_turn();
                    break;
                }
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
                    self.drop_connection(session);
                    self.end_turn();
                    break;
                }
            }
        }
        self.greeted(&connection);
        self.let_go(&connection).await;
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
    async fn let_go(&self, connection: &Rc<Connection>) {
        let said = poll_fn(|cx| connection.poll_closed(cx, &mut self.scratch.borrow_mut()));
        let late = async {
            Timer::new(LINGER).await;
        };
        futures_lite::future::or(said, late).await;
        connection.abort();
    }
}

fn is_shut(error: &io::Error) -> bool {
    matches!(
        error
            .raw_os_error()
            .map(rustix::io::Errno::from_raw_os_error),
        Some(rustix::io::Errno::INVAL | rustix::io::Errno::BADF)
    )
}

const _: () = assert!(LINGER.as_nanos() < Duration::from_secs(10).as_nanos());
