//! What a shard goes by that may change while it runs.
//!
//! Owner: boot, which makes one for all shards and sends another when the settings were read again. Always: replaced as a
//! whole and never written to, so a shard reads it without a lock; a connection keeps the TLS that it was accepted with.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use server_core::event::ShardEvent;
use server_core::shard::Settings;

use super::ShardLoop;
use crate::ask::ToIngress;
use crate::net::Door;

/// See the module page.
#[derive(Debug, Clone)]
pub struct Terms {
    /// What the core is told.
    pub settings: Settings,
    /// TLS of the device port.
    pub tls: Arc<ServerConfig>,
    /// Who may connect to it.
    pub door: Door,
    /// How long a device may take nothing of what it is sent.
    pub send_timeout: Duration,
}

impl Terms {
    /// How long a device may take to its hello.
    pub(super) fn hello_timeout(&self) -> Duration {
        Duration::from_millis(self.settings.hello_timeout_ms)
    }
}

impl ShardLoop {
    /// Goes by other terms, and says so.
    pub(super) fn go_by(self: &Rc<Self>, terms: Arc<Terms>) {
        self.step(ShardEvent::Settings(terms.settings.clone()));
        self.lobby
            .borrow_mut()
            .set_hello_timeout(terms.hello_timeout());
        self.terms.replace(terms);
        self.tell_ingress(ToIngress::TermsTaken);
    }
}
