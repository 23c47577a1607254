//! Receipts told to a developer's server, with real processes: in order, over failures of either side.

mod harness;

use std::collections::{BTreeMap, BTreeSet};

use harness::receiver::{Receiver, SILENCE};
use harness::{Devices, Server, wait_for};
use sdk_sim::third_party::{Push, PushBody};
use serde_json::{Value, json};

/// Loopback is allowed, and pauses are short.
const BRIEF: &str = "[webhooks]\nallow_private = true\nretry_first_ms = 50\nretry_most_s = 1\n";

fn set(server: &Server, receiver: &Receiver, more: &[&str]) {
    let url = format!("callback_url={}", receiver.url());
    server.set_app(&[&[url.as_str()], more].concat());
}

fn receipts(server: &Server, args: &[&str]) -> Vec<Value> {
    let app = server.bootstrap().app.appid;
    let answer = server.say(&[&["receipts", &app], args].concat());
    answer["receipts"].as_array().expect("receipts").clone()
}

/// Pushes to each device in turn; each device's tasks in the order of their pushes.
fn push(server: &Server, cids: &[String], count: usize) -> BTreeMap<String, Vec<String>> {
    let third_party = server.third_party();
    let mut accepted: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for number in 0..count {
        let cid = &cids[number % cids.len()];
        let body = PushBody::Transmission(format!("number {number}"));
        let push = Push::new(body).expect("random");
        let task = third_party.push_single_cid(cid, &push).expect("pushed");
        accepted.entry(cid.clone()).or_default().push(task.task_id);
    }
    accepted
}

/// What the receiver took, each event once: each device's tasks in the order told. An event that came twice must have come
/// with the same words.
fn told(receiver: &Receiver) -> BTreeMap<String, Vec<String>> {
    let mut seen: BTreeMap<String, Value> = BTreeMap::new();
    let mut told: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for event in receiver.taken().iter().flat_map(|taken| taken.events()) {
        let text = |name: &str| event[name].as_str().expect(name).to_owned();
        match seen.insert(text("id"), event.clone()) {
            Some(before) => assert_eq!(before, event),
            None => told.entry(text("cid")).or_default().push(text("taskid")),
        }
        assert_eq!(event["type"], "acked");
    }
    told
}

fn count(tasks: &BTreeMap<String, Vec<String>>) -> usize {
    tasks.values().map(Vec::len).sum()
}

fn wait_until_told(receiver: &Receiver, pushed: &BTreeMap<String, Vec<String>>) {
    wait_for("all receipts", || {
        (count(&told(receiver)) >= count(pushed)).then_some(())
    });
    assert_eq!(&told(receiver), pushed);
}

fn merge(all: &mut BTreeMap<String, Vec<String>>, more: BTreeMap<String, Vec<String>>) {
    for (cid, tasks) in more {
        all.entry(cid).or_default().extend(tasks);
    }
}

#[test]
fn given_a_receiver_that_answers_when_pushes_are_acked_should_be_told_each_once_in_order() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = Server::start_configured(dir.path(), 2, BRIEF);
    let receiver = Receiver::start(200);
    set(&server, &receiver, &["callback_secret=s3cret"]);
    let devices = Devices::start(dir.path(), &server, 3, &[]);
    let pushed = push(&server, &devices.events().cids(), 60);
    wait_until_told(&receiver, &pushed);
    // None came twice, and none waits any more.
    let events: usize = receiver
        .deliveries()
        .iter()
        .map(|it| it.events().len())
        .sum();
    assert_eq!(events, 60);
    wait_for("the settlement", || {
        receipts(&server, &[]).is_empty().then_some(())
    });
    assert_eq!(server.metric("ringpost_receipts_told_total"), 60);
    assert_eq!(server.metric("ringpost_webhook_calls_failed_total"), 0);
    let mut ids = BTreeSet::new();
    for delivery in receiver.deliveries() {
        assert_eq!(delivery.path, "/receipts?of=app");
        let body: Value = serde_json::from_str(&delivery.body).expect("JSON");
        assert_eq!(body["id"], delivery.header("ringpost-delivery"));
        assert_eq!(body["appid"], server.bootstrap().app.appid);
        let timestamp = delivery.header("ringpost-timestamp");
        assert_eq!(body["sent_ms"].to_string(), timestamp);
        let signature = delivery.header("ringpost-signature");
        assert!(signature.starts_with("sha256=") && signature.len() == 7 + 64);
        assert!(ids.insert(delivery.header("ringpost-delivery").to_owned()));
    }
}

