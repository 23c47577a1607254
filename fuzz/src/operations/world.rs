//! Shards, the rows below them, the links of devices above them, and what is on its way between.
//!
//! Checked: the invariants of each shard after each step; a frame goes to a link that is open, can
//! be written, and a push goes to the owner of its CID in rising order; who may not come in, or may
//! no longer stay, has no link; ids of messages rise over all commits; at the end every shard comes
//! to rest, the rows agree and the stages add up. Answers: see `answers`.

use std::collections::VecDeque;

use bytes::BytesMut;
use protocol::{
    ClientId, Decoder, DeviceSecret, Frame, Hello, Identity as Who, InstallId, MessageId, Peer,
    Platform, Welcome,
};
use server_core::apply::{Ids, apply};
use server_core::clock::{DAY_MS, Now};
use server_core::command::Command;
use server_core::effect::Effect;
use server_core::event::ShardEvent;
use server_core::ids::{AppNo, SessionId, ShardNo, Ticket};
use server_core::op::{Committed, Done, Op, Submitted};
use server_core::placement::Slot;
use server_core::read::{self, Read, ReadDone};
use server_core::recovery;
use server_core::rows::MemoryRows;
use server_core::shard::{Identity, Settings, Shard};
use server_core::wheel::TICK_MS;

use super::answers::Questions;
use super::apps::Apps;
use super::groups::Groups;
use super::{rows, sums};
use crate::planted;

const START_MS: u64 = 20_000 * DAY_MS + DAY_MS / 2;
/// Links a script may have at one time; an older one is gone when it opens more.
const LINKS_MAX: usize = 8;
/// Devices of a script: few, so that they meet.
const INSTALLS: u8 = 5;
/// Rounds after which everything that has an end must have come to it.
const ROUNDS_MAX: usize = 100;

pub(super) struct World {
    shards: Vec<Shard>,
    pub(super) now: Now,
    pub(super) apps: Apps,
    pub(super) groups: Groups,
    pub(super) questions: Questions,
    how: How,
    rows: MemoryRows,
    /// What a crash leaves when nothing behind the last sync survives, if that is not all.
    synced: Option<MemoryRows>,
    ids: Ids,
    commits: VecDeque<Submitted>,
    reads: VecDeque<(ShardNo, Read)>,
    committed: VecDeque<(ShardNo, Committed)>,
    read_done: VecDeque<(ShardNo, ReadDone)>,
    links: Vec<Link>,
    made: u64,
    devices: Vec<Device>,
    last_id: MessageId,
    /// The latest that the clock ever showed.
    latest_ms: u64,
    /// Messages that had no row, so that a crash forgets them.
    without_row: u64,
    forgotten_max: u64,
}

/// How devices and third parties speak from here on.
#[derive(Default)]
struct How {
    /// The app of new devices.
    app: u8,
    /// How hellos are signed.
    sign: u8,
    /// Whether that app is named for every device, whichever it belongs to.
    is_foreign: bool,
}

/// A device that was welcomed once.
struct Device {
    cid: ClientId,
    secret: DeviceSecret,
    app_id: String,
    app: AppNo,
    /// That of its last login.
    generation: u64,
}

pub(super) struct Link {
    at: usize,
    session: SessionId,
    decoder: Decoder,
    /// Its first hello.
    hello: Option<Hello>,
    cid: Option<ClientId>,
    pub(super) generation: Option<u64>,
    pub(super) came: Vec<MessageId>,
}

impl World {
    pub(super) fn new(shards: u16) -> World {
        let rows = MemoryRows::default();
        let mut world = World {
            shards: Vec::new(),
            now: Now {
                wall_ms: START_MS,
                mono_ms: 0,
            },
            apps: Apps::default(),
            groups: Groups::default(),
            questions: Questions::default(),
            how: How::default(),
            ids: Ids::recover(&rows).expect("memory reads"),
            synced: None,
            rows,
            commits: VecDeque::new(),
            reads: VecDeque::new(),
            committed: VecDeque::new(),
            read_done: VecDeque::new(),
            links: Vec::new(),
            made: 0,
            devices: Vec::new(),
            last_id: MessageId::NONE,
            latest_ms: START_MS,
            without_row: 0,
            forgotten_max: 0,
        };
        let app = world.apps.create().expect("there is none yet");
        world.commit_batch(&[Submitted {
            shard: ShardNo(0),
            op: Op::CreateApp { ticket: None, app },
        }]);
        world.committed.clear();
        world.boot(shards);
        world
    }

