//! From the listener to a login that begins: who comes in, who waits, who is turned away.
//!
//! Owner: the tasks `accept` and `usher` of a shard. Always: nothing of TLS is computed outside of
//! a turn, and between two turns those that are logged in have theirs; a connection waits without
//! TLS, so that waiting costs little.

use std::future::poll_fn;
use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use glommio::net::TcpStream;
use glommio::timer::Timer;
use protocol::{Close, CloseReason, Frame};
use server_core::event::ShardEvent;

use super::turnstile::Lane;
use super::{ShardLoop, offences};
use crate::limits::{
    ACCEPT_PAUSE, ACCEPTS_PER_TURN, GREETINGS_MAX, LOGIN_STEPS_PER_TURN, TURNED_AWAY_PAUSE,
    TURNED_AWAY_WAIT,
};
use crate::net::{Connection, DeviceListener, Input, Parcel, Place};

/// A connection that was accepted and waits in line.
#[derive(Debug)]
pub(super) struct Arrival {
    stream: TcpStream,
    place: Place,
    peer: IpAddr,
    with_header: bool,
}

/// Multiples of it, cut to 32 bits, fall into all parts of their range evenly (the golden ratio).
const EVENLY: u32 = 0x9e37_79b9;

impl ShardLoop {
    /// Accepts until the listener is shut, as long as there is room.
    pub(super) async fn accept(self: Rc<Self>, listener: Rc<DeviceListener>) {
        loop {
            for _ in 0..ACCEPTS_PER_TURN {
                let Some(place) = self.room().await else {
                    return;
                };
                match listener.accept().await {
                    Ok(stream) => self.arrive(stream, place),
                    Err(error) if is_shut(&error) => return,
                    // Something else holds the descriptors, or the connection ended before it was taken.
                    Err(error) => {
                        self.tell_pause(&error);
                        Timer::new(ACCEPT_PAUSE).await;
                    }
                }
            }
            // However many wait, those that are in get their turn.
            self.yield_to_others().await;
        }
    }

