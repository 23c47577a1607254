//! One device over a plain blocking socket, frame by frame: for tests that need to misbehave.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use protocol::{
    Ack, ClientId, CloseReason, Decoder, DeviceSecret, Frame, Hello, Identity, InstallId,
    MessageId, Peer, Platform, Welcome,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, HandshakeKind, RootCertStore, StreamOwned};
use schema::push::{Content, PushMessage};
use sdk_sim::bootstrap::Bootstrap;
use sdk_sim::third_party::{Push, PushBody};

use super::Server;

/// How long a device waits for a frame.
const FRAME_WAIT: Duration = Duration::from_secs(30);

/// A TLS connection that speaks frames.
pub struct Device {
    tls: StreamOwned<ClientConnection, TcpStream>,
    decoder: Decoder,
}

/// TLS as a device speaks it, with these ALPN names.
pub fn client_config(bootstrap: &Bootstrap, alpn: &[&[u8]]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(bootstrap.ca_cert.as_bytes()) {
        roots
            .add(certificate.expect("PEM"))
            .expect("a trust anchor");
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    Arc::new(config)
}

/// The first bytes of a device: a whole TLS client hello.
pub fn client_hello(bootstrap: &Bootstrap) -> Vec<u8> {
    let name = ServerName::try_from("127.0.0.1").expect("a name");
    let config = client_config(bootstrap, &[protocol::ALPN]);
    let mut tls = ClientConnection::new(config, name).expect("TLS");
    let mut bytes = Vec::new();
    tls.write_tls(&mut bytes).expect("to memory");
    bytes
}

impl Device {
    /// Connects and offers the version of this build.
    pub fn connect(bootstrap: &Bootstrap) -> Device {
        Self::connect_with(bootstrap, &[protocol::ALPN])
    }

    /// Connects and offers these ALPN names.
    pub fn connect_with(bootstrap: &Bootstrap, alpn: &[&[u8]]) -> Device {
        let socket = TcpStream::connect(&bootstrap.device).expect("connected");
        Self::over(bootstrap, socket, alpn)
    }

    /// Connects with a configuration that keeps its tickets from one connection to the next.
    pub fn connect_by(bootstrap: &Bootstrap, config: &Arc<ClientConfig>) -> Device {
        let socket = TcpStream::connect(&bootstrap.device).expect("connected");
        Self::over_by(bootstrap, socket, Arc::clone(config))
    }

    /// Goes on over a socket that is connected.
    pub fn over(bootstrap: &Bootstrap, socket: TcpStream, alpn: &[&[u8]]) -> Device {
        Self::over_by(bootstrap, socket, client_config(bootstrap, alpn))
    }

    fn over_by(bootstrap: &Bootstrap, socket: TcpStream, config: Arc<ClientConfig>) -> Device {
        socket
            .set_read_timeout(Some(FRAME_WAIT))
            .expect("time-out set");
        socket.set_nodelay(true).expect("no delay");
        let (host, _) = bootstrap.device.rsplit_once(':').expect("HOST:PORT");
        let host = host.trim_matches(['[', ']']).to_owned();
        let name = ServerName::try_from(host).expect("a name");
        let tls = ClientConnection::new(config, name).expect("TLS");
        Device {
            tls: StreamOwned::new(tls, socket),
            decoder: Decoder::new(Peer::Server),
        }
    }

    /// The leaf that the server showed, once the handshake is done; of a resumed session the one of the first.
    pub fn leaf(&self) -> Vec<u8> {
        let chain = self.tls.conn.peer_certificates().expect("a handshake");
        chain[0].to_vec()
    }

    /// Whether the session was resumed by a ticket.
    pub fn is_resumed(&self) -> bool {
        self.tls.conn.handshake_kind() == Some(HandshakeKind::Resumed)
    }

    /// Asks for a sign of life; whatever else comes first is passed over.
    pub fn ping(&mut self) {
        self.send(&[Frame::Ping]);
        self.receive_until("a pong", |frame| match frame {
            Frame::Pong => Some(()),
            Frame::Close(close) => panic!("closed: {close:?}"),
            _ => None,
        });
    }

    /// Sends frames in one write.
    pub fn send(&mut self, frames: &[Frame]) {
        let mut bytes = BytesMut::new();
        frames.iter().for_each(|frame| frame.encode(&mut bytes));
        self.send_bytes(&bytes);
    }

    /// Sends bytes inside TLS.
    pub fn send_bytes(&mut self, bytes: &[u8]) {
        self.try_send_bytes(bytes).expect("sent");
    }

    /// Sends bytes inside TLS to a server that may have closed, or may not read.
    ///
    /// # Errors
    /// Of the socket.
    pub fn try_send_bytes(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.tls.write_all(bytes)?;
        self.tls.flush()
    }

    /// The socket below.
    pub fn socket(&self) -> &TcpStream {
        &self.tls.sock
    }

    /// The socket and the TLS state above it, for bytes that no TLS library sends.
    pub fn take_apart(self) -> (ClientConnection, TcpStream) {
        (self.tls.conn, self.tls.sock)
    }

    /// Reads until the server has closed; the reason, if it gave one.
    pub fn last_word(&mut self) -> Option<CloseReason> {
        let mut reason = None;
        while let Some(frame) = self.receive() {
            if let Frame::Close(close) = frame {
                reason = Some(close.reason);
            }
        }
        reason
    }

    /// The next frame; `None` when the server has closed.
    pub fn receive(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.decoder.next_frame().expect("a good server") {
                return Some(frame);
            }
            let mut bytes = [0; 4096];
            match self.tls.read(&mut bytes) {
                Ok(0) => return None,
                Ok(len) => self.decoder.push(&bytes[..len]),
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset
                    ) =>
                {
                    return None;
                }
                Err(error) => panic!("no frame: {error}"),
            }
        }
    }

    /// The next frame that `pick` takes; others are passed over.
    pub fn receive_until<T>(&mut self, what: &str, mut pick: impl FnMut(&Frame) -> Option<T>) -> T {
        loop {
            let frame = self
                .receive()
                .unwrap_or_else(|| panic!("closed before {what}"));
            if let Some(found) = pick(&frame) {
                return found;
            }
        }
    }

    /// The next push, which must be a transmission, and its text.
    pub fn receive_text(&mut self) -> (MessageId, String) {
        let (id, body) = self.receive_until("a push", |frame| match frame {
            Frame::Push(push) => Some((push.id, push.body.clone())),
            _ => None,
        });
        match PushMessage::decode(&body).expect("a message").content {
            Content::Transmission(text) => (id, text),
            other => panic!("{other:?}"),
        }
    }

    /// Registers or logs in; returns the CID of the welcome.
    pub fn greet(&mut self, hello: Hello) -> ClientId {
        self.welcome(hello).cid
    }

    /// Registers or logs in; returns the welcome.
    pub fn welcome(&mut self, hello: Hello) -> Welcome {
        self.send(&[Frame::Hello(hello)]);
        self.receive_until("the welcome", |frame| match frame {
            Frame::Welcome(welcome) => Some(welcome.clone()),
            other => panic!("{other:?} instead of a welcome"),
        })
    }
}

