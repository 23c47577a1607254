//! Each call of the SDK with its effect on the third-party side, and the other way round: an app with
//! the SDK's blocking transport against a real server.

mod harness;

use std::time::{Duration, Instant};

use harness::receiver::Receiver;
use harness::{PATIENCE, Server, wait_for};
use hyper::Method;
use protocol::wire::{ACTION_CLICKED, ACTION_OWN_SHOWN, ACTION_SHOWN};
use sdk_sim::blocking_device::BlockingDevice;
use sdk_sim::client::{
    ClientId, Config, DeviceInfo, DeviceSecret, Event, FeedbackVerdict, InstallId, MessageId,
    NotificationSwitch, ResultCode, SilentTime, Upstream, UpstreamId, UpstreamStatus,
};
use sdk_sim::third_party::{BlockingThirdParty, Push, PushBody, random_request_id};
use sdk_sim::transport::Tls;
use serde_json::{Value, json};

/// Loopback is allowed, and looks are short.
const BRIEF: &str = "[webhooks]\nallow_private = true\nretry_first_ms = 50\nretry_most_s = 1\n";

/// An app with its device.
struct App {
    device: BlockingDevice,
    cid: ClientId,
}

/// The device of this number, before its first connection.
fn device_of(server: &Server, number: u8, change: impl FnOnce(&mut Config)) -> BlockingDevice {
    let bootstrap = server.bootstrap();
    let mut config = Config::new(
        &bootstrap.app.appid,
        InstallId::from_bytes([number; 16]),
        DeviceSecret::from_bytes([number; 32]),
        u64::from(number),
    );
    change(&mut config);
    let tls = Tls::trusting(&bootstrap.ca_cert).expect("the server's certificate");
    BlockingDevice::connect(config, &bootstrap.device, tls.for_device())
}

impl App {
    fn start(server: &Server, number: u8) -> App {
        let mut device = device_of(server, number, |_| {});
        let cid = next(&mut device, "the login", |event| match event {
            Event::Online { cid, .. } => Some(*cid),
            _ => None,
        });
        App { device, cid }
    }

    fn cid(&self) -> String {
        self.cid.to_string()
    }

    fn until<T>(&mut self, what: &str, pick: impl FnMut(&Event) -> Option<T>) -> T {
        next(&mut self.device, what, pick)
    }

    /// The result of a command, which must be Ok.
    fn ok(&mut self, serial: u32) {
        assert_eq!(self.result(serial), ResultCode::Ok);
    }

    fn result(&mut self, serial: u32) -> ResultCode {
        self.until("the result", |event| match event {
            Event::CommandResult {
                serial: answered,
                code,
                ..
            } if *answered == serial => Some(*code),
            _ => None,
        })
    }

    fn pushed(&mut self) -> MessageId {
        self.until("a push", |event| match event {
            Event::Push { id, .. } => Some(*id),
            _ => None,
        })
    }
}

/// The next event that `pick` takes, every push before it and itself handled.
fn next<T>(
    device: &mut BlockingDevice,
    what: &str,
    mut pick: impl FnMut(&Event) -> Option<T>,
) -> T {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        let Some(event) = device.next_event(Duration::from_secs(1)) else {
            continue;
        };
        if let Event::Push { id, .. } = event {
            device.client().handled(id);
        }
        if let Some(found) = pick(&event) {
            return found;
        }
    }
    panic!("waited {PATIENCE:?} for {what}");
}

fn call(party: &BlockingThirdParty, method: Method, path: &str, body: Option<Value>) -> Value {
    let shown = format!("{method} {path}");
    party
        .call(method, path, body.as_ref())
        .unwrap_or_else(|error| panic!("{shown}: {error}"))
}

fn push_one(server: &Server, app: &App, text: &str) -> (String, String) {
    let push = Push::new(PushBody::Transmission(text.to_owned())).expect("random");
    let accepted = server.third_party().push_single_cid(&app.cid(), &push);
    let accepted = accepted.expect("pushed");
    let word = accepted.targets.values().next().expect("a word").clone();
    (accepted.task_id, word)
}

