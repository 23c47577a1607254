//! Who is let in and how often, and bodies that come and go packed, over a real socket.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use server_core::command::{Answer, Command, TargetStatus};
use server_core::ids::ShardNo;
use tokio::io::AsyncReadExt;

use super::HttpSettings;
use super::fixture::{Client, Response, Site, with_site};
use crate::addresses::AddressList;
use crate::limits::{HTTP_AUTH_BODY_LEN_MAX, HTTP_BODY_LEN_MAX};

const CID: &str = "00000000000000000000000000000001";
const BEARER: &str = "Authorization: Bearer t0ken\r\n";
const APP: &str = "/admin/v1/apps/app";

fn settings() -> HttpSettings {
    HttpSettings {
        admin_token: "t0ken".to_owned(),
        trusted_proxies: vec!["127.0.0.1".parse().expect("an address")],
        ..HttpSettings::default()
    }
}

fn decide(_: ShardNo, command: &Command) -> Answer {
    match command {
        Command::ChangeApp(_) => Answer::Done,
        Command::PushSingle { cid, push, .. } => Answer::Pushed {
            task_id: push.task_id.clone(),
            targets: vec![(*cid, TargetStatus::Online)],
        },
        Command::Status { .. } => Answer::Statuses(Vec::new()),
        other => panic!("nobody should ask {other:?}"),
    }
}

async fn set(client: &mut Client, settings: &Value) -> Response {
    client
        .call("PATCH", APP, BEARER, &settings.to_string())
        .await
}

fn a_push(text: &str) -> String {
    json!({
        "request_id": "1234567890",
        "audience": {"cid": [CID]},
        "push_message": {"transmission": text},
    })
    .to_string()
}

fn outcome(answer: &Response) -> (u16, i64) {
    (answer.status, answer.json["code"].as_i64().unwrap_or(-1))
}

#[test]
fn given_the_settings_of_an_app_when_changed_should_be_shown_and_asked_of_shard_zero() {
    with_site(settings(), decide, async |site: Site| {
        let mut client = site.connect().await;
        let answer = set(
            &mut client,
            &json!({"registration": "closed", "app_per_day": 20}),
        )
        .await;
        assert_eq!(outcome(&answer), (200, 0));
        assert_eq!(answer.json["data"]["registration"], "closed");
        {
            let asked = site.asked.borrow();
            let [(ShardNo(0), Command::ChangeApp(app))] = asked.as_slice() else {
                panic!("{asked:?}")
            };
            assert_eq!(app.settings.quotas.app.per_day, 20);
        }
        let shown = client.call("GET", APP, BEARER, "").await;
        assert_eq!(shown.json["data"], answer.json["data"]);
        let answer = set(&mut client, &json!({"registration": null, "colour": "red"})).await;
        assert_eq!(outcome(&answer), (400, 20001));
        assert_eq!(answer.json["msg"], "colour is invalid: no such setting");
        let shown = client.call("GET", APP, BEARER, "").await;
        assert_eq!(
            shown.json["data"]["registration"], "closed",
            "all or nothing"
        );
        let answer = client.call("PATCH", APP, "", "{}").await;
        assert_eq!(outcome(&answer), (401, 10001));
    });
}

#[test]
fn given_networks_that_may_call_when_others_do_should_be_refused_everywhere_but_at_the_health_checks()
 {
    let settings = HttpSettings {
        list: AddressList {
            allow: vec!["203.0.113.0/24".parse().expect("a network")],
            deny: vec!["203.0.113.9".parse().expect("an address")],
        },
        ..settings()
    };
    with_site(settings, decide, async |site: Site| {
        let mut client = site.connect().await;
        let outside = "X-Forwarded-For: 203.0.113.1, 198.51.100.1\r\n";
        for from in [outside, "X-Forwarded-For: 203.0.113.9\r\n", ""] {
            for (verb, path) in [
                ("POST", "/v2/app/auth"),
                ("GET", "/v2/app/user/status/x"),
                ("DELETE", "/v2/app/auth/x"),
                ("GET", "/admin/v1/apps"),
                ("GET", "/metrics"),
                ("GET", "/none"),
                ("GET", "/v2/app/auth"),
            ] {
                let answer = client.call(verb, path, from, "").await;
                assert_eq!(outcome(&answer), (401, 10002), "{verb} {path} {from}");
                assert_eq!(answer.json["msg"], "ip is not allowed");
            }
            for path in ["/healthz", "/readyz"] {
                assert_eq!(client.call("GET", path, from, "").await.status, 200);
            }
        }
        let inside = format!("X-Forwarded-For: 198.51.100.1, 203.0.113.1\r\n{BEARER}");
        let answer = client.call("GET", "/admin/v1/apps", &inside, "").await;
        assert_eq!(outcome(&answer), (200, 0));
    });
}