/// The texts that wait for a device with this install id and secret, in order, and are acknowledged:
/// those before one that is pushed now.
pub fn waiting_texts(server: &Server, number: u8, cid: ClientId) -> Vec<String> {
    let last = "behind all others";
    let push = Push::new(PushBody::Transmission(last.into())).expect("random");
    let pushed = server
        .third_party()
        .push_single_cid(&cid.to_string(), &push);
    pushed.expect("answered");
    let bootstrap = server.bootstrap();
    let mut device = Device::connect(&bootstrap);
    device.greet(hello(&bootstrap, Identity::Login(cid), [number; 32]));
    let mut found = Vec::new();
    loop {
        let (id, text) = device.receive_text();
        device.send(&[Frame::Ack(Ack { ids: vec![id] })]);
        if text == last {
            return found;
        }
        found.push(text);
    }
}

/// A hello of this app.
pub fn hello(bootstrap: &Bootstrap, identity: Identity, secret: [u8; 32]) -> Hello {
    Hello {
        minor: 0,
        app_id: bootstrap.app.appid.clone(),
        identity,
        secret: DeviceSecret::from_bytes(secret),
        sign: None,
        resume: MessageId(0),
        heartbeat_s: 0,
        platform: Platform::Android,
        sdk_version: "test".into(),
    }
}

/// Registers a device of its own and closes; returns its CID.
pub fn register(bootstrap: &Bootstrap, number: u8) -> ClientId {
    let install = InstallId::from_bytes([number; 16]);
    Device::connect(bootstrap).greet(hello(bootstrap, Identity::Register(install), [number; 32]))
}
