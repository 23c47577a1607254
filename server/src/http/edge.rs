//! The edge over a real socket: what hostile and slow clients get.

use std::time::Duration;

use serde_json::json;
use server_core::command::{Answer, Command};
use server_core::ids::ShardNo;
use tokio::io::AsyncWriteExt;

use super::HttpSettings;
use super::fixture::{Site, with_site};
use crate::limits::HTTP_BODY_LEN_MAX;

const SHORT: Duration = Duration::from_millis(50);
const LONG: Duration = Duration::from_secs(3600);

fn never(_: ShardNo, command: &Command) -> Answer {
    panic!("nobody should ask {command:?}")
}

/// Every limit far away, so that a test meets only the one it sets.
fn patient() -> HttpSettings {
    HttpSettings {
        idle_timeout: LONG,
        head_timeout: LONG,
        body_timeout: LONG,
        write_timeout: LONG,
        ..HttpSettings::default()
    }
}

#[test]
fn given_a_bad_head_after_a_good_request_when_pipelined_should_answer_both_and_close() {
    with_site(patient(), never, async |site: Site| {
        for (bad, msg) in [
            ("GET / HTTP/1.1\r\n\r\n", "host cannot be null"),
            (
                "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
                "host cannot be repeat.",
            ),
            (
                "GET / HTTP/1.1\nHost: a\n\n",
                "head is invalid: line feed without carriage return",
            ),
            (
                "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                "content-length and transfer-encoding cannot setting at same time",
            ),
        ] {
            let mut client = site.connect().await;
            client
                .send(format!("GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n{bad}").as_bytes())
                .await;
            assert_eq!(client.response(true).await.status, 200);
            let refused = client.response(true).await;
            assert_eq!(refused.status, 400);
            assert_eq!(refused.json, json!({"code": 20001, "msg": msg}));
            assert!(
                refused.head.contains("connection: close"),
                "{}",
                refused.head
            );
            client.closed().await;
        }
    });
}

#[test]
fn given_a_head_over_its_limit_when_more_is_sent_should_be_400_and_no_reset() {
    with_site(patient(), never, async |site: Site| {
        let mut client = site.connect().await;
        let filler = "x".repeat(100_000);
        client
            .send(format!("GET / HTTP/1.1\r\nHost: h\r\nX: {filler}").as_bytes())
            .await;
        client.stream.readable().await.expect("answered");
        // A client that is still sending must not lose the answer to a reset.
        client.send(filler.as_bytes()).await;
        let refused = client.response(true).await;
        assert_eq!(
            (refused.status, &refused.json["code"]),
            (400, &json!(20001))
        );
        client.stream.shutdown().await.expect("open");
        client.closed().await;
    });
}

