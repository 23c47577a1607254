//! The witness of `ringpost-sim devices`: events file first, then journal, then the ack may leave.
//!
//! Owner: the ring's thread. Always: the identities here are what the next checkpoint writes.

use std::cell::RefCell;
use std::io;
use std::path::PathBuf;

use protocol::{ClientId, MessageId};

use super::events_file::EventsFile;
use super::identity::Identity;
use super::state_file::StateFile;
use crate::client::Event;
use crate::fleet::{Notice, Witness};

#[derive(Debug)]
pub(super) struct Record {
    inner: RefCell<Inner>,
}

#[derive(Debug)]
struct Inner {
    devices: Vec<Identity>,
    state: Option<StateFile>,
    events: Option<(PathBuf, EventsFile)>,
}

impl Record {
    /// Opens what was asked for. Devices beyond `count` stay in the state file, at rest; missing
    /// ones are made.
    pub(super) fn open(
        count: usize,
        state: Option<&PathBuf>,
        events: Option<&PathBuf>,
    ) -> io::Result<Self> {
        // The state's journal may name this very file: opened first, its torn line is gone.
        let events = match events {
            Some(path) => Some((path.clone(), EventsFile::open(path)?)),
            None => None,
        };
        let (state, mut devices) = match state {
            Some(path) => {
                let (state, devices) = StateFile::open(path)?;
                (Some(state), devices)
            }
            None => (None, Vec::new()),
        };
        while devices.len() < count {
            devices.push(Identity::random().map_err(io::Error::other)?);
        }
        let record = Self {
            inner: RefCell::new(Inner {
                devices,
                state,
                events,
            }),
        };
        // From here on the journal has to name this run's events file.
        record.checkpoint()?;
        Ok(record)
    }

    /// The first `count` devices.
    pub(super) fn devices(&self, count: usize) -> Vec<Identity> {
        self.inner
            .borrow()
            .devices
            .iter()
            .take(count)
            .cloned()
            .collect()
    }

    /// Writes the state file, if there is one.
    pub(super) fn checkpoint(&self) -> io::Result<()> {
        let inner = &mut *self.inner.borrow_mut();
        let Some(state) = &mut inner.state else {
            return Ok(());
        };
        let events = match &inner.events {
            Some((path, file)) => Some((path.as_path(), file.len()?)),
            None => None,
        };
        state.checkpoint(&inner.devices, events)
    }
}

impl Witness for Record {
    fn event(&self, device: usize, cid: Option<ClientId>, event: &Event) -> io::Result<()> {
        let inner = &mut *self.inner.borrow_mut();
        let identity = inner
            .devices
            .get_mut(device)
            .expect("the fleet runs devices of this record");
        // Before the line that says so: its reader may end us and look for the state at once.
        if let Event::Online { cid, .. } = event
            && identity.cid != Some(*cid)
        {
            identity.cid = Some(*cid);
            identity.last = MessageId(0);
            if let Some(state) = &mut inner.state {
                state.registered(identity)?;
            }
        }
        if let Some((_, events)) = &mut inner.events {
            events.append(cid, event)?;
        }
        if let Event::Push { id, .. } = event {
            identity.last = *id;
            if let (Some(state), Some(cid)) = (&mut inner.state, cid) {
                state.handled(cid, *id)?;
            }
        }
        Ok(())
    }

    fn notice(&self, cid: Option<ClientId>, notice: &Notice) -> io::Result<()> {
        let inner = &mut *self.inner.borrow_mut();
        match &mut inner.events {
            Some((_, events)) => events.append_notice(cid, notice),
            None => Ok(()),
        }
    }
}
