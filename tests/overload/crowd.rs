//! Third parties that push more than the store takes, as fast as they are answered.
//!
//! Always: what is refused is repeated with the same request ids, at the end until it is taken, so
//! that in the end each message was answered 0 once and must come once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use hyper::Method;
use sdk_sim::third_party::{BlockingThirdParty, CallError, Credentials, random_request_id};
use serde_json::{Value, json};

use super::harness::wait_for;

/// Messages of one request, as many as the API takes.
const BATCH: usize = 200;

/// Characters of a message, as many as the API takes: 9 KiB.
const CHARACTERS: usize = 3072;

/// Before a refused request is repeated: a wait that an honest third party takes, and forty of them
/// still ask for several times what is taken.
const PAUSE: Duration = Duration::from_millis(100);

/// Requests so far, by how they were answered.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    stop: AtomicBool,
    pub(crate) accepted: AtomicUsize,
    pub(crate) refused: AtomicUsize,
}

impl Counts {
    /// Accepted and refused.
    pub(crate) fn read(&self) -> (usize, usize) {
        let [accepted, refused] =
            [&self.accepted, &self.refused].map(|count| count.load(Ordering::Relaxed));
        (accepted, refused)
    }
}

/// Tasks by the device that must get them.
pub(crate) type Owed = BTreeMap<String, Vec<String>>;

pub(crate) struct Crowd {
    pub(crate) counts: Arc<Counts>,
    threads: Vec<JoinHandle<Owed>>,
}

impl Crowd {
    /// So many at a time, who push to these devices.
    pub(crate) fn gather(
        pushers: usize,
        url: &str,
        credentials: &Credentials,
        cids: &[String],
    ) -> Crowd {
        let counts = Arc::new(Counts::default());
        let threads = (0..pushers).map(|_| {
            let party = BlockingThirdParty::new(url, credentials.clone()).expect("a client");
            let (counts, cids) = (Arc::clone(&counts), cids.to_vec());
            std::thread::spawn(move || push_until_told(&party, &counts, &cids))
        });
        let threads = threads.collect();
        Crowd { counts, threads }
    }

    /// Ends them, once each request was taken; what they are owed.
    pub(crate) fn disperse(self) -> Owed {
        self.counts.stop.store(true, Ordering::Relaxed);
        let mut owed = Owed::new();
        for thread in self.threads {
            for (cid, tasks) in thread.join().expect("a third party") {
                owed.entry(cid).or_default().extend(tasks);
            }
        }
        owed
    }

    /// Bytes of a request's messages.
    pub(crate) fn request_len() -> usize {
        BATCH * CHARACTERS * '中'.len_utf8()
    }
}

fn push_until_told(party: &BlockingThirdParty, counts: &Counts, cids: &[String]) -> Owed {
    let text = "中".repeat(CHARACTERS);
    let mut owed = Owed::new();
    while !counts.stop.load(Ordering::Relaxed) {
        let messages: Vec<Value> = (0..BATCH)
            .map(|number| {
                json!({ "request_id": random_request_id().expect("random"),
                    "audience": { "cid": [cids[number % cids.len()]] },
                    "push_message": { "transmission": text } })
            })
            .collect();
        let body = json!({ "is_async": false, "msg_list": messages });
        let data = wait_for("a request to be taken", || {
            match party.call(Method::POST, "/push/single/batch/cid", Some(&body)) {
                Ok(data) => Some(data),
                Err(CallError::Refused { code: 30019, .. }) => {
                    counts.refused.fetch_add(1, Ordering::Relaxed);
                    std::thread::park_timeout(PAUSE);
                    None
                }
                Err(error) => panic!("{error}"),
            }
        });
        counts.accepted.fetch_add(1, Ordering::Relaxed);
        let tasks = data.as_object().expect("tasks");
        assert_eq!(tasks.len(), BATCH, "each message has its task");
        for (task, target) in tasks {
            let cid = target.as_object().and_then(|target| target.keys().next());
            let cid = cid.expect("a target").clone();
            owed.entry(cid).or_default().push(task.clone());
        }
    }
    owed
}
