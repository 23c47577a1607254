//! What the device port offers in TLS: 1.3 only, stateless tickets, ALPN as the version.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::ProducesTickets;
use rustls::sign::{CertifiedKey, SingleCertAndKey};

/// Builds the configuration that all shards share.
pub fn server_config(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    tickets: Arc<dyn ProducesTickets>,
) -> Result<Arc<ServerConfig>, rustls::Error> {
    let provider = CryptoProvider {
        // One round of X25519: what phones and the targets of this project speak.
        kx_groups: vec![aws_lc_rs::kx_group::X25519],
        cipher_suites: vec![
            aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256,
            aws_lc_rs::cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
            aws_lc_rs::cipher_suite::TLS13_AES_256_GCM_SHA384,
        ],
        ..aws_lc_rs::default_provider()
    };
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![protocol::ALPN.to_vec()];
    // Tickets are kept by devices: a million of them cost the server nothing.
    config.ticketer = tickets;
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    config.send_tls13_tickets = 1;
    Ok(Arc::new(config))
}

/// The same with another certificate. Tickets that were given out before are still good: a session that is resumed shows
/// no certificate, neither the old one nor this.
///
/// # Errors
/// The key is not one that TLS can use, or does not fit the first certificate.
pub fn with_certificate(
    config: &ServerConfig,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<Arc<ServerConfig>, rustls::Error> {
    let certified = CertifiedKey::from_der(chain, key, config.crypto_provider())?;
    let mut config = config.clone();
    config.cert_resolver = Arc::new(SingleCertAndKey::from(certified));
    Ok(Arc::new(config))
}

/// The same with other keys of tickets.
pub fn with_tickets(config: &ServerConfig, tickets: Arc<dyn ProducesTickets>) -> Arc<ServerConfig> {
    let mut config = config.clone();
    config.ticketer = tickets;
    Arc::new(config)
}

/// The same for a connection that is only told to come again: what it is told leaves with the
/// server's first flight, before anything more of the client is read, and it gets no ticket.
pub(super) fn in_one_flight(config: &ServerConfig) -> Arc<ServerConfig> {
    let mut config = config.clone();
    config.send_half_rtt_data = true;
    config.send_tls13_tickets = 0;
    Arc::new(config)
}
