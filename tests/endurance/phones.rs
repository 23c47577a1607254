//! Devices that the test plays itself: they set tags and aliases, tell what was shown and write to
//! the third party; and newcomers, who register, log in and go again.
//!
//! Always: one command is under way at a time, so that after a crash a device is as it was last
//! answered or as it last asked; each push comes once and in order of its id.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use protocol::wire::{ACTION_SHOWN, OP_QUERY_TAGS};
use schema::push::{Content, PushMessage};
use sdk_sim::blocking_device::BlockingDevice;
use sdk_sim::bootstrap::Bootstrap;
use sdk_sim::client::{
    Client, ClientId, CloseReason, CommandError, Config, DeviceSecret, EndReason, Event, InstallId,
    MessageId, ResultCode, Upstream, UpstreamId, UpstreamStatus,
};
use sdk_sim::transport::Tls;

use super::books::Books;
use super::harness::PATIENCE;
use super::shift::Orders;

/// How long one look for an event lasts.
const LOOK: Duration = Duration::from_millis(10);

/// Messages to the third party that one phone has under way.
const UPSTREAMS_UNDER_WAY: usize = 8;

/// Newcomers, who come again in turn.
const NEWCOMERS: usize = 50;

/// Quiet after which a newcomer takes its backlog for read.
const QUIET: Duration = Duration::from_millis(50);

/// See the module page.
pub(crate) struct Phone {
    device: BlockingDevice,
    cid: ClientId,
    newest: MessageId,
    /// Messages to the third party that have not ended.
    under_way: usize,
    next_upstream: u64,
    /// Notifications told as shown, by message: the task.
    told: BTreeMap<MessageId, String>,
}

/// A device with the install of this number.
fn device(
    bootstrap: &Bootstrap,
    number: usize,
    change: impl FnOnce(&mut Config),
) -> BlockingDevice {
    let mut bytes = [0x5a; 16];
    bytes[..8].copy_from_slice(&(number as u64).to_be_bytes());
    let mut config = Config::new(
        &bootstrap.app.appid,
        InstallId::from_bytes(bytes),
        DeviceSecret::from_bytes([bytes, bytes].concat().try_into().expect("32 bytes")),
        number as u64,
    );
    // A server that comes back is found soon, whatever the fault lasted.
    config.backoff.cap_ms = 2_000;
    change(&mut config);
    let tls = Tls::trusting(&bootstrap.ca_cert).expect("the server's certificate");
    BlockingDevice::connect(config, &bootstrap.device, tls.for_device())
}

/// Fails unless a device that met a server in trouble may be told this.
fn assert_may_end(reason: &EndReason) {
    let is_of_a_fault = match reason {
        EndReason::Transport(_)
        | EndReason::Silent
        | EndReason::NoWelcome { .. }
        | EndReason::GoAway
        | EndReason::Own => true,
        EndReason::Closed { reason, .. } => is_of_trouble(*reason),
        _ => false,
    };
    assert!(is_of_a_fault, "a device was told {reason}");
}

/// A server that was frozen finds that its devices were silent, or sees a new login first; one that
/// has no room or cannot write says so.
fn is_of_trouble(reason: CloseReason) -> bool {
    matches!(
        reason,
        CloseReason::HeartbeatTimeout
            | CloseReason::HelloTimeout
            | CloseReason::Replaced
            | CloseReason::Overloaded
            | CloseReason::Draining
    )
}

impl Phone {
    /// Registers; `number` is no newcomer's.
    pub(crate) fn start(bootstrap: &Bootstrap, number: usize) -> Phone {
        let mut device = device(bootstrap, NEWCOMERS + number, |_| {});
        let begun = Instant::now();
        let cid = loop {
            assert!(begun.elapsed() < PATIENCE, "no login");
            if let Some(Event::Online { cid, .. }) = device.next_event(LOOK) {
                break cid;
            }
        };
        Phone {
            device,
            cid,
            newest: MessageId(0),
            under_way: 0,
            next_upstream: 1,
            told: BTreeMap::new(),
        }
    }