    fn boot(&mut self, shards: u16) {
        self.ids = Ids::recover(&self.rows).expect("memory reads");
        let owners = recovery::devices(&self.rows, shards).expect("memory reads");
        self.commit_batch(&[Submitted {
            shard: ShardNo(0),
            op: Op::Boot {
                registered_by_ms: recovery::registered_by_ms(&owners),
            },
        }]);
        let Some((_, Committed::Done(Done::Booted { epoch }))) = self.committed.pop_back() else {
            panic!("a boot is answered with an epoch");
        };
        self.committed.clear();
        self.now.mono_ms = 0;
        let apps = recovery::apps(&self.rows).expect("memory reads");
        self.apps.boot(shards, &self.rows);
        self.groups.boot(shards);
        let groups = recovery::groups(&self.rows, self.now.wall_ms).expect("memory reads");
        self.shards = (0..shards)
            .zip(owners)
            .map(|(me, devices)| {
                let identity = Identity {
                    me: ShardNo(me),
                    shards,
                    epoch,
                    seed: [me as u8; 32],
                };
                let settings = Settings::default();
                Shard::new(identity, settings, apps.clone(), devices, self.now)
                    .with_groups(groups.clone())
            })
            .collect();
    }

    fn commit_batch(&mut self, batch: &[Submitted]) {
        let shards = self.shards.len().max(1) as u16;
        let applied = apply(batch, self.now.wall_ms, shards, &mut self.ids, &self.rows)
            .expect("memory reads");
        if applied.must_last {
            self.synced = None;
        } else {
            self.synced.get_or_insert_with(|| self.rows.clone());
        }
        self.rows.commit(applied.writes);
        for (_, event) in &applied.events {
            for (id, kept) in self.groups.committed(event) {
                assert!(id > self.last_id, "ids rise");
                self.last_id = id;
                self.without_row += u64::from(!kept);
            }
            self.apps.committed(event);
        }
        let events = applied.events.iter().map(|(_, event)| event);
        self.questions.committed(batch, events, self.now.wall_ms);
        self.committed.extend(applied.events);
    }

    fn feed(&mut self, at: usize, event: ShardEvent) {
        let mut effects = Vec::new();
        self.latest_ms = self.latest_ms.max(self.now.wall_ms);
        self.shards[at].on_event(self.now, event, &mut effects);
        for effect in effects {
            self.perform(at, effect);
        }
    }

    fn perform(&mut self, at: usize, effect: Effect) {
        let shard = ShardNo(at as u16);
        match effect {
            Effect::Commit(op) => self.commits.push_back(Submitted { shard, op }),
            Effect::Read(read) => self.reads.push_back((shard, read)),
            Effect::Send(session, frame) => self.sent(at, session, &frame),
            Effect::Close(session, close) => {
                assert_eq!(Frame::Close(close).check(), Ok(()));
                let link = self.link_of(at, session);
                self.links.remove(link);
            }
            Effect::HandOff { session, to, hello } => {
                let link = self.link_of(at, session);
                let session = self.next_session();
                self.links[link].at = usize::from(to.0);
                self.links[link].session = session;
                self.feed(usize::from(to.0), ShardEvent::Adopted(session, hello));
            }
            Effect::Answer(ticket, answer) => self.answered(at, ticket, &answer),
            Effect::App(app) => self.apps.tell(at, app, false),
            Effect::AppGone(app) => self.apps.tell(at, app, true),
        }
    }

