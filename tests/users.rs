//! Users as third parties see and change them, against a real server: tags, the black list, aliases,
//! what is known of a device, and its end. Expectations are from the API's own description.

mod harness;

use std::collections::BTreeSet;

use harness::device::{Device, hello, register};
use harness::{Devices, Server, wait_for};
use hyper::Method;
use protocol::{CloseReason, Frame, Identity, InstallId};
use sdk_sim::third_party::{BlockingThirdParty, CallError, Push, PushBody, random_request_id};
use serde_json::{Value, json};

const UNKNOWN: &str = "ffffffffffffffffffffffffffffffff";
const TARGET_INVALID: &str = "target user is invalid";

/// `data` of a call that must succeed.
fn done(party: &BlockingThirdParty, method: Method, path: &str, body: Option<Value>) -> Value {
    let shown = format!("{method} {path}");
    party
        .call(method, path, body.as_ref())
        .unwrap_or_else(|error| panic!("{shown}: {error}"))
}

/// `msg` of a call that must be refused as a wrong parameter.
fn refusal(party: &BlockingThirdParty, method: Method, path: &str, body: Option<Value>) -> String {
    let shown = format!("{method} {path}");
    match party.call(method, path, body.as_ref()) {
        Err(CallError::Refused {
            http: 400,
            code: 20001,
            msg,
        }) => msg,
        other => panic!("{shown}: {other:?}"),
    }
}

fn text(text: &str) -> Push {
    Push::new(PushBody::Transmission(text.to_owned())).expect("random")
}

fn count(party: &BlockingThirdParty, conditions: &Value) -> Value {
    let body = json!({ "tag": conditions });
    done(party, Method::POST, "/user/count", Some(body))["user_count"].clone()
}

/// A push to everybody, or to who meets the conditions; its task.
fn push_app(party: &BlockingThirdParty, conditions: Option<&Value>) -> String {
    let (path, audience) = match conditions {
        Some(conditions) => ("/push/tag", json!({ "tag": conditions })),
        None => ("/push/all", json!("all")),
    };
    let body = json!({
        "request_id": random_request_id().expect("random"),
        "audience": audience,
        "push_message": { "transmission": "x" },
    });
    let data = done(party, Method::POST, path, Some(body));
    data["taskid"].as_str().expect("a task").to_owned()
}

/// Which devices got a task; each may get it once.
fn reached(devices: &Devices, task_id: &str) -> BTreeSet<String> {
    let mut cids = BTreeSet::new();
    for (cid, received) in devices.events().pushes() {
        let times = received.iter().filter(|push| push.task_id == task_id);
        match times.count() {
            0 => {}
            1 => assert!(cids.insert(cid)),
            times => panic!("{cid} got {task_id} {times} times"),
        }
    }
    cids
}

fn set<'a>(cids: impl IntoIterator<Item = &'a String>) -> BTreeSet<String> {
    cids.into_iter().cloned().collect()
}

/// Fails unless exactly these devices get a task. A device gets its messages in order, and the one
/// behind goes to each of them: who has that has all that came before.
fn assert_reaches(
    party: &BlockingThirdParty,
    devices: &Devices,
    all: &[String],
    task_id: &str,
    these: &BTreeSet<String>,
) {
    wait_for("the task", || {
        these.is_subset(&reached(devices, task_id)).then_some(())
    });
    for cid in all {
        let behind = party
            .push_single_cid(cid, &text("behind"))
            .expect("pushed")
            .task_id;
        wait_for("the message behind", || {
            reached(devices, &behind).contains(cid).then_some(())
        });
    }
    assert_eq!(reached(devices, task_id), *these);
}