    /// Its CID.
    pub(crate) fn cid(&self) -> String {
        self.cid.to_string()
    }

    /// Works until it is told to go home, and then until its messages have ended and it has what it
    /// is owed.
    pub(crate) fn live(mut self, books: &Books, orders: &Orders) {
        let mut turn = 0;
        let mut tag = None;
        while orders.next_turn(|span| self.look(books, span)) {
            turn += 1;
            self.write_to_third_party(books);
            let wanted = format!("own{turn}");
            self.set_tag(books, &wanted, tag.as_deref());
            tag = Some(wanted);
            let alias = format!("own{}x{turn}", self.next_upstream);
            let alias = format!("{}{alias}", &self.cid()[..8]);
            while self
                .command(books, |client| client.bind_alias("", &alias))
                .is_none()
            {}
            books.open().aliases.insert(self.cid(), alias);
            books.count("aliases by devices");
        }
        let begun = Instant::now();
        while !orders.are_others_home()
            || self.under_way > 0
            || !self.told.is_empty()
            || books.owes(&self.cid())
        {
            assert!(
                begun.elapsed() < PATIENCE,
                "{} messages without an end, {} reports; owed more: {}",
                self.under_way,
                self.told.len(),
                books.owes(&self.cid())
            );
            self.look(books, LOOK);
        }
        self.device.close();
    }

    /// Sets one tag. Where the answer was lost, the device has this tag or `before`.
    fn set_tag(&mut self, books: &Books, tag: &str, before: Option<&str>) {
        while self
            .command(books, |client| client.set_tags(&[tag]))
            .is_none()
        {
            let Some(detail) = self.command(books, Client::query_tags) else {
                continue;
            };
            let result = protocol::CommandResult {
                serial: 0,
                op: OP_QUERY_TAGS,
                code: ResultCode::Ok,
                detail,
            };
            let tags = result.tags().expect("tags");
            let is_known = tags == [tag] || before.map_or(tags.is_empty(), |it| tags == [it]);
            assert!(is_known, "{tags:?}, neither {before:?} nor {tag}");
        }
        books.open().tags.insert(self.cid(), tag.to_owned());
        books.count("tags by devices");
    }

    /// Asks once, when there is a session; the detail of the answer, or `None` if the answer was lost.
    fn command(
        &mut self,
        books: &Books,
        mut ask: impl FnMut(&mut Client) -> Result<u32, CommandError>,
    ) -> Option<bytes::Bytes> {
        let begun = Instant::now();
        let mut asked = None;
        while begun.elapsed() < PATIENCE {
            if asked.is_none() {
                asked = ask(self.device.client()).ok();
            }
            match self.next(books, LOOK) {
                Some(Event::CommandResult {
                    serial,
                    code,
                    detail,
                }) if Some(serial) == asked => match code {
                    ResultCode::Ok => return Some(detail),
                    ResultCode::Busy => asked = None,
                    other => panic!("a device was answered {other:?}"),
                },
                Some(Event::CommandLost { serial }) if Some(serial) == asked => return None,
                _ => {}
            }
        }
        panic!("waited {PATIENCE:?} for the answer to a command");
    }

    fn write_to_third_party(&mut self, books: &Books) {
        if self.under_way >= UPSTREAMS_UNDER_WAY {
            self.look(books, LOOK);
            return;
        }
        let message = Upstream {
            id: UpstreamId(self.next_upstream),
            task_id: "order".to_owned(),
            body: bytes::Bytes::from(format!("message {}", self.next_upstream)),
        };
        let now_ms = self.device.now_ms();
        let client = self.device.client();
        client.send_upstream(now_ms, message).expect("room");
        self.next_upstream += 1;
        self.under_way += 1;
    }

    /// Takes what comes for this long.
    fn look(&mut self, books: &Books, span: Duration) {
        let begun = Instant::now();
        while let Some(left) = span.checked_sub(begun.elapsed()) {
            if self.next(books, left).is_none() {
                break;
            }
        }
    }

