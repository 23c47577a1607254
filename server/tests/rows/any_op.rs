//! Batches of anything that can be done to a store: strategies of ops over few devices and apps, so that they meet.

use bytes::Bytes;
use proptest::prelude::*;
use protocol::{ClientId, Feedback, MessageId, Upstream, UpstreamId};
use schema::record::{App, Device};
use server_core::clock::{DAY_MS, Day};
use server_core::command::{Push, Reach, Settling, Storage};
use server_core::group::GroupNo;
use server_core::ids::{AppNo, SessionId, Ticket};
use server_core::limits;
use server_core::op::{CursorMove, MessageEnd, Op, Origin};
use server_core::outbox::{Fate, Final};

pub(crate) const CIDS: u8 = 5;
pub(crate) const ALIASES: [&str; 3] = ["alice", "bob", "用户"];
pub(crate) const TYPES: [&str; 2] = ["", "phone"];
pub(crate) const ORIGIN: Origin = Origin::Ticket(Ticket(1));

pub(crate) fn cid(n: u8) -> ClientId {
    // Two of them share a slot, so that a prefix has a neighbour.
    ClientId::from_bytes([n / 2 * 0x30, 0, n, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, n])
}

pub(crate) fn today() -> Day {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Day::of_ms(since.map_or(0, |since| since.as_millis() as u64))
}

/// A day some days from today; the database commits by the real clock.
pub(crate) fn day(offset: i32) -> Day {
    Day(today().0.saturating_add_signed(offset))
}

pub(crate) fn accept(
    request_id: &str,
    targets: Vec<(ClientId, Reach)>,
    storage: Storage,
    body: Bytes,
) -> Op {
    let push = Push {
        vendor: None,
        skips_notify_off: false,
        request_id: request_id.into(),
        task_id: format!("task of {request_id}").into(),
        storage,
        body,
    };
    Op::Accept {
        ticket: Ticket(1),
        app: AppNo(1),
        targets,
        push,
    }
}

pub(crate) fn any_cid() -> impl Strategy<Value = ClientId> {
    (0..CIDS).prop_map(cid)
}

pub(crate) fn any_accept() -> impl Strategy<Value = Op> {
    let reach = prop_oneof![
        Just(Reach::Online),
        Just(Reach::Offline),
        Just(Reach::Filtered)
    ];
    let storage = prop_oneof![
        1 => Just(Storage::Never),
        5 => (-2..4i32, 0..DAY_MS)
            .prop_map(|(offset, ms)| Storage::Until(u64::from(day(offset).0) * DAY_MS + ms)),
    ];
    let piece = limits::PIECE_LEN_MAX;
    let len = prop_oneof![
        0..40usize,
        Just(piece),
        Just(piece + 1),
        4 * piece..5 * piece
    ];
    let targets = prop::collection::vec((any_cid(), reach), 0..3);
    (0..12u8, targets, storage, len, any::<u8>()).prop_map(
        |(request, targets, storage, len, byte)| {
            accept(
                &format!("request {request}"),
                targets,
                storage,
                Bytes::from(vec![byte; len]),
            )
        },
    )
}

pub(crate) fn any_register() -> impl Strategy<Value = Op> {
    (any_cid(), 0..6u8, 0..2u8, 1..3u32)
        .prop_map(|(cid, install, secret, app)| register(cid, install, secret, app))
}

pub(crate) fn any_cursors() -> impl Strategy<Value = Op> {
    let moves = prop::collection::vec((any_cid(), any::<u64>()), 0..4);
    let finals = prop::collection::vec((-2..4i32, 0..4u64), 0..3);
    (moves, finals).prop_map(|(moves, finals)| Op::Cursors {
        moves: moves
            .into_iter()
            .map(|(cid, acked)| CursorMove {
                active: acked.is_multiple_of(2).then_some(AppNo(1)),
                cid,
                acked: MessageId(acked),
                last_login_ms: 2,
                last_seen_ms: 3,
            })
            .collect(),
        finals: finals
            .into_iter()
            .map(|(offset, id)| MessageEnd {
                app: Some(AppNo(1)),
                cid: cid(id as u8),
                end: Final {
                    group: GroupNo(id % 2),
                    id: MessageId((u64::from(day(offset).0) * DAY_MS) << 22 | id),
                    day: day(offset),
                    fate: if id % 2 == 0 {
                        Fate::Acked
                    } else {
                        Fate::Expired
                    },
                    sent_ms: id,
                },
                final_ms: id + 1,
            })
            .collect(),
    })
}

pub(crate) fn any_alias_op() -> impl Strategy<Value = Op> {
    let bindings = prop::collection::vec((any_cid(), prop::sample::select(&ALIASES[..])), 1..3);
    let app = (1..3u32).prop_map(AppNo);
    (0..3u8, app, prop::sample::select(&TYPES[..]), bindings).prop_map(
        |(kind, app, alias_type, bindings)| {
            let origin = ORIGIN;
            let alias_type: Box<str> = alias_type.into();
            let alias: Box<str> = bindings[0].1.into();
            let bindings = bindings
                .into_iter()
                .map(|(cid, alias)| (cid, alias.into()))
                .collect();
            match kind {
                0 => Op::BindAliases {
                    origin,
                    app,
                    alias_type,
                    bindings,
                },
                1 => Op::UnbindAliases {
                    origin,
                    app,
                    alias_type,
                    bindings,
                },
                _ => Op::DropAlias {
                    origin,
                    app,
                    alias_type,
                    alias,
                },
            }
        },
    )
}