#[test]
fn given_tags_when_set_added_and_removed_should_count_and_reach_exactly_these_devices() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut server = Server::start(dir.path(), 2, &[]);
    let devices = Devices::start(dir.path(), &server, 6, &[]);
    let cids = devices.events().cids();
    let party = server.third_party();
    let tags_of = |party: &BlockingThirdParty, cid: &str| {
        let path = format!("/user/custom_tag/cid/{cid}");
        done(party, Method::GET, &path, None)[cid].clone()
    };
    let set_tags = |cid: &str, tags: Value| {
        let path = format!("/user/custom_tag/cid/{cid}");
        let body = json!({ "custom_tag": tags });
        assert_eq!(done(&party, Method::POST, &path, Some(body)), Value::Null);
    };
    set_tags(&cids[0], json!(["old", "gone"]));
    set_tags(&cids[0], json!(["red", "大"]));
    set_tags(&cids[1], json!(["red"]));
    set_tags(&cids[2], json!(["大", "blue"]));
    set_tags(&cids[3], json!(["blue"]));
    // The whole set was replaced; it is one text.
    let both = tags_of(&party, &cids[0]);
    let both: BTreeSet<&str> = match both.as_array().expect("a list").as_slice() {
        [Value::String(text)] => text.split(' ').collect(),
        other => panic!("{other:?}"),
    };
    assert_eq!(both, BTreeSet::from(["red", "大"]));
    assert_eq!(tags_of(&party, &cids[5]), json!([]));

    let batch = json!({ "cid": [cids[3], cids[4], UNKNOWN] });
    assert_eq!(
        done(
            &party,
            Method::PUT,
            "/user/custom_tag/batch/%E5%A4%A7",
            Some(batch)
        ),
        json!({ &cids[3]: "true", &cids[4]: "true", UNKNOWN: "false" })
    );
    let batch = json!({ "cid": [cids[3], cids[5]] });
    assert_eq!(
        done(
            &party,
            Method::DELETE,
            "/user/custom_tag/batch/blue",
            Some(batch)
        ),
        json!({ &cids[3]: "true", &cids[5]: "false" })
    );

    // Now: 0 red 大, 1 red, 2 大 blue, 3 大, 4 大, 5 nothing.
    let tag = |op: &str, values: &[&str]| json!({ "key": "custom_tag", "values": values, "opt_type": op });
    let region = |op: &str| json!({ "key": "region", "values": ["11000000"], "opt_type": op });
    let cases: [(Value, &[usize]); 8] = [
        (json!([tag("or", &["red"])]), &[0, 1]),
        (json!([tag("or", &["red", "blue"])]), &[0, 1, 2]),
        (json!([tag("and", &["red", "大"])]), &[0]),
        (json!([tag("not", &["red", "大"])]), &[5]),
        (
            json!([tag("or", &["大"]), tag("not", &["blue", "red"])]),
            &[3, 4],
        ),
        (json!([tag("or", &["gone", "old"])]), &[]),
        (json!([region("or")]), &[]),
        (json!([region("not"), tag("and", &["大"])]), &[0, 2, 3, 4]),
    ];
    for (conditions, expected) in &cases {
        assert_eq!(
            count(&party, conditions),
            json!(expected.len()),
            "{conditions}"
        );
    }
    for (conditions, expected) in &cases[..5] {
        let task = push_app(&party, Some(conditions));
        let these = set(expected.iter().map(|at| &cids[*at]));
        assert_reaches(&party, &devices, &cids, &task, &these);
    }
    let body = json!({
        "request_id": random_request_id().expect("random"),
        "audience": { "fast_custom_tag": "red" },
        "push_message": { "transmission": "x" },
    });
    let fast = done(&party, Method::POST, "/push/fast_custom_tag", Some(body));
    let fast = fast["taskid"].as_str().expect("a task");
    assert_reaches(&party, &devices, &cids, fast, &set(&cids[..2]));

    server.kill_nine();
    server.restart();
    let party = server.third_party();
    for (conditions, expected) in &cases {
        assert_eq!(
            count(&party, conditions),
            json!(expected.len()),
            "{conditions}"
        );
    }
    assert_eq!(tags_of(&party, &cids[1]), json!(["red"]));
}

#[test]
fn given_a_platform_when_counted_should_be_that_of_the_device_in_either_case() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = Server::start(dir.path(), 2, &[]);
    let bootstrap = server.bootstrap();
    for number in 1..=3 {
        register(&bootstrap, number);
    }
    let party = server.third_party();
    let phones = |op: &str, value: &str| {
        count(
            &party,
            &json!([{ "key": "phone_type", "values": [value], "opt_type": op }]),
        )
    };
    assert_eq!(phones("or", "android"), 3);
    assert_eq!(phones("or", "Android"), 3);
    assert_eq!(phones("or", "IOS"), 0);
    assert_eq!(phones("not", "IOS"), 3);
}

