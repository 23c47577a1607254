//! Reports against what devices saw: a real server, simulated devices that write down each push.
//! Expectations are from the API's own description.

mod harness;

use std::collections::BTreeMap;

use harness::device::{Device, hello, register};
use harness::{Devices, Server, wait_for};
use hyper::Method;
use protocol::{Ack, Frame, Identity};
use sdk_sim::third_party::{BlockingThirdParty, CallError, Push, PushBody, random_request_id};
use serde_json::{Value, json};

fn get(party: &BlockingThirdParty, path: &str) -> Value {
    party
        .call(Method::GET, path, None)
        .unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn post(party: &BlockingThirdParty, path: &str, body: &Value) -> Value {
    party
        .call(Method::POST, path, Some(body))
        .unwrap_or_else(|error| panic!("{path} {body}: {error}"))
}

fn refusal(party: &BlockingThirdParty, path: &str) -> String {
    match party.call(Method::GET, path, None) {
        Err(CallError::Refused {
            http: 400,
            code: 20001,
            msg,
        }) => msg,
        other => panic!("{path}: {other:?}"),
    }
}

fn request(ttl_ms: i64) -> Value {
    json!({
        "request_id": random_request_id().expect("random"),
        "group_name": "spring-1",
        "settings": { "ttl": ttl_ms },
        "push_message": { "transmission": "x" },
    })
}

fn taskid(data: &Value) -> String {
    data["taskid"].as_str().expect("a task").to_owned()
}

fn push_all(party: &BlockingThirdParty, ttl_ms: i64) -> String {
    let mut body = request(ttl_ms);
    body["audience"] = json!("all");
    taskid(&post(party, "/push/all", &body))
}

fn new_list(party: &BlockingThirdParty) -> String {
    taskid(&post(party, "/push/list/message", &request(7_200_000)))
}

fn push_list(party: &BlockingThirdParty, task: &str, cids: &[&String]) {
    let body = json!({ "audience": { "cid": cids }, "taskid": task, "is_async": false });
    let words = post(party, "/push/list/cid", &body);
    let words = words[task].as_object().expect("words");
    assert_eq!(words.len(), cids.len(), "{words:?}");
}

/// The numbers of `total` that are not zero, and that `gt` says the same.
fn numbers(report: &Value) -> BTreeMap<&str, u64> {
    let total = report["total"].as_object().expect("a channel");
    let gt = report["gt"].as_object().expect("a channel");
    for (name, number) in gt {
        assert_eq!(total[name], *number, "{report}");
    }
    total
        .iter()
        .map(|(name, number)| (name.as_str(), number.as_u64().expect("an integer")))
        .filter(|(_, number)| *number > 0)
        .collect()
}

/// Push lines a task has in the events of the devices.
fn received(devices: &Devices, task: &str) -> u64 {
    let pushes = devices.events().pushes();
    let of_task = pushes
        .values()
        .flatten()
        .filter(|push| push.task_id == task)
        .count();
    of_task as u64
}

#[test]
fn given_pushes_to_many_when_reported_should_add_up_to_what_devices_saw() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut server = Server::start(dir.path(), 2, &[]);
    let offline = register(&server.bootstrap(), 1).to_string();
    let muted = register(&server.bootstrap(), 2).to_string();
    let devices = Devices::start(dir.path(), &server, 5, &[]);
    let cids = devices.events().cids();
    let party = server.third_party();
    wait_for("both to be offline", || {
        let statuses = party.status(&[&offline, &muted]).expect("answered");
        statuses
            .values()
            .all(|word| word == "offline")
            .then_some(())
    });
    party
        .call(Method::POST, &format!("/user/black/cid/{muted}"), None)
        .expect("on the list");

    let all = push_all(&party, 7_200_000);
    let unkept = push_all(&party, -1);
    let list = new_list(&party);
    // The same list twice, with one CID in both.
    push_list(&party, &list, &[&cids[0], &cids[1], &offline]);
    push_list(&party, &list, &[&cids[1], &cids[2]]);
    let stopped = new_list(&party);
    push_list(&party, &stopped, &[&cids[3], &offline]);
    let single = party
        .push_single_cid(
            &cids[0],
            &Push::new(PushBody::Transmission("one".into())).expect("random"),
        )
        .expect("pushed")
        .task_id;

    let tasks = [&all, &unkept, &list, &stopped];
    let path = format!("/report/push/task/{all},{unkept},{list},{stopped},{single},RASL_unknown");
    // Acknowledgements are written down a little later.
    let expected: [u64; 4] = [5, 5, 4, 1];
    wait_for("the acknowledgements", || {
        let report = get(&party, &path);
        let acked = |task: &&String| {
            report[*task]["total"]["receive_num"]
                .as_u64()
                .expect("a number")
        };
        (tasks.iter().map(acked).sum::<u64>() == expected.iter().sum::<u64>()).then_some(())
    });
    party
        .call(Method::DELETE, &format!("/task/{stopped}"), None)
        .expect("stopped");

    let mut group = BTreeMap::<String, u64>::new();
    for restarted in [false, true] {
        if restarted {
            server.kill_nine();
            server.restart();
        }
        let party = server.third_party();
        let report = get(&party, &path);
        let known: Vec<&String> = report.as_object().expect("an object").keys().collect();
        // Single pushes have no report, and what is unknown is left out.
        assert_eq!(known.len(), 4, "{known:?}");
        for (task, expected) in tasks.iter().zip(expected) {
            assert_eq!(received(&devices, task), expected);
            assert_eq!(numbers(&report[*task])["receive_num"], expected);
        }
        // msg_num could be sent to, target_num was sent or waits.
        let sums = |task: &String| numbers(&report[task]);
        let sent = |msg_num, target_num, receive_num| {
            BTreeMap::from([
                ("msg_num", msg_num),
                ("target_num", target_num),
                ("receive_num", receive_num),
            ])
        };
        assert_eq!(sums(&all), sent(6, 6, 5));
        assert_eq!(sums(&unkept), sent(6, 5, 5));
        assert_eq!(sums(&list), sent(5, 5, 4));
        assert_eq!(sums(&stopped), sent(2, 1, 1));

        let detail = get(
            &party,
            &format!("/report/push/task/{all},{unkept},{list},{stopped}/detail"),
        );
        let lost = |task: &String| {
            let stages = &detail[task]["failed_detail"];
            (stages["ts"]["gt"].clone(), stages["rs"]["gt"].clone())
        };
        let one = |class: &str| json!({ class: { "total": 1 } });
        assert_eq!(lost(&all), (one("13"), json!({})));
        assert_eq!(lost(&unkept), (one("13"), one("12")));
        assert_eq!(lost(&list), (json!({}), json!({})));
        assert_eq!(lost(&stopped), (json!({}), one("14")));

        let mut summed = BTreeMap::<String, u64>::new();
        for task in tasks {
            for (name, number) in sums(task) {
                *summed.entry(name.to_owned()).or_default() += number;
            }
        }
        let named = get(&party, "/report/push/task_group/spring-1");
        let of_group: BTreeMap<String, u64> = numbers(&named["spring-1"])
            .into_iter()
            .map(|(name, number)| (name.to_owned(), number))
            .collect();
        assert_eq!(of_group, summed);
        if restarted {
            assert_eq!(of_group, group);
        }
        group = of_group;
    }
    let party = server.third_party();
    let counted = get(
        &party,
        &format!("/report/push/task/{all}?actionIdList=90001,60001"),
    );
    assert_eq!(
        counted[&all]["actionCntMap"],
        json!({ "90001": 0, "60001": 0 })
    );
    for path in [
        "/report/push/task_group/other",
        "/report/push/task_group/spring-1?startDate=2020-01-01&endDate=2020-02-01",
    ] {
        assert_eq!(get(&party, path), json!({}));
    }
}

