//! What an operator does from the command line, and what devices and third parties notice of it.

mod harness;

use harness::device::{Device, hello, register};
use harness::{Server, wait_for};
use protocol::{Ack, CloseReason, Frame, Identity, MessageId};
use sdk_sim::third_party::{CallError, Push, PushBody};
use serde_json::Value;

fn json(server: &Server, args: &[&str]) -> Value {
    let output = server.run(&[args, &["--json"]].concat());
    assert!(
        output.status.success(),
        "{args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
}

fn close_reason(device: &mut Device) -> CloseReason {
    device.receive_until("a close", |frame| match frame {
        Frame::Close(close) => Some(close.reason),
        _ => None,
    })
}

fn receive_push(device: &mut Device) -> MessageId {
    device.receive_until("a push", |frame| match frame {
        Frame::Push(push) => Some(push.id),
        _ => None,
    })
}

fn stages(target: &Value) -> Vec<&str> {
    let stages = target["stages"].as_array().expect("stages");
    for pair in stages.windows(2) {
        assert!(pair[0]["ms"].as_u64() <= pair[1]["ms"].as_u64(), "{target}");
    }
    stages
        .iter()
        .map(|stage| stage["stage"].as_str().expect("a name"))
        .collect()
}

#[test]
fn given_a_message_in_each_stage_when_asked_should_tell_stages_times_and_why() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = Server::start(dir.path(), 2, &[]);
    let bootstrap = server.bootstrap();
    let appid = bootstrap.app.appid.clone();
    let cid = register(&bootstrap, 1);
    let name = cid.to_string();
    let push = |args: &[&str]| -> (String, String) {
        let answer = json(&server, &[&["push", "single", &name], args].concat());
        let (task, targets) = answer
            .as_object()
            .and_then(|map| map.iter().next())
            .expect("a task");
        (
            task.clone(),
            targets[&name].as_str().expect("a word").to_owned(),
        )
    };
    let task = |task: &str| json(&server, &["task", &appid, task])["targets"][0].clone();

    wait_for("the device to be offline", || {
        (json(&server, &["device", &appid, &name])["online"] == false).then_some(())
    });
    let (now_or_never, word) = push(&["--text", "x", "--ttl", "-1"]);
    assert_eq!(word, "successed_ignore");
    let target = task(&now_or_never);
    assert_eq!(
        (target["stage"].as_str(), stages(&target)),
        (Some("Expired"), vec!["Accepted", "Expired"])
    );
    assert!(
        target["why"]
            .as_str()
            .is_some_and(|why| why.contains("ttl -1")),
        "{target}"
    );

    let (stored, word) = push(&["--title", "hello", "--body", "world"]);
    assert_eq!(word, "successed_offline");
    let target = task(&stored);
    assert_eq!(
        (target["stage"].as_str(), stages(&target)),
        (Some("Stored"), vec!["Accepted", "Stored"])
    );
    assert!(
        target["why"]
            .as_str()
            .is_some_and(|why| why.contains("offline")),
        "{target}"
    );

    let mut device = Device::connect(&bootstrap);
    device.greet(hello(&bootstrap, Identity::Login(cid), [1; 32]));
    let id = receive_push(&mut device);
    let target = task(&stored);
    assert_eq!(target["msgid"], id.to_string());
    assert_eq!(
        (target["stage"].as_str(), stages(&target)),
        (Some("Sent"), vec!["Accepted", "Stored", "Sent"])
    );
    let shown = json(&server, &["device", &appid, &name]);
    assert_eq!(shown["session"]["under_way"], 1);
    assert_eq!(shown["waiting"][0]["taskid"], stored);
    assert_eq!(shown["queue_len"], 1);

    device.send(&[Frame::Ack(Ack { ids: vec![id] })]);
    let target = wait_for("the ack to be written down", || {
        let target = task(&stored);
        (target["stage"] == "Acked").then_some(target)
    });
    assert_eq!(stages(&target), ["Accepted", "Stored", "Sent", "Acked"]);
    let shown = json(&server, &["device", &appid, &name]);
    assert_eq!(shown["queue_len"], 0);
    assert_eq!(shown["recent"][0]["stage"], "Acked");

    // For people it is text; what is not there is said and fails.
    let text = server.run(&["task", &appid, &stored]);
    assert!(String::from_utf8_lossy(&text.stdout).contains("the device acknowledged it"));
    for args in [
        ["task", &appid, "RASS_0000_nothing"],
        ["device", &appid, "no-cid"],
    ] {
        assert!(!server.run(&args).status.success(), "{args:?}");
    }
}

#[test]
fn given_an_app_when_its_secrets_are_rotated_should_honour_the_old_ones_for_the_grace() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = Server::start(dir.path(), 2, &[]);
    let appid = server.bootstrap().app.appid;
    let before = server.third_party();
    let rotated = json(&server, &["app", "rotate", &appid]);
    let secret = rotated["mastersecret"]
        .as_str()
        .expect("shown once")
        .to_owned();
    let now = wait_for("the bootstrap file to be refreshed", || {
        let now = server.bootstrap();
        (now.app.mastersecret == secret).then_some(now)
    });
    assert_eq!(now.app.appkey, rotated["appkey"].as_str().expect("text"));
    before
        .token()
        .expect("the old secret is honoured for a day");
    server.third_party().token().expect("the new secret");

    // Without grace the old secret and its tokens end at once.
    let kept = server.third_party();
    let token = kept.token().expect("a token");
    json(&server, &["app", "rotate", &appid, "--grace", "0"]);
    assert!(matches!(
        kept.authenticate(),
        Err(CallError::Refused { code: 20001, .. })
    ));
    let path = format!("/v2/{appid}/user/status/{}", "0".repeat(32));
    let answer = kept
        .send(hyper::Method::GET, &path, Some(&token), None)
        .expect("an answer");
    assert_eq!(answer.http.as_u16(), 401);
}

