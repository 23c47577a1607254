//! What an operator sees: stages, apps, and the end of the process.

use std::cell::OnceCell;
use std::rc::Rc;

use bytes::Bytes;
use schema::record::Receipt;
use serde_json::json;
use server_core::command::{Answer, Command};
use server_core::ids::ShardNo;
use server_core::report::{QueuedReceipt, ReceiptPage};

use super::HttpSettings;
use super::fixture::{Site, with_site};
use crate::lifecycle::Stage;

fn never(_: ShardNo, command: &Command) -> Answer {
    panic!("nobody should ask {command:?}")
}

#[test]
fn given_the_stages_when_asked_should_be_ready_in_one_and_refuse_work_before() {
    with_site(HttpSettings::default(), never, async |site: Site| {
        let mut client = site.connect().await;
        assert_eq!(client.call("GET", "/readyz", "", "").await.status, 200);
        site.lifecycle.enter(Stage::Starting);
        assert_eq!(client.call("GET", "/readyz", "", "").await.status, 503);
        assert_eq!(client.call("GET", "/healthz", "", "").await.status, 200);
        let answer = client.call("POST", "/v2/app/auth", "", "{}").await;
        assert_eq!((answer.status, &answer.json["code"]), (200, &json!(2)));
        site.lifecycle.enter(Stage::Draining);
        let answer = client.call("GET", "/readyz", "", "").await;
        assert_eq!(answer.status, 503);
        assert!(answer.head.contains("connection: close"), "{}", answer.head);
        client.closed().await;
    });
}

#[test]
fn given_an_app_that_another_request_deleted_when_changed_should_answer_404() {
    let decide = |_, command: &Command| {
        let is_change = matches!(command, Command::ChangeApp(_));
        assert!(is_change, "{command:?}");
        Answer::TargetInvalid
    };
    let settings = HttpSettings {
        admin_token: "t0ken".to_owned(),
        ..HttpSettings::default()
    };
    with_site(settings, decide, async |site: Site| {
        let mut client = site.connect().await;
        let path = "/admin/v1/apps/app";
        for change in ["disable", "enable", "rotate"] {
            let bearer = "Authorization: Bearer t0ken\r\n";
            let path = format!("{path}/{change}");
            let answer = client.call("POST", &path, bearer, "").await;
            assert_eq!(answer.status, 404, "{path}");
        }
        assert_eq!(site.asked.borrow().len(), 3, "each was asked");
    });
}

