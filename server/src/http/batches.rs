//! `push/single/batch/…` and `push/single/cid_by_tag` over a socket. Expectations are those of
//! `rest-v2.md` 2.3 and 2.7.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;

use serde_json::{Value, json};
use server_core::apply::StoredStatus;
use server_core::command::{Answer, Command, Push, Reach, TargetStatus};
use server_core::group::{ConditionOp, TagTerm};
use server_core::ids::{AppNo, ShardNo};

use super::HttpSettings;
use super::fixture::{Site, with_site};

const CID: &str = "00000000000000000000000000000001";
const OTHER: &str = "ffffffffffffffffffffffffffffffff";
/// The shards of these tests do not know it.
const UNKNOWN: &str = "00000000000000000000000000000bad";

fn push(request_id: &str, audience: Value) -> Value {
    json!({"request_id": request_id, "audience": audience, "push_message": {"transmission": "x"}})
}

fn batch(elements: &[Value]) -> Value {
    json!({ "msg_list": elements })
}

fn pushed(push: &Push, targets: Vec<(protocol::ClientId, TargetStatus)>) -> Answer {
    Answer::Pushed {
        task_id: push.task_id.clone(),
        targets,
    }
}

/// Shards that know every CID but one; what is on shard 0 is offline.
fn decide(shard: ShardNo, command: &Command) -> Answer {
    match command {
        Command::PushSingle { cid, push, .. } if cid.to_string() != UNKNOWN => {
            pushed(push, vec![(*cid, TargetStatus::Online)])
        }
        Command::PushSingle { .. } => Answer::TargetInvalid,
        Command::CidsOfAlias { alias, .. } if &**alias == "nobody" => Answer::Cids(Vec::new()),
        Command::CidsOfAlias { .. } => Answer::Cids(vec![
            CID.parse().expect("a cid"),
            OTHER.parse().expect("a cid"),
        ]),
        Command::Probe { cids, .. } => {
            let reach = [Reach::Offline, Reach::Online][usize::from(shard.0)];
            let known = cids.iter().filter(|cid| cid.to_string() != UNKNOWN);
            Answer::Reached(known.map(|cid| (*cid, reach)).collect())
        }
        Command::MatchTags { terms, .. } => Answer::Cids(
            terms
                .iter()
                .filter(|(_, term)| term.tags.iter().any(|tag| &**tag == "gold"))
                .map(|(cid, _)| *cid)
                .collect(),
        ),
        Command::PushMany { targets, push, .. } => {
            let word = |reach: &Reach| StoredStatus::of(*reach, true).word();
            let words = targets.iter().map(|(cid, reach)| (*cid, word(reach)));
            pushed(push, words.collect())
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn given_a_batch_of_two_hundred_when_pushed_should_be_a_task_each_in_one_answer() {
    with_site(HttpSettings::default(), decide, async |site: Site| {
        let mut third_party = site.third_party().await;
        let elements: Vec<Value> = (0..200)
            .map(|number| {
                push(
                    &format!("request-{number:03}"),
                    json!({"cid": [format!("{number:032x}")]}),
                )
            })
            .collect();
        let path = "/push/single/batch/cid";
        let answer = third_party.call("POST", path, &batch(&elements)).await;
        assert_eq!((answer.status, &answer.json["code"]), (200, &json!(0)));
        let tasks = answer.json["data"].as_object().expect("tasks");
        assert_eq!(tasks.len(), 200);
        assert!(tasks.keys().all(|task| task.starts_with("RASS_")));
        let cids: BTreeSet<String> = tasks
            .values()
            .map(|words| {
                let words = words.as_object().expect("words");
                assert_eq!(words.len(), 1);
                let (cid, word) = words.iter().next().expect("one");
                assert_eq!(word, "successed_online");
                cid.clone()
            })
            .collect();
        assert_eq!(
            cids,
            (0..200).map(|number| format!("{number:032x}")).collect()
        );
        let ids: BTreeSet<String> = site
            .asked
            .borrow()
            .iter()
            .map(|(_, command)| match command {
                Command::PushSingle { push, .. } => push.request_id.to_string(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(ids.len(), 200);
    });
}

#[test]
fn given_a_batch_of_aliases_when_pushed_should_be_keyed_by_cid_under_one_task_each() {
    with_site(HttpSettings::default(), decide, async |site: Site| {
        let mut third_party = site.third_party().await;
        let elements = [
            push("request-01", json!({"alias": ["用户"]})),
            push("request-02", json!({"alias": ["nobody"]})),
        ];
        let path = "/push/single/batch/alias";
        let answer = third_party.call("POST", path, &batch(&elements)).await;
        assert_eq!(answer.json["code"], 0);
        let tasks = answer.json["data"].as_object().expect("tasks");
        let words: Vec<&Value> = tasks.values().collect();
        assert_eq!(
            words,
            [&json!({CID: "successed_offline", OTHER: "successed_online"})]
        );
        // Nobody at all.
        let nobody = batch(&elements[1..]);
        assert_eq!(
            third_party.refusal("POST", path, &nobody).await,
            "target user is invalid"
        );
    });
}

#[test]
fn given_an_asynchronous_batch_when_pushed_should_be_answered_bare_and_only_when_accepted() {
    let accepted = Rc::new(Cell::new(0));
    let counted = Rc::clone(&accepted);
    let decide = move |shard, command: &Command| {
        let answer = decide(shard, command);
        counted.set(counted.get() + 1);
        answer
    };
    with_site(HttpSettings::default(), decide, async |site: Site| {
        let mut third_party = site.third_party().await;
        let elements = [
            push("request-01", json!({"cid": [CID]})),
            push("request-02", json!({"cid": [OTHER]})),
        ];
        for is_async in [json!(true), json!("true")] {
            accepted.set(0);
            let body = json!({"is_async": is_async, "msg_list": elements});
            let answer = third_party
                .call("POST", "/push/single/batch/cid", &body)
                .await;
            assert_eq!(answer.json, json!({"code": 0, "msg": "success"}));
            assert_eq!(accepted.get(), 2);
        }
        // Nothing of it was accepted: that is no success, asynchronous or not.
        let body =
            json!({"is_async": true, "msg_list": [push("request-03", json!({"cid": [UNKNOWN]}))]});
        assert_eq!(
            third_party
                .refusal("POST", "/push/single/batch/cid", &body)
                .await,
            "target user is invalid"
        );
    });
}

#[test]
fn given_bad_elements_when_others_are_good_should_not_hinder_them() {
    with_site(HttpSettings::default(), decide, async |site: Site| {
        let mut third_party = site.third_party().await;
        let bad = [
            push("short", json!({"cid": [CID]})),
            push("request-02", json!({"cid": [UNKNOWN]})),
            push("request-03", json!({"cid": [CID, OTHER]})),
            push("request-04", json!("all")),
            json!(7),
            Value::Null,
            json!([]),
            json!({}),
        ];
        let path = "/push/single/batch/cid";
        let mut elements = bad.to_vec();
        elements.insert(3, push("request-09", json!({"cid": [OTHER]})));
        let answer = third_party.call("POST", path, &batch(&elements)).await;
        assert_eq!(answer.json["code"], 0, "{}", answer.json);
        let tasks = answer.json["data"].as_object().expect("tasks");
        let words: Vec<&Value> = tasks.values().collect();
        assert_eq!(words, [&json!({OTHER: "successed_online"})]);
        // All are bad: the first says why.
        for (first, msg) in [
            (0, "request_id is invalid"),
            (1, "target user is invalid"),
            (2, "cid size over limit"),
            (3, "audience is invalid"),
            (4, "msg_list type error"),
            (5, "msg_list cannot be null"),
            (6, "msg_list type error"),
            (7, "request_id cannot be null"),
        ] {
            assert_eq!(
                third_party
                    .refusal("POST", path, &batch(&bad[first..]))
                    .await,
                msg
            );
        }
    });
}

#[test]
fn given_batches_of_the_wrong_form_when_pushed_should_name_the_member() {
    with_site(HttpSettings::default(), decide, async |site: Site| {
        let mut third_party = site.third_party().await;
        let one = push("request-01", json!({"cid": [CID]}));
        for (body, msg) in [
            (json!({}), "msg_list cannot be null"),
            (json!({"msg_list": null}), "msg_list cannot be null"),
            (json!({"msg_list": []}), "msg_list can not be empty"),
            (json!({"msg_list": {}}), "msg_list type error"),
            (json!({"msg_list": "x"}), "msg_list type error"),
            (
                json!({"msg_list": vec![one.clone(); 201]}),
                "msg_list size over limit",
            ),
            (
                json!({"msg_list": [one], "is_async": 1}),
                "is_async type error",
            ),
        ] {
            for path in ["/push/single/batch/cid", "/push/single/batch/alias"] {
                assert_eq!(third_party.refusal("POST", path, &body).await, msg);
            }
        }
        for body in [json!([]), Value::Null, json!("x")] {
            let answer = third_party
                .call("POST", "/push/single/batch/cid", &body)
                .await;
            assert_eq!((answer.status, &answer.json["code"]), (200, &json!(1)));
        }
        assert!(site.asked.borrow().is_empty());
    });
}

#[test]
fn given_a_shard_that_is_busy_when_a_batch_is_pushed_should_be_answered_busy_as_a_whole() {
    let decide = |shard, command: &Command| match command {
        Command::PushSingle { cid, .. } if cid.to_string() == CID => Answer::Busy,
        _ => decide(shard, command),
    };
    with_site(HttpSettings::default(), decide, async |site: Site| {
        let mut third_party = site.third_party().await;
        let elements = [
            push("request-01", json!({"cid": [OTHER]})),
            push("request-02", json!({"cid": [CID]})),
        ];
        for is_async in [false, true] {
            let body = json!({"is_async": is_async, "msg_list": elements});
            let answer = third_party
                .call("POST", "/push/single/batch/cid", &body)
                .await;
            assert_eq!(
                (answer.status, answer.json),
                (
                    403,
                    json!({"code": 30019, "msg": "system busy, retry later"})
                )
            );
        }
    });
}

#[test]
fn given_a_single_push_by_tag_when_the_tags_are_not_so_should_be_ignored_and_not_invalid() {
    let terms = Rc::new(RefCell::new(Vec::new()));
    let seen = Rc::clone(&terms);
    let decide = move |shard, command: &Command| {
        if let Command::MatchTags { terms, .. } = command {
            seen.borrow_mut().extend(terms.clone());
        }
        decide(shard, command)
    };
    with_site(HttpSettings::default(), decide, async |site: Site| {
        let mut third_party = site.third_party().await;
        let path = "/push/single/cid_by_tag";
        let by_tag = |cid: &str, tag: Value, op: Value| {
            let item = json!({"cid": cid, "tag": tag, "op_type": op});
            push("request-01", json!({ "cid_by_tag": [item] }))
        };
        for (op, expected) in [
            (Value::Null, ConditionOp::Or),
            (json!(0), ConditionOp::Or),
            (json!("1"), ConditionOp::And),
            (json!(2), ConditionOp::Not),
        ] {
            let body = by_tag(CID, json!(["gold", 7]), op);
            let answer = third_party.call("POST", path, &body).await;
            let tasks = answer.json["data"].as_object().expect("tasks");
            assert!(tasks.keys().all(|task| task.starts_with("RASS_")));
            assert!(tasks.values().eq([&json!({CID: "successed_offline"})]));
            let term = TagTerm {
                op: expected,
                tags: vec!["gold".into(), "7".into()],
            };
            let asked = terms.borrow_mut().pop();
            assert_eq!(asked, Some((CID.parse().expect("a cid"), term)));
        }
        let body = by_tag(OTHER, json!(["silver"]), json!(0));
        let answer = third_party.call("POST", path, &body).await;
        let tasks = answer.json["data"].as_object().expect("tasks");
        assert!(tasks.values().eq([&json!({OTHER: "successed_ignore"})]));
        let Some((
            _,
            Command::PushMany {
                app, push: asked, ..
            },
        )) = site.asked.borrow_mut().pop()
        else {
            panic!("no push");
        };
        assert_eq!((app, &*asked.request_id), (AppNo(7), "request-01"));
        for (body, msg) in [
            (
                by_tag(UNKNOWN, json!(["gold"]), json!(0)),
                "target user is invalid",
            ),
            (
                by_tag("nonsense", json!(["gold"]), json!(0)),
                "target user is invalid",
            ),
            (
                by_tag("", json!(["gold"]), json!(0)),
                "cid can not be empty",
            ),
            (by_tag(CID, Value::Null, json!(0)), "tag cannot be null"),
            (by_tag(CID, json!([]), json!(0)), "tag can not be empty"),
            (by_tag(CID, json!("gold"), json!(0)), "tag type error"),
            (by_tag(CID, json!([""]), json!(0)), "tag can not be empty"),
            (
                by_tag(CID, json!(["x".repeat(33)]), json!(0)),
                "tag size over limit",
            ),
            (
                by_tag(CID, json!(vec!["x"; 101]), json!(0)),
                "tag size over limit",
            ),
            (by_tag(CID, json!(["gold"]), json!(3)), "op_type is invalid"),
            (
                by_tag(CID, json!(["gold"]), json!([])),
                "op_type type error",
            ),
            (
                push("request-01", json!({"cid_by_tag": []})),
                "cid_by_tag can not be empty",
            ),
            (
                push("request-01", json!({"cid_by_tag": [1]})),
                "cid_by_tag type error",
            ),
            (
                push("request-01", json!({"cid_by_tag": [null]})),
                "cid_by_tag cannot be null",
            ),
            (
                push("request-01", json!({"cid": [CID]})),
                "cid_by_tag cannot be null",
            ),
            (push("request-01", json!("all")), "audience is invalid"),
        ] {
            assert_eq!(
                third_party.refusal("POST", path, &body).await,
                msg,
                "{body}"
            );
        }
    });
}