    /// A place for the next connection, waited for; `None` when the shard ends.
    async fn room(&self) -> Option<Place> {
        let (mut is_first, mut told) = (true, false);
        while !self.finishing.get() {
            let (why, pause) = if !self.lobby.borrow_mut().has_room(Instant::now()) {
                ("too many logins at once", TURNED_AWAY_PAUSE)
            } else if let Some(place) = self.places.take() {
                if told {
                    tracing::info!(shard = self.me.0, "accepting goes on");
                }
                return Some(place);
            } else {
                ("the file limit", ACCEPT_PAUSE)
            };
            // Short pauses follow each other closely: one of them is told.
            told |= (is_first || pause == ACCEPT_PAUSE) && self.tell_pause(&why);
            is_first = false;
            Timer::new(pause).await;
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

    /// Puts a connection that was just accepted in line, if its address may come.
    fn arrive(self: &Rc<Self>, stream: TcpStream, place: Place) {
        // Without an address its peer is gone again.
        let Ok(peer) = stream.peer_addr() else { return };
        let peer = peer.ip().to_canonical();
        let terms = Arc::clone(&self.terms.borrow());
        let with_header = terms.door.wants_header(peer);
        if !with_header && !terms.door.list.admits(peer) {
            return self.deny(peer);
        }
        let arrival = Arrival {
            stream,
            place,
            peer,
            with_header,
        };
        let joined = self.lobby.borrow_mut().join(arrival, Instant::now());
        match joined {
            Ok(()) => self.turnstile.ring(),
            Err(arrival) => self.turn_away(arrival),
        }
    }

    /// Turns those away that have waited too long; called at each tick.
    pub(super) fn thin_out(self: &Rc<Self>) {
        let now = Instant::now();
        loop {
            let overdue = self.lobby.borrow_mut().overdue(now);
            let Some(overdue) = overdue else { return };
            self.turn_away(overdue);
        }
    }

    /// Gives turns to logins until the shard ends, a few at a time.
    pub(super) async fn usher(self: Rc<Self>) {
        while !self.finishing.get() {
            let has_work = || self.finishing.get() || self.turnstile.is_asked() || self.may_greet();
            self.turnstile.until(has_work).await;
            for step in 0..LOGIN_STEPS_PER_TURN {
                if !self.call_one(step) {
                    break;
                }
            }
            self.yield_to_others().await;
        }
        self.lobby.borrow_mut().close();
        self.turnstile.open();
    }

    fn may_greet(&self) -> bool {
        self.greetings.get() < GREETINGS_MAX && self.lobby.borrow().len() > 0
    }

    /// Gives one turn; false if nobody wants one. What has begun goes first, but of four turns one
    /// is for the line and one for those who are turned away, if they want it: neither may starve.
    fn call_one(self: &Rc<Self>, step: usize) -> bool {
        match step % 4 {
            1 if self.greet_next() => return true,
            3 if self.turnstile.call(Lane::Away) => return true,
            _ => {}
        }
        self.turnstile.call(Lane::Login) || self.greet_next() || self.turnstile.call(Lane::Away)
    }

    /// Begins the login of the first in line.
    fn greet_next(self: &Rc<Self>) -> bool {
        if !self.may_greet() {
            return false;
        }
        let Some(first) = self.lobby.borrow_mut().next(Instant::now()) else {
            return false;
        };
        let Arrival {
            stream,
            place,
            peer,
            with_header,
        } = first;
        let tls = Arc::clone(&self.terms.borrow().tls);
        match Connection::accepted(stream, peer, with_header, tls, place) {
            Ok(connection) => {
                self.greetings.set(self.greetings.get() + 1);
                let session = self.take_in(&connection);
                self.step(ShardEvent::Opened(session));
                self.spawn(Rc::clone(self).greet(session, connection, true));
            }
            Err(error) => tracing::error!(%error, "TLS cannot start"),
        }
        true
    }

    /// One more is turned away: counts it, says so once, and gives what it is told.
    fn shed(&self) -> Close {
        let now = Instant::now();
        let number = self.logins_shed.get() + 1;
        self.logins_shed.set(number);
        let mut lobby = self.lobby.borrow_mut();
        let retry_after = lobby.turn_away(now, (number as u32).wrapping_mul(EVENLY));
        if self.offences.borrow_mut().note(offences::SHED, now) {
            let (waiting, per_s) = (lobby.len(), lobby.per_s() as u64);
            tracing::warn!(shard = self.me.0, waiting, per_s, "logins are shed");
        }
        Close {
            reason: CloseReason::Overloaded,
            retry_after_ms: u32::try_from(retry_after.as_millis()).expect("two minutes at most"),
            text: "too many logins at once".to_owned(),
        }
    }

    /// Tells a login that its shard has no room for to come again.
    pub(super) fn put_off(self: &Rc<Self>, parcel: Parcel) {
        let close = self.shed();
        let (connection, _) = Connection::adopted(parcel);
        connection.put(&Frame::Close(close));
        connection.close(&mut self.scratch.borrow_mut());
        let this = Rc::clone(self);
        self.spawn(async move {
            this.let_go(&connection).await;
            this.lobby.borrow_mut().is_rid_of_one();
        });
    }

    /// Tells a connection to come again, and when.
    fn turn_away(self: &Rc<Self>, arrival: Arrival) {
        let close = self.shed();
        let Arrival {
            stream,
            place,
            peer,
            with_header,
        } = arrival;
        let tls = Arc::clone(&self.terms.borrow().tls);
        match Connection::turned_away(stream, peer, with_header, &tls, place, close) {
            Ok(connection) => {
                let this = Rc::clone(self);
                self.spawn(async move {
                    let said = this.say_why(&connection);
                    let late = async {
                        Timer::new(TURNED_AWAY_WAIT).await;
                    };
                    futures_lite::future::or(said, late).await;
                    connection.close(&mut this.scratch.borrow_mut());
                    this.let_go(&connection).await;
                    this.lobby.borrow_mut().is_rid_of_one();
                });
            }
            Err(error) => {
                self.lobby.borrow_mut().is_rid_of_one();
                tracing::error!(%error, "TLS cannot start");
            }
        }
    }

    /// Reads until TLS has let out what the connection is to be told, or it is gone.
    async fn say_why(&self, connection: &Connection) {
        while !connection.has_told() {
            let input = self.read_in_turn(connection, Lane::Away, false).await;
            match self.introduced(connection, input) {
                Input::Bytes => {}
                Input::Introduced(address) => {
                    self.deny(address);
                    return connection.abort();
                }
                Input::Released | Input::Gone(_) => return connection.abort(),
            }
        }
    }

    /// Reads a connection whose login has no answer yet, once there may be something and it is its
    /// turn.
    pub(super) async fn read_in_turn(
        &self,
        connection: &Connection,
        lane: Lane,
        has_turn: bool,
    ) -> Input {
        if !has_turn {
            self.turnstile.turn(lane).await;
        }
        loop {
            let mut is_woken = false;
            let read = poll_fn(|cx| {
                // Woken by its socket: reading it may cost a handshake, so it asks for a turn.
                if std::mem::replace(&mut is_woken, true) {
                    return Poll::Ready(None);
                }
                let scratch = &mut self.scratch.borrow_mut();
                connection.poll_input(cx, scratch).map(Some)
            })
            .await;
            match read {
                Some(input) => return input,
                None => self.turnstile.turn(lane).await,
            }
        }
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