#[test]
fn given_the_networks_of_one_app_when_others_call_should_be_refused_for_that_app_only() {
    with_site(settings(), decide, async |site: Site| {
        let (mut client, token) = site.log_in().await;
        let lists = json!({"http_allow": ["198.51.100.0/24", "203.0.113.0/24"],
            "http_deny": ["203.0.113.9"]});
        assert_eq!(outcome(&set(&mut client, &lists).await), (200, 0));
        let path = format!("/v2/app/user/status/{CID}");
        for (caller, expected) in [
            ("198.51.100.1", (200, 0)),
            ("203.0.113.1", (200, 0)),
            ("203.0.113.9", (401, 10002)),
            ("192.0.2.1", (401, 10002)),
        ] {
            let from = format!("token: {token}\r\nX-Forwarded-For: {caller}\r\n");
            let answer = client.call("GET", &path, &from, "").await;
            assert_eq!(outcome(&answer), expected, "{caller}");
        }
        let from = "X-Forwarded-For: 192.0.2.1\r\n";
        for (verb, path) in [
            ("POST", "/v2/app/auth".to_owned()),
            ("DELETE", format!("/v2/app/auth/{token}")),
        ] {
            let answer = client.call(verb, &path, from, "{}").await;
            assert_eq!(outcome(&answer), (401, 10002), "{verb} {path}");
        }
        assert_eq!(
            outcome(&set(&mut client, &json!({"http_allow": null})).await),
            (200, 0)
        );
        let answer = client
            .call("GET", &path, &format!("token: {token}\r\n{from}"), "")
            .await;
        assert_eq!(outcome(&answer), (200, 0), "the token lives");
    });
}

#[test]
fn given_the_quotas_of_an_app_when_used_up_should_refuse_with_the_code_of_their_kind() {
    with_site(settings(), decide, async |site: Site| {
        let (mut client, token) = site.log_in().await;
        // The minute may end between two calls; a day does so only at midnight.
        let quotas = json!({"single_per_day": 2, "auth_per_day": 1});
        assert_eq!(outcome(&set(&mut client, &quotas).await), (200, 0));
        let token = format!("token: {token}\r\n");
        let path = "/v2/app/push/single/cid";
        for expected in [(200, 0), (200, 0), (403, 30009), (403, 30009)] {
            let answer = client.call("POST", path, &token, &a_push("x")).await;
            assert_eq!(outcome(&answer), expected);
        }
        assert_eq!(site.asked.borrow().len(), 3, "a setting and two pushes");
        let path = format!("/v2/app/user/status/{CID}");
        let answer = client.call("GET", &path, &token, "").await;
        assert_eq!(outcome(&answer), (200, 0), "another kind");
        // Without the secret nobody uses up what its third party has.
        for _ in 0..3 {
            let answer = client.call("POST", "/v2/app/auth", "", "{}").await;
            assert_eq!(outcome(&answer), (400, 20001));
        }
        site.log_in().await;
        let now = crate::wall_clock::now_ms().to_string();
        let sign = crate::secret::hex(&crate::secret::sha256(&["key", &now, "master"]));
        let body = json!({"sign": sign, "timestamp": now, "appkey": "key"}).to_string();
        let answer = client.call("POST", "/v2/app/auth", "", &body).await;
        assert_eq!(outcome(&answer), (401, 10003));
        assert_eq!(answer.json["msg"], "auth calls per day exceeded, at most 1");
    });
}

