//! Threads that read for shards: backlogs, aliases. A shard asks and goes on; the answer comes
//! back as an event.

use std::thread::JoinHandle;

use server_core::ids::ShardNo;
use server_core::limits::READS_IN_FLIGHT_MAX;
use server_core::read::{Read, ReadDone, perform};

use super::keyspaces::Store;
use super::view::KnownDays;
use crate::mesh::{Bell, Inbox, Sender};

/// A reader before its thread starts: shards are joined to it here.
#[derive(Debug)]
pub struct Reader {
    store: Store,
    known: KnownDays,
    inbox: Inbox<(ShardNo, Read)>,
    shards: Vec<Sender<ReadDone>>,
}

impl Reader {
    /// A reader over an open store.
    pub fn new(store: Store) -> Self {
        Reader {
            store,
            known: KnownDays::default(),
            inbox: Inbox::new(&Bell::default()),
            shards: Vec::new(),
        }
    }

    /// Joins the next shard: where it asks, and where it hears the answers. Both rings hold all
    /// reads that a shard may have under way, so neither is ever full.
    pub fn join(&mut self, heard_by: &mut Inbox<ReadDone>) -> Sender<(ShardNo, Read)> {
        self.shards.push(heard_by.open(READS_IN_FLIGHT_MAX));
        self.inbox.open(READS_IN_FLIGHT_MAX)
    }

    /// Starts the thread. It ends when every shard is gone.
    pub fn start(mut self, number: usize) -> std::io::Result<JoinHandle<()>> {
        std::thread::Builder::new()
            .name(format!("reader-{number}"))
            .spawn(move || self.run())
    }

    fn run(&mut self) {
        loop {
            futures_lite::future::block_on(self.inbox.news());
            let Some((shard, read)) = self.inbox.take() else {
                if self.inbox.is_closed() {
                    return;
                }
                continue;
            };
            let done = match self.store.view(&mut self.known) {
                Ok(view) => perform(read, &view),
                Err(error) => read.refused(error),
            };
            if let Some(error) = done.error() {
                tracing::error!(%error, "a read failed");
            }
            let sender = &mut self.shards[usize::from(shard.0)];
            let sent = sender.send(done);
            assert!(
                sent.is_ok() || sender.is_abandoned(),
                "the ring holds all reads of a shard"
            );
        }
    }
}
