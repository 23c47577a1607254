//! Real bytes for a [`crate::client::Client`]: TLS 1.3 by rustls driven by hand, over tokio-uring
//! ([`Connection`]) or over a blocking socket ([`BlockingConnection`]). Knows neither frames nor
//! clients.
//!
//! Owner: of a [`Connection`] the thread that runs the ring, it is not `Send`; of a
//! [`BlockingConnection`] any one thread. Always: one read and at most one write of a connection are
//! with the kernel; what the kernel holds of a ring is ended by a shutdown of the socket, for
//! tokio-uring cannot cancel an operation.

mod blocking;
mod connection;
mod tls;
#[cfg(test)]
pub(crate) mod tls_server;

use std::future::Future;
use std::io::{self, ErrorKind, Read};
use std::time::Duration;

use rustls::ClientConnection;
use rustls::pki_types::ServerName;

pub use self::blocking::BlockingConnection;
pub use self::connection::Connection;
pub(crate) use self::tls::roots_of;
pub use self::tls::{DeviceTls, Tls, TlsError};

/// Entries of the submission ring. The default (256) is too small for a fleet: each full ring is a
/// system call in the middle of a turn. Full: the ring is handed to the kernel and goes on.
pub const RING_ENTRIES: u32 = 4096;

/// How long connecting and the TLS handshake may take together. A fleet that logs in at once waits
/// for the server's cores; a healthy server of one core does 10,000 handshakes in this time.
pub const OPEN_WAIT: Duration = Duration::from_secs(30);

/// How long one write may take. A peer that takes nothing for this long is gone.
pub const WRITE_WAIT: Duration = Duration::from_secs(30);

/// How long a closing connection waits for the peer's end.
pub const CLOSE_WAIT: Duration = Duration::from_secs(2);

/// Plaintext handed on at a time.
const PLAIN_CHUNK_LEN: usize = 4096;

/// Why a connection could not be made, or ended.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The address is not `HOST:PORT`.
    #[error("address {address:?}: {problem}")]
    BadAddress {
        /// What came.
        address: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Connecting and handshake took too long.
    #[error("no connection to {address} within {limit:?}")]
    OpenTimeout {
        /// Where to.
        address: String,
        /// The limit that passed.
        limit: Duration,
    },
    /// The peer took nothing for too long.
    #[error("the peer took no bytes for {limit:?}")]
    WriteTimeout {
        /// The limit that passed.
        limit: Duration,
    },
    /// The socket failed.
    #[error("{during}: {source}")]
    Io {
        /// What was being done.
        during: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// TLS failed; the alert was sent.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// The peer ended the connection.
    #[error("the peer closed the connection")]
    Closed,
}

/// Runs a future, and all it spawns, on a ring of this thread.
///
/// # Errors
/// If the kernel gives no ring.
pub fn run<F: Future>(future: F) -> io::Result<F::Output> {
    let mut builder = tokio_uring::builder();
    builder.entries(RING_ENTRIES);
    let runtime = tokio_uring::Runtime::new(&builder)?;
    Ok(runtime.block_on(future))
}

fn io_error(during: &'static str, source: io::Error) -> TransportError {
    TransportError::Io { during, source }
}

fn open_timeout(address: &str) -> TransportError {
    TransportError::OpenTimeout {
        address: address.to_owned(),
        limit: OPEN_WAIT,
    }
}

/// What a socket says when its time is over (which of the two depends on the platform), or when a
/// signal came.
pub(crate) fn is_no_bytes(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
    )
}

/// Hands on what is decrypted; true if there was any.
fn drain_plaintext(
    tls: &mut ClientConnection,
    peer_finished: &mut bool,
    sink: &mut impl FnMut(&[u8]),
) -> Result<bool, TransportError> {
    let mut chunk = [0; PLAIN_CHUNK_LEN];
    let mut any = false;
    loop {
        match tls.reader().read(&mut chunk) {
            Ok(0) => {
                *peer_finished = true;
                return Ok(any);
            }
            Ok(len) => {
                any = true;
                sink(chunk.get(..len).unwrap_or_default());
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(any),
            Err(source) => return Err(io_error("read", source)),
        }
    }
}

/// The name the certificate has to bear: the host of `HOST:PORT`, an IPv6 one without its brackets.
fn server_name(address: &str) -> Result<ServerName<'static>, TransportError> {
    let bad = |problem| TransportError::BadAddress {
        address: address.to_owned(),
        problem,
    };
    let (host, _port) = address
        .rsplit_once(':')
        .ok_or_else(|| bad("expected HOST:PORT"))?;
    let host = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(host);
    ServerName::try_from(host.to_owned()).map_err(|_| bad("neither a host name nor an IP address"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_addresses_when_named_should_take_the_host() {
        assert!(server_name("127.0.0.1:5224").is_ok());
        assert!(server_name("[::1]:5224").is_ok());
        assert!(server_name("push.example:5224").is_ok());
        assert!(server_name("push.example").is_err());
        assert!(server_name("bad host:1").is_err());
    }
}
