//! What a TLS handshake costs the server, in memory: by key exchange, in full and resumed, CPU and bytes.
//!
//! `cargo bench --bench handshakes`; prints a table, asserts nothing. The configuration is that of the device
//! port; the hybrid group, which keeps what is recorded today secret from a quantum computer, is put in its place to be
//! compared. The rounds of all rows take turns, so that a busy machine is busy for each of them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::crypto::SupportedKxGroup;
use rustls::crypto::aws_lc_rs::{self, kx_group};
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};
use server::net::certificate;
use server::net::{TicketKeys, server_config};

const ROUNDS: usize = 9;
/// Handshakes of one row in one round.
const HANDSHAKES: u32 = 200;

struct Row {
    name: &'static str,
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
    resumes: bool,
    /// Microseconds of the server for one handshake, by round.
    micros: Vec<f64>,
    /// What the server and the client send.
    bytes: (usize, usize),
}

fn main() {
    let dir = tempfile::tempdir().expect("a folder");
    let identity = certificate::own(dir.path(), &["localhost".to_owned()]).expect("made");
    let tickets = TicketKeys::kept_in(dir.path(), 1);
    let tickets = tickets.ticketer().expect("good keys");
    let base = server_config(identity.chain, identity.key, tickets).expect("good");
    let mut roots = RootCertStore::empty();
    for authority in CertificateDer::pem_slice_iter(identity.ca_pem.as_bytes()) {
        roots.add(authority.expect("PEM")).expect("an authority");
    }
    let row = |name, group: &'static dyn SupportedKxGroup, resumes: bool| {
        let provider = rustls::crypto::CryptoProvider {
            kx_groups: vec![group],
            ..base.crypto_provider().as_ref().clone()
        };
        let mut client =
            ClientConfig::builder_with_provider(Arc::new(rustls::crypto::CryptoProvider {
                kx_groups: vec![group],
                ..aws_lc_rs::default_provider()
            }))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots.clone())
            .with_no_client_auth();
        client.alpn_protocols = vec![protocol::ALPN.to_vec()];
        if !resumes {
            client.resumption = rustls::client::Resumption::disabled();
        }
        Row {
            name,
            server: with_provider(&base, provider),
            client: Arc::new(client),
            resumes,
            micros: Vec::new(),
            bytes: (0, 0),
        }
    };
    let mut rows = [
        row("X25519, full", kx_group::X25519, false),
        row("X25519, resumed", kx_group::X25519, true),
        row("X25519MLKEM768, full", kx_group::X25519MLKEM768, false),
        row("X25519MLKEM768, resumed", kx_group::X25519MLKEM768, true),
    ];
    for row in &mut rows {
        // The first of a row that resumes is a full one, which brings the ticket.
        row.shake_hands();
    }
    for _ in 0..ROUNDS {
        for row in &mut rows {
            let mut busy = Duration::ZERO;
            for _ in 0..HANDSHAKES {
                busy += row.shake_hands();
            }
            row.micros
                .push(busy.as_secs_f64() * 1e6 / f64::from(HANDSHAKES));
        }
    }
    println!(
        "{:<26} {:>10} {:>12} {:>12}",
        "handshake", "us", "server sends", "client sends"
    );
    for row in &mut rows {
        row.micros.sort_by(f64::total_cmp);
        let (server, client) = row.bytes;
        println!(
            "{:<26} {:>10.1} {server:>12} {client:>12}",
            row.name,
            row.micros[ROUNDS / 2]
        );
    }
    println!(
        "medians of {ROUNDS} rounds of {HANDSHAKES}; bytes of the last handshake, with the ticket"
    );
}

/// The same with other key exchanges.
fn with_provider(
    base: &ServerConfig,
    provider: rustls::crypto::CryptoProvider,
) -> Arc<ServerConfig> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .with_no_client_auth()
        .with_cert_resolver(Arc::clone(&base.cert_resolver));
    config.alpn_protocols = base.alpn_protocols.clone();
    config.ticketer = Arc::clone(&base.ticketer);
    config.session_storage = Arc::clone(&base.session_storage);
    config.send_tls13_tickets = base.send_tls13_tickets;
    Arc::new(config)
}

impl Row {
    /// One handshake; the time that the server worked.
    fn shake_hands(&mut self) -> Duration {
        let name = ServerName::try_from("localhost").expect("a name");
        let mut client = ClientConnection::new(Arc::clone(&self.client), name).expect("a client");
        let mut busy = Duration::ZERO;
        let mut server = None;
        let (mut sent, mut received) = (0, 0);
        let mut wire = Vec::new();
        while client.is_handshaking() || client.wants_write() {
            wire.clear();
            while client.wants_write() {
                client.write_tls(&mut wire).expect("a vector");
            }
            received += wire.len();
            let begun = Instant::now();
            let server = server.get_or_insert_with(|| {
                ServerConnection::new(Arc::clone(&self.server)).expect("a server")
            });
            let mut rest = &wire[..];
            while !rest.is_empty() {
                server.read_tls(&mut rest).expect("a slice");
                server.process_new_packets().expect("a good client");
            }
            wire.clear();
            while server.wants_write() {
                server.write_tls(&mut wire).expect("a vector");
            }
            busy += begun.elapsed();
            sent += wire.len();
            let mut rest = &wire[..];
            while !rest.is_empty() {
                client.read_tls(&mut rest).expect("a slice");
                client.process_new_packets().expect("a good server");
            }
        }
        let kind = client.handshake_kind();
        let is_resumed = kind == Some(rustls::HandshakeKind::Resumed);
        // The first has no ticket yet.
        let is_first = self.bytes == (0, 0);
        assert!(
            is_first || is_resumed == self.resumes,
            "{}: {kind:?}",
            self.name
        );
        self.bytes = (sent, received);
        busy
    }
}
