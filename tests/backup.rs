//! A backup of a server that goes on taking pushes: everything answered before it began is in it.

#[path = "formats/contents.rs"]
mod contents;
mod harness;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;

use harness::device::{Device, hello, register, waiting_texts};
use harness::{Server, wait_for};
use protocol::{ClientId, Identity};
use sdk_sim::third_party::{BlockingThirdParty, Credentials, Push, PushBody};
use serde_json::Value;

/// Devices; their install ids and secrets are their numbers.
const DEVICES: u8 = 6;

fn ringpost(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ringpost"))
        .args(args)
        .output()
        .expect("runs")
}

fn backup(server: &Server, to: &Path) -> Output {
    backup_by(&server.bootstrap_path(), to)
}

fn backup_by(bootstrap: &Path, to: &Path) -> Output {
    let (to, bootstrap) = (
        to.to_str().expect("text"),
        bootstrap.to_str().expect("text"),
    );
    ringpost(&["backup", "--to", to, "--json", "--bootstrap", bootstrap])
}

fn check(data: &Path) -> (Option<i32>, Value) {
    let output = ringpost(&["check", "--json", "--data", data.to_str().expect("text")]);
    let told = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| {
        panic!("{}", String::from_utf8_lossy(&output.stderr));
    });
    (output.status.code(), told)
}

fn text(text: String) -> Push {
    Push::new(PushBody::Transmission(text)).expect("random")
}

/// A thread that pushes to all devices in turn, until it is told to stop.
struct Load {
    thread: JoinHandle<()>,
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
}

impl Load {
    fn start(server: &Server, cids: &[ClientId]) -> Load {
        let (stop, answered) = (Arc::default(), Arc::default());
        let (stopped, counted): (Arc<AtomicBool>, Arc<AtomicUsize>) =
            (Arc::clone(&stop), Arc::clone(&answered));
        let bootstrap = server.bootstrap();
        let cids: Vec<String> = cids.iter().map(ClientId::to_string).collect();
        let thread = std::thread::spawn(move || {
            let credentials = Credentials::from(&bootstrap);
            let client = BlockingThirdParty::new(&bootstrap.http, credentials).expect("a client");
            let mut number = 0;
            while !stopped.load(Ordering::Relaxed) {
                let cid = &cids[number % cids.len()];
                let filling = "x".repeat(number * 37 % 3000);
                let push = text(format!("{number:06} {filling}"));
                client.push_single_cid(cid, &push).expect("answered");
                number += 1;
                counted.store(number, Ordering::Release);
            }
        });
        Load {
            thread,
            stop,
            answered,
        }
    }

    fn answered(&self) -> usize {
        self.answered.load(Ordering::Acquire)
    }

    fn reach(&self, count: usize) {
        wait_for("pushes", || (self.answered() >= count).then_some(()));
    }

    fn end(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("no panic");
        self.answered.load(Ordering::Acquire)
    }
}

/// The numbers of the pushes that wait for a device.
fn received(server: &Server, number: u8, cid: ClientId) -> Vec<usize> {
    let texts = waiting_texts(server, number, cid).into_iter();
    texts
        .map(|text| text[..6].parse().expect("a number"))
        .collect()
}

