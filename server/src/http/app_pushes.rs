//! `push/all`, `push/tag`, `push/fast_custom_tag` and the tasks they become, over a socket.
//! Expectations are those of `rest-v2.md` 2.5, 3.4 and 3.6.

use bytes::Bytes;
use schema::record::{Group, Sums};
use serde_json::{Value, json};
use server_core::command::{Answer, Command};
use server_core::group::{
    Activity, Audience, Condition, ConditionKey, ConditionOp, GroupKind, GroupNo, GroupPush,
    GroupState, GroupView,
};
use server_core::ids::{AppNo, ShardNo};

use super::HttpSettings;
use super::fixture::{Site, with_site};
use crate::wall_clock::now_ms;

const TASK: &str = "RASA_1125_0123456789abcdef0123456789abcdef";
const GONE: &str = "taskid is invalid or taskid is deleted";

fn take(_: ShardNo, command: &Command) -> Answer {
    match command {
        Command::PushGroup { push, .. } => Answer::GroupTaken {
            task_id: push.task_id.clone(),
        },
        other => panic!("{other:?}"),
    }
}

fn push(audience: Value, settings: Value) -> Value {
    json!({"request_id": "1234567890", "audience": audience, "settings": settings,
        "group_name": "g", "task_name": "t", "push_message": {"transmission": "x"}})
}

fn taken(site: &Site) -> GroupPush {
    let asked = site.asked.borrow_mut().pop();
    let Some((
        _,
        Command::PushGroup {
            app: AppNo(7),
            push,
        },
    )) = asked
    else {
        panic!("{asked:?}");
    };
    push
}

fn condition(key: ConditionKey, op: ConditionOp, value: &str) -> Condition {
    Condition {
        key,
        op,
        values: vec![value.into()],
    }
}

#[test]
fn given_a_push_to_all_when_taken_should_answer_its_task_and_keep_its_settings() {
    with_site(HttpSettings::default(), take, async |site: Site| {
        let mut third_party = site.third_party().await;
        let at = (now_ms() / 60_000 + 60) * 60_000;
        let settings = json!({"ttl": "-1", "speed": "100", "schedule_time": at,
            "activate_filter_day": 30, "activate_filter_type": -1, "filter_notify_off": true});
        let answer = third_party
            .call("POST", "/push/all", &push(json!("all"), settings))
            .await;
        assert_eq!((answer.status, &answer.json["code"]), (200, &json!(0)));
        let data = answer.json["data"].as_object().expect("data");
        assert!(data.keys().eq(["taskid"]), "{data:?}");
        let push = taken(&site);
        assert_eq!(data["taskid"], json!(push.task_id));
        assert!(push.task_id.starts_with("RASA_"), "{}", push.task_id);
        assert_eq!(push.request_id.as_deref(), Some("1234567890"));
        assert_eq!((&*push.group_name, push.kind), ("g", GroupKind::App));
        assert_eq!(
            (push.ttl_ms, push.start_ms, push.speed),
            (None, Some(at), 100)
        );
        let activity = Some(Activity {
            days: 30,
            active: false,
        });
        assert_eq!(
            push.audience,
            Audience {
                conditions: vec![],
                activity
            }
        );
        assert!(push.skips_notify_off);
        assert_eq!(push.vendor.as_deref(), None);
    });
}

#[test]
fn given_conditions_when_pushed_to_should_all_have_to_be_met() {
    with_site(HttpSettings::default(), take, async |site: Site| {
        let mut third_party = site.third_party().await;
        let audience = json!({"tag": [
            {"key": "phone_type", "values": ["IOS"], "opt_type": "or"},
            {"key": "custom_tag", "values": ["vip"], "opt_type": "and"},
            {"key": "region", "values": ["11000000"], "opt_type": "not"},
        ]});
        let answer = third_party
            .call("POST", "/push/tag", &push(audience, Value::Null))
            .await;
        assert_eq!(answer.json["code"], 0, "{}", answer.json);
        let push = taken(&site);
        assert_eq!(answer.json["data"], json!({"taskid": push.task_id}));
        assert_eq!(
            (push.kind, push.start_ms, push.speed),
            (GroupKind::App, None, 0)
        );
        assert_eq!(
            push.audience.conditions,
            [
                condition(ConditionKey::Platform, ConditionOp::Or, "ios"),
                condition(ConditionKey::Tag, ConditionOp::And, "vip"),
                condition(ConditionKey::Unknown, ConditionOp::Not, "11000000"),
            ]
        );
    });
}