    fn sent(&mut self, at: usize, session: SessionId, frame: &Frame) {
        assert_eq!(frame.check(), Ok(()), "a frame of ours can be written");
        let link = self.link_of(at, session);
        match frame {
            Frame::Welcome(welcome) => self.welcomed(at, link, welcome),
            Frame::Push(push) => {
                let link = &mut self.links[link];
                let cid = link.cid.expect("a push comes after the welcome");
                let owner = Slot::of_cid(cid).shard(self.shards.len() as u16);
                assert_eq!(owner, ShardNo(at as u16), "its owner sends it");
                assert!(link.came.last() < Some(&push.id), "in rising order");
                link.came.push(push.id);
                self.groups.sent(at, push.id, cid, self.latest_ms);
                planted::at("operations", &push.body);
            }
            _ => {}
        }
    }

    fn welcomed(&mut self, at: usize, link: usize, welcome: &Welcome) {
        let link = &mut self.links[link];
        assert_eq!(link.cid.replace(welcome.cid), None, "one welcome");
        link.generation = Some(welcome.generation);
        let hello = link.hello.as_ref().expect("a hello comes first");
        let app = self.apps.known(at, &hello.app_id);
        let app = app.expect("nobody comes in to an app that is gone");
        assert!(!app.disabled, "nobody comes in to a disabled app");
        let app = AppNo(app.number);
        let mut devices = self.devices.iter_mut();
        if let Some(known) = devices.find(|known| known.cid == welcome.cid) {
            assert!(known.generation < welcome.generation, "the newer is higher");
            known.generation = welcome.generation;
            assert!(known.secret == hello.secret, "by its own secret");
            assert_eq!(known.app, app, "by its own app");
        } else {
            self.devices.push(Device {
                cid: welcome.cid,
                secret: hello.secret.clone(),
                app_id: hello.app_id.clone(),
                app,
                generation: welcome.generation,
            });
        }
    }

    /// The link that was welcomed as this device and is open.
    pub(super) fn live_link(&self, cid: ClientId) -> Option<&Link> {
        self.links.iter().find(|link| link.cid == Some(cid))
    }

    fn link_of(&self, at: usize, session: SessionId) -> usize {
        let is_it = |link: &Link| link.at == at && link.session == session;
        self.links
            .iter()
            .position(is_it)
            .expect("a shard speaks to links that are open")
    }

    fn next_session(&mut self) -> SessionId {
        self.made += 1;
        SessionId(self.made)
    }

    fn pick(&self, number: u8) -> Option<usize> {
        (!self.links.is_empty()).then(|| usize::from(number) % self.links.len())
    }

    pub(super) fn open(&mut self, at: u8) {
        if self.links.len() == LINKS_MAX {
            self.gone(0);
        }
        let at = usize::from(at) % self.shards.len();
        let session = self.next_session();
        self.links.push(Link {
            at,
            session,
            decoder: Decoder::new(Peer::Device),
            hello: None,
            cid: None,
            generation: None,
            came: Vec::new(),
        });
        self.feed(at, ShardEvent::Opened(session));
    }

    pub(super) fn gone(&mut self, link: u8) {
        if let Some(link) = self.pick(link) {
            let Link { at, session, .. } = self.links.remove(link);
            self.feed(at, ShardEvent::Closed(session));
        }
    }

    /// From here on: which app new devices have, how hellos are signed, and whether that app is
    /// named for devices of others too.
    pub(super) fn speak(&mut self, how: u8) {
        self.how = How {
            app: how % 4,
            sign: how / 4 % 4,
            is_foreign: how & 16 == 16,
        };
    }

    pub(super) fn register(&mut self, link: u8, install: u8) {
        let install = install % INSTALLS;
        let identity = Who::Register(InstallId::from_bytes([install; 16]));
        let secret = DeviceSecret::from_bytes([install; 32]);
        let app_id = self.apps.id(self.how.app);
        self.greet(link, app_id, identity, secret, MessageId::NONE);
    }

    pub(super) fn log_in(&mut self, link: u8, device: u8, resume: bool) {
        let at = usize::from(device) % self.devices.len().max(1);
        let Some(device) = self.devices.get(at) else {
            return;
        };
        let resume = if resume {
            self.last_id
        } else {
            MessageId::NONE
        };
        let app_id = if self.how.is_foreign {
            self.apps.id(self.how.app)
        } else {
            device.app_id.clone()
        };
        let secret = device.secret.clone();
        self.greet(link, app_id, Who::Login(device.cid), secret, resume);
    }

