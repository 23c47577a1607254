//! A device whose every byte is written by hand, over blocking TLS.
//!
//! Owner: one check. Always: nothing is sent that the check did not ask for, but for the answer to
//! a server's ping; every wait has an end; at most one frame of a server is held.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};
use protocol::{Decoder, Frame, Kind};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, ProtocolVersion};

use super::came::{Came, End};
use super::patience::Patience;
use crate::transport::is_no_bytes;

/// The least time-out a socket takes.
const POLL_WAIT: Duration = Duration::from_millis(1);

/// One connection to the server.
pub(super) struct Peer {
    socket: TcpStream,
    tls: ClientConnection,
    decoder: Decoder,
    /// What the decoder holds, as it came.
    raw: BytesMut,
    /// The connection has no more to give than what the decoder holds.
    over: Option<End>,
    answers_pings: bool,
    patience: Arc<Patience>,
}

impl Peer {
    /// A TCP connection to `HOST:PORT` on which nothing was said yet.
    pub(super) fn dial(address: &str, patience: &Patience) -> Result<TcpStream, End> {
        let mut last = "the name has no address".to_owned();
        let ended = |error: io::Error| End::of(&error);
        for address in address.to_socket_addrs().map_err(ended)? {
            match TcpStream::connect_timeout(&address, patience.answer()) {
                Ok(socket) => {
                    socket.set_nodelay(true).map_err(ended)?;
                    let wait = Some(patience.answer());
                    socket.set_write_timeout(wait).map_err(ended)?;
                    return Ok(socket);
                }
                Err(error) => last = error.to_string(),
            }
        }
        Err(End::Closed(last))
    }

    /// Shakes hands over a connection.
    ///
    /// # Errors
    /// What ended the connection before the handshake was over.
    pub(super) fn secure(
        socket: TcpStream,
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
        patience: &Arc<Patience>,
    ) -> Result<Self, End> {
        let tls = ClientConnection::new(config, name).map_err(End::Tls)?;
        let mut peer = Self {
            socket,
            tls,
            decoder: Decoder::new(protocol::Peer::Server),
            raw: BytesMut::new(),
            over: None,
            answers_pings: true,
            patience: Arc::clone(patience),
        };
        let wait = patience.answer();
        let deadline = Instant::now() + wait;
        peer.flush();
        while peer.tls.is_handshaking() {
            if let Some(over) = peer.over.take() {
                return Err(over);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                patience.wear();
                let how = format!("no handshake within {} ms", wait.as_millis());
                return Err(End::Closed(how));
            }
            peer.read(left);
        }
        Ok(peer)
    }

    /// The version of TLS in use.
    pub(super) fn tls_version(&self) -> Option<ProtocolVersion> {
        self.tls.protocol_version()
    }

    /// The ALPN name that the server chose.
    pub(super) fn alpn(&self) -> Option<&[u8]> {
        self.tls.alpn_protocol()
    }

    /// From now on pings of the server stay unanswered, and come as frames.
    pub(super) fn play_dead(&mut self) {
        self.answers_pings = false;
    }

    /// How long this run waits.
    pub(super) fn patience(&self) -> &Patience {
        &self.patience
    }

    /// Sends bytes in one write. A server that has closed does not take them: that shows in what
    /// comes next.
    pub(super) fn send(&mut self, bytes: &[u8]) {
        self.seal(bytes);
        self.flush();
    }

    /// Sends frames in one write.
    pub(super) fn send_frames(&mut self, frames: &[Frame]) {
        let mut bytes = BytesMut::new();
        frames.iter().for_each(|frame| frame.encode(&mut bytes));
        self.send(&bytes);
    }

