//! `push/list/…` over a socket. Expectations are those of `rest-v2.md` 2.4.

use serde_json::{Value, json};
use server_core::apply::StoredStatus;
use server_core::command::{Answer, Command, Reach};
use server_core::group::{Audience, GroupKind};
use server_core::ids::{AppNo, ShardNo};
use server_core::placement::Slot;

use super::HttpSettings;
use super::fixture::{Site, with_site};

const TASK: &str = "RASL_1125_0123456789abcdef0123456789abcdef";
const CID: &str = "00000000000000000000000000000001";
const OTHER: &str = "ffffffffffffffffffffffffffffffff";
const UNKNOWN: &str = "00000000000000000000000000000bad";

/// Shards that know every CID but one and one task; aliases begin with what they are behind.
fn decide(shard: ShardNo, command: &Command) -> Answer {
    let cid = |text: &str| text.parse().expect("a cid");
    match command {
        Command::PushGroup { push, .. } => Answer::GroupTaken {
            task_id: push.task_id.clone(),
        },
        Command::CidsOfAlias { alias, .. } => Answer::Cids(match alias.get(..2) {
            Some("no") => vec![],
            Some("un") => vec![cid(UNKNOWN)],
            Some("ot") => vec![cid(OTHER)],
            _ => vec![cid(CID), cid(UNKNOWN)],
        }),
        Command::Probe { cids, .. } => {
            let reach = [Reach::Offline, Reach::Online][usize::from(shard.0)];
            let known = cids.iter().filter(|cid| cid.to_string() != UNKNOWN);
            Answer::Reached(known.map(|cid| (*cid, reach)).collect())
        }
        Command::MatchTags { terms, .. } => {
            let gold = terms.iter().filter(|(_, term)| &*term.tags[0] == "gold");
            Answer::Cids(gold.map(|(cid, _)| *cid).collect())
        }
        Command::PushList { task_id, .. } if &**task_id != TASK => Answer::NoSuchTask,
        Command::PushList {
            task_id, targets, ..
        } => {
            let word = |reach: &Reach| StoredStatus::of(*reach, true).word();
            Answer::Pushed {
                task_id: task_id.clone(),
                targets: targets
                    .iter()
                    .map(|(cid, reach)| (*cid, word(reach)))
                    .collect(),
            }
        }
        other => panic!("{other:?}"),
    }
}

fn to_cids(cids: Value) -> Value {
    json!({"taskid": TASK, "audience": {"cid": cids}})
}

fn to_aliases(aliases: Value) -> Value {
    json!({"taskid": TASK, "audience": {"alias": aliases}})
}

/// The same with one more member.
fn and(mut body: Value, name: &str, value: Value) -> Value {
    body[name] = value;
    body
}

