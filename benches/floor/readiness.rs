//! What a floor has before it serves: ports, certificate, TLS, `bootstrap.json`.
//!
//! Owner: the process. Always: TLS is the server's own, by the same function, so suites, group, certificate and tickets are
//! the same in both.

use std::error::Error;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;

use rustix::net::{AddressFamily, SocketAddrV4, SocketFlags, SocketType, ipproto};
use rustls::ServerConfig;
use server::bootstrap::{Bootstrap, BootstrapApp};
use server::net::{TicketKeys, certificate, server_config};

/// Devices that may wait to be accepted, as in the server.
const BACKLOG: i32 = 4096;

pub(super) struct Ready {
    pub(super) devices: TcpListener,
    pub(super) doors: TcpListener,
    pub(super) tls: Arc<ServerConfig>,
    /// What is printed when all of it is there.
    pub(super) line: String,
}

pub(super) fn prepare(data: &Path) -> Result<Ready, Box<dyn Error>> {
    std::fs::create_dir_all(data)?;
    let identity = certificate::own(
        &data.join("tls"),
        &["localhost".to_owned(), "127.0.0.1".to_owned()],
    )?;
    let keys = TicketKeys::kept_in(&data.join("tls"), 0);
    let config = server_config(identity.chain, identity.key, keys.ticketer()?)?;
    let mut config = ServerConfig::clone(&config);
    config.enable_secret_extraction = true;
    let (devices, doors) = (listener()?, listener()?);
    let bootstrap = Bootstrap {
        device: devices.local_addr()?.to_string(),
        http: format!("http://{}", doors.local_addr()?),
        admin: None,
        pid: std::process::id(),
        ca_cert: identity.ca_pem,
        admin_token: "floor".to_owned(),
        app: BootstrapApp {
            appid: "floorfloorfloorfloorfloor".to_owned(),
            appkey: "floor".to_owned(),
            appsecret: "floor".to_owned(),
            mastersecret: "floor".to_owned(),
        },
    };
    bootstrap.write(&Bootstrap::path_in(data))?;
    Ok(Ready {
        line: format!("ready device={} http={}", bootstrap.device, bootstrap.http),
        devices,
        doors,
        tls: Arc::new(config),
    })
}

/// A listening socket on a free port of loopback that never blocks.
fn listener() -> Result<TcpListener, Box<dyn Error>> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(
        AddressFamily::INET,
        SocketType::STREAM,
        flags,
        Some(ipproto::TCP),
    )?;
    // What is accepted has it, too.
    rustix::net::sockopt::set_tcp_nodelay(&socket, true)?;
    let address = SocketAddrV4::new(std::net::Ipv4Addr::LOCALHOST, 0);
    rustix::net::bind(&socket, &address)?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(TcpListener::from(socket))
}