#[test]
fn given_a_quota_of_lists_when_asked_what_is_left_should_count_down_and_leave_the_others_open() {
    with_site(settings(), decide, async |site: Site| {
        let (mut client, token) = site.log_in().await;
        let quotas = json!({"list_per_day": 3});
        assert_eq!(outcome(&set(&mut client, &quotas).await), (200, 0));
        let token = format!("token: {token}\r\n");
        let open = json!({"total_num": i32::MAX, "remain_num": i32::MAX, "limit": false});
        for remain in [3, 2] {
            let answer = client
                .call("GET", "/v2/app/report/push/count", &token, "")
                .await;
            let list = json!({"total_num": 3, "remain_num": remain, "limit": true});
            assert_eq!(
                answer.json["data"],
                json!({"gt": {"app": open, "app_with_tag": open, "list": list}})
            );
            // Whatever it comes to: a call was made.
            client
                .call("POST", "/v2/app/push/list/cid", &token, "{}")
                .await;
        }
    });
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut into = GzEncoder::new(Vec::new(), Compression::best());
    into.write_all(bytes).expect("packed");
    into.finish().expect("packed")
}

async fn send_packed(client: &mut Client, path: &str, headers: &str, body: &[u8]) -> Response {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: h\r\nContent-Encoding: gzip\r\n{headers}Content-Length: {}\r\n\r\n",
        body.len()
    );
    client.send(&[head.as_bytes(), body].concat()).await;
    client.response(true).await
}

#[test]
fn given_packed_requests_when_sent_should_be_read_up_to_the_limit_of_their_endpoint() {
    with_site(settings(), decide, async |site: Site| {
        let (mut client, token) = site.log_in().await;
        let token = format!("token: {token}\r\n");
        let path = "/v2/app/push/single/cid";
        let text = "字".repeat(3000);
        let good = packed(a_push(&text).as_bytes());
        let answer = send_packed(&mut client, path, &token, &good).await;
        assert_eq!(outcome(&answer), (200, 0));
        {
            let asked = site.asked.borrow();
            let [(_, Command::PushSingle { push, .. })] = asked.as_slice() else {
                panic!("{asked:?}")
            };
            assert!(push.body.len() > 9000);
        }
        let bomb = packed(&vec![b' '; 2 * HTTP_BODY_LEN_MAX]);
        let answer = send_packed(&mut client, path, &token, &bomb).await;
        assert_eq!(answer.json["msg"], "body size over limit");
        let small = packed(&vec![b' '; HTTP_AUTH_BODY_LEN_MAX + 1]);
        let answer = send_packed(&mut client, "/v2/app/auth", "", &small).await;
        assert_eq!(answer.json["msg"], "body size over limit");
        let answer = send_packed(&mut client, path, &token, b"{}").await;
        assert_eq!(answer.json["msg"], "body is invalid");
        let answer = client
            .call(
                "POST",
                path,
                &format!("{token}Content-Encoding: br\r\n"),
                "{}",
            )
            .await;
        assert_eq!(answer.json["msg"], "content-encoding is invalid");
        // The connection is as good as new after each of them.
        let answer = send_packed(&mut client, path, &token, &good).await;
        assert_eq!(outcome(&answer), (200, 0));
    });
}

#[test]
fn given_clients_that_take_gzip_when_answered_should_get_long_answers_packed() {
    with_site(settings(), decide, async |site: Site| {
        let mut client = site.connect().await;
        let plain = client.call("GET", "/metrics", "", "").await;
        assert!(!plain.head.contains("content-encoding"), "{}", plain.head);
        let short = client
            .call("GET", "/healthz", "Accept-Encoding: gzip,deflate\r\n", "")
            .await;
        assert!(!short.head.contains("content-encoding"), "{}", short.head);
        let request = "GET /metrics HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\
            Accept-Encoding: gzip,deflate\r\n\r\n";
        client.send(request.as_bytes()).await;
        let mut bytes = Vec::new();
        client
            .stream
            .read_to_end(&mut bytes)
            .await
            .expect("an answer");
        let at = bytes
            .windows(4)
            .position(|end| end == b"\r\n\r\n")
            .expect("a head")
            + 4;
        let head = String::from_utf8_lossy(&bytes[..at]).to_ascii_lowercase();
        assert!(head.contains("content-encoding: gzip\r\n"), "{head}");
        assert!(head.contains("vary: accept-encoding\r\n"), "{head}");
        let mut text = String::new();
        GzDecoder::new(&bytes[at..])
            .read_to_string(&mut text)
            .expect("gzip");
        assert!(text.contains("ringpost_http_answers_total{"), "{text}");
    });
}
