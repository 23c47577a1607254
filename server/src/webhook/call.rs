//! One request to a developer's server: look-up, check, connection, TLS, answer.
//!
//! Owner: the senders share one. Always: every step has a time and every answer a length; no redirect is followed; the
//! connection goes to an address that was checked.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{OnceCell, Semaphore, watch};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::WebhookSettings;
use super::parcel::Parcel;
use super::target::{Target, admits};
use crate::limits::{
    WEBHOOK_ADDRESSES_MAX, WEBHOOK_ANSWER_LEN_MAX, WEBHOOK_CONNECT_WAIT, WEBHOOK_HEAD_LEN_MAX,
    WEBHOOK_LOOKUPS_MAX,
};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    /// The name is not known.
    #[error("the name cannot be looked up: {0}")]
    Name(std::io::Error),
    /// The name has no address that may be called.
    #[error("{address} is not an address of the internet, and webhooks.allow_private is not set")]
    Denied {
        /// The first of them.
        address: IpAddr,
    },
    /// The name has no address.
    #[error("the name has no address")]
    NoAddress,
    /// Nobody listens there, or nobody is there.
    #[error("cannot connect to {address}: {source}")]
    Connect {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// TLS did not come about.
    #[error("TLS: {0}")]
    Tls(std::io::Error),
    /// What came was no answer.
    #[error("HTTP: {0}")]
    Http(#[from] hyper::Error),
    /// The URL makes no request.
    #[error("the request cannot be made: {0}")]
    Request(#[from] hyper::http::Error),
    /// A step took too long.
    #[error("{step} took more than {limit:?}")]
    Late {
        /// Which.
        step: &'static str,
        /// Its time.
        limit: Duration,
    },
}

/// What all calls share.
#[derive(Debug)]
pub(super) struct Caller {
    settings: watch::Receiver<WebhookSettings>,
    lookups: Arc<Semaphore>,
    tls: OnceCell<Arc<ClientConfig>>,
}

trait Stream: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Stream for T {}

impl Caller {
    /// A caller that looks at these settings for each call.
    pub(super) fn new(settings: watch::Receiver<WebhookSettings>) -> Self {
        Caller {
            settings,
            lookups: Arc::new(Semaphore::new(WEBHOOK_LOOKUPS_MAX)),
            tls: OnceCell::new(),
        }
    }

    /// Posts a parcel; the status of the answer.
    ///
    /// # Errors
    /// Whatever kept an answer away.
    pub(super) async fn post(
        &self,
        target: &Target,
        parcel: &Parcel,
    ) -> Result<StatusCode, CallError> {
        let late = |step, limit| move |_| CallError::Late { step, limit };
        let limit = self.settings.borrow().timeout;
        let whole = async {
            let connect = WEBHOOK_CONNECT_WAIT.min(limit);
            let stream = timeout(connect, self.connect(target))
                .await
                .map_err(late("the connection", connect))??;
            exchange(stream, target, parcel).await
        };
        timeout(limit, whole)
            .await
            .map_err(late("the answer", limit))?
    }

    async fn connect(&self, target: &Target) -> Result<Box<dyn Stream>, CallError> {
        let stream = self.open(&self.addresses(target).await?).await?;
        // A body follows its head at once.
        let _ = stream.set_nodelay(true);
        if !target.is_tls {
            return Ok(Box::new(stream));
        }
        let invalid = |error| CallError::Tls(std::io::Error::other(error));
        let name = ServerName::try_from(target.host.clone()).map_err(invalid)?;
        let tls = TlsConnector::from(Arc::clone(self.tls.get_or_init(client_config).await));
        let stream = tls.connect(name, stream).await.map_err(CallError::Tls)?;
        Ok(Box::new(stream))
    }

    /// The addresses of a target that may be called.
    async fn addresses(&self, target: &Target) -> Result<Vec<SocketAddr>, CallError> {
        let found = match target.host.parse::<IpAddr>() {
            Ok(address) => vec![SocketAddr::new(address, target.port)],
            Err(_) => self.look_up(target).await?,
        };
        let allow_private = self.settings.borrow().allow_private;
        let denied = found.first().map(SocketAddr::ip);
        let open: Vec<SocketAddr> = found
            .into_iter()
            .filter(|address| admits(address.ip(), allow_private))
            .collect();
        match (open.is_empty(), denied) {
            (false, _) => Ok(open),
            (true, Some(address)) => Err(CallError::Denied { address }),
            (true, None) => Err(CallError::NoAddress),
        }
    }

    async fn look_up(&self, target: &Target) -> Result<Vec<SocketAddr>, CallError> {
        let turn = Arc::clone(&self.lookups).acquire_owned().await;
        let (host, port) = (target.host.clone(), target.port);
        // The system's look-up cannot be called off: its turn ends with it, not with our patience.
        let looked = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            (host, port)
                .to_socket_addrs()
                .map(|found| found.take(WEBHOOK_ADDRESSES_MAX).collect())
        });
        let panicked = |error| CallError::Name(std::io::Error::other(error));
        looked.await.map_err(panicked)?.map_err(CallError::Name)
    }

    async fn open(&self, addresses: &[SocketAddr]) -> Result<TcpStream, CallError> {
        let mut failed = CallError::NoAddress;
        for address in addresses {
            match TcpStream::connect(address).await {
                Ok(stream) => return Ok(stream),
                Err(source) => {
                    failed = CallError::Connect {
                        address: *address,
                        source,
                    }
                }
            }
        }
        Err(failed)
    }
}

