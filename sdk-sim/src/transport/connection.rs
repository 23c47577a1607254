//! One TLS connection of one device.
//!
//! Owner: the device's task. Always: [`Connection::receive`] may be dropped at any time without
//! losing a byte; a dropped connection shuts its socket down, so that the read the kernel holds
//! ends and its buffer is freed.

use std::future::Future;
use std::io::Write;
use std::net::Shutdown;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use rustls::ClientConnection;
use tokio_uring::BufResult;
use tokio_uring::net::TcpStream;

use super::tls::DeviceTls;
use super::{
    CLOSE_WAIT, OPEN_WAIT, TransportError, WRITE_WAIT, drain_plaintext, io_error, open_timeout,
    server_name,
};

/// Bytes of the one buffer each connection has with the kernel. Most frames are far shorter; ten
/// thousand devices cost 20 MB. Full: the next read takes the rest.
const READ_BUFFER_LEN: usize = 2048;

type PendingRead = Pin<Box<dyn Future<Output = BufResult<usize, Vec<u8>>>>>;

/// An open connection.
pub struct Connection {
    stream: Rc<TcpStream>,
    tls: Box<ClientConnection>,
    read: PendingRead,
    /// The socket gives no more bytes: `read` has completed and must not be polled.
    read_ended: bool,
    /// The peer said so by close_notify.
    peer_finished: bool,
}

impl Connection {
    /// Connects to `HOST:PORT` and shakes hands.
    ///
    /// # Errors
    /// [`TransportError`]; an attempt longer than [`OPEN_WAIT`] is given up.
    pub async fn open(address: &str, tls: &DeviceTls) -> Result<Self, TransportError> {
        tokio::time::timeout(OPEN_WAIT, Self::open_without_limit(address, tls))
            .await
            .unwrap_or_else(|_| Err(open_timeout(address)))
    }

    async fn open_without_limit(address: &str, tls: &DeviceTls) -> Result<Self, TransportError> {
        let server = server_name(address)?;
        // Connecting by tokio, because a connect of the ring cannot be given up.
        let stream = tokio::net::TcpStream::connect(address)
            .await
            .and_then(tokio::net::TcpStream::into_std)
            .map_err(|source| io_error("connect", source))?;
        // Behind the connect: a session takes the ticket, which is good for one.
        let session = ClientConnection::new(tls.config.clone(), server)?;
        // The ring waits by itself on a blocking socket; a non-blocking one answers EAGAIN.
        stream
            .set_nonblocking(false)
            .and_then(|()| stream.set_nodelay(true))
            .map_err(|source| io_error("set up socket", source))?;
        let stream = Rc::new(TcpStream::from_std(stream));
        let read = next_read(&stream, Vec::with_capacity(READ_BUFFER_LEN));
        let mut connection = Self {
            stream,
            tls: Box::new(session),
            read,
            read_ended: false,
            peer_finished: false,
        };
        connection.flush().await?;
        while connection.tls.is_handshaking() {
            connection.read_tls().await?;
        }
        connection.flush().await?;
        Ok(connection)
    }

    /// Waits for bytes and hands their plaintext to `sink`, possibly in several parts, possibly
    /// none (TLS has messages of its own). Cancel safe.
    ///
    /// # Errors
    /// [`TransportError::Closed`] when the peer has ended the connection and everything before was
    /// handed on; others as they come.
    pub async fn receive(&mut self, mut sink: impl FnMut(&[u8])) -> Result<(), TransportError> {
        // The handshake's last read may have brought the first frames along.
        if drain_plaintext(&mut self.tls, &mut self.peer_finished, &mut sink)? {
            return Ok(());
        }
        if self.peer_finished || self.read_ended {
            return Err(TransportError::Closed);
        }
        self.read_tls().await?;
        drain_plaintext(&mut self.tls, &mut self.peer_finished, &mut sink)?;
        Ok(())
    }

    /// Sends bytes; returns when the kernel has taken all of them.
    ///
    /// # Errors
    /// [`TransportError::WriteTimeout`] after [`WRITE_WAIT`], or the socket's error.
    pub async fn send(&mut self, mut bytes: &[u8]) -> Result<(), TransportError> {
        while !bytes.is_empty() {
            // rustls takes as much as its own buffer limit allows.
            let taken = self
                .tls
                .writer()
                .write(bytes)
                .map_err(|source| io_error("encrypt", source))?;
            bytes = bytes.get(taken..).unwrap_or_default();
            self.flush().await?;
        }
        Ok(())
    }

    /// Ends the connection in order: close_notify, no more writing, then what the peer still sends
    /// is read away until it closes too, for at most [`CLOSE_WAIT`]. A socket closed over unread
    /// bytes would be reset, and the peer could lose our last acks.
    pub async fn close(mut self) {
        self.tls.send_close_notify();
        // The peer may be gone already; there is nobody left to tell.
        let _ = self.flush().await;
        let _ = self.stream.shutdown(Shutdown::Write);
        let _ = tokio::time::timeout(CLOSE_WAIT, self.read_away()).await;
        let _ = self.stream.shutdown(Shutdown::Both);
        self.read_away().await;
    }

    async fn read_away(&mut self) {
        while !self.read_ended {
            let (result, buffer) = (&mut self.read).await;
            if matches!(result, Ok(len) if len > 0) {
                self.read = next_read(&self.stream, buffer);
            } else {
                self.read_ended = true;
            }
        }
    }

