//! A device client in Python, written from docs/protocol.md alone, against the real server.

mod harness;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use harness::Server;

/// The longest time between two lines of the scenario. Its own waits are shorter.
const SILENCE: Duration = Duration::from_secs(180);

/// Private receivers of receipts, and times that are short enough for a test.
const SETTINGS: &str = "\
[webhooks]
allow_private = true
retry_first_ms = 100
retry_most_s = 1
[heartbeat]
min_s = 1
[drain]
timeout_s = 2
jitter_s = 1
";

/// What the scenario must have shown, besides whatever it shows more.
const STEPS: &[&str] = &[
    "registration",
    "login",
    "same_install_same_cid",
    "unknown_client",
    "bad_credential",
    "transmission_and_notification",
    "alias",
    "tags",
    "push_switch",
    "window",
    "feedback",
    "upstream",
    "broken_bytes",
    "kill_nine",
    "stop",
];

#[test]
fn given_the_golden_vectors_when_read_and_written_in_python_should_be_as_they_say() {
    let mut vectors = Script::start("golden.py", &[]);
    assert!(vectors.wait().success(), "golden.py: see above");
}

#[test]
fn given_the_parts_of_the_client_when_tested_alone_should_keep_what_must_last() {
    let mut parts = Script::start("parts.py", &[]);
    assert!(parts.wait().success(), "parts.py: see above");
}

#[test]
fn given_a_client_in_python_when_it_plays_the_scenario_should_find_what_the_document_says() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut server = Server::start_configured(dir.path(), 2, SETTINGS);
    let bootstrap = server.bootstrap_path();
    let mut scenario = Script::start(
        "against_server.py",
        &[
            "--bootstrap",
            path(&bootstrap),
            "--folder",
            path(dir.path()),
        ],
    );
    let mut shown = BTreeSet::new();
    while let Some(line) = scenario.line() {
        match line.as_str() {
            "want kill" => {
                server.kill_nine();
                server.restart();
                scenario.answer();
            }
            "want stop" => {
                assert!(server.stop().success());
                server.restart();
                scenario.answer();
            }
            _ => {
                if let Some(step) = line.strip_prefix("ok ") {
                    shown.insert(step.to_owned());
                }
            }
        }
    }
    let status = scenario.wait();
    assert!(status.success(), "against_server.py ended with {status}");
    for step in STEPS {
        assert!(shown.contains(*step), "no line \"ok {step}\" in {shown:?}");
    }
}

fn path(path: &Path) -> &str {
    path.to_str().expect("text")
}

/// A running program of `tests/interop`; it ends with its owner.
struct Script {
    child: Child,
    stdin: ChildStdin,
    lines: Receiver<String>,
    name: &'static str,
}

impl Script {
    fn start(name: &'static str, args: &[&str]) -> Script {
        let folder: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests", "interop"]
            .iter()
            .collect();
        let mut child = Command::new("python3")
            .arg(folder.join(name))
            .args(args)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("PYTHONUNBUFFERED", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("this test needs python3 in the PATH: {error}"));
        let stdin = child.stdin.take().expect("piped");
        let stdout = child.stdout.take().expect("piped");
        let (sender, lines) = sync_channel(1024);
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Script {
            child,
            stdin,
            lines,
            name,
        }
    }

    /// The next line on its stdout; none when that has ended.
    fn line(&self) -> Option<String> {
        match self.lines.recv_timeout(SILENCE) {
            Ok(line) => {
                println!("{line}");
                Some(line)
            }
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => {
                panic!("{} said nothing for {SILENCE:?}", self.name)
            }
        }
    }

    /// Tells it that what it wanted is done.
    fn answer(&mut self) {
        self.stdin.write_all(b"done\n").expect("it listens");
    }

    /// How it ended.
    fn wait(&mut self) -> ExitStatus {
        harness::wait_for(self.name, || self.child.try_wait().expect("its child"))
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
