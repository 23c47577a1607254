//! What the checks of one run have at hand: the server, connections to it, devices of it.
//!
//! Owner: one run; its checks share it over threads. Always: each device is a new one with random
//! identity, so that no check sees the traces of another.

use std::net::TcpStream;
use std::sync::Arc;

use protocol::{
    ClientId, CloseReason, DeviceSecret, Frame, Hello, Identity, InstallId, MessageId, Platform,
    Welcome,
};
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, SupportedProtocolVersion};
use sha2::{Digest, Sha256};

use super::came::End;
use super::patience::Patience;
use super::peer::Peer;
use super::problem::{During, Problem};
use super::pusher::Pusher;
use super::target::Target;

/// The version that every device names.
const SDK_VERSION: &str = "ringpost-conform";

/// The server under test, and how to talk to it.
pub(super) struct Bench {
    target: Target,
    patience: Arc<Patience>,
    /// The app demands a sign in each hello.
    signs: bool,
    /// Why nobody can push, if so.
    mute: Option<Problem>,
}

/// One installation of the app.
#[derive(Debug, Clone)]
pub(super) struct Device {
    pub(super) install: InstallId,
    pub(super) secret: DeviceSecret,
}

/// A device that is logged in.
pub(super) struct Session {
    pub(super) peer: Peer,
    pub(super) device: Device,
    pub(super) welcome: Welcome,
}

impl Session {
    /// The CID of the device.
    pub(super) fn cid(&self) -> ClientId {
        self.welcome.cid
    }

    /// Ends the connection without a word; gives the device back.
    pub(super) fn leave(self) -> (Device, ClientId) {
        let cid = self.cid();
        self.peer.cut();
        (self.device, cid)
    }
}

impl Bench {
    /// A bench for this server. Asks it once whether the app wants its hellos signed, and
    /// whether somebody can push.
    ///
    /// # Errors
    /// What became of the first TCP connection: there is no server.
    pub(super) fn new(target: Target, patience: Patience) -> Result<Self, End> {
        Peer::dial(&target.address, &patience)?;
        let mut bench = Self {
            target,
            patience: Arc::new(patience),
            signs: false,
            mute: None,
        };
        bench.mute = Pusher::of(&bench.target).err();
        bench.signs = bench.is_sign_required().unwrap_or(false);
        Ok(bench)
    }

    fn is_sign_required(&self) -> Result<bool, Problem> {
        let device = self.device()?;
        let mut peer = self.connect()?;
        peer.send_frames(&[Frame::Hello(self.registration(&device))]);
        Ok(peer.next().is_close(CloseReason::SignRequired))
    }

    /// Whether the app wants its registrations signed.
    pub(super) fn demands_signs(&self) -> bool {
        self.signs
    }

    /// How long this run waits.
    pub(super) fn patience(&self) -> &Patience {
        &self.patience
    }

    /// A TCP connection without TLS.
    pub(super) fn dial(&self) -> Result<TcpStream, Problem> {
        Peer::dial(&self.target.address, &self.patience)
            .map_err(|end| Problem::wrong("a TCP connection", end))
    }

    /// A TLS connection that offers these ALPN names and this version of TLS.
    pub(super) fn secure(
        &self,
        socket: TcpStream,
        alpn: &[&[u8]],
        version: &'static SupportedProtocolVersion,
    ) -> Result<Peer, End> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .map_err(End::Tls)?;
        let mut config = config
            .with_root_certificates(self.target.roots.clone())
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        let name = self.target.name.clone();
        Peer::secure(socket, Arc::new(config), name, &self.patience)
    }

    /// A TLS connection as a device makes it.
    pub(super) fn connect(&self) -> Result<Peer, Problem> {
        self.secure(self.dial()?, &[protocol::ALPN], &rustls::version::TLS13)
            .map_err(|came| Problem::wrong("a TLS 1.3 connection", came))
    }

    /// A device that has never registered.
    pub(super) fn device(&self) -> Result<Device, Problem> {
        Ok(Device {
            install: InstallId::from_bytes(random()?),
            secret: DeviceSecret::from_bytes(random()?),
        })
    }

    /// The hello that registers a device.
    pub(super) fn registration(&self, device: &Device) -> Hello {
        self.hello(device, Identity::Register(device.install))
    }

    /// The hello that logs a device in.
    pub(super) fn login(&self, device: &Device, cid: ClientId) -> Hello {
        self.hello(device, Identity::Login(cid))
    }

    fn hello(&self, device: &Device, identity: Identity) -> Hello {
        Hello {
            minor: protocol::VERSION_MINOR,
            app_id: self.target.app_id.clone(),
            sign: self.signs.then(|| self.sign(device, &identity)),
            identity,
            secret: device.secret.clone(),
            resume: MessageId::NONE,
            heartbeat_s: 0,
            platform: Platform::Other,
            sdk_version: SDK_VERSION.to_owned(),
        }
    }

    fn sign(&self, device: &Device, identity: &Identity) -> [u8; 32] {
        let identity = match identity {
            Identity::Login(cid) => cid.as_bytes(),
            Identity::Register(install) => install.as_bytes(),
        };
        let mut hash = Sha256::new();
        hash.update(self.target.app_id.as_bytes());
        hash.update(identity);
        hash.update(device.secret.as_bytes());
        hash.update(self.target.app_secret.as_bytes());
        hash.finalize().into()
    }

    /// Says hello on a new connection and gets a welcome.
    pub(super) fn greet(&self, hello: Hello) -> Result<(Peer, Welcome), Problem> {
        let mut peer = self.connect()?;
        peer.send_frames(&[Frame::Hello(hello)]);
        let welcome = peer.expect_welcome().during("after a good hello")?;
        Ok((peer, welcome))
    }

    /// Registers a new device.
    pub(super) fn session(&self) -> Result<Session, Problem> {
        let device = self.device()?;
        let (peer, welcome) = self.greet(self.registration(&device))?;
        Ok(Session {
            peer,
            device,
            welcome,
        })
    }

    /// Logs a device in again.
    pub(super) fn return_of(&self, device: &Device, cid: ClientId) -> Result<Session, Problem> {
        self.return_with(device, self.login(device, cid))
    }

    /// Logs a device in again with this hello.
    pub(super) fn return_with(&self, device: &Device, hello: Hello) -> Result<Session, Problem> {
        let (peer, welcome) = self.greet(hello)?;
        Ok(Session {
            peer,
            device: device.clone(),
            welcome,
        })
    }

    /// Who pushes.
    pub(super) fn pusher(&self) -> Result<Pusher, Problem> {
        match &self.mute {
            // Nobody is asked again, for an answer may stay away for long.
            Some(problem) => Err(problem.clone()),
            None => Pusher::of(&self.target),
        }
    }
}

/// Random bytes.
pub(super) fn random<const LEN: usize>() -> Result<[u8; LEN], getrandom::Error> {
    let mut bytes = [0; LEN];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

/// A name that nobody else uses: letters and digits.
pub(super) fn random_name() -> Result<String, getrandom::Error> {
    let bytes = random::<12>()?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