    fn greet(
        &mut self,
        link: u8,
        app_id: String,
        identity: Who,
        secret: DeviceSecret,
        resume: MessageId,
    ) {
        let mut hello = Hello {
            minor: 0,
            app_id,
            identity,
            secret,
            sign: None,
            resume,
            heartbeat_s: 10,
            platform: Platform::Android,
            sdk_version: String::new(),
        };
        hello.sign = self.apps.sign(&hello, self.how.sign);
        self.frame(link, Frame::Hello(hello));
    }

    /// A frame as the device writes it.
    pub(super) fn frame(&mut self, link: u8, frame: Frame) {
        if frame.check().is_ok() {
            let mut bytes = BytesMut::new();
            frame.encode(&mut bytes);
            self.bytes(link, &bytes);
        }
    }

    /// Bytes of a device, which may be anything. Frames that come with a hello go where it goes.
    pub(super) fn bytes(&mut self, link: u8, bytes: &[u8]) {
        let Some(link) = self.pick(link) else { return };
        let made = self.links[link].session;
        self.links[link].decoder.push(bytes);
        let mut session = made;
        while let Some(link) = self.links.iter_mut().find(|link| link.session == session) {
            let at = link.at;
            match link.decoder.next_frame() {
                Ok(Some(frame)) => {
                    let mut may = true;
                    if let Frame::Hello(hello) = &frame {
                        may = self.apps.may(at, hello, self.now.wall_ms);
                        link.hello.get_or_insert_with(|| hello.clone());
                    }
                    let place = self.links.iter().position(|link| link.session == session);
                    let open = self.links.len();
                    self.feed(at, ShardEvent::Frame(session, frame));
                    assert!(may || self.links.len() < open, "refused: closed");
                    // A hand-off gives it another session, at the same place among the links.
                    if let Some(link) = place.and_then(|place| self.links.get(place))
                        && link.session.0 > session.0
                        && link.at != at
                    {
                        session = link.session;
                    }
                }
                Ok(None) => break,
                Err(error) => {
                    self.feed(at, ShardEvent::Malformed(session, error));
                    break;
                }
            }
        }
    }

    /// The last pushes that came on a link.
    pub(super) fn came(&self, link: u8, count: usize) -> Vec<MessageId> {
        let came = self.pick(link).map_or(&[][..], |at| &self.links[at].came);
        came[came.len().saturating_sub(count)..].to_vec()
    }

    pub(super) fn device(&self, number: u8) -> Option<ClientId> {
        let at = usize::from(number) % self.devices.len().max(1);
        self.devices.get(at).map(|device| device.cid)
    }

    /// The app that a device belongs to, whether it still exists or not.
    pub(super) fn app_of(&self, cid: ClientId) -> Option<AppNo> {
        let known = self.devices.iter().find(|device| device.cid == cid);
        known.map(|device| device.app)
    }

    /// The app that asks for a device.
    pub(super) fn asker(&self, cid: ClientId) -> AppNo {
        let own = self.app_of(cid).expect("a device that was welcomed");
        let named = self.apps.known(0, &self.apps.id(self.how.app));
        match named {
            Some(app) if self.how.is_foreign => AppNo(app.number),
            _ => own,
        }
    }

    pub(super) fn owner(&self, cid: ClientId) -> usize {
        usize::from(Slot::of_cid(cid).shard(self.shards.len() as u16).0)
    }

    pub(super) fn wall_ms(&self) -> u64 {
        self.now.wall_ms
    }

    /// 0 is one that nobody used.
    pub(super) fn request_id(&mut self, number: u8) -> Box<str> {
        self.made += 1;
        match number % 8 {
            0 => format!("request-{}", self.made).into(),
            same => format!("same-request-{same}").into(),
        }
    }

    pub(super) fn task_id(&mut self) -> Box<str> {
        self.made += 1;
        format!("task-{}", self.made).into()
    }

