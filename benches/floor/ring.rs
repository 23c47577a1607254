//! The loop over io_uring: accepts, reads and sends by the ring; a send is submitted with whatever else its turn brings.
//!
//! Owner: the one thread. Always: a buffer that the kernel was given stays where it is until its completion came, though its
//! connection may be over by then; of one connection one send is under way, the rest waits behind it.

use std::collections::HashMap;
use std::io;
use std::net::TcpListener;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use io_uring::types::{Fd, SubmitArgs, Timespec};
use io_uring::{IoUring, cqueue, opcode, squeue};
use rustix::io::Errno;
use rustix::net::{RecvFlags, Shutdown};

use super::beat::Beat;
use super::buffers::{Buffers, GROUP};
use super::floor::{Floor, Wire};

const ENTRIES: u32 = 4096;
/// Completions of a broadcast wait here.
const COMPLETIONS: u32 = 32_768;
const READ_LEN: usize = 64 * 1024;
/// Buffers of sends that are kept for the next ones; more are freed.
const SPARE_MAX: usize = 1024;

/// How the floor waits for what comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hearing {
    /// A read that stays, into buffers of the ring: 600 bytes of the kernel's more for each connection.
    Recv,
    /// A poll that stays, and a read by system call.
    Poll,
}

/// What a completion is of, in its lowest bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Devices = 0,
    Doors = 1,
    Heard = 2,
    Sent = 3,
}

/// A connection as the ring knows it: a slot may be used again before its last completion came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Name(u64);

impl Name {
    const ROUND_SHIFT: u32 = 34;

    fn of(connection: u32, round: u32) -> Self {
        Name(u64::from(round) << Self::ROUND_SHIFT | u64::from(connection) << 2)
    }

    fn data(self, what: What) -> u64 {
        self.0 | what as u64
    }

    fn connection(self) -> u32 {
        (self.0 >> 2) as u32
    }
}

/// What is under way on one connection.
struct Sending {
    now: Vec<u8>,
    then: Vec<u8>,
    fd: RawFd,
}

struct Ring {
    ring: IoUring,
    /// How often each slot was used, cut to what fits beside its number.
    rounds: Vec<u32>,
    sending: HashMap<Name, Sending>,
    spare: Vec<Vec<u8>>,
}

impl Ring {
    fn name(&self, connection: u32) -> Name {
        let round = self.rounds.get(connection as usize);
        Name::of(connection, round.copied().unwrap_or(0))
    }

    fn begin(&mut self, connection: u32) -> Name {
        let at = connection as usize;
        if self.rounds.len() <= at {
            self.rounds.resize(at + 1, 0);
        }
        // 30 bits are left of the 64.
        self.rounds[at] = (self.rounds[at] + 1) & (u32::MAX >> 2);
        self.name(connection)
    }

    fn push(&mut self, entry: &squeue::Entry) {
        loop {
            // SAFETY: what the entry points to lives in `sending` or in `Buffers` until its completion came.
            if unsafe { self.ring.submission().push(entry) }.is_ok() {
                return;
            }
            // Full: those that wait go first. An error is that of the next wait, too.
            let _ = self.ring.submit();
        }
    }

    fn submit_send(&mut self, name: Name) {
        if let Some(sending) = self.sending.get(&name) {
            let len = u32::try_from(sending.now.len()).unwrap_or(u32::MAX);
            let entry = opcode::Send::new(Fd(sending.fd), sending.now.as_ptr(), len)
                .flags(libc_flags::NOSIGNAL | libc_flags::WAITALL)
                .build()
                .user_data(name.data(What::Sent));
            self.push(&entry);
        }
    }

    fn sent(&mut self, name: Name, result: i32) {
        let Some(sending) = self.sending.get_mut(&name) else {
            return;
        };
        sending.now.clear();
        if result < 0 || sending.then.is_empty() {
            if let Some(sending) = self.sending.remove(&name)
                && self.spare.len() < SPARE_MAX
            {
                self.spare.push(sending.now);
            }
            return;
        }
        std::mem::swap(&mut sending.now, &mut sending.then);
        self.submit_send(name);
    }

    fn listen(&mut self, listener: &TcpListener, what: What) {
        let entry = opcode::AcceptMulti::new(Fd(listener.as_raw_fd()))
            .build()
            .user_data(what as u64);
        self.push(&entry);
    }

    fn hear(&mut self, name: Name, fd: RawFd, hearing: Hearing) {
        let entry = match hearing {
            Hearing::Recv => opcode::RecvMulti::new(Fd(fd), GROUP).build(),
            Hearing::Poll => opcode::PollAdd::new(Fd(fd), libc_flags::POLLIN)
                .multi(true)
                .build(),
        };
        self.push(&entry.user_data(name.data(What::Heard)));
    }
}

/// Numbers of Linux that the crate takes as they are.
mod libc_flags {
    pub(super) const NOSIGNAL: i32 = 0x4000;
    pub(super) const WAITALL: i32 = 0x100;
    pub(super) const POLLIN: u32 = 1;
}

impl Wire for Ring {
    fn send(&mut self, connection: u32, fd: &OwnedFd, bytes: &[u8]) {
        let name = self.name(connection);
        if let Some(sending) = self.sending.get_mut(&name) {
            sending.then.extend_from_slice(bytes);
            return;
        }
        let mut now = self.spare.pop().unwrap_or_default();
        now.extend_from_slice(bytes);
        let sending = Sending {
            now,
            then: Vec::new(),
            fd: fd.as_raw_fd(),
        };
        self.sending.insert(name, sending);
        self.submit_send(name);
    }
}

