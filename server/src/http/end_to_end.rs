//! Whole requests over a real socket: what a third party or an operator sees.

use protocol::ClientId;
use serde_json::{Value, json};
use server_core::command::{Answer, Command, DeviceStatus, Reach, Storage, TargetStatus};
use server_core::ids::{AppNo, ShardNo};

use super::fixture::{Client, Response, Site, other_app, with_site};
use super::{HttpSettings, alias_name};

/// A CID of shard 0 and one of shard 1.
const LOW: &str = "00000000000000000000000000000001";
const HIGH: &str = "ffffffffffffffffffffffffffffffff";

fn cid(text: &str) -> ClientId {
    text.parse().expect("a cid")
}

fn never(_: ShardNo, command: &Command) -> Answer {
    panic!("nobody should ask {command:?}")
}

async fn with_token(
    client: &mut Client,
    token: &str,
    verb: &str,
    path: &str,
    body: &str,
) -> Response {
    client
        .call(verb, path, &format!("token: {token}\r\n"), body)
        .await
}

#[test]
fn given_a_single_push_when_accepted_should_answer_its_task_and_word() {
    let decide = |shard, command: &Command| {
        let Command::PushSingle {
            app: AppNo(7),
            cid,
            push,
        } = command
        else {
            panic!("{command:?}")
        };
        assert_eq!(shard, ShardNo(1));
        assert!(matches!(push.storage, Storage::Until(_)));
        Answer::Pushed {
            task_id: push.task_id.clone(),
            targets: vec![(*cid, TargetStatus::Online)],
        }
    };
    with_site(HttpSettings::default(), decide, async |site: Site| {
        let (mut client, token) = site.log_in().await;
        let body = format!(
            r#"{{"request_id":"1234567890","audience":{{"cid":["{HIGH}"]}},"push_message":{{"transmission":"x"}}}}"#
        );
        let answer = with_token(
            &mut client,
            &token,
            "POST",
            "//v2/app/push/single/cid/",
            &body,
        )
        .await;
        assert_eq!((answer.status, &answer.json["code"]), (200, &json!(0)));
        let (task, words) = answer.json["data"]
            .as_object()
            .and_then(|data| data.iter().next())
            .expect("one");
        assert!(task.starts_with("RASS_"), "{task}");
        assert_eq!(words, &json!({HIGH: "successed_online"}));
        assert!(
            answer
                .head
                .contains("content-type: application/json;charset=utf-8\r\n"),
            "{}",
            answer.head
        );
    });
}

#[test]
fn given_an_alias_push_when_its_cids_are_on_two_shards_should_probe_both_and_decide_at_one() {
    let decide = |shard, command: &Command| match command {
        Command::CidsOfAlias { alias, .. } if &**alias == "nobody" => Answer::Cids(Vec::new()),
        Command::CidsOfAlias { .. } => Answer::Cids(vec![cid(HIGH), cid(LOW)]),
        Command::Probe { cids, .. } => {
            assert_eq!(cids, &[cid(if shard == ShardNo(0) { LOW } else { HIGH })]);
            let reach = if shard == ShardNo(0) {
                Reach::Offline
            } else {
                Reach::Online
            };
            Answer::Reached(vec![(cids[0], reach)])
        }
        Command::PushMany { targets, push, .. } => {
            assert_eq!(
                targets,
                &[(cid(HIGH), Reach::Online), (cid(LOW), Reach::Offline)]
            );
            Answer::Pushed {
                task_id: push.task_id.clone(),
                targets: vec![
                    (cid(HIGH), TargetStatus::Online),
                    (cid(LOW), TargetStatus::Offline),
                ],
            }
        }
        other => panic!("{other:?}"),
    };
    with_site(HttpSettings::default(), decide, async |site: Site| {
        let (mut client, token) = site.log_in().await;
        let body = |alias: &str| {
            format!(
                r#"{{"request_id":"1234567890","audience":{{"alias":["{alias}"]}},"push_message":{{"transmission":"x"}}}}"#
            )
        };
        let path = "/v2/app/push/single/alias";
        let answer = with_token(&mut client, &token, "POST", path, &body("用户")).await;
        let words = answer.json["data"]
            .as_object()
            .and_then(|data| data.values().next())
            .expect("one");
        assert_eq!(
            words,
            &json!({LOW: "successed_offline", HIGH: "successed_online"})
        );
        let answer = with_token(&mut client, &token, "POST", path, &body("nobody")).await;
        assert_eq!(answer.status, 400);
        assert_eq!(
            answer.json,
            json!({"code": 20001, "msg": "target user is invalid"})
        );
    });
}

