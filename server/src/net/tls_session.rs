//! TLS of one device connection: rustls without buffers of its own.
//!
//! Owner: the connection. Always: what it keeps while nothing is under way is the session of rustls
//! alone. Records are opened where they were read to and sealed into the scratch buffer of the shard;
//! a record that came in part is kept until its rest comes, one record at most.

use std::fmt;
use std::sync::Arc;

use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncryptError, InsufficientSizeError, UnbufferedStatus,
    WriteTraffic,
};
use rustls::{Error, ServerConfig};

/// Bytes that sealing adds to a record: its header, the inner kind, the tag.
const RECORD_OVERHEAD: usize = 5 + 1 + 16;

/// Bytes of plaintext in one record, at most (RFC 8446, 5.1).
const RECORD_PLAIN_MAX: usize = 16 * 1024;

/// See the module page.
pub(super) struct TlsSession {
    rustls: UnbufferedServerConnection,
    /// What came and is not yet a whole record, or not yet a whole message of the handshake.
    incoming: Vec<u8>,
    may_seal: bool,
    is_over: bool,
}

impl fmt::Debug for TlsSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsSession")
            .field("incoming", &self.incoming.len())
            .field("may_seal", &self.may_seal)
            .field("is_over", &self.is_over)
            .finish_non_exhaustive()
    }
}

impl TlsSession {
    /// Before the first byte of the peer.
    pub(super) fn new(config: Arc<ServerConfig>) -> Result<Box<TlsSession>, Error> {
        Ok(Box::new(TlsSession {
            rustls: UnbufferedServerConnection::new(config)?,
            incoming: Vec::new(),
            may_seal: false,
            is_over: false,
        }))
    }

    pub(super) fn is_handshaking(&self) -> bool {
        self.rustls.is_handshaking()
    }

    /// Whether [`TlsSession::seal`] may be called: the server's flight has left, and the end was not said.
    pub(super) fn may_seal(&self) -> bool {
        self.may_seal
    }

    /// Takes bytes as they came, gives each piece of plaintext to `plain`, and puts what the peer is to be
    /// answered by TLS itself behind `sealed`: handshake, tickets, the alert that says what is wrong.
    ///
    /// # Errors
    /// The peer broke TLS. What is behind `sealed` should still be sent.
    pub(super) fn open(
        &mut self,
        bytes: &mut [u8],
        sealed: &mut Vec<u8>,
        plain: impl FnMut(&[u8]),
    ) -> Result<(), Error> {
        // Nothing is read behind the end that the peer said.
        if self.is_over {
            return Ok(());
        }
        let mut kept = std::mem::take(&mut self.incoming);
        let bytes = if kept.is_empty() {
            bytes
        } else {
            kept.extend_from_slice(bytes);
            &mut kept
        };
        let opened = self.run(bytes, sealed, plain);
        if let Ok(taken) = opened {
            self.incoming = bytes[taken..].to_vec();
        }
        if opened.is_err() {
            // rustls has queued the alert.
            let _ = self.run(&mut [], sealed, |_| {});
        }
        opened.map(drop)
    }