fn push_to(party: &BlockingThirdParty, path: &str, audience: Value, settings: Value) -> String {
    let body = json!({
        "request_id": random_request_id().expect("random"),
        "audience": audience,
        "settings": settings,
        "push_message": { "notification": { "title": "t", "body": "b", "click_type": "none" } },
    });
    let data = call(party, Method::POST, path, Some(body));
    data["taskid"].as_str().expect("a task").to_owned()
}

fn device_view(server: &Server, cid: &str) -> Value {
    server.say(&["device", &server.bootstrap().app.appid, cid])
}

/// Ends the apps in order, then the server: a device that stays would hold its stop for the whole
/// drain.
fn end(mut server: Server, apps: impl IntoIterator<Item = App>) {
    for mut app in apps {
        app.device.close();
    }
    assert!(server.stop().success());
}

#[test]
fn given_tags_and_aliases_when_set_by_the_app_should_be_those_of_the_third_party_and_back() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = Server::start(dir.path(), 2, &[]);
    let party = server.third_party();
    let mut app = App::start(&server, 1);
    let cid = app.cid();
    let serial = app.device.client().set_tags(&["vip", "北京"]);
    app.ok(serial.expect("online"));
    let path = format!("/user/custom_tag/cid/{cid}");
    let tags = call(&party, Method::GET, &path, None);
    assert_eq!(tags[&cid], json!(["vip 北京"]));
    let conditions = json!({"tag": [{"key": "custom_tag", "values": ["vip"], "opt_type": "or"}]});
    push_to(&party, "/push/tag", conditions, json!({}));
    app.pushed();
    call(
        &party,
        Method::POST,
        &path,
        Some(json!({"custom_tag": ["new"]})),
    );
    let serial = app.device.client().query_tags().expect("online");
    let tags = app.until("the tags", |event| match event {
        Event::CommandResult {
            serial: answered,
            code,
            detail,
        } if *answered == serial => {
            let result = protocol::CommandResult {
                serial,
                op: protocol::wire::OP_QUERY_TAGS,
                code: *code,
                detail: detail.clone(),
            };
            Some(result.tags().expect("tags"))
        }
        _ => None,
    });
    assert_eq!(tags, ["new"]);
    for (tags, code) in [
        (vec!["a", "a"], ResultCode::DuplicateTag),
        (vec![""], ResultCode::EmptyTag),
        (vec!["a b"], ResultCode::TagMalformed),
    ] {
        let serial = app.device.client().set_tags(&tags).expect("online");
        assert_eq!(app.result(serial), code, "{tags:?}");
    }

    let serial = app.device.client().bind_alias("", "alice");
    app.ok(serial.expect("online"));
    let bound = call(&party, Method::GET, "/user/cid/alias/alice", None);
    assert_eq!(bound["cid"], json!([cid]));
    let serial = app.device.client().unbind_alias(true, "", "alice");
    app.ok(serial.expect("online"));
    let bound = party.call(Method::GET, "/user/cid/alias/alice", None);
    assert!(!format!("{bound:?}").contains(&cid), "{bound:?}");
    end(server, [app]);
}

#[test]
fn given_push_switched_off_by_the_app_when_pushed_to_should_be_ignored_until_it_is_on_again() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut server = Server::start(dir.path(), 2, &[]);
    let mut app = App::start(&server, 1);
    let serial = app.device.client().switch_push(false);
    app.ok(serial.expect("online"));
    let (_, word) = push_one(&server, &app, "meanwhile");
    assert_eq!(word, "successed_ignore");
    assert_eq!(device_view(&server, &app.cid())["push_off"], json!(true));
    let detail = format!("/user/detail/{}", app.cid());
    let known = call(&server.third_party(), Method::GET, &detail, None);
    let known = &known["validCids"][app.cid()];
    assert_eq!(known["notification_switch"], json!(false));
    server.kill_nine();
    server.restart();
    app.until("the login", |event| match event {
        Event::Online { .. } => Some(()),
        _ => None,
    });
    let (_, word) = push_one(&server, &app, "still");
    assert_eq!(word, "successed_ignore");
    let serial = app.device.client().switch_push(true);
    app.ok(serial.expect("online"));
    let (_, word) = push_one(&server, &app, "again");
    assert_eq!(word, "successed_online");
    app.pushed();
    end(server, [app]);
}

