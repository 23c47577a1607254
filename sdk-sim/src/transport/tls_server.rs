//! A TLS server for tests. By itself it answers each line with the kind of handshake, the ALPN and
//! the line, and closes on `bye`; a test of a higher layer brings its own conversation.
//!
//! Owner: one test. Always: it has its own certificate and its own free port.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

pub(crate) type TlsStream = StreamOwned<ServerConnection, TcpStream>;

pub(crate) struct TlsServer {
    address: String,
    ca_pem: String,
}

impl TlsServer {
    pub(crate) fn start() -> Self {
        Self::conversing(echo)
    }

    /// `converse` runs on a thread per connection. All threads end with the test's process.
    pub(crate) fn conversing(converse: impl Fn(TlsStream) + Send + Sync + 'static) -> Self {
        let signed = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])
            .expect("a certificate for the test");
        let key =
            PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signed.signing_key.serialize_der()));
        let mut config =
            ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
                .with_protocol_versions(&[&rustls::version::TLS13])
                .expect("TLS 1.3")
                .with_no_client_auth()
                .with_single_cert(vec![signed.cert.der().clone()], key)
                .expect("a key that fits");
        config.alpn_protocols = vec![protocol::ALPN.to_vec()];
        config.ticketer = aws_lc_rs::Ticketer::new().expect("a ticketer");
        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address").to_string();
        let converse = Arc::new(converse);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let session = ServerConnection::new(Arc::clone(&config)).expect("a session");
                let converse = Arc::clone(&converse);
                thread::spawn(move || converse(StreamOwned::new(session, stream)));
            }
        });
        Self {
            address,
            ca_pem: signed.cert.pem(),
        }
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn ca_pem(&self) -> &str {
        &self.ca_pem
    }
}

/// An address where nobody listens any more.
pub(crate) fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").to_string()
}

fn echo(stream: TlsStream) {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    while matches!(stream.read_line(&mut line), Ok(len) if len > 0) {
        let tls = stream.get_mut();
        if line == "bye\n" {
            tls.conn.send_close_notify();
            let _ = tls.flush();
            return;
        }
        let kind = tls.conn.handshake_kind().expect("after the handshake");
        let alpn =
            String::from_utf8_lossy(tls.conn.alpn_protocol().unwrap_or_default()).into_owned();
        let answer = format!("{kind:?} {alpn} {line}");
        if tls
            .write_all(answer.as_bytes())
            .and_then(|()| tls.flush())
            .is_err()
        {
            return;
        }
        line.clear();
    }
}