/// TLS that trusts whom the system trusts. The files are read once, when the first `https` is called.
async fn client_config() -> Arc<ClientConfig> {
    let read = tokio::task::spawn_blocking(rustls_native_certs::load_native_certs);
    let mut roots = RootCertStore::empty();
    if let Ok(found) = read.await {
        for error in &found.errors {
            tracing::warn!(%error, "a trusted certificate of the system cannot be read");
        }
        let (added, _) = roots.add_parsable_certificates(found.certs);
        if added == 0 {
            tracing::error!(
                "the system trusts no certificate: no https receiver can be reached; \
                 install its package ca-certificates or set SSL_CERT_FILE"
            );
        }
    }
    trusting(roots)
}

fn trusting(roots: RootCertStore) -> Arc<ClientConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider speaks TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
}

async fn exchange(
    stream: Box<dyn Stream>,
    target: &Target,
    parcel: &Parcel,
) -> Result<StatusCode, CallError> {
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(WEBHOOK_HEAD_LEN_MAX)
        .handshake(TokioIo::new(stream))
        .await?;
    let mut request = Request::post(&target.path)
        .header("host", &target.authority)
        .header(
            "user-agent",
            concat!("ringpost/", env!("CARGO_PKG_VERSION")),
        )
        .header("content-type", parcel.content_type)
        .header("connection", "close");
    for (name, value) in &parcel.headers {
        request = request.header(*name, value);
    }
    let request = request.body(Full::new(Bytes::from(parcel.body.clone())))?;
    let answered = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        spend(response).await;
        Ok(status)
    };
    tokio::pin!(answered);
    tokio::select! {
        biased;
        answer = &mut answered => answer,
        // Whatever ended it, the answer may have come before, or is told why it will not.
        _ended = connection => answered.await,
    }
}

/// Reads what comes behind the head, so that the peer is not reset while it writes; nobody looks at it.
async fn spend(response: Response<Incoming>) {
    let mut body = response.into_body();
    let mut len = 0;
    while let Some(Ok(frame)) = body.frame().await {
        len += frame.data_ref().map_or(0, Bytes::len);
        if len > WEBHOOK_ANSWER_LEN_MAX {
            return;
        }
    }
}

#[cfg(test)]
mod tests;
