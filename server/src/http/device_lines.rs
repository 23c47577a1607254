//! Devices that leave and come over `/admin/v1/apps/{appid}/devices`, as whole requests.

use serde_json::{Value, json};
use server_core::command::{Answer, Command};
use server_core::ids::{AppNo, ShardNo};
use server_core::portable::{DevicePage, Imported, PortableDevice};

use super::HttpSettings;
use super::fixture::{Response, Site, with_site};

const PATH: &str = "/admin/v1/apps/app/devices";
const BEARER: &str = "Authorization: Bearer t0ken\r\n";
const CID: &str = "0123456789abcdef0123456789abcdef";

fn settings() -> HttpSettings {
    HttpSettings {
        admin_token: "t0ken".to_owned(),
        ..HttpSettings::default()
    }
}

fn never(_: ShardNo, command: &Command) -> Answer {
    panic!("nobody should ask {command:?}")
}

/// Shards that take every device.
fn take(_: ShardNo, command: &Command) -> Answer {
    match command {
        Command::ImportDevices { app, devices } => {
            assert_eq!(*app, AppNo(7));
            Answer::Imported(vec![Imported::Done; devices.len()])
        }
        other => panic!("{other:?}"),
    }
}

async fn post(site: &Site, body: &Value) -> Response {
    let mut client = site.connect().await;
    client.call("POST", PATH, BEARER, &body.to_string()).await
}

fn taken(site: &Site) -> Vec<PortableDevice> {
    let asked = site.asked.borrow();
    let all = asked.iter().flat_map(|(_, command)| match command {
        Command::ImportDevices { devices, .. } => devices.clone(),
        _ => Vec::new(),
    });
    all.collect()
}

fn full() -> Value {
    json!({
        "cid": CID, "platform": "ios", "created_ms": 5, "sdk_version": "2.1",
        "secret_sha256": "ab".repeat(32), "install": "cd".repeat(16),
        "tags": ["a", "中"], "aliases": {"": "bob", "mail": "bob_1"},
        "blocked": true, "push_off": false, "badge": 3,
        "device_token": {"kind": "apns", "token": "xyz"}, "last_login_ms": 9,
    })
}

#[test]
fn given_a_device_when_it_is_imported_and_exported_should_be_the_same_line() {
    let bare = json!({
        "cid": "f".repeat(32), "platform": "unknown", "created_ms": 0, "tags": [], "aliases": {},
        "blocked": false, "push_off": false, "badge": 0, "last_login_ms": 0,
    });
    let lines = vec![full(), bare];
    let imported = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
    let kept = std::rc::Rc::clone(&imported);
    let decide = move |shard, command: &Command| match command {
        Command::ImportDevices { devices, .. } => {
            kept.borrow_mut().extend(devices.clone());
            take(shard, command)
        }
        Command::Devices { after, len_max, .. } => {
            assert_eq!((*after, *len_max), (CID.parse().ok(), 2));
            let devices = kept.borrow().clone();
            let next = Some(devices[1].cid);
            Answer::Devices(DevicePage { devices, next })
        }
        other => panic!("{other:?}"),
    };
    with_site(settings(), decide, async |site: Site| {
        let answer = post(&site, &json!({ "devices": lines })).await;
        let expected = json!({"imported": 2, "results": [{"ok": true}, {"ok": true}]});
        assert_eq!(answer.json["data"], expected);
        let mut client = site.connect().await;
        let path = format!("{PATH}?after={CID}&limit=2");
        let page = client
            .call("GET", &format!("{path}&secrets=true"), BEARER, "")
            .await;
        assert_eq!(
            page.json["data"],
            json!({"devices": lines, "next": "f".repeat(32)})
        );
        let page = client.call("GET", &path, BEARER, "").await;
        let shown = page.json["data"]["devices"][0].as_object().expect("one");
        assert!(!shown.contains_key("secret_sha256"), "{shown:?}");
        assert_eq!(shown["install"], "cd".repeat(16));
    });
    assert_eq!(imported.borrow().len(), 2);
}

