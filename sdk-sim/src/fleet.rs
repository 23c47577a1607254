//! Many devices on one thread: each a task with its own client, connection and ticket.
//!
//! Owner: the thread that runs the ring. Always: a push is acked only after the witness has taken
//! it; no more devices than it was made for are between connect and welcome; a witness that
//! fails stops the whole fleet, for its record would have holes.

mod clock;
mod device;
mod errands;
mod screen;

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;

use protocol::ClientId;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

use crate::client::{Config, Event};
use crate::transport::DeviceTls;

pub(crate) use self::clock::Clock;
pub use self::errands::Errand;
pub use self::screen::{Notice, Screen, What};

/// Devices between connect and welcome. Enough to keep a server of many cores busy; more would only
/// wait in its listen queue and run into time limits. Full: the device waits for its turn.
pub const LOGINS_IN_FLIGHT_MAX: usize = 256;

/// Who hears what the devices hear.
pub trait Witness {
    /// One event of one device, in order. When this returns, a push counts as handled and its ack
    /// may leave. `cid` is what the device is known by, if it has ever registered.
    ///
    /// # Errors
    /// Ends the fleet: the push is not acked.
    fn event(&self, device: usize, cid: Option<ClientId>, event: &Event) -> io::Result<()>;

    /// The phone did something with a notification.
    ///
    /// # Errors
    /// Ends the fleet.
    fn notice(&self, _cid: Option<ClientId>, _notice: &Notice) -> io::Result<()> {
        Ok(())
    }

    /// All acks of pushes taken so far by this device were sent.
    fn acked(&self, _device: usize) {}
}

/// One device to run.
#[derive(Debug)]
pub struct Device {
    /// How the witness knows it.
    pub index: usize,
    /// Its identity and manners.
    pub config: Config,
    /// Its tickets.
    pub tls: DeviceTls,
    /// What it asks of the server before it counts as ready, in this order.
    pub errands: Vec<Errand>,
    /// What it does with notifications; `None`: it looks into no message.
    pub screen: Option<Screen>,
}

/// What the devices of one thread share.
pub struct Fleet {
    address: String,
    witness: Rc<dyn Witness>,
    clock: Clock,
    gate: Semaphore,
    stop: watch::Sender<bool>,
    ready: watch::Sender<usize>,
    failure: RefCell<Option<String>>,
    complaints: Cell<u32>,
}

/// Lines about refused attempts on stderr. The first few tell what is wrong; thousands of devices
/// say the same. Full: silence.
const COMPLAINTS_MAX: u32 = 5;

impl Fleet {
    /// A fleet without devices for the server at `HOST:PORT`.
    pub fn new(address: &str, witness: Rc<dyn Witness>) -> Rc<Self> {
        Self::with_logins(address, witness, LOGINS_IN_FLIGHT_MAX)
    }

    /// The same with at most `logins` devices between connect and welcome: as many as there are
    /// makes a storm.
    pub fn with_logins(address: &str, witness: Rc<dyn Witness>, logins: usize) -> Rc<Self> {
        Rc::new(Self {
            address: address.to_owned(),
            witness,
            clock: Clock::start(),
            gate: Semaphore::new(logins),
            stop: watch::Sender::new(false),
            ready: watch::Sender::new(0),
            failure: RefCell::new(None),
            complaints: Cell::new(0),
        })
    }

    /// Starts a device. Its task ends when the fleet stops, or when the server forbids the device
    /// to return.
    pub fn start(self: &Rc<Self>, device: Device) -> JoinHandle<()> {
        tokio_uring::spawn(device::live(Rc::clone(self), device))
    }

    /// Tells all devices to end in order.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Waits until `count` devices were logged in, their errands done; false if the fleet stopped
    /// before.
    pub async fn ready(&self, count: usize) -> bool {
        let mut ready = self.ready.subscribe();
        let mut stop = self.stop.subscribe();
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => false,
            // The senders live as long as `self`.
            _ = ready.wait_for(|ready| *ready >= count) => true,
        }
    }

    /// Waits until the fleet was told to stop, by anybody.
    pub async fn stopped(&self) {
        // The sender lives as long as `self`.
        let _ = self.stop.subscribe().wait_for(|stop| *stop).await;
    }

    /// Why the fleet stopped, if it was not told to.
    pub fn failure(&self) -> Option<String> {
        self.failure.borrow().clone()
    }

    fn fail(&self, why: String) {
        self.failure.borrow_mut().get_or_insert(why);
        self.stop();
    }

    fn complain(&self, device: usize, what: &str) {
        let said = self.complaints.get();
        if said < COMPLAINTS_MAX {
            self.complaints.set(said + 1);
            eprintln!("device {device}: {what}");
        }
    }
}