#[test]
fn given_a_black_listed_device_when_pushed_to_should_get_nothing_until_it_is_taken_off() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut server = Server::start(dir.path(), 2, &[]);
    let devices = Devices::start(dir.path(), &server, 3, &[]);
    let cids = devices.events().cids();
    let party = server.third_party();
    let black = |party: &BlockingThirdParty, method, cids: &str| {
        done(party, method, &format!("/user/black/cid/{cids}"), None)
    };
    // One unknown CID, and nobody is on the list.
    let with_unknown = format!("/user/black/cid/{},{UNKNOWN}", cids[2]);
    assert_eq!(
        refusal(&party, Method::POST, &with_unknown, None),
        TARGET_INVALID
    );
    let two = format!("{},{}", cids[0], cids[1]);
    assert_eq!(black(&party, Method::POST, &two), Value::Null);
    let ignored = |party: &BlockingThirdParty, cid: &str| {
        let accepted = party
            .push_single_cid(cid, &text("not for you"))
            .expect("answered");
        assert_eq!(accepted.targets[cid], "successed_ignore");
    };
    ignored(&party, &cids[0]);
    ignored(&party, &cids[1]);
    let first = push_app(&party, None);
    wait_for("the push to all", || {
        reached(&devices, &first).contains(&cids[2]).then_some(())
    });
    server.kill_nine();
    server.restart();
    let party = server.third_party();
    wait_for("the devices to be back", || {
        let all: Vec<&str> = cids.iter().map(String::as_str).collect();
        let statuses = party.status(&all).expect("answered");
        statuses
            .values()
            .all(|status| status == "online")
            .then_some(())
    });
    ignored(&party, &cids[0]);
    black(&party, Method::DELETE, &cids[0]);
    let second = push_app(&party, None);
    let single = party
        .push_single_cid(&cids[0], &text("for you"))
        .expect("pushed");
    assert_eq!(single.targets[&cids[0]], "successed_online");
    wait_for("both devices to have the second push", || {
        (reached(&devices, &second).len() == 2).then_some(())
    });
    black(&party, Method::DELETE, &cids[1]);
    assert_reaches(&party, &devices, &cids, &second, &set([&cids[0], &cids[2]]));
    assert_eq!(reached(&devices, &first), set([&cids[2]]));
    // Nothing of what was pushed meanwhile came later.
    let pushes = devices.events().pushes();
    let bodies = |cid: &String| pushes[cid].iter().map(|push| push.body.to_string());
    for cid in &cids {
        assert!(bodies(cid).all(|body| !body.contains("not for you")));
    }
    assert_eq!(pushes[&cids[1]].len(), 1, "{:?}", pushes[&cids[1]]);
}

#[test]
fn given_badges_and_tokens_when_kept_should_show_with_what_is_known_of_devices() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut server = Server::start(dir.path(), 2, &[]);
    let bootstrap = server.bootstrap();
    let cids: Vec<String> = (1..=2)
        .map(|number| register(&bootstrap, number).to_string())
        .collect();
    let party = server.third_party();
    let both = format!("{},{}", cids[0], cids[1]);
    for badge in [json!("+2"), json!("-5"), json!("7"), json!(10)] {
        let path = format!("/user/badge/cid/{both}");
        let body = json!({ "badge": badge });
        assert_eq!(done(&party, Method::POST, &path, Some(body)), Value::Null);
    }
    let bind = |list: Value| {
        let body = json!({ "dt_list": list });
        done(&party, Method::POST, "/user/bind_dt/wx", Some(body))
    };
    bind(json!([
        { "cid": cids[0], "device_token": "openid-0" },
        { "cid": cids[1], "device_token": "openid-1" },
    ]));
    bind(json!([{ "cid": cids[1] }]));
    // One unknown CID, and no token is changed.
    let body = json!({ "dt_list": [
        { "cid": cids[0], "device_token": "other" },
        { "cid": UNKNOWN, "device_token": "other" },
    ] });
    assert_eq!(
        refusal(&party, Method::POST, "/user/bind_dt/wx", Some(body)),
        TARGET_INVALID
    );
    server.kill_nine();
    server.restart();
    let party = server.third_party();
    let path = format!("/user/detail/{both},{UNKNOWN}");
    let data = done(&party, Method::GET, &path, None);
    assert_eq!(data["invalidCids"], json!([UNKNOWN]));
    let valid = data["validCids"].as_object().expect("an object");
    assert_eq!(valid.len(), 2);
    for (cid, token) in cids.iter().zip(["openid-0", ""]) {
        let detail = &valid[cid];
        assert_eq!(detail["client_app_id"], *bootstrap.app.appid);
        assert_eq!(detail["device_token"], token);
        assert_eq!(detail["phone_type"], 1);
        assert_eq!(detail["notification_switch"], true);
        let created = detail["create_time"].as_str().expect("text");
        assert_eq!(created.len(), "yyyy-MM-dd HH:mm:ss".len(), "{created}");
        for (one, other) in [
            ("phone_model", "phoneModel"),
            ("notification_switch", "notificationSwitch"),
            ("create_time", "createTime"),
            ("login_freq", "loginFreq"),
        ] {
            assert!(!detail[one].is_null());
            assert_eq!(detail[one], detail[other]);
        }
    }
    let path = format!("/user/detail/{}", cids[0]);
    let data = done(&party, Method::GET, &path, None);
    assert!(data.get("invalidCids").is_none(), "{data}");
}

