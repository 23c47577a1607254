//! Every call of the Java client in one run, with all that it can set.
//!
//! Owner: the end-to-end test of the official clients. Always: expectations are those of the API's own
//! description, and the last check is that no row of the router was left out.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::harness::device::register;
use super::harness::{Devices, Server, wait_for};
use super::java::Java;
use super::wire::{Connection, status};
use super::{PATIENT, now_ms, row_of, rows, task, words, yesterday};

/// What the Java client has no call for.
const NOT_OF_JAVA: [&str; 6] = [
    "GET /v2/{}/task/detail/{}/{}",
    "GET /v2/{}/user/detail/{}",
    "GET /v2/{}/user/deviceStatus/{}",
    "POST /v2/{}/user/smart_crowd/create",
    "POST /v2/{}/user/smart_crowd/model/list",
    "POST /v2/{}/user/smart_crowd/task/list",
];

/// A push of the Java client with all that it can set.
fn java_push(request: usize, audience: Value) -> Value {
    let mut push = json!({
        "request_id": format!("java-request-{request:04}"), "task_name": "one & two", "group_name": "java",
        "settings": {"ttl": 3_600_000, "strategy": {"default": 1, "ios": 4, "hoshw": 1}, "filter_notify_off": false,
            "custom_callback": "c=1", "speed": 100},
        "push_message": {"duration": "1590547347000-1590633747000", "network_type": 0, "notification": {
            "title": "<b>A & 'B' = C</b>", "body": "正文", "big_text": "long", "channel_level": "4", "click_type": "url",
            "url": "https//:example", "notify_id": "2147483647", "badge_add_num": "1", "ring_name": "ring"}},
        "push_channel": {"android": {"ups": {"notification": {"title": "t", "body": "b", "click_type": "startapp"},
            "options": {"HW": {"/message/android/notification/badge/add_num": 1}}}},
            "ios": {"type": "notify", "aps": {"alert": {"title": "t"}, "content-available": 0},
            "apns-collapse-id": "x", "laId": "y"}},
    });
    if !audience.is_null() {
        push["audience"] = audience;
    }
    push
}

