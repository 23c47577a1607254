//! A session of ours against a client of rustls: bytes in any pieces, records of any length, ends, garbage.

use std::io::{Read, Write};
use std::path::Path;

use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use super::super::certificate;
use super::super::tickets::TicketKeys;
use super::super::tls;
use super::*;

/// A client of rustls, with buffers, beside a session of ours.
struct Pair {
    client: ClientConnection,
    server: Box<TlsSession>,
    sealed: Vec<u8>,
    /// What the server read.
    plain: Vec<u8>,
}

impl Pair {
    fn new(dir: &Path, change: impl FnOnce(Arc<ServerConfig>) -> Arc<ServerConfig>) -> Pair {
        let identity = certificate::own(dir, &["localhost".to_owned()]).expect("made");
        let tickets = TicketKeys::kept_in(dir, 1).ticketer().expect("good keys");
        let config = tls::server_config(identity.chain, identity.key, tickets).expect("good");
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(identity.ca_pem.as_bytes()) {
            roots.add(certificate.expect("PEM")).expect("an authority");
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        client.alpn_protocols = vec![protocol::ALPN.to_vec()];
        let name = ServerName::try_from("localhost").expect("a name");
        Pair {
            client: ClientConnection::new(Arc::new(client), name).expect("a client"),
            server: TlsSession::new(change(config)).expect("a session"),
            sealed: Vec::new(),
            plain: Vec::new(),
        }
    }

    /// Everything that the client has to say.
    fn said(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        while self.client.wants_write() {
            self.client.write_tls(&mut bytes).expect("a vector");
        }
        bytes
    }

    /// Gives the server what the client says, in pieces of so many bytes.
    fn hear(&mut self, piece_len: usize) -> Result<(), Error> {
        for piece in self.said().chunks_mut(piece_len) {
            let plain = &mut self.plain;
            let open = |bytes: &[u8]| plain.extend_from_slice(bytes);
            self.server.open(piece, &mut self.sealed, open)?;
        }
        Ok(())
    }

    /// Gives the client what was sealed; what it read.
    fn answer(&mut self) -> Result<Vec<u8>, Error> {
        let sealed = std::mem::take(&mut self.sealed);
        let mut rest = &sealed[..];
        let mut read = Vec::new();
        while !rest.is_empty() {
            self.client.read_tls(&mut rest).expect("a slice");
            self.client.process_new_packets()?;
            let mut page = [0; 4096];
            while let Ok(len @ 1..) = self.client.reader().read(&mut page) {
                read.extend_from_slice(&page[..len]);
            }
        }
        Ok(read)
    }

    fn shake_hands(&mut self, piece_len: usize) {
        while self.client.is_handshaking() || self.server.is_handshaking() {
            self.hear(piece_len).expect("a good client");
            self.answer().expect("a good server");
        }
    }
}

#[test]
fn given_a_client_whose_bytes_come_in_any_pieces_when_opened_should_read_the_same() {
    let dir = tempfile::tempdir().expect("a folder");
    for piece_len in [1, 2, 5, 6, 100, 1000, usize::MAX] {
        let mut pair = Pair::new(dir.path(), |config| config);
        pair.shake_hands(piece_len);
        let mut wanted = Vec::new();
        for number in 0..5_u8 {
            let text = vec![number; 1 + 700 * usize::from(number)];
            pair.client.writer().write_all(&text).expect("taken");
            wanted.extend(text);
        }
        pair.hear(piece_len).expect("a good client");
        assert!(pair.plain == wanted, "in pieces of {piece_len}");
        assert_eq!(pair.server.incoming.capacity(), 0, "nothing is kept");
    }
}

#[test]
fn given_plaintext_of_any_length_when_sealed_should_come_whole_in_as_few_records() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut pair = Pair::new(dir.path(), |config| config);
    pair.shake_hands(usize::MAX);
    let full = RECORD_PLAIN_MAX;
    for len in [1, 2, full - 1, full, full + 1, 2 * full, 300_000] {
        let text: Vec<u8> = (0..len).map(|at| (at % 251) as u8).collect();
        // Half a record of the client waits meanwhile.
        pair.client.writer().write_all(b"later").expect("taken");
        let mut late = pair.said();
        let rest = late.split_off(late.len() / 2);
        let mut plain = Vec::new();
        let open = |bytes: &[u8]| plain.extend_from_slice(bytes);
        let opened = pair.server.open(&mut late, &mut pair.sealed, open);
        opened.expect("a good client");
        pair.server.seal(&text, &mut pair.sealed).expect("sealed");
        let records = len.div_ceil(full);
        assert_eq!(pair.sealed.len(), len + records * RECORD_OVERHEAD, "{len}");
        assert!(pair.answer().expect("a good server") == text, "{len}");
        let mut rest = rest;
        let open = |bytes: &[u8]| plain.extend_from_slice(bytes);
        let opened = pair.server.open(&mut rest, &mut pair.sealed, open);
        opened.expect("a good client");
        assert_eq!(plain, b"later");
    }
}