#[test]
fn given_an_alias_when_deleted_should_be_nobodys_and_leave_its_namesakes() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut server = Server::start(dir.path(), 2, &[]);
    let bootstrap = server.bootstrap();
    let cids: Vec<String> = (1..=3)
        .map(|number| register(&bootstrap, number).to_string())
        .collect();
    let party = server.third_party();
    for alias_type in ["", "mail"] {
        let list: Vec<Value> = cids
            .iter()
            .map(|cid| json!({ "cid": cid, "alias": "用户" }))
            .collect();
        let body = json!({ "alias_type": alias_type, "data_list": list });
        done(&party, Method::POST, "/user/alias", Some(body));
    }
    let accepted = party
        .push_single_alias("用户", &text("all"))
        .expect("pushed");
    assert_eq!(accepted.targets.len(), 3);
    let alias = "/user/alias/%E7%94%A8%E6%88%B7";
    assert_eq!(done(&party, Method::DELETE, alias, None), Value::Null);
    // What is nobody's may be deleted again.
    assert_eq!(done(&party, Method::DELETE, alias, None), Value::Null);
    for _ in 0..2 {
        let party = server.third_party();
        let named = "/user/cid/alias/%E7%94%A8%E6%88%B7";
        assert_eq!(done(&party, Method::GET, named, None), json!({ "cid": [] }));
        let namesake = done(
            &party,
            Method::GET,
            &format!("{named}?alias_type=mail"),
            None,
        );
        assert_eq!(namesake["cid"].as_array().map(Vec::len), Some(3));
        for cid in &cids {
            let path = format!("/user/alias/cid/{cid}");
            assert_eq!(done(&party, Method::GET, &path, None), json!({}));
        }
        let refused = party.push_single_alias("用户", &text("nobody"));
        match refused {
            Err(CallError::Refused {
                code: 20001, msg, ..
            }) => assert_eq!(msg, TARGET_INVALID),
            other => panic!("{other:?}"),
        }
        server.kill_nine();
        server.restart();
    }
}