#[test]
fn given_getuis_form_when_pushes_end_should_tell_the_acked_with_what_they_wanted_echoed() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = Server::start_configured(dir.path(), 2, BRIEF);
    // Any answer will do.
    let receiver = Receiver::start(500);
    set(&server, &receiver, &["callback_mode=getui"]);
    let devices = Devices::start(dir.path(), &server, 1, &[]);
    let cid = devices.events().cids().remove(0);
    let third_party = server.third_party();
    let body = json!({
        "request_id": "0123456789abcdef",
        "settings": { "custom_callback": "order 17" },
        "audience": { "cid": [cid] },
        "push_message": { "transmission": "x" },
    });
    let app = server.bootstrap().app;
    let path = format!("/v2/{}/push/single/cid", app.appid);
    let token = third_party.token().expect("a token");
    third_party
        .send(hyper::Method::POST, &path, Some(&token), Some(&body))
        .expect("pushed");
    push(&server, std::slice::from_ref(&cid), 1);
    let lines = wait_for("both lines", || {
        let lines: Vec<Value> = receiver
            .deliveries()
            .iter()
            .flat_map(|delivery| {
                let lines = delivery.body.lines();
                lines
                    .map(|line| serde_json::from_str(line).expect("JSON"))
                    .collect::<Vec<_>>()
            })
            .collect();
        (lines.len() >= 2).then_some(lines)
    });
    assert_eq!(lines[0]["custom_callback"], "order 17");
    assert_eq!(lines[1].get("custom_callback"), None);
    for line in &lines {
        let text = |name: &str| line[name].as_str().expect(name);
        assert_eq!(
            (text("appid"), text("cid")),
            (app.appid.as_str(), cid.as_str())
        );
        assert_eq!(
            (text("code"), text("desc"), text("actionId")),
            ("200", "ok", "0")
        );
        assert_eq!(text("sign").len(), 32);
        assert!(line["recvtime"].is_u64());
    }
    wait_for("the settlement", || {
        receipts(&server, &[]).is_empty().then_some(())
    });
    assert_eq!(lines.len(), 2);
}

#[test]
fn given_a_receiver_that_fails_for_a_while_when_it_recovers_should_be_told_all_in_order() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = Server::start_configured(dir.path(), 2, BRIEF);
    let receiver = Receiver::start(500);
    set(&server, &receiver, &["callback_secret=s3cret"]);
    let devices = Devices::start(dir.path(), &server, 2, &[]);
    let cids = devices.events().cids();
    let mut pushed = push(&server, &cids, 10);
    wait_for("some failures", || {
        (receiver.deliveries().len() >= 4).then_some(())
    });
    // What failed is tried again as it was: the same id, the same events.
    let tries = receiver.deliveries();
    for delivery in &tries[1..] {
        assert_eq!(delivery.events(), tries[0].events());
        let id = |delivery: &harness::receiver::Delivery| {
            delivery.header("ringpost-delivery").to_owned()
        };
        assert_eq!(id(delivery), id(&tries[0]));
    }
    merge(&mut pushed, push(&server, &cids, 10));
    receiver.answer(204);
    wait_until_told(&receiver, &pushed);
    wait_for("a word in the log", || {
        server
            .log()
            .contains("a receiver answers again")
            .then_some(())
    });
    let log = server.log();
    assert_eq!(log.matches("a receiver fails").count(), 1, "{log}");
    assert!(!log.contains("of=app"), "a URL may hold a secret: {log}");
    assert!(server.metric("ringpost_webhook_calls_failed_total") >= 4);
}

