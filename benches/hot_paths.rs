//! The pure functions that every message passes, one at a time, for counting instructions.
//!
//! `cargo bench --bench hot_paths` times them (look at ratios in one run, the machine is noisy);
//! `benches/instructions.sh` counts instructions per call under callgrind, which do not depend on
//! the machine's mood, and compares with `benches/instructions.txt`.

use std::hint::black_box;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use protocol::{
    Ack, ClientId, Decoder, DeviceSecret, Frame, Hello, Identity, InstallId, MessageId, Peer,
    Platform, Push,
};
use schema::record::{App, Device as DeviceRow};
use server_core::apply::{Ids, apply};
use server_core::clock::Now;
use server_core::command::{Command, Push as PushRequest, Storage};
use server_core::devices::{Device, Devices, hash_of};
use server_core::effect::Effect;
use server_core::event::ShardEvent;
use server_core::ids::{AppNo, SessionId, ShardNo, Ticket};
use server_core::op::Submitted;
use server_core::placement::Slot;
use server_core::rows::MemoryRows;
use server_core::shard::{Identity as ShardIdentity, Settings, Shard};

/// Bytes of the body of a typical push.
const BODY_LEN: usize = 128;

type Bench = (&'static str, fn(u64));

const BENCHES: &[Bench] = &[
    ("encode_push", encode_push),
    ("decode_push", decode_push),
    ("decode_ack", decode_ack),
    ("decode_ping", decode_ping),
    ("placement", placement),
    ("push_to_ack", push_to_ack),
    ("ping", ping),
];

fn main() {
    let args: Vec<String> = std::env::args()
        .skip(1)
        .filter(|arg| !arg.starts_with("--"))
        .collect();
    match args.as_slice() {
        // For callgrind: one function, so many calls.
        [name, calls] => {
            let calls = calls.parse().expect("a number of calls");
            let (_, bench) = BENCHES
                .iter()
                .find(|(other, _)| other == name)
                .expect("a known function");
            bench(calls);
        }
        [word] if word == "list" => BENCHES.iter().for_each(|(name, _)| println!("{name}")),
        _ => {
            for (name, bench) in BENCHES {
                const CALLS: u64 = 200_000;
                bench(CALLS / 10);
                let started = Instant::now();
                bench(CALLS);
                println!(
                    "{name:<12} {:>8.1} ns",
                    started.elapsed().as_nanos() as f64 / CALLS as f64
                );
            }
        }
    }
}

fn push_frame() -> Frame {
    Frame::Push(Push {
        id: MessageId(1 << 40),
        sealed: false,
        body: Bytes::from(vec![7; BODY_LEN]),
    })
}

fn encode_push(calls: u64) {
    let frame = push_frame();
    let mut out = BytesMut::with_capacity(4096);
    for _ in 0..calls {
        out.clear();
        black_box(&frame).encode(&mut out);
    }
    black_box(out);
}

fn decode(frame: &Frame, sender: Peer, calls: u64) {
    let mut bytes = BytesMut::new();
    frame.encode(&mut bytes);
    let mut decoder = Decoder::new(sender);
    if sender == Peer::Device {
        let mut hello = BytesMut::new();
        Frame::Hello(hello_of(Identity::Register(InstallId::from_bytes([1; 16]))))
            .encode(&mut hello);
        decoder.push(&hello);
        decoder.next_frame().expect("a hello");
    }
    for _ in 0..calls {
        decoder.push(black_box(&bytes));
        black_box(decoder.next_frame().expect("a frame"));
    }
}

fn decode_push(calls: u64) {
    decode(&push_frame(), Peer::Server, calls);
}

fn decode_ack(calls: u64) {
    decode(
        &Frame::Ack(Ack {
            ids: vec![MessageId(1 << 40)],
        }),
        Peer::Device,
        calls,
    );
}

fn decode_ping(calls: u64) {
    decode(&Frame::Ping, Peer::Device, calls);
}

fn placement(calls: u64) {
    let cid = ClientId::from_bytes([0x5a; 16]);
    for _ in 0..calls {
        black_box(Slot::of_cid(black_box(cid)).shard(black_box(16)));
    }
}

fn hello_of(identity: Identity) -> Hello {
    Hello {
        minor: 0,
        app_id: "app".into(),
        identity,
        secret: DeviceSecret::from_bytes([1; 32]),
        sign: None,
        resume: MessageId(0),
        heartbeat_s: 0,
        platform: Platform::Android,
        sdk_version: "1.0".into(),
    }
}

/// A shard with one live device.
struct World {
    shard: Shard,
    rows: MemoryRows,
    ids: Ids,
    effects: Vec<Effect>,
    now: Now,
}

const CID: ClientId = ClientId::from_bytes([1; 16]);
const SESSION: SessionId = SessionId(1);

impl World {
    fn new() -> World {
        let row = DeviceRow {
            app: 1,
            install: [1; 16],
            secret_hash: hash_of(&DeviceSecret::from_bytes([1; 32])),
            created_ms: 0,
            platform: 1,
            sdk_version: "1.0".into(),
            push_off: false,
            blocked: false,
            notify_off: false,
        };
        let app = App {
            number: 1,
            app_id: "app".into(),
            app_key: "key".into(),
            app_secret: "secret".into(),
            master_secret: "master".into(),
            name: "app".into(),
            created_ms: 0,
            disabled: false,
            sign_required: false,
            previous: None,
            settings: Box::default(),
        };
        let mut devices = Devices::default();
        devices.put(CID, Device::new(&row, Some(MessageId(0))));
        let identity = ShardIdentity {
            me: ShardNo(0),
            shards: 1,
            epoch: 1,
            seed: [7; 32],
        };
        let now = Now {
            wall_ms: 1_800_000_000_000,
            mono_ms: 0,
        };
        let shard = Shard::new(identity, Settings::default(), vec![app], devices, now);
        let rows = MemoryRows::default();
        let ids = Ids::recover(&rows).expect("memory reads");
        let mut world = World {
            shard,
            rows,
            ids,
            effects: Vec::new(),
            now,
        };
        world.event(ShardEvent::Opened(SESSION));
        world.event(ShardEvent::Frame(
            SESSION,
            Frame::Hello(hello_of(Identity::Login(CID))),
        ));
        world.effects.clear();
        world
    }

    fn event(&mut self, event: ShardEvent) {
        self.shard.on_event(self.now, event, &mut self.effects);
    }

    /// Commits what was asked for; the rows stay small, since they are not what is measured.
    fn commit(&mut self) {
        let mut batch = Vec::new();
        for effect in self.effects.drain(..) {
            if let Effect::Commit(op) = effect {
                batch.push(Submitted {
                    shard: ShardNo(0),
                    op,
                });
            }
        }
        let applied =
            apply(&batch, self.now.wall_ms, 1, &mut self.ids, &self.rows).expect("memory reads");
        black_box(&applied.writes);
        for (_, committed) in applied.events {
            self.shard.on_event(
                self.now,
                ShardEvent::Committed(committed),
                &mut self.effects,
            );
        }
    }
}

/// One push through the shard: command, commit, send, ack.
fn push_to_ack(calls: u64) {
    let mut world = World::new();
    let body = Bytes::from(vec![7; BODY_LEN]);
    for call in 0..calls {
        let push = PushRequest {
            vendor: None,
            skips_notify_off: false,
            request_id: "0123456789".into(),
            task_id: "RASS_1124_0123456789abcdef0123456789abcdef".into(),
            storage: Storage::Until(world.now.wall_ms + 7_200_000),
            body: body.clone(),
        };
        world.event(ShardEvent::Command(
            Ticket(call),
            Command::PushSingle {
                app: AppNo(1),
                cid: CID,
                push,
            },
        ));
        world.commit();
        let sent = world.effects.drain(..).find_map(|effect| match effect {
            Effect::Send(_, Frame::Push(push)) => Some(push.id),
            _ => None,
        });
        let ids = vec![sent.expect("a live device is sent its push")];
        world.event(ShardEvent::Frame(SESSION, Frame::Ack(Ack { ids })));
        world.commit();
        world.effects.clear();
    }
}

fn ping(calls: u64) {
    let mut world = World::new();
    for _ in 0..calls {
        world.event(ShardEvent::Frame(SESSION, Frame::Ping));
        world.effects.clear();
    }
}