#[test]
fn given_alias_calls_when_made_should_ask_the_home_and_show_the_answer() {
    let decide = |_, command: &Command| match command {
        Command::BindAliases {
            bindings,
            alias_type,
            ..
        } => {
            assert_eq!((bindings.len(), &**alias_type), (2, "t"));
            Answer::Done
        }
        Command::UnbindAliases { .. } => Answer::StoreFailed,
        Command::AliasOfCid { cid: asked, .. } if *asked == cid(LOW) => Answer::Alias(None),
        Command::AliasOfCid { .. } => Answer::Alias(Some("中".into())),
        Command::CidsOfAlias { alias_type, .. } => {
            assert_eq!(&**alias_type, "t");
            Answer::Cids(vec![cid(LOW)])
        }
        other => panic!("{other:?}"),
    };
    with_site(HttpSettings::default(), decide, async |site: Site| {
        let (mut client, token) = site.log_in().await;
        let list = format!(
            r#"{{"alias_type":"t","data_list":[{{"cid":"{LOW}","alias":"中"}},{{"cid":"{HIGH}","alias":"b"}}]}}"#
        );
        let path = "/v2/app/user/alias";
        let bound = with_token(&mut client, &token, "POST", path, &list).await;
        assert_eq!(bound.json, json!({"code": 0, "msg": "success"}));
        let unbound = with_token(&mut client, &token, "DELETE", path, &list).await;
        assert_eq!(unbound.status, 403);
        assert_eq!(
            unbound.json,
            json!({"code": 30019, "msg": "system busy, retry later"})
        );
        for (path, data) in [
            (format!("/v2/app/user/alias/cid/{LOW}"), json!({})),
            (
                format!("/v2/app/user/alias/cid/{HIGH}"),
                json!({"alias": "中"}),
            ),
            (
                "/v2/app/user/cid/alias/%e4%b8%AD?alias_type=t".to_owned(),
                json!({"cid": [LOW]}),
            ),
        ] {
            // The PHP client sends the body of an earlier call with a GET.
            let answer = with_token(&mut client, &token, "GET", &path, "stale {").await;
            assert_eq!(answer.json["data"], data, "{path}");
        }
        let asked = site.asked.borrow();
        let (shard, _) = asked.last().expect("asked");
        let home = server_core::placement::Slot::of_name(&alias_name(AppNo(7), "t", "中")).shard(2);
        assert_eq!(*shard, home);
    });
}

#[test]
fn given_status_when_asked_for_cids_of_two_shards_should_merge_what_exists() {
    let decide = |shard, command: &Command| {
        let Command::Status { cids, .. } = command else {
            panic!("{command:?}")
        };
        let online = shard == ShardNo(1);
        Answer::Statuses(vec![(
            cids[0],
            DeviceStatus {
                online,
                last_login_ms: 12,
            },
        )])
    };
    with_site(HttpSettings::default(), decide, async |site: Site| {
        let (mut client, token) = site.log_in().await;
        let path = format!("/v2/app/user/status/{LOW},nonsense,{HIGH}");
        let answer = with_token(&mut client, &token, "GET", &path, "").await;
        assert_eq!(
            answer.json["data"],
            json!({LOW: {"status": "offline", "last_login_time": "12"}, HIGH: {"status": "online"}})
        );
    });
}

#[test]
fn given_a_status_of_a_thousand_cids_when_asked_should_fit_the_request_line() {
    let decide = |_, _: &Command| Answer::Statuses(Vec::new());
    with_site(HttpSettings::default(), decide, async |site: Site| {
        let (mut client, token) = site.log_in().await;
        let cids: Vec<String> = (0..1000).map(|number| format!("{number:032x}")).collect();
        let path = format!("/v2/app/user/status/{}", cids.join("%2C"));
        let answer = with_token(&mut client, &token, "GET", &path, "").await;
        assert_eq!(
            answer.json,
            json!({"code": 0, "msg": "success", "data": {}})
        );
    });
}