#[test]
fn given_a_backup_under_load_when_served_should_have_all_that_was_answered_before_it() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut server = Server::start(dir.path(), 2, &[]);
    let bootstrap = server.bootstrap();
    let cids: Vec<ClientId> = (1..=DEVICES).map(|n| register(&bootstrap, n)).collect();
    let load = Load::start(&server, &cids);
    load.reach(100);
    let other = tempfile::tempdir().expect("a folder");
    let copy = other.path().join("data");
    let before = load.answered();
    let output = backup(&server, &copy);
    let behind = load.answered();
    assert!(output.status.success(), "{output:?}");
    // The server goes on.
    load.reach(behind + 20);
    let after = load.end();
    assert!(server.stop().success());

    let (code, told) = check(&copy);
    assert_eq!(
        (code, &told["faults"]),
        (Some(0), &Value::Array(vec![])),
        "{told}"
    );
    let mode = |path: PathBuf| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode(copy.clone()), 0o700);
    assert_eq!(mode(copy.join("bootstrap.json")), 0o600);
    assert!(!other.path().join("data.half").exists());

    let restored = Server::start(other.path(), 1, &[]);
    assert_eq!(restored.bootstrap().ca_cert, bootstrap.ca_cert);
    let mut found = BTreeMap::new();
    for (number, cid) in (1..).zip(&cids) {
        let numbers = received(&restored, number, *cid);
        assert!(numbers.is_sorted(), "{numbers:?}");
        found.extend(numbers.into_iter().map(|number| (number, *cid)));
    }
    let highest = found.keys().next_back().map_or(0, |number| number + 1);
    assert_eq!(found.len(), highest, "a push is missing between others");
    assert!(
        before <= highest && highest < after,
        "{before} {highest} {after}"
    );
}

#[test]
fn given_a_bit_of_everything_when_backed_up_under_load_should_all_be_in_the_backup() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut server = Server::start(dir.path(), 2, &[]);
    let made = contents::put(&server);
    // What was acknowledged is written down at the latest when it ends.
    assert!(server.stop().success());
    server.restart();
    let bootstrap = server.bootstrap();
    let others: Vec<ClientId> = (11..=13).map(|n| register(&bootstrap, n)).collect();
    let load = Load::start(&server, &others);
    load.reach(20);
    let other = tempfile::tempdir().expect("a folder");
    let output = backup(&server, &other.path().join("data"));
    assert!(output.status.success(), "{output:?}");
    load.end();
    assert!(server.stop().success());

    let restored = Server::start(other.path(), 1, &[]);
    contents::look_for_the_rest(&restored, &made);
    contents::look_for_what_lasts(&restored, &made);
}

#[test]
fn given_a_backup_that_cannot_be_when_asked_for_should_say_why_and_leave_nothing() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = Server::start(dir.path(), 1, &[]);
    let there = dir.path().join("there");
    fs::create_dir(&there).expect("made");
    let nowhere = dir.path().join("no/such/folder");
    let inside = server.data().join("store/keyspaces/9999");
    let half = dir.path().join("begun.half");
    fs::create_dir(&half).expect("made");
    let begun = dir.path().join("begun");
    for (to, why) in [
        (&there, "exists already"),
        (&nowhere, "No such file"),
        (&inside, "is in the data folder"),
        (&begun, "of a backup that was cut short: delete it"),
    ] {
        let output = backup(&server, to);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(told.contains(why), "{told}");
    }
    assert_eq!(fs::read_dir(&there).expect("there").count(), 0);
    // What is copied behind the rows is not there.
    let (bootstrap, moved) = (server.bootstrap_path(), dir.path().join("moved.json"));
    fs::rename(&bootstrap, &moved).expect("moved");
    let output = backup_by(&moved, &dir.path().join("half way"));
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    fs::rename(&moved, &bootstrap).expect("moved back");
    assert!(!dir.path().join("half way").exists());
    assert!(!dir.path().join("half way.half").exists(), "a part stays");
    // A failure is not the end of backups.
    let output = backup(&server, &dir.path().join("good/"));
    assert!(output.status.success(), "{output:?}");
    assert!(dir.path().join("good/bootstrap.json").exists());
    assert!(!dir.path().join("good.half").exists());
}

