//! One device connection: a socket, its TLS state, the frames between.
//!
//! Owner: the task of its shard that reads it; the shard loop writes to it between polls.
//! Always: no buffer is held while it is idle; reading and writing go through one [`Scratch`] per shard;
//! what does not fit into the socket waits here, bounded by the session's window and, as far as it
//! answers the peer, by reading no more from it. Behind a balancer nothing reaches TLS before the
//! PROXY header is whole and its address was let in.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use bytes::{Buf, BytesMut};
use futures_lite::io::{AsyncRead, AsyncWrite};
use glommio::net::TcpStream;
use protocol::{Close, Decoder, Frame, FrameError, Hello, Peer};
use rustls::ServerConfig;

use super::place::Place;
use super::proxy_header::{self, ProxyHeaderError};
use super::tls;
use super::tls_session::TlsSession;
use crate::limits::{LINGER_READS_PER_TURN, READ_LEN, UNSENT_LEN_MAX};

/// The buffers of a shard, for all of its connections: nothing in them outlives a call.
#[derive(Debug)]
pub struct Scratch {
    read: Vec<u8>,
    sealed: Vec<u8>,
}

impl Scratch {
    /// As long as the longest record.
    pub fn new() -> Scratch {
        Scratch {
            read: vec![0; READ_LEN],
            sealed: Vec::with_capacity(READ_LEN),
        }
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Scratch::new()
    }
}

/// What reading came to.
#[derive(Debug)]
pub enum Input {
    /// New bytes were decrypted; frames may be complete.
    Bytes,
    /// The PROXY header is whole: whose connection this is. Goes on with [`Connection::begin_tls`].
    Introduced(IpAddr),
    /// The peer closed, the socket failed, or TLS did: the reason for the log.
    Gone(Gone),
    /// The connection was handed over or told to close.
    Released,
}

/// Why a connection is gone.
#[derive(Debug)]
pub enum Gone {
    /// The peer closed.
    Eof,
    /// The socket failed.
    Io(io::Error),
    /// The peer broke TLS; the alert was sent.
    Tls(rustls::Error),
    /// A balancer sent no PROXY header, or a broken one.
    Proxy(ProxyHeaderError),
}

/// A connection on its way to another shard: everything but the task.
#[derive(Debug)]
pub struct Parcel {
    fd: OwnedFd,
    tls: Box<TlsSession>,
    decoder: Decoder,
    pending: BytesMut,
    unsent: BytesMut,
    place: Place,
    address: IpAddr,
    /// What the new owner decides on.
    pub hello: Box<Hello>,
}

#[derive(Debug)]
struct Wire {
    stream: TcpStream,
    tls: Box<TlsSession>,
    decoder: Decoder,
    /// Frames encoded and not yet sealed: one record for all of a turn.
    pending: BytesMut,
    /// Sealed and not yet taken by the socket, or kept to leave with what comes next.
    unsent: BytesMut,
    blocked_since: Option<Instant>,
    /// The end of the stream was said: nothing is sent any more.
    has_ended: bool,
    /// Writing failed: reading finds the reason and ends the connection.
    broken: bool,
    /// What came of a PROXY header that is awaited, and behind it until it is let in.
    header: Option<BytesMut>,
    place: Place,
}

/// See the module page.
#[derive(Debug)]
pub struct Connection {
    wire: RefCell<Option<Wire>>,
    closing: Cell<bool>,
    waker: RefCell<Option<Waker>>,
    queued: Cell<bool>,
    /// It was accepted here and its hello has no answer yet.
    greeting: Cell<bool>,
    /// Where it comes from; behind a balancer the balancer's until the header was read.
    address: Cell<IpAddr>,
}

impl Connection {
    /// A connection that was just accepted, which begins with a PROXY header or without.
    pub fn accepted(
        stream: TcpStream,
        address: IpAddr,
        with_header: bool,
        config: Arc<ServerConfig>,
        place: Place,
    ) -> Result<Rc<Self>, rustls::Error> {
        let connection = Self::begun(stream, address, with_header, config, place)?;
        connection.greeting.set(true);
        Ok(connection)
    }

    /// A connection that was just accepted and is told one thing, as soon as TLS allows: with the
    /// server's first flight. It reads no frame.
    pub fn turned_away(
        stream: TcpStream,
        address: IpAddr,
        with_header: bool,
        config: &ServerConfig,
        place: Place,
        close: Close,
    ) -> Result<Rc<Self>, rustls::Error> {
        let config = tls::in_one_flight(config);
        let connection = Self::begun(stream, address, with_header, config, place)?;
        if let Some(wire) = connection.wire.borrow_mut().as_mut() {
            // It leaves as soon as it may.
            Frame::Close(close).encode(&mut wire.pending);
        }
        Ok(connection)
    }

