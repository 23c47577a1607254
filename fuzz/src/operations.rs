//! A script of what devices, third parties, the disk and time do to live shards of `server-core`.
//!
//! Each byte names a step, the next ones its parameters; at the end everything ends in order.
//! Checked: see `world`, and the sum of stages by the same oracle as the tests of the core.

mod answers;
mod apps;
mod groups;
mod many;
mod rows;
#[path = "../../server/core/tests/harness/sums.rs"]
#[allow(dead_code, reason = "the oracle is shared with the tests of the core")]
mod sums;
mod world;

use protocol::{
    Ack, Close, CloseReason, Command as Ask, DeviceInfo, Feedback, Frame, MessageId,
    NotificationSwitch, Operation, SilentTime, Upstream, UpstreamId,
};
use server_core::command::{Command, Push, Reach, Storage};
use server_core::event::ShardEvent;

use world::World;

/// Steps of one script: more only repeats what fewer have shown.
const STEPS_MAX: usize = 400;

/// What is left of the script; at its end every parameter is 0.
struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    fn byte(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        *first
    }

    fn bytes(&mut self, len: usize) -> &'a [u8] {
        let (bytes, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        bytes
    }
}

/// The target.
pub fn feed(bytes: &[u8]) {
    let mut script = Script(bytes);
    let shards = 1 + u16::from(script.byte() % 3);
    let mut world = World::new(shards);
    for _ in 0..STEPS_MAX {
        if script.0.is_empty() {
            break;
        }
        step(&mut world, &mut script);
        world.check();
    }
    world.settle();
}

fn step(world: &mut World, script: &mut Script<'_>) {
    match script.byte() % 26 {
        0 => world.open(script.byte()),
        1 => world.register(script.byte(), script.byte()),
        2 => world.log_in(script.byte(), script.byte(), script.byte() & 1 == 1),
        3 => {
            let (link, len) = (script.byte(), script.byte());
            world.bytes(link, script.bytes(usize::from(len)));
        }
        4 => ack(world, script),
        5 | 6 => push(world, script),
        7 => push_many(world, script),
        8 | 9 => world.commit(usize::from(script.byte())),
        10 => world.deliver(),
        11 => world.read(usize::from(script.byte())),
        12 => world.pass(u64::from(script.byte()) * 250),
        13 => world.gone(script.byte()),
        14 => device_asks(world, script),
        15 => third_party_asks(world, script),
        16 => match script.byte() % 5 {
            3 | 4 => {
                let (link, id, len) = (script.byte(), script.byte(), script.byte());
                let body = script.bytes(usize::from(len % 16)).to_vec();
                let upstream = Upstream {
                    id: UpstreamId(1 + u64::from(id % 80)),
                    task_id: String::new(),
                    body: body.repeat(1 + usize::from(len / 16) * 20).into(),
                };
                world.frame(link, Frame::Upstream(upstream));
            }
            0 => world.frame(script.byte(), Frame::Ping),
            1 => world.frame(script.byte(), Frame::Pong),
            _ => {
                let close = Close {
                    reason: CloseReason::Normal,
                    retry_after_ms: 0,
                    text: String::new(),
                };
                world.frame(script.byte(), Frame::Close(close));
            }
        },
        17 => {
            let synced_only = script.byte() & 1 == 1;
            world.crash(synced_only, 1 + u16::from(script.byte() % 3));
        }
        18 => world.step_clock(i64::from(script.byte() as i8) * 600_000),
        19 => world.feed_all(&ShardEvent::Drain {
            jitter_ms: u32::from(script.byte()) * 100,
            endpoint: String::new(),
        }),
        20 => operator_asks(world, script),
        21 => history_asks(world, script),
        22 => world.speak(script.byte()),
        23 => many::take(world, script),
        24 => many::go_on(world, script),
        _ => many::describe(world, script),
    }
}

/// Acks of what came, or of anything else.
fn ack(world: &mut World, script: &mut Script<'_>) {
    let (link, pick, count) = (script.byte(), script.byte(), script.byte());
    let mut ids = world.came(link, usize::from(count % 80));
    match pick % 4 {
        0 => {}
        1 => ids.truncate(1),
        2 => ids.retain(|id| id.0 % 2 == 0),
        _ => ids.iter_mut().for_each(|id| id.0 += u64::from(pick)),
    }
    if !ids.is_empty() {
        world.frame(link, Frame::Ack(Ack { ids }));
    }
}

fn a_push(world: &mut World, script: &mut Script<'_>) -> Push {
    let storage = match script.byte() % 4 {
        0 => Storage::Never,
        1 => Storage::Until(world.wall_ms() + 5_000),
        2 => Storage::Until(world.wall_ms() + 3_600_000),
        _ => Storage::Until(world.wall_ms() + 3 * 86_400_000),
    };
    let request = script.byte();
    let len = script.byte();
    let mut body = script.bytes(usize::from(len % 16)).to_vec();
    if len > 200 {
        body = body.repeat(1000);
    }
    Push {
        request_id: world.request_id(request),
        task_id: world.task_id(),
        storage,
        vendor: None,
        skips_notify_off: request & 1 == 1,
        body: body.into(),
    }
}

