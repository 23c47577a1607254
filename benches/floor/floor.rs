//! The floor without its sockets: what a connection said in, what others are to be told out.
//!
//! Owner: the one thread. Always: an idle device costs its slot here and nothing else; a connection that breaks a rule is
//! ended without a word; sending is the loop's, at once and in order, by [`Wire`].

use std::os::fd::OwnedFd;
use std::sync::Arc;

use bytes::BytesMut;
use protocol::{ClientId, Decoder};
use rustls::ServerConfig;

use super::door::{self, Audience, Batch, Call, Single};
use super::records::Over;
use super::session::{Keeping, Session};
use super::traffic::{DeviceNo, Traffic};

/// Sends bytes on a connection, all of them some time.
pub(super) trait Wire {
    fn send(&mut self, connection: u32, fd: &OwnedFd, bytes: &[u8]);
}

enum Slot {
    Free,
    Device(Device),
    Door(Box<Door>),
}

struct Device {
    fd: OwnedFd,
    session: Session,
    number: Option<DeviceNo>,
    /// Only while something is cut.
    cut: Option<Box<Cut>>,
}

/// What is not whole yet.
#[derive(Default)]
struct Cut {
    record: Vec<u8>,
    frame: Option<Decoder>,
}

struct Door {
    fd: OwnedFd,
    unread: Vec<u8>,
}

pub(super) struct Floor {
    config: Arc<ServerConfig>,
    keeping: Keeping,
    slots: Vec<Slot>,
    free: Vec<u32>,
    traffic: Traffic,
    text: Vec<u8>,
    reply: Vec<u8>,
    frames: BytesMut,
    turn: usize,
}

impl Floor {
    pub(super) fn new(config: Arc<ServerConfig>, keeping: Keeping) -> Self {
        Floor {
            config,
            keeping,
            slots: Vec::new(),
            free: Vec::new(),
            traffic: Traffic::new(),
            text: Vec::new(),
            reply: Vec::new(),
            frames: BytesMut::new(),
            turn: 0,
        }
    }

    /// A device has connected; its number from now on.
    pub(super) fn device(&mut self, fd: OwnedFd) -> Option<u32> {
        let session = Session::new(&self.config).ok()?;
        Some(self.put(Slot::Device(Device {
            fd,
            session,
            number: None,
            cut: None,
        })))
    }

    /// A third party has connected.
    pub(super) fn door(&mut self, fd: OwnedFd) -> u32 {
        let unread = Vec::new();
        self.put(Slot::Door(Box::new(Door { fd, unread })))
    }

    fn put(&mut self, slot: Slot) -> u32 {
        if let Some(at) = self.free.pop() {
            self.slots[at as usize] = slot;
            return at;
        }
        self.slots.push(slot);
        (self.slots.len() - 1) as u32
    }

    /// The socket of a connection.
    pub(super) fn fd(&self, connection: u32) -> Option<&OwnedFd> {
        match self.slots.get(connection as usize)? {
            Slot::Free => None,
            Slot::Device(device) => Some(&device.fd),
            Slot::Door(door) => Some(&door.fd),
        }
    }

    /// Ends a connection; its socket, to be closed.
    pub(super) fn end(&mut self, connection: u32) -> Option<OwnedFd> {
        let slot = self.slots.get_mut(connection as usize)?;
        let fd = match std::mem::replace(slot, Slot::Free) {
            Slot::Free => return None,
            Slot::Device(device) => {
                if let Some(number) = device.number {
                    self.traffic.left(number, connection);
                }
                device.fd
            }
            Slot::Door(door) => door.fd,
        };
        self.free.push(connection);
        Some(fd)
    }

    /// Takes what a connection's socket gave. An error ends the connection.
    pub(super) fn came(
        &mut self,
        connection: u32,
        bytes: &mut [u8],
        wire: &mut impl Wire,
    ) -> Result<(), Over> {
        match self.slots.get_mut(connection as usize) {
            None | Some(Slot::Free) => Err(Over),
            Some(Slot::Device(_)) => self.device_said(connection, bytes, wire),
            Some(Slot::Door(door)) => {
                let mut unread = std::mem::take(&mut door.unread);
                unread.extend_from_slice(bytes);
                let used = self.door_said(connection, &unread, wire)?;
                unread.drain(..used);
                if let Some(Slot::Door(door)) = self.slots.get_mut(connection as usize) {
                    door.unread = unread;
                }
                Ok(())
            }
        }
    }