    fn begun(
        stream: TcpStream,
        address: IpAddr,
        with_header: bool,
        config: Arc<ServerConfig>,
        place: Place,
    ) -> Result<Rc<Self>, rustls::Error> {
        let tls = TlsSession::new(config)?;
        let decoder = Decoder::new(Peer::Device);
        let (pending, unsent) = (BytesMut::new(), BytesMut::new());
        let connection = Self::over(stream, address, tls, decoder, pending, unsent, place);
        if let Some(wire) = connection.wire.borrow_mut().as_mut() {
            wire.header = with_header.then(BytesMut::new);
        }
        Ok(connection)
    }

    /// A connection that another shard handed over.
    pub fn adopted(parcel: Parcel) -> (Rc<Self>, Box<Hello>) {
        // SAFETY: the parcel owned the descriptor of a connected socket and gives it up here.
        let stream = unsafe { TcpStream::from_raw_fd(parcel.fd.into_raw_fd()) };
        (
            Self::over(
                stream,
                parcel.address,
                parcel.tls,
                parcel.decoder,
                parcel.pending,
                parcel.unsent,
                parcel.place,
            ),
            parcel.hello,
        )
    }

    fn over(
        stream: TcpStream,
        address: IpAddr,
        tls: Box<TlsSession>,
        decoder: Decoder,
        pending: BytesMut,
        unsent: BytesMut,
        place: Place,
    ) -> Rc<Self> {
        Rc::new(Connection {
            wire: RefCell::new(Some(Wire {
                stream,
                tls,
                decoder,
                pending,
                unsent,
                blocked_since: None,
                has_ended: false,
                broken: false,
                header: None,
                place,
            })),
            closing: Cell::new(false),
            waker: RefCell::new(None),
            queued: Cell::new(false),
            greeting: Cell::new(false),
            address: Cell::new(address),
        })
    }

    /// Takes it apart for another shard. The socket stays open: its descriptor is duplicated and
    /// glommio's stream, which belongs to this executor, is dropped without a shutdown.
    pub fn hand_over(&self, hello: Box<Hello>) -> io::Result<Parcel> {
        let Some(wire) = self.wire.borrow_mut().take() else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        self.wake();
        // SAFETY: the stream is open until the end of this function.
        let fd = unsafe { BorrowedFd::borrow_raw(wire.stream.as_raw_fd()) };
        let fd = rustix::io::fcntl_dupfd_cloexec(fd, 0)?;
        Ok(Parcel {
            fd,
            tls: wire.tls,
            decoder: wire.decoder,
            pending: wire.pending,
            unsent: wire.unsent,
            place: wire.place,
            address: self.address.get(),
            hello,
        })
    }

    /// The next complete frame of what was read.
    pub fn next_frame(&self) -> Result<Option<Frame>, FrameError> {
        match self.wire.borrow_mut().as_mut() {
            Some(wire) if !self.closing.get() => wire.decoder.next_frame(),
            _ => Ok(None),
        }
    }

    /// Encodes a frame behind what waits already. Returns true the first time in a turn: then the
    /// caller must see to a [`Connection::flush`].
    pub fn put(&self, frame: &Frame) -> bool {
        if let Some(wire) = self.wire.borrow_mut().as_mut() {
            frame.encode(&mut wire.pending);
        }
        !self.queued.replace(true)
    }

    /// Seals what waits and gives it to the socket as far as it takes it; the rest goes when the
    /// socket has room again.
    pub fn flush(&self, scratch: &mut Scratch) {
        self.queued.set(false);
        let mut wire = self.wire.borrow_mut();
        let Some(wire) = wire.as_mut() else { return };
        wire.seal(&mut scratch.sealed);
        let was_blocked = wire.blocked_since.is_some();
        wire.post(&mut scratch.sealed);
        if wire.blocked_since.is_some() && !was_blocked {
            // Its task waits for room in the socket.
            self.wake();
        }
    }

    /// Sends what waits and the end of the stream, then lets its task end it.
    pub fn close(&self, scratch: &mut Scratch) {
        self.queued.set(false);
        self.closing.set(true);
        if let Some(wire) = self.wire.borrow_mut().as_mut() {
            wire.seal(&mut scratch.sealed);
            wire.tls.close(&mut scratch.sealed);
            wire.post(&mut scratch.sealed);
        }
        self.wake();
    }