#[test]
fn given_a_device_when_deleted_should_end_its_session_and_be_unknown_from_then_on() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut server = Server::start(dir.path(), 2, &[]);
    let bootstrap = server.bootstrap();
    let kept = register(&bootstrap, 1).to_string();
    let mut device = Device::connect(&bootstrap);
    let install = InstallId::from_bytes([2; 16]);
    let id = device.greet(hello(&bootstrap, Identity::Register(install), [2; 32]));
    let cid = id.to_string();
    let party = server.third_party();
    for cid in [&kept, &cid] {
        let body = json!({ "data_list": [{ "cid": cid, "alias": "both" }] });
        done(&party, Method::POST, "/user/alias", Some(body));
        let path = format!("/user/custom_tag/cid/{cid}");
        done(
            &party,
            Method::POST,
            &path,
            Some(json!({ "custom_tag": ["t"] })),
        );
    }
    let tagged = json!([{ "key": "custom_tag", "values": ["t"], "opt_type": "or" }]);
    assert_eq!(count(&party, &tagged), 2);

    let delete = |server: &Server| server.run(&["device", &bootstrap.app.appid, &cid, "--delete"]);
    let output = delete(&server);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(device.last_word(), Some(CloseReason::Removed));
    for _ in 0..2 {
        let party = server.third_party();
        match party.push_single_cid(&cid, &text("too late")) {
            Err(CallError::Refused {
                code: 20001, msg, ..
            }) => assert_eq!(msg, TARGET_INVALID),
            other => panic!("{other:?}"),
        }
        assert_eq!(count(&party, &tagged), 1);
        assert_eq!(
            done(&party, Method::GET, "/user/cid/alias/both", None),
            json!({ "cid": [kept] })
        );
        let mut again = Device::connect(&bootstrap);
        again.send(&[Frame::Hello(hello(
            &bootstrap,
            Identity::Login(id),
            [2; 32],
        ))]);
        assert_eq!(again.last_word(), Some(CloseReason::UnknownClient));
        assert!(!delete(&server).status.success());
        server.kill_nine();
        server.restart();
    }
    // Its installation may register anew, as another device.
    let mut anew = Device::connect(&bootstrap);
    let new = anew.greet(hello(&bootstrap, Identity::Register(install), [2; 32]));
    assert_ne!(new, id);
}

#[test]
fn given_an_unknown_cid_when_named_should_be_told_by_each_endpoint_in_its_way() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = Server::start(dir.path(), 2, &[]);
    let known = register(&server.bootstrap(), 1).to_string();
    // Of another app, which is as good as unknown.
    let other = server.create_app("other");
    let foreign = {
        let mut bootstrap = server.bootstrap();
        bootstrap.app.appid = other;
        register(&bootstrap, 2).to_string()
    };
    let party = server.third_party();
    let (get, post) = (Method::GET, Method::POST);
    for bad in [UNKNOWN, &foreign, "no-cid"] {
        let tags = format!("/user/custom_tag/cid/{bad}");
        let cases = [
            (get.clone(), format!("/user/alias/cid/{bad}"), None),
            (get.clone(), tags.clone(), None),
            (post.clone(), tags, Some(json!({ "custom_tag": ["t"] }))),
            (post.clone(), format!("/user/black/cid/{known},{bad}"), None),
            (
                Method::DELETE,
                format!("/user/black/cid/{known},{bad}"),
                None,
            ),
            (
                post.clone(),
                format!("/user/badge/cid/{known},{bad}"),
                Some(json!({ "badge": "1" })),
            ),
            (
                post.clone(),
                "/user/bind_dt/wx".to_owned(),
                Some(json!({ "dt_list": [{ "cid": bad, "device_token": "t" }] })),
            ),
            (
                post.clone(),
                "/user/alias".to_owned(),
                Some(json!({ "data_list": [{ "cid": bad, "alias": "a" }] })),
            ),
            (
                post.clone(),
                "/push/single/cid".to_owned(),
                Some(json!({
                    "request_id": random_request_id().expect("random"),
                    "audience": { "cid": [bad] },
                    "push_message": { "transmission": "x" },
                })),
            ),
            (get.clone(), format!("/task/detail/{bad}/RASS_x"), None),
        ];
        for (method, path, body) in cases {
            let shown = format!("{method} {path}");
            assert_eq!(
                refusal(&party, method, &path, body),
                TARGET_INVALID,
                "{shown}"
            );
        }
        for method in [Method::PUT, Method::DELETE] {
            let body = json!({ "cid": [bad] });
            assert_eq!(
                done(&party, method, "/user/custom_tag/batch/t", Some(body)),
                json!({ bad: "false" })
            );
        }
        let path = format!("/user/status/{known},{bad}");
        let statuses = done(&party, get.clone(), &path, None);
        let statuses = statuses.as_object().expect("an object");
        assert_eq!(statuses.keys().collect::<Vec<_>>(), [&known]);
        let path = format!("/user/detail/{bad}");
        assert_eq!(
            done(&party, get.clone(), &path, None),
            json!({ "validCids": {}, "invalidCids": [bad] })
        );
    }
}