#[test]
fn given_facts_told_by_the_app_when_asked_for_should_be_known_and_filter_pushes() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = Server::start(dir.path(), 2, &[]);
    let party = server.third_party();
    let mut app = App::start(&server, 1);
    let mut other = App::start(&server, 2);
    let info = DeviceInfo {
        brand: "Acme".to_owned(),
        model: "Phone 7".to_owned(),
        os_version: "14.1".to_owned(),
        package: "org.example.app".to_owned(),
        app_version: "2.3.0".to_owned(),
        notifications: NotificationSwitch::Off,
    };
    let client = app.device.client();
    let serials = [
        client.describe(info),
        client.set_badge(7),
        client.set_vendor_token("apns", "token-1"),
    ];
    for serial in serials {
        app.ok(serial.expect("online"));
    }
    let cid = app.cid();
    let known = call(&party, Method::GET, &format!("/user/detail/{cid}"), None);
    let known = &known["validCids"][&cid];
    for (name, value) in [
        ("brand", "Acme"),
        ("phone_model", "Phone 7"),
        ("package_name", "org.example.app"),
        ("device_token", "token-1"),
    ] {
        assert_eq!(known[name], json!(value), "{name}");
    }
    assert_eq!(known["notification_switch"], json!(false));
    let view = device_view(&server, &cid);
    assert_eq!(view["badge"], json!(7));
    assert_eq!(view["vendor_tokens"], json!(["apns"]));
    assert_eq!(view["app_version"], json!("2.3.0"));

    let settings = json!({"filter_notify_off": true});
    let passed_by = push_to(&party, "/push/all", json!("all"), settings);
    other.pushed();
    let to_all = push_to(&party, "/push/all", json!("all"), json!({}));
    app.pushed();
    other.pushed();
    let way = |task: &str| {
        let path = format!("/task/detail/{cid}/{task}");
        party.call(Method::GET, &path, None)
    };
    assert!(way(&passed_by).is_err(), "it has no message of that task");
    let steps = way(&to_all).expect("a way")["detail"].clone();
    assert!(steps.to_string().contains("Sent"), "{steps}");
    end(server, [app, other]);
}

#[test]
fn given_what_the_user_did_when_reported_should_be_in_reports_and_receipts() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = Server::start_configured(dir.path(), 2, BRIEF);
    let receiver = Receiver::start(200);
    set_callback(&server, &receiver);
    let party = server.third_party();
    let mut app = App::start(&server, 1);
    let mut other = App::start(&server, 2);
    let task = push_to(&party, "/push/all", json!("all"), json!({}));
    let (mine, theirs) = (app.pushed(), other.pushed());
    let own_action = 90_017;
    for (app, message, actions) in [
        (
            &mut app,
            mine,
            &[ACTION_SHOWN, ACTION_CLICKED, own_action][..],
        ),
        (&mut other, theirs, &[ACTION_SHOWN, ACTION_OWN_SHOWN][..]),
    ] {
        let now_ms = app.device.now_ms();
        for action in actions {
            let told = app.device.client().report(now_ms, message, *action);
            told.expect("room");
        }
        for action in actions {
            let verdict = app.until("the verdict", |event| match event {
                Event::Reported {
                    action: told,
                    verdict,
                    ..
                } if told == action => Some(*verdict),
                _ => None,
            });
            assert_eq!(verdict, Ok(FeedbackVerdict::Counted), "{action}");
        }
        let now_ms = app.device.now_ms();
        app.device
            .client()
            .report(now_ms, message, ACTION_SHOWN)
            .expect("room");
        let again = app.until("the verdict", |event| match event {
            Event::Reported { verdict, .. } => Some(*verdict),
            _ => None,
        });
        assert_eq!(again, Ok(FeedbackVerdict::Known));
    }
    let path = format!("/report/push/task/{task}?actionIdList=90017,60001,90001");
    let report = wait_for("both acks", || {
        let report = call(&party, Method::GET, &path, None);
        (report[&task]["total"]["receive_num"] == 2).then_some(report)
    });
    let total = &report[&task]["total"];
    assert_eq!(
        (&total["display_num"], &total["click_num"]),
        (&json!(2), &json!(1)),
        "{report}"
    );
    let actions = json!({"90017": 1, "60001": 1, "90001": 0});
    assert_eq!(report[&task]["actionCntMap"], actions, "{report}");
    let way = call(
        &party,
        Method::GET,
        &format!("/task/detail/{}/{task}", app.cid()),
        None,
    );
    let steps: Vec<&Value> = way["detail"]
        .as_array()
        .expect("steps")
        .iter()
        .map(|step| &step["event"])
        .collect();
    assert_eq!(
        steps,
        ["Accepted", "Stored", "Sent", "Acked", "Shown", "Clicked"]
    );
    let told = wait_for("the receipts", || {
        let events = events(&receiver);
        let actions = events.iter().filter(|event| event["type"] == "action");
        let mut actions: Vec<(String, u64)> = actions
            .map(|event| {
                let cid = event["cid"].as_str().expect("a CID").to_owned();
                (cid, event["action"].as_u64().expect("a number"))
            })
            .collect();
        actions.sort();
        (actions.len() >= 5).then_some(actions)
    });
    let mut expected = vec![
        (app.cid(), u64::from(ACTION_SHOWN)),
        (app.cid(), u64::from(ACTION_CLICKED)),
        (app.cid(), u64::from(own_action)),
        (other.cid(), u64::from(ACTION_SHOWN)),
        (other.cid(), u64::from(ACTION_OWN_SHOWN)),
    ];
    expected.sort();
    assert_eq!(told, expected);
    end(server, [app, other]);
}

