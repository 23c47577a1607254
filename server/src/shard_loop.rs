//! One executor, one shard: where sockets, third parties, the store and time meet.
//!
//! Whatever happens becomes a `ShardEvent` for the core; what the core wants done comes back as
//! `Effect`s and is performed in `perform`, at once and in order. Connection tasks, the inbox task
//! and the clock task all go through [`ShardLoop::step`]; none holds a borrow over an await.
//! Always: a step performs no system call that can block; sends of a turn are gathered and leave
//! in one record per connection; a long batch drains in slices of [`SLICE`] and then lets others run.

mod arrivals;
mod connections;
mod counted;
mod inboxes;
mod interrupt;
mod lobby;
mod night_watch;
mod offences;
mod perform;
mod terms;
mod turnstile;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use glommio::timer::Timer;
use glommio::{Latency, LocalExecutorBuilder, Placement, Shares, TaskQueueHandle};
use server_core::clock::Now;
use server_core::effect::Effect;
use server_core::event::ShardEvent;
use server_core::ids::{SessionId, ShardNo};
use server_core::op::Submitted;
use server_core::read::Read;
use server_core::shard::Shard;
use server_core::wheel::TICK_MS;

use crate::ask::{Question, ToIngress};
use crate::limits::TURN_MAX;
use crate::mesh::Sender;
use crate::net::{Connection, DeviceListener, Parcel, Places, Scratch};
use crate::telemetry::{Doorway, Telemetry};
use arrivals::Arrival;
use counted::Counted;
use lobby::Lobby;
use offences::Offences;
use turnstile::Turnstile;

use interrupt::Interrupt;

pub use inboxes::Inboxes;
pub use terms::Terms;

/// Events taken from the rings before others on this core may run: about half a millisecond of single
/// pushes. What the commit of a walk brings is one event, of about 2 ms (`FAN_LEN_MAX`).
const SLICE: usize = 64;

/// Most ticks between two looks for connections that take nothing: all of them are looked at, so it
/// is not done at each tick. A short time to send is looked at more often.
const CUT_EVERY_TICKS_MAX: u64 = 20;

/// What the process asks of a shard.
#[derive(Debug, Clone)]
pub enum Control {
    /// Go by these from now on. It is said to the ingress when it is done.
    Terms(Arc<Terms>),
    /// Take no new connections; tell devices to go away.
    Drain {
        /// The window over which they should come back.
        jitter_ms: u32,
        /// Where: HOST:PORT of at most 255 bytes; empty: here.
        endpoint: String,
    },
    /// Close what is left, write down what is unwritten, end.
    Finish,
}

/// Everything that a shard sends to other threads.
#[derive(Debug)]
pub struct Outlets {
    /// Ops to the committer.
    pub commits: Sender<Submitted>,
    /// Reads, to one of the readers each.
    pub reads: Vec<Sender<(ShardNo, Read)>>,
    /// Answers to the ingress.
    pub ingress: Sender<ToIngress>,
    /// Connections to other shards; the own place is empty.
    pub shards: Vec<Option<Sender<Parcel>>>,
}

/// See the module page.
#[derive(Debug)]
pub struct ShardLoop {
    me: ShardNo,
    shard: RefCell<Shard>,
    outlets: RefCell<Outlets>,
    connections: RefCell<HashMap<SessionId, Rc<Connection>>>,
    /// Connections with frames that wait for the end of the turn.
    unflushed: RefCell<Vec<Rc<Connection>>>,
    /// Answers that found the ring to the ingress full.
    unanswered: RefCell<std::collections::VecDeque<ToIngress>>,
    sessions_made: Cell<u64>,
    next_reader: Cell<usize>,
    started: Instant,
    terms: RefCell<Arc<Terms>>,
    places: Places,
    scratch: RefCell<Scratch>,
    telemetry: Arc<Telemetry>,
    queue: TaskQueueHandle,
    interrupt: Interrupt,
    draining: Cell<Draining>,
    finishing: Cell<bool>,
    /// Who of the night watch to wake when the shard finishes.
    watch: RefCell<Vec<Option<std::task::Waker>>>,
    /// Logins that have begun here and were not answered yet.
    greetings: Cell<usize>,
    /// Connections accepted here whose login has not begun.
    lobby: RefCell<Lobby<Arrival>>,
    turnstile: Turnstile,
    logins_shed: Cell<u64>,
    offences: RefCell<Offences>,
    /// Tasks that have not returned yet. glommio can panic when it drops one, so the shard ends
    /// after the last has.
    tasks: Cell<usize>,
}

/// Whether the shard was told to drain, and has said that it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Draining {
    No,
    Told,
    Done,
}

