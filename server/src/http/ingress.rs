//! What all connections of the HTTP side share.
//!
//! Owner: the ingress thread; no lock, nothing of it crosses threads.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::body::BodyBudget;
use super::quota::Quotas;
use super::tokens::Tokens;
use super::vendor_desk::VendorDesk;
use super::wire::WireTimes;
use crate::addresses::{AddressList, Network};
use crate::ask::Asker;
use crate::backup::BackupDesk;
use crate::lifecycle::Lifecycle;
use crate::limits::HTTP_BODY_LEN_MAX;
use crate::reload::ReloadDesk;
use crate::telemetry::Telemetry;
use crate::vendor::VendorChannel;

/// What can be set about the HTTP side.
#[derive(Clone)]
pub struct HttpSettings {
    /// The bearer token of `/admin`; empty lets nobody in.
    pub admin_token: String,
    /// How far the clock of a third party may be off at auth; zero does not look at it.
    pub timestamp_skew: Duration,
    /// How long a connection may stay open between two requests. The PHP client leaves one per URL.
    pub idle_timeout: Duration,
    /// How long the head of a request may take.
    pub head_timeout: Duration,
    /// How long the body of a request may take.
    pub body_timeout: Duration,
    /// How long a client may take to read a response.
    pub write_timeout: Duration,
    /// Bytes of a request body, see [`HTTP_BODY_LEN_MAX`].
    pub body_len_max: usize,
    /// How devices without a connection are reached besides.
    pub vendor_channel: Option<Arc<dyn VendorChannel>>,
    /// Where backups are asked for; `None` makes none.
    pub backups: Option<BackupDesk>,
    /// Where the settings are asked to be read again; `None` keeps them.
    pub reloads: Option<ReloadDesk>,
    /// From where third parties and operators may call.
    pub list: AddressList,
    /// Proxies whose word on the address of a caller is believed.
    pub trusted_proxies: Vec<Network>,
}

impl Default for HttpSettings {
    fn default() -> Self {
        HttpSettings {
            admin_token: String::new(),
            timestamp_skew: Duration::from_secs(600),
            idle_timeout: Duration::from_secs(75),
            head_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            body_len_max: HTTP_BODY_LEN_MAX,
            vendor_channel: None,
            backups: None,
            reloads: None,
            list: AddressList::default(),
            trusted_proxies: Vec::new(),
        }
    }
}

impl std::fmt::Debug for HttpSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpSettings")
            .field("timestamp_skew", &self.timestamp_skew)
            .field("idle_timeout", &self.idle_timeout)
            .field("head_timeout", &self.head_timeout)
            .field("body_timeout", &self.body_timeout)
            .field("write_timeout", &self.write_timeout)
            .field("body_len_max", &self.body_len_max)
            .field("has_vendor_channel", &self.vendor_channel.is_some())
            .field("list", &self.list)
            .field("trusted_proxies", &self.trusted_proxies)
            .finish_non_exhaustive()
    }
}

/// The HTTP side of a server.
#[derive(Debug)]
pub struct Ingress {
    pub(super) asker: Rc<Asker>,
    pub(super) telemetry: Arc<Telemetry>,
    pub(super) lifecycle: Lifecycle,
    settings: RefCell<Rc<HttpSettings>>,
    pub(super) tokens: RefCell<Tokens>,
    pub(super) bodies: BodyBudget,
    pub(super) vendors: Rc<VendorDesk>,
    pub(super) quotas: RefCell<Quotas>,
    /// Whose turn it is to change an app.
    pub(super) app_changes: Semaphore,
}

impl Ingress {
    /// An ingress that asks its questions by `asker`. Serves nothing until it is given to
    /// [`serve`](super::serve) with a listener.
    pub fn new(
        asker: Rc<Asker>,
        telemetry: Arc<Telemetry>,
        lifecycle: Lifecycle,
        settings: HttpSettings,
    ) -> Self {
        Ingress {
            asker,
            telemetry,
            lifecycle,
            vendors: VendorDesk::new(settings.vendor_channel.clone()),
            settings: RefCell::new(Rc::new(settings)),
            tokens: RefCell::new(Tokens::new()),
            bodies: BodyBudget::default(),
            quotas: RefCell::default(),
            app_changes: Semaphore::new(1),
        }
    }

    /// Goes by other settings from now on. A connection keeps the times that it began with, a request
    /// what it was judged by.
    pub fn set(&self, settings: HttpSettings) {
        self.vendors.set(settings.vendor_channel.clone());
        self.settings.replace(Rc::new(settings));
    }

    /// The settings as they are now.
    pub fn settings(&self) -> Rc<HttpSettings> {
        Rc::clone(&self.settings.borrow())
    }

    pub(super) fn wire_times(&self) -> WireTimes {
        let settings = self.settings.borrow();
        WireTimes {
            idle: settings.idle_timeout,
            head: settings.head_timeout,
            body: settings.body_timeout,
            write: settings.write_timeout,
        }
    }
}