fn set_callback(server: &Server, receiver: &Receiver) {
    let url = format!("callback_url={}", receiver.url());
    server.set_app(&[&url, "callback_mode=signed"]);
}

/// What the receiver took, each event once.
fn events(receiver: &Receiver) -> Vec<Value> {
    let mut seen = std::collections::BTreeSet::new();
    let taken = receiver.taken();
    let events = taken.iter().flat_map(|delivery| delivery.events());
    events
        .filter(|event| seen.insert(event["id"].as_str().expect("an id").to_owned()))
        .collect()
}

fn upstream(id: u64, body: &[u8]) -> Upstream {
    Upstream {
        id: UpstreamId(id),
        task_id: "order-7".to_owned(),
        body: bytes::Bytes::copy_from_slice(body),
    }
}

fn status(app: &mut App, id: u64) -> UpstreamStatus {
    app.until("word of a message", |event| match event {
        Event::Upstream { id: of, status } if of.0 == id => Some(*status),
        _ => None,
    })
}

#[test]
fn given_a_message_of_the_app_when_the_third_party_takes_it_should_say_so_over_a_crash() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut server = Server::start_configured(dir.path(), 2, BRIEF);
    let mut app = App::start(&server, 1);
    let now_ms = app.device.now_ms();
    let client = app.device.client();
    client
        .send_upstream(now_ms, upstream(1, b"nobody"))
        .expect("room");
    assert_eq!(status(&mut app, 1), UpstreamStatus::NoReceiver);

    let receiver = Receiver::start(500);
    set_callback(&server, &receiver);
    let long = vec![0xa5; 16_000];
    for (id, body) in [(2, &b"hello \x00\xff"[..]), (3, &long)] {
        let now_ms = app.device.now_ms();
        let client = app.device.client();
        client
            .send_upstream(now_ms, upstream(id, body))
            .expect("room");
        assert_eq!(status(&mut app, id), UpstreamStatus::Stored);
    }
    server.kill_nine();
    server.restart();
    app.until("the login", |event| match event {
        Event::Online { .. } => Some(()),
        _ => None,
    });
    // It asks how they ended by sending them again; nobody took them yet.
    assert_eq!(status(&mut app, 2), UpstreamStatus::Stored);
    receiver.answer(200);
    assert_eq!(status(&mut app, 2), UpstreamStatus::Delivered);
    assert_eq!(status(&mut app, 3), UpstreamStatus::Delivered);
    let told = events(&receiver);
    let shown: Vec<(&str, &str, &str, usize)> = told
        .iter()
        .filter(|event| event["type"] == "upstream")
        .map(|event| {
            let text = |name: &str| event[name].as_str().expect("text");
            (
                text("cid"),
                text("msgid"),
                text("taskid"),
                text("payload").len(),
            )
        })
        .collect();
    let cid = app.cid();
    let line = |id, len| (cid.as_str(), id, "order-7", len);
    let expected = [
        line("0000000000000002", 12),
        line("0000000000000003", 21_336),
    ];
    assert_eq!(shown, expected, "once each, in order");
    assert_eq!(told[0]["payload"], "aGVsbG8gAP8=");
    end(server, [app]);
}