#[test]
fn given_bad_chunks_when_sent_should_answer_once_and_close() {
    with_site(patient(), never, async |site: Site| {
        // The body is wanted by the first, thrown away by the second.
        for line in ["POST /v2/app/auth", "GET /healthz"] {
            let mut client = site.connect().await;
            let head = format!("{line} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
            let smuggled = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
            client
                .send(format!("{head}1\r\nab{smuggled}").as_bytes())
                .await;
            let refused = client.response(true).await;
            assert_eq!(refused.status, 400, "{line}");
            assert_eq!(
                refused.json,
                json!({"code": 20001, "msg": "chunk is invalid"})
            );
            assert!(
                refused.head.contains("connection: close"),
                "{}",
                refused.head
            );
            client.closed().await;
        }
    });
}

#[test]
fn given_chunked_bodies_and_ignored_bodies_when_pipelined_should_keep_the_connection() {
    with_site(patient(), never, async |site: Site| {
        let mut client = site.connect().await;
        client
            .send(
                b"POST /v2/nope/auth HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n\
                  GET /healthz HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nnull\
                  GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n",
            )
            .await;
        assert_eq!(client.response(true).await.json["msg"], "appid is invalid");
        assert_eq!(client.response(true).await.status, 200);
        assert_eq!(client.response(true).await.status, 200);
    });
}

#[test]
fn given_a_body_over_its_limit_when_announced_or_sent_should_be_400() {
    let settings = HttpSettings {
        admin_token: "t".to_owned(),
        ..patient()
    };
    with_site(settings, never, async |site: Site| {
        let head = "POST /admin/v1/apps HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer t\r\n";
        let size = json!({"code": 20001, "msg": "body size over limit"});
        let mut announced = site.connect().await;
        announced
            .send(format!("{head}Content-Length: {}\r\n\r\n", HTTP_BODY_LEN_MAX + 1).as_bytes())
            .await;
        let refused = announced.response(true).await;
        assert_eq!((refused.status, refused.json), (400, size.clone()));
        announced.stream.shutdown().await.expect("open");
        announced.closed().await;
        let mut sent = site.connect().await;
        sent.send(
            format!(
                "{head}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n",
                HTTP_BODY_LEN_MAX + 1
            )
            .as_bytes(),
        )
        .await;
        sent.send(&vec![b'x'; HTTP_BODY_LEN_MAX + 1]).await;
        let refused = sent.response(true).await;
        assert_eq!((refused.status, refused.json), (400, size));
    });
}

#[test]
fn given_a_body_of_an_unknown_coding_when_sent_should_be_refused_and_the_connection_kept() {
    let settings = HttpSettings {
        admin_token: "t".to_owned(),
        ..patient()
    };
    with_site(settings, never, async |site: Site| {
        let mut client = site.connect().await;
        let headers = "Authorization: Bearer t\r\nContent-Encoding: br\r\n";
        let answer = client.call("POST", "/admin/v1/apps", headers, "zzzz").await;
        assert_eq!(
            answer.json,
            json!({"code": 20001, "msg": "content-encoding is invalid"})
        );
        assert_eq!(client.call("GET", "/healthz", "", "").await.status, 200);
    });
}

#[test]
fn given_expect_continue_when_the_body_is_wanted_should_be_asked_for_it() {
    with_site(patient(), never, async |site: Site| {
        let head = "Host: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
        let mut client = site.connect().await;
        client
            .send(format!("POST /v2/app/auth HTTP/1.1\r\n{head}").as_bytes())
            .await;
        assert_eq!(client.response(false).await.status, 100);
        client.send(b"{}").await;
        assert_eq!(
            client.response(true).await.json["msg"],
            "appkey cannot be null"
        );
        client
            .send(format!("POST /v2/app/push/single/cid HTTP/1.1\r\n{head}").as_bytes())
            .await;
        assert_eq!(client.response(true).await.status, 401);
        client.stream.shutdown().await.expect("open");
        client.closed().await;
    });
}

#[test]
fn given_an_idle_connection_when_its_time_is_over_should_be_closed() {
    with_site(
        HttpSettings {
            idle_timeout: SHORT,
            ..patient()
        },
        never,
        async |site: Site| {
            let mut client = site.connect().await;
            assert_eq!(client.call("GET", "/healthz", "", "").await.status, 200);
            client.closed().await;
        },
    );
}

#[test]
fn given_a_slow_head_when_its_time_is_over_should_be_cut() {
    with_site(
        HttpSettings {
            head_timeout: SHORT,
            ..patient()
        },
        never,
        async |site: Site| {
            let mut client = site.connect().await;
            client.send(b"GET /healthz HT").await;
            client.closed().await;
        },
    );
}

#[test]
fn given_a_slow_body_when_its_time_is_over_should_be_cut() {
    with_site(
        HttpSettings {
            body_timeout: SHORT,
            ..patient()
        },
        never,
        async |site: Site| {
            let mut client = site.connect().await;
            client
                .send(b"POST /v2/app/auth HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n{")
                .await;
            assert_eq!(client.response(true).await.json["msg"], "body is invalid");
            client.stream.shutdown().await.expect("open");
            client.closed().await;
        },
    );
}

#[test]
fn given_a_client_that_never_reads_when_its_time_is_over_should_be_cut() {
    with_site(
        HttpSettings {
            write_timeout: SHORT,
            ..patient()
        },
        never,
        async |site: Site| {
            let mut client = site.connect().await;
            let requests = b"GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n".repeat(1000);
            // Answers fill the buffers of both sides, then nothing moves until the server gives up.
            while client.stream.write_all(&requests).await.is_ok() {}
        },
    );
}
