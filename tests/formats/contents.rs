//! A bit of everything in a data folder: put there by devices and third parties, and looked for.

use hyper::Method;
use protocol::{
    Ack, Command, DeviceInfo, Frame, Identity, NotificationSwitch, Operation, SilentTime, Upstream,
    UpstreamId,
};
use sdk_sim::third_party::{BlockingThirdParty, Push, PushBody, random_request_id};
use serde_json::{Value, json};

use crate::harness::device::{Device, hello, register};
use crate::harness::{Server, wait_for};

/// Puts a bit of everything into a new server; what is to be found later.
pub fn put(server: &Server) -> Value {
    let bootstrap = server.bootstrap();
    let app = bootstrap.app.appid.clone();
    let shop = server.create_app("shop");
    let set = ["callback_url=http://127.0.0.1:9/in", "callback_mode=signed"];
    server.say(&["app", "set", &app, set[0], set[1], "offline_len_max=50"]);
    let cids: Vec<String> = (1..=3)
        .map(|n| register(&bootstrap, n).to_string())
        .collect();
    let party = server.third_party();
    let aliases: Vec<Value> = cids[..2]
        .iter()
        .map(|cid| json!({ "cid": cid, "alias": "alice" }))
        .collect();
    post(&party, "/user/alias", &json!({ "data_list": aliases }));
    let tags = format!("/user/custom_tag/cid/{}", cids[0]);
    post(&party, &tags, &json!({ "custom_tag": ["blue", "red"] }));
    post(
        &party,
        &format!("/user/badge/cid/{}", cids[1]),
        &json!({ "badge": 5 }),
    );
    let black = format!("/user/black/cid/{}", cids[2]);
    party
        .call(Method::POST, &black, None)
        .expect("black-listed");
    let acked = live(server, &cids[0]);
    wait_for("the devices to be away", || {
        let names: Vec<&str> = cids.iter().map(String::as_str).collect();
        let status = party.status(&names).expect("a status");
        status.values().all(|word| word != "online").then_some(())
    });
    let waiting: Vec<String> = ["short".to_owned(), "x".repeat(2500), "漢".repeat(3000)]
        .into_iter()
        .map(|text| single(&party, &cids[1], text))
        .collect();
    let all = json!({ "audience": "all", "group_name": "spring" });
    let group = many(&party, "/push/all", all);
    let list = many(&party, "/push/list/message", json!({}));
    let targets = json!({ "audience": { "cid": [cids[0]] }, "taskid": list, "is_async": false });
    post(&party, "/push/list/cid", &targets);
    json!({
        "app": app, "shop": shop, "cids": cids, "waiting": waiting, "acked": acked,
        "group": group, "list": list,
    })
}

/// What a device does while it is connected; the task of a push that it acknowledged.
fn live(server: &Server, cid: &str) -> String {
    let bootstrap = server.bootstrap();
    let cid_bytes = cid.parse().expect("a CID");
    let mut device = Device::connect(&bootstrap);
    device.greet(hello(&bootstrap, Identity::Login(cid_bytes), [1; 32]));
    let info = DeviceInfo {
        brand: "Acme".into(),
        model: "One".into(),
        os_version: "1".into(),
        package: "org.example".into(),
        app_version: "2".into(),
        notifications: NotificationSwitch::On,
    };
    let silent = SilentTime {
        begin_hour: 22,
        hours: 8,
        zone_min: 60,
    };
    for (serial, operation) in [Operation::DeviceInfo(info), Operation::SilentTime(silent)]
        .into_iter()
        .enumerate()
    {
        let serial = serial as u32 + 1;
        device.send(&[Frame::Command(Command { serial, operation })]);
        device.receive_until("a result", |frame| {
            matches!(frame, Frame::CommandResult(_)).then_some(())
        });
    }
    let task = single(&server.third_party(), cid, "seen".into());
    let id = device.receive_until("the push", |frame| match frame {
        Frame::Push(push) => Some(push.id),
        _ => None,
    });
    device.send(&[Frame::Ack(Ack { ids: vec![id] })]);
    let upstream = Upstream {
        id: UpstreamId(7),
        task_id: task.clone(),
        body: "y".repeat(3000).into(),
    };
    device.send(&[Frame::Upstream(upstream)]);
    device.receive_until("that it was taken", |frame| {
        matches!(frame, Frame::UpstreamAck(_)).then_some(())
    });
    task
}

