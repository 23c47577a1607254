//! What the two official server clients of Getui send, byte by byte, against a real server with real
//! devices: every endpoint, and the odd habits of each.
//!
//! The parts: this file (all endpoints with odd bodies), `getui_clients/java_run.rs` and
//! `getui_clients/php_run.rs` (whole runs of a client), `getui_clients/java.rs` and `getui_clients/php.rs`
//! (who writes which bytes), `getui_clients/wire.rs` (what an answer must be). The clients themselves
//! are not here; what they were seen to send is.

mod harness;
#[path = "getui_clients/java.rs"]
mod java;
#[path = "getui_clients/java_run.rs"]
mod java_run;
#[path = "getui_clients/php.rs"]
mod php;
#[path = "getui_clients/php_run.rs"]
mod php_run;
#[path = "getui_clients/wire.rs"]
mod wire;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use harness::Server;
use harness::device::register;
use sdk_sim::bootstrap::BootstrapApp;
use serde_json::Value;
use sha2::{Digest, Sha256};
use wire::Connection;

/// Connections outlive the pauses of a loaded machine.
const PATIENT: &str = "[ingress]\nidle_timeout_s = 600\n";

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("after 1970").as_millis() as u64
}

/// The sign of an authentication.
fn sign(app: &BootstrapApp, timestamp: &str) -> String {
    let text = format!("{}{timestamp}{}", app.appkey, app.mastersecret);
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A day (UTC) that is over.
fn yesterday() -> String {
    let output = Command::new("date")
        .args(["-u", "-d", &format!("@{}", now_ms() / 1000 - 24 * 3600)])
        .arg("+%Y-%m-%d")
        .output();
    let text = output.expect("date").stdout;
    String::from_utf8(text).expect("text").trim().to_owned()
}

/// `VERB path` of each row of the router that third parties may call.
fn rows() -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("server/src/http/route.rs");
    let source = fs::read_to_string(path).expect("the router");
    let lines = source.lines().map(str::trim);
    lines
        .filter(|line| line.starts_with("rest(\"") || line.starts_with("known(\""))
        .map(|line| {
            let mut words = line.split('"').skip(1).step_by(2);
            let (verb, path) = (words.next().expect("a verb"), words.next().expect("a path"));
            format!("{verb} {path}")
        })
        .collect()
}

/// The row to which a call below the app leads.
fn row_of<'a>(rows: &'a BTreeSet<String>, call: &str) -> &'a str {
    let (verb, path) = call.split_once(' ').expect("verb and path");
    let path = path.split('?').next().expect("a path");
    let called: Vec<&str> = path.split('/').filter(|word| !word.is_empty()).collect();
    let leads = |row: &&String| {
        let (of_row, pattern) = row.split_once(" /v2/{}/").unwrap_or(("", ""));
        let words: Vec<&str> = pattern.split('/').collect();
        let same = |(word, called): (&&str, &&str)| *word == "{}" || word == called;
        of_row == verb && words.len() == called.len() && words.iter().zip(&called).all(same)
    };
    // The row with the fewest places for values says most.
    let found = rows
        .iter()
        .filter(leads)
        .min_by_key(|row| row.matches("{}").count());
    found.unwrap_or_else(|| panic!("no row for {call}"))
}

/// The task of an answer of a single push, and the word for each CID.
fn words(data: &Value) -> (String, Value) {
    let tasks = data.as_object().expect("tasks");
    assert_eq!(tasks.len(), 1, "{data}");
    let (task, words) = tasks.iter().next().expect("one");
    (task.clone(), words.clone())
}

fn task(data: &Value) -> String {
    data["taskid"].as_str().expect("a task").to_owned()
}

#[test]
fn given_every_endpoint_when_odd_bodies_paths_and_tokens_come_should_answer_json_below_500() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = Server::start_configured(dir.path(), 1, PATIENT);
    let cid = register(&server.bootstrap(), 1).to_string();
    let appid = server.bootstrap().app.appid;
    let token = server.third_party().token().expect("a token");
    let bodies = [
        "",
        "null",
        "[]",
        "{}",
        "\"\"",
        "{\"request_id\":",
        r#"{"sign":"x","timestamp":1,"appkey":null,"task_name":"t","cid":null,"audience":"all","settings":[]}"#,
        r#"{"request_id":1700000000000,"audience":{"cid":[1],"alias":[2],"tag":[3]},"push_message":{"transmission":4},
            "tag":[[]],"data_list":[[]],"dt_list":[5],"custom_tag":[{}],"badge":{},"msg_list":[{},[],6],"taskid":7}"#,
    ];
    let values = [
        cid.as_str(),
        "%e4%B8%AD%E6%96%87",
        "%ff",
        ",,a+b,",
        "2026-13-45",
        "?alias_type=%",
    ];
    let mut connection = Connection::new(server.http());
    let mut codes = BTreeSet::new();
    let rows = rows();
    for row in rows.iter().filter(|row| !row.starts_with("HEAD")) {
        let (verb, pattern) = row.split_once(' ').expect("verb and path");
        let below = pattern.strip_prefix("/v2/{}").expect("below an app");
        for (number, body) in bodies.iter().enumerate() {
            for value in values {
                let path = format!("/v2/{appid}{}", below.replace("{}", value));
                let path = match number % 3 {
                    0 => path,
                    1 => format!("/{path}"),
                    _ if path.contains('?') => path,
                    _ => format!("{path}/"),
                };
                let mut ask = |token: &str| {
                    let request = format!(
                        "{verb} {path} HTTP/1.1\r\nHost: x\r\nToken: {token}\r\nContent-Length: {}\r\n\r\n{body}",
                        body.len()
                    );
                    connection.exchange(request.as_bytes()).codes()
                };
                codes.insert(ask(&token));
                if number > 0 {
                    continue;
                }
                for wrong in ["", "0123", "\u{e9}"] {
                    let answer = ask(wrong);
                    match below {
                        // Both clients would ask for a token from within asking for one.
                        "/auth" => assert_ne!(answer.1, 10001, "{row}"),
                        "/auth/{}" => {}
                        // No text, or a value that is missing.
                        _ if path.contains("%ff") || path.contains('?') => {}
                        _ => assert_eq!(answer, (401, 10001), "{row} {path}"),
                    }
                }
            }
        }
    }
    let seen: BTreeSet<i64> = codes.iter().map(|(_, code)| *code).collect();
    // Some got through, some were wrong, some are not enabled.
    assert!(
        [0, 1, 20001].iter().all(|code| seen.contains(code)),
        "{codes:?}"
    );
}
