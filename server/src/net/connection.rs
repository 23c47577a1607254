//! One device connection: a socket, its TLS state, the frames between.
//!
//! Owner: the task of its shard that reads it; the shard loop writes to it between polls.
//! Always: no buffer is held while it is idle but what rustls keeps; reading goes through one
//! scratch buffer per shard; what does not fit into the socket waits in rustls, bounded by the
//! session's window and, as far as it answers the peer, by reading no more from it. Behind a balancer nothing reaches TLS
//! before the PROXY header is whole and its address was let in.

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
use rustls::{HandshakeKind, ServerConfig, ServerConnection};

use super::place::Place;
use super::proxy_header::{self, ProxyHeaderError};
use super::tls;
use crate::limits::{LINGER_READS_PER_TURN, UNSENT_LEN_MAX};

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
    tls: Box<ServerConnection>,
    decoder: Decoder,
    pending: BytesMut,
    place: Place,
    address: IpAddr,
    /// What the new owner decides on.
    pub hello: Box<Hello>,
}

#[derive(Debug)]
struct Wire {
    stream: TcpStream,
    tls: Box<ServerConnection>,
    decoder: Decoder,
    /// Frames encoded and not yet sealed: one record for all of a turn.
    pending: BytesMut,
    /// Sealed and not yet taken by the socket, in bytes, without what TLS adds.
    unsent_len: usize,
    blocked_since: Option<Instant>,
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
            Frame::Close(close).encode(&mut wire.pending);
            // rustls keeps it until it may leave.
            wire.pour();
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
        let tls = Box::new(ServerConnection::new(config)?);
        let decoder = Decoder::new(Peer::Device);
        let connection = Self::over(stream, address, tls, decoder, BytesMut::new(), place);
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
                parcel.place,
            ),
            parcel.hello,
        )
    }

    fn over(
        stream: TcpStream,
        address: IpAddr,
        mut tls: Box<ServerConnection>,
        decoder: Decoder,
        pending: BytesMut,
        place: Place,
    ) -> Rc<Self> {
        // What waits is bounded by the session's window and `UNSENT_LEN_MAX`, not by rustls.
        tls.set_buffer_limit(None);
        Rc::new(Connection {
            wire: RefCell::new(Some(Wire {
                stream,
                tls,
                decoder,
                pending,
                unsent_len: 0,
                blocked_since: None,
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
    pub fn flush(&self) {
        self.queued.set(false);
        let mut wire = self.wire.borrow_mut();
        let Some(wire) = wire.as_mut() else { return };
        wire.seal();
        if wire.tls.wants_write() && wire.blocked_since.is_none() {
            wire.send(None);
            if wire.blocked_since.is_some() {
                self.wake();
            }
        }
    }

    /// Sends what waits and the end of the stream, then lets its task end it.
    pub fn close(&self) {
        self.flush();
        self.closing.set(true);
        if let Some(wire) = self.wire.borrow_mut().as_mut() {
            wire.tls.send_close_notify();
            if wire.blocked_since.is_none() {
                wire.send(None);
            }
        }
        self.wake();
    }

    /// Whether its hello, or the lack of one, has still no answer: it was accepted here.
    pub fn is_greeting(&self) -> bool {
        self.greeting.get()
    }

    /// Whether TLS has let out what a connection was to be told that is turned away.
    pub fn has_told(&self) -> bool {
        let wire = self.wire.borrow();
        wire.as_ref().is_some_and(|wire| {
            match wire.tls.handshake_kind() {
                // Asked for another hello first: its one flight is still to come.
                Some(HandshakeKind::FullWithHelloRetryRequest) => !wire.tls.is_handshaking(),
                kind => kind.is_some(),
            }
        })
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
    pub fn begin_tls(&self) -> Input {
        let mut slot = self.wire.borrow_mut();
        let Some(wire) = slot.as_mut() else {
            return Input::Released;
        };
        let rest = wire.header.take().unwrap_or_default();
        wire.take(&rest)
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
    pub fn poll_input(&self, cx: &mut Context<'_>, scratch: &mut [u8]) -> Poll<Input> {
        let mut slot = self.wire.borrow_mut();
        let Some(wire) = slot.as_mut() else {
            return Poll::Ready(Input::Released);
        };
        if self.closing.get() {
            return Poll::Ready(Input::Released);
        }
        self.waker.replace(Some(cx.waker().clone()));
        if wire.blocked_since.is_some() {
            wire.send(Some(&mut *cx));
        }
        if wire.unsent_len > UNSENT_LEN_MAX && !wire.broken {
            return Poll::Pending;
        }
        match Pin::new(&mut wire.stream).poll_read(cx, scratch) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(0)) => Poll::Ready(Input::Gone(Gone::Eof)),
            Poll::Ready(Err(error)) => Poll::Ready(Input::Gone(Gone::Io(error))),
            Poll::Ready(Ok(len)) if wire.header.is_some() => {
                let input = wire.be_introduced(&scratch[..len], self.address.get());
                if let Input::Introduced(address) = input {
                    self.address.set(address);
                }
                Poll::Ready(input)
            }
            Poll::Ready(Ok(len)) => Poll::Ready(wire.take(&scratch[..len])),
        }
    }

    /// After [`Connection::close`]: sends the rest, says the end, and swallows what the peer still
    /// sends, so that it can read the reason before a reset. Ends with the peer's end. However
    /// fast the peer sends, others on this core get their turn.
    pub fn poll_closed(&self, cx: &mut Context<'_>, scratch: &mut [u8]) -> Poll<()> {
        let mut slot = self.wire.borrow_mut();
        let Some(wire) = slot.as_mut() else {
            return Poll::Ready(());
        };
        self.waker.replace(Some(cx.waker().clone()));
        if wire.tls.wants_write() {
            wire.send(Some(&mut *cx));
        }
        if !wire.tls.wants_write() {
            let _ = wire.shut(rustix::net::Shutdown::Write);
        }
        for _ in 0..LINGER_READS_PER_TURN {
            match Pin::new(&mut wire.stream).poll_read(cx, scratch) {
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

    fn take(&mut self, bytes: &[u8]) -> Input {
        match self.open(bytes) {
            Ok(()) => Input::Bytes,
            Err(error) => Input::Gone(Gone::Tls(error)),
        }
    }

    /// Decrypts what came and feeds the decoder. Handshake answers are sent at once.
    fn open(&mut self, mut bytes: &[u8]) -> Result<(), rustls::Error> {
        while !bytes.is_empty() {
            let read = self.tls.read_tls(&mut bytes);
            let state = match self.tls.process_new_packets() {
                Ok(state) => state,
                Err(error) => {
                    // rustls has queued the alert that says why.
                    self.send(None);
                    return Err(error);
                }
            };
            let mut left = state.plaintext_bytes_to_read();
            while left > 0 {
                let mut plain = [0; 2048];
                let Ok(len) = io::Read::read(&mut self.tls.reader(), &mut plain) else {
                    break;
                };
                self.decoder.push(&plain[..len]);
                left -= len.min(left);
            }
            match read {
                // The peer said its end in TLS: rustls takes nothing behind it, and nobody reads it.
                Ok(0) => break,
                Ok(_) => {}
                Err(_) => {
                    return Err(rustls::Error::General(
                        "more handshake bytes than any message needs".into(),
                    ));
                }
            }
        }
        if self.tls.wants_write() && self.blocked_since.is_none() {
            self.send(None);
        }
        Ok(())
    }

    fn seal(&mut self) {
        if !self.pending.is_empty() && !self.tls.is_handshaking() {
            self.pour();
        }
    }

    fn pour(&mut self) {
        let pending = std::mem::take(&mut self.pending);
        self.unsent_len += pending.len();
        io::Write::write_all(&mut self.tls.writer(), &pending)
            .expect("rustls takes all without a limit");
    }

    /// Gives the socket what rustls has sealed. With a context, waits for room by it.
    fn send(&mut self, mut cx: Option<&mut Context<'_>>) {
        while self.tls.wants_write() {
            let mut socket = Socket {
                stream: &mut self.stream,
                cx: cx.as_deref_mut(),
            };
            match self.tls.write_tls(&mut socket) {
                Ok(len) => {
                    self.unsent_len = self.unsent_len.saturating_sub(len);
                    self.blocked_since = None;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.blocked_since.get_or_insert_with(Instant::now);
                    return;
                }
                // The reader sees the same failure and reports it.
                Err(_) => {
                    self.broken = true;
                    self.blocked_since.get_or_insert_with(Instant::now);
                    return;
                }
            }
        }
        self.unsent_len = 0;
        self.blocked_since = None;
    }

    fn shut(&self, how: rustix::net::Shutdown) -> io::Result<()> {
        // SAFETY: the stream is open as long as `self`.
        let fd = unsafe { BorrowedFd::borrow_raw(self.stream.as_raw_fd()) };
        Ok(rustix::net::shutdown(fd, how)?)
    }
}

/// The socket as rustls writes to it: never waits.
struct Socket<'a, 'b, 'c> {
    stream: &'a mut TcpStream,
    cx: Option<&'b mut Context<'c>>,
}

impl io::Write for Socket<'_, '_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.cx {
            Some(cx) => match Pin::new(&mut *self.stream).poll_write(cx, bytes) {
                Poll::Ready(result) => result,
                Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
            },
            None => {
                // SAFETY: the stream is open as long as it is borrowed here.
                let fd = unsafe { BorrowedFd::borrow_raw(self.stream.as_raw_fd()) };
                let flags = rustix::net::SendFlags::DONTWAIT | rustix::net::SendFlags::NOSIGNAL;
                Ok(rustix::net::send(fd, bytes, flags)?)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