    pub(super) fn ask(&mut self, at: usize, command: Command) {
        self.made += 1;
        let ticket = Ticket(self.made);
        self.questions
            .asked(ticket, command.clone(), self.now.wall_ms);
        self.feed(at, ShardEvent::Command(ticket, command));
    }

    /// The first ops become durable as one batch; 0: all.
    pub(super) fn commit(&mut self, count: usize) {
        let count = if count == 0 { usize::MAX } else { count };
        let count = count.min(self.commits.len());
        let batch: Vec<Submitted> = self.commits.drain(..count).collect();
        if !batch.is_empty() {
            self.commit_batch(&batch);
        }
    }

    /// The shards hear what became durable and what was read.
    pub(super) fn deliver(&mut self) {
        while let Some((shard, event)) = self.committed.pop_front() {
            let at = usize::from(shard.0);
            self.apps.heard(at, &event);
            self.groups.heard(at, &event);
            let ends = match &event {
                Committed::AppGone(app) => Some(app.number),
                Committed::App(app) if app.disabled => Some(app.number),
                _ => None,
            };
            self.feed(at, ShardEvent::Committed(event));
            if let Some(number) = ends {
                let mut here = self.links.iter().filter(|link| link.at == at);
                let of_it = |cid| self.app_of(cid) == Some(AppNo(number));
                assert!(!here.any(|link| link.cid.is_some_and(of_it)), "all closed");
            }
        }
        while let Some((shard, done)) = self.read_done.pop_front() {
            self.feed(usize::from(shard.0), ShardEvent::Read(done));
        }
    }

    /// The first reads are made; 0: all.
    pub(super) fn read(&mut self, count: usize) {
        let count = if count == 0 { usize::MAX } else { count };
        for _ in 0..count.min(self.reads.len()) {
            if let Some((shard, read)) = self.reads.pop_front() {
                let done = read::perform(read, &self.rows);
                self.read_done.push_back((shard, done));
            }
        }
    }

    /// Time passes, tick by tick.
    pub(super) fn pass(&mut self, span_ms: u64) {
        for _ in 0..=span_ms / TICK_MS {
            self.now.mono_ms += TICK_MS;
            self.now.wall_ms += TICK_MS;
            self.feed_all(&ShardEvent::Tick);
        }
    }

    pub(super) fn step_clock(&mut self, step_ms: i64) {
        self.now.wall_ms = self.now.wall_ms.saturating_add_signed(step_ms);
    }

    pub(super) fn feed_all(&mut self, event: &ShardEvent) {
        for at in 0..self.shards.len() {
            self.feed(at, event.clone());
        }
    }

    /// Everything but the rows is gone.
    pub(super) fn crash(&mut self, synced_only: bool, shards: u16) {
        if let Some(synced) = self.synced.take().filter(|_| synced_only) {
            self.rows = synced;
        }
        self.forgotten_max = self.without_row;
        self.links.clear();
        self.questions.crash();
        self.commits.clear();
        self.reads.clear();
        self.committed.clear();
        self.read_done.clear();
        self.boot(shards);
    }

    pub(super) fn check(&self) {
        for shard in &self.shards {
            shard.check_invariants();
        }
    }

    /// Ends everything in order.
    pub(super) fn settle(&mut self) {
        self.feed_all(&ShardEvent::Finish);
        for _ in 0..ROUNDS_MAX {
            if self.shards.iter().all(Shard::is_at_rest) {
                break;
            }
            self.work();
        }
        assert!(self.shards.iter().all(Shard::is_at_rest), "never at rest");
        self.check();
        self.questions.check_all_answered();
        assert!(self.links.is_empty(), "every link was closed");
        for _ in 0..ROUNDS_MAX {
            if !rows::has_orphans(&self.rows) {
                break;
            }
            self.work();
        }
        assert!(!rows::has_orphans(&self.rows), "a device of no app");
        rows::check(&self.rows);
        sums::check(&self.rows, self.forgotten_max);
    }

    fn work(&mut self) {
        self.commit(0);
        self.read(0);
        self.deliver();
        self.pass(1_000);
    }
}