#[test]
fn given_the_bytes_of_the_java_client_when_each_of_its_calls_is_made_should_answer_as_documented() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = Server::start_configured(dir.path(), 2, PATIENT);
    let devices = Devices::start(dir.path(), &server, 2, &[]);
    let cids = devices.events().cids();
    let (one, two) = (cids[0].as_str(), cids[1].as_str());
    let away = register(&server.bootstrap(), 9).to_string();
    let (on, off) = ("successed_online", "successed_offline");
    let mut java = Java::build(&server);

    java_users(&mut java, one, two);

    let cid = |cid: &str| json!({"cid": [cid]});
    let pushed = java
        .post("/push/single/cid", &java_push(1, cid(one)))
        .data();
    let (single, word) = words(&pushed);
    assert_eq!(word, json!({one: on}));
    assert!(single.starts_with("RASS_"), "{single}");
    // It repeats a POST by itself after a time-out.
    let again = java.post("/push/single/cid", &java_push(1, cid(two)));
    assert_eq!(again.data(), pushed);
    let alias = json!({"alias_type": "mail", "alias": ["用户"]});
    let pushed = java
        .post("/push/single/alias", &java_push(2, alias.clone()))
        .data();
    assert_eq!(words(&pushed).1, json!({two: on}));
    let by_tag = |op_type: u8| {
        let item = |cid: &str| json!({"cid": cid, "tag": ["gold", "none"], "op_type": op_type});
        json!({"cid_by_tag": [item(one)]})
    };
    let pushed = java
        .post("/push/single/cid_by_tag", &java_push(3, by_tag(0)))
        .data();
    assert_eq!(words(&pushed).1, json!({one: on}));
    let pushed = java
        .post("/push/single/cid_by_tag", &java_push(4, by_tag(1)))
        .data();
    assert_eq!(words(&pushed).1, json!({one: "successed_ignore"}));
    let list = json!({"is_async": false, "msg_list": [java_push(5, cid(&away)), java_push(6, cid("x")),
        java_push(7, cid(two))]});
    let pushed = java.post("/push/single/batch/cid", &list).data();
    let mut both: Vec<String> = pushed
        .as_object()
        .expect("tasks")
        .values()
        .map(Value::to_string)
        .collect();
    both.sort();
    let mut expected = [json!({&away: off}), json!({two: on})].map(|it| it.to_string());
    expected.sort();
    assert_eq!(both, expected);
    let list = json!({"is_async": true, "msg_list": [java_push(8, alias.clone())]});
    java.post("/push/single/batch/alias", &list).done();

    let listed = task(
        &java
            .post("/push/list/message", &java_push(9, Value::Null))
            .data(),
    );
    assert!(listed.starts_with("RASL_"), "{listed}");
    let to = |audience: Value| {
        json!({"audience": audience, "taskid": listed, "is_async": false,
        "need_alias_detail": false})
    };
    // Its own test names a CID twice.
    let twice = java.post("/push/list/cid", &to(json!({"cid": [one, one]})));
    assert_eq!(twice.wrong(), "contains duplicate cid");
    let pushed = java
        .post("/push/list/cid", &to(json!({"cid": ["0", &away, one]})))
        .data();
    assert_eq!(pushed, json!({&listed: {one: on, &away: off}}));
    let mut with_detail = to(alias.clone());
    with_detail["need_alias_detail"] = json!(true);
    let pushed = java.post("/push/list/alias", &with_detail).data();
    assert_eq!(pushed, json!({&listed: {"用户": {two: on}}}));
    let pushed = java.post("/push/list/cid_by_tag", &to(by_tag(2))).data();
    assert_eq!(pushed, json!({&listed: {one: "successed_ignore"}}));

    let all = task(&java.post("/push/all", &java_push(10, json!("all"))).data());
    assert!(all.starts_with("RASA_"), "{all}");
    let tag = json!({"tag": [{"key": "phone_type", "values": ["android", "ios"], "opt_type": "or"},
        {"key": "custom_tag", "values": ["gold"], "opt_type": "and"}]});
    let tagged = task(&java.post("/push/tag", &java_push(11, tag)).data());
    let fast = task(
        &java
            .post(
                "/push/fast_custom_tag",
                &java_push(12, json!({"fast_custom_tag": "gold"})),
            )
            .data(),
    );
    let got = wait_for("the pushes to many", || {
        let pushes = devices.events().pushes();
        let got = pushes.get(one)?.clone();
        let has = |task: &String| got.iter().any(|push| push.task_id == *task);
        [&all, &tagged, &fast].into_iter().all(has).then_some(got)
    });
    let first = &got.iter().find(|push| push.task_id == single);
    let notification = &first.expect("the first push").body["notification"];
    assert_eq!(notification["title"], "<b>A & 'B' = C</b>");
    assert_eq!(
        (&notification["channel_level"], &notification["notify_id"]),
        (&json!(4), &json!(2_147_483_647))
    );
    // 1 single, 1 by tag, 1 list, 3 to many: each once.
    assert_eq!(got.len(), 6, "{got:?}");

    java_tasks(&mut java, &single, &listed);
    java_reports(&mut java, &listed, &all);

    let before = java.token().to_owned();
    java.call("DELETE", &format!("/auth/{before}"), None).done();
    assert_eq!(java.auths, 1);
    java.get("/report/online_user");
    assert_eq!(java.auths, 2, "one refresh for one call");
    assert_ne!(java.token(), before);

    let rows = rows();
    let called: BTreeSet<&str> = java.calls.iter().map(|call| row_of(&rows, call)).collect();
    let of_java: BTreeSet<&str> = rows
        .iter()
        .map(String::as_str)
        .filter(|row| !NOT_OF_JAVA.contains(row) && *row != "HEAD /v2/check")
        .collect();
    assert_eq!(called, of_java);
    let mut connection = Connection::new(server.http());
    connection.send(b"HEAD /v2/check HTTP/1.1\r\nHost: x\r\nopenStableDomain: true\r\n\r\n");
    assert_eq!(status(&connection.head()), 200);
}