#[test]
fn given_messages_in_each_stage_when_their_way_is_asked_should_tell_it() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = Server::start(dir.path(), 2, &[]);
    let bootstrap = server.bootstrap();
    let id = register(&bootstrap, 1);
    let cid = id.to_string();
    let other = register(&bootstrap, 2).to_string();
    let party = server.third_party();
    wait_for("it to be offline", || {
        let statuses = party.status(&[&cid]).expect("answered");
        (statuses[&cid] == "offline").then_some(())
    });
    let way = |task: &str| -> Vec<String> {
        let data = get(&party, &format!("/task/detail/{cid}/{task}"));
        assert_eq!(data["detail"], data["deatil"]);
        let steps = data["detail"].as_array().expect("a list");
        let mut before = "";
        for step in steps {
            let time = step["time"].as_str().expect("text");
            assert_eq!(time.len(), "yyyy-MM-dd HH:mm:ss".len(), "{time}");
            assert!(before <= time, "{data}");
            before = time;
        }
        let event = |step: &Value| step["event"].as_str().expect("text").to_owned();
        steps.iter().map(event).collect()
    };
    let single = |ttl_ms: i64| {
        let mut body = request(ttl_ms);
        body["audience"] = json!({ "cid": [cid] });
        let data = post(&party, "/push/single/cid", &body);
        let task = data.as_object().and_then(|tasks| tasks.keys().next());
        task.expect("a task").clone()
    };
    let black = |method| {
        let path = format!("/user/black/cid/{cid}");
        party.call(method, &path, None).expect("done")
    };
    assert_eq!(way(&single(-1)), ["Accepted", "Expired"]);
    black(Method::POST);
    assert_eq!(way(&single(7_200_000)), ["Accepted", "Filtered"]);
    black(Method::DELETE);
    let alone = single(7_200_000);
    let list = new_list(&party);
    push_list(&party, &list, &[&cid]);
    let all = push_all(&party, 7_200_000);
    let tasks = [&alone, &list, &all];
    wait_for("the push to all", || {
        party
            .call(Method::GET, &format!("/task/detail/{cid}/{all}"), None)
            .ok()
    });
    for task in tasks {
        assert_eq!(way(task), ["Accepted", "Stored"], "{task}");
    }
    let gone = "taskid is invalid or taskid is deleted";
    for (cid, task) in [
        (&other, &alone),
        (&other, &list),
        (&cid, &"RASL_x".to_owned()),
    ] {
        assert_eq!(refusal(&party, &format!("/task/detail/{cid}/{task}")), gone);
    }

    let mut device = Device::connect(&bootstrap);
    device.greet(hello(&bootstrap, Identity::Login(id), [1; 32]));
    let ids: Vec<_> = (0..tasks.len())
        .map(|_| {
            device.receive_until("a push", |frame| match frame {
                Frame::Push(push) => Some(push.id),
                _ => None,
            })
        })
        .collect();
    for task in tasks {
        assert_eq!(way(task), ["Accepted", "Stored", "Sent"], "{task}");
    }
    device.send(&[Frame::Ack(Ack { ids })]);
    for task in tasks {
        wait_for("the ack to be written down", || {
            (way(task) == ["Accepted", "Stored", "Sent", "Acked"]).then_some(())
        });
    }
}

