//! Devices that are pushed to all the time, and how long each push took to come.
//!
//! Always: the next push to a device is sent when the one before it has come, so a long one hides
//! others: the figures are for reading, nothing is asserted by them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use protocol::{Ack, Frame, Identity, InstallId};
use sdk_sim::third_party::{BlockingThirdParty, CallError, Push, PushBody};

use super::harness::Server;
use super::harness::device::{Device, hello};

/// One push that came: when it was sent, how long it took, whether it went by the disk.
#[derive(Debug, Clone, Copy)]
struct Came {
    sent: Instant,
    took: Duration,
    is_stored: bool,
}

/// Before a refused push is repeated.
const PAUSE: Duration = Duration::from_millis(100);

/// Fewer pushes than these have no p99.
const P99_MIN: usize = 100;

pub(crate) struct Probe {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Vec<Came>>>,
}

/// What came, to be asked for parts of the time.
pub(crate) struct Latencies(Vec<Came>);

impl Probe {
    /// Logs so many devices in and pushes to each, by the disk and past it in turn. A push takes
    /// seconds here: for a p99 it takes many at a time.
    pub(crate) fn begin(server: &Server, devices: u8) -> Probe {
        let stop = Arc::new(AtomicBool::new(false));
        let bootstrap = server.bootstrap();
        let threads = (0..devices).map(|number| {
            let install = InstallId::from_bytes([0xc0 + number; 16]);
            let mut device = Device::connect(&bootstrap);
            let mut hello = hello(&bootstrap, Identity::Register(install), [8; 32]);
            hello.heartbeat_s = 1800;
            let cid = device.greet(hello).to_string();
            let (party, stopped) = (server.third_party(), Arc::clone(&stop));
            std::thread::spawn(move || push_until_told(&mut device, &cid, &party, &stopped))
        });
        let threads = threads.collect();
        Probe { stop, threads }
    }

    pub(crate) fn end(self) -> Latencies {
        self.stop.store(true, Ordering::Relaxed);
        let threads = self.threads.into_iter();
        let came = threads.flat_map(|thread| thread.join().expect("each push came"));
        Latencies(came.collect())
    }
}

fn push_until_told(
    device: &mut Device,
    cid: &str,
    party: &BlockingThirdParty,
    stopped: &AtomicBool,
) -> Vec<Came> {
    let mut all = Vec::new();
    let mut is_stored = false;
    while !stopped.load(Ordering::Relaxed) {
        is_stored = !is_stored;
        let push = Push::new(PushBody::Transmission("probe".into())).expect("random");
        let ttl_ms = (!is_stored).then_some(-1);
        let push = Push { ttl_ms, ..push };
        let sent = Instant::now();
        while let Err(error) = party.push_single_cid(cid, &push) {
            let is_busy = matches!(error, CallError::Refused { code: 30019, .. });
            assert!(is_busy, "{error}");
            std::thread::park_timeout(PAUSE);
        }
        let id = device.receive_until("the push", |frame| match frame {
            Frame::Push(push) => Some(push.id),
            _ => None,
        });
        let took = sent.elapsed();
        device.send(&[Frame::Ack(Ack { ids: vec![id] })]);
        all.push(Came {
            sent,
            took,
            is_stored,
        });
    }
    all
}

impl Latencies {
    /// Prints the median, 99 % if there are enough for it, and the longest of what was sent from `from` to `to`.
    pub(crate) fn show(&self, what: &str, from: Instant, to: Instant) {
        for (is_stored, way) in [(true, "by the disk"), (false, "past the disk")] {
            let inside =
                |came: &&Came| came.is_stored == is_stored && came.sent >= from && came.sent <= to;
            let mut took: Vec<Duration> =
                self.0.iter().filter(inside).map(|came| came.took).collect();
            took.sort();
            let Some(longest) = took.last() else {
                println!("{what}, {way}: no push was sent");
                continue;
            };
            let at = |percent: usize| took[(took.len() * percent / 100).min(took.len() - 1)];
            let p99 = match took.len() {
                ..P99_MIN => "too few for a p99".to_owned(),
                _ => format!("p99 {:.2?}", at(99)),
            };
            println!(
                "{what}, {way}: {} pushes, p50 {:.2?}, {p99}, longest {longest:.2?}",
                took.len(),
                at(50)
            );
        }
    }
}