#[test]
fn given_the_message_of_a_list_when_taken_should_answer_its_task() {
    with_site(HttpSettings::default(), decide, async |site: Site| {
        let mut third_party = site.third_party().await;
        let path = "/push/list/message";
        // What both official clients send besides: a request id, and PHP an audience.
        let body = json!({
            "request_id": "1700000000000", "group_name": "autumn-1", "audience": "all",
            "settings": {"ttl": 3_600_000, "strategy": {"default": 1}, "speed": "x", "schedule_time": []},
            "push_message": {"transmission": "x"}, "push_channel": {"ios": {"auto_badge": "+1"}},
        });
        let answer = third_party.call("POST", path, &body).await;
        assert_eq!((answer.status, &answer.json["code"]), (200, &json!(0)));
        let data = answer.json["data"].as_object().expect("data");
        assert!(data.keys().eq(["taskid"]), "{data:?}");
        let task_id = data["taskid"].as_str().expect("text");
        assert!(task_id.starts_with("RASL_"), "{task_id}");
        let asked = site.asked.borrow_mut().pop();
        let Some((_, Command::PushGroup { app, push })) = asked else {
            panic!("{asked:?}");
        };
        assert_eq!((app, &*push.task_id), (AppNo(7), task_id));
        assert_eq!(push.request_id.as_deref(), Some("1700000000000"));
        assert_eq!(
            (&*push.group_name, push.kind),
            ("autumn-1", GroupKind::List)
        );
        assert_eq!(
            (push.ttl_ms, push.start_ms, push.speed),
            (Some(3_600_000), None, 0)
        );
        assert_eq!(push.audience, Audience::default());
        let vendor: Value = serde_json::from_str(&push.vendor.expect("some")).expect("json");
        assert_eq!(
            vendor,
            json!({"strategy": {"default": 1}, "push_channel": {"ios": {"auto_badge": "+1"}}})
        );
        // As little as it may be.
        for request_id in [None, Some(Value::Null)] {
            let mut body = json!({"push_message": {"transmission": "x"}});
            if let Some(request_id) = request_id {
                body["request_id"] = request_id;
            }
            let answer = third_party.call("POST", path, &body).await;
            assert_eq!(answer.json["code"], 0, "{}", answer.json);
            let asked = site.asked.borrow_mut().pop();
            let Some((_, Command::PushGroup { push, .. })) = asked else {
                panic!("{asked:?}");
            };
            assert_eq!((push.request_id, push.vendor), (None, None));
            assert_eq!(push.ttl_ms, Some(7_200_000));
        }
        for (name, value, msg) in [
            ("request_id", json!("short"), "request_id is invalid"),
            (
                "request_id",
                json!("x".repeat(33)),
                "request_id size over limit",
            ),
            (
                "group_name",
                json!("x".repeat(101)),
                "group_name size over limit",
            ),
            ("group_name", json!("a/b"), "group_name is invalid"),
            ("push_message", Value::Null, "push_message cannot be null"),
            (
                "push_message",
                json!({}),
                "please choose one of notification and transmission and revoke",
            ),
            ("settings", json!({"ttl": 259_200_001}), "ttl is invalid"),
            ("push_channel", json!([1]), "push_channel type error"),
            (
                "push_channel",
                json!({"x": "y".repeat(50_000)}),
                "push_channel size over limit",
            ),
        ] {
            let body = and(body.clone(), name, value);
            assert_eq!(third_party.refusal("POST", path, &body).await, msg);
        }
    });
}

#[test]
fn given_cids_when_pushed_to_a_list_should_leave_out_those_that_do_not_exist() {
    with_site(HttpSettings::default(), decide, async |site: Site| {
        let mut third_party = site.third_party().await;
        let path = "/push/list/cid";
        let body = to_cids(json!([OTHER, UNKNOWN, "nonsense", CID]));
        // Java always sends both flags.
        let body = and(body, "is_async", json!(false));
        let body = and(body, "need_alias_detail", json!(false));
        let answer = third_party.call("POST", path, &body).await;
        assert_eq!(
            answer.json,
            json!({"code": 0, "msg": "success", "data":
                {TASK: {CID: "successed_offline", OTHER: "successed_online"}}})
        );
        let asked = site.asked.borrow_mut().pop();
        let Some((shard, Command::PushList { targets, .. })) = asked else {
            panic!("{asked:?}");
        };
        assert_eq!(shard, Slot::of_name(TASK.as_bytes()).shard(2));
        let cids: Vec<String> = targets.iter().map(|(cid, _)| cid.to_string()).collect();
        assert_eq!(cids, [OTHER, CID]);
        let asynchronous = and(body, "is_async", json!("true"));
        let answer = third_party.call("POST", path, &asynchronous).await;
        assert_eq!(answer.json, json!({"code": 0, "msg": "success"}));
        let asked = site.asked.borrow_mut().pop();
        assert!(matches!(asked, Some((_, Command::PushList { .. }))));
    });
}