    /// Whether it was closed from here, and may still have something to say.
    pub fn is_closing(&self) -> bool {
        self.closing.get()
    }

    /// Whether its hello, or the lack of one, has still no answer: it was accepted here.
    pub fn is_greeting(&self) -> bool {
        self.greeting.get()
    }

    /// Whether TLS has let out what a connection was to be told that is turned away.
    pub fn has_told(&self) -> bool {
        let wire = self.wire.borrow();
        wire.as_ref().is_some_and(|wire| wire.pending.is_empty())
    }

    /// Its hello is answered or never will be; true the first time for one that was accepted here.
    pub fn end_greeting(&self) -> bool {
        self.greeting.replace(false)
    }

    /// Where it comes from.
    pub fn address(&self) -> IpAddr {
        self.address.get()
    }

    /// After [`Input::Introduced`]: what came behind the header goes to TLS, and from now on everything.
    pub fn begin_tls(&self, scratch: &mut Scratch) -> Input {
        let mut slot = self.wire.borrow_mut();
        let Some(wire) = slot.as_mut() else {
            return Input::Released;
        };
        let mut rest = wire.header.take().unwrap_or_default();
        wire.take(&mut rest, &mut scratch.sealed)
    }

    /// Since when the socket has taken nothing of what waits.
    pub fn blocked_since(&self) -> Option<Instant> {
        self.wire
            .borrow()
            .as_ref()
            .and_then(|wire| wire.blocked_since)
    }

    /// Whether its handshake is complete.
    pub fn is_secure(&self) -> bool {
        self.wire
            .borrow()
            .as_ref()
            .is_some_and(|wire| !wire.tls.is_handshaking())
    }

    /// Gives the socket up at once, whatever waits.
    pub fn abort(&self) {
        if let Some(wire) = self.wire.borrow_mut().take() {
            // Dropping alone would leave the end to the poll that glommio still has armed.
            let _ = wire.shut(rustix::net::Shutdown::Both);
        }
        self.wake();
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.borrow_mut().take() {
            waker.wake();
        }
    }

