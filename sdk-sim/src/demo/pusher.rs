//! The demo's third party: pushes over HTTP from a thread of its own.
//!
//! Owner: that thread. Always: one push goes to the whole app and one to a tag that half of the
//! devices have, if there are messages enough; of the other pushes half go to client ids, half to
//! aliases, evenly over all devices; every push ends as exactly one news, accepted or not.

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
use super::news::{Message, News};
use super::phones::alias;
use crate::bootstrap::Bootstrap;
use crate::third_party::{Accepted, CallError, Credentials, Push, PushBody, ThirdParty};

/// Requests in flight, each on its own connection; what a busy back-end holds open to its push
/// server.
pub(super) const CONNECTIONS: usize = 64;

/// The server's code for "busy, come again".
const CODE_BUSY: i64 = 30019;

/// The tag that half of the devices get.
const TAG: &str = "demo";

/// Clients that one call can give a tag (the REST API's limit).
const TAG_CALL_LEN_MAX: usize = 1000;

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
    /// Single pushes.
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
                let to_many = messages_to_many(cids.len(), pushes);
                let work = Rc::new(Work {
                    client,
                    cids,
                    pushes: pushes - to_many,
                    next: Cell::new(0),
                    stop: stop_here,
                    news,
                });
                LocalSet::new().block_on(&runtime, push_all(work, to_many > 0));
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

/// How many devices have the tag.
fn tagged_len(devices: usize) -> usize {
    devices.div_ceil(2)
}

/// How many of the messages are of pushes to many: a message to each device, and one more to each
/// that has the tag. None, if too few would be left for single pushes.
fn messages_to_many(devices: usize, messages: u64) -> u64 {
    let to_many = (devices + tagged_len(devices)) as u64;
    if to_many * 2 <= messages { to_many } else { 0 }
}

async fn push_all(work: Rc<Work>, to_many: bool) {
    // One token for all, instead of one per connection.
    if let Err(error) = work.client.token().await {
        let _ = work.news.send(News::Failed(format!("auth: {error}")));
        return;
    }
    let mut workers: Vec<_> = (0..CONNECTIONS)
        .map(|_| tokio::task::spawn_local(push_some(Rc::clone(&work))))
        .collect();
    if to_many {
        workers.push(tokio::task::spawn_local(push_to_many(Rc::clone(&work))));
    }
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
            Ok(Accepted { task_id, targets }) => News::Accepted {
                messages: messages(&task_id, targets.keys()),
                sent_at,
            },
            Err(error) => News::NotAccepted {
                messages: 1,
                why: error.to_string(),
            },
        };
        if work.news.send(news).is_err() {
            return;
        }
    }
}

fn messages<'a>(task_id: &str, cids: impl Iterator<Item = &'a String>) -> Vec<Message> {
    cids.map(|cid| Message {
        task_id: task_id.to_owned(),
        cid: cid.clone(),
    })
    .collect()
}

/// The tag, then a push to it and one to the whole app.
async fn push_to_many(work: Rc<Work>) {
    let tagged = &work.cids[..tagged_len(work.cids.len())];
    for (targets, to_tag) in [(tagged, true), (&work.cids[..], false)] {
        let sent_at = Instant::now();
        let news = match work.push_many(targets, to_tag).await {
            Ok(task_id) => News::Accepted {
                messages: messages(&task_id, targets.iter()),
                sent_at,
            },
            Err(error) => News::NotAccepted {
                messages: targets.len() as u64,
                why: error.to_string(),
            },
        };
        if work.news.send(news).is_err() {
            return;
        }
    }
}

impl Work {
    async fn push_many(&self, targets: &[String], to_tag: bool) -> Result<String, CallError> {
        if to_tag {
            for cids in targets.chunks(TAG_CALL_LEN_MAX) {
                self.client.tag(TAG, cids).await?;
            }
            let push = Push::new(PushBody::Transmission("demo message to a tag".to_owned()))?;
            return self.client.push_tag(TAG, &push).await;
        }
        let push = Push::new(PushBody::Transmission("demo message to all".to_owned()))?;
        self.client.push_all(&push).await
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_messages_enough_when_planned_should_push_to_many_with_at_most_half_of_them() {
        assert_eq!(messages_to_many(1000, 10_000), 1500);
        assert_eq!(messages_to_many(200, 2_000), 300);
        assert_eq!(messages_to_many(3, 10), 5);
        assert_eq!(messages_to_many(3, 9), 0);
        assert_eq!(messages_to_many(1000, 10), 0);
    }
}
