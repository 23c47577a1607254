//! `ringpost-sim load` against a real server: every scenario in small, and what it refuses.
//!
//! Always: counts and names are asserted, times never.

mod harness;

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use harness::{Server, wait_for};
use serde_json::Value;

fn load(server: &Server, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringpost-sim"));
    command
        .args(["load", args[0], "--bootstrap"])
        .arg(server.bootstrap_path())
        .args(&args[1..]);
    command
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Runs a scenario to its end; returns what `--out` holds.
fn report(server: &Server, dir: &Path, args: &[&str]) -> Value {
    let out = dir.join(format!("{}.json", args[0]));
    let output = load(server, args)
        .arg("--out")
        .arg(&out)
        .output()
        .expect("runs");
    assert!(output.status.success(), "{args:?}: {}", stderr(&output));
    let table = String::from_utf8(output.stdout).expect("text");
    assert!(table.contains(args[0]), "{table}");
    let report: Value = serde_json::from_slice(&fs::read(out).expect("written")).expect("JSON");
    assert_eq!(report["scenario"], args[0]);
    assert_eq!(report["version"], 2);
    assert_eq!(report["server"]["pid"], server.pid());
    for number in [
        "/server/cpu_s",
        "/server/rss_after_bytes",
        "/generator/cpu_s",
        "/machine/cores",
    ] {
        let value = report.pointer(number).and_then(Value::as_f64);
        assert!(value.is_some_and(|value| value > 0.0), "{number}: {report}");
    }
    assert!(report["generator_bound"].is_boolean());
    assert_documented(&report);
    report
}

/// Every name of the report stands in `docs/load.md`.
fn assert_documented(report: &Value) {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/load.md");
    let page = fs::read_to_string(page).expect("docs/load.md");
    let mut names = Vec::new();
    leaves("", report, &mut names);
    assert!(names.len() > 10);
    for name in names {
        assert!(
            page.contains(&format!("`{name}`")),
            "{name} is not in docs/load.md"
        );
    }
}

fn leaves(path: &str, value: &Value, names: &mut Vec<String>) {
    match value {
        // Percentiles are described once for all; the codes of refusals are the server's.
        Value::Object(members) if !members.contains_key("p50_us") && path != "pushes.refused" => {
            for (name, value) in members {
                let path = if path.is_empty() {
                    name.clone()
                } else {
                    format!("{path}.{name}")
                };
                leaves(&path, value, names);
            }
        }
        _ => names.push(path.to_owned()),
    }
}

/// All `count` pushes of `size` bytes were accepted, received and acked once.
fn assert_whole(report: &Value, count: u64, size: u64) {
    assert_received(report, count, size);
    assert_eq!(report["latency"]["http_answer"]["count"], count);
    assert_eq!(report["latency"]["send_lag"]["count"], count);
}

/// The same, whatever number of requests they came by.
fn assert_received(report: &Value, count: u64, size: u64) {
    let pushes = &report["pushes"];
    for name in ["offered", "accepted", "received", "acked"] {
        assert_eq!(pushes[name], count, "{name}: {pushes}");
    }
    for name in ["failed", "lost", "doubled", "foreign"] {
        assert_eq!(pushes[name], 0, "{name}: {pushes}");
    }
    assert_eq!(pushes["refused"], Value::Object(serde_json::Map::new()));
    let bytes = |name: &str| report["bytes"][name].as_u64();
    assert_eq!(bytes("payload"), Some(count * size));
    assert_eq!(bytes("payload_expected"), Some(count * size));
    assert!(bytes("above_tls") > bytes("payload"), "{report}");
}

fn assert_bytes_below_tls(report: &Value) {
    let bytes = |name: &str| report["bytes"][name].as_u64();
    assert!(bytes("below_tls") > bytes("above_tls"), "{report}");
}

#[test]
fn given_a_ramp_when_idle_should_spread_the_logins_over_it() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = Server::start(dir.path(), 1, &[]);
    let words = "idle --devices 9 --duration 1 --ramp 1";
    let words: Vec<&str> = words.split(' ').collect();
    let idle = report(&server, dir.path(), &words);
    assert_eq!(idle["settings"]["ramp_s"], 1);
    assert_eq!(idle["logins"]["count"], 9);
    // The last begins after eight ninths of it: a bound from above, however slow the machine is.
    let per_s = idle["logins"]["per_s"].as_f64().expect("a number");
    assert!(per_s < 9.0 / (8.0 / 9.0), "{per_s}");
}