pub(crate) fn with_callback(mut app: App) -> App {
    app.settings.callback.url = Some("https://example.org".into());
    app
}

pub(crate) fn app(number: u32) -> App {
    App {
        number,
        app_id: format!("app {number}"),
        app_key: "key".into(),
        app_secret: "secret".into(),
        master_secret: "master".into(),
        name: "name".into(),
        created_ms: 4,
        disabled: false,
        sign_required: true,
        previous: None,
        settings: Box::default(),
    }
}

/// Changes and deletions of apps that may exist.
pub(crate) fn any_app_op() -> impl Strategy<Value = Op> {
    (0..3u8, 1..4u32, any::<bool>()).prop_map(|(kind, number, disabled)| {
        let app = App {
            disabled,
            name: format!("name {disabled}"),
            ..with_callback(app(number))
        };
        let ticket = Ticket(1);
        match kind {
            0 => Op::CreateApp { ticket: None, app },
            1 => Op::ChangeApp { ticket, app },
            _ => Op::DeleteApp { ticket, app },
        }
    })
}

pub(crate) fn any_forgetting() -> impl Strategy<Value = Op> {
    prop::collection::vec(any_cid(), 1..3).prop_map(|cids| Op::ForgetDevices { ticket: None, cids })
}

/// What devices say beside their acknowledgements, and what becomes of their messages.
pub(crate) fn any_report() -> impl Strategy<Value = Op> {
    let message = (-2..2i32, 0..4u64)
        .prop_map(|(offset, id)| MessageId((u64::from(day(offset).0) * DAY_MS) << 22 | id));
    let feedback =
        (0..CIDS, prop::collection::vec((message, 0..4usize), 1..4)).prop_map(|(n, entries)| {
            Op::Feedback {
                origin: ORIGIN,
                app: AppNo(u32::from(n % 2) + 1),
                cid: cid(n),
                entries: entries
                    .into_iter()
                    .map(|(message, action)| Feedback {
                        message,
                        action: [10_000, 10_010, 60_001, 90_001][action],
                        ago_s: 0,
                    })
                    .collect(),
                under_way: Vec::new(),
            }
        });
    let upstream = (0..CIDS, 1..9u64, 0..5000usize).prop_map(|(n, id, len)| Op::TakeUpstream {
        session: SessionId(1),
        app: AppNo(u32::from(n % 2) + 1),
        cid: cid(n),
        message: Upstream {
            id: UpstreamId(id),
            task_id: "of the app".into(),
            body: Bytes::from(vec![id as u8; len]),
        },
    });
    let settling = prop_oneof![
        Just(Settling::Told),
        Just(Settling::Dropped),
        Just(Settling::Dead)
    ];
    let settle = (1..3u32, settling).prop_map(|(app, settling)| Op::SettleReceipts {
        ticket: Ticket(1),
        app: AppNo(app),
        upto: u64::MAX,
        settling,
    });
    let replay = (1..3u32).prop_map(|app| Op::ReplayReceipts {
        ticket: Ticket(1),
        app: AppNo(app),
    });
    prop_oneof![4 => feedback, 4 => upstream, 2 => settle, 1 => replay]
}

pub(crate) fn register(cid: ClientId, install: u8, secret: u8, app: u32) -> Op {
    let device = Device {
        app,
        install: [install; 16],
        secret_hash: [secret; 32],
        created_ms: 1,
        platform: 1,
        sdk_version: "1.0".into(),
        push_off: false,
        blocked: false,
        notify_off: false,
    };
    Op::Register {
        session: SessionId(1),
        cid,
        device,
    }
}

/// Something of everything that can be deleted, so that what deletes finds what to delete: two apps,
/// all devices, each with a cursor and an alias of each type.
pub(crate) fn settled() -> Vec<Op> {
    let app_of = |n: u8| u32::from(n % 2) + 1;
    let mut ops: Vec<Op> = (1..3)
        .map(|number| Op::CreateApp {
            ticket: None,
            app: with_callback(app(number)),
        })
        .collect();
    ops.extend((0..CIDS).map(|n| register(cid(n), n, 0, app_of(n))));
    ops.push(Op::Cursors {
        moves: (0..CIDS)
            .map(|n| CursorMove {
                cid: cid(n),
                acked: MessageId(1),
                last_login_ms: 2,
                last_seen_ms: 3,
                active: None,
            })
            .collect(),
        finals: Vec::new(),
    });
    for alias_type in TYPES {
        ops.extend((0..CIDS).map(|n| Op::BindAliases {
            origin: ORIGIN,
            app: AppNo(app_of(n)),
            alias_type: alias_type.into(),
            bindings: vec![(cid(n), ALIASES[usize::from(n) % 2].into())],
        }));
    }
    ops
}

pub(crate) fn any_op() -> impl Strategy<Value = Op> {
    prop_oneof![
        10 => any_accept(),
        4 => any_register(),
        3 => any_cursors(),
        6 => any_alias_op(),
        3 => any_app_op(),
        3 => any_forgetting(),
        4 => any_report(),
        1 => any::<u64>().prop_map(|registered_by_ms| Op::Boot { registered_by_ms }),
        // Not later than tomorrow: the request ids of today are needed to learn the time.
        2 => (-2..2i32).prop_map(|offset| Op::DropDays(day(offset))),
    ]
}