#[test]
fn given_a_thousand_cids_when_pushed_to_a_list_should_be_one_question_a_shard() {
    with_site(HttpSettings::default(), decide, async |site: Site| {
        let mut third_party = site.third_party().await;
        let cids: Vec<String> = (0..1000_u128)
            .map(|number| format!("{:032x}", number.wrapping_mul(u128::MAX / 1000)))
            .collect();
        let path = "/push/list/cid";
        let answer = third_party.call("POST", path, &to_cids(json!(cids))).await;
        let words = answer.json["data"][TASK].as_object().expect("words");
        assert_eq!(words.len(), 1000);
        assert_eq!(site.asked.borrow().len(), 3);
        let more: Vec<String> = (0..1001).map(|number| format!("{number:032x}")).collect();
        assert_eq!(
            third_party
                .refusal("POST", path, &to_cids(json!(more)))
                .await,
            "cid size over limit"
        );
    });
}

#[test]
fn given_lists_that_are_wrong_when_pushed_should_say_why() {
    with_site(HttpSettings::default(), decide, async |site: Site| {
        let mut third_party = site.third_party().await;
        let gone = "taskid is invalid or taskid is deleted";
        let twice = json!([CID, OTHER, CID]);
        let cids = to_cids(json!([CID]));
        for (body, msg) in [
            (json!({}), "taskid cannot be null"),
            (
                and(cids.clone(), "taskid", json!("")),
                "taskid can not be empty",
            ),
            (and(cids.clone(), "taskid", json!({})), "taskid type error"),
            (and(cids.clone(), "taskid", json!("RASL_1125_0")), gone),
            (and(cids.clone(), "taskid", json!("x".repeat(65))), gone),
            (
                and(cids.clone(), "is_async", json!("yes")),
                "is_async type error",
            ),
            (
                and(cids.clone(), "need_alias_detail", json!(1)),
                "need_alias_detail type error",
            ),
            (
                and(cids.clone(), "audience", Value::Null),
                "audience cannot be null",
            ),
            (
                and(cids.clone(), "audience", json!("all")),
                "audience is invalid",
            ),
            (and(cids, "audience", json!({})), "cid cannot be null"),
            (to_cids(json!([])), "cid can not be empty"),
            (to_cids(json!(CID)), "cid type error"),
            (to_cids(json!([CID, [CID]])), "cid type error"),
            (to_cids(json!([CID, null])), "cid cannot be null"),
            (to_cids(json!([CID, ""])), "cid can not be empty"),
            (to_cids(twice), "contains duplicate cid"),
            (to_cids(json!([UNKNOWN])), "target user is invalid"),
            (to_cids(json!(["nonsense"])), "target user is invalid"),
        ] {
            assert_eq!(
                third_party.refusal("POST", "/push/list/cid", &body).await,
                msg,
                "{body}"
            );
        }
        for (body, msg) in [
            (to_aliases(json!([])), "alias can not be empty"),
            (to_aliases(json!(["a b"])), "alias is invalid"),
            (
                to_aliases(json!(["a", "b", "a"])),
                "contains duplicate alias",
            ),
            (to_aliases(json!(["no"])), "target user is invalid"),
            (to_aliases(json!(["un"])), "target user is invalid"),
            (to_aliases(json!("a")), "alias type error"),
            (to_cids(json!([CID])), "alias cannot be null"),
            (
                json!({"taskid": TASK, "audience": {"alias": ["a"], "alias_type": "a b"}}),
                "alias_type is invalid",
            ),
            (
                and(to_aliases(json!(["a"])), "taskid", json!("RASL_1125_0")),
                gone,
            ),
        ] {
            let path = "/push/list/alias";
            assert_eq!(
                third_party.refusal("POST", path, &body).await,
                msg,
                "{body}"
            );
        }
        let answer = third_party.call("POST", "/push/list/cid", &json!([])).await;
        assert_eq!((answer.status, &answer.json["code"]), (200, &json!(1)));
    });
}

