//! The steps of third parties that push to many, and say for whom.

use server_core::command::{Command, Reach};
use server_core::group::{
    Audience, Condition, ConditionKey, ConditionOp, GroupKind, GroupPush, TagTerm,
};

use super::Script;
use super::world::World;

fn tag(script: &mut Script<'_>) -> Box<str> {
    // Few, so that they meet.
    format!("tag_{}", script.byte() % 3).into()
}

/// Takes a list or a push to an app.
pub(super) fn take(world: &mut World, script: &mut Script<'_>) {
    let (device, how, wait) = (script.byte(), script.byte(), script.byte());
    let Some(cid) = world.device(device) else {
        return;
    };
    let kind = if how & 1 == 0 {
        GroupKind::App
    } else {
        GroupKind::List
    };
    let key = match how / 2 % 4 {
        1 => Some((ConditionKey::Tag, tag(script))),
        2 => Some((ConditionKey::Platform, "android".into())),
        _ => None,
    };
    let condition = key.map(|(key, value)| Condition {
        key,
        op: if how & 8 == 0 {
            ConditionOp::Or
        } else {
            ConditionOp::Not
        },
        values: vec![value],
    });
    let is_timed = kind == GroupKind::App && wait & 4 == 4;
    let request_id = match wait / 16 {
        0 => None,
        same => Some(format!("same-group-{same}").into()),
    };
    let push = GroupPush {
        request_id,
        task_id: world.task_id(),
        group_name: "".into(),
        kind,
        audience: Audience {
            conditions: condition.into_iter().collect(),
            activity: None,
        },
        start_ms: is_timed.then(|| world.wall_ms() + 90_000),
        ttl_ms: [None, Some(5_000), Some(3_600_000), Some(3 * 86_400_000)][usize::from(wait % 4)],
        speed: u32::from(how / 16),
        vendor: None,
        skips_notify_off: how & 16 == 16,
        body: vec![how; usize::from(wait)].into(),
    };
    let app = world.asker(cid);
    world.groups.asked(app, &push);
    world.ask(0, Command::PushGroup { app, push });
}

/// Pushes to a list, stops, takes back or asks.
pub(super) fn go_on(world: &mut World, script: &mut Script<'_>) {
    let (what, pick) = (script.byte(), script.byte());
    let Some((app, task_id)) = world.groups.task(pick) else {
        return;
    };
    let command = match what % 6 {
        0 => Command::StopGroup { app, task_id },
        1 => Command::Unschedule { app, task_id },
        2 => Command::Groups {
            app,
            task_ids: vec![task_id],
        },
        _ => {
            let mut targets = Vec::new();
            for _ in 0..=what / 6 % 4 {
                let (device, reach) = (script.byte(), script.byte());
                // A probe may be out of date by the time of the push.
                let reach =
                    [Reach::Online, Reach::Offline, Reach::Filtered][usize::from(reach % 3)];
                if let Some(cid) = world.device(device)
                    && world.app_of(cid) == Some(app)
                    && targets.iter().all(|(other, _)| *other != cid)
                {
                    targets.push((cid, reach));
                }
            }
            Command::PushList {
                app,
                task_id,
                targets,
            }
        }
    };
    world.ask(0, command);
}

/// Says something of a device that an audience looks at.
pub(super) fn describe(world: &mut World, script: &mut Script<'_>) {
    let (what, device) = (script.byte(), script.byte());
    let Some(cid) = world.device(device) else {
        return;
    };
    let (app, owner) = (world.asker(cid), world.owner(cid));
    let is_on = what / 4 % 2 == 1;
    let (at, command) = match what % 4 {
        0 => {
            let mut tags: Vec<_> = (0..what / 4 % 3).map(|_| tag(script)).collect();
            tags.sort();
            tags.dedup();
            (owner, Command::SetTags { app, cid, tags })
        }
        1 => (
            0,
            Command::ChangeTag {
                app,
                tag: tag(script),
                cids: vec![cid],
                add: is_on,
            },
        ),
        2 => (
            0,
            Command::Block {
                app,
                cids: vec![cid],
                blocked: is_on,
            },
        ),
        _ => {
            let term = TagTerm {
                op: ConditionOp::Or,
                tags: vec![tag(script)],
            };
            (
                owner,
                Command::MatchTags {
                    app,
                    terms: vec![(cid, term)],
                },
            )
        }
    };
    world.ask(at, command);
}