#[test]
fn given_a_dead_receiver_and_a_killed_server_when_both_are_back_should_be_told_all() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut server = Server::start_configured(dir.path(), 2, BRIEF);
    let mut receiver = Receiver::start(200);
    set(&server, &receiver, &["callback_secret=s3cret"]);
    let devices = Devices::start(dir.path(), &server, 2, &[]);
    let cids = devices.events().cids();
    let mut pushed = push(&server, &cids, 10);
    wait_until_told(&receiver, &pushed);
    receiver.die();
    merge(&mut pushed, push(&server, &cids, 20));
    wait_for("the acks to be written", || {
        (receipts(&server, &[]).len() == 20).then_some(())
    });
    wait_for("a failed try", || {
        (server.metric("ringpost_webhook_calls_failed_total") > 0).then_some(())
    });
    server.kill_nine();
    server.restart();
    receiver.come_back();
    wait_until_told(&receiver, &pushed);
}

#[test]
fn given_a_receiver_that_never_answers_when_pushed_to_should_cost_no_delivery_and_no_answer() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = Server::start_configured(dir.path(), 2, BRIEF);
    let receiver = Receiver::start(SILENCE);
    set(&server, &receiver, &["callback_secret=s3cret"]);
    let devices = Devices::start(dir.path(), &server, 2, &[]);
    let cids = devices.events().cids();
    let mut pushed = push(&server, &cids, 2);
    wait_for("a delivery that hangs", || {
        (!receiver.deliveries().is_empty()).then_some(())
    });
    merge(&mut pushed, push(&server, &cids, 40));
    wait_for("the devices", || {
        (devices.events().count("push") >= 42).then_some(())
    });
    devices.events().assert_exactly_once(&pushed);
    wait_for("the acks to be written", || {
        (receipts(&server, &[]).len() == 42).then_some(())
    });
    assert_eq!(server.metric("ringpost_messages_acked_total"), 42);
}

#[test]
fn given_receipts_that_failed_too_long_when_listed_and_replayed_should_be_told_after_all() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = Server::start_configured(dir.path(), 1, &format!("{BRIEF}keep_s = 0\n"));
    let receiver = Receiver::start(503);
    set(&server, &receiver, &["callback_secret=s3cret"]);
    let devices = Devices::start(dir.path(), &server, 1, &[]);
    let pushed = push(&server, &devices.events().cids(), 5);
    let dead = wait_for("five dead letters", || {
        let dead = receipts(&server, &["--dead"]);
        (dead.len() == 5).then_some(dead)
    });
    assert!(receipts(&server, &[]).is_empty());
    assert_eq!(server.metric("ringpost_receipts_dead_total"), 5);
    let tasks = dead
        .iter()
        .map(|receipt| receipt["taskid"].as_str().expect("a task"));
    assert!(tasks.eq(pushed.values().flatten()), "{dead:?}");
    receiver.answer(200);
    let app = server.bootstrap().app.appid;
    let replayed = server.say(&["receipts", &app, "--replay"]);
    assert_eq!(replayed["replayed"], 5);
    wait_until_told(&receiver, &pushed);
    assert!(receipts(&server, &["--dead"]).is_empty());
}

#[test]
fn given_a_receiver_on_loopback_when_it_is_not_allowed_should_never_be_called() {
    let dir = tempfile::tempdir().expect("a folder");
    let toml = BRIEF.replace("allow_private = true\n", "");
    let server = Server::start_configured(dir.path(), 1, &toml);
    let receiver = Receiver::start(200);
    set(&server, &receiver, &["callback_secret=s3cret"]);
    let devices = Devices::start(dir.path(), &server, 1, &[]);
    push(&server, &devices.events().cids(), 3);
    wait_for("three tries", || {
        (server.metric("ringpost_webhook_calls_failed_total") >= 3).then_some(())
    });
    assert!(receiver.deliveries().is_empty());
    let log = server.log();
    assert!(log.contains("webhooks.allow_private is not set"), "{log}");
}
