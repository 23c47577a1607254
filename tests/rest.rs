//! The HTTP API as third parties call it, against a real server: repeats, aliases, status, codes.
//! Expectations are from the API's own description, not from our code.

mod harness;

use std::collections::BTreeSet;

use harness::device::{Device, hello, register};
use harness::{Devices, Server, wait_for};
use hyper::Method;
use protocol::{Command, Frame, Identity, Operation, ResultCode};
use sdk_sim::third_party::{BlockingThirdParty, Credentials, Push, PushBody};
use serde_json::{Value, json};

fn text(text: &str) -> Push {
    Push::new(PushBody::Transmission(text.to_owned())).expect("random")
}

/// Status and envelope of one call below `/v2/{appid}`.
fn call(
    server: &Server,
    token: Option<&str>,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> (u16, Value) {
    let path = format!("/v2/{}{path}", server.bootstrap().app.appid);
    let answer = server
        .third_party()
        .send(method, &path, token, body)
        .expect("an answer");
    let envelope: Value = serde_json::from_slice(&answer.body).expect("JSON");
    assert!(envelope["code"].is_i64(), "{path}: {envelope}");
    (answer.http.as_u16(), envelope)
}

#[test]
fn given_a_repeated_request_id_when_pushed_again_should_answer_the_first_and_deliver_once() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut server = Server::start(dir.path(), 2, &[]);
    let devices = Devices::start(dir.path(), &server, 2, &[]);
    let cids = devices.events().cids();
    let push = text("only once");
    let first = server
        .third_party()
        .push_single_cid(&cids[0], &push)
        .expect("pushed");
    for _ in 0..3 {
        assert_eq!(
            server
                .third_party()
                .push_single_cid(&cids[0], &push)
                .expect("repeated"),
            first
        );
    }
    // Also for another target: the id is the app's.
    assert_eq!(
        server
            .third_party()
            .push_single_cid(&cids[1], &push)
            .expect("repeated"),
        first
    );
    server.kill_nine();
    server.restart();
    assert_eq!(
        server
            .third_party()
            .push_single_cid(&cids[0], &push)
            .expect("repeated"),
        first
    );

    // Many connections at the same moment: one task, one delivery.
    let at_once = text("at once");
    let answers: BTreeSet<String> = std::thread::scope(|scope| {
        let calls: Vec<_> = (0..8)
            .map(|_| {
                let bootstrap = server.bootstrap();
                let (cid, push) = (&cids[0], &at_once);
                scope.spawn(move || {
                    let client =
                        BlockingThirdParty::new(&bootstrap.http, Credentials::from(&bootstrap))
                            .expect("a client");
                    client.push_single_cid(cid, push).expect("pushed").task_id
                })
            })
            .collect();
        calls
            .into_iter()
            .map(|call| call.join().expect("a caller"))
            .collect()
    });
    assert_eq!(answers.len(), 1, "{answers:?}");
    let last = server
        .third_party()
        .push_single_cid(&cids[0], &text("last"))
        .expect("pushed");
    wait_for("the last push", || {
        let pushes = devices.events().pushes();
        pushes
            .get(&cids[0])?
            .iter()
            .any(|push| push.task_id == last.task_id)
            .then_some(())
    });
    let pushes = devices.events().pushes();
    let tasks: Vec<&str> = pushes[&cids[0]]
        .iter()
        .map(|push| push.task_id.as_str())
        .collect();
    let at_once = answers.first().expect("one").as_str();
    assert_eq!(
        tasks,
        [first.task_id.as_str(), at_once, last.task_id.as_str()]
    );
    assert!(!pushes.contains_key(&cids[1]));
}