/// What a shard is made of.
#[derive(Debug)]
pub struct Parts {
    /// Its index.
    pub me: ShardNo,
    /// The core.
    pub shard: Shard,
    /// Where it sends.
    pub outlets: Outlets,
    /// What it goes by. The core was made with the settings in it.
    pub terms: Arc<Terms>,
    /// Room for device connections, shared by all shards.
    pub places: Places,
    /// Where it counts.
    pub telemetry: Arc<Telemetry>,
    /// When its clock began; the core was made at this moment.
    pub started: Instant,
}

/// What makes the executor of a shard.
pub fn executor(placement: Placement) -> LocalExecutorBuilder {
    LocalExecutorBuilder::new(placement)
        // glommio pins 37 MB an executor by default; sockets need none of it.
        .io_memory(64 * 1024)
        // Each sleep cancels two timers, which the kernel looks for among the polls of all sockets: in
        // one of 256 lists with this depth, of 64 with a quarter of it.
        .ring_depth(4096)
}

/// The queue of all tasks of a shard, on the executor that runs this.
pub fn queue() -> TaskQueueHandle {
    glommio::executor().create_task_queue(
        Shares::Static(1000),
        // What other threads say interrupts it. For what sockets say there is `interrupt`.
        Latency::Matters(TURN_MAX),
        "shard",
    )
}

/// Runs a shard on the current executor until it is told to finish.
pub async fn run(parts: Parts, mut inboxes: Inboxes, listener: DeviceListener) {
    let queue = queue();
    let this = Rc::new(ShardLoop {
        me: parts.me,
        shard: RefCell::new(parts.shard),
        outlets: RefCell::new(parts.outlets),
        connections: RefCell::default(),
        unflushed: RefCell::default(),
        unanswered: RefCell::default(),
        sessions_made: Cell::new(0),
        next_reader: Cell::new(0),
        started: parts.started,
        lobby: RefCell::new(Lobby::new(parts.terms.hello_timeout())),
        terms: RefCell::new(parts.terms),
        places: parts.places,
        scratch: RefCell::default(),
        telemetry: parts.telemetry,
        queue,
        interrupt: Interrupt::on_this_executor().expect("files were kept for it"),
        draining: Cell::new(Draining::No),
        finishing: Cell::new(false),
        watch: RefCell::default(),
        greetings: Cell::new(0),
        turnstile: Turnstile::default(),
        logins_shed: Cell::new(0),
        offences: RefCell::default(),
        tasks: Cell::new(0),
    });
    // glommio's first sleep takes 30 to 50 ms (membarrier registration): not at a device's cost.
    Timer::new(Duration::from_millis(1)).await;
    let listener = Rc::new(listener);
    this.spawn(Rc::clone(&this).accept(Rc::clone(&listener)));
    this.spawn(Rc::clone(&this).usher());
    this.spawn(Rc::clone(&this).keep_time());
    for _ in 0..interrupt::LISTENERS {
        this.spawn(Rc::clone(&this).hear_interrupts());
    }
    this.post_watch();
    // The inbox is read in the same queue as everything that must be quick.
    let inbox = {
        let this = Rc::clone(&this);
        glommio::spawn_local_into(
            async move { this.receive(&mut inboxes, &listener).await },
            queue,
        )
        .expect("the queue was just made")
    };
    inbox.await;
    while this.tasks.get() > 0 {
        Timer::new(Duration::from_millis(5)).await;
    }
    let untold = this.offences.borrow_mut().rest();
    this.sum_up(untold);
}

impl ShardLoop {
    fn spawn(self: &Rc<Self>, task: impl Future<Output = ()> + 'static) {
        glommio::spawn_local_into(Counted::new(self, task), self.queue)
            .expect("the queue lives as long as the shard")
            .detach();
    }

