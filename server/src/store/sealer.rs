//! The thread that seals memtables so that they are written as tables, when much has gathered.
//!
//! Owner: the committer, which says when to look and goes on; while tables are merged here, it seals by
//! itself what it must. Always: at most one look waits while another is under way, and what was
//! written is let go of here and last, so that no commit waits while its rows are given back.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use fjall::{Database, Keyspace};

use super::memory::{self, Sealed};
use super::small_tables;
use crate::mesh::{Bell, Inbox, Sender};

/// Between two looks at what was sealed. One that was asked for meanwhile waits as long.
const LET_GO_LOOK: Duration = Duration::from_millis(50);

/// How long it is kept at most. fjall lets go when the table is merged or the next one is sealed,
/// and where nothing is written any more nobody waits for it.
const KEPT_MAX: Duration = Duration::from_secs(10);

/// The thread, which ends with this.
#[derive(Debug)]
pub(super) struct Sealer {
    /// `None` only while it ends.
    looks: Option<Sender<Look>>,
    thread: Option<JoinHandle<()>>,
}

/// The keyspaces that there are.
struct Look(Vec<Keyspace>);

impl std::fmt::Debug for Look {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Look").field(&self.0.len()).finish()
    }
}

impl Sealer {
    /// Starts it, over a database that may gather `max` bytes in memory.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(super) fn start(db: Database, max: u64) -> std::io::Result<Sealer> {
        let mut inbox = Inbox::new(&Bell::default());
        let looks = Some(inbox.open(1));
        let thread = std::thread::Builder::new()
            .name("sealer".into())
            .spawn(move || run(&db, max, inbox))?;
        Ok(Sealer {
            looks,
            thread: Some(thread),
        })
    }

    /// Has it look at these keyspaces, unless it is about to do so anyway.
    pub(super) fn look(&mut self, keyspaces: Vec<Keyspace>) {
        if let Some(looks) = &mut self.looks {
            let _ = looks.send(Look(keyspaces));
        }
    }
}

impl Drop for Sealer {
    fn drop(&mut self) {
        self.looks = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(db: &Database, max: u64, mut inbox: Inbox<Look>) {
    let mut sealed: Vec<Sealed> = Vec::new();
    let mut kept_until = Instant::now();
    loop {
        match inbox.take() {
            Some(Look(keyspaces)) => {
                if let Err(error) = memory::write_out(db, keyspaces.iter(), max, &mut sealed) {
                    tracing::error!(%error, "what has gathered in memory could not be sealed");
                }
                if let Err(error) = small_tables::merge(&keyspaces) {
                    tracing::error!(%error, "small tables could not be merged");
                }
                kept_until = Instant::now() + KEPT_MAX;
            }
            None if inbox.is_closed() => return,
            None if sealed.is_empty() => futures_lite::future::block_on(inbox.news()),
            None => std::thread::park_timeout(LET_GO_LOOK),
        }
        // The others are still read, or on their way into a table.
        sealed.retain(|memtable| Arc::strong_count(memtable) > 1);
        if Instant::now() >= kept_until {
            sealed.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use fjall::AbstractTree;

    use super::*;

    /// Until something holds that other threads do.
    fn until(mut holds: impl FnMut() -> bool) {
        let end = Instant::now() + Duration::from_secs(30);
        while !holds() {
            assert!(Instant::now() < end, "it never comes to hold");
            std::thread::park_timeout(Duration::from_millis(1));
        }
    }

    #[test]
    fn given_much_that_gathered_when_looked_at_should_seal_it_and_let_go_once_it_is_written() {
        let dir = tempfile::tempdir().expect("a folder");
        let db = Database::builder(dir.path()).open().expect("made");
        let keyspace = db.keyspace("k", Default::default).expect("made");
        let mut sealer = Sealer::start(db.clone(), 1000).expect("a thread");
        let insert = || keyspace.insert("key", [7; 2000]).expect("inserted");
        insert();
        let first = Arc::downgrade(&keyspace.tree.active_memtable());
        until(|| {
            sealer.look(vec![keyspace.clone()]);
            memory::gathered(std::iter::once(&keyspace)) == 0
        });
        // fjall lets go of what was written when it seals the next.
        until(|| {
            insert();
            sealer.look(vec![keyspace.clone()]);
            first.strong_count() == 0
        });
        assert!(keyspace.get("key").expect("read").is_some());
    }
}
