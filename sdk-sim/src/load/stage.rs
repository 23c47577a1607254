//! Where a scenario plays: the server it was pointed at, the meter, and the devices that are
//! connected at the moment.
//!
//! Owner: the run. Always: whatever ends a scenario, [`Stage::clear`] ends all devices in order.

use std::cell::RefCell;
use std::num::NonZeroU32;
use std::ops::Range;
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::args::{Load, Scenario};
use super::books::Answers;
use super::crew::Crew;
use super::fault::Fault;
use super::meter::Meter;
use super::payload::{CID_TEXT_LEN, Mark};
use super::pusher::{Order, Pusher};
use super::schedule::{Pace, Schedule};
use super::snapshot::Probe;
use super::wire::WireSample;
use crate::bootstrap::Bootstrap;
use crate::fleet::Fleet;
use crate::third_party::{Credentials, ThirdParty};
use crate::transport::Tls;

/// How long nothing at all may happen before the rest counts as not coming.
pub(super) const QUIET_WAIT: Duration = Duration::from_secs(30);

/// Time between two looks at whether something is over.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// How long the server is left alone before a phase is measured, so that its share of the phase
/// before is over: tickets, cursors (500 ms), counters (1 s).
const SETTLE_WAIT: Duration = Duration::from_millis(1_500);

/// How long devices may take to end in order: the time a connection waits for its peer, and as much
/// again for a busy machine.
const END_WAIT: Duration = Duration::from_secs(10);

/// One in this many devices travels, at least one of them.
const TRAVELLERS_ONE_IN: usize = 10;

/// Between the order to start and the first push, so that both threads are awake.
const LEAD: Duration = Duration::from_millis(50);

pub(super) struct Stage {
    pub(super) args: Load,
    pub(super) tls: Tls,
    pub(super) meter: Rc<Meter>,
    pub(super) probe: Probe,
    bootstrap: Bootstrap,
    mark: Mark,
    fleets: RefCell<Vec<Weak<Fleet>>>,
}

/// Devices that were started together.
pub(super) struct Round {
    fleet: Rc<Fleet>,
    tasks: Vec<JoinHandle<()>>,
}

impl Stage {
    pub(super) fn new(args: &Load, bootstrap: Bootstrap) -> Result<Self, Fault> {
        let mark = Mark::random()?;
        let devices = args.devices as usize;
        let nothing = Schedule {
            start: Instant::now(),
            pace: Pace::AtOnce,
            total: 0,
        };
        let travellers = match args.scenario {
            Scenario::Mixed => (devices / TRAVELLERS_ONE_IN).max(1),
            _ => 0,
        };
        Ok(Self {
            args: args.clone(),
            tls: Tls::trusting(&bootstrap.ca_cert)?,
            meter: Rc::new(Meter::new(mark, devices, devices - travellers, nothing)),
            probe: Probe::new(bootstrap.pid),
            mark,
            bootstrap,
            fleets: RefCell::new(Vec::new()),
        })
    }

    /// Devices that the server has never seen.
    pub(super) fn crew(&self) -> Result<Crew, Fault> {
        let count = self.args.devices as usize;
        let app_id = &self.bootstrap.app.appid;
        Crew::new(app_id, count, self.args.heartbeat, &self.tls).map_err(Fault::io("random bytes"))
    }

    /// The server runs here, so both ends of every connection are this kernel's.
    pub(super) fn is_local(&self) -> bool {
        self.probe.server_unknown().is_none()
    }

    /// Connects a part of the crew and waits until all of it is logged in.
    pub(super) async fn log_in(&self, crew: &Crew, part: Range<usize>) -> Result<Round, Fault> {
        self.log_in_over(Duration::ZERO, crew, part).await
    }

    /// The same, one after the other over so long.
    pub(super) async fn log_in_over(
        &self,
        ramp: Duration,
        crew: &Crew,
        part: Range<usize>,
    ) -> Result<Round, Fault> {
        let fleet = Fleet::new(&self.bootstrap.device, self.meter.clone());
        self.fleets
            .borrow_mut()
            .retain(|fleet| fleet.strong_count() > 0);
        self.fleets.borrow_mut().push(Rc::downgrade(&fleet));
        let asked = part.len();
        let mut tasks = Vec::with_capacity(asked);
        let begun = self.meter.logins(|logins| logins.count);
        self.meter.touch();
        {
            let starting = async {
                let since = Instant::now();
                for (place, index) in part.enumerate() {
                    let due = since + ramp.mul_f64(place as f64 / asked as f64);
                    self.wait_until(due).await;
                    self.meter.start(index).await;
                    tasks.push(fleet.start(crew.device(index, &self.meter)));
                }
                fleet.ready(asked).await
            };
            tokio::select! {
                _ = starting => {}
                () = fleet.stopped() => {}
                () = self.quiet() => {
                    let online = self.meter.logins(|logins| logins.count) - begun;
                    let quiet_s = QUIET_WAIT.as_secs();
                    return Err(Fault::NoLogins { online, asked, quiet_s });
                }
            }
        }
        match fleet.failure() {
            Some(why) => Err(Fault::Fleet(why)),
            None => Ok(Round { fleet, tasks }),
        }
    }