#[test]
fn given_the_admin_token_when_apps_are_made_should_show_secrets_once() {
    let decide = |_, command: &Command| {
        let Command::CreateApp(app) = command else {
            panic!("{command:?}")
        };
        let mut app = app.clone();
        app.number = 8;
        Answer::AppCreated(app)
    };
    let settings = HttpSettings {
        admin_token: "t0ken".to_owned(),
        ..HttpSettings::default()
    };
    with_site(settings, decide, async |site: Site| {
        let mut client = site.connect().await;
        let bearer = "Authorization: Bearer t0ken\r\n";
        let path = "/admin/v1/apps";
        assert_eq!(client.call("GET", path, "", "").await.status, 401);
        let made = client
            .call("POST", path, bearer, r#"{"name":"shop"}"#)
            .await;
        assert_eq!(made.status, 201);
        for name in ["appid", "appkey", "appsecret", "mastersecret"] {
            assert_eq!(
                made.json["data"][name].as_str().map(str::len),
                Some(24),
                "{name}"
            );
        }
        assert_eq!(made.json["data"]["name"], "shop");
        let listed = client.call("GET", path, bearer, "").await;
        assert_eq!(listed.json["data"][0]["appid"], "app");
        assert!(
            !listed.json.to_string().contains("master"),
            "{}",
            listed.json
        );
        let shown = client.call("GET", "/admin/v1/apps/app", bearer, "").await;
        assert_eq!(
            shown.json["data"],
            json!({
                "appid": "app", "appkey": "key", "name": "demo", "created_ms": 1, "disabled": false,
                "sign_required": false, "registration": "open", "devices_may_bind": null,
                "callback_url": null, "callback_mode": null, "callback_secret_set": false,
                "http_allow": [], "http_deny": [], "device_allow": [], "device_deny": [],
                "auth_per_minute": 0, "auth_per_day": 0, "single_per_minute": 0, "single_per_day": 0,
                "list_per_minute": 0, "list_per_day": 0, "app_per_minute": 0, "app_per_day": 0,
                "tags_per_minute": 0, "tags_per_day": 0,
                "offline_len_max": 0, "offline_bytes_max": 0,
                "device_tags_per_day": 0, "device_aliases_per_day": 0, "device_alias_pause_s": 0,
            })
        );
        assert_eq!(
            client
                .call("GET", "/admin/v1/apps/none", bearer, "")
                .await
                .status,
            404
        );
        assert_eq!(
            client
                .call("GET", "/admin/v1/none", bearer, "")
                .await
                .status,
            404
        );
        assert_eq!(
            client.call("POST", path, bearer, "{}").await.json["msg"],
            "name cannot be null"
        );
    });
}

#[test]
fn given_receipts_when_listed_and_replayed_should_ask_for_the_page_that_was_named() {
    let decide = |_, command: &Command| match command {
        Command::Receipts { app, after, dead } => {
            assert_eq!(app.0, 7);
            let receipt = Receipt {
                cid: [1; 16],
                task_id: format!("after {after}, dead {dead}"),
                message: 3,
                fate: 2,
                action: 0,
                at_ms: 4,
                upstream: 0,
                pieces: 0,
            };
            Answer::Receipts(ReceiptPage {
                receipts: vec![QueuedReceipt {
                    order: 17,
                    receipt,
                    body: Bytes::new(),
                }],
                more: false,
            })
        }
        Command::ReplayReceipts { app } => Answer::Count(u64::from(app.0)),
        other => panic!("{other:?}"),
    };
    let settings = HttpSettings {
        admin_token: "t0ken".to_owned(),
        ..HttpSettings::default()
    };
    with_site(settings, decide, async |site: Site| {
        let mut client = site.connect().await;
        let bearer = "Authorization: Bearer t0ken\r\n";
        let path = "/admin/v1/apps/app/receipts";
        assert_eq!(client.call("GET", path, "", "").await.status, 401);
        for (query, task) in [
            ("", "after 0, dead false"),
            ("?dead=true", "after 0, dead true"),
            (
                "?after=00000000000000ff&dead=false",
                "after 255, dead false",
            ),
        ] {
            let path = format!("{path}{query}");
            let listed = client.call("GET", &path, bearer, "").await;
            let expected = json!({ "more": false, "receipts": [{
                "id": "0000000000000011", "type": "expired", "cid": "01".repeat(16),
                "taskid": task, "msgid": "0000000000000003", "action": 0, "at_ms": 4,
            }] });
            assert_eq!(listed.json["data"], expected, "{query}");
        }
        for (query, msg) in [
            ("?dead=yes", "dead is invalid"),
            ("?after=17", "after is invalid"),
        ] {
            let path = format!("{path}{query}");
            let refused = client.call("GET", &path, bearer, "").await;
            assert_eq!((refused.status, &refused.json["msg"]), (400, &json!(msg)));
        }
        let path = format!("{path}/replay");
        assert_eq!(client.call("POST", &path, "", "").await.status, 401);
        let replayed = client.call("POST", &path, bearer, "").await;
        assert_eq!(replayed.json["data"], json!({ "replayed": 7 }));
    });
}

#[test]
fn given_a_request_in_flight_when_stopped_should_be_answered_before_the_end() {
    let stop = Rc::new(OnceCell::<Box<dyn Fn()>>::new());
    let stopper = Rc::clone(&stop);
    let decide = move |_, _: &Command| {
        stopper.get().expect("set")();
        Answer::Statuses(Vec::new())
    };
    with_site(HttpSettings::default(), decide, async |site: Site| {
        let (mut client, token) = site.log_in().await;
        let idle = site.connect().await;
        let site = Rc::new(site);
        let weak = Rc::downgrade(&site);
        let set = stop.set(Box::new(move || weak.upgrade().expect("open").stop()));
        assert!(set.is_ok());
        let path = format!("/v2/app/user/status/{}", "0".repeat(32));
        let answer = client
            .call("GET", &path, &format!("token: {token}\r\n"), "")
            .await;
        assert_eq!(answer.json["code"], 0);
        client.closed().await;
        idle.closed().await;
        Rc::into_inner(site).expect("the only one").stopped().await;
    });
}