/// Aliases, tags, the black list and the rest, before anything is pushed.
fn java_users(java: &mut Java, one: &str, two: &str) {
    let pairs = json!({"alias_type": "mail", "data_list": [{"cid": two, "alias": "用户"}]});
    java.post("/user/alias", &pairs).done();
    let pairs = json!({"data_list": [{"cid": one, "alias": "a_1"}, {"cid": two, "alias": "a_1"}]});
    java.post("/user/alias", &pairs).done();
    let path = format!("/user/alias/cid/{two}");
    assert_eq!(java.get(&path), json!({"alias": "a_1"}));
    assert_eq!(
        java.get(&format!("{path}?alias_type=mail")),
        json!({"alias": "用户"})
    );
    // Its HTTP library encodes what is not ASCII.
    let path = "/user/cid/alias/%E7%94%A8%E6%88%B7";
    assert_eq!(java.get(path), json!({"cid": []}));
    assert_eq!(
        java.get(&format!("{path}?alias_type=mail")),
        json!({"cid": [two]})
    );
    let pairs = json!({"data_list": [{"cid": one, "alias": "a_1"}]});
    java.call("DELETE", "/user/alias", Some(&pairs)).done();
    assert_eq!(java.get("/user/cid/alias/a_1"), json!({"cid": [two]}));
    java.call("DELETE", "/user/alias/a_1", None).done();
    assert_eq!(java.get("/user/cid/alias/a_1"), json!({"cid": []}));

    let tags = json!({"custom_tag": ["vip", "北京"]});
    let path = format!("/user/custom_tag/cid/{one}");
    java.post(&path, &tags).done();
    let list = java.get(&path)[one].clone();
    assert_eq!(list.as_array().map(Vec::len), Some(1), "{list}");
    let joined = list[0].as_str().expect("text");
    assert_eq!(
        joined.split(' ').collect::<BTreeSet<_>>(),
        BTreeSet::from(["vip", "北京"])
    );
    let both = json!({"cid": [two, one]});
    let path = "/user/custom_tag/batch/%E9%87%91";
    let words = java.call("PUT", path, Some(&both)).data();
    assert_eq!(words, json!({one: "true", two: "true"}));
    let words = java.call("DELETE", path, Some(&both)).data();
    assert_eq!(words, json!({one: "true", two: "true"}));
    let path = "/user/custom_tag/batch/gold";
    java.call("PUT", path, Some(&both)).data();
    let count = json!({"tag": [{"key": "custom_tag", "values": ["gold"], "opt_type": "and"}]});
    assert_eq!(
        java.post("/user/count/", &count).data(),
        json!({"user_count": 2})
    );
    // Its own test.
    let region = json!({"tag": [{"key": "region", "values": [""], "opt_type": "or"}]});
    assert_eq!(
        java.post("/user/count/", &region).data(),
        json!({"user_count": 0})
    );

    // A set in any order, with bare commas, and what is no CID in it.
    let status = java.get(&format!("/user/status/{two},0,{one}"));
    let online = json!({"status": "online"});
    assert_eq!(status, json!({one: online, two: online}));
    let path = format!("/user/black/cid/{two},{one}");
    java.call("POST", &path, None).done();
    let blocked = java_push(90, json!({"cid": [one]}));
    let pushed = java.post("/push/single/cid", &blocked).data();
    assert_eq!(super::words(&pushed).1, json!({one: "successed_ignore"}));
    java.call("DELETE", &path, None).done();
    java.post(
        &format!("/user/badge/cid/{two},{one}"),
        &json!({"badge": "+1"}),
    )
    .done();
    let tokens = json!({"dt_list": [{"cid": one, "device_token": "t=1"}, {"cid": two}]});
    java.post("/user/bind_dt/wx", &tokens).done();

    // Long enough to be packed; its later versions have this call.
    let unknown: Vec<String> = (0..100).map(|number| format!("{number:032x}")).collect();
    let path = format!("/user/info/base/{},{one}", unknown.join(","));
    let answer = java.call("GET", &path, None);
    assert!(answer.packed);
    let data = answer.data();
    assert_eq!(data["validCids"][one]["phone_type"], 1, "{data}");
    assert_eq!(data["validCids"][one]["device_token"], "t=1");
    assert_eq!(data["invalidCids"].as_array().map(Vec::len), Some(100));
    let advanced = java.get(&format!("/user/info/advanced/{one}"));
    assert_eq!(advanced["validCids"][one], data["validCids"][one]);
    for (verb, path) in [
        ("POST", "/user/test/cid/add"),
        ("POST", "/user/test/cid/update"),
        ("POST", "/user/test/cid/delete"),
        ("GET", "/user/test/cid/list?remark=x&pageNum=1"),
    ] {
        let body = json!({"cid_list": [{"cid": one, "remark": "x"}]});
        let answer = java.call(verb, path, Some(&body).filter(|_| verb == "POST"));
        assert_eq!(answer.codes(), (200, 1), "{}", answer.body);
    }
    let health = json!([{"host": "x", "failed": 1}]);
    java.post("/log/upload", &health).done();
}

