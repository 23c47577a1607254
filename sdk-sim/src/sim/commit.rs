//! The committer and the readers: from submitted ops to durable rows to what shards hear.
//!
//! Always: a batch is on disk before anybody hears of it; shards hear of commits in commit order;
//! after a failed flush no op succeeds until the next start.

use std::collections::VecDeque;
use std::rc::Rc;

use server_core::apply::apply;
use server_core::ids::ShardNo;
use server_core::limits::{COMMITS_IN_FLIGHT_MAX, READS_IN_FLIGHT_MAX};
use server_core::op::{Committed, Op, Submitted};
use server_core::read::{Read, ReadDone, perform};
use server_core::rows::{Keyspace, RowsError};

use super::agenda::Happening;
use super::disk::Batch;
use super::server::Writing;
use super::sums;
use super::world::World;

/// Commits between two recounts of the stages: each visits every row.
const COMMITS_PER_SUM: u64 = 8;

impl World {
    /// A shard submits an op.
    pub(super) fn submit(&mut self, at: usize, op: Op) {
        let ring = &mut self.server.seats[at].submitted;
        ring.push_back(op);
        assert!(
            ring.len() <= COMMITS_IN_FLIGHT_MAX,
            "the ring to the committer overflows"
        );
        self.wake_committer();
    }

    fn wake_committer(&mut self) {
        let waits = self
            .server
            .seats
            .iter()
            .any(|seat| !seat.submitted.is_empty());
        if waits && !self.server.committer.busy {
            self.server.committer.busy = true;
            let process = self.server.process;
            let after_us = self.dice.within(1, 100);
            self.after(after_us, Happening::CommitBegins { process });
        }
    }

    /// The committer takes what waits, in the order of each shard, and writes it.
    pub(super) fn commit_begins(&mut self) {
        let mut most = self.dice.within(1, self.plan.batch_max) as usize;
        if self.server.committer.one_by_one > 0 {
            self.server.committer.one_by_one -= 1;
            most = 1;
        }
        let mut ops = Vec::new();
        while ops.len() < most {
            let open: Vec<usize> = (0..self.server.seats.len())
                .filter(|at| !self.server.seats[*at].submitted.is_empty())
                .collect();
            if open.is_empty() {
                break;
            }
            let at = open[self.dice.index(open.len())];
            let op = self.server.seats[at]
                .submitted
                .pop_front()
                .expect("just seen");
            let shard = ShardNo(at as u16);
            ops.push(Submitted { shard, op });
        }
        self.trace.note("commit", [ops.len() as u64, 0, 0]);
        if self.server.committer.broken {
            let refused = ops
                .iter()
                .map(|one| (one.shard, Committed::Done(one.op.failed())));
            self.server.committer.telling.extend(refused);
            self.after_commit(Happening::Tell {
                process: self.server.process,
            });
            return;
        }
        let (now_ms, shards) = (self.wall_ms(), self.server.seats.len() as u16);
        let mut ids = self.server.ids;
        let applied = match apply(&ops, now_ms, shards, &mut ids, &self.server.disk.rows) {
            Ok(applied) => applied,
            Err(error) => return self.commit_one(&error, ops),
        };
        let batch = Batch::new(ops, &applied, now_ms, self.ledger.clocks_set());
        self.server.committer.writing = Some(Writing {
            ids,
            must_last: applied.must_last,
            events: applied.events,
        });
        self.server.disk.write(applied.writes, batch);
        self.after_commit(Happening::CommitEnds {
            process: self.server.process,
        });
    }

    /// One op that meets a damaged row does not take its neighbours with it: each goes by itself.
    fn commit_one(&mut self, error: &RowsError, mut ops: Vec<Submitted>) {
        self.check_damaged(error);
        let process = self.server.process;
        if ops.len() > 1 {
            self.server.committer.one_by_one = ops.len();
            for Submitted { shard, op } in ops.into_iter().rev() {
                let ring = &mut self.server.seats[usize::from(shard.0)].submitted;
                ring.push_front(op);
            }
            return self.commit_begins();
        }
        let Submitted { shard, op } = ops.pop().expect("an op that failed");
        self.met.ops_refused += 1;
        self.forgetting_refused |= matches!(op, Op::ForgetDevices { .. });
        let refused = Committed::Done(op.failed());
        self.server.committer.telling.push_back((shard, refused));
        self.after_commit(Happening::Tell { process });
    }

    fn after_commit(&mut self, next: Happening) {
        let stuck_us = std::mem::take(&mut self.server.committer.stuck_us);
        let delay_us = stuck_us + self.dice.within(1, self.plan.sync_us);
        self.after(delay_us, next);
    }

    /// The batch is on disk.
    pub(super) fn commit_ends(&mut self) {
        let committer = &mut self.server.committer;
        let Writing {
            ids,
            must_last,
            events,
        } = committer.writing.take().expect("a batch is being written");
        committer.telling.extend(events);
        self.server.ids = ids;
        self.on_disk(must_last);
        self.commits += 1;
        if self.commits.is_multiple_of(COMMITS_PER_SUM) {
            self.recount();
        }
        let after_us = self.dice.within(1, 200);
        let process = self.server.process;
        self.after(after_us, Happening::Tell { process });
    }