#[test]
fn given_lines_at_and_over_the_limits_when_imported_should_say_which_is_wrong_and_take_the_others()
{
    let with = |member: &str, value: Value| {
        let mut line = json!({ "cid": CID });
        line[member] = value;
        line
    };
    let tags = |count: usize, len: usize| -> Vec<String> {
        (0..count).map(|at| format!("{at:0len$}")).collect()
    };
    let good = [
        with("tags", json!(tags(100, 5))),
        with("tags", json!(tags(16, 32))),
        with("tags", json!(["b", "a", "b"])),
        with("aliases", json!({"中": "x".repeat(39)})),
        with(
            "device_token",
            json!({"kind": "hw", "token": "t".repeat(1024)}),
        ),
        with("sdk_version", json!("v".repeat(32))),
        with("badge", json!(i32::MAX)),
    ];
    let bad = [
        (json!({}), "cid cannot be null"),
        (json!([]), "device type error"),
        (json!({"cid": "x".repeat(32)}), "cid is invalid"),
        (json!({"cid": CID.to_uppercase()}), "cid is invalid"),
        (json!({"cid": "0".repeat(33)}), "cid size over limit"),
        (with("platform", json!("symbian")), "platform is invalid"),
        (with("created_ms", json!(-1)), "created_ms is invalid"),
        (
            with("secret_sha256", json!("ab")),
            "secret_sha256 is invalid",
        ),
        (
            with("secret_sha256", json!("0".repeat(64))),
            "secret_sha256 is invalid",
        ),
        (with("install", json!("g".repeat(32))), "install is invalid"),
        (with("tags", json!("a")), "tags type error"),
        (with("tags", json!(["a b"])), "tags is invalid"),
        (with("tags", json!([""])), "tags can not be empty"),
        (
            with("tags", json!(tags(101, 5))),
            "tags size over limit: tags may be 100 long and is 101",
        ),
        (with("tags", json!(tags(1, 33))), "tags size over limit"),
        (
            with("tags", json!(tags(17, 31))),
            "tags size over limit: tags may be 512 long and is 527",
        ),
        (with("aliases", json!({"": "a b"})), "alias is invalid"),
        (
            with("aliases", json!({"": "x".repeat(40)})),
            "alias size over limit",
        ),
        (
            with("aliases", json!({"a-b": "x"})),
            "alias_type is invalid",
        ),
        (with("aliases", json!(["x"])), "aliases type error"),
        (with("blocked", json!(1)), "blocked type error"),
        (with("badge", json!(-1)), "badge is invalid"),
        (
            with("device_token", json!({"kind": "hw"})),
            "device_token cannot be null",
        ),
        (
            with(
                "device_token",
                json!({"kind": "hw", "token": "t".repeat(1025)}),
            ),
            "device_token size over limit",
        ),
        (
            with("sdk_version", json!("中".repeat(11))),
            "sdk_version size over limit",
        ),
    ];
    with_site(settings(), take, async |site: Site| {
        // Good and bad ones by turns, so that each result must find its own line.
        let mut lines = Vec::new();
        for (at, (line, _)) in bad.iter().enumerate() {
            lines.push(line.clone());
            lines.extend(good.get(at).cloned());
        }
        let answer = post(&site, &json!({ "devices": lines })).await;
        assert_eq!(answer.json["data"]["imported"], good.len());
        let results = answer.json["data"]["results"].as_array().expect("results");
        assert_eq!(results.len(), lines.len());
        let refused: Vec<&str> = results
            .iter()
            .filter_map(|result| result["why"].as_str())
            .collect();
        assert_eq!(refused.len(), bad.len());
        for (why, (line, expected)) in refused.iter().zip(&bad) {
            assert!(why.starts_with(expected), "{why} of {line}");
        }
        for (result, line) in results.iter().zip(&lines) {
            assert_eq!(result["ok"] == true, good.contains(line), "{line}");
        }
        let tags: Vec<Box<str>> = vec!["a".into(), "b".into()];
        assert_eq!(taken(&site)[2].tags, tags);
    });
}

#[test]
fn given_devices_that_the_store_refuses_when_imported_should_say_why_each() {
    let decide = |_, command: &Command| match command {
        Command::ImportDevices { devices, .. } if devices.len() == 4 => Answer::Imported(vec![
            Imported::OtherApp,
            Imported::Done,
            Imported::OtherSecret,
            Imported::InstallTaken,
        ]),
        Command::ImportDevices { .. } => Answer::TargetInvalid,
        other => panic!("{other:?}"),
    };
    with_site(settings(), decide, async |site: Site| {
        let line = json!({ "cid": CID });
        let bad = json!({ "cid": "x" });
        let lines = [&line, &bad, &line, &line, &line];
        let answer = post(&site, &json!({ "devices": lines })).await;
        let results = answer.json["data"]["results"].clone();
        let why = |at: usize| results[at]["why"].as_str().unwrap_or("ok").to_owned();
        assert!(why(0).contains("another app"), "{results}");
        assert_eq!((why(1).as_str(), why(2).as_str()), ("cid is invalid", "ok"));
        assert!(why(3).contains("secret_sha256"), "{results}");
        assert!(why(4).contains("another cid"), "{results}");
        assert_eq!(answer.json["data"]["imported"], 1);
        // Deleted meanwhile.
        let answer = post(&site, &json!({ "devices": [line] })).await;
        assert_eq!(answer.status, 404);
    });
}

#[test]
fn given_calls_of_a_wrong_form_when_made_should_be_refused_before_a_shard_is_asked() {
    with_site(settings(), never, async |site: Site| {
        let too_many = vec![json!({ "cid": CID }); 1001];
        for (body, msg) in [
            (json!({}), "devices cannot be null"),
            (json!({"devices": {}}), "devices type error"),
            (json!({"devices": too_many}), "devices size over limit"),
        ] {
            let answer = post(&site, &body).await;
            assert_eq!(
                (answer.status, answer.json["msg"].as_str()),
                (400, Some(msg))
            );
        }
        let nothing = post(&site, &json!({"devices": [{"cid": "x"}]})).await;
        assert_eq!(nothing.json["data"]["imported"], 0);
        let mut client = site.connect().await;
        for (query, field) in [
            ("after=x", "after"),
            ("limit=0", "limit"),
            ("limit=1001", "limit"),
            ("limit=many", "limit"),
            ("secrets=1", "secrets"),
        ] {
            let path = format!("{PATH}?{query}");
            let answer = client.call("GET", &path, BEARER, "").await;
            let msg = format!("{field} is invalid");
            assert_eq!(answer.json["msg"], msg, "{query}");
        }
        for verb in ["GET", "POST"] {
            let answer = client.call(verb, PATH, "", "{}").await;
            assert_eq!(answer.status, 401, "{verb} without the admin token");
        }
    });
}