#[test]
fn given_a_quick_push_to_a_tag_when_taken_should_begin_at_once() {
    with_site(HttpSettings::default(), take, async |site: Site| {
        let mut third_party = site.third_party().await;
        let path = "/push/fast_custom_tag";
        let settings = json!({"speed": 5, "schedule_time": now_ms() + 3_600_000});
        let body = push(json!({"fast_custom_tag": "中"}), settings);
        let answer = third_party.call("POST", path, &body).await;
        let push_taken = taken(&site);
        assert_eq!(answer.json["data"], json!({"taskid": push_taken.task_id}));
        assert_eq!((push_taken.start_ms, push_taken.speed), (None, 5));
        assert_eq!(
            push_taken.audience.conditions,
            [condition(ConditionKey::Tag, ConditionOp::Or, "中")]
        );
        for (tag, msg) in [
            (Value::Null, "fast_custom_tag cannot be null"),
            (json!(""), "fast_custom_tag can not be empty"),
            (json!(["a"]), "fast_custom_tag type error"),
            (json!("x".repeat(33)), "fast_custom_tag size over limit"),
        ] {
            let body = push(json!({ "fast_custom_tag": tag }), Value::Null);
            assert_eq!(third_party.refusal("POST", path, &body).await, msg);
        }
        let body = push(json!({"fast_custom_tag": 7}), Value::Null);
        assert_eq!(third_party.call("POST", path, &body).await.json["code"], 0);
    });
}

#[test]
fn given_pushes_to_an_app_that_are_wrong_when_asked_for_should_name_the_member() {
    with_site(HttpSettings::default(), take, async |site: Site| {
        let mut third_party = site.third_party().await;
        let tag = |item: Value| json!({ "tag": [item] });
        let vip = json!({"tag": [{"key": "custom_tag", "values": ["vip"], "opt_type": "or"}]});
        for (path, audience, msg) in [
            ("/push/all", Value::Null, "audience cannot be null"),
            ("/push/all", json!("ALL"), "audience is invalid"),
            ("/push/all", json!(["all"]), "audience is invalid"),
            ("/push/all", json!({"cid": ["x"]}), "audience is invalid"),
            ("/push/tag", Value::Null, "audience cannot be null"),
            ("/push/tag", json!("all"), "audience is invalid"),
            ("/push/tag", json!({}), "tag cannot be null"),
            ("/push/tag", json!({"tag": []}), "tag can not be empty"),
            ("/push/tag", json!({"tag": "vip"}), "tag type error"),
            ("/push/tag", tag(json!("vip")), "tag type error"),
            (
                "/push/tag",
                tag(json!({"key": "age", "values": ["1"], "opt_type": "or"})),
                "key is invalid",
            ),
            (
                "/push/tag",
                tag(json!({"key": "custom_tag", "values": [], "opt_type": "or"})),
                "values can not be empty",
            ),
            (
                "/push/tag",
                tag(json!({"key": "custom_tag", "values": ["a"]})),
                "opt_type cannot be null",
            ),
            ("/push/fast_custom_tag", json!("all"), "audience is invalid"),
            (
                "/push/fast_custom_tag",
                json!({}),
                "fast_custom_tag cannot be null",
            ),
        ] {
            let body = push(audience, Value::Null);
            assert_eq!(
                third_party.refusal("POST", path, &body).await,
                msg,
                "{path} {body}"
            );
        }
        for (path, audience) in [("/push/all", json!("all")), ("/push/tag", vip)] {
            for (settings, msg) in [
                (json!({"speed": -1}), "speed is invalid"),
                (json!({"speed": []}), "speed type error"),
                (json!({"schedule_time": "soon"}), "schedule_time is invalid"),
                (json!({"schedule_time": {}}), "schedule_time type error"),
                (json!({"strategy": {"default": 9}}), "strategy is invalid"),
                (
                    json!({"activate_filter_day": 3}),
                    "activate_filter_type cannot be null",
                ),
            ] {
                let body = push(audience.clone(), settings);
                assert_eq!(
                    third_party.refusal("POST", path, &body).await,
                    msg,
                    "{path} {body}"
                );
            }
            // 22002: the time itself is not legal.
            let week = 7 * 24 * 3_600_000;
            for at in [now_ms() - 60_000, now_ms() + week + 60_000] {
                let body = push(audience.clone(), json!({ "schedule_time": at }));
                let answer = third_party.call("POST", path, &body).await;
                assert_eq!(
                    (answer.status, answer.json),
                    (
                        400,
                        json!({"code": 22002, "msg": "schedule_time is invalid"})
                    )
                );
            }
            let mut body = push(audience, Value::Null);
            body["request_id"] = Value::Null;
            assert_eq!(
                third_party.refusal("POST", path, &body).await,
                "request_id cannot be null"
            );
        }
        assert!(site.asked.borrow().is_empty());
    });
}

