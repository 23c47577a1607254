//! Bytes below TLS: what the kernel has received on our device sockets.
//!
//! Owner: the run, which asks between its phases. Always: only sockets of this process that lead to
//! the server's port are counted; a socket that is closed is no longer there to be counted.
//!
//! The kernel's own count (`tcp_info.tcpi_bytes_received`, by a netlink socket) costs the devices
//! nothing, and no layer of ours can make it come out right.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::net::netlink::{SOCK_DIAG, SocketAddrNetlink};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use rustix::net::{recv, sendto, socket_with};

/// Bytes of one read of the netlink socket; the kernel fills at most 32 KiB. Longer: cut, and the
/// dump fails.
const REPLY_LEN_MAX: usize = 64 * 1024;

/// How long the kernel may take for one part of its answer.
const REPLY_WAIT: Duration = Duration::from_secs(10);

/// Numbers of `linux/netlink.h`, `linux/sock_diag.h` and `linux/inet_diag.h`.
mod number {
    pub(super) const MESSAGE_HEADER_LEN: usize = 16;
    pub(super) const REQUEST_LEN: usize = MESSAGE_HEADER_LEN + 56;
    pub(super) const KIND_ERROR: u16 = 2;
    pub(super) const KIND_DONE: u16 = 3;
    pub(super) const SOCK_DIAG_BY_FAMILY: u16 = 20;
    /// `NLM_F_REQUEST | NLM_F_DUMP`.
    pub(super) const FLAGS: u16 = 0x301;
    pub(super) const PROTOCOL_TCP: u8 = 6;
    pub(super) const INFO: u16 = 2;
    /// The bit that asks for the attribute `INFO`.
    pub(super) const WANT_INFO: u8 = 1 << (INFO - 1);
    pub(super) const ALL_STATES: u32 = u32::MAX;
    /// Of `inet_diag_msg`: its length and the place of the inode.
    pub(super) const SOCKET_LEN: usize = 72;
    pub(super) const INODE_AT: usize = 68;
    pub(super) const ATTRIBUTE_HEADER_LEN: usize = 4;
    /// Of `tcp_info`.
    pub(super) const BYTES_RECEIVED_AT: usize = 128;
}

/// What was received so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct WireSample {
    /// Open sockets that were counted.
    pub(super) sockets: u64,
    /// TLS records, handshakes included, without TCP and IP headers.
    pub(super) received: u64,
}

impl WireSample {
    /// Counts all sockets of this process that lead to `port`.
    pub(super) fn take(port: u16) -> io::Result<Self> {
        let own = own_inodes()?;
        let socket = socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            Some(SOCK_DIAG),
        )?;
        set_socket_timeout(&socket, Timeout::Recv, Some(REPLY_WAIT))?;
        let mut sample = Self::default();
        for family in [AddressFamily::INET, AddressFamily::INET6] {
            let family = u8::try_from(family.as_raw()).unwrap_or_default();
            let kernel = SocketAddrNetlink::new(0, 0);
            sendto(&socket, &request(family, port), SendFlags::empty(), &kernel)?;
            sample.read_dump(&socket, &own)?;
        }
        Ok(sample)
    }

    fn read_dump(&mut self, socket: &OwnedFd, own: &HashSet<u32>) -> io::Result<()> {
        let mut buffer = vec![0; REPLY_LEN_MAX];
        loop {
            let (_, len) = recv(socket, &mut buffer[..], RecvFlags::TRUNC)?;
            let part = buffer
                .get(..len)
                .ok_or_else(|| bad("longer than our buffer"))?;
            if self.read_part(part, own)? {
                return Ok(());
            }
        }
    }

    /// Adds the sockets of one part; true at the end of the dump.
    fn read_part(&mut self, mut part: &[u8], own: &HashSet<u32>) -> io::Result<bool> {
        while !part.is_empty() {
            let len = u32_at(part, 0).ok_or_else(|| bad("cut in a header"))? as usize;
            let kind = u16_at(part, 4).ok_or_else(|| bad("cut in a header"))?;
            let body = part.get(number::MESSAGE_HEADER_LEN..len);
            let body = body.ok_or_else(|| bad("cut in a message"))?;
            match kind {
                number::KIND_DONE => return Ok(true),
                number::KIND_ERROR => {
                    let code = u32_at(body, 0).unwrap_or_default().cast_signed();
                    return Err(io::Error::from_raw_os_error(code.saturating_neg()));
                }
                number::SOCK_DIAG_BY_FAMILY => self.read_socket(body, own),
                _ => {}
            }
            part = part.get(len.next_multiple_of(4)..).unwrap_or_default();
        }
        Ok(false)
    }

    fn read_socket(&mut self, body: &[u8], own: &HashSet<u32>) {
        let inode = u32_at(body, number::INODE_AT);
        if !inode.is_some_and(|inode| own.contains(&inode)) {
            return;
        }
        let mut rest = body.get(number::SOCKET_LEN..).unwrap_or_default();
        while let (Some(len), Some(kind)) = (u16_at(rest, 0), u16_at(rest, 2)) {
            let len = usize::from(len).max(number::ATTRIBUTE_HEADER_LEN);
            let value = rest
                .get(number::ATTRIBUTE_HEADER_LEN..len)
                .unwrap_or_default();
            if kind == number::INFO
                && let Some(received) = u64_at(value, number::BYTES_RECEIVED_AT)
            {
                self.sockets += 1;
                self.received = self.received.saturating_add(received);
            }
            rest = rest.get(len.next_multiple_of(4)..).unwrap_or_default();
        }
    }
}