#[test]
fn given_an_app_when_disabled_enabled_and_deleted_should_shut_devices_and_third_parties_out() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut server = Server::start(dir.path(), 2, &[]);
    let made = json(&server, &["app", "create", "news"]);
    let appid = made["appid"].as_str().expect("text").to_owned();
    let mut bootstrap = server.bootstrap();
    bootstrap.app.appid.clone_from(&appid);
    bootstrap.app.appkey = made["appkey"].as_str().expect("text").to_owned();
    bootstrap.app.mastersecret = made["mastersecret"].as_str().expect("text").to_owned();
    let cid = register(&bootstrap, 1);
    let login = hello(&bootstrap, Identity::Login(cid), [1; 32]);
    let mut device = Device::connect(&bootstrap);
    device.greet(login.clone());

    assert_eq!(json(&server, &["app", "disable", &appid])["disabled"], true);
    assert_eq!(close_reason(&mut device), CloseReason::AppDisabled);
    let mut again = Device::connect(&bootstrap);
    again.send(&[Frame::Hello(login.clone())]);
    assert_eq!(close_reason(&mut again), CloseReason::AppDisabled);
    let push = Push::new(PushBody::Transmission("x".into())).expect("random");
    let third_party =
        sdk_sim::third_party::BlockingThirdParty::new(&bootstrap.http, (&bootstrap).into())
            .expect("client");
    assert!(matches!(
        third_party.push_single_cid(&cid.to_string(), &push),
        Err(CallError::Refused { code: 10002, .. })
    ));

    server.kill_nine();
    server.restart();
    json(&server, &["app", "enable", &appid]);
    let mut device = Device::connect(&bootstrap);
    device.greet(login.clone());
    third_party
        .push_single_cid(&cid.to_string(), &push)
        .expect("pushed");

    json(&server, &["app", "delete", &appid]);
    assert_eq!(close_reason(&mut device), CloseReason::Removed);
    let mut gone = Device::connect(&bootstrap);
    gone.send(&[Frame::Hello(login)]);
    assert_eq!(close_reason(&mut gone), CloseReason::UnknownApp);
    server.kill_nine();
    server.restart();
    assert!(!server.run(&["app", "show", &appid]).status.success());
    wait_for("its devices to be forgotten", || {
        (server.metric("ringpost_devices") == 0).then_some(())
    });
}

#[test]
fn given_an_admin_listener_when_served_should_move_admin_and_metrics_there() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = Server::start(dir.path(), 1, &["--admin", "127.0.0.1:0"]);
    let text = std::fs::read_to_string(server.bootstrap_path()).expect("there");
    let admin = serde_json::from_str::<Value>(&text).expect("JSON")["admin"]
        .as_str()
        .expect("a URL")
        .to_owned();
    let get = |url: &str, path: &str| {
        let credentials = (&server.bootstrap()).into();
        let client =
            sdk_sim::third_party::BlockingThirdParty::new(url, credentials).expect("client");
        client.get(path).expect("an answer").http.as_u16()
    };
    let http = server.bootstrap().http;
    assert_eq!(
        (get(&http, "/metrics"), get(&admin, "/metrics")),
        (404, 200)
    );
    assert_eq!(
        (get(&http, "/admin/v1/apps"), get(&admin, "/admin/v1/apps")),
        (404, 401)
    );
    assert_eq!((get(&http, "/readyz"), get(&admin, "/readyz")), (200, 200));
    assert_eq!(get(&admin, "/v2/check"), 404);
    // The command line finds it.
    assert_eq!(
        json(&server, &["app", "list"]).as_array().map(Vec::len),
        Some(1)
    );
}

#[test]
fn given_ipv6_addresses_when_served_should_work_for_devices_and_third_parties() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = Server::start(dir.path(), 2, &["--device", "[::1]:0", "--http", "[::1]:0"]);
    let bootstrap = server.bootstrap();
    assert!(
        bootstrap.device.starts_with("[::1]:"),
        "{}",
        bootstrap.device
    );
    let cid = register(&bootstrap, 1);
    let push = Push::new(PushBody::Transmission("x".into())).expect("random");
    server
        .third_party()
        .push_single_cid(&cid.to_string(), &push)
        .expect("pushed");
}

#[test]
fn given_json_logs_when_served_should_write_one_object_a_line() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = Server::start(dir.path(), 1, &["--log-format", "json"]);
    let log = server.log();
    assert!(!log.is_empty());
    for line in log.lines() {
        let line: Value = serde_json::from_str(line).expect("JSON");
        assert!(
            line["level"].is_string() && line["fields"]["message"].is_string(),
            "{line}"
        );
    }
}