#[test]
fn given_aliases_when_pushed_to_a_list_should_be_keyed_by_cid_or_by_alias_if_asked() {
    with_site(HttpSettings::default(), decide, async |site: Site| {
        let mut third_party = site.third_party().await;
        let path = "/push/list/alias";
        let mut body = to_aliases(json!(["other", "nobody", "a"]));
        body["audience"]["alias_type"] = json!("t");
        let answer = third_party.call("POST", path, &body).await;
        assert_eq!(
            answer.json["data"],
            json!({TASK: {CID: "successed_offline", OTHER: "successed_online"}})
        );
        for (_, command) in &*site.asked.borrow() {
            if let Command::CidsOfAlias { alias_type, .. } = command {
                assert_eq!(&**alias_type, "t");
            }
        }
        let detailed = and(body, "need_alias_detail", json!(true));
        let answer = third_party.call("POST", path, &detailed).await;
        assert_eq!(
            answer.json["data"],
            json!({TASK: {"a": {CID: "successed_offline"}, "other": {OTHER: "successed_online"}}})
        );
        // The detail is for synchronous pushes only.
        let asynchronous = and(detailed, "is_async", json!(true));
        let answer = third_party.call("POST", path, &asynchronous).await;
        assert_eq!(answer.json, json!({"code": 0, "msg": "success"}));
    });
}

#[test]
fn given_a_thousand_aliases_when_pushed_to_a_list_should_each_be_looked_up_and_each_cid_named_once()
{
    with_site(HttpSettings::default(), decide, async |site: Site| {
        let mut third_party = site.third_party().await;
        let aliases: Vec<String> = (0..1000).map(|number| format!("a{number}")).collect();
        let path = "/push/list/alias";
        let answer = third_party
            .call("POST", path, &to_aliases(json!(aliases)))
            .await;
        assert_eq!(
            answer.json["data"],
            json!({TASK: {CID: "successed_offline"}})
        );
        let asked = site.asked.borrow_mut().pop();
        let Some((_, Command::PushList { targets, .. })) = asked else {
            panic!("{asked:?}");
        };
        assert_eq!(targets, [(CID.parse().expect("a cid"), Reach::Offline)]);
        assert_eq!(site.asked.borrow().len(), 1000 + 1);
        let more: Vec<String> = (0..1001).map(|number| format!("a{number}")).collect();
        assert_eq!(
            third_party
                .refusal("POST", path, &to_aliases(json!(more)))
                .await,
            "alias size over limit"
        );
    });
}

#[test]
fn given_a_list_by_tag_when_pushed_should_ignore_those_whose_tags_are_not_so() {
    with_site(HttpSettings::default(), decide, async |site: Site| {
        let mut third_party = site.third_party().await;
        let path = "/push/list/cid_by_tag";
        let item = |cid: &str, tag: &str| json!({"cid": cid, "tag": [tag]});
        let to = |items: &[Value]| json!({"taskid": TASK, "audience": {"cid_by_tag": items}});
        let body = to(&[
            item(CID, "gold"),
            item(OTHER, "silver"),
            item(UNKNOWN, "gold"),
            item("nonsense", "gold"),
        ]);
        let answer = third_party.call("POST", path, &body).await;
        assert_eq!(
            answer.json["data"],
            json!({TASK: {CID: "successed_offline", OTHER: "successed_ignore"}})
        );
        let answer = third_party
            .call("POST", path, &and(body, "is_async", json!(true)))
            .await;
        assert_eq!(answer.json, json!({"code": 0, "msg": "success"}));
        let items: Vec<Value> = (0..1001)
            .map(|number| item(&format!("{number:032x}"), "gold"))
            .collect();
        for (body, msg) in [
            (to(&[]), "cid_by_tag can not be empty"),
            (to(&items), "cid_by_tag size over limit"),
            (
                to(&[item(CID, "a"), item(CID, "b")]),
                "contains duplicate cid",
            ),
            (to(&[item(UNKNOWN, "gold")]), "target user is invalid"),
            (to(&[json!({"cid": CID})]), "tag cannot be null"),
        ] {
            assert_eq!(third_party.refusal("POST", path, &body).await, msg);
        }
    });
}