/// Asks for all TCP sockets of a family whose peer has this port.
fn request(family: u8, port: u16) -> Vec<u8> {
    let len = u32::try_from(number::REQUEST_LEN).unwrap_or_default();
    let mut bytes = Vec::with_capacity(number::REQUEST_LEN);
    bytes.extend(len.to_ne_bytes());
    bytes.extend(number::SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    bytes.extend(number::FLAGS.to_ne_bytes());
    // Sequence number and port id, both ours to choose.
    bytes.extend([0; 8]);
    bytes.extend([family, number::PROTOCOL_TCP, number::WANT_INFO, 0]);
    bytes.extend(number::ALL_STATES.to_ne_bytes());
    // Our own port (any), the peer's in network order, then addresses and a cookie that say "any".
    bytes.extend([0; 2]);
    bytes.extend(port.to_be_bytes());
    bytes.resize(number::REQUEST_LEN, 0);
    bytes
}

/// Inodes of the sockets this process has open.
fn own_inodes() -> io::Result<HashSet<u32>> {
    let mut inodes = HashSet::new();
    for entry in fs::read_dir("/proc/self/fd")? {
        // The handle of this very listing is gone when we look at it.
        let Ok(target) = fs::read_link(entry?.path()) else {
            continue;
        };
        let inode = target.to_str().and_then(|target| {
            let digits = target.strip_prefix("socket:[")?.strip_suffix(']')?;
            digits.parse::<u32>().ok()
        });
        inodes.extend(inode);
    }
    Ok(inodes)
}

fn bad(problem: &'static str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("socket dump: {problem}"),
    )
}

fn bytes_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes_at(bytes, at).map(u16::from_ne_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes_at(bytes, at).map(u32::from_ne_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes_at(bytes, at).map(u64::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn given_own_sockets_when_counted_should_give_what_was_received_on_the_client_s_side() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("bound").port();
        assert_eq!(
            WireSample::take(port).expect("counted"),
            WireSample::default()
        );
        let mut client = TcpStream::connect(("127.0.0.1", port)).expect("connected");
        let (mut peer, _) = listener.accept().expect("accepted");
        peer.write_all(&[7; 1234]).expect("sent");
        client.write_all(&[7; 99]).expect("sent");
        client.read_exact(&mut [0; 1234]).expect("received");
        let sample = WireSample::take(port).expect("counted");
        assert_eq!((sample.sockets, sample.received), (1, 1234));
        drop(client);
        assert_eq!(WireSample::take(port).expect("counted").sockets, 0);
    }

    #[test]
    fn given_a_reply_cut_anywhere_when_read_should_end_or_complain() {
        let mut message = vec![0; number::MESSAGE_HEADER_LEN + number::SOCKET_LEN];
        let info_len = number::ATTRIBUTE_HEADER_LEN + number::BYTES_RECEIVED_AT + 8;
        message.extend(u16::try_from(info_len).expect("short").to_ne_bytes());
        message.extend(number::INFO.to_ne_bytes());
        message.extend([0; number::BYTES_RECEIVED_AT]);
        message.extend(55_u64.to_ne_bytes());
        let len = u32::try_from(message.len()).expect("short");
        message[..4].copy_from_slice(&len.to_ne_bytes());
        message[4..6].copy_from_slice(&number::SOCK_DIAG_BY_FAMILY.to_ne_bytes());
        let inode_at = number::MESSAGE_HEADER_LEN + number::INODE_AT;
        message[inode_at..inode_at + 4].copy_from_slice(&9_u32.to_ne_bytes());
        let own = HashSet::from([9]);
        let mut whole = WireSample::default();
        assert!(!whole.read_part(&message, &own).expect("a good part"));
        assert_eq!((whole.sockets, whole.received), (1, 55));
        for end in 1..message.len() {
            let mut cut = WireSample::default();
            assert!(
                cut.read_part(&message[..end], &own).is_err(),
                "cut at {end}"
            );
        }
        let mut stranger = WireSample::default();
        let others = HashSet::from([8]);
        assert!(!stranger.read_part(&message, &others).expect("a good part"));
        assert_eq!(stranger, WireSample::default());
        message[..4].copy_from_slice(&3_u32.to_ne_bytes());
        assert!(
            whole.read_part(&message, &own).is_err(),
            "a length below the header's"
        );
    }
}