    /// The last batch is written, and synced if it must last.
    pub(super) fn on_disk(&mut self, must_last: bool) {
        let batch = self.server.disk.last();
        let lasting = self.server.disk.written(must_last);
        self.stages
            .visible(&batch, &self.server.disk.rows, &self.ledger.groups);
        self.lasting(&lasting);
    }

    /// These batches can no longer be lost.
    pub(super) fn lasting(&mut self, batches: &[Rc<Batch>]) {
        for batch in batches {
            self.ledger.lasting(batch);
            for Submitted { op, .. } in &batch.ops {
                if let Op::ForgetDevices { cids, .. } = op {
                    for cid in cids {
                        self.watch.deleted(*cid);
                    }
                }
            }
        }
    }

    /// Counts anew what the rows say.
    fn recount(&mut self) {
        if !self.is_start_damaged() {
            sums::check(&self.server.disk.rows, &self.stages);
        }
        self.check_reports();
    }

    /// What rows say of pushes to many, of days and of receipts is what was seen.
    pub(super) fn check_reports(&self) {
        if self.server.disk.is_synced() {
            self.ledger.groups.check(&self.server.disk.rows);
            self.ledger.reports.check(&self.server.disk.rows);
        }
    }

    /// The committer tells shards, as many as have room; then it takes the next batch.
    pub(super) fn tell(&mut self) {
        let mut left = self.dice.within(1, 64);
        while left > 0 {
            let Some((shard, event)) = self.server.committer.telling.pop_front() else {
                break;
            };
            let at = usize::from(shard.0);
            if self.server.seats[at].committed.len() >= self.plan.ring_len {
                self.server.committer.telling.push_front((shard, event));
                break;
            }
            self.server.seats[at].committed.push_back(event);
            self.call(at);
            left -= 1;
        }
        if self.server.committer.telling.is_empty() {
            self.server.committer.busy = false;
            self.wake_committer();
        } else {
            let process = self.server.process;
            let after_us = self.dice.within(5, 200);
            self.after(after_us, Happening::Tell { process });
        }
    }

    /// A shard asks for a read.
    pub(super) fn ask_to_read(&mut self, at: usize, read: Read) {
        let seat = &mut self.server.seats[at];
        seat.reads_asked += 1;
        assert!(
            seat.reads_asked <= READS_IN_FLIGHT_MAX,
            "the ring to the readers overflows"
        );
        let number = seat.next_reader % self.server.readers.len();
        seat.next_reader += 1;
        let reader = &mut self.server.readers[number];
        reader.asked.push_back((ShardNo(at as u16), read));
        if reader.asked.len() == 1 && reader.read.is_none() {
            self.call_reader(number);
        }
    }

    fn call_reader(&mut self, reader: usize) {
        let stalled_us = self.server.readers[reader].stalled_until_us;
        let at_us = stalled_us.max(self.now_us + self.dice.within(1, 100));
        let process = self.server.process;
        self.at(at_us, Happening::ReadBegins { process, reader });
    }

    /// A reader takes a snapshot and reads.
    pub(super) fn read_begins(&mut self, reader: usize) {
        let Some((shard, read)) = self.server.readers[reader].asked.pop_front() else {
            return;
        };
        self.trace
            .note("read", [reader as u64, u64::from(shard.0), 0]);
        let done = match read {
            Read::Backlog { session, .. } if self.server.committer.broken => ReadDone::Backlog {
                session,
                page: Err(RowsError::Read {
                    keyspace: Keyspace::Meta,
                    reason: "the disk failed".to_owned(),
                }),
            },
            read => {
                let done = perform(read.clone(), &self.server.disk.rows);
                self.check_read(&read, &done);
                done
            }
        };
        self.server.readers[reader].read = Some((shard, done));
        let process = self.server.process;
        let after_us = self.dice.within(1, self.plan.read_us);
        self.after(after_us, Happening::ReadEnds { process, reader });
    }

    /// What was read goes to its shard.
    pub(super) fn read_ends(&mut self, reader: usize) {
        let (shard, done) = self.server.readers[reader]
            .read
            .take()
            .expect("it has read");
        let at = usize::from(shard.0);
        self.server.seats[at].reads.push_back(done);
        self.call(at);
        if !self.server.readers[reader].asked.is_empty() {
            self.call_reader(reader);
        }
    }

    /// Ops and events between shards and disk, for the calm.
    pub(super) fn store_is_idle(&self) -> bool {
        let empty = VecDeque::is_empty;
        !self.server.committer.busy
            && self
                .server
                .seats
                .iter()
                .all(|seat| seat.submitted.is_empty() && !seat.has_mail())
            && self
                .server
                .readers
                .iter()
                .all(|reader| empty(&reader.asked) && reader.read.is_none())
    }
}