    /// One read of the socket into rustls. Cancel safe: the read stays with `self`.
    async fn read_tls(&mut self) -> Result<(), TransportError> {
        let (result, buffer) = (&mut self.read).await;
        let len = match result {
            Ok(0) => {
                self.read_ended = true;
                return Err(TransportError::Closed);
            }
            Ok(len) => len,
            Err(source) => {
                self.read_ended = true;
                return Err(io_error("read", source));
            }
        };
        let outcome = self.feed(buffer.get(..len).unwrap_or_default());
        self.read = next_read(&self.stream, buffer);
        if outcome.is_err() {
            // The alert that tells the peer what was wrong; the error itself is what counts.
            let _ = self.flush().await;
        }
        outcome?;
        self.flush().await
    }

    fn feed(&mut self, mut bytes: &[u8]) -> Result<(), TransportError> {
        while !bytes.is_empty() {
            let taken = self
                .tls
                .read_tls(&mut bytes)
                .map_err(|source| io_error("decrypt", source))?;
            let state = self.tls.process_new_packets()?;
            if taken == 0 || state.peer_has_closed() {
                self.peer_finished = state.peer_has_closed();
                break;
            }
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), TransportError> {
        while self.tls.wants_write() {
            let mut bytes = Vec::new();
            self.tls
                .write_tls(&mut bytes)
                .map_err(|source| io_error("encrypt", source))?;
            write_within(&self.stream, bytes, WRITE_WAIT).await?;
        }
        Ok(())
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // Fails only if the peer was faster.
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

fn next_read(stream: &Rc<TcpStream>, mut buffer: Vec<u8>) -> PendingRead {
    let stream = Rc::clone(stream);
    buffer.clear();
    Box::pin(async move { stream.read(buffer).await })
}

/// After the limit the connection is of no use: part of the bytes may have left.
async fn write_within(
    stream: &Rc<TcpStream>,
    bytes: Vec<u8>,
    limit: Duration,
) -> Result<(), TransportError> {
    match tokio::time::timeout(limit, stream.write_all(bytes)).await {
        Ok((result, _)) => result.map_err(|source| io_error("write", source)),
        Err(_) => Err(TransportError::WriteTimeout { limit }),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::super::tls::Tls;
    use super::super::tls_server::{TlsServer, nobody};
    use super::*;

    async fn receive_line(connection: &mut Connection) -> Result<String, TransportError> {
        let line = RefCell::new(Vec::new());
        while !line.borrow().ends_with(b"\n") {
            connection
                .receive(|bytes| line.borrow_mut().extend_from_slice(bytes))
                .await?;
        }
        Ok(String::from_utf8(line.into_inner()).expect("the test server sends text"))
    }

    #[test]
    fn given_a_server_when_a_device_returns_should_resume_with_its_own_ticket() {
        let server = TlsServer::start();
        let tls = Tls::trusting(server.ca_pem()).expect("the test certificate");
        let (first, again, other) = super::super::run(async {
            let device = tls.for_device();
            let mut lines = Vec::new();
            for device in [&device, &device, &tls.for_device()] {
                let mut connection = Connection::open(server.address(), device)
                    .await
                    .expect("opens");
                connection.send(b"hello\n").await.expect("sends");
                lines.push(receive_line(&mut connection).await.expect("answers"));
                connection.close().await;
                // Nobody is there, and the ticket is kept.
                assert!(Connection::open(&nobody(), device).await.is_err());
            }
            let [first, again, other] = lines.try_into().expect("three");
            (first, again, other)
        })
        .expect("a ring");
        assert_eq!(first, "Full ringpost/1 hello\n");
        assert_eq!(again, "Resumed ringpost/1 hello\n");
        assert_eq!(other, "Full ringpost/1 hello\n");
    }

    #[test]
    fn given_more_than_one_buffer_when_echoed_should_arrive_whole() {
        let server = TlsServer::start();
        let tls = Tls::trusting(server.ca_pem()).expect("the test certificate");
        let sent = format!("{}\n", "x".repeat(200_000));
        let got = super::super::run(async {
            let mut connection = Connection::open(server.address(), &tls.for_device())
                .await
                .expect("opens");
            connection.send(sent.as_bytes()).await.expect("sends");
            let line = receive_line(&mut connection).await.expect("answers");
            connection.close().await;
            line
        })
        .expect("a ring");
        assert_eq!(got.len(), "Full ringpost/1 ".len() + sent.len());
    }

    #[test]
    fn given_a_stranger_s_certificate_when_opened_should_be_refused() {
        let server = TlsServer::start();
        let stranger = TlsServer::start();
        let tls = Tls::trusting(stranger.ca_pem()).expect("the test certificate");
        let outcome = super::super::run(async {
            Connection::open(server.address(), &tls.for_device())
                .await
                .map(drop)
        })
        .expect("a ring");
        assert!(
            matches!(outcome, Err(TransportError::Tls(_))),
            "{outcome:?}"
        );
    }

    #[test]
    fn given_a_peer_that_closes_when_receiving_should_say_closed() {
        let server = TlsServer::start();
        let tls = Tls::trusting(server.ca_pem()).expect("the test certificate");
        let outcome = super::super::run(async {
            let mut connection = Connection::open(server.address(), &tls.for_device())
                .await
                .expect("opens");
            connection.send(b"bye\n").await.expect("sends");
            receive_line(&mut connection).await
        })
        .expect("a ring");
        assert!(
            matches!(outcome, Err(TransportError::Closed)),
            "{outcome:?}"
        );
    }
}
