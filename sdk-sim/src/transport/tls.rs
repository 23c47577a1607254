//! TLS settings of simulated devices.
//!
//! Owner: [`Tls`] is made once per process, [`DeviceTls`] once per device. Always: TLS 1.3 only,
//! our ALPN, and the server's certificate is verified against the given roots.
//!
//! Each device keeps its own newest ticket, as a phone does. A store shared by all devices of one
//! server name would keep eight tickets in all: a returning fleet would then do full handshakes,
//! and devices would resume sessions that were never theirs.

use std::sync::{Arc, PoisonError};

use rustls::client::{
    ClientConfig, ClientSessionStore, Resumption, Tls12ClientSessionValue, Tls13ClientSessionValue,
};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{NamedGroup, RootCertStore};

/// Why TLS settings could not be made.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The text is not PEM.
    #[error("CA certificate: {0}")]
    Pem(rustls::pki_types::pem::Error),
    /// The text holds no certificate.
    #[error("CA certificate: the PEM text holds none")]
    NoCertificate,
    /// A certificate, or the provider, is unusable.
    #[error("CA certificate: {0}")]
    Unusable(#[from] rustls::Error),
}

/// What all devices of a process share.
#[derive(Debug, Clone)]
pub struct Tls {
    base: ClientConfig,
}

impl Tls {
    /// Settings that trust the certificates of this PEM text.
    ///
    /// # Errors
    /// [`TlsError`]: not PEM, no certificate in it, or one that rustls refuses.
    pub fn trusting(ca_pem: &str) -> Result<Self, TlsError> {
        let roots = roots_of(ca_pem)?;
        let mut base = ClientConfig::builder_with_provider(Arc::new(provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(roots)
            .with_no_client_auth();
        base.alpn_protocols = vec![protocol::ALPN.to_vec()];
        Ok(Self { base })
    }

    /// Settings of one more device, without a ticket yet.
    pub fn for_device(&self) -> DeviceTls {
        let mut config = self.base.clone();
        config.resumption = Resumption::store(Arc::new(OwnTicket::default()));
        DeviceTls {
            config: Arc::new(config),
        }
    }
}

/// What phones with AES in hardware ask for first. A server follows the client's order, and rustls's own begins with
/// AES-256 and its SHA-384, and with a share of ML-KEM, which cost both sides more in each handshake.
fn provider() -> CryptoProvider {
    CryptoProvider {
        cipher_suites: vec![
            aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256,
            aws_lc_rs::cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
            aws_lc_rs::cipher_suite::TLS13_AES_256_GCM_SHA384,
        ],
        kx_groups: vec![
            aws_lc_rs::kx_group::X25519,
            aws_lc_rs::kx_group::SECP256R1,
            aws_lc_rs::kx_group::SECP384R1,
        ],
        ..aws_lc_rs::default_provider()
    }
}

/// The certificates of this PEM text, as roots to trust.
///
/// # Errors
/// [`TlsError`]: not PEM, no certificate in it, or one that rustls refuses.
pub(crate) fn roots_of(ca_pem: &str) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(ca_pem.as_bytes()) {
        roots.add(certificate.map_err(TlsError::Pem)?)?;
    }
    if roots.is_empty() {
        return Err(TlsError::NoCertificate);
    }
    Ok(roots)
}

/// What one device keeps over its connections.
#[derive(Debug, Clone)]
pub struct DeviceTls {
    pub(super) config: Arc<ClientConfig>,
}

/// The newest ticket of one device.
#[derive(Debug, Default)]
#[expect(
    clippy::disallowed_types,
    reason = "rustls asks for `Sync`; one thread uses it, so the lock is never waited for"
)]
struct OwnTicket {
    kept: std::sync::Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    group: Option<NamedGroup>,
    ticket: Option<Tls13ClientSessionValue>,
}

impl OwnTicket {
    fn with<T>(&self, change: impl FnOnce(&mut Kept) -> T) -> T {
        change(&mut self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ClientSessionStore for OwnTicket {
    fn set_kx_hint(&self, _server: ServerName<'static>, group: NamedGroup) {
        self.with(|kept| kept.group = Some(group));
    }

    fn kx_hint(&self, _server: &ServerName<'_>) -> Option<NamedGroup> {
        self.with(|kept| kept.group)
    }

    // TLS 1.2 is never offered.
    fn set_tls12_session(&self, _server: ServerName<'static>, _value: Tls12ClientSessionValue) {}

    fn tls12_session(&self, _server: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        None
    }

    fn remove_tls12_session(&self, _server: &ServerName<'static>) {}

    fn insert_tls13_ticket(&self, _server: ServerName<'static>, value: Tls13ClientSessionValue) {
        self.with(|kept| kept.ticket = Some(value));
    }

    fn take_tls13_ticket(&self, _server: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.with(|kept| kept.ticket.take())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_texts_without_a_certificate_when_trusted_should_be_refused() {
        assert!(matches!(Tls::trusting(""), Err(TlsError::NoCertificate)));
        assert!(matches!(
            Tls::trusting("-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n"),
            Err(TlsError::Pem(_))
        ));
        assert!(matches!(
            Tls::trusting("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
            Err(TlsError::Unusable(_))
        ));
    }
}