#[test]
fn given_a_table_with_a_bit_that_flipped_when_looked_at_should_be_named() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = Server::start(dir.path(), 1, &[]);
    let cid = register(&server.bootstrap(), 1);
    let other = tempfile::tempdir().expect("a folder");
    // The rows of a copy stand in tables; those of its registrations are read at a start.
    let data = other.path().join("data");
    let output = backup(&server, &data);
    assert!(output.status.success(), "{output:?}");
    let (code, told) = check(&data);
    assert_eq!(
        (code, &told["rows"]["reg"]),
        (Some(0), &Value::from(1)),
        "{told}"
    );
    let table = data.join("store/keyspaces/1/tables/0");
    let mut bytes = fs::read(&table).expect("the first table of the first keyspace");
    assert!(
        bytes.windows(16).any(|window| window == cid.as_bytes()),
        "no registration"
    );
    bytes[60] ^= 1;
    fs::write(&table, bytes).expect("written");

    let (code, told) = check(&data);
    assert_eq!(code, Some(1), "{told}");
    assert_eq!(told["files"][0]["file"].as_str(), table.to_str(), "{told}");
    let Err((status, log)) = Server::try_start(other.path(), 1) else {
        panic!("served without its registrations");
    };
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(log.contains(table.to_str().expect("text")), "{log}");
    assert!(log.contains("restore a backup"), "{log}");
}

#[test]
fn given_a_table_of_messages_with_a_bit_that_flipped_when_served_should_go_on_and_say_so() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = Server::start(dir.path(), 1, &[]);
    let cids = [1, 2].map(|number| register(&server.bootstrap(), number));
    let lost = text("in the table".into());
    let pushed = server
        .third_party()
        .push_single_cid(&cids[0].to_string(), &lost);
    pushed.expect("answered");
    let other = tempfile::tempdir().expect("a folder");
    let data = other.path().join("data");
    let output = backup(&server, &data);
    assert!(output.status.success(), "{output:?}");
    let table = table_with(&data, b"in the table");
    let mut bytes = fs::read(&table).expect("there");
    bytes[60] ^= 1;
    fs::write(&table, bytes).expect("written");
    let (code, told) = check(&data);
    assert_eq!(
        (code, told["files"][0]["file"].as_str()),
        (Some(1), table.to_str()),
        "{told}"
    );

    let copy = Server::start(other.path(), 1, &[]);
    let bootstrap = copy.bootstrap();
    let mut device = Device::connect(&bootstrap);
    device.greet(hello(&bootstrap, Identity::Login(cids[0]), [1; 32]));
    wait_for("the log", || {
        copy.log().contains("a read failed").then_some(())
    });
    // Neighbours in the table may be hit as well; pushes are taken, and new devices come.
    let push = text("another".into());
    let pushed = copy
        .third_party()
        .push_single_cid(&cids[1].to_string(), &push);
    pushed.expect("answered");
    register(&bootstrap, 3);
}

/// The table in which these bytes stand.
fn table_with(data: &Path, bytes: &[u8]) -> PathBuf {
    let keyspaces = fs::read_dir(data.join("store/keyspaces")).expect("keyspaces");
    let folders = keyspaces.map(|entry| entry.expect("an entry").path().join("tables"));
    let mut tables = folders.flat_map(|folder| fs::read_dir(folder).expect("tables"));
    let found = tables.find_map(|table| {
        let table = table.expect("an entry").path();
        let content = fs::read(&table).expect("there");
        let mut windows = content.windows(bytes.len());
        windows.any(|window| window == bytes).then_some(table)
    });
    found.expect("a table with these bytes")
}

#[test]
fn given_a_folder_when_checked_should_say_what_it_has_or_why_it_cannot_be_looked_at() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut server = Server::start(dir.path(), 1, &[]);
    let data = server.data().to_owned();
    let data = data.to_str().expect("text");
    register(&server.bootstrap(), 1);
    let served = ringpost(&["check", "--data", data]);
    let empty = tempfile::tempdir().expect("a folder");
    let none = ringpost(&["check", "--data", empty.path().to_str().expect("text")]);
    for (output, why) in [(served, "another process"), (none, "there is no store in")] {
        assert_eq!(output.status.code(), Some(78), "{output:?}");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(told.contains(why), "{told}");
    }
    assert!(!empty.path().join("store").exists(), "a store was made");
    server.kill_nine();
    let output = ringpost(&["check", "--data", data]);
    assert!(output.status.success(), "{output:?}");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(told.contains("reg            1 rows"), "{told}");
    assert!(told.ends_with(" 0 faults\n"), "{told}");
}
