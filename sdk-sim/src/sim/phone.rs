//! One phone: what it keeps over restarts, and the client that runs while it is on.
//!
//! Owner: one `World`; `phones` lets it act. Always: a message's mark is kept in one step with
//! its being handled, and before its ack, as the device simulator does it.

use protocol::{ClientId, DeviceSecret, InstallId, MessageId};

use super::link::LinkId;
use super::plan::APPS;
use crate::client::{BackoffBounds, Client, Config};

/// See the module page.
#[derive(Debug)]
pub(super) struct Phone {
    pub(super) app: usize,
    pub(super) install: InstallId,
    secret: DeviceSecret,
    /// What a restart finds: the client id and the highest message handled.
    pub(super) saved_cid: Option<ClientId>,
    pub(super) saved_mark: MessageId,
    /// Runs while the phone is on.
    pub(super) client: Option<Client>,
    /// Counts its starts: what was meant for an earlier one is void.
    pub(super) life: u64,
    pub(super) link: Option<LinkId>,
    /// When it will be called next.
    pub(super) timer_us: Option<u64>,
    /// It is a copy of another phone and shares its identity.
    pub(super) is_twin: bool,
}

impl Phone {
    pub(super) fn new(app: usize, install: InstallId, secret: DeviceSecret) -> Self {
        Phone {
            app,
            install,
            secret,
            saved_cid: None,
            saved_mark: MessageId::NONE,
            client: None,
            life: 0,
            link: None,
            timer_us: None,
            is_twin: false,
        }
    }

    /// A second phone with everything that this one keeps.
    pub(super) fn twin(&self) -> Self {
        Phone {
            saved_cid: self.saved_cid,
            saved_mark: self.saved_mark,
            is_twin: true,
            ..Phone::new(self.app, self.install, self.secret.clone())
        }
    }

    /// Starts the client from what was kept.
    pub(super) fn start(&mut self, now_ms: u64, seed: u64, heartbeat_s: u16) {
        let mut config = Config::new(APPS[self.app], self.install, self.secret.clone(), seed);
        config.identity = self.saved_cid;
        config.last_handled = self.saved_mark;
        config.heartbeat_s = heartbeat_s;
        // Waits of a fleet would only make the runs longer.
        config.backoff = BackoffBounds {
            base_ms: 200,
            cap_ms: 10_000,
        };
        config.welcome_wait_ms = 5_000;
        self.client = Some(Client::new(config, now_ms));
        self.timer_us = None;
    }

    /// Whether it is logged in.
    pub(super) fn is_online(&self) -> bool {
        self.client.as_ref().is_some_and(Client::is_online)
    }
}