#[test]
fn given_silent_hours_when_they_hold_should_keep_the_device_away_and_its_messages_waiting() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = Server::start(dir.path(), 2, &[]);
    let mut app = App::start(&server, 1);
    // From the hour it is in UTC, for two hours: it is silent now, whatever the time.
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let since = since.expect("after 1970");
    let hour = since.as_secs() / 3600 % 24;
    let now = SilentTime {
        begin_hour: u8::try_from(hour).expect("an hour"),
        hours: 2,
        zone_min: 0,
    };
    let serial = app.device.client().set_silent_time(now);
    app.ok(serial.expect("online"));
    app.until("the end of the session", |event| match event {
        Event::Offline { .. } => Some(()),
        _ => None,
    });
    wait_for("the server to see it offline", || {
        // A turn of the device, in which its last frames leave.
        app.device.next_event(Duration::from_millis(10));
        (device_view(&server, &app.cid())["online"] == json!(false)).then_some(())
    });
    let shown = device_view(&server, &app.cid())["silent_time"].clone();
    assert!(
        shown
            .as_str()
            .is_some_and(|text| text.ends_with("UTC+00:00")),
        "{shown}"
    );
    let (_, word) = push_one(&server, &app, "wait");
    assert_eq!(word, "successed_offline");
    // Another start of the app in these hours does not connect either, until it is woken.
    app.device.close();
    let mut device = device_of(&server, 1, |config| {
        config.identity = Some(app.cid);
        config.silent = Some(now);
        config.unix_offset_ms = i64::try_from(since.as_millis()).ok();
    });
    assert_eq!(device.next_event(Duration::from_millis(300)), None);
    let now_ms = device.now_ms();
    device.client().wake(now_ms);
    let mut app = App {
        device,
        cid: app.cid,
    };
    app.pushed();
    let serial = app
        .device
        .client()
        .set_silent_time(SilentTime { hours: 0, ..now });
    app.ok(serial.expect("online"));
    let view = device_view(&server, &app.cid());
    assert_eq!(
        (&view["online"], view.get("silent_time")),
        (&json!(true), None)
    );
    end(server, [app]);
}

#[test]
fn given_limits_of_the_app_when_a_device_changes_too_much_should_be_told() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = Server::start(dir.path(), 2, &[]);
    server.set_app(&["device_tags_per_day=1", "device_aliases_per_day=1"]);
    let mut app = App::start(&server, 1);
    let client = app.device.client();
    let serials = [
        client.set_tags(&["a"]),
        client.set_tags(&["b"]),
        client.bind_alias("", "alice"),
        client.bind_alias("", "bob"),
    ]
    .map(|serial| serial.expect("online"));
    let mut codes = [None; 4];
    while codes.iter().any(Option::is_none) {
        let (at, code) = app.until("a result", |event| match event {
            Event::CommandResult { serial, code, .. } => {
                let at = serials.iter().position(|asked| asked == serial)?;
                Some((at, *code))
            }
            _ => None,
        });
        codes[at] = Some(code);
    }
    let expected = [
        ResultCode::Ok,
        ResultCode::TagsTooFrequent,
        ResultCode::Ok,
        ResultCode::Filtered,
    ];
    assert_eq!(codes.map(|code| code.expect("all came")), expected);
    end(server, [app]);
}