    /// Lets rustls work until it wants more bytes; gives how many it is done with.
    fn run(
        &mut self,
        bytes: &mut [u8],
        sealed: &mut Vec<u8>,
        mut plain: impl FnMut(&[u8]),
    ) -> Result<usize, Error> {
        let mut taken = 0;
        loop {
            let UnbufferedStatus { mut discard, state } =
                self.rustls.process_tls_records(&mut bytes[taken..]);
            let mut wants_more = false;
            match state? {
                ConnectionState::ReadTraffic(mut traffic) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record?;
                        discard += record.discard;
                        plain(record.payload);
                    }
                }
                ConnectionState::EncodeTlsData(mut data) => {
                    append(sealed, 0, |room| data.encode(room).map_err(encoding));
                }
                // What was encoded is behind `sealed`: whoever called sees to it.
                ConnectionState::TransmitTlsData(data) => data.done(),
                // We may still speak: the next state says so.
                ConnectionState::PeerClosed => self.is_over = true,
                ConnectionState::WriteTraffic(_) => {
                    self.may_seal = true;
                    wants_more = true;
                }
                // Early data is not offered; what is not known is not waited for.
                _ => wants_more = true,
            }
            taken += discard;
            if wants_more {
                return Ok(taken);
            }
        }
    }

    /// Puts `plain` behind `sealed`, in as few records as it takes. Our own mistake before
    /// [`TlsSession::may_seal`].
    ///
    /// # Errors
    /// The keys have sealed as much as they may.
    pub(super) fn seal(&mut self, plain: &[u8], sealed: &mut Vec<u8>) -> Result<(), Error> {
        let records = plain.len() / RECORD_PLAIN_MAX + 1;
        let room = plain.len() + records * RECORD_OVERHEAD;
        self.write(sealed, |traffic, sealed| {
            append(sealed, room, |room| {
                traffic.encrypt(plain, room).map_err(encrypting)
            })
        })
    }

    /// Puts the end of the stream behind `sealed`, if something can be said at all.
    pub(super) fn close(&mut self, sealed: &mut Vec<u8>) {
        if !self.may_seal {
            return;
        }
        self.may_seal = false;
        // Keys that can seal no more cannot say the end either.
        let _ = self.write(sealed, |traffic, sealed| {
            append(sealed, RECORD_OVERHEAD + 2, |room| {
                traffic.queue_close_notify(room).map_err(encrypting)
            })
        });
    }

    /// Brings rustls to where it lets out what is ours.
    fn write(
        &mut self,
        sealed: &mut Vec<u8>,
        mut put: impl FnMut(&mut WriteTraffic<'_, ServerConnectionData>, &mut Vec<u8>) -> bool,
    ) -> Result<(), Error> {
        loop {
            // What came in part stays in front: rustls knows how far it has read.
            let status = self.rustls.process_tls_records(&mut self.incoming);
            let discard = status.discard;
            let mut is_done = None;
            match status.state? {
                ConnectionState::EncodeTlsData(mut data) => {
                    append(sealed, 0, |room| data.encode(room).map_err(encoding));
                }
                ConnectionState::TransmitTlsData(data) => data.done(),
                ConnectionState::WriteTraffic(mut traffic) => {
                    is_done = Some(put(&mut traffic, sealed));
                }
                _ => is_done = Some(false),
            }
            if discard > 0 {
                self.incoming.drain(..discard);
            }
            match is_done {
                None => {}
                Some(true) => return Ok(()),
                Some(false) => return Err(Error::EncryptError),
            }
        }
    }
}

/// Appends what `put` writes, with as much room as it says that it needs; false if it cannot.
fn append(
    sealed: &mut Vec<u8>,
    mut room: usize,
    mut put: impl FnMut(&mut [u8]) -> Result<usize, Option<usize>>,
) -> bool {
    let begin = sealed.len();
    loop {
        sealed.resize(begin + room, 0);
        match put(&mut sealed[begin..]) {
            Ok(len) => {
                sealed.truncate(begin + len);
                return true;
            }
            Err(Some(needed)) if needed > room => room = needed,
            Err(_) => {
                sealed.truncate(begin);
                return false;
            }
        }
    }
}

fn encoding(error: EncodeError) -> Option<usize> {
    match error {
        EncodeError::InsufficientSize(InsufficientSizeError { required_size }) => {
            Some(required_size)
        }
        EncodeError::AlreadyEncoded => None,
    }
}

fn encrypting(error: EncryptError) -> Option<usize> {
    match error {
        EncryptError::InsufficientSize(InsufficientSizeError { required_size }) => {
            Some(required_size)
        }
        EncryptError::EncryptExhausted => None,
    }
}

#[cfg(test)]
mod tests;
