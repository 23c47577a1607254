//! A scripted HTTP server for the tests of the client.
//!
//! Owner: one test. Always: it answers the n-th request by the n-th line of its script, on its own
//! free port, and remembers what it was asked.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;

use serde_json::{Value, json};

use super::{BlockingThirdParty, CallError, Credentials, Push, PushBody, sign};

/// What to do with a request.
enum Line {
    Answer(u16, Value),
    /// Take the request and close without a word.
    HangUp,
}

struct Asked {
    head: String,
    body: String,
    connection: usize,
}

fn start(script: Vec<Line>) -> (String, mpsc::Receiver<Asked>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let (sender, asked) = mpsc::sync_channel(16);
    thread::spawn(move || {
        let mut script = script.into_iter();
        for (connection, stream) in listener.incoming().flatten().enumerate() {
            serve(stream, connection, &mut script, &sender);
        }
    });
    (url, asked)
}

fn serve(
    stream: TcpStream,
    connection: usize,
    script: &mut impl Iterator<Item = Line>,
    sender: &mpsc::SyncSender<Asked>,
) {
    let mut reader = BufReader::new(stream);
    while let Some((head, body)) = read_request(&mut reader) {
        let asked = Asked {
            head,
            body,
            connection,
        };
        if sender.send(asked).is_err() {
            return;
        }
        let Some(Line::Answer(http, answer)) = script.next() else {
            return;
        };
        let answer = answer.to_string();
        let text = format!(
            "HTTP/1.1 {http} X\r\ncontent-length: {}\r\n\r\n{answer}",
            answer.len()
        );
        if reader.get_mut().write_all(text.as_bytes()).is_err() {
            return;
        }
    }
}

fn read_request(reader: &mut BufReader<TcpStream>) -> Option<(String, String)> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let head = head.to_lowercase();
    let len = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |len| len.parse().expect("a number"));
    let mut body = vec![0; len];
    reader.read_exact(&mut body).ok()?;
    Some((head, String::from_utf8(body).expect("JSON is text")))
}

fn client(url: &str) -> BlockingThirdParty {
    let credentials = Credentials {
        app_id: "ID".to_owned(),
        app_key: "KEY".to_owned(),
        master_secret: "SECRET".to_owned(),
    };
    BlockingThirdParty::new(url, credentials).expect("a client")
}

fn token(token: &str) -> Line {
    let data = json!({"expire_time": "1", "token": token});
    Line::Answer(200, json!({"code": 0, "msg": "success", "data": data}))
}

fn accepted() -> Line {
    let data = json!({"TASK": {"cid": "successed_online"}});
    Line::Answer(200, json!({"code": 0, "msg": "success", "data": data}))
}

fn push() -> Push {
    Push::new(PushBody::Transmission("hi".to_owned())).expect("random bytes")
}

#[test]
fn given_a_first_push_when_sent_should_authenticate_once_and_keep_the_connection() {
    let (url, asked) = start(vec![token("one"), accepted(), accepted()]);
    let client = client(&url);
    for _ in 0..2 {
        let accepted = client.push_single_cid("cid", &push()).expect("accepted");
        assert_eq!(accepted.task_id, "TASK");
    }
    let auth = asked.recv().expect("auth");
    assert!(auth.head.starts_with("post /v2/id/auth "), "{}", auth.head);
    let body: Value = serde_json::from_str(&auth.body).expect("JSON");
    let timestamp = body["timestamp"].as_str().expect("a text");
    assert_eq!(body["sign"], sign("KEY", timestamp, "SECRET"));
    for _ in 0..2 {
        let push = asked.recv().expect("a push");
        assert!(push.head.starts_with("post /v2/id/push/single/cid "));
        assert!(push.head.contains("\r\ntoken: one\r\n"), "{}", push.head);
        assert_eq!(push.connection, 0);
    }
}

#[test]
fn given_a_lost_connection_when_pushing_should_repeat_once_with_the_same_request_id() {
    let (url, asked) = start(vec![token("one"), Line::HangUp, accepted()]);
    let push = push();
    client(&url)
        .push_single_alias("uid", &push)
        .expect("accepted");
    asked.recv().expect("auth");
    let first = asked.recv().expect("the first attempt");
    let second = asked.recv().expect("the second attempt");
    assert_ne!(first.connection, second.connection);
    assert_eq!(first.body, second.body);
    assert!(second.body.contains(&push.request_id));
}

#[test]
fn given_two_lost_connections_when_pushing_should_give_up() {
    let (url, _asked) = start(vec![token("one"), Line::HangUp, Line::HangUp]);
    let error = client(&url)
        .push_single_cid("cid", &push())
        .expect_err("fails");
    assert!(matches!(error, CallError::Connection(_)), "{error}");
}

#[test]
fn given_an_old_token_when_refused_should_fetch_a_new_one_once() {
    let old = || Line::Answer(401, json!({"code": 10001, "msg": "token"}));
    let (url, asked) = start(vec![token("one"), old(), token("two"), accepted()]);
    client(&url)
        .push_single_cid("cid", &push())
        .expect("accepted");
    let tokens: Vec<String> = asked
        .try_iter()
        .filter_map(|asked| {
            let line = asked
                .head
                .lines()
                .find(|line| line.starts_with("token: "))?;
            Some(line.to_owned())
        })
        .collect();
    assert_eq!(tokens, ["token: one", "token: two"]);
    let (url, _asked) = start(vec![token("one"), old(), token("two"), old()]);
    let error = client(&url)
        .push_single_cid("cid", &push())
        .expect_err("refused twice");
    assert!(
        matches!(
            error,
            CallError::Refused {
                http: 401,
                code: 10001,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn given_statuses_when_asked_should_map_client_ids_to_words() {
    let data =
        json!({"a": {"status": "online"}, "b": {"status": "offline", "last_login_time": "1"}});
    let answer = Line::Answer(200, json!({"code": 0, "msg": "success", "data": data}));
    let (url, _asked) = start(vec![token("one"), answer]);
    let states = client(&url).status(&["a", "b", "c"]).expect("answers");
    assert_eq!(
        (states["a"].as_str(), states["b"].as_str()),
        ("online", "offline")
    );
    assert_eq!(states.len(), 2);
}

#[test]
fn given_answers_that_are_none_when_read_should_say_so() {
    let (url, _asked) = start(vec![token("one"), Line::Answer(500, json!("oops"))]);
    let error = client(&url)
        .push_single_cid("cid", &push())
        .expect_err("no envelope");
    assert!(
        matches!(error, CallError::BadAnswer { http: 500, .. }),
        "{error}"
    );
    for url in ["https://host:1", "host:1", "http://", "http://host:1/v2"] {
        let credentials = Credentials {
            app_id: String::new(),
            app_key: String::new(),
            master_secret: String::new(),
        };
        let made = BlockingThirdParty::new(url, credentials).map(drop);
        assert!(matches!(made, Err(CallError::BadUrl { .. })), "{url}");
    }
}
