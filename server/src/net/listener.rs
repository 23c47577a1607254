//! Listening sockets for devices: one per shard on the same port, the kernel spreads connections.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::os::fd::{FromRawFd, IntoRawFd};

use glommio::net::{TcpListener, TcpStream};
use socket2::{Domain, Protocol, Socket, Type};

use crate::limits::DEVICE_BACKLOG;

/// Binds one socket per shard to `address`. With port 0 the first picks the port.
pub fn bind(address: SocketAddr, shards: u16) -> io::Result<(Vec<StdListener>, SocketAddr)> {
    let first = bind_one(address)?;
    let bound = first.local_addr()?;
    let mut listeners = vec![first];
    for _ in 1..shards {
        listeners.push(bind_one(bound)?);
    }
    Ok((listeners, bound))
}

fn bind_one(address: SocketAddr) -> io::Result<StdListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    // Accepted sockets inherit it: pushes are small and complete.
    socket.set_tcp_nodelay(true)?;
    socket.bind(&address.into())?;
    // glommio's own listener stops at 1024, which a reconnect storm overflows.
    socket.listen(DEVICE_BACKLOG)?;
    Ok(socket.into())
}

/// A listening socket on its executor.
#[derive(Debug)]
pub struct DeviceListener {
    listener: TcpListener,
    /// A second handle to the same socket, to shut it down while an accept is pending.
    stop: socket2::Socket,
}

impl DeviceListener {
    /// Takes the socket to the current executor.
    pub fn on_this_executor(listener: StdListener) -> io::Result<Self> {
        let stop = socket2::Socket::from(listener.try_clone()?);
        // SAFETY: the descriptor was just given up by its only owner, and it listens.
        let listener = unsafe { TcpListener::from_raw_fd(listener.into_raw_fd()) };
        Ok(DeviceListener { listener, stop })
    }

    /// The next connection. Never race it: a dropped accept loses the connection that it took.
    pub async fn accept(&self) -> io::Result<TcpStream> {
        self.listener.accept().await.map_err(io::Error::from)
    }

    /// Ends listening; a pending accept returns an error.
    pub fn shut(&self) {
        // Linux ends the listening state on shutdown; that it says "not connected" means nothing.
        let _ = self.stop.shutdown(std::net::Shutdown::Both);
    }
}
