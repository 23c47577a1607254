//! Shards, the rows below them, the links of devices above them, and what is on its way between.
//!
//! Checked: the invariants of each shard after each step; a frame goes to a link that is open, can
//! be written, and a push goes to the owner of its CID in rising order; a ticket is answered once;
//! ids of messages rise over all commits; at the end every shard comes to rest and the stages add up.

use std::collections::{BTreeSet, VecDeque};

use bytes::BytesMut;
use protocol::{
    ClientId, Decoder, DeviceSecret, Frame, Hello, Identity as Who, InstallId, MessageId, Peer,
    Platform,
};
use schema::record::App;
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

use super::sums;
use crate::planted;

const START_MS: u64 = 20_000 * DAY_MS + DAY_MS / 2;
/// Links a script may have at one time; an older one is gone when it opens more.
const LINKS_MAX: usize = 8;
/// Devices of a script: few, so that they meet.
const INSTALLS: u8 = 5;
const APP_ID: &str = "demo";

pub(super) struct World {
    shards: Vec<Shard>,
    now: Now,
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
    tickets: BTreeSet<Ticket>,
    cids: Vec<(ClientId, u8)>,
    last_id: MessageId,
    /// Messages that had no row, so that a crash forgets them.
    without_row: u64,
    forgotten_max: u64,
}

struct Link {
    at: usize,
    session: SessionId,
    decoder: Decoder,
    install: u8,
    cid: Option<ClientId>,
    came: Vec<MessageId>,
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
            ids: Ids::recover(&rows).expect("memory reads"),
            synced: None,
            rows,
            commits: VecDeque::new(),
            reads: VecDeque::new(),
            committed: VecDeque::new(),
            read_done: VecDeque::new(),
            links: Vec::new(),
            made: 0,
            tickets: BTreeSet::new(),
            cids: Vec::new(),
            last_id: MessageId::NONE,
            without_row: 0,
            forgotten_max: 0,
        };
        let app = App {
            number: 0,
            app_id: APP_ID.into(),
            app_key: "key".into(),
            app_secret: "secret".into(),
            master_secret: "master".into(),
            name: APP_ID.into(),
            created_ms: 0,
            disabled: false,
            sign_required: false,
            previous: None,
            settings: Box::default(),
        };
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
        self.commit_batch(&[Submitted {
            shard: ShardNo(0),
            op: Op::Boot,
        }]);
        let Some((_, Committed::Done(Done::Booted { epoch }))) = self.committed.pop_back() else {
            panic!("a boot is answered with an epoch");
        };
        self.committed.clear();
        self.now.mono_ms = 0;
        let apps = recovery::apps(&self.rows).expect("memory reads");
        let owners = recovery::devices(&self.rows, shards).expect("memory reads");
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
            if let Committed::Stored { message, .. } = event {
                assert!(message.id > self.last_id, "ids rise");
                self.last_id = message.id;
                self.without_row += u64::from(!message.kept);
            }
        }
        self.committed.extend(applied.events);
    }

    fn feed(&mut self, at: usize, event: ShardEvent) {
        let mut effects = Vec::new();
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
            Effect::Answer(ticket, _) => {
                assert!(self.tickets.remove(&ticket), "a ticket is answered once");
            }
            Effect::App(_) => {}
            #[allow(unreachable_patterns, reason = "effects that no step of a script has")]
            _ => {}
        }
    }

    fn sent(&mut self, at: usize, session: SessionId, frame: &Frame) {
        assert_eq!(frame.check(), Ok(()), "a frame of ours can be written");
        let link = self.link_of(at, session);
        let link = &mut self.links[link];
        match frame {
            Frame::Welcome(welcome) => {
                assert_eq!(link.cid.replace(welcome.cid), None, "one welcome");
                let known = (welcome.cid, link.install);
                if !self.cids.contains(&known) {
                    self.cids.push(known);
                }
            }
            Frame::Push(push) => {
                let cid = link.cid.expect("a push comes after the welcome");
                let owner = Slot::of_cid(cid).shard(self.shards.len() as u16);
                assert_eq!(owner, ShardNo(at as u16), "its owner sends it");
                assert!(link.came.last() < Some(&push.id), "in rising order");
                link.came.push(push.id);
                planted::at("operations", &push.body);
            }
            _ => {}
        }
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
            install: 0,
            cid: None,
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

    pub(super) fn register(&mut self, link: u8, install: u8) {
        let install = install % INSTALLS;
        let identity = Who::Register(InstallId::from_bytes([install; 16]));
        self.greet(link, identity, install, MessageId::NONE);
    }

    pub(super) fn log_in(&mut self, link: u8, device: u8, resume: bool) {
        if let Some(&(cid, install)) = self.cids.get(usize::from(device) % self.cids.len().max(1)) {
            let resume = if resume {
                self.last_id
            } else {
                MessageId::NONE
            };
            self.greet(link, Who::Login(cid), install, resume);
        }
    }

    fn greet(&mut self, link: u8, identity: Who, install: u8, resume: MessageId) {
        if let Some(at) = self.pick(link)
            && self.links[at].cid.is_none()
        {
            self.links[at].install = install;
        }
        let hello = Hello {
            minor: 0,
            app_id: APP_ID.into(),
            identity,
            secret: DeviceSecret::from_bytes([install; 32]),
            sign: None,
            resume,
            heartbeat_s: 10,
            platform: Platform::Android,
            sdk_version: String::new(),
        };
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
                    let place = self.links.iter().position(|link| link.session == session);
                    self.feed(at, ShardEvent::Frame(session, frame));
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
        let at = usize::from(number) % self.cids.len().max(1);
        self.cids.get(at).map(|(cid, _)| *cid)
    }

    pub(super) fn owner(&self, cid: ClientId) -> usize {
        usize::from(Slot::of_cid(cid).shard(self.shards.len() as u16).0)
    }

    pub(super) fn app(&self) -> AppNo {
        AppNo(1)
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
        self.tickets.insert(ticket);
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
            self.feed(usize::from(shard.0), ShardEvent::Committed(event));
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
            for at in 0..self.shards.len() {
                self.feed(at, ShardEvent::Tick);
            }
        }
    }

    pub(super) fn step_clock(&mut self, step_ms: i64) {
        self.now.wall_ms = self.now.wall_ms.saturating_add_signed(step_ms);
    }

    pub(super) fn drain(&mut self, jitter_ms: u32) {
        for at in 0..self.shards.len() {
            self.feed(at, ShardEvent::Drain { jitter_ms });
        }
    }

    /// Everything but the rows is gone.
    pub(super) fn crash(&mut self, synced_only: bool, shards: u16) {
        if let Some(synced) = self.synced.take().filter(|_| synced_only) {
            self.rows = synced;
        }
        self.forgotten_max = self.without_row;
        self.links.clear();
        self.tickets.clear();
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
        for at in 0..self.shards.len() {
            self.feed(at, ShardEvent::Finish);
        }
        for _ in 0..100 {
            if self.shards.iter().all(Shard::is_at_rest) {
                break;
            }
            self.commit(0);
            self.read(0);
            self.deliver();
            self.pass(1_000);
        }
        assert!(self.shards.iter().all(Shard::is_at_rest), "never at rest");
        self.check();
        assert!(self.tickets.is_empty(), "unanswered: {:?}", self.tickets);
        assert!(self.links.is_empty(), "every link was closed");
        sums::check(&self.rows, self.forgotten_max);
    }
}