    fn now(&self) -> Now {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH);
        Now {
            wall_ms: wall.map_or(0, |since| since.as_millis() as u64),
            mono_ms: self.started.elapsed().as_millis() as u64,
        }
    }

    /// Lets the other tasks of this core run, and what came in for them come to them.
    async fn yield_to_others(&self) {
        self.interrupt.work_goes_on();
        futures_lite::future::yield_now().await;
    }

    async fn hear_interrupts(self: Rc<Self>) {
        while !self.finishing.get() {
            self.interrupt.hear().await;
        }
    }

    /// One event into the core, all its effects performed.
    fn step(self: &Rc<Self>, event: ShardEvent) {
        let mut effects: Vec<Effect> = Vec::new();
        self.shard
            .borrow_mut()
            .on_event(self.now(), event, &mut effects);
        for effect in effects {
            self.perform(effect);
        }
    }

    /// The end of a turn: every connection that got frames sends them, in one record each.
    fn end_turn(&self) {
        loop {
            let batch = std::mem::take(&mut *self.unflushed.borrow_mut());
            if batch.is_empty() {
                break;
            }
            for connection in batch {
                connection.flush(&mut self.scratch.borrow_mut());
            }
        }
        if self.draining.get() == Draining::Told && self.shard.borrow().session_len() == 0 {
            self.draining.set(Draining::Done);
            self.unanswered.borrow_mut().push_back(ToIngress::Drained);
        }
        let mut unanswered = self.unanswered.borrow_mut();
        // Most turns have nothing for third parties: then the ingress sleeps on.
        if unanswered.is_empty() {
            return;
        }
        let ingress = &mut self.outlets.borrow_mut().ingress;
        while let Some(message) = unanswered.pop_front() {
            if let Err(message) = ingress.put(message) {
                unanswered.push_front(message);
                break;
            }
        }
        ingress.wake();
    }

    /// Takes what other threads send, until the shard is told to finish and is at rest.
    async fn receive(self: Rc<Self>, inboxes: &mut Inboxes, listener: &DeviceListener) {
        while !(self.finishing.get() && self.shard.borrow().is_at_rest()) {
            let bell = inboxes.bell.clone();
            bell.until(|| !inboxes.is_empty()).await;
            for _ in 0..SLICE {
                if !self.take_one(inboxes, listener) {
                    break;
                }
            }
            self.end_turn();
            self.yield_to_others().await;
        }
        self.publish();
    }

    fn take_one(self: &Rc<Self>, inboxes: &mut Inboxes, listener: &DeviceListener) -> bool {
        let mut took = false;
        if let Some(committed) = inboxes.commit() {
            self.step(ShardEvent::Committed(committed));
            took = true;
        }
        if let Some(done) = inboxes.reads.take() {
            self.step(ShardEvent::Read(done));
            took = true;
        }
        if let Some(Question { ticket, command }) = inboxes.question() {
            self.step(ShardEvent::Command(ticket, command));
            took = true;
        }
        if let Some(parcel) = inboxes.parcels.take() {
            self.adopt(parcel);
            took = true;
        }
        if let Some(control) = inboxes.control.take() {
            match control {
                Control::Terms(terms) => self.go_by(terms),
                Control::Drain {
                    jitter_ms,
                    endpoint,
                } => {
                    listener.shut();
                    self.draining.set(Draining::Told);
                    self.step(ShardEvent::Drain {
                        jitter_ms,
                        endpoint,
                    });
                }
                Control::Finish => {
                    listener.shut();
                    self.finishing.set(true);
                    self.dismiss_watch();
                    self.interrupt.end();
                    self.turnstile.ring();
                    self.step(ShardEvent::Finish);
                }
            }
            took = true;
        }
        took
    }

    async fn keep_time(self: Rc<Self>) {
        let mut ticks_to_cut = 0;
        while !self.finishing.get() {
            Timer::new(Duration::from_millis(TICK_MS)).await;
            self.step(ShardEvent::Tick);
            ticks_to_cut += 1;
            if ticks_to_cut >= self.cut_every_ticks() {
                ticks_to_cut = 0;
                self.cut_blocked();
            }
            self.thin_out();
            self.end_turn();
            let over = self.offences.borrow_mut().over(Instant::now());
            self.sum_up(over);
            self.publish();
        }
    }

    /// How often it is looked for connections that take nothing.
    fn cut_every_ticks(&self) -> u64 {
        let quarter_ms = self.terms.borrow().send_timeout.as_millis() as u64 / 4;
        (quarter_ms / TICK_MS).clamp(1, CUT_EVERY_TICKS_MAX)
    }

    fn publish(&self) {
        let doorway = Doorway {
            handshakes: self.greetings.get() as u64,
            waiting: self.lobby.borrow().len() as u64,
            shed: self.logins_shed.get(),
        };
        let counters = self.shard.borrow().counters();
        self.telemetry.publish(self.me, &counters, &doorway);
    }

    /// Gives up connections whose peer takes nothing of what waits for it.
    fn cut_blocked(self: &Rc<Self>) {
        let send_timeout = self.terms.borrow().send_timeout;
        let stuck: Vec<SessionId> = self
            .connections
            .borrow()
            .iter()
            .filter(|(_, connection)| {
                connection
                    .blocked_since()
                    .is_some_and(|since| since.elapsed() > send_timeout)
            })
            .map(|(session, _)| *session)
            .collect();
        for session in stuck {
            let details = format!("for {} s", send_timeout.as_secs());
            self.note(offences::TAKES_NOTHING, session, &details);
            self.drop_connection(session);
        }
    }

    /// A peer did something wrong: told at once if it is the first of its kind, else counted.
    fn note(&self, offence: offences::Kind, session: SessionId, details: &dyn std::fmt::Display) {
        if self.offences.borrow_mut().note(offence, Instant::now()) {
            tracing::info!(shard = self.me.0, session = session.0, offence, %details, "a peer is cut off");
        }
    }

    fn sum_up(&self, untold: Vec<(offences::Kind, u64)>) {
        for (offence, more) in untold {
            tracing::info!(shard = self.me.0, offence, more, "more of the same");
        }
    }
}
