//! The one thread that writes. It takes whatever all shards have submitted, applies it as one
//! batch, makes it durable with one flush, and only then tells the shards.
//!
//! Batching comes from the flush itself: while one runs, the next batch gathers. No timer.
//! Always: events leave in commit order; nothing leaves for an op whose commit failed but
//! `Failed`. After a failed flush fjall refuses every write until the process is started again,
//! because it cannot say what of it is on disk; other failures are tried anew after a pause.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use server_core::apply::{Ids, apply};
use server_core::ids::ShardNo;
use server_core::limits::COMMITS_IN_FLIGHT_MAX;
use server_core::op::{Committed, Op, Submitted};
use server_core::rows::{Keyspace, RowsError};

use super::keyspaces::{Behind, Days, Store};
use super::room::Room;
use super::sealer::Sealer;
use super::view;
use crate::lifecycle::Lifecycle;
use crate::limits::{BATCH_BYTES_MAX, BATCH_OPS_MAX, COMMITTED_RING};
use crate::mesh::{Bell, Inbox, Sender};
use crate::telemetry::Telemetry;
use crate::wall_clock::now_ms;

/// How long the committer waits for a shard to make room before it looks again. It is only slept
/// when a shard is thousands of events behind.
const ROOM_WAIT: Duration = Duration::from_micros(200);

/// How long no write is tried after the store refused one: a full disk is not hammered, and what
/// fjall leaves behind of a failed attempt stays bounded.
const REFUSED_PAUSE: Duration = Duration::from_secs(1);

/// The committer before its thread starts: shards are joined to it here.
#[derive(Debug)]
pub struct Committer {
    store: Store,
    days: OwnDays,
    ids: Ids,
    inbox: Inbox<Submitted>,
    shards: Vec<Sender<Committed>>,
    telemetry: Arc<Telemetry>,
    lifecycle: Lifecycle,
    room: Room,
    /// From the start of the thread on.
    sealer: Option<Sealer>,
    /// Set while the store refuses.
    refusal: Option<Refusal>,
}

/// The store refuses, and the operator was told so.
#[derive(Debug)]
struct Refusal {
    /// No write is tried before this moment.
    until: Instant,
    /// Whether it was said to last until the process is started again.
    until_restart: bool,
}

/// The days as the only thread that makes them knows them.
struct OwnDays(Days);

impl std::fmt::Debug for OwnDays {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.keys()).finish()
    }
}

impl Committer {
    /// A committer over an open store.
    pub fn new(
        store: Store,
        telemetry: Arc<Telemetry>,
        lifecycle: Lifecycle,
    ) -> Result<Self, RowsError> {
        let days = store
            .days()
            .map_err(|error| view::failed(Keyspace::Meta, error))?;
        let ids = Ids::recover(&store.view_with(&days))?;
        let inbox = Inbox::new(&Bell::default());
        let days = OwnDays(days);
        Ok(Committer {
            room: store.room(),
            store,
            days,
            ids,
            inbox,
            shards: Vec::new(),
            telemetry,
            lifecycle,
            sealer: None,
            refusal: None,
        })
    }

    /// Joins the next shard: where it submits, and where it hears of commits.
    pub fn join(&mut self, heard_by: &mut Inbox<Committed>) -> Sender<Submitted> {
        self.shards.push(heard_by.open(COMMITTED_RING));
        self.inbox.open(COMMITS_IN_FLIGHT_MAX)
    }

    /// Commits ops of the start itself, before any shard runs.
    pub fn commit_now(&mut self, ops: Vec<Op>) -> Result<Vec<Committed>, RowsError> {
        let batch: Vec<Submitted> = ops
            .into_iter()
            .map(|op| Submitted {
                shard: ShardNo(0),
                op,
            })
            .collect();
        let (events, behind) = self.commit(&batch)?;
        self.clear_up(behind);
        Ok(events.into_iter().map(|(_, event)| event).collect())
    }

    /// Starts the thread. It ends when every shard is gone and everything is committed.
    pub fn start(mut self) -> std::io::Result<JoinHandle<()>> {
        self.sealer = Some(self.store.sealer()?);
        std::thread::Builder::new()
            .name("committer".into())
            .spawn(move || self.run())
    }