#[test]
fn given_tasks_when_stopped_should_be_lists_or_pushes_to_many_that_exist() {
    let decide = |_, command: &Command| {
        let Command::StopGroup {
            app: AppNo(7),
            task_id,
        } = command
        else {
            panic!("{command:?}");
        };
        match &**task_id {
            TASK => Answer::Done,
            "RASA_over" => Answer::TaskCannotStop,
            _ => Answer::NoSuchTask,
        }
    };
    with_site(HttpSettings::default(), decide, async |site: Site| {
        let mut third_party = site.third_party().await;
        let long = "RASA_".repeat(13);
        for (task, status, expected) in [
            (TASK, 200, json!({"code": 0, "msg": "success"})),
            (
                "RASA_over",
                400,
                json!({"code": 20001, "msg": "task cannot stop"}),
            ),
            (
                "RASS_1125_0",
                400,
                json!({"code": 20001, "msg": "task cannot stop"}),
            ),
            ("RASL_1125_0", 400, json!({"code": 20001, "msg": GONE})),
            ("nonsense", 400, json!({"code": 20001, "msg": GONE})),
            (&long, 400, json!({"code": 20001, "msg": GONE})),
        ] {
            // The PHP client sends `null` with a DELETE.
            let answer = third_party
                .call("DELETE", &format!("/task/{task}"), &Value::Null)
                .await;
            assert_eq!((answer.status, answer.json), (status, expected), "{task}");
        }
        // A single push is nothing to ask a shard about.
        assert_eq!(site.asked.borrow().len(), 4);
    });
}

#[test]
fn given_scheduled_pushes_when_deleted_should_not_have_begun() {
    let decide = |_, command: &Command| {
        let Command::Unschedule {
            app: AppNo(7),
            task_id,
        } = command
        else {
            panic!("{command:?}");
        };
        match &**task_id {
            TASK => Answer::Done,
            "RASA_begun" => Answer::TaskBegun,
            _ => Answer::NoSuchTask,
        }
    };
    with_site(HttpSettings::default(), decide, async |site: Site| {
        let mut third_party = site.third_party().await;
        let mut delete = async |task: &str| {
            let path = format!("/task/schedule/{task}");
            let answer = third_party.call("DELETE", &path, &Value::Null).await;
            (answer.status, answer.json)
        };
        assert_eq!(
            delete(TASK).await,
            (200, json!({"code": 0, "msg": "success"}))
        );
        let (status, json) = delete("RASA_begun").await;
        assert_eq!((status, &json["code"]), (400, &json!(22001)));
        assert_eq!(
            delete("RASA_none").await,
            (400, json!({"code": 20001, "msg": GONE}))
        );
    });
}