#[test]
fn given_devices_when_idle_or_returning_should_count_every_login() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = Server::start(dir.path(), 2, &[]);
    let idle = report(
        &server,
        dir.path(),
        &["idle", "--devices", "9", "--duration", "1"],
    );
    assert_eq!(idle["logins"]["count"], 9);
    for name in [
        "server_bytes",
        "kernel_bytes_estimate",
        "all_bytes_estimate",
    ] {
        assert!(idle["per_device"][name].is_number(), "{name}: {idle}");
    }
    let mut received = Vec::new();
    for scenario in ["storm", "resume"] {
        let report = report(&server, dir.path(), &[scenario, "--devices", "300"]);
        assert_eq!(report["logins"]["count"], 300);
        assert_eq!(report["logins"]["attempts_refused"], 0);
        assert_eq!(report["latency"]["login"]["count"], 300);
        assert!(report["per_login"]["server_cpu_us"].is_number());
        received.push(report["bytes"]["below_tls"].as_u64().expect("counted"));
        assert!(!report["notes"].to_string().contains("not resumed"));
    }
    // A resumed handshake has neither certificate nor signature.
    assert!(received[0] > received[1] + 300 * 200, "{received:?}");
    // Registered once each, and all logged out at the end.
    wait_for("the server's own count", || {
        (server.metric("ringpost_registrations_total") == 609).then_some(())
    });
    wait_for("the devices to be gone", || {
        (server.metric("ringpost_sessions") == 0).then_some(())
    });
}

#[test]
fn given_pushes_when_sent_should_count_each_on_both_sides() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = Server::start(dir.path(), 2, &[]);
    let unicast = report(
        &server,
        dir.path(),
        &[
            "unicast",
            "--devices",
            "7",
            "--rate",
            "60",
            "--duration",
            "2",
            "--size",
            "300",
            "--connections",
            "4",
        ],
    );
    assert_whole(&unicast, 120, 300);
    assert_bytes_below_tls(&unicast);
    assert_eq!(unicast["latency"]["receipt"]["count"], 120);
    assert_eq!(unicast["settings"]["rate_per_s"], 60);
    let batches = [
        "unicast",
        "--devices",
        "7",
        "--rate",
        "200",
        "--duration",
        "1",
        "--batch",
        "60",
    ];
    let batches = report(&server, dir.path(), &batches);
    assert_whole(&batches, 200, 128);
    assert_eq!(batches["settings"]["batch"], 60);
    wait_for("the server's own count", || {
        (server.metric("ringpost_messages_acked_total") == 320).then_some(())
    });
}

#[test]
fn given_pushes_to_the_whole_app_when_sent_should_count_each_device_once() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = Server::start(dir.path(), 2, &[]);
    let args = ["fanout", "--devices", "40", "--broadcasts", "3"];
    let fanout = report(&server, dir.path(), &args);
    assert_received(&fanout, 120, 128);
    assert_bytes_below_tls(&fanout);
    assert_eq!(fanout["latency"]["receipt"]["count"], 120);
    assert_eq!(fanout["latency"]["http_answer"]["count"], 3);
    assert_eq!(fanout["settings"]["broadcasts"], 3);
    wait_for("the server's own count", || {
        (server.metric("ringpost_messages_acked_total") == 120).then_some(())
    });
}

#[test]
fn given_devices_away_when_they_return_should_count_what_was_stored_for_them() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = Server::start(dir.path(), 2, &[]);
    let offline = report(
        &server,
        dir.path(),
        &["offline", "--devices", "6", "--messages", "25"],
    );
    assert_whole(&offline, 150, 128);
    assert_bytes_below_tls(&offline);
    assert_eq!(offline["logins"]["count"], 6);
    assert!(offline["per_stored_message"]["server_cpu_us"].is_number());
    let mixed = report(
        &server,
        dir.path(),
        &[
            "mixed",
            "--devices",
            "20",
            "--rate",
            "100",
            "--duration",
            "2",
        ],
    );
    assert_whole(&mixed, 200, 128);
    assert!(mixed["bytes"].get("below_tls").is_none());
    // Two of the twenty travel, so two of twenty pushes are theirs.
    assert_eq!(mixed["latency"]["receipt"]["count"], 180);
    assert_eq!(mixed["latency"]["receipt_travellers"]["count"], 20);
    assert!(mixed["logins"]["count"].as_u64() >= Some(4), "{mixed}");
}

