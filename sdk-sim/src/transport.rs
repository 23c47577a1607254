//! Real bytes for a [`crate::client::Client`]: TCP over tokio-uring, TLS 1.3 by rustls driven by
//! hand. Knows neither frames nor clients.
//!
//! Owner: the thread that runs the ring; nothing here is `Send`. Always: one read and at most one
//! write of a connection are with the kernel; what the kernel holds is ended by a shutdown of the
//! socket, for tokio-uring cannot cancel an operation.

mod connection;
mod tls;
#[cfg(test)]
pub(crate) mod tls_server;

use std::future::Future;
use std::io;
use std::time::Duration;

pub use self::connection::Connection;
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