fn view(kind: GroupKind, state: GroupState) -> GroupView {
    GroupView {
        number: GroupNo(1),
        group: Group {
            app: 7,
            task_id: TASK.to_owned(),
            kind: kind as u8,
            state: state as u8,
            accepted_ms: 1_700_000_000_000,
            start_ms: 1_700_000_060_000,
            expires_ms: 1_700_007_260_000,
            kept: true,
            pieces: 1,
            ..Group::default()
        },
        sums: Sums::default(),
        body: Bytes::from(
            schema::push::PushMessage {
                task_id: TASK.to_owned(),
                content: schema::push::Content::Transmission("你好".to_owned()),
                duration: None,
                network_type: 0,
            }
            .encode(),
        ),
    }
}

#[test]
fn given_schedules_when_looked_up_should_answer_texts_in_both_dialects() {
    for (state, status, send_result) in [
        (GroupState::Scheduled, "success", "do_not_send"),
        (GroupState::Running, "success", "send_success"),
        (GroupState::Done, "success", "send_success"),
        (GroupState::Stopped, "failed", "send_failed"),
        (GroupState::Deleted, "failed", "has_delete"),
    ] {
        let decide = move |_, command: &Command| {
            let Command::Groups {
                app: AppNo(7),
                task_ids,
            } = command
            else {
                panic!("{command:?}");
            };
            assert_eq!(task_ids.len(), 1);
            match &*task_ids[0] {
                TASK => Answer::Groups(vec![view(GroupKind::App, state)]),
                "RASL_list" => Answer::Groups(vec![view(GroupKind::List, GroupState::Open)]),
                _ => Answer::Groups(Vec::new()),
            }
        };
        with_site(HttpSettings::default(), decide, async |site: Site| {
            let mut third_party = site.third_party().await;
            let mut get = async |task: &str| {
                let path = format!("/task/schedule/{task}");
                // A body left over from another call is not read.
                let answer = third_party.call("GET", &path, &json!("stale")).await;
                (answer.status, answer.json)
            };
            assert_eq!(
                get(TASK).await,
                (
                    200,
                    json!({"code": 0, "msg": "success", "data": {TASK: {
                        "create_time": "1700000000000", "push_time": "1700000060000",
                        "transmission_content": "你好", "status": status, "send_result": send_result,
                    }}})
                )
            );
            for task in ["RASL_list", "RASA_none"] {
                assert_eq!(get(task).await, (400, json!({"code": 20001, "msg": GONE})));
            }
        });
    }
}

#[test]
fn given_an_operator_when_pushing_to_a_tag_or_to_all_should_be_taken_as_a_third_party_is() {
    let settings = HttpSettings {
        admin_token: "t0ken".to_owned(),
        ..HttpSettings::default()
    };
    with_site(settings, take, async |site: Site| {
        let mut client = site.connect().await;
        let bearer = "Authorization: Bearer t0ken\r\n";
        let vip = json!({"tag": [{"key": "custom_tag", "values": ["vip"], "opt_type": "or"}]});
        for (path, audience) in [("tag", vip), ("all", json!("all"))] {
            let body = push(audience, Value::Null).to_string();
            let url = |app: &str| format!("/admin/v1/apps/{app}/push/{path}");
            assert_eq!(
                client.call("POST", &url("app"), "", &body).await.status,
                401
            );
            let answer = client.call("POST", &url("app"), bearer, &body).await;
            let taken = taken(&site);
            assert_eq!(answer.json["data"], json!({"taskid": taken.task_id}));
            let off = client.call("POST", &url("off"), bearer, &body).await;
            assert_eq!((off.status, &off.json["code"]), (401, &json!(10002)));
        }
    });
}