#[test]
fn given_more_than_it_can_hold_when_started_should_say_how_much_fits_and_connect_nothing() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = Server::start(dir.path(), 1, &[]);
    let limited = Command::new("sh")
        .args([
            "-c",
            "ulimit -n 200; exec \"$@\"",
            "sh",
            env!("CARGO_BIN_EXE_ringpost-sim"),
            "load",
            "idle",
            "--devices",
            "500",
            "--connections",
            "6",
            "--bootstrap",
        ])
        .arg(server.bootstrap_path())
        .output()
        .expect("runs");
    assert_eq!(limited.status.code(), Some(78));
    // 64 handles are reserved for itself, 6 for HTTP.
    assert!(
        stderr(&limited).contains("room for 130 devices"),
        "{}",
        stderr(&limited)
    );
    let much = ["unicast", "--rate", "200000", "--duration", "86400"];
    let much = load(&server, &much).output().expect("runs");
    assert_eq!(much.status.code(), Some(78));
    assert!(stderr(&much).contains("20000000"), "{}", stderr(&much));
    let nowhere = ["idle", "--out", "/no/such/folder/out.json"];
    let nowhere = load(&server, &nowhere).output().expect("runs");
    assert_eq!(nowhere.status.code(), Some(78));
    assert!(stderr(&nowhere).contains("/no/such/folder"));
    assert_eq!(server.metric("ringpost_connections_opened_total"), 0);
}

#[test]
fn given_a_server_elsewhere_when_measured_should_leave_its_cost_out_and_say_why() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = Server::start(dir.path(), 1, &[]);
    let mut bootstrap: Value =
        serde_json::from_slice(&fs::read(server.bootstrap_path()).expect("read")).expect("JSON");
    // This test's own process is there, but is no server.
    bootstrap["pid"] = std::process::id().into();
    let elsewhere = dir.path().join("elsewhere.json");
    fs::write(&elsewhere, bootstrap.to_string()).expect("written");
    let out = dir.path().join("out.json");
    let output = Command::new(env!("CARGO_BIN_EXE_ringpost-sim"))
        .args(["load", "idle", "--devices", "3", "--duration", "1"])
        .arg("--bootstrap")
        .arg(&elsewhere)
        .arg("--out")
        .arg(&out)
        .output()
        .expect("runs");
    assert!(output.status.success(), "{}", stderr(&output));
    let report: Value = serde_json::from_slice(&fs::read(out).expect("written")).expect("JSON");
    assert!(report.get("server").is_none(), "{report}");
    assert!(report["per_device"].get("server_bytes").is_none());
    let notes = report["notes"].to_string();
    assert!(notes.contains("not measured"), "{notes}");
}

#[test]
fn given_an_interrupt_when_under_way_should_log_out_and_give_no_result() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = Server::start(dir.path(), 1, &[]);
    let out = dir.path().join("out.json");
    let mut child = load(
        &server,
        &[
            "unicast",
            "--devices",
            "12",
            "--rate",
            "20",
            "--duration",
            "600",
        ],
    )
    .arg("--out")
    .arg(&out)
    .stdout(Stdio::null())
    .stderr(Stdio::null())
    .spawn()
    .expect("starts");
    wait_for("pushes", || {
        (server.metric("ringpost_messages_acked_total") > 5).then_some(())
    });
    let interrupted = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(interrupted.expect("kill").success());
    let status = wait_for("the load to end", || child.try_wait().expect("its child"));
    assert_eq!(status.code(), Some(130));
    assert_eq!(fs::read(&out).expect("made at the start"), b"");
    wait_for("the devices to be gone", || {
        (server.metric("ringpost_sessions") == 0).then_some(())
    });
}
