//! What phones do with notifications, and what third parties see of it: shown, replaced, revoked,
//! clicked, within display windows and networks; with simulated devices against a real server.

mod harness;

use std::collections::BTreeMap;

use harness::{Devices, Server, wait_for};
use hyper::Method;
use sdk_sim::third_party::{BlockingThirdParty, random_request_id};
use serde_json::{Value, json};

struct Desk {
    party: BlockingThirdParty,
    cid: String,
}

impl Desk {
    fn of(server: &Server, devices: &Devices) -> Desk {
        Desk {
            party: server.third_party(),
            cid: devices.events().cids().remove(0),
        }
    }

    /// Pushes a message to the device; its task.
    fn push(&self, message: Value) -> String {
        let body = json!({
            "request_id": random_request_id().expect("random"),
            "audience": { "cid": [self.cid] },
            "push_message": message,
        });
        let data = self
            .party
            .call(Method::POST, "/push/single/cid", Some(&body));
        let data = data.unwrap_or_else(|error| panic!("{body}: {error}"));
        let tasks = data.as_object().expect("tasks");
        tasks.keys().next().expect("a task").clone()
    }

    /// The stages of a task's message.
    fn stages(&self, task: &str) -> Vec<String> {
        let path = format!("/task/detail/{}/{task}", self.cid);
        let data = self.party.call(Method::GET, &path, None);
        let data = data.unwrap_or_else(|error| panic!("{path}: {error}"));
        let steps = data["detail"].as_array().expect("steps").iter();
        steps
            .map(|step| step["event"].as_str().expect("a stage").to_owned())
            .collect()
    }
}

fn notification(notify_id: Option<u32>) -> Value {
    let mut notification = json!({
        "title": "t", "body": "b", "click_type": "url", "url": "https://example.org/",
    });
    if let Some(id) = notify_id {
        notification["notify_id"] = json!(id);
    }
    json!({ "notification": notification })
}

/// What the phones did so far: task and word, in order.
fn notices(devices: &Devices) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(devices.events_path()).expect("the events");
    let lines = text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    let notices = lines.filter(|line: &Value| line["ev"] == "notice");
    notices
        .map(|line| {
            let text = |name: &str| line[name].as_str().expect(name).to_owned();
            if line["notice"] == "clicked" {
                assert_eq!(line["click_type"], "url");
                assert_eq!(line["click"], "https://example.org/");
            }
            (text("taskid"), text("notice"))
        })
        .collect()
}

/// Waits until the device has handled a message behind everything that came before.
fn wait_for_the_one_behind(desk: &Desk, devices: &Devices) {
    let behind = desk.push(json!({ "transmission": "behind" }));
    wait_for("the message behind", || {
        let pushes = devices.events().pushes();
        let came = pushes.get(&desk.cid)?;
        came.iter().any(|push| push.task_id == behind).then_some(())
    });
}

#[test]
fn given_notifications_when_they_come_should_be_shown_replaced_revoked_and_reported() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut server = Server::start(dir.path(), 2, &[]);
    let mut devices = Devices::start(dir.path(), &server, 1, &[]);
    let desk = Desk::of(&server, &devices);
    let first = desk.push(notification(Some(7)));
    let other = desk.push(notification(None));
    let second = desk.push(notification(Some(7)));
    desk.push(json!({ "revoke": { "old_task_id": first } }));
    desk.push(json!({ "revoke": { "old_task_id": other } }));
    let third = desk.push(notification(None));
    desk.push(json!({ "revoke": { "old_task_id": "RASS_none", "force": true } }));
    wait_for_the_one_behind(&desk, &devices);
    let expected = [
        (&first, "shown"),
        (&other, "shown"),
        (&first, "replaced"),
        (&second, "shown"),
        (&other, "revoked"),
        (&third, "shown"),
        (&second, "revoked"),
        (&third, "revoked"),
    ];
    let expected = expected.map(|(task, word)| (task.clone(), word.to_owned()));
    assert_eq!(notices(&devices), expected);
    for task in [&first, &other, &second, &third] {
        wait_for("the report", || {
            let stages = desk.stages(task);
            assert!(!stages.contains(&"Clicked".to_owned()), "{stages:?}");
            stages.contains(&"Shown".to_owned()).then_some(())
        });
    }
    assert!(devices.stop().success());
    assert!(server.stop().success());
}

#[test]
fn given_windows_and_networks_when_notifications_come_should_be_shown_only_within_them() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut server = Server::start(dir.path(), 2, &[]);
    let flags = ["--network", "cellular", "--click"];
    let mut devices = Devices::start(dir.path(), &server, 1, &flags);
    let desk = Desk::of(&server, &devices);
    let with = |name: &str, value: Value| {
        let mut message = notification(None);
        message[name] = value;
        message
    };
    let now_ms = u64::try_from(
        std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .expect("after 1970")
            .as_millis(),
    )
    .expect("fits");
    let window = |from: u64, to: u64| json!(format!("{}-{}", from, to));
    let over = desk.push(with(
        "duration",
        window(now_ms - 1_200_000, now_ms - 300_000),
    ));
    let wifi = desk.push(with("network_type", json!(1)));
    let any = desk.push(with("network_type", json!(0)));
    let late_ms = now_ms + 2_000;
    let later = desk.push(with("duration", window(late_ms, late_ms + 900_000)));
    wait_for("the window", || {
        let seen = notices(&devices);
        seen.contains(&(later.clone(), "clicked".to_owned()))
            .then_some(())
    });
    let mut seen: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (task, word) in notices(&devices) {
        seen.entry(task).or_default().push(word);
    }
    let both = vec!["shown".to_owned(), "clicked".to_owned()];
    let expected = BTreeMap::from([(any.clone(), both.clone()), (later.clone(), both)]);
    assert_eq!(seen, expected, "not {over}, not {wifi}");
    wait_for("the report", || {
        let stages = desk.stages(&later);
        stages
            .ends_with(&["Shown".to_owned(), "Clicked".to_owned()])
            .then_some(())
    });
    for task in [&over, &wifi] {
        assert_eq!(desk.stages(task).last().map(String::as_str), Some("Acked"));
    }
    assert!(devices.stop().success());
    assert!(server.stop().success());
}
