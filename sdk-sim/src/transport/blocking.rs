//! One TLS connection over a blocking socket of std, for platforms without io_uring.
//!
//! Owner: one thread at a time. Always: no call waits longer than its limit; a wait that ends
//! without bytes loses none.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use rustls::ClientConnection;

use super::tls::DeviceTls;
use super::{
    CLOSE_WAIT, OPEN_WAIT, PLAIN_CHUNK_LEN, TransportError, WRITE_WAIT, drain_plaintext, io_error,
    is_no_bytes, open_timeout, server_name,
};

/// The shortest time-out a socket takes: zero would mean none.
const WAIT_MIN: Duration = Duration::from_millis(1);

/// An open connection.
#[derive(Debug)]
pub struct BlockingConnection {
    stream: TcpStream,
    tls: ClientConnection,
    /// The peer said so by close_notify.
    peer_finished: bool,
}

impl BlockingConnection {
    /// Connects to `HOST:PORT` and shakes hands.
    ///
    /// # Errors
    /// [`TransportError`]; an attempt longer than [`OPEN_WAIT`] is given up. Looking the host up is
    /// the system's and has a limit of its own.
    pub fn open(address: &str, tls: &DeviceTls) -> Result<Self, TransportError> {
        let server = server_name(address)?;
        let until = Instant::now() + OPEN_WAIT;
        let stream = connect(address, until)?;
        // Behind the connect: a session takes the ticket, which is good for one.
        let session = ClientConnection::new(tls.config.clone(), server)?;
        stream
            .set_nodelay(true)
            .and_then(|()| stream.set_write_timeout(Some(WRITE_WAIT)))
            .map_err(|source| io_error("set up socket", source))?;
        let mut connection = Self {
            stream,
            tls: session,
            peer_finished: false,
        };
        connection.flush()?;
        while connection.tls.is_handshaking() {
            let wait = until.saturating_duration_since(Instant::now());
            if wait.is_zero() {
                return Err(open_timeout(address));
            }
            connection.read_tls(wait)?;
        }
        connection.flush()?;
        Ok(connection)
    }

    /// Waits for bytes, at most for `wait`, and hands their plaintext to `sink`, possibly in
    /// several parts, possibly none (the time is over, or TLS had something of its own to say).
    ///
    /// # Errors
    /// [`TransportError::Closed`] when the peer has ended the connection and everything before was
    /// handed on; others as they come.
    pub fn receive(
        &mut self,
        wait: Duration,
        mut sink: impl FnMut(&[u8]),
    ) -> Result<(), TransportError> {
        // The handshake's last read may have brought the first frames along.
        if drain_plaintext(&mut self.tls, &mut self.peer_finished, &mut sink)? {
            return Ok(());
        }
        if self.peer_finished {
            return Err(TransportError::Closed);
        }
        self.read_tls(wait)?;
        drain_plaintext(&mut self.tls, &mut self.peer_finished, &mut sink)?;
        Ok(())
    }

    /// Sends bytes; returns when the kernel has taken all of them.
    ///
    /// # Errors
    /// [`TransportError::WriteTimeout`] when the peer takes nothing for [`WRITE_WAIT`], or the
    /// socket's error.
    pub fn send(&mut self, mut bytes: &[u8]) -> Result<(), TransportError> {
        while !bytes.is_empty() {
            // rustls takes as much as its own buffer limit allows.
            let taken = self
                .tls
                .writer()
                .write(bytes)
                .map_err(|source| io_error("encrypt", source))?;
            bytes = bytes.get(taken..).unwrap_or_default();
            self.flush()?;
        }
        Ok(())
    }

    /// Ends the connection in order: close_notify, no more writing, then what the peer still sends
    /// is read away until it closes too, for at most [`CLOSE_WAIT`]. A socket closed over unread
    /// bytes would be reset, and the peer could lose our last acks.
    pub fn close(mut self) {
        self.tls.send_close_notify();
        // The peer may be gone already; there is nobody left to tell.
        let _ = self.flush();
        let _ = self.stream.shutdown(Shutdown::Write);
        let until = Instant::now() + CLOSE_WAIT;
        let mut chunk = [0; PLAIN_CHUNK_LEN];
        loop {
            let wait = until.saturating_duration_since(Instant::now());
            let set = self.stream.set_read_timeout(Some(wait.max(WAIT_MIN)));
            if wait.is_zero() || set.is_err() {
                return;
            }
            match self.stream.read(&mut chunk) {
                Ok(len) if len > 0 => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                _ => return,
            }
        }
    }

    /// One read of the socket into rustls, or none within `wait`.
    fn read_tls(&mut self, wait: Duration) -> Result<(), TransportError> {
        self.stream
            .set_read_timeout(Some(wait.max(WAIT_MIN)))
            .map_err(|source| io_error("set time-out", source))?;
        match self.tls.read_tls(&mut self.stream) {
            Ok(0) => return Err(TransportError::Closed),
            Ok(_) => {}
            Err(error) if is_no_bytes(error.kind()) => return Ok(()),
            Err(source) => return Err(io_error("read", source)),
        }
        match self.tls.process_new_packets() {
            Ok(state) => self.peer_finished = state.peer_has_closed(),
            Err(error) => {
                // The alert that tells the peer what was wrong; the error itself is what counts.
                let _ = self.flush();
                return Err(error.into());
            }
        }
        self.flush()
    }

