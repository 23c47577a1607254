//! Every call of the PHP client in one run, with the habits of its handles, and one long body.
//!
//! Owner: the end-to-end test of the official clients. Always: expectations are those of the API's own
//! description.

use serde_json::{Value, json};

use super::harness::device::register;
use super::harness::{Devices, Server, wait_for};
use super::php::Php;
use super::{PATIENT, now_ms, task, words, yesterday};

/// What the PHP client's own tests push, with the objects that they leave empty.
fn php_push(request: u64) -> Value {
    json!({
        // A clock of 13 digits.
        "request_id": (1_700_000_000_000 + request).to_string(), "group_name": null,
        "settings": {"ttl": 3_600_000, "strategy": []}, "audience": "all", "push_channel": [],
        "push_message": {"transmission": "试试透传 a/b 😀", "duration": "1590547347000-1590633747000"},
    })
}

#[test]
fn given_the_bytes_of_the_php_client_when_each_of_its_calls_is_made_should_answer_as_documented() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = Server::start_configured(dir.path(), 2, PATIENT);
    let devices = Devices::start(dir.path(), &server, 2, &[]);
    let cids = devices.events().cids();
    let (one, two) = (cids[0].as_str(), cids[1].as_str());
    let mut php = Php::new(&server, "");
    // Another process with another habit: its token leaves the first alone.
    let mut slashed = Php::new(&server, "/");
    let none = &Value::Null;
    let on = "successed_online";

    let pair = json!({"data_list": [{"cid": one, "alias": "cccc"}]});
    php.post("/user/alias", &pair).done();
    php.call("DELETE", "/user/alias", &pair).done();
    // The third call should bind again, and goes out as DELETE.
    php.post("/user/alias", &pair).done();
    assert_eq!(php.get("/user/cid/alias/cccc"), json!({"cid": []}));
    slashed.post("/user/alias", &pair).done();
    assert_eq!(
        php.get(&format!("/user/alias/cid/{one}")),
        json!({"alias": "cccc"})
    );
    let path = format!("/user/custom_tag/cid/{one}");
    php.post(&path, &json!({"custom_tag": ["tag2", "tagb"]}))
        .done();
    // With the body of the POST.
    assert_eq!(php.get(&path), json!({one: ["tag2 tagb"]}));
    php.call(
        "PUT",
        "/user/custom_tag/batch/%e4%b8%ad",
        &json!({"cid": [one, two]}),
    )
    .data();
    let removed = php.call(
        "DELETE",
        "/user/custom_tag/batch/tag3",
        &json!({"cid": [one]}),
    );
    assert!(removed.data()[one].is_string());
    let item = |tag: &str| json!({"key": "custom_tag", "values": [tag], "opt_type": "and"});
    let count = json!({"tag": [item("tag2"), item("tagb")]});
    assert_eq!(
        php.post("/user/count", &count).data(),
        json!({"user_count": 1})
    );
    // The body of these is `null`.
    let path = format!("/user/black/cid/{one}");
    slashed.post(&path, none).done();
    php.call("DELETE", &path, none).done();
    php.post(&format!("/user/badge/cid/{one}"), &json!({"badge": 10}))
        .done();
    let status = php.get(&format!("/user/status/{one},{two}"));
    assert_eq!(status[two]["status"], "online");

    let mut push = php_push(1);
    // Nobody was named: a mistake, and not a push to everybody.
    assert_eq!(
        php.post("/push/single/cid", &push).wrong(),
        "audience is invalid"
    );
    push["audience"] = json!({"cid": [one]});
    let (single, word) = words(&php.post("/push/single/cid", &push).data());
    assert_eq!(word, json!({one: on}));
    let mut push = php_push(2);
    push["audience"] = json!({"alias": ["cccc"]});
    push["push_message"] = json!({"revoke": {"old_task_id": single, "force": true}});
    assert_eq!(
        words(&php.post("/push/single/alias", &push).data()).1,
        json!({one: on})
    );
    let mut push = php_push(3);
    push["settings"] = json!([]);
    push["audience"] = json!({"cid": [two]});
    let notification = json!({"title": "t", "body": "b", "channel_level": 2, "click_type": "none",
        "notify_id": 22_334_455, "badge_add_num": 1, "intent": "intent:#Intent;component=a/b;end", "url": "url",
        "logo_url": "LogoUrl", "payload": "Payload"});
    push["push_message"] = json!({"notification": notification});
    let batch = json!({"is_async": false, "msg_list": [push]});
    let pushed = php.post("/push/single/batch/cid", &batch).data();
    assert_eq!(words(&pushed).1, json!({two: on}));
    let mut push = php_push(4);
    push["audience"] = json!({"alias": ["cccc"]});
    let batch = json!({"msg_list": [push], "is_async": true});
    php.post("/push/single/batch/alias", &batch).done();

    // It names everybody in the message of a list.
    let listed = task(&php.post("/push/list/message", &php_push(5)).data());
    let to = |audience: Value| json!({"is_async": null, "taskid": listed, "audience": audience});
    let pushed = php
        .post("/push/list/cid", &to(json!({"cid": [two]})))
        .data();
    assert_eq!(pushed, json!({&listed: {two: on}}));
    let pushed = php
        .post("/push/list/alias", &to(json!({"alias": ["cccc"]})))
        .data();
    assert_eq!(pushed, json!({&listed: {one: on}}));
    let all = task(&php.post("/push/all", &php_push(6)).data());
    let mut push = php_push(7);
    push["audience"] =
        json!({"tag": [{"opt_type": "and", "key": "phone_type", "values": ["ANDROID"]}]});
    push["settings"]["schedule_time"] = json!((now_ms() + 600_000).to_string());
    let later = task(&php.post("/push/tag", &push).data());
    let mut push = php_push(8);
    push["audience"] = json!({"fast_custom_tag": "tag2"});
    let fast = task(&php.post("/push/fast_custom_tag", &push).data());
    let schedule = php.get(&format!("/task/schedule/{later}"));
    assert!(schedule[&later]["push_time"].is_string(), "{schedule}");
    slashed
        .call("DELETE", &format!("/task/schedule/{later}"), none)
        .done();
    php.call("DELETE", &format!("/task/{listed}"), none).done();

    let day = yesterday();
    for path in [
        format!("/report/push/task/{all},{fast}"),
        "/report/push/task_group/test".to_owned(),
        format!("/report/user/date/{day}"),
        format!("/report/push/date/{day}"),
        "/report/online_user".to_owned(),
    ] {
        assert!(php.get(&path).is_object(), "{path}");
    }
    let got = wait_for("the last pushes", || {
        let pushes = devices.events().pushes();
        let got = pushes.get(one)?.clone();
        let has = |task: &String| got.iter().any(|push| push.task_id == *task);
        (has(&all) && has(&fast)).then_some(got)
    });
    let of_single = got.iter().find(|push| push.task_id == single);
    assert_eq!(
        of_single.expect("the first push").body,
        php_push(1)["push_message"]
    );

    // A token that is not sent is asked for once, and the call is answered.
    php.forget_token();
    let status = format!("/user/status/{one}");
    assert_eq!(php.once("GET", &status, none).codes(), (401, 10001));
    assert_eq!(php.call("GET", &status, none).codes(), (200, 0));
    assert_eq!(php.auths, 2);
    let token = php.token();
    php.call("DELETE", &format!("/auth/{token}"), none).done();
    // The old one is in the header of the call that asks for a new one.
    assert_eq!(php.call("GET", &status, none).codes(), (200, 0));
    assert_eq!((php.auths, slashed.auths), (3, 1));
    php.call("DELETE", "/user/alias/cccc", none).done();
}

#[test]
fn given_a_batch_of_over_a_megabyte_when_curl_waits_for_leave_should_be_given_it_with_a_token_only()
{
    let dir = tempfile::tempdir().expect("a folder");
    let server = Server::start_configured(dir.path(), 2, PATIENT);
    let away = register(&server.bootstrap(), 1).to_string();
    let mut php = Php::new(&server, "");
    let elements: Vec<Value> = (0..80)
        .map(|number| {
            let mut push = php_push(number);
            push["audience"] = json!({"cid": [away]});
            push["push_message"] = json!({"transmission": "中".repeat(3072)});
            push
        })
        .collect();
    let batch = json!({"is_async": false, "msg_list": elements});
    let tasks = php.post("/push/single/batch/cid", &batch).data();
    assert_eq!(tasks.as_object().map(serde_json::Map::len), Some(80));
    assert_eq!(php.leaves, 1);
    // Without a token it is refused unread, and the next call finds its way.
    php.forget_token();
    let path = "/push/single/batch/cid";
    assert_eq!(php.once("POST", path, &batch).codes(), (401, 10001));
    assert_eq!(php.leaves, 1);
    assert_eq!(php.post(path, &batch).data(), tasks);
    assert_eq!(php.leaves, 2);
}