#[test]
fn given_a_first_day_when_days_are_asked_should_answer_for_those_before_it_alone() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = Server::start(dir.path(), 2, &[]);
    register(&server.bootstrap(), 1);
    let party = server.third_party();
    let before = "2020-02-29";
    let report = get(&party, &format!("/report/push/date/{before}"));
    assert_eq!(numbers(&report[before]), BTreeMap::new());
    assert_eq!(
        get(&party, &format!("/report/user/date/{before}")),
        json!({ before: {
            "accumulative_num": 0, "register_num": 0, "active_num": 0, "online_num": 0
        } })
    );
    // Far enough ahead that no midnight is in the way.
    for day in ["2999-01-01", "2021-02-29"] {
        for of in ["push", "user"] {
            assert_eq!(
                refusal(&party, &format!("/report/{of}/date/{day}")),
                "date is invalid"
            );
        }
    }
    let online = get(&party, "/report/online_user");
    for (ms, count) in online["online_statics"].as_object().expect("an object") {
        let ms: u64 = ms.parse().expect("a time");
        assert_eq!(ms % 600_000, 0);
        assert!(count.as_u64() <= Some(1), "{online}");
    }
    let quota = get(&party, "/report/push/count");
    assert_eq!(quota["gt"]["app"]["limit"], false);
}
