//! Devices that behave, one on each shard, while others do not: they must notice nothing.
//!
//! Always: each keeps one session; a ping has its pong and a push comes before the patience of a
//! device ends (`device.rs`), or the thread of that neighbour fails and with it the test.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use protocol::{Ack, ClientId, Frame, Identity, InstallId, MessageId};
use sdk_sim::third_party::{Accepted, BlockingThirdParty, CallError, Push, PushBody};
use server_core::placement::Slot;

use super::device::{Device, hello};
use super::{Server, wait_for};

/// Installs tried until each shard has a neighbour; with two shards, fifty heads in a row.
const TRIES: u8 = 50;

/// One well-behaved device on each shard of a server.
pub struct Neighbours {
    each: Vec<Neighbour>,
    third_party: BlockingThirdParty,
}

struct Neighbour {
    cid: ClientId,
    pushed: usize,
    seen: Arc<Seen>,
    thread: JoinHandle<Told>,
}

#[derive(Default)]
struct Seen {
    stop: AtomicBool,
    pushes: AtomicUsize,
    pongs: AtomicUsize,
}

/// What a neighbour says at the end.
struct Told {
    ids: Vec<MessageId>,
    longest_wait: Duration,
}

impl Neighbours {
    /// Registers one on each shard and lets them talk.
    pub fn move_in(server: &Server, shards: u16) -> Neighbours {
        let bootstrap = server.bootstrap();
        let mut each: BTreeMap<u16, Neighbour> = BTreeMap::new();
        for number in 0..TRIES {
            let install =
                InstallId::from_bytes([0xa0, number, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
            let mut hello = hello(&bootstrap, Identity::Register(install), [number; 32]);
            hello.heartbeat_s = 60;
            let mut device = Device::connect(&bootstrap);
            let cid = device.greet(hello);
            let shard = Slot::of_cid(cid).shard(shards).0;
            each.entry(shard).or_insert_with(|| {
                let seen = Arc::new(Seen::default());
                let shared = Arc::clone(&seen);
                let thread = std::thread::spawn(move || live(device, &shared));
                Neighbour {
                    cid,
                    pushed: 0,
                    seen,
                    thread,
                }
            });
            if each.len() == usize::from(shards) {
                break;
            }
        }
        assert_eq!(each.len(), usize::from(shards), "a neighbour on each shard");
        Neighbours {
            each: each.into_values().collect(),
            third_party: server.third_party(),
        }
    }

    /// Pushes once to each of them, and waits for the push and for one more pong.
    pub fn notice_nothing(&mut self) {
        self.notice(|ask| ask().expect("accepted"));
    }

    /// The same while the server refuses what is too much: their pushes are repeated until they are
    /// taken, as their sender would; the devices themselves notice nothing.
    pub fn notice_no_overload(&mut self) {
        self.notice(|ask| {
            wait_for("a push to a good neighbour to be taken", || match ask() {
                Ok(accepted) => Some(accepted),
                Err(CallError::Refused { code: 30019, .. }) => None,
                Err(error) => panic!("{error}"),
            })
        });
    }

    fn notice(
        &mut self,
        push_until: impl Fn(&dyn Fn() -> Result<Accepted, CallError>) -> Accepted,
    ) {
        for neighbour in &mut self.each {
            let body = PushBody::Transmission("to a good neighbour".into());
            let push = Push::new(body).expect("random");
            let cid = neighbour.cid.to_string();
            let accepted = push_until(&|| self.third_party.push_single_cid(&cid, &push));
            let status = &accepted.targets[&cid];
            assert_eq!(status, "successed_online", "its session lives");
            neighbour.pushed += 1;
            let pongs = neighbour.seen.pongs.load(Ordering::Relaxed);
            wait_for("a push and a pong of a good neighbour", || {
                assert!(!neighbour.thread.is_finished(), "a neighbour was disturbed");
                let seen = &neighbour.seen;
                (seen.pushes.load(Ordering::Relaxed) == neighbour.pushed
                    && seen.pongs.load(Ordering::Relaxed) > pongs)
                    .then_some(())
            });
        }
    }

    /// Ends them; fails if one was disturbed. Returns the longest time that one waited for a pong.
    pub fn move_out(self) -> Duration {
        let mut longest = Duration::ZERO;
        for neighbour in self.each {
            neighbour.seen.stop.store(true, Ordering::Relaxed);
            let told = neighbour.thread.join().expect("an undisturbed neighbour");
            assert_eq!(told.ids.len(), neighbour.pushed, "each push once");
            assert!(
                told.ids.windows(2).all(|pair| pair[0] < pair[1]),
                "in order"
            );
            longest = longest.max(told.longest_wait);
        }
        longest
    }
}

fn live(mut device: Device, seen: &Seen) -> Told {
    let mut told = Told {
        ids: Vec::new(),
        longest_wait: Duration::ZERO,
    };
    while !seen.stop.load(Ordering::Relaxed) {
        let asked = Instant::now();
        device.send(&[Frame::Ping]);
        loop {
            match device
                .receive()
                .expect("the session of a good neighbour lives")
            {
                Frame::Pong => break,
                Frame::Push(push) => {
                    told.ids.push(push.id);
                    device.send(&[Frame::Ack(Ack { ids: vec![push.id] })]);
                    seen.pushes.fetch_add(1, Ordering::Relaxed);
                }
                other => panic!("{other:?} to a good neighbour"),
            }
        }
        told.longest_wait = told.longest_wait.max(asked.elapsed());
        seen.pongs.fetch_add(1, Ordering::Relaxed);
        std::thread::park_timeout(Duration::from_millis(20));
    }
    told
}