#[test]
fn given_aliases_when_bound_queried_pushed_and_unbound_should_follow_each_change() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut server = Server::start(dir.path(), 2, &[]);
    let bootstrap = server.bootstrap();
    let cids: Vec<String> = (1..=11)
        .map(|number| register(&bootstrap, number).to_string())
        .collect();
    let token = server.third_party().token().expect("a token");
    let bind = |server: &Server, list: &Value| {
        call(
            server,
            Some(&token),
            Method::POST,
            "/user/alias",
            Some(&json!({ "data_list": list })),
        )
    };
    let cids_of = |server: &Server, token: &str, alias: &str| -> Vec<String> {
        let (http, answer) = call(
            server,
            Some(token),
            Method::GET,
            &format!("/user/cid/alias/{alias}"),
            None,
        );
        assert_eq!((http, answer["code"].as_i64()), (200, Some(0)), "{answer}");
        let cids = answer["data"]["cid"].as_array().expect("a list");
        cids.iter()
            .map(|cid| cid.as_str().expect("text").to_owned())
            .collect()
    };
    for cid in &cids {
        let (http, answer) = bind(&server, &json!([{ "cid": cid, "alias": "user_1" }]));
        assert_eq!((http, &answer["code"]), (200, &json!(0)), "{answer}");
    }
    // Ten at most; the oldest went.
    assert_eq!(cids_of(&server, &token, "user_1"), cids[1..]);
    assert_eq!(cids_of(&server, &token, "nobody"), Vec::<String>::new());
    // Another alias replaces the first.
    bind(&server, &json!([{ "cid": cids[1], "alias": "%E7%94%A8" }]));
    bind(&server, &json!([{ "cid": cids[1], "alias": "用户" }]));
    assert_eq!(
        cids_of(&server, &token, "%e7%94%a8%E6%88%B7"),
        [cids[1].clone()]
    );
    let (_, answer) = call(
        &server,
        Some(&token),
        Method::GET,
        &format!("/user/alias/cid/{}", cids[1]),
        None,
    );
    assert_eq!(answer["data"], json!({ "alias": "用户" }));
    let (_, answer) = call(
        &server,
        Some(&token),
        Method::GET,
        &format!("/user/alias/cid/{}", cids[0]),
        None,
    );
    assert_eq!(
        (answer["code"].clone(), answer["data"].clone()),
        (json!(0), json!({}))
    );
    // One unknown CID, and none is bound.
    let nobody = "f".repeat(32);
    let (http, answer) = bind(
        &server,
        &json!([{ "cid": cids[0], "alias": "x" }, { "cid": nobody, "alias": "x" }]),
    );
    assert_eq!((http, answer["code"].clone()), (400, json!(20001)));
    assert_eq!(answer["msg"], "target user is invalid");
    assert_eq!(cids_of(&server, &token, "x"), Vec::<String>::new());
    // A push reaches every CID, and lasts over a crash like the bindings.
    let accepted = server
        .third_party()
        .push_single_alias("user_1", &text("to all"))
        .expect("pushed");
    let offline = |cid: &String| (cid.clone(), "successed_offline".to_owned());
    assert_eq!(accepted.targets, cids[2..].iter().map(offline).collect());
    server.kill_nine();
    server.restart();
    let token = server.third_party().token().expect("a token");
    assert_eq!(cids_of(&server, &token, "user_1"), cids[2..]);
    let mut device = Device::connect(&bootstrap);
    let cid = cids[2].parse().expect("a CID");
    device.greet(hello(&bootstrap, Identity::Login(cid), [3; 32]));
    device.receive_until("the push", |frame| {
        matches!(frame, Frame::Push(_)).then_some(())
    });
    // The device unbinds itself, and binds anew.
    let operation = Operation::UnbindAlias {
        everywhere: false,
        alias_type: String::new(),
        alias: "user_1".into(),
    };
    device.send(&[Frame::Command(Command {
        serial: 7,
        operation,
    })]);
    let result = |frame: &Frame| match frame {
        Frame::CommandResult(result) => Some((result.serial, result.code)),
        _ => None,
    };
    assert_eq!(
        device.receive_until("a result", result),
        (7, ResultCode::Ok)
    );
    assert_eq!(cids_of(&server, &token, "user_1"), cids[3..]);
    let operation = Operation::BindAlias {
        alias_type: "mail".into(),
        alias: "a b".into(),
    };
    device.send(&[Frame::Command(Command {
        serial: 8,
        operation,
    })]);
    assert_eq!(
        device.receive_until("a result", result),
        (8, ResultCode::AliasInvalid)
    );
    // Row 28 takes away exactly these pairs.
    let body = json!({ "data_list": [{ "cid": cids[3], "alias": "user_1" }, { "cid": cids[4], "alias": "other" }] });
    let (_, answer) = call(
        &server,
        Some(&token),
        Method::DELETE,
        "/user/alias",
        Some(&body),
    );
    assert_eq!(answer["code"], 0);
    assert_eq!(cids_of(&server, &token, "user_1"), cids[4..]);
}