    fn run(&mut self) {
        let mut batch = Vec::with_capacity(BATCH_OPS_MAX);
        loop {
            futures_lite::future::block_on(self.inbox.news());
            let mut bytes = 0;
            while batch.len() < BATCH_OPS_MAX && bytes < BATCH_BYTES_MAX {
                let Some(submitted) = self.inbox.take() else {
                    break;
                };
                bytes += submitted.op.weight();
                batch.push(submitted);
            }
            if self.room.is_short(|| self.store.merging(&self.days.0)) {
                self.refuse_what_grows(&mut batch);
            }
            if batch.is_empty() {
                if self.inbox.is_closed() {
                    break;
                }
                continue;
            }
            self.commit_or_refuse(&batch);
            batch.clear();
        }
        if let Err(error) = self.store.sync() {
            tracing::error!(%error, "the store could not be synced at the end");
        }
    }

    fn commit_or_refuse(&mut self, batch: &[Submitted]) {
        let refusal = self.refusal.as_ref();
        if refusal.is_some_and(|refusal| Instant::now() < refusal.until) {
            return self.refuse(batch);
        }
        match self.commit(batch) {
            Ok((events, behind)) => {
                if self.refusal.take().is_some() {
                    tracing::info!("the store writes again");
                    self.lifecycle.store_writes();
                }
                self.tell(events);
                self.clear_up(behind);
            }
            // One op that meets a damaged row must not take its neighbours with it.
            Err(RowsError::Damaged { .. }) if batch.len() > 1 => {
                for submitted in batch {
                    self.commit_or_refuse(std::slice::from_ref(submitted));
                }
            }
            Err(error @ RowsError::Damaged { .. }) => {
                tracing::error!(%error, "an op meets a damaged row and is refused");
                self.refuse(batch);
            }
            Err(error) => {
                let until_restart = self.store.is_broken();
                // Once as what passes, and once more if it turns out that it does not.
                let told = self.refusal.as_ref();
                if told.is_none_or(|told| until_restart && !told.until_restart) {
                    let ops = batch.len();
                    tracing::error!(%error, ops, until_restart, "the store refuses; nothing is accepted");
                }
                match until_restart {
                    true => self.lifecycle.store_broke(),
                    false => self.lifecycle.store_refused(),
                }
                self.refusal = Some(Refusal {
                    until: Instant::now() + REFUSED_PAUSE,
                    until_restart,
                });
                self.refuse(batch);
            }
        }
    }

    fn refuse_what_grows(&mut self, batch: &mut Vec<Submitted>) {
        self.lifecycle.store_refused();
        let all = std::mem::take(batch).into_iter();
        let (grows, rest): (Vec<_>, Vec<_>) = all.partition(|one| one.op.needs_room());
        self.refuse(&grows);
        *batch = rest;
    }

    fn refuse(&mut self, batch: &[Submitted]) {
        let refused = batch.iter().map(|submitted| {
            let done = submitted.op.failed();
            (submitted.shard, Committed::Done(done))
        });
        self.tell(refused.collect());
    }

    fn commit(
        &mut self,
        batch: &[Submitted],
    ) -> Result<(Vec<(ShardNo, Committed)>, Behind), RowsError> {
        let started = Instant::now();
        let now_ms = now_ms();
        let mut ids = self.ids;
        let shards = u16::try_from(self.shards.len().max(1)).expect("fewer than 65536 shards");
        let applied = apply(
            batch,
            now_ms,
            shards,
            &mut ids,
            &self.store.view_with(&self.days.0),
        )?;
        let behind = self
            .store
            .write(&mut self.days.0, applied.writes, applied.must_last)
            .map_err(|error| RowsError::Write {
                reason: error.to_string(),
            })?;
        self.ids = ids;
        self.room.fill(behind.len());
        self.telemetry.store_holds(self.store.held());
        self.telemetry
            .committed(batch.len(), applied.must_last, started.elapsed());
        Ok((applied.events, behind))
    }

    fn clear_up(&mut self, behind: Behind) {
        let sealer = self.sealer.as_mut();
        self.store.clear_up(&mut self.days.0, behind, sealer);
    }

    fn tell(&mut self, events: Vec<(ShardNo, Committed)>) {
        let mut told = vec![false; self.shards.len()];
        for (shard, event) in events {
            let at = usize::from(shard.0);
            told[at] = true;
            let sender = &mut self.shards[at];
            let mut left = Some(event);
            while let Some(event) = left.take() {
                if let Err(event) = sender.put(event) {
                    if sender.is_abandoned() {
                        break;
                    }
                    left = Some(event);
                    sender.wake();
                    std::thread::park_timeout(ROOM_WAIT);
                }
            }
        }
        for (sender, told) in self.shards.iter().zip(told) {
            if told {
                sender.wake();
            }
        }
    }
}