fn java_tasks(java: &mut Java, single: &str, listed: &str) {
    let mut later = java_push(20, json!("all"));
    later["settings"]["schedule_time"] = json!(now_ms() + 3_600_000);
    let scheduled = task(&java.post("/push/all", &later).data());
    let path = format!("/task/schedule/{scheduled}");
    let waits = java.get(&path);
    let waits = waits[&scheduled].as_object().expect("one task");
    for (name, value) in waits {
        assert!(value.is_string(), "{name}: {value}");
    }
    assert_eq!(
        (&waits["status"], &waits["send_result"]),
        (&json!("success"), &json!("do_not_send"))
    );
    assert!(waits.contains_key("create_time") && waits.contains_key("push_time"));
    assert!(waits.contains_key("transmission_content"));
    java.call("DELETE", &path, None).done();
    let gone = "taskid is invalid or taskid is deleted";
    assert_eq!(java.call("GET", "/task/schedule/x", None).wrong(), gone);
    let stop = |java: &mut Java, task: &str| java.call("DELETE", &format!("/task/{task}"), None);
    assert_eq!(stop(java, single).wrong(), "task cannot stop");
    stop(java, listed).done();
    let more = json!({"audience": {"cid": ["0"]}, "taskid": "x", "is_async": false});
    java.post("/push/list/cid", &more).wrong();
}

fn java_reports(java: &mut Java, listed: &str, all: &str) {
    let path = format!("/report/push/task/{all},unknown,{listed}");
    let reports = java.get(&format!("{path}?actionIdList=90002,90001"));
    assert_eq!(reports.as_object().map(serde_json::Map::len), Some(2));
    assert_eq!(
        reports[all]["actionCntMap"],
        json!({"90001": 0, "90002": 0})
    );
    for channel in ["total", "gt"] {
        for name in ["target_num", "receive_num", "display_num", "click_num"] {
            let number = &reports[listed][channel][name];
            assert!(number.is_u64(), "{channel} {name}: {number}");
        }
    }
    assert!(reports[listed]["total"]["msg_num"].is_u64());
    let detail = java.get(&format!("{path}/detail"));
    assert!(detail[listed]["failed_detail"].is_object(), "{detail}");
    let group = java.get("/report/push/task_group/java?startDate=2020-01-01&endDate=");
    assert!(group["java"]["total"]["msg_num"].is_u64(), "{group}");
    let day = yesterday();
    let pushes = java.get(&format!("/report/push/date/{day}"));
    assert!(pushes.is_object(), "{pushes}");
    let users = java.get(&format!("/report/user/date/{day}"));
    for name in [
        "accumulative_num",
        "register_num",
        "active_num",
        "online_num",
    ] {
        assert!(users[&day][name].is_u64(), "{users}");
    }
    assert_eq!(java.get("/report/push/count")["gt"]["list"]["limit"], false);
    assert!(java.get("/report/online_user")["online_statics"].is_object());
}
