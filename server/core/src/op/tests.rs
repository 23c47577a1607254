//! What an op weighs while it waits: more for everything that it carries.

use bytes::Bytes;
use protocol::{ClientId, Feedback, MessageId, UpstreamId};

use super::*;
use crate::command::Storage;
use crate::group::tests::push;
use crate::outbox::Fate;

const TICKET: Ticket = Ticket(1);
const ORIGIN: Origin = Origin::Ticket(TICKET);
const APP: AppNo = AppNo(1);
const CID: ClientId = ClientId::from_bytes([1; 16]);

fn text() -> Box<str> {
    "x".into()
}

fn body(len: usize) -> Bytes {
    Bytes::from(vec![7; len])
}

fn accept(targets: usize, body_len: usize) -> Op {
    Op::Accept {
        ticket: TICKET,
        app: APP,
        targets: vec![(CID, Reach::Offline); targets],
        push: Push {
            request_id: text(),
            task_id: text(),
            storage: Storage::Never,
            vendor: None,
            skips_notify_off: false,
            body: body(body_len),
        },
    }
}

fn take_group(body_len: usize) -> Op {
    Op::TakeGroup {
        ticket: TICKET,
        app: APP,
        push: GroupPush {
            task_id: text(),
            group_name: text(),
            ..push(body(body_len))
        },
    }
}

fn take_upstream(body_len: usize) -> Op {
    Op::TakeUpstream {
        session: SessionId(1),
        app: APP,
        cid: CID,
        message: Upstream {
            id: UpstreamId(1),
            task_id: String::new(),
            body: body(body_len),
        },
    }
}

fn portable() -> PortableDevice {
    PortableDevice {
        cid: CID,
        platform: 1,
        created_ms: 0,
        sdk_version: text(),
        secret_hash: None,
        install: None,
        tags: vec![text()],
        aliases: vec![(text(), text())],
        blocked: false,
        push_off: false,
        badge: 0,
        token: None,
        last_login_ms: 0,
    }
}

/// Ops with so many entries, and the bytes that are counted for each entry and for the op.
fn ops(len: usize) -> Vec<(Op, usize, usize)> {
    let cids = || vec![CID; len];
    let pairs = || vec![(CID, text()); len];
    let reached = || vec![(CID, Reach::Offline); len];
    let (app, ticket, origin) = (APP, TICKET, ORIGIN);
    let bind = Op::BindAliases {
        origin,
        app,
        alias_type: text(),
        bindings: pairs(),
    };
    let unbind = Op::UnbindAliases {
        origin,
        app,
        alias_type: text(),
        bindings: pairs(),
    };
    let forget = Op::ForgetDevices {
        ticket: None,
        cids: cids(),
    };
    let change_tag = Op::ChangeTag {
        ticket,
        app,
        tag: text(),
        cids: cids(),
        add: true,
    };
    let push_list = Op::PushList {
        ticket,
        app,
        task_id: text(),
        targets: reached(),
    };
    let fan = Op::Fan {
        group: GroupNo(1),
        targets: reached(),
        upto: CID,
        done: false,
    };
    let set_tags = Op::SetTags {
        origin,
        app,
        cid: CID,
        tags: vec![text(); len],
    };
    let entry = Feedback {
        message: MessageId(1),
        action: 1,
        ago_s: 0,
    };
    let feedback = Op::Feedback {
        origin,
        app,
        cid: CID,
        entries: vec![entry; len],
        under_way: Vec::new(),
    };
    let block = Op::Block {
        ticket,
        app,
        cids: cids(),
        blocked: true,
    };
    let set_badge = Op::SetBadge {
        origin,
        app,
        cids: cids(),
        badge: Badge::To(1),
    };
    let bind_tokens = Op::BindTokens {
        origin,
        app,
        kind: text(),
        tokens: pairs(),
    };
    let import = Op::Import {
        ticket,
        app,
        devices: vec![portable(); len],
    };
    let sample = Op::Sample {
        at_ms: 0,
        online: vec![(app, 1); len],
    };
    vec![
        (bind, 64, 0),
        (unbind, 64, 0),
        (forget, 64, 0),
        (change_tag, 64, 0),
        (push_list, 96, 256),
        (fan, 96, 0),
        (set_tags, 64, 256),
        (feedback, 64, 256),
        (block, 96, 64),
        (set_badge, 96, 64),
        (bind_tokens, 128, 64),
        (import, portable().weight(), 0),
        (sample, 64, 64),
        (cursors(len, 0), 40, 0),
        (cursors(0, len), 64, 0),
    ]
}

fn cursors(moves: usize, finals: usize) -> Op {
    let step = CursorMove {
        cid: CID,
        acked: MessageId(1),
        last_login_ms: 0,
        last_seen_ms: 0,
        active: None,
    };
    let end = MessageEnd {
        cid: CID,
        app: None,
        end: Final {
            id: MessageId(1),
            day: Day(0),
            fate: Fate::Acked,
            sent_ms: 0,
            group: GroupNo::NONE,
        },
        final_ms: 0,
    };
    Op::Cursors {
        moves: vec![step; moves],
        finals: vec![end; finals],
    }
}

#[test]
fn given_ops_with_entries_when_weighed_should_weigh_each() {
    for len in [0, 1, 1000] {
        for (op, each, always) in ops(len) {
            assert_eq!(op.weight(), len * each + always, "{len} in {op:?}");
        }
    }
}

#[test]
fn given_ops_with_bodies_when_weighed_should_weigh_them_as_often_as_they_are_stored() {
    assert_eq!(accept(0, 1000).weight(), 1064);
    assert_eq!(accept(1, 1000).weight(), 1064);
    assert_eq!(accept(3, 1000).weight(), 3 * 1064);
    assert_eq!(take_group(1000).weight(), 2024);
    assert_eq!(take_upstream(1000).weight(), 2024);
    assert_eq!(cursors(2, 3).weight(), 2 * 40 + 3 * 64);
}

#[test]
fn given_ops_that_look_at_many_rows_when_weighed_should_weigh_what_an_answer_holds() {
    let settle = Op::SettleReceipts {
        ticket: TICKET,
        app: APP,
        upto: 1,
        settling: Settling::Told,
    };
    let replay = Op::ReplayReceipts {
        ticket: TICKET,
        app: APP,
    };
    for op in [settle, replay] {
        assert_eq!(op.weight(), 64 * 1024);
    }
    let boot = Op::Boot {
        registered_by_ms: 0,
    };
    assert_eq!(boot.weight(), 256);
}

#[test]
fn given_a_device_to_carry_when_weighed_should_weigh_every_text() {
    let bare = PortableDevice {
        tags: Vec::new(),
        aliases: Vec::new(),
        ..portable()
    };
    let full = PortableDevice {
        tags: vec!["tag".into(), "other".into()],
        aliases: vec![("type".into(), "name".into()), ("".into(), "alias".into())],
        token: Some(("fcm".into(), "t".repeat(100).into())),
        ..portable()
    };
    assert_eq!(bare.weight(), 512);
    let (tags, aliases, token) = (8 + 2 * 32, 13 + 2 * 64, 103);
    assert_eq!(full.weight(), 512 + tags + aliases + token);
}

#[test]
fn given_a_device_to_carry_when_shown_should_name_it_and_keep_its_secrets() {
    let device = PortableDevice {
        secret_hash: Some([0x5e; 32]),
        token: Some(("fcm".into(), "a token".into())),
        ..portable()
    };
    let shown = format!("{device:?}");
    assert!(shown.contains(&format!("{CID:?}")), "{shown}");
    assert!(!shown.contains("94") && !shown.contains("token"), "{shown}");
}
