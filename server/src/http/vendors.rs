//! What the vendor channel is handed, over a socket with shards that answer by a function.
//!
//! Always: what must not be handed over is followed by a push that must, to the same CID: hand-overs
//! of one CID keep their order, so the second shows that the first was none.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use bytes::Bytes;
use schema::record::{Device, Group, Profile, Sums};
use serde_json::{Value, json};
use server_core::command::{Answer, Command, TargetStatus};
use server_core::group::{ClientDetail, GroupNo, GroupView};
use server_core::ids::ShardNo;

use super::HttpSettings;
use super::fixture::{Site, ThirdParty, with_site};
use crate::vendor::{VendorChannel, VendorMessage};

const LIST: &str = "RASL_1125_0123456789abcdef0123456789abcdef";
/// Both of shard 0, offline; the shard knows a token of the first.
const WITH_TOKEN: &str = "00000000000000000000000000000001";
const WITHOUT: &str = "00000000000000000000000000000002";
/// Of shard 0, online.
const ONLINE: &str = "00000000000000000000000000000003";

/// Sends on what it is handed, in one line each.
struct Recorder(SyncSender<String>);

impl VendorChannel for Recorder {
    fn hand_over(&self, message: &VendorMessage<'_>) {
        let VendorMessage {
            app_id,
            cid,
            token,
            task_id,
            strategy,
            push_channel,
        } = message;
        let token = token.map_or("none".to_owned(), |it| format!("{}={}", it.kind, it.token));
        let kind = &task_id[..4];
        let line = format!("{app_id} {cid} {token} {kind} {strategy} {push_channel}");
        self.0.send(line).expect("the test listens");
    }
}

fn detail(cid: protocol::ClientId) -> ClientDetail {
    let profile = match cid.to_string() == WITH_TOKEN {
        true => Profile {
            badge: 0,
            device_token: "tok".to_owned(),
            token_kind: "hw".to_owned(),
            ..Profile::default()
        },
        false => Profile::default(),
    };
    ClientDetail {
        device: Device {
            app: 7,
            install: [0; 16],
            secret_hash: [0; 32],
            created_ms: 1,
            platform: 1,
            sdk_version: String::new(),
            push_off: false,
            blocked: false,
            notify_off: false,
        },
        profile,
        last_login_ms: 0,
    }
}

fn list(vendor: Option<&str>) -> GroupView {
    GroupView {
        number: GroupNo(1),
        group: Group {
            app: 7,
            task_id: LIST.to_owned(),
            accepted_ms: 1,
            start_ms: 1,
            expires_ms: 2,
            kept: true,
            pieces: 1,
            vendor: vendor.map(str::to_owned),
            ..Group::default()
        },
        sums: Sums::default(),
        body: Bytes::new(),
    }
}

/// Shards whose list has this for vendors, and which have seen the request id `repeated..` before.
fn decide(vendor: Option<&'static str>) -> impl Fn(ShardNo, &Command) -> Answer {
    let word = |cid: &protocol::ClientId| match cid.to_string() == ONLINE {
        true => TargetStatus::Online,
        false => TargetStatus::Offline,
    };
    move |_, command| match command {
        Command::PushSingle { cid, push, .. } => Answer::Pushed {
            task_id: match push.request_id.starts_with("repeated") {
                true => "RASS_older".into(),
                false => push.task_id.clone(),
            },
            targets: vec![(*cid, word(cid))],
        },
        Command::Probe { cids, .. } => {
            let reach = server_core::command::Reach::Offline;
            Answer::Reached(cids.iter().map(|cid| (*cid, reach)).collect())
        }
        Command::PushList {
            task_id, targets, ..
        } => Answer::Pushed {
            task_id: task_id.clone(),
            targets: targets.iter().map(|(cid, _)| (*cid, word(cid))).collect(),
        },
        Command::Groups { .. } => Answer::Groups(vec![list(vendor)]),
        Command::Details { cids, .. } => {
            Answer::Details(cids.iter().map(|cid| (*cid, detail(*cid))).collect())
        }
        other => panic!("{other:?}"),
    }
}

fn recorded() -> (HttpSettings, Receiver<String>) {
    let (sender, receiver) = sync_channel(64);
    let settings = HttpSettings {
        vendor_channel: Some(Arc::new(Recorder(sender))),
        ..HttpSettings::default()
    };
    (settings, receiver)
}

/// The next thing that is handed over.
async fn next(receiver: &Receiver<String>) -> String {
    loop {
        match receiver.try_recv() {
            Ok(line) => return line,
            Err(_) => tokio::task::yield_now().await,
        }
    }
}