    /// Waits on purpose: that nothing happens meanwhile is no sign.
    async fn wait_until(&self, due: Instant) {
        while let Some(left) = due.checked_duration_since(Instant::now()) {
            sleep(left.min(QUIET_WAIT / 2)).await;
            self.meter.touch();
        }
    }

    /// Ends when nothing has happened for [`QUIET_WAIT`].
    async fn quiet(&self) {
        while let Some(left) = QUIET_WAIT.checked_sub(self.meter.quiet_for()) {
            sleep(left).await;
        }
    }

    /// Leaves the server alone for a moment.
    pub(super) async fn settle(&self) {
        sleep(SETTLE_WAIT).await;
    }

    /// A pusher with open connections, for all devices in turn.
    pub(super) async fn pusher(&self) -> Result<Pusher, Fault> {
        let targets = self.meter.cids();
        let target = |cid: protocol::ClientId| {
            let text = cid.to_string();
            let text: [u8; CID_TEXT_LEN] = text.as_bytes().try_into().expect("32 hex digits");
            text
        };
        let connections = u64::from(self.args.connections).min(self.args.single_pushes());
        Pusher::open(Order {
            url: self.bootstrap.http.clone(),
            credentials: Credentials::from(&self.bootstrap),
            mark: self.mark,
            payload_len: self.args.size as usize,
            batch: self.args.batch,
            connections: usize::try_from(connections).unwrap_or(usize::MAX),
            targets: targets.into_iter().map(target).collect(),
        })
        .await
    }

    /// A third party for pushes to the whole app, with its token.
    pub(super) async fn third_party(&self) -> Result<ThirdParty, Fault> {
        let credentials = Credentials::from(&self.bootstrap);
        let third_party = ThirdParty::new(&self.bootstrap.http, credentials, 1)?;
        third_party.token().await?;
        Ok(third_party)
    }

    /// The text of a push of this run.
    pub(super) fn text(&self, number: u64) -> String {
        self.mark.text(number, self.args.size as usize)
    }

    /// The schedule of this run's pushes; both sides count from its start, a moment from now.
    pub(super) fn schedule(&self) -> Schedule {
        Schedule {
            start: Instant::now() + LEAD,
            pace: self.args.pace(),
            total: self.args.pushes(),
        }
    }

    /// Waits until every accepted push is received, and as many acked, or nothing comes any more.
    pub(super) async fn drained(&self, answers: &Answers) {
        self.meter.touch();
        let whole = || {
            let all = self
                .meter
                .received(|received| received.receipts.has_all(answers));
            all && self.meter.acked() >= answers.accepted()
        };
        while !whole() && self.meter.quiet_for() < QUIET_WAIT {
            sleep(LOOK_EVERY).await;
        }
    }

    /// Counts the bytes the kernel has received for our devices; why, if it does not tell.
    pub(super) fn wire(&self) -> Result<WireSample, String> {
        let port = self.bootstrap.device.rsplit_once(':');
        let port = port.and_then(|(_, port)| port.parse().ok());
        let port = port.ok_or_else(|| format!("no port in {:?}", self.bootstrap.device))?;
        WireSample::take(port).map_err(|error| error.to_string())
    }

    /// Ends whatever devices are left.
    pub(super) async fn clear(&self) {
        let fleets = self.fleets.take();
        for fleet in &fleets {
            if let Some(fleet) = fleet.upgrade() {
                fleet.stop();
            }
        }
        let since = Instant::now();
        let open = || fleets.iter().any(|fleet| fleet.strong_count() > 0);
        while open() && since.elapsed() < END_WAIT {
            sleep(LOOK_EVERY).await;
        }
    }

    /// The rate, if this scenario has one.
    pub(super) fn rate(&self) -> Option<NonZeroU32> {
        match self.args.pace() {
            Pace::PerSecond(rate) => Some(rate),
            Pace::AtOnce => None,
        }
    }
}

impl Round {
    /// Ends all of them in order.
    pub(super) async fn end(self) {
        self.fleet.stop();
        for task in self.tasks {
            // A task that panicked has said so on stderr.
            let _ = task.await;
        }
    }
}