#[test]
fn given_tokens_when_missing_foreign_or_ended_should_answer_10001() {
    with_site(HttpSettings::default(), never, async |site: Site| {
        let (mut client, token) = site.log_in().await;
        let path = "/v2/app/user/smart_crowd/create";
        let not_enabled = with_token(&mut client, &token, "POST", path, "null").await;
        assert_eq!(
            (not_enabled.status, &not_enabled.json["code"]),
            (200, &json!(1))
        );
        assert_eq!(not_enabled.json["msg"], "not enabled");
        let refused = json!({"code": 10001, "msg": "token is invalid"});
        // Both apps work: each token opens its own and not the other.
        let (_, others) = site.log_in_as(&other_app()).await;
        let own = with_token(
            &mut client,
            &others,
            "POST",
            "/v2/other/user/smart_crowd/create",
            "{}",
        )
        .await;
        assert_eq!((own.status, &own.json["code"]), (200, &json!(1)));
        for (path, headers) in [
            (path, String::new()),
            (path, "token: nonsense\r\n".to_owned()),
            (
                "/v2/other/user/smart_crowd/create",
                format!("Token: {token}\r\n"),
            ),
            (path, format!("Token: {others}\r\n")),
            (
                "/v2/nope/user/smart_crowd/create",
                format!("Token: {token}\r\n"),
            ),
        ] {
            let answer = client.call("POST", path, &headers, "{}").await;
            assert_eq!(
                (answer.status, answer.json),
                (401, refused.clone()),
                "{path} {headers}"
            );
        }
        let answer = with_token(&mut client, &token, "POST", "/v2/off/push/all", "").await;
        assert_eq!((answer.status, &answer.json["code"]), (401, &json!(10002)));
        for _ in 0..2 {
            let ended = client
                .call("DELETE", &format!("/v2/app/auth/{token}"), "", "")
                .await;
            assert_eq!(ended.json, json!({"code": 0, "msg": "success"}));
        }
        let answer = with_token(&mut client, &token, "POST", path, "null").await;
        assert_eq!(answer.json, refused);
    });
}

#[test]
fn given_auth_when_refused_should_say_why_in_20001() {
    with_site(HttpSettings::default(), never, async |site: Site| {
        let mut client = site.connect().await;
        for (path, body, status, code, msg) in [
            (
                "/v2/app/auth",
                r#"{"sign":"x","timestamp":1,"appkey":"key"}"#,
                400,
                20001,
                "timestamp is invalid",
            ),
            (
                "/v2/app/auth",
                r#"{"sign":"x","timestamp":1,"appkey":"k"}"#,
                400,
                20001,
                "appkey is invalid",
            ),
            ("/v2/nope/auth", "{}", 400, 20001, "appid is invalid"),
            ("/v2/off/auth", "{}", 401, 10002, "app is disabled"),
            ("/v2/app/auth", "[", 200, 1, "body is not json"),
        ] {
            let answer = client.call("POST", path, "", body).await;
            assert_eq!(
                (answer.status, answer.json),
                (status, json!({"code": code, "msg": msg}))
            );
        }
    });
}

#[test]
fn given_paths_and_verbs_when_unknown_should_answer_404_and_405() {
    with_site(HttpSettings::default(), never, async |site: Site| {
        let mut client = site.connect().await;
        for (verb, path, status, code) in [
            ("GET", "/v2/app/nothing", 404, json!(404)),
            ("GET", "/v2/app/%ff", 404, json!(404)),
            ("PUT", "/v2/app/push/all", 405, json!(405)),
            ("GET", "/healthz", 200, json!(0)),
            ("HEAD", "/v2/check", 200, Value::Null),
        ] {
            let answer = client.call(verb, path, "", "").await;
            assert_eq!(
                (answer.status, &answer.json["code"]),
                (status, &code),
                "{verb} {path}"
            );
        }
        let answer = client.call("PUT", "/v2/app/user/alias", "", "").await;
        assert!(
            answer.head.contains("allow: post, delete\r\n"),
            "{}",
            answer.head
        );
    });
}