    /// The next event, written down.
    fn next(&mut self, books: &Books, wait: Duration) -> Option<Event> {
        let event = self.device.next_event(wait)?;
        match &event {
            Event::Push { id, body, .. } => self.take(books, *id, body),
            Event::Upstream { id, status } => self.hear_of(books, *id, *status),
            Event::Reported {
                message, verdict, ..
            } => {
                let task = self.told.remove(message).expect("it was told");
                assert!(verdict.is_ok(), "a report was answered {verdict:?}");
                books.open().shown.insert((task, self.cid()));
                books.count("reports");
            }
            Event::Online {
                cid, registered, ..
            } => {
                assert_eq!((*cid, *registered), (self.cid, false), "the same device");
                books.count("logins");
            }
            Event::Offline { reason } | Event::Refused { reason } => assert_may_end(reason),
            _ => {}
        }
        Some(event)
    }

    fn take(&mut self, books: &Books, id: MessageId, body: &[u8]) {
        assert!(self.newest < id, "{id} came after {}", self.newest);
        self.newest = id;
        let message = PushMessage::decode(body).expect("a body");
        let is_new = books
            .open()
            .came
            .insert((message.task_id.clone(), self.cid()));
        assert!(is_new, "{} came a second time", message.task_id);
        self.device.client().handled(id);
        if matches!(message.content, Content::Notification(_)) {
            let now_ms = self.device.now_ms();
            let client = self.device.client();
            // A phone that could tell nothing for long has no room left: its app is told so.
            match client.report(now_ms, id, ACTION_SHOWN) {
                Ok(()) => {
                    self.told.insert(id, message.task_id);
                }
                Err(CommandError::TooMany { .. }) => books.count("reports without room"),
                Err(error) => panic!("a report was refused: {error}"),
            }
        }
    }

    fn hear_of(&mut self, books: &Books, id: UpstreamId, status: UpstreamStatus) {
        let stored = || books.open().upstreams.insert((self.cid(), id.to_string()));
        match status {
            UpstreamStatus::Stored => {
                stored();
            }
            UpstreamStatus::Delivered => {
                stored();
                self.under_way -= 1;
                books.count("messages to the third party");
            }
            UpstreamStatus::Busy => {}
            other => panic!("a message of a device came to {other:?}"),
        }
    }
}

/// Newcomers register, register again, log in, read what waits for them and are cut off.
pub(crate) fn newcomers(bootstrap: &Bootstrap, books: &Books, orders: &Orders) {
    let mut last_handled = BTreeMap::new();
    let mut turn = 0;
    while orders.next_turn(super::shift::idle) {
        turn += 1;
        // Each comes three times in a row: as new, as new again, and as who it is.
        let number = turn / 3 % NEWCOMERS;
        let known = books.open().registered.get(&number).copied();
        let logs_in = known.is_some() && turn % 3 == 2;
        let mut device = device(bootstrap, number, |config| {
            config.identity = known.filter(|_| logs_in);
            config.last_handled = last_handled.get(&number).copied().unwrap_or_default();
        });
        let (cid, registered) = arrive(&mut device);
        assert!(known.is_none_or(|known| known == cid), "another CID: {cid}");
        assert!(!(registered && logs_in), "{cid} was registered anew");
        books.open().registered.insert(number, cid);
        books.count(if logs_in { "logins" } else { "registrations" });
        while let Some(event) = device.next_event(QUIET) {
            if let Event::Push { id, .. } = event {
                device.client().handled(id);
                last_handled.insert(number, id);
            }
        }
    }
}

fn arrive(device: &mut BlockingDevice) -> (ClientId, bool) {
    let begun = Instant::now();
    loop {
        assert!(begun.elapsed() < PATIENCE, "no welcome for a newcomer");
        match device.next_event(LOOK) {
            Some(Event::Online {
                cid, registered, ..
            }) => return (cid, registered),
            Some(Event::Refused { reason }) => assert_may_end(&reason),
            _ => {}
        }
    }
}
