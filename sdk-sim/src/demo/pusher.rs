//! The demo's third party: pushes over HTTP from a thread of its own.
//!
//! Owner: that thread. Always: half of the pushes go to client ids, half to aliases, evenly over
//! all devices; every push ends as exactly one news, accepted or not.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::runtime::Builder;
use tokio::task::LocalSet;

use super::fault::Fault;
use super::news::News;
use super::phones::alias;
use crate::bootstrap::Bootstrap;
use crate::third_party::{Accepted, CallError, Credentials, Push, PushBody, ThirdParty};

/// Requests in flight, each on its own connection; what a busy back-end holds open to its push
/// server.
pub(super) const CONNECTIONS: usize = 64;

/// The server's code for "busy, come again".
const CODE_BUSY: i64 = 30019;

/// Attempts at a push that a busy server puts off, and the wait between two.
const BUSY_ATTEMPTS_MAX: u32 = 200;
const BUSY_WAIT: Duration = Duration::from_millis(50);

#[derive(Debug)]
pub(super) struct Pusher {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

struct Work {
    client: ThirdParty,
    cids: Vec<String>,
    pushes: u64,
    next: Cell<u64>,
    stop: Arc<AtomicBool>,
    news: SyncSender<News>,
}

impl Pusher {
    pub(super) fn start(
        bootstrap: &Bootstrap,
        cids: Vec<String>,
        pushes: u64,
        news: SyncSender<News>,
    ) -> Result<Self, Fault> {
        let url = bootstrap.http.clone();
        let credentials = Credentials::from(bootstrap);
        let stop = Arc::new(AtomicBool::new(false));
        let stop_here = Arc::clone(&stop);
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(Fault::io("push thread"))?;
        let client = ThirdParty::new(&url, credentials, CONNECTIONS)?;
        let thread = thread::Builder::new()
            .name("demo-pusher".to_owned())
            .spawn(move || {
                let work = Rc::new(Work {
                    client,
                    cids,
                    pushes,
                    next: Cell::new(0),
                    stop: stop_here,
                    news,
                });
                LocalSet::new().block_on(&runtime, push_all(work));
            })
            .map_err(Fault::io("push thread"))?;
        Ok(Self { stop, thread })
    }

    /// Lets the requests in flight end and no more begin.
    pub(super) fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        // A thread that panicked has said so on stderr.
        let _ = self.thread.join();
    }
}

async fn push_all(work: Rc<Work>) {
    // One token for all, instead of one per connection.
    if let Err(error) = work.client.token().await {
        let _ = work.news.send(News::Failed(format!("auth: {error}")));
        return;
    }
    let workers: Vec<_> = (0..CONNECTIONS)
        .map(|_| tokio::task::spawn_local(push_some(Rc::clone(&work))))
        .collect();
    for worker in workers {
        // A task that panicked has said so on stderr.
        let _ = worker.await;
    }
}

async fn push_some(work: Rc<Work>) {
    while !work.stop.load(Ordering::Relaxed) {
        let number = work.next.get();
        if number >= work.pushes {
            return;
        }
        work.next.set(number + 1);
        let sent_at = Instant::now();
        let news = match work.push(number).await {
            Ok(accepted) => News::Accepted {
                task_id: accepted.task_id,
                sent_at,
            },
            Err(error) => News::NotAccepted(error.to_string()),
        };
        if work.news.send(news).is_err() {
            return;
        }
    }
}

impl Work {
    async fn push(&self, number: u64) -> Result<Accepted, CallError> {
        let push = Push::new(PushBody::Transmission(format!("demo message {number}")))?;
        let device = usize::try_from(number / 2).unwrap_or(usize::MAX) % self.cids.len().max(1);
        let mut attempts = 1;
        loop {
            let answer = match self.cids.get(device) {
                Some(cid) if number.is_multiple_of(2) => {
                    self.client.push_single_cid(cid, &push).await
                }
                _ => self.client.push_single_alias(&alias(device), &push).await,
            };
            match answer {
                Err(CallError::Refused {
                    code: CODE_BUSY, ..
                }) if attempts < BUSY_ATTEMPTS_MAX => {
                    attempts += 1;
                    tokio::time::sleep(BUSY_WAIT).await;
                }
                other => return other,
            }
        }
    }
}