fn post(party: &BlockingThirdParty, path: &str, body: &Value) -> Value {
    let answer = party.call(Method::POST, path, Some(body));
    answer.unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn get(party: &BlockingThirdParty, path: &str) -> Value {
    let answer = party.call(Method::GET, path, None);
    answer.unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn single(party: &BlockingThirdParty, cid: &str, text: String) -> String {
    let mut push = Push::new(PushBody::Transmission(text)).expect("random");
    push.ttl_ms = Some(72 * 3_600_000);
    party.push_single_cid(cid, &push).expect("answered").task_id
}

fn many(party: &BlockingThirdParty, path: &str, more: Value) -> String {
    let mut body = json!({
        "request_id": random_request_id().expect("random"),
        "settings": { "ttl": 72 * 3_600_000 },
        "push_message": { "transmission": "to many" },
    });
    for (name, value) in more.as_object().expect("members") {
        body[name] = value.clone();
    }
    let answer = post(party, path, &body);
    answer["taskid"].as_str().expect("a task").to_owned()
}

/// Looks for what lasts, whatever day it is.
pub fn look_for_what_lasts(server: &Server, made: &Value) {
    let party = server.third_party();
    let cids: Vec<&str> = texts(&made["cids"]);
    for app in [&made["app"], &made["shop"]] {
        let shown = server.say(&["app", "show", app.as_str().expect("text")]);
        assert_eq!(&shown["appid"], app);
    }
    let shown = server.say(&["app", "show", made["app"].as_str().expect("text")]);
    assert_eq!(shown["callback_url"], "http://127.0.0.1:9/in");
    assert_eq!(shown["offline_len_max"], 50);
    assert_eq!(
        get(&party, "/user/cid/alias/alice")["cid"],
        json!(cids[..2])
    );
    let named = get(&party, &format!("/user/alias/cid/{}", cids[0]));
    assert_eq!(named["alias"], "alice");
    let tags = get(&party, &format!("/user/custom_tag/cid/{}", cids[0]));
    assert_eq!(tags[cids[0]][0], "blue red");
    let count = json!({ "tag": [{ "key": "custom_tag", "values": ["red"], "opt_type": "or" }] });
    assert_eq!(post(&party, "/user/count", &count)["user_count"], 1);
    let detail = get(&party, &format!("/user/detail/{}", cids[0]));
    assert_eq!(detail["validCids"][cids[0]]["brand"], "Acme");
    let filtered = Push::new(PushBody::Transmission("no".into())).expect("random");
    let words = party.push_single_cid(cids[2], &filtered).expect("answered");
    assert_eq!(
        format!("{:?}", words.targets.values().next()),
        "Some(\"successed_ignore\")"
    );
    for (number, cid) in (1..).zip(&cids) {
        let bootstrap = server.bootstrap();
        let mut device = Device::connect(&bootstrap);
        let cid = cid.parse().expect("a CID");
        let greeted = device.greet(hello(&bootstrap, Identity::Login(cid), [number; 32]));
        assert_eq!(greeted, cid);
    }
}

/// Looks for what is there only in the days behind that on which it was made.
pub fn look_for_the_rest(server: &Server, made: &Value) {
    let party = server.third_party();
    let cids: Vec<&str> = texts(&made["cids"]);
    let app = made["app"].as_str().expect("text");
    let stage = |task: &Value| {
        let told = server.say(&["task", app, task.as_str().expect("text")]);
        told["targets"][0]["stage"]
            .as_str()
            .expect("a stage")
            .to_owned()
    };
    for task in made["waiting"].as_array().expect("tasks") {
        assert_eq!(stage(task), "Stored");
    }
    assert_eq!(stage(&made["acked"]), "Acked");
    let device = server.say(&["device", app, cids[1]]);
    // Three to it alone, and one to all but the black-listed.
    assert_eq!(device["queue_len"], 4, "{device}");
    let device = server.say(&["device", app, cids[0]]);
    assert_eq!(device["queue_len"], 2, "{device}");
    for (task, targets) in [(&made["group"], 2), (&made["list"], 1)] {
        let task = task.as_str().expect("text");
        let report = get(&party, &format!("/report/push/task/{task}"));
        let found = &report[task]["total"]["target_num"];
        assert_eq!(*found, targets, "{report}");
    }
    let named = get(&party, "/report/push/task_group/spring");
    assert!(named.to_string().contains("target_num"), "{named}");
    let receipts = server.say(&["receipts", app]);
    let kinds: Vec<&str> = receipts["receipts"]
        .as_array()
        .expect("receipts")
        .iter()
        .map(|receipt| receipt["type"].as_str().expect("a type"))
        .collect();
    assert_eq!(
        kinds.len(),
        2,
        "of the ack and of what the device wrote: {receipts}"
    );
}

fn texts(list: &Value) -> Vec<&str> {
    let list = list.as_array().expect("a list");
    list.iter()
        .map(|text| text.as_str().expect("text"))
        .collect()
}