    fn flush(&mut self) -> Result<(), TransportError> {
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut self.stream) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if is_no_bytes(error.kind()) => {
                    return Err(TransportError::WriteTimeout { limit: WRITE_WAIT });
                }
                Err(source) => return Err(io_error("write", source)),
            }
        }
        Ok(())
    }
}

/// Tries each address of the host.
fn connect(address: &str, until: Instant) -> Result<TcpStream, TransportError> {
    let resolved = address
        .to_socket_addrs()
        .map_err(|source| io_error("look up", source))?;
    let mut last = None;
    for target in resolved {
        let wait = until.saturating_duration_since(Instant::now());
        if wait.is_zero() {
            return Err(open_timeout(address));
        }
        match TcpStream::connect_timeout(&target, wait) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = Some(error),
        }
    }
    let nowhere = || std::io::Error::new(ErrorKind::NotFound, "the host has no address");
    Err(io_error("connect", last.unwrap_or_else(nowhere)))
}

#[cfg(test)]
mod tests {
    use super::super::tls::Tls;
    use super::super::tls_server::{TlsServer, nobody};
    use super::*;

    /// Long for a loopback, short for a person.
    const WAIT: Duration = Duration::from_secs(60);

    fn receive_line(connection: &mut BlockingConnection) -> Result<String, TransportError> {
        let mut line = Vec::new();
        while !line.ends_with(b"\n") {
            connection.receive(WAIT, |bytes| line.extend_from_slice(bytes))?;
        }
        Ok(String::from_utf8(line).expect("the test server sends text"))
    }

    #[test]
    fn given_a_server_when_a_device_returns_should_resume_with_its_own_ticket() {
        let server = TlsServer::start();
        let tls = Tls::trusting(server.ca_pem()).expect("the test certificate");
        let device = tls.for_device();
        let talk = |device: &DeviceTls| {
            let mut connection = BlockingConnection::open(server.address(), device).expect("opens");
            connection.send(b"hello\n").expect("sends");
            let line = receive_line(&mut connection).expect("answers");
            connection.close();
            line
        };
        assert_eq!(talk(&device), "Full ringpost/1 hello\n");
        // Nobody is there, and the ticket is kept.
        assert!(BlockingConnection::open(&nobody(), &device).is_err());
        assert_eq!(talk(&device), "Resumed ringpost/1 hello\n");
        assert_eq!(talk(&tls.for_device()), "Full ringpost/1 hello\n");
    }

    #[test]
    fn given_more_than_one_buffer_when_echoed_should_arrive_whole() {
        let server = TlsServer::start();
        let tls = Tls::trusting(server.ca_pem()).expect("the test certificate");
        let sent = format!("{}\n", "x".repeat(200_000));
        let mut connection =
            BlockingConnection::open(server.address(), &tls.for_device()).expect("opens");
        connection.send(sent.as_bytes()).expect("sends");
        let line = receive_line(&mut connection).expect("answers");
        assert_eq!(line.len(), "Full ringpost/1 ".len() + sent.len());
    }

    #[test]
    fn given_a_silent_server_when_the_wait_is_over_should_return_and_still_work() {
        let server = TlsServer::start();
        let tls = Tls::trusting(server.ca_pem()).expect("the test certificate");
        let mut connection =
            BlockingConnection::open(server.address(), &tls.for_device()).expect("opens");
        let mut heard = 0;
        for _ in 0..20 {
            let wait = Duration::ZERO;
            connection
                .receive(wait, |bytes| heard += bytes.len())
                .expect("no bytes are no error");
        }
        assert_eq!(heard, 0);
        connection.send(b"late\n").expect("sends");
        let line = receive_line(&mut connection).expect("answers");
        assert!(line.ends_with("late\n"), "{line}");
    }

    #[test]
    fn given_a_stranger_or_nobody_when_opened_should_be_refused() {
        let server = TlsServer::start();
        let stranger = TlsServer::start();
        let tls = Tls::trusting(stranger.ca_pem()).expect("the test certificate");
        let outcome = BlockingConnection::open(server.address(), &tls.for_device()).map(drop);
        assert!(
            matches!(outcome, Err(TransportError::Tls(_))),
            "{outcome:?}"
        );
        let outcome = BlockingConnection::open("nowhere", &tls.for_device()).map(drop);
        assert!(
            matches!(outcome, Err(TransportError::BadAddress { .. })),
            "{outcome:?}"
        );
    }

    #[test]
    fn given_a_peer_that_closes_when_receiving_should_say_closed() {
        let server = TlsServer::start();
        let tls = Tls::trusting(server.ca_pem()).expect("the test certificate");
        let mut connection =
            BlockingConnection::open(server.address(), &tls.for_device()).expect("opens");
        connection.send(b"bye\n").expect("sends");
        let outcome = receive_line(&mut connection);
        assert!(
            matches!(outcome, Err(TransportError::Closed)),
            "{outcome:?}"
        );
    }
}
