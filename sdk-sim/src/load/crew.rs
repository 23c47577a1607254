//! The devices as they are between their connections: who each one is, and its TLS ticket.
//!
//! Owner: the run. Always: a device keeps install id and secret for the whole run; its client id
//! and what it has handled are the meter's to know.

use std::io;
use std::ops::Range;

use protocol::{DeviceSecret, InstallId, Platform};

use super::meter::Meter;
use crate::client::Config;
use crate::fleet::Device;
use crate::transport::{DeviceTls, Tls};

struct Member {
    install: InstallId,
    secret: DeviceSecret,
    tls: DeviceTls,
}

pub(super) struct Crew {
    app_id: String,
    heartbeat_s: u16,
    members: Vec<Member>,
}

impl Crew {
    /// `count` devices that the server has never seen; 0 wishes no heartbeat.
    pub(super) fn new(app_id: &str, count: usize, heartbeat_s: u16, tls: &Tls) -> io::Result<Self> {
        let member = |_| {
            let mut install = [0; 16];
            let mut secret = [0; 32];
            getrandom::fill(&mut install).map_err(io::Error::other)?;
            getrandom::fill(&mut secret).map_err(io::Error::other)?;
            Ok(Member {
                install: InstallId::from_bytes(install),
                secret: DeviceSecret::from_bytes(secret),
                tls: tls.for_device(),
            })
        };
        Ok(Self {
            app_id: app_id.to_owned(),
            heartbeat_s,
            members: (0..count).map(member).collect::<io::Result<_>>()?,
        })
    }

    /// Throws the tickets away: the next handshake of each device is a full one.
    pub(super) fn forget_tickets(&mut self, tls: &Tls) {
        for member in &mut self.members {
            member.tls = tls.for_device();
        }
    }

    /// Everybody.
    pub(super) fn all(&self) -> Range<usize> {
        0..self.members.len()
    }

    /// A device ready to connect.
    ///
    /// # Panics
    /// If there is none with this index.
    pub(super) fn device(&self, index: usize, meter: &Meter) -> Device {
        let member = &self.members[index];
        let seed = index as u64;
        let secret = member.secret.clone();
        let mut config = Config::new(&self.app_id, member.install, secret, seed);
        (config.identity, config.last_handled) = meter.identity(index);
        config.platform = Platform::Android;
        config.heartbeat_s = self.heartbeat_s;
        Device {
            index,
            config,
            tls: member.tls.clone(),
            errands: Vec::new(),
            screen: None,
        }
    }
}