fn push(world: &mut World, script: &mut Script<'_>) {
    let (device, times) = (script.byte(), script.byte());
    let mut push = a_push(world, script);
    let Some(cid) = world.device(device) else {
        return;
    };
    for _ in 0..=times % 80 {
        let app = world.asker(cid);
        let command = Command::PushSingle {
            app,
            cid,
            push: push.clone(),
        };
        world.ask(world.owner(cid), command);
        push.request_id = world.request_id(0);
        push.task_id = world.task_id();
    }
}

fn push_many(world: &mut World, script: &mut Script<'_>) {
    let count = script.byte() % 6;
    let mut targets = Vec::new();
    for _ in 0..count {
        let (device, reach) = (script.byte(), script.byte());
        // A probe may be out of date by the time of the push.
        let reach = [Reach::Online, Reach::Offline, Reach::Filtered][usize::from(reach % 3)];
        if let Some(cid) = world.device(device)
            && targets
                .iter()
                .all(|(other, _)| *other != cid && world.app_of(*other) == world.app_of(cid))
        {
            targets.push((cid, reach));
        }
    }
    let push = a_push(world, script);
    if let Some(app) = targets.first().and_then(|(cid, _)| world.app_of(*cid)) {
        world.ask(0, Command::PushMany { app, targets, push });
    }
}

fn name(script: &mut Script<'_>) -> Box<str> {
    // Few names, so that they meet; all of them allowed.
    let number = script.byte() % 6;
    format!("alias_{number}").into()
}

fn device_asks(world: &mut World, script: &mut Script<'_>) {
    let (link, serial, what) = (script.byte(), script.byte(), script.byte());
    let alias_type = String::new();
    let alias = match script.byte() {
        255 => "not allowed".to_owned(),
        _ => name(script).into_string(),
    };
    let operation = match what % 16 {
        0 => Operation::Unknown(what.max(100)),
        1 | 5 => Operation::BindAlias { alias_type, alias },
        3 => Operation::SetTags(vec![alias; usize::from(what / 64)]),
        4 => Operation::QueryTags,
        7 => Operation::PushSwitch {
            on: what & 16 == 16,
        },
        8 => Operation::SilentTime(SilentTime {
            begin_hour: what / 16,
            hours: 1,
            zone_min: 0,
        }),
        9 => Operation::DeviceInfo(DeviceInfo {
            model: alias,
            notifications: NotificationSwitch::ALL[usize::from(what / 16 % 3)],
            ..DeviceInfo::default()
        }),
        11 => Operation::Badge(what.into()),
        12 => Operation::VendorToken {
            channel: alias,
            token: "t".repeat(usize::from(what / 32) * 40),
        },
        13 | 15 => {
            let came = world.came(link, 80);
            let at = usize::from(what / 16) % came.len().max(1);
            let message = came.get(at).copied().unwrap_or(MessageId(what.into()));
            Operation::Feedback(vec![
                Feedback {
                    message,
                    action: [10_000, 60_001, 90_001, 10_001][usize::from(what / 64)],
                    ago_s: what.into(),
                };
                2
            ])
        }
        _ => Operation::UnbindAlias {
            everywhere: what & 4 == 4,
            alias_type,
            alias,
        },
    };
    let ask = Ask {
        serial: serial.into(),
        operation,
    };
    world.frame(link, Frame::Command(ask));
}

fn third_party_asks(world: &mut World, script: &mut Script<'_>) {
    let what = script.byte();
    let Some(cid) = world.device(script.byte()) else {
        return;
    };
    let (app, alias_type, alias) = (world.asker(cid), Box::from(""), name(script));
    let owner = world.owner(cid);
    let (at, command) = match what % 6 {
        0 => (
            owner,
            Command::Probe {
                app,
                cids: vec![cid],
            },
        ),
        1 => (
            owner,
            Command::Status {
                app,
                cids: vec![cid],
            },
        ),
        2 => (
            0,
            Command::CidsOfAlias {
                app,
                alias_type,
                alias,
            },
        ),
        3 => (
            owner,
            Command::AliasOfCid {
                app,
                alias_type,
                cid,
            },
        ),
        4 => (
            0,
            Command::BindAliases {
                app,
                alias_type,
                bindings: vec![(cid, alias)],
            },
        ),
        _ => (
            0,
            Command::UnbindAliases {
                app,
                alias_type,
                bindings: vec![(cid, alias)],
            },
        ),
    };
    world.ask(at, command);
}

/// What the operator does with an app.
fn operator_asks(world: &mut World, script: &mut Script<'_>) {
    let (what, pick) = (script.byte(), script.byte());
    let until_ms = world.wall_ms() + u64::from(pick) * 1_000;
    if let Some(command) = world.apps.command(what, pick, until_ms) {
        world.ask(0, command);
    }
}

/// What the operator asks: why did it not arrive?
fn history_asks(world: &mut World, script: &mut Script<'_>) {
    let (what, pick) = (script.byte(), script.byte());
    let Some(cid) = world.device(pick) else {
        return;
    };
    let (app, owner) = (world.asker(cid), world.owner(cid));
    let (at, command) = match what % 3 {
        0 => (owner, Command::LiveSession { app, cid }),
        1 => (owner, Command::DeviceHistory { app, cid }),
        _ => {
            let task_id = world.questions.task(pick);
            let task_id = task_id.unwrap_or_else(|| "of nobody".into());
            (0, Command::TaskHistory { app, task_id })
        }
    };
    world.ask(at, command);
}
