//! The TLS of one connection, as records in and records out: rustls to the end, or rustls for the handshake and then the keys.
//!
//! Owner: one connection. Always: holds no bytes; what is not a whole record yet stays with the caller.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncryptError, UnbufferedStatus};

use super::records::{Keys, Over, RECORD_EXTRA_LEN, TEXT_LEN_MAX};

/// How TLS is kept after the handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Keeping {
    /// By rustls, which has no buffer of its own this way
    Rustls,
    /// By the keys alone
    Keys,
}

pub(super) enum Session {
    /// In the handshake, or kept by rustls.
    Rustls(Box<UnbufferedServerConnection>),
    /// After the handshake.
    Keys(Keys),
    /// Something went wrong.
    Over,
}

/// Bytes of the server's first flight and more.
const FLIGHT_LEN_MAX: usize = 8 * 1024;

impl Session {
    pub(super) fn new(config: &Arc<ServerConfig>) -> Result<Self, rustls::Error> {
        let tls = UnbufferedServerConnection::new(Arc::clone(config))?;
        Ok(Session::Rustls(Box::new(tls)))
    }

    /// Takes what came: `text` gets what the peer said, `reply` what TLS itself answers. How many bytes are used up.
    pub(super) fn take(
        &mut self,
        keeping: Keeping,
        bytes: &mut [u8],
        text: &mut Vec<u8>,
        reply: &mut Vec<u8>,
    ) -> Result<usize, Over> {
        let mut used = 0;
        loop {
            match self {
                Session::Keys(keys) => match keys.open(&mut bytes[used..], text)? {
                    Some(len) => used += len,
                    None => return Ok(used),
                },
                Session::Over => return Err(Over),
                Session::Rustls(tls) => {
                    let waits = step(tls, bytes, &mut used, text, reply)?;
                    if keeping == Keeping::Keys && waits && !tls.is_handshaking() {
                        self.keep_keys()?;
                    } else if waits {
                        return Ok(used);
                    }
                }
            }
        }
    }

    /// Appends the records of a text.
    pub(super) fn seal(&mut self, text: &[u8], out: &mut Vec<u8>) -> Result<(), Over> {
        for part in text.chunks(TEXT_LEN_MAX) {
            match self {
                Session::Keys(keys) => keys.seal(part, out)?,
                Session::Rustls(tls) => encrypt(tls, part, out)?,
                Session::Over => return Err(Over),
            }
        }
        Ok(())
    }

    /// Takes the secrets and lets the rest of the connection go.
    fn keep_keys(&mut self) -> Result<(), Over> {
        if let Session::Rustls(tls) = std::mem::replace(self, Session::Over) {
            let (secrets, _) = tls.dangerous_into_kernel_connection().map_err(|_| Over)?;
            let Some(keys) = Keys::new(secrets) else {
                // Said once for each such login: a measurement of them would be none.
                eprintln!("ringpost-floor: a client chose another suite than AES-128-GCM");
                return Err(Over);
            };
            *self = Session::Keys(keys);
        }
        Ok(())
    }
}

/// One step of rustls; true when it waits for more bytes.
fn step(
    tls: &mut UnbufferedServerConnection,
    bytes: &mut [u8],
    used: &mut usize,
    text: &mut Vec<u8>,
    reply: &mut Vec<u8>,
) -> Result<bool, Over> {
    let UnbufferedStatus { discard, state, .. } = tls.process_tls_records(&mut bytes[*used..]);
    let mut waits = false;
    match state.map_err(|_| Over)? {
        ConnectionState::ReadTraffic(mut traffic) => {
            while let Some(record) = traffic.next_record() {
                text.extend_from_slice(record.map_err(|_| Over)?.payload);
            }
        }
        ConnectionState::EncodeTlsData(mut data) => {
            let start = reply.len();
            reply.resize(start + FLIGHT_LEN_MAX, 0);
            let len = data.encode(&mut reply[start..]).map_err(|_| Over)?;
            reply.truncate(start + len);
        }
        // The caller sends before it comes again.
        ConnectionState::TransmitTlsData(data) => data.done(),
        ConnectionState::BlockedHandshake | ConnectionState::WriteTraffic(_) => waits = true,
        _ => return Err(Over),
    }
    *used += discard;
    Ok(waits)
}

fn encrypt(
    tls: &mut UnbufferedServerConnection,
    text: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), Over> {
    let UnbufferedStatus { state, .. } = tls.process_tls_records(&mut []);
    let ConnectionState::WriteTraffic(mut traffic) = state.map_err(|_| Over)? else {
        return Err(Over);
    };
    let start = out.len();
    out.resize(start + text.len() + RECORD_EXTRA_LEN, 0);
    let len = traffic
        .encrypt(text, &mut out[start..])
        .map_err(|_: EncryptError| Over)?;
    out.truncate(start + len);
    Ok(())
}