    /// Sends bytes one by one, each in a TLS record and a write of its own. Stops when the server
    /// has said its last word: what is sent behind it could undo it.
    pub(super) fn drip(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if self.over.is_some() || self.raw.first() == Some(&Kind::Close.number()) {
                return;
            }
            self.send(&[*byte]);
            self.poll();
        }
    }

    /// Sends bytes in one TLS record that is cut below TLS: each of its bytes is a write.
    pub(super) fn send_cut_below_tls(&mut self, bytes: &[u8]) {
        self.seal(bytes);
        let mut record = Vec::new();
        while self.tls.wants_write() {
            if self.tls.write_tls(&mut record).is_err() {
                return;
            }
        }
        for byte in record {
            if self.socket.write_all(&[byte]).is_err() {
                return;
            }
        }
    }

    /// What comes next, within the time of an answer.
    pub(super) fn next(&mut self) -> Came {
        let came = self.next_within(self.patience.answer());
        if matches!(came, Came::Silence(_)) {
            self.patience.wear();
        }
        came
    }

    /// What comes next, within this time.
    pub(super) fn next_within(&mut self, wait: Duration) -> Came {
        let deadline = Instant::now() + wait;
        loop {
            match self.decoded() {
                Some(Came::Frame {
                    frame: Frame::Ping, ..
                }) if self.answers_pings => {
                    self.send_frames(&[Frame::Pong]);
                    continue;
                }
                Some(came) => return came,
                None => {}
            }
            if let Some(over) = &self.over {
                return Came::End(over.clone());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Came::Silence(wait);
            }
            self.read(left);
        }
    }

    /// Ends the connection without a word.
    pub(super) fn cut(self) {
        // It may be cut already.
        let _ = self.socket.shutdown(Shutdown::Both);
    }

    fn decoded(&mut self) -> Option<Came> {
        let decoded = self.decoder.next_frame();
        let read_len = self.raw.len().saturating_sub(self.decoder.unread_len());
        match decoded {
            Ok(Some(frame)) => Some(Came::Frame {
                frame,
                bytes: self.raw.split_to(read_len).to_vec(),
            }),
            Ok(None) => {
                // Frames that may be skipped.
                self.raw.advance(read_len);
                None
            }
            Err(error) => Some(Came::NoFrame {
                problem: error.to_string(),
                bytes: self.raw.to_vec(),
            }),
        }
    }

    fn seal(&mut self, bytes: &[u8]) {
        // Into the memory of rustls, which takes what one check sends.
        let _ = self.tls.writer().write_all(bytes);
    }

    fn flush(&mut self) {
        while self.tls.wants_write() {
            if self.tls.write_tls(&mut self.socket).is_err() {
                return;
            }
        }
    }

    /// Takes what is there already.
    fn poll(&mut self) {
        if self.socket.set_nonblocking(true).is_ok() {
            self.receive();
            let _ = self.socket.set_nonblocking(false);
        }
    }

    fn read(&mut self, wait: Duration) {
        match self.socket.set_read_timeout(Some(wait.max(POLL_WAIT))) {
            Ok(()) => self.receive(),
            Err(error) => self.over = Some(End::of(&error)),
        }
    }

    fn receive(&mut self) {
        match self.tls.read_tls(&mut self.socket) {
            Ok(0) => self.over = Some(End::Closed("no more bytes".to_owned())),
            Ok(_) => self.decrypt(),
            Err(error) if is_no_bytes(error.kind()) => {}
            Err(error) => self.over = Some(End::of(&error)),
        }
    }

    fn decrypt(&mut self) {
        match self.tls.process_new_packets() {
            Ok(state) => {
                let mut plain = vec![0; state.plaintext_bytes_to_read()];
                // As many as rustls said it has.
                if self.tls.reader().read_exact(&mut plain).is_ok() {
                    self.decoder.push(&plain);
                    self.raw.extend_from_slice(&plain);
                }
                if state.peer_has_closed() {
                    self.over = Some(End::Closed("close_notify".to_owned()));
                }
            }
            Err(error) => self.over = Some(End::Tls(error)),
        }
        self.flush();
    }
}