#[test]
fn given_a_batch_when_pushed_and_repeated_should_deliver_each_once_and_hand_the_offline_one_over() {
    let dir = tempfile::tempdir().expect("a folder");
    let toml = "vendor_channel = 'log'\nlog.format = 'json'\n";
    let server = Server::start_configured(dir.path(), 2, toml);
    let devices = Devices::start(dir.path(), &server, 2, &[]);
    let cids = devices.events().cids();
    let offline = register(&server.bootstrap(), 100).to_string();
    let token = server.third_party().token().expect("a token");
    let element = |number: usize, cid: &str| {
        json!({"request_id": format!("request-{number:02}"), "audience": {"cid": [cid]},
            "push_message": {"transmission": "x"}, "push_channel": {"ios": {}},
            "settings": {"strategy": {"default": 4}}})
    };
    let unknown = "0".repeat(32);
    let elements: Vec<Value> = [&cids[0], &unknown, &offline, &cids[1]]
        .into_iter()
        .enumerate()
        .map(|(number, cid)| element(number, cid))
        .collect();
    let push = |is_async: bool| {
        let body = json!({"is_async": is_async, "msg_list": elements});
        let path = "/push/single/batch/cid";
        let (http, answer) = call(&server, Some(&token), Method::POST, path, Some(&body));
        assert_eq!((http, &answer["code"]), (200, &json!(0)), "{answer}");
        answer["data"].clone()
    };
    let first = push(false);
    let words: BTreeSet<String> = first
        .as_object()
        .expect("tasks")
        .values()
        .map(Value::to_string)
        .collect();
    let expected = [
        json!({&cids[0]: "successed_online"}),
        json!({&offline: "successed_offline"}),
        json!({&cids[1]: "successed_online"}),
    ];
    assert_eq!(words, expected.iter().map(Value::to_string).collect());
    assert_eq!((push(false), push(true)), (first, Value::Null));
    // A last push to each: what came before it came for good.
    let last: Vec<String> = [&cids[0], &cids[1], &offline]
        .into_iter()
        .enumerate()
        .map(|(number, cid)| {
            let body = element(10 + number, cid);
            let path = "/push/single/cid";
            let (_, answer) = call(&server, Some(&token), Method::POST, path, Some(&body));
            let tasks = answer["data"].as_object().expect("tasks");
            tasks.keys().next().expect("one").clone()
        })
        .collect();
    for (cid, last) in cids.iter().zip(&last) {
        let tasks = wait_for("the last push", || {
            let pushes = devices.events().pushes();
            let tasks: Vec<String> = pushes
                .get(cid)?
                .iter()
                .map(|push| push.task_id.clone())
                .collect();
            tasks.contains(last).then_some(tasks)
        });
        assert_eq!(tasks.len(), 2, "{tasks:?}");
    }
    let handed = wait_for("the last message to be handed over", || {
        let log = server.log();
        let lines = log
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok());
        let handed: Vec<Value> = lines
            .map(|line: Value| line["fields"].clone())
            .filter(|fields| fields["message"] == "handed to the vendor channel")
            .collect();
        handed
            .iter()
            .any(|fields| fields["task"] == json!(last[2]))
            .then_some(handed)
    });
    assert_eq!(handed.len(), 2, "{handed:?}");
    for fields in &handed {
        assert_eq!(fields["cid"], json!(offline));
        assert_eq!(
            (&fields["strategy"], &fields["push_channel_len"]),
            (&json!(4), &json!(10))
        );
    }
}

#[test]
fn given_calls_that_must_be_refused_when_made_should_answer_the_documented_codes() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = Server::start(dir.path(), 2, &[]);
    let cid = register(&server.bootstrap(), 1).to_string();
    let token = server.third_party().token().expect("a token");
    let push = |cid: &str| json!({ "request_id": "0123456789", "audience": { "cid": [cid] }, "push_message": { "transmission": "x" } });
    let code = |token: Option<&str>, method: Method, path: &str, body: Option<&Value>| {
        let (http, answer) = call(&server, token, method, path, body);
        (http, answer["code"].as_i64().expect("an integer"))
    };
    let post = Method::POST;
    assert_eq!(
        code(None, post.clone(), "/push/single/cid", Some(&push(&cid))),
        (401, 10001)
    );
    assert_eq!(
        code(
            Some("wrong"),
            post.clone(),
            "/push/single/cid",
            Some(&push(&cid))
        ),
        (401, 10001)
    );
    let unknown = push(&"0".repeat(32));
    assert_eq!(
        code(
            Some(&token),
            post.clone(),
            "/push/single/cid",
            Some(&unknown)
        ),
        (400, 20001)
    );
    assert_eq!(
        code(
            Some(&token),
            post.clone(),
            "/user/smart_crowd/create",
            Some(&json!({}))
        ),
        (200, 1)
    );
    assert_eq!(
        code(Some(&token), post.clone(), "/no/such/path", None),
        (404, 404)
    );
    assert_eq!(
        code(Some(&token), Method::PUT, "/push/single/cid", None),
        (405, 405)
    );
    // A new token leaves the old one alone; a deleted one is dead.
    let newer = server.third_party().token().expect("a token");
    assert_ne!(newer, token);
    let status = format!("/user/status/{cid},{}/", "0".repeat(32));
    let (http, answer) = call(&server, Some(&token), Method::GET, &status, None);
    assert_eq!(http, 200);
    assert_eq!(answer["data"][&cid]["status"], "offline");
    assert!(
        answer["data"][&cid]["last_login_time"].is_string(),
        "{answer}"
    );
    assert_eq!(
        answer["data"].as_object().map(serde_json::Map::len),
        Some(1),
        "{answer}"
    );
    assert_eq!(
        code(
            Some(&token),
            Method::DELETE,
            &format!("/auth/{token}"),
            None
        ),
        (200, 0)
    );
    assert_eq!(code(Some(&token), Method::GET, &status, None), (401, 10001));
    assert_eq!(code(Some(&newer), Method::GET, &status, None), (200, 0));
    // A doubled slash before v2, as the PHP client sends it.
    let path = format!("//v2/{}/user/status/{cid}", server.bootstrap().app.appid);
    let answer = server
        .third_party()
        .send(Method::GET, &path, Some(&newer), None)
        .expect("an answer");
    assert_eq!(answer.http.as_u16(), 200);
}