async fn push(third_party: &mut ThirdParty, request_id: &str, cid: &str, more: Value) {
    let mut body = json!({"request_id": request_id, "audience": {"cid": [cid]},
        "push_message": {"transmission": "x"}});
    for (name, value) in more.as_object().expect("members") {
        body[name] = value.clone();
    }
    let answer = third_party.call("POST", "/push/single/cid", &body).await;
    assert_eq!(answer.json["code"], 0, "{}", answer.json);
}

#[test]
fn given_single_pushes_when_their_target_is_offline_should_be_handed_over_by_their_strategy() {
    let (settings, receiver) = recorded();
    with_site(settings, decide(None), async |site: Site| {
        let mut third_party = site.third_party().await;
        let channel = json!({"android":{"ups":{}}});
        let with =
            |strategy: Value| json!({"push_channel": channel, "settings": {"strategy": strategy}});
        for (cid, more, expected) in [
            (WITH_TOKEN, with(Value::Null), "hw=tok RASS 1"),
            (WITHOUT, with(json!({"default": 2})), "none RASS 2"),
            (
                WITH_TOKEN,
                with(json!({"default": 3, "hw": 4})),
                "hw=tok RASS 4",
            ),
            (WITHOUT, with(json!({"default": 6, "hw": 3})), "none RASS 6"),
        ] {
            push(&mut third_party, "request-01", cid, more).await;
            assert_eq!(
                next(&receiver).await,
                format!(r#"app {cid} {expected} {{"android":{{"ups":{{}}}}}}"#)
            );
        }
        // Each of these has no business at a vendor's.
        for (request_id, cid, more) in [
            ("request-02", ONLINE, with(Value::Null)),
            (
                "request-03",
                WITHOUT,
                json!({"settings": {"strategy": {"default": 1}}}),
            ),
            ("request-04", WITHOUT, with(json!({"default": 3, "hw": 1}))),
            (
                "request-05",
                WITH_TOKEN,
                with(json!({"default": 1, "hw": 3})),
            ),
            ("repeated-06", WITHOUT, with(Value::Null)),
        ] {
            push(&mut third_party, request_id, cid, more).await;
            push(
                &mut third_party,
                "request-07",
                WITHOUT,
                json!({"push_channel": {"the": "next"}}),
            )
            .await;
            assert_eq!(
                next(&receiver).await,
                format!(r#"app {WITHOUT} none RASS 1 {{"the":"next"}}"#),
                "{request_id}"
            );
        }
    });
}

#[test]
fn given_a_push_to_a_list_when_targets_are_offline_should_be_handed_what_came_with_the_message() {
    let stored = r#"{"strategy":{"default":1,"hw":3},"push_channel":{"ios":{"type":"voip"}}}"#;
    let (settings, receiver) = recorded();
    with_site(settings, decide(Some(stored)), async |site: Site| {
        let mut third_party = site.third_party().await;
        let body = json!({"taskid": LIST, "is_async": true,
            "audience": {"cid": [ONLINE, WITH_TOKEN, WITHOUT]}});
        for _ in 0..2 {
            let answer = third_party.call("POST", "/push/list/cid", &body).await;
            assert_eq!(answer.json["code"], 0, "{}", answer.json);
            // Those with a token of hw are for our own connection only.
            assert_eq!(
                next(&receiver).await,
                format!(r#"app {WITHOUT} none RASL 1 {{"ios":{{"type":"voip"}}}}"#)
            );
        }
    });
}

#[test]
fn given_a_list_without_a_push_channel_when_pushed_should_hand_nothing_over() {
    let (settings, receiver) = recorded();
    let stored = r#"{"strategy":{"default":2}}"#;
    with_site(settings, decide(Some(stored)), async |site: Site| {
        let mut third_party = site.third_party().await;
        let body = json!({"taskid": LIST, "audience": {"cid": [WITHOUT]}});
        let answer = third_party.call("POST", "/push/list/cid", &body).await;
        assert_eq!(answer.json["code"], 0, "{}", answer.json);
        push(
            &mut third_party,
            "request-01",
            WITHOUT,
            json!({"push_channel": {}}),
        )
        .await;
        assert_eq!(
            next(&receiver).await,
            format!("app {WITHOUT} none RASS 1 {{}}")
        );
    });
}

#[test]
fn given_no_vendor_channel_when_pushed_should_ask_shards_nothing_more() {
    with_site(HttpSettings::default(), decide(None), async |site: Site| {
        let mut third_party = site.third_party().await;
        push(
            &mut third_party,
            "request-01",
            WITHOUT,
            json!({"push_channel": {}}),
        )
        .await;
        push(&mut third_party, "request-02", WITHOUT, json!({})).await;
        assert_eq!(site.asked.borrow().len(), 2);
    });
}
