//! Any order of logins, pushes, acks, delays, refusals and crashes: nothing accepted is lost,
//! nothing is counted twice, nothing comes out of order.

use proptest::prelude::*;

use crate::harness::Wanderer;

/// One thing that may happen; numbers pick among what exists then.
#[derive(Debug, Clone)]
enum Step {
    Register {
        session: u8,
        install: u8,
        at: u8,
    },
    Login {
        session: u8,
        device: u8,
        resume: bool,
        at: u8,
    },
    Gone {
        session: u8,
    },
    Push {
        device: u8,
        count: usize,
        ttl: &'static str,
    },
    Again {
        device: u8,
    },
    Ack {
        session: u8,
        bits: u64,
    },
    Line(&'static str),
}

fn step() -> impl Strategy<Value = Step> {
    let session = 0..5u8;
    let many = prop_oneof![8 => 1..4usize, 1 => 60..140usize];
    let line = prop::sample::select(
        &[
            "commit",
            "commit",
            "commit",
            "commit 1",
            "commit hold",
            "deliver",
            "deliver",
            "deliver at=0",
            "read",
            "read",
            "read hold",
            "read 1",
            "deliver reads",
            "deliver reads",
            "tick 250ms",
            "tick 1s",
            "tick 7s",
            "refuse crash",
            "refuse reads",
            "crash",
            "crash unsynced",
            "crash shards=1",
            "crash shards=3",
            "clock -1h",
            "jump 13h",
            "clock 1h",
        ][..],
    );
    prop_oneof![
        2 => (session.clone(), 1..5u8, 0..3u8)
            .prop_map(|(session, install, at)| Step::Register { session, install, at }),
        4 => (session.clone(), any::<u8>(), any::<bool>(), 0..3u8)
            .prop_map(|(session, device, resume, at)| Step::Login { session, device, resume, at }),
        1 => session.clone().prop_map(|session| Step::Gone { session }),
        6 => (any::<u8>(), many, prop::sample::select(&["90d", "90d", "90d", "5s", "20h", "-1"][..]))
            .prop_map(|(device, count, ttl)| Step::Push { device, count, ttl }),
        1 => any::<u8>().prop_map(|device| Step::Again { device }),
        5 => (session, any::<u64>()).prop_map(|(session, bits)| Step::Ack { session, bits }),
        12 => line.prop_map(Step::Line),
    ]
}

struct Walk {
    wanderer: Wanderer,
    shards: u8,
    /// Names are not used twice: a session ends for good.
    opened: usize,
    slots: [Option<String>; 5],
}

impl Walk {
    fn open(&mut self, slot: u8, at: u8) -> String {
        self.opened += 1;
        let name = format!("s{}", self.opened);
        self.wanderer
            .go(&format!("open {name} at={}", at % self.shards));
        self.slots[usize::from(slot)] = Some(name.clone());
        name
    }

    fn device(&self, pick: u8) -> Option<char> {
        let devices = self.wanderer.devices();
        (devices > 0).then(|| char::from(b'A' + (usize::from(pick) % devices) as u8))
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Register {
                session,
                install,
                at,
            } => {
                let name = self.open(*session, *at);
                self.wanderer.go(&format!(
                    "hello {name} register install={install} secret={install} hb=10"
                ));
            }
            Step::Login {
                session,
                device,
                resume,
                at,
            } => {
                let Some(cid) = self.device(*device) else {
                    return;
                };
                let name = self.open(*session, *at);
                let resume = if *resume {
                    self.wanderer.unbroken(cid)
                } else {
                    0
                };
                let secret = self.wanderer.secret(cid);
                self.wanderer.go(&format!(
                    "hello {name} login {cid} secret={secret} resume={resume} hb=10"
                ));
            }
            Step::Gone { session } => {
                let name = self.slots[usize::from(*session)].take();
                if let Some(name) = name.filter(|name| self.wanderer.has_session(name)) {
                    self.wanderer.go(&format!("gone {name}"));
                }
            }
            Step::Push { device, count, ttl } => {
                let Some(cid) = self.device(*device) else {
                    return;
                };
                self.wanderer.go(&format!("push {cid} n={count} ttl={ttl}"));
            }
            Step::Again { device } => {
                let Some(cid) = self.device(*device) else {
                    return;
                };
                self.wanderer.go(&format!("push {cid} req=same ttl=90d"));
            }
            Step::Ack { session, bits } => {
                let Some(name) = self.slots[usize::from(*session)].clone() else {
                    return;
                };
                let came = self.wanderer.came(&name);
                let picked = came
                    .iter()
                    .rev()
                    .enumerate()
                    .filter(|(at, _)| bits >> (at % 64) & 1 == 1);
                let mut ids: Vec<usize> = picked.map(|(_, ordinal)| *ordinal).take(256).collect();
                ids.sort_unstable();
                let ids: Vec<String> = ids.iter().map(usize::to_string).collect();
                if !ids.is_empty() {
                    self.wanderer.go(&format!("ack {name} {}", ids.join(" ")));
                }
            }
            Step::Line(line) => {
                match *line {
                    "crash shards=1" => self.shards = 1,
                    "crash shards=3" => self.shards = 3,
                    _ => {}
                }
                self.wanderer.go(line);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn given_any_order_of_events_when_all_is_over_should_have_lost_nothing(
        steps in prop::collection::vec(step(), 1..150),
    ) {
        let mut walk = Walk {
            wanderer: Wanderer::new("world shards=2"),
            shards: 2,
            opened: 0,
            slots: [None, None, None, None, None],
        };
        for step in &steps {
            walk.take(step);
        }
        walk.wanderer.end();
    }
}
