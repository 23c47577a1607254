//! The loop over epoll: level triggered, one read for an event, sends at once.
//!
//! Owner: the one thread. Always: what a socket does not take waits in its order and keeps nothing else waiting.

use std::collections::HashMap;
use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, SocketFlags};

use super::beat::Beat;
use super::floor::{Floor, Wire};

const DEVICES: u64 = u64::MAX;
const DOORS: u64 = u64::MAX - 1;
const EVENTS_MAX: usize = 256;
const READ_LEN: usize = 64 * 1024;
/// Connections taken in one turn, so that those who are there are heard meanwhile.
const ACCEPTS_MAX: usize = 32;

struct Sockets {
    epoll: OwnedFd,
    /// What sockets did not take.
    unsent: HashMap<u32, Vec<u8>>,
}

impl Wire for Sockets {
    fn send(&mut self, connection: u32, fd: &OwnedFd, bytes: &[u8]) {
        if let Some(unsent) = self.unsent.get_mut(&connection) {
            unsent.extend_from_slice(bytes);
            return;
        }
        let sent = match rustix::net::send(fd, bytes, SendFlags::NOSIGNAL) {
            Ok(sent) => sent,
            Err(Errno::AGAIN | Errno::INTR) => 0,
            // Reading finds the end.
            Err(_) => return,
        };
        if sent < bytes.len() {
            self.unsent.insert(connection, bytes[sent..].to_vec());
            self.watch(connection, fd, EventFlags::IN | EventFlags::OUT);
        }
    }
}

impl Sockets {
    fn watch(&self, connection: u32, fd: &OwnedFd, flags: EventFlags) {
        let data = EventData::new_u64(u64::from(connection));
        // It fails for a socket that is not there any more.
        let _ = epoll::modify(&self.epoll, fd, data, flags);
    }

    /// Sends on what waits.
    fn send_on(&mut self, connection: u32, fd: &OwnedFd) {
        let Some(mut unsent) = self.unsent.remove(&connection) else {
            return;
        };
        let sent = rustix::net::send(fd, &unsent, SendFlags::NOSIGNAL).unwrap_or(0);
        unsent.drain(..sent);
        if unsent.is_empty() {
            self.watch(connection, fd, EventFlags::IN);
        } else {
            self.unsent.insert(connection, unsent);
        }
    }
}

/// Serves until the process ends.
pub(super) fn run(
    mut floor: Floor,
    devices: &TcpListener,
    doors: &TcpListener,
    mut beat: Beat,
) -> io::Result<()> {
    let mut sockets = Sockets {
        epoll: epoll::create(CreateFlags::CLOEXEC)?,
        unsent: HashMap::new(),
    };
    for (listener, data) in [(devices, DEVICES), (doors, DOORS)] {
        epoll::add(
            &sockets.epoll,
            listener,
            EventData::new_u64(data),
            EventFlags::IN,
        )?;
    }
    let mut events: Vec<Event> = Vec::with_capacity(EVENTS_MAX);
    let mut scratch = vec![0; READ_LEN];
    loop {
        events.clear();
        let wait = beat.wait().map(timespec);
        match epoll::wait(
            &sockets.epoll,
            rustix::buffer::spare_capacity(&mut events),
            wait.as_ref(),
        ) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for event in &events {
            let (data, flags) = (event.data.u64(), event.flags);
            match data {
                DEVICES => accept(&mut floor, &sockets, devices, true)?,
                DOORS => accept(&mut floor, &sockets, doors, false)?,
                connection => {
                    turn(
                        &mut floor,
                        &mut sockets,
                        connection as u32,
                        flags,
                        &mut scratch,
                    );
                }
            }
        }
        beat.push(&mut floor, &mut sockets);
    }
}

fn timespec(wait: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(wait.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(wait.subsec_nanos()),
    }
}

fn accept(
    floor: &mut Floor,
    sockets: &Sockets,
    listener: &TcpListener,
    devices: bool,
) -> io::Result<()> {
    for _ in 0..ACCEPTS_MAX {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let fd = match rustix::net::accept_with(listener, flags) {
            Ok(fd) => fd,
            Err(Errno::AGAIN) => return Ok(()),
            // Its peer has given up.
            Err(Errno::CONNABORTED | Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        };
        let connection = if devices {
            floor.device(fd)
        } else {
            Some(floor.door(fd))
        };
        let Some(connection) = connection else {
            continue;
        };
        if let Some(fd) = floor.fd(connection) {
            let data = EventData::new_u64(u64::from(connection));
            epoll::add(&sockets.epoll, fd.as_fd(), data, EventFlags::IN)?;
        }
    }
    Ok(())
}

fn turn(
    floor: &mut Floor,
    sockets: &mut Sockets,
    connection: u32,
    flags: EventFlags,
    scratch: &mut [u8],
) {
    let Some(fd) = floor.fd(connection) else {
        return;
    };
    if flags.contains(EventFlags::OUT) {
        sockets.send_on(connection, fd);
    }
    if !flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR) {
        return;
    }
    let lives = match rustix::net::recv(fd, &mut *scratch, RecvFlags::empty()) {
        Ok((0, _)) => false,
        Ok((len, _)) => floor.came(connection, &mut scratch[..len], sockets).is_ok(),
        Err(error) => matches!(error, Errno::AGAIN | Errno::INTR),
    };
    if !lives {
        sockets.unsent.remove(&connection);
        // Closing takes it out of epoll.
        drop(floor.end(connection));
    }
}