/// Serves until the process ends.
pub(super) fn run(
    mut floor: Floor,
    devices: &TcpListener,
    doors: &TcpListener,
    mut beat: Beat,
    hearing: Hearing,
) -> io::Result<()> {
    let ring = IoUring::builder()
        .setup_single_issuer()
        .setup_defer_taskrun()
        .setup_cqsize(COMPLETIONS)
        .build(ENTRIES)?;
    let mut buffers = match hearing {
        Hearing::Recv => Some(Buffers::register(&ring)?),
        Hearing::Poll => None,
    };
    let mut ring = Ring {
        ring,
        rounds: Vec::new(),
        sending: HashMap::new(),
        spare: Vec::new(),
    };
    ring.listen(devices, What::Devices);
    ring.listen(doors, What::Doors);
    let mut scratch = vec![0; READ_LEN];
    let mut completions = Vec::new();
    loop {
        wait(&ring.ring, &beat)?;
        completions.extend(ring.ring.completion());
        for completion in completions.drain(..) {
            let data = completion.user_data();
            let name = Name(data & !3);
            match data & 3 {
                what if what == What::Sent as u64 => ring.sent(name, completion.result()),
                what if what == What::Heard as u64 => {
                    let lives = match &mut buffers {
                        Some(buffers) => {
                            received(&mut floor, &mut ring, buffers, name, &completion)
                        }
                        None => polled(&mut floor, &mut ring, name, &completion, &mut scratch),
                    };
                    if !lives {
                        end(&mut floor, &ring, name);
                    }
                }
                what => {
                    let of_devices = what == What::Devices as u64;
                    accepted(&mut floor, &mut ring, &completion, of_devices, hearing);
                    if !cqueue::more(completion.flags()) {
                        let (listener, what) = if of_devices {
                            (devices, What::Devices)
                        } else {
                            (doors, What::Doors)
                        };
                        ring.listen(listener, what);
                    }
                }
            }
        }
        beat.push(&mut floor, &mut ring);
    }
}

fn wait(ring: &IoUring, beat: &Beat) -> io::Result<()> {
    let waited = match beat.wait() {
        None => ring.submit_and_wait(1),
        Some(wait) => {
            let wait = Timespec::from(wait);
            ring.submitter()
                .submit_with_args(1, &SubmitArgs::new().timespec(&wait))
        }
    };
    match waited.map_err(|error| Errno::from_io_error(&error)) {
        // Busy: completions wait, and are taken now.
        Ok(_) | Err(Some(Errno::TIME | Errno::INTR | Errno::BUSY)) => Ok(()),
        Err(Some(errno)) => Err(errno.into()),
        Err(None) => Err(io::ErrorKind::Other.into()),
    }
}

fn accepted(
    floor: &mut Floor,
    ring: &mut Ring,
    completion: &cqueue::Entry,
    of_devices: bool,
    hearing: Hearing,
) {
    if completion.result() < 0 {
        return;
    }
    // SAFETY: the kernel has just made this descriptor for us.
    let fd = unsafe { OwnedFd::from_raw_fd(completion.result()) };
    let raw = fd.as_raw_fd();
    let connection = if of_devices {
        floor.device(fd)
    } else {
        Some(floor.door(fd))
    };
    if let Some(connection) = connection {
        let name = ring.begin(connection);
        ring.hear(name, raw, hearing);
    }
}

/// A read of the ring is done; whether the connection lives.
fn received(
    floor: &mut Floor,
    ring: &mut Ring,
    buffers: &mut Buffers,
    name: Name,
    completion: &cqueue::Entry,
) -> bool {
    let connection = name.connection();
    let is_current = ring.name(connection) == name;
    let mut lives = true;
    if let Some(buffer) = cqueue::buffer_select(completion.flags()) {
        let len = usize::try_from(completion.result()).unwrap_or(0);
        if is_current {
            let bytes = buffers.bytes(buffer, len);
            lives = len > 0 && floor.came(connection, bytes, ring).is_ok();
        }
        buffers.give_back(buffer);
    } else {
        let no_buffer = completion.result() == -Errno::NOBUFS.raw_os_error();
        lives = no_buffer;
    }
    if lives
        && is_current
        && !cqueue::more(completion.flags())
        && let Some(fd) = floor.fd(connection).map(AsRawFd::as_raw_fd)
    {
        ring.hear(name, fd, Hearing::Recv);
    }
    lives
}

/// There is something to read; whether the connection lives.
fn polled(
    floor: &mut Floor,
    ring: &mut Ring,
    name: Name,
    completion: &cqueue::Entry,
    scratch: &mut [u8],
) -> bool {
    let connection = name.connection();
    if ring.name(connection) != name {
        return true;
    }
    // The poll tells of news only: all that is there is read.
    loop {
        let Some(fd) = floor.fd(connection) else {
            return true;
        };
        let len = match rustix::net::recv(fd, &mut *scratch, RecvFlags::DONTWAIT) {
            Ok((0, _)) => return false,
            Ok((len, _)) => len,
            Err(Errno::AGAIN | Errno::INTR) => break,
            Err(_) => return false,
        };
        if floor.came(connection, &mut scratch[..len], ring).is_err() {
            return false;
        }
        if len < scratch.len() {
            break;
        }
    }
    if !cqueue::more(completion.flags())
        && let Some(fd) = floor.fd(connection).map(AsRawFd::as_raw_fd)
    {
        ring.hear(name, fd, Hearing::Poll);
    }
    true
}

fn end(floor: &mut Floor, ring: &Ring, name: Name) {
    let connection = name.connection();
    if ring.name(connection) == name
        && let Some(fd) = floor.end(connection)
    {
        // What the ring still holds of it ends by this; closing alone would leave it.
        let _ = rustix::net::shutdown(&fd, Shutdown::Both);
    }
}