#[test]
fn given_the_end_of_either_side_when_it_is_said_should_be_heard_and_end_only_that_side() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut pair = Pair::new(dir.path(), |config| config);
    pair.shake_hands(usize::MAX);
    pair.client.writer().write_all(b"last").expect("taken");
    pair.client.send_close_notify();
    let mut bytes = pair.said();
    bytes.extend_from_slice(b"and what is behind the end");
    for piece in bytes.chunks_mut(7) {
        let plain = &mut pair.plain;
        let open = |bytes: &[u8]| plain.extend_from_slice(bytes);
        let opened = pair.server.open(piece, &mut pair.sealed, open);
        opened.expect("nothing is read behind the end");
    }
    assert_eq!(pair.plain, b"last");
    assert!(pair.server.may_seal());
    pair.server.seal(b"yes", &mut pair.sealed).expect("sealed");
    pair.server.close(&mut pair.sealed);
    assert!(!pair.server.may_seal(), "nothing follows its end");
    let len = pair.sealed.len();
    pair.server.close(&mut pair.sealed);
    assert_eq!(pair.sealed.len(), len, "it is said once");
    let mut sealed = &std::mem::take(&mut pair.sealed)[..];
    pair.client.read_tls(&mut sealed).expect("a slice");
    let state = pair.client.process_new_packets().expect("a good server");
    assert!(state.peer_has_closed());
    assert_eq!(state.plaintext_bytes_to_read(), 3);
}

#[test]
fn given_a_session_that_is_turned_away_when_its_first_flight_leaves_should_let_out_what_it_is_told()
{
    let dir = tempfile::tempdir().expect("a folder");
    let mut pair = Pair::new(dir.path(), |config| tls::in_one_flight(&config));
    assert!(!pair.server.may_seal());
    pair.hear(usize::MAX).expect("a good client");
    assert!(pair.server.may_seal() && pair.server.is_handshaking());
    pair.server
        .seal(b"come again", &mut pair.sealed)
        .expect("sealed");
    assert_eq!(pair.answer().expect("a good server"), b"come again");
}

#[test]
fn given_garbage_at_any_time_when_opened_should_fail_and_say_so_in_an_alert() {
    let dir = tempfile::tempdir().expect("a folder");
    for is_late in [false, true] {
        let mut pair = Pair::new(dir.path(), |config| config);
        if is_late {
            pair.shake_hands(usize::MAX);
        } else {
            pair.said();
        }
        let mut garbage = *b"\x17\x03\x03\x00\x20................................GET / HTTP/1.1";
        let opened = pair
            .server
            .open(&mut garbage, &mut pair.sealed, |_| panic!("no plaintext"));
        assert!(opened.is_err(), "late: {is_late}");
        // An alert, in the open or sealed.
        assert!(!pair.sealed.is_empty(), "late: {is_late}");
        let answered = pair.answer();
        assert!(
            matches!(answered, Err(Error::AlertReceived(_))),
            "late: {is_late}, {answered:?}"
        );
    }
}