    /// Reads once, and goes on sending what waits. For the connection's own task only.
    pub fn poll_input(&self, cx: &mut Context<'_>, scratch: &mut Scratch) -> Poll<Input> {
        let mut slot = self.wire.borrow_mut();
        let Some(wire) = slot.as_mut() else {
            return Poll::Ready(Input::Released);
        };
        if self.closing.get() {
            return Poll::Ready(Input::Released);
        }
        self.waker.replace(Some(cx.waker().clone()));
        if wire.blocked_since.is_some() {
            wire.send_rest(cx);
        }
        if wire.unsent.len() > UNSENT_LEN_MAX && !wire.broken {
            return Poll::Pending;
        }
        let Scratch { read, sealed } = scratch;
        match Pin::new(&mut wire.stream).poll_read(cx, read) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(0)) => Poll::Ready(Input::Gone(Gone::Eof)),
            Poll::Ready(Err(error)) => Poll::Ready(Input::Gone(Gone::Io(error))),
            Poll::Ready(Ok(len)) if wire.header.is_some() => {
                let input = wire.be_introduced(&read[..len], self.address.get());
                if let Input::Introduced(address) = input {
                    self.address.set(address);
                }
                Poll::Ready(input)
            }
            Poll::Ready(Ok(len)) => Poll::Ready(wire.take(&mut read[..len], sealed)),
        }
    }

    /// After [`Connection::close`]: sends the rest, says the end, and swallows what the peer still
    /// sends, so that it can read the reason before a reset. Ends with the peer's end. However
    /// fast the peer sends, others on this core get their turn.
    pub fn poll_closed(&self, cx: &mut Context<'_>, scratch: &mut Scratch) -> Poll<()> {
        let mut slot = self.wire.borrow_mut();
        let Some(wire) = slot.as_mut() else {
            return Poll::Ready(());
        };
        self.waker.replace(Some(cx.waker().clone()));
        if !wire.unsent.is_empty() {
            wire.send_rest(cx);
        }
        if wire.unsent.is_empty() && !wire.has_ended {
            wire.has_ended = true;
            let _ = wire.shut(rustix::net::Shutdown::Write);
        }
        for _ in 0..LINGER_READS_PER_TURN {
            match Pin::new(&mut wire.stream).poll_read(cx, &mut scratch.read) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(()),
                Poll::Ready(Ok(_)) => {}
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Wire {
    /// Takes bytes of a PROXY header; a balancer's own connection is its own.
    fn be_introduced(&mut self, bytes: &[u8], own: IpAddr) -> Input {
        let held = self.header.get_or_insert_default();
        held.extend_from_slice(bytes);
        match proxy_header::read(held) {
            Ok(None) => Input::Bytes,
            Ok(Some(header)) => {
                held.advance(header.len);
                Input::Introduced(header.source.map_or(own, |source| source.to_canonical()))
            }
            Err(error) => Input::Gone(Gone::Proxy(error)),
        }
    }

    /// Decrypts what came and feeds the decoder. Handshake answers are sent at once; but when a frame came with the
    /// end of the handshake, the tickets wait and leave with its answer.
    fn take(&mut self, bytes: &mut [u8], sealed: &mut Vec<u8>) -> Input {
        let decoder = &mut self.decoder;
        let was_handshaking = self.tls.is_handshaking();
        let mut is_asked = false;
        let opened = self.tls.open(bytes, sealed, |plain| {
            is_asked = was_handshaking;
            decoder.push(plain);
        });
        // What a connection is told that is turned away leaves with the first flight.
        self.seal(sealed);
        if is_asked && opened.is_ok() {
            self.unsent.extend_from_slice(sealed);
            sealed.clear();
        } else {
            self.post(sealed);
        }
        match opened {
            Ok(()) => Input::Bytes,
            Err(error) => Input::Gone(Gone::Tls(error)),
        }
    }

    /// Seals all frames that wait, if TLS lets anything out yet.
    fn seal(&mut self, sealed: &mut Vec<u8>) {
        if self.pending.is_empty() || !self.tls.may_seal() {
            return;
        }
        let pending = std::mem::take(&mut self.pending);
        if self.tls.seal(&pending, sealed).is_err() {
            // Keys that have sealed all they may: millions of records.
            self.fail();
        }
    }

    /// Gives the socket what was sealed, behind what waits already; keeps what it does not take.
    fn post(&mut self, sealed: &mut Vec<u8>) {
        if sealed.is_empty() {
            return;
        }
        if self.blocked_since.is_none() && !self.unsent.is_empty() {
            let kept = std::mem::take(&mut self.unsent);
            sealed.splice(..0, kept);
        }
        let sent = match self.blocked_since {
            None => self.give(sealed),
            Some(_) => 0,
        };
        if !self.broken {
            self.unsent.extend_from_slice(&sealed[sent..]);
        }
        sealed.clear();
    }

    /// Gives the socket these bytes, which nothing waits before, as far as it takes them.
    fn give(&mut self, bytes: &[u8]) -> usize {
        let mut sent = 0;
        while sent < bytes.len() {
            // SAFETY: the stream is open as long as it is borrowed here.
            let fd = unsafe { BorrowedFd::borrow_raw(self.stream.as_raw_fd()) };
            let flags = rustix::net::SendFlags::DONTWAIT | rustix::net::SendFlags::NOSIGNAL;
            match rustix::net::send(fd, &bytes[sent..], flags) {
                Ok(len) => sent += len,
                Err(rustix::io::Errno::AGAIN) => {
                    self.blocked_since.get_or_insert_with(Instant::now);
                    break;
                }
                Err(_) => {
                    self.fail();
                    break;
                }
            }
        }
        sent
    }

    /// Gives the socket what waits, and has the task of `cx` woken when it takes more.
    fn send_rest(&mut self, cx: &mut Context<'_>) {
        while !self.unsent.is_empty() {
            match Pin::new(&mut self.stream).poll_write(cx, &self.unsent) {
                Poll::Ready(Ok(len)) => {
                    self.unsent.advance(len);
                    self.blocked_since = None;
                }
                Poll::Pending => {
                    self.blocked_since.get_or_insert_with(Instant::now);
                    return;
                }
                Poll::Ready(Err(_)) => return self.fail(),
            }
        }
        // Without its memory.
        self.unsent = BytesMut::new();
        self.blocked_since = None;
    }

    /// Writing failed. The reader sees the same failure and reports it.
    fn fail(&mut self) {
        self.broken = true;
        self.blocked_since.get_or_insert_with(Instant::now);
    }

    fn shut(&self, how: rustix::net::Shutdown) -> io::Result<()> {
        // SAFETY: the stream is open as long as `self`.
        let fd = unsafe { BorrowedFd::borrow_raw(self.stream.as_raw_fd()) };
        Ok(rustix::net::shutdown(fd, how)?)
    }
}

#[cfg(test)]
mod tests;
