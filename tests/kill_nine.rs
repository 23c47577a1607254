//! kill -9 in the middle of load: what was answered with code 0 arrives exactly once.
//!
//! Few rounds here; more with `RINGPOST_KILL_ROUNDS=20 cargo test --release --test kill_nine`.

mod harness;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;

use harness::{Devices, Server, wait_for};
use sdk_sim::third_party::{BlockingThirdParty, Credentials, Push, PushBody};

const PUSHERS: usize = 4;

/// Threads that push one after the other to random devices until told to stop; each push is
/// repeated with its request id until it is answered.
struct Load {
    threads: Vec<JoinHandle<Vec<(String, String)>>>,
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
}

impl Load {
    fn start(server: &Server, cids: &[String]) -> Load {
        let (stop, answered) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicUsize::new(0)),
        );
        let threads = (0..PUSHERS)
            .map(|thread| {
                let (stop, answered) = (Arc::clone(&stop), Arc::clone(&answered));
                let bootstrap = server.bootstrap();
                let cids = cids.to_vec();
                std::thread::spawn(move || {
                    let client =
                        BlockingThirdParty::new(&bootstrap.http, Credentials::from(&bootstrap))
                            .expect("a client");
                    let mut accepted = Vec::new();
                    let mut number = thread;
                    while !stop.load(Ordering::Relaxed) {
                        let cid = &cids[(number * 7919) % cids.len()];
                        number += PUSHERS;
                        accepted.push((cid.clone(), push_until_answered(&client, cid, number)));
                        answered.fetch_add(1, Ordering::Relaxed);
                    }
                    accepted
                })
            })
            .collect();
        Load {
            threads,
            stop,
            answered,
        }
    }

    fn answered(&self) -> usize {
        self.answered.load(Ordering::Relaxed)
    }

    /// The tasks answered with code 0, by CID.
    fn finish(self) -> BTreeMap<String, Vec<String>> {
        self.stop.store(true, Ordering::Relaxed);
        let mut accepted: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for thread in self.threads {
            for (cid, task) in thread.join().expect("a pusher") {
                accepted.entry(cid).or_default().push(task);
            }
        }
        accepted
    }
}

fn push_until_answered(client: &BlockingThirdParty, cid: &str, number: usize) -> String {
    let push = Push::new(PushBody::Transmission(format!("push {number}"))).expect("random");
    wait_for("an answer", || client.push_single_cid(cid, &push).ok()).task_id
}

fn rounds() -> usize {
    std::env::var("RINGPOST_KILL_ROUNDS")
        .ok()
        .map_or(4, |text| text.parse().expect("a number"))
}

/// A few hundred answers, a different count each round, so that the kill falls elsewhere in the
/// work of the server each time.
fn let_it_run(load: &Load, round: usize) {
    let from = load.answered();
    let target = from + 60 + (round * 137) % 240;
    wait_for("answers", || (load.answered() >= target).then_some(()));
}

#[test]
fn given_kill_nine_of_the_server_under_load_when_restarted_should_deliver_every_answered_push_once()
{
    let dir = tempfile::tempdir().expect("a folder");
    let mut server = Server::start(dir.path(), 2, &[]);
    let devices = Devices::start(dir.path(), &server, 50, &[]);
    let cids = devices.events().cids();
    let load = Load::start(&server, &cids);
    for round in 0..rounds() {
        let_it_run(&load, round);
        server.kill_nine();
        server.restart();
    }
    let_it_run(&load, 1);
    let accepted = load.finish();
    let total: usize = accepted.values().map(Vec::len).sum();
    wait_for("every answered push", || {
        (devices.events().count("push") >= total).then_some(())
    });
    devices.events().assert_exactly_once(&accepted);
    server.kill_and_check();
}

#[test]
fn given_kill_nine_of_the_devices_under_load_when_restarted_should_log_every_answered_push_once() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = Server::start(dir.path(), 2, &[]);
    let mut devices = Devices::start(dir.path(), &server, 50, &[]);
    let cids = devices.events().cids();
    let load = Load::start(&server, &cids);
    for round in 0..rounds() {
        let_it_run(&load, round);
        devices.kill_nine();
        let_it_run(&load, round);
        devices.restart();
    }
    let accepted = load.finish();
    let total: usize = accepted.values().map(Vec::len).sum();
    wait_for("every answered push", || {
        (devices.events().count("push") >= total).then_some(())
    });
    devices.events().assert_exactly_once(&accepted);
}
