//! The conformance kit against the real server: `ringpost-sim conform` as a stranger runs it.
//!
//! That the kit can fail is shown in `sdk-sim/src/conform/wrong_servers.rs`.

mod harness;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use harness::Server;
use harness::receiver::Receiver;
use serde_json::{Value, json};

/// A short heartbeat, so that its end is waited for less than ten seconds. The wait for a hello is
/// the document's. The third party's server is on this machine.
const SETTINGS: &str = "[heartbeat]\nmin_s = 4\n[webhooks]\nallow_private = true\n";

/// Checks that need an app that demands signs, which the first app does not.
const OF_SIGNS: [&str; 2] = ["of a registration", "of a login"];

fn conform(args: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_ringpost-sim"))
        .arg("conform")
        .args(args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts")
}

fn output(child: Child) -> Output {
    child.wait_with_output().expect("it ends")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("text")
}

/// A bootstrap file without an HTTP API, of a new app that demands a sign.
fn foreign(server: &Server) -> Value {
    let made = server.say(&["app", "create", "foreign"]);
    let appid = made["appid"].as_str().expect("text");
    server.say(&["app", "set", appid, "sign_required=true"]);
    json!({
        "ca_cert": server.bootstrap().ca_cert,
        "app": { "appid": appid, "appsecret": made["appsecret"] },
    })
}

/// The numbers that the document gives out, sorted.
fn numbers_of_the_document() -> Vec<u64> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/protocol.md");
    let document = fs::read_to_string(path).expect("docs/protocol.md");
    let mut numbers: Vec<u64> = document
        .split("**R-")
        .skip(1)
        .map(|rest| rest.split("**").next().expect("a number"))
        .map(|number| number.parse().expect("a number"))
        .collect();
    numbers.sort_unstable();
    numbers
}

#[test]
fn given_our_server_when_checked_should_pass_all_that_has_a_check() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = Server::start_configured(dir.path(), 2, SETTINGS);
    let bootstrap = server.bootstrap_path();
    let receiver = Receiver::start(200);
    let callback = format!("callback_url={}", receiver.url());
    server.set_app(&[&callback]);
    let foreign_path = dir.path().join("foreign.json");
    fs::write(&foreign_path, foreign(&server).to_string()).expect("written");
    let whole = conform(&["--bootstrap", text(&bootstrap), "--json"]);
    let without_pushes = conform(&[
        "--device",
        server.device(),
        "--bootstrap",
        text(&foreign_path),
    ]);

    let whole = output(whole);
    let report: Value =
        serde_json::from_slice(&whole.stdout).unwrap_or_else(|error| panic!("{error}: {whole:?}"));
    let requirements = report["requirements"].as_array().expect("a list");
    let verdicts: BTreeMap<u64, &str> = requirements
        .iter()
        .map(|line| {
            let number = line["number"].as_u64().expect("a number");
            (number, line["verdict"].as_str().expect("a verdict"))
        })
        .collect();
    let numbers: Vec<u64> = verdicts.keys().copied().collect();
    assert_eq!(numbers, numbers_of_the_document());
    assert_eq!(requirements.len(), numbers.len(), "each number once");
    for line in requirements {
        let checks = line["checks"].as_array().into_iter().flatten();
        for check in checks {
            if !OF_SIGNS.contains(&check["name"].as_str().expect("text")) {
                assert_eq!(check["verdict"], "pass", "{line:#}");
            }
        }
    }
    for (number, verdict) in &verdicts {
        assert!(
            ["pass", "no-check"].contains(verdict),
            "R-{number}: {verdict}"
        );
    }
    assert_eq!(whole.status.code(), Some(0), "{whole:?}");

    let without_pushes = output(without_pushes);
    let printed = String::from_utf8(without_pushes.stdout).expect("text");
    for (number, verdict) in &verdicts {
        let name = format!("R-{number} ");
        let line = printed.lines().find(|line| line.starts_with(&name));
        let line = line.unwrap_or_else(|| panic!("{name} in {printed}"));
        let verdict = verdict.replace('-', " ");
        assert!(
            line.contains(&verdict) || line.contains("skipped"),
            "{line}\n{printed}"
        );
    }
    assert!(printed.contains("skipped: needs pushes"), "{printed}");
    assert!(printed.contains("not demanded skipped: "), "{printed}");
    for name in OF_SIGNS {
        assert!(!printed.contains(&format!("{name} skipped")), "{printed}");
    }
    assert!(
        printed.contains("skipped: the app has no server"),
        "{printed}"
    );
    assert!(printed.contains("without a check: R-3, "), "{printed}");
    assert!(printed.contains(" 0 failed"), "{printed}");
    assert_eq!(without_pushes.status.code(), Some(0), "{printed}");
}

#[test]
fn given_nothing_to_check_when_started_should_name_it_and_fail() {
    let dir = tempfile::tempdir().expect("a folder");
    let lost = dir.path().join("lost.json");
    let file = dir.path().join("bootstrap.json");
    fs::write(&file, "{\"app\":{\"appid\":\"a\"}}").expect("written");
    for (args, named) in [
        (&["--bootstrap", text(&lost)][..], "lost.json"),
        (&["--bootstrap", text(&file)], "ca_cert"),
    ] {
        let output = output(conform(args));
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(78), "{stderr}");
        assert!(stderr.contains(named), "{stderr}");
    }

    let mut server = Server::start(dir.path(), 1, &[]);
    let gone = server.bootstrap_path();
    assert!(server.stop().success());
    let output = output(conform(&["--bootstrap", text(&gone)]));
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains(server.device()), "{stderr}");
}
