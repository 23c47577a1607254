//! TLS, and the names offered inside it.
//!
//! Owner: the table.

use std::io::{Read, Write};
use std::time::Instant;

use protocol::Frame;
use rustls::version::{TLS12, TLS13};
use rustls::{AlertDescription, ProtocolVersion};

use super::bench::Bench;
use super::came::{End, hex};
use super::handwriting::encoded;
use super::problem::{Outcome, Problem, demand};

/// Record types of TLS: change cipher spec to application data.
const RECORD_TYPES: std::ops::RangeInclusive<u8> = 20..=23;

/// Bytes that are looked at of what a server answers to no TLS.
const ANSWER_LEN_MAX: usize = 16 * 1024;

pub(super) fn speaks_tls_13(bench: &Bench) -> Outcome {
    let session = bench.session()?;
    let version = session.peer.tls_version();
    demand(
        version == Some(ProtocolVersion::TLSv1_3),
        "TLS 1.3",
        format_args!("{version:?}"),
    )
}

pub(super) fn refuses_tls_12(bench: &Bench) -> Outcome {
    match bench.secure(bench.dial()?, &[protocol::ALPN], &TLS12) {
        Err(_) => Ok(()),
        Ok(_) => Err(Problem::wrong("a refusal of TLS 1.2", "a handshake")),
    }
}

/// A hello outside TLS: every byte of the answer, if there is one, is a TLS record.
pub(super) fn says_nothing_outside_tls(bench: &Bench) -> Outcome {
    let mut socket = bench.dial()?;
    let hello = encoded(&Frame::Hello(bench.registration(&bench.device()?)));
    // A server may hang up at the first byte.
    let _ = socket.write_all(&hello);
    let mut answer = Vec::new();
    let deadline = Instant::now() + bench.patience().quiet();
    while answer.len() < ANSWER_LEN_MAX {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || socket.set_read_timeout(Some(left)).is_err() {
            break;
        }
        let mut chunk = [0; 1024];
        match socket.read(&mut chunk) {
            Ok(len) if len > 0 => answer.extend_from_slice(&chunk[..len]),
            _ => break,
        }
    }
    demand(are_records(&answer), "no bytes outside TLS", hex(&answer))
}

/// Whether bytes are TLS records, the last one perhaps cut.
fn are_records(mut bytes: &[u8]) -> bool {
    while let [kind, major, rest @ ..] = bytes {
        let [_, high, low, body @ ..] = rest else {
            return RECORD_TYPES.contains(kind) && *major == 3;
        };
        if !RECORD_TYPES.contains(kind) || *major != 3 {
            return false;
        }
        let len = usize::from(u16::from_be_bytes([*high, *low]));
        bytes = body.get(len..).unwrap_or_default();
    }
    bytes.first().is_none_or(|kind| RECORD_TYPES.contains(kind))
}

pub(super) fn takes_its_own_alpn(bench: &Bench) -> Outcome {
    let peer = bench.connect()?;
    let chosen = peer.alpn().unwrap_or_default();
    demand(
        chosen == protocol::ALPN,
        "the ALPN name ringpost/1",
        String::from_utf8_lossy(chosen),
    )?;
    let among_others: [&[u8]; 2] = [b"ringpost/999", protocol::ALPN];
    let peer = bench
        .secure(bench.dial()?, &among_others, &TLS13)
        .map_err(|came| Problem::wrong("a handshake: ringpost/1 is among the names", came))?;
    demand(
        peer.alpn() == Some(protocol::ALPN),
        "the ALPN name ringpost/1",
        format_args!("{:?}", peer.alpn()),
    )
}

pub(super) fn takes_no_alpn_as_version_1(bench: &Bench) -> Outcome {
    let device = bench.device()?;
    let mut peer = bench
        .secure(bench.dial()?, &[], &TLS13)
        .map_err(|came| Problem::wrong("a handshake without ALPN", came))?;
    peer.send_frames(&[Frame::Hello(bench.registration(&device))]);
    peer.expect_welcome().map(drop)
}

pub(super) fn refuses_other_alpn(bench: &Bench) -> Outcome {
    let expected = "the alert no_application_protocol";
    let names: [&[u8]; 2] = [b"ringpost/999", b"h2"];
    match bench.secure(bench.dial()?, &names, &TLS13) {
        Err(End::Tls(rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol))) => {
            Ok(())
        }
        Err(came) => Err(Problem::wrong(expected, came)),
        Ok(_) => Err(Problem::wrong(expected, "a handshake")),
    }
}

#[cfg(test)]
mod tests {
    use super::are_records;

    #[test]
    fn given_bytes_when_read_as_tls_should_be_records_from_the_first_to_the_last() {
        for good in [
            &[][..],
            &[21],
            &[21, 3, 3, 0, 2, 2, 10],
            &[22, 3, 3, 0, 9, 1],
        ] {
            assert!(are_records(good), "{good:?}");
        }
        for bad in [
            &[13, 6, 2][..],
            &[21, 3, 3, 0, 0, 13],
            &[21, 2],
            b"HTTP/1.1 400",
        ] {
            assert!(!are_records(bad), "{bad:?}");
        }
    }
}