    fn device_said(
        &mut self,
        connection: u32,
        bytes: &mut [u8],
        wire: &mut impl Wire,
    ) -> Result<(), Over> {
        let Some(Slot::Device(device)) = self.slots.get_mut(connection as usize) else {
            return Err(Over);
        };
        self.text.clear();
        self.reply.clear();
        self.frames.clear();
        let (session, keeping) = (&mut device.session, self.keeping);
        let mut cut = device.cut.take().map_or_else(Cut::default, |cut| *cut);
        if cut.record.is_empty() {
            let used = session.take(keeping, bytes, &mut self.text, &mut self.reply)?;
            cut.record.extend_from_slice(&bytes[used..]);
        } else {
            cut.record.extend_from_slice(bytes);
            let used = session.take(keeping, &mut cut.record, &mut self.text, &mut self.reply)?;
            cut.record.drain(..used);
        }
        if !self.text.is_empty() {
            let frame = cut.frame.take();
            let heard = self
                .traffic
                .hear(connection, &self.text, frame, &mut self.frames)?;
            cut.frame = heard.cut;
            device.number = heard.device.or(device.number);
        }
        if !cut.record.is_empty() || cut.frame.is_some() {
            device.cut = Some(Box::new(cut));
        }
        if !self.frames.is_empty() {
            device.session.seal(&self.frames, &mut self.reply)?;
        }
        if !self.reply.is_empty() {
            wire.send(connection, &device.fd, &self.reply);
        }
        Ok(())
    }

    fn door_said(
        &mut self,
        connection: u32,
        unread: &[u8],
        wire: &mut impl Wire,
    ) -> Result<usize, Over> {
        let mut used = 0;
        let mut answers = Vec::new();
        while let Some(request) = door::request(&unread[used..])? {
            used += request.len;
            match request.call {
                Call::Auth => {
                    door::answer(
                        r#"{"expire_time":"9999999999999","token":"floor"}"#,
                        &mut answers,
                    );
                }
                Call::Single => {
                    let single = serde_json::from_slice(request.body).map_err(|_| Over)?;
                    let said = self.single(&single, wire)?;
                    door::answer(&format!("{{{said}}}"), &mut answers);
                }
                Call::Batch => {
                    let batch: Batch = serde_json::from_slice(request.body).map_err(|_| Over)?;
                    let mut said = String::new();
                    for single in &batch.msg_list {
                        if !said.is_empty() {
                            said.push(',');
                        }
                        said.push_str(&self.single(single, wire)?);
                    }
                    door::answer(&format!("{{{said}}}"), &mut answers);
                }
                Call::All => {
                    let push: Single = serde_json::from_slice(request.body).map_err(|_| Over)?;
                    let task = self.traffic.task();
                    self.push_to_all(&task, push.push_message.transmission, wire);
                    door::answer(&format!(r#"{{"taskid":"{task}"}}"#), &mut answers);
                }
                Call::Unknown => return Err(Over),
            }
        }
        if let Some(fd) = self.fd(connection)
            && !answers.is_empty()
        {
            wire.send(connection, fd, &answers);
        }
        Ok(used)
    }

    /// One push to one device; what is said of it in the answer.
    fn single(&mut self, push: &Single<'_>, wire: &mut impl Wire) -> Result<String, Over> {
        let Audience::One { cid: [text] } = push.audience else {
            return Err(Over);
        };
        let cid: ClientId = text.parse().map_err(|_| Over)?;
        let task = self.traffic.task();
        let Some(to) = self.traffic.connection(&cid) else {
            return Ok(format!(r#""{task}":{{"{text}":"successed_offline"}}"#));
        };
        self.push_to(to, &task, push.push_message.transmission, wire);
        Ok(format!(r#""{task}":{{"{text}":"successed_online"}}"#))
    }

    fn push_to(&mut self, to: u32, task: &str, text: &str, wire: &mut impl Wire) {
        let frame = self.traffic.push(task, text);
        tell(&mut self.slots, to, frame, &mut self.reply, wire);
    }

    /// One push to all that are connected. The frame is built once: ids rise for all together.
    fn push_to_all(&mut self, task: &str, text: &str, wire: &mut impl Wire) {
        let frame = self.traffic.push(task, text).to_vec();
        for to in self.traffic.connections() {
            tell(&mut self.slots, to, &frame, &mut self.reply, wire);
        }
    }

    /// Pushes `count` texts to the devices in turn, without HTTP.
    pub(super) fn push_in_turn(&mut self, count: usize, text: &str, wire: &mut impl Wire) {
        for _ in 0..count.min(self.traffic.devices().saturating_mul(count)) {
            self.turn = (self.turn + 1) % self.traffic.devices();
            if let Some(to) = self.traffic.nth(self.turn) {
                let task = self.traffic.task();
                self.push_to(to, &task, text, wire);
            }
        }
    }
}

/// Seals a frame for a device and sends it. What does not seal is found at the next read.
fn tell(slots: &mut [Slot], to: u32, frame: &[u8], record: &mut Vec<u8>, wire: &mut impl Wire) {
    if let Some(Slot::Device(device)) = slots.get_mut(to as usize) {
        record.clear();
        if device.session.seal(frame, record).is_ok() {
            wire.send(to, &device.fd, record);
        }
    }
}
