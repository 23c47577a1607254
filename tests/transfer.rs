//! Devices carried from one server to another by export and import, and what is delivered there.

mod harness;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use harness::device::{Device, hello, register};
use harness::{Server, wait_for};
use protocol::{Frame, Identity};
use serde_json::{Value, json};

/// Devices that register at the first server; each takes its number as its secret.
const REGISTERED: u8 = 4;
/// Devices that came to it from elsewhere: more than a page and a call hold.
const CARRIED: usize = 1_100;

fn run(server: &Server, args: &[&str]) -> String {
    let output = server.run(args);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {error}");
    String::from_utf8(output.stdout).expect("text")
}

fn appid(server: &Server) -> String {
    server.bootstrap().app.appid
}

fn text(path: &Path) -> &str {
    path.to_str().expect("text")
}

fn export(server: &Server, path: &Path) -> BTreeSet<String> {
    let app = appid(server);
    run(server, &["export", &app, text(path), "--with-secrets"]);
    let lines = fs::read_to_string(path).expect("written");
    let set: BTreeSet<String> = lines.lines().map(str::to_owned).collect();
    assert_eq!(set.len(), lines.lines().count(), "each device once");
    set
}

fn import(server: &Server, lines: &[Value], path: &Path) -> String {
    let text_of = |line: &Value| format!("{line}\n");
    fs::write(path, lines.iter().map(text_of).collect::<String>()).expect("written");
    run(server, &["import", &appid(server), text(path)])
}

fn carried(at: usize) -> String {
    // Spread over all slots, so over both shards.
    format!("{:04x}{at:028x}", at * 59 % 0x1_0000)
}

/// Pushes to those with a tag, and tells how many it was.
fn push_to_tag(server: &Server, tag: &str, len: u64) -> u64 {
    let name = "ringpost_messages_stored_total";
    let before = server.metric(name);
    let app = appid(server);
    run(
        server,
        &["push", "tag", tag, "--text", "by tag", "--app", &app],
    );
    wait_for("the walk to end", || {
        let stored = server.metric(name) - before;
        (stored >= len).then_some(stored)
    })
}

fn push_to_alias(server: &Server, alias: &str) -> Value {
    let app = appid(server);
    let args = [
        "push", "alias", alias, "--text", "by alias", "--app", &app, "--json",
    ];
    let answer: Value = serde_json::from_str(&run(server, &args)).expect("JSON");
    let tasks = answer.as_object().expect("tasks");
    tasks.values().next().expect("one task").clone()
}

#[test]
fn given_an_app_when_carried_to_another_server_should_deliver_there_as_here() {
    let dirs = [(); 2].map(|()| tempfile::tempdir().expect("a folder"));
    let here = Server::start(dirs[0].path(), 2, &[]);
    let there = Server::start(dirs[1].path(), 1, &[]);
    let file = |name: &str| dirs[0].path().join(name);

    let own = here.bootstrap();
    let cids: Vec<String> = (1..=REGISTERED)
        .map(|number| register(&own, number).to_string())
        .collect();
    let mut lines: Vec<Value> = cids
        .iter()
        .enumerate()
        .map(|(at, cid)| {
            json!({
                "cid": cid, "tags": ["vip", format!("n{at}")], "aliases": {"": "team", "mail": format!("m{at}")},
                "blocked": at == 3, "badge": at, "device_token": {"kind": "fcm", "token": format!("t{at}")},
            })
        })
        .collect();
    let tagged = |at: usize| at.is_multiple_of(100);
    lines.extend((0..CARRIED).map(|at| {
        let tags: &[&str] = if tagged(at) { &["vip"] } else { &[] };
        json!({ "cid": carried(at), "platform": "ios", "created_ms": at, "tags": tags, "last_login_ms": 7 })
    }));
    let said = import(&here, &lines, &file("filled"));
    assert_eq!(said, "1104 devices imported, 0 lines refused\n");

    // The logins of the registered ones are written down a moment after they ended.
    let mut tries = 0;
    let left = wait_for("the last logins to be written down", || {
        tries += 1;
        let left = export(&here, &file(&format!("left{tries}")));
        let none = |line: &String| line.contains("\"last_login_ms\":0");
        (!left.iter().any(none)).then_some(left)
    });
    assert_eq!(left.len(), CARRIED + usize::from(REGISTERED));
    let last = file(&format!("left{tries}"));
    let mode = fs::metadata(&last).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    run(&there, &["import", &appid(&there), text(&last)]);
    let came = export(&there, &file("came"));
    assert_eq!(left, came, "the export of an import is the same lines");
    // Once more is as once.
    run(&there, &["import", &appid(&there), text(&last)]);
    assert_eq!(left, export(&there, &file("again")));

    let vips = (0..CARRIED).filter(|at| tagged(*at)).count() as u64 + 3;
    assert_eq!(push_to_tag(&here, "vip", vips), vips);
    assert_eq!(push_to_tag(&there, "vip", vips), vips);
    let words = push_to_alias(&there, "team");
    assert_eq!(push_to_alias(&here, "team"), words);
    assert_eq!(words[&cids[0]], "successed_offline");
    assert_eq!(words[&cids[3]], "successed_ignore", "it is black-listed");

    let beyond = there.bootstrap();
    for (cid, secret) in cids.iter().zip(1..REGISTERED) {
        let mut device = Device::connect(&beyond);
        let cid = cid.parse().expect("a CID");
        device.greet(hello(&beyond, Identity::Login(cid), [secret; 32]));
        for word in ["by tag", "by alias"] {
            device.receive_until(word, |frame| match frame {
                Frame::Push(push) => {
                    let body = String::from_utf8_lossy(&push.body);
                    assert!(body.contains(word), "{body}");
                    Some(())
                }
                _ => None,
            });
        }
    }
    let stranger = carried(0).parse().expect("a CID");
    let mut device = Device::connect(&beyond);
    device.send(&[Frame::Hello(hello(
        &beyond,
        Identity::Login(stranger),
        [0; 32],
    ))]);
    assert_eq!(
        device.last_word(),
        Some(protocol::CloseReason::BadCredential),
        "no secret came with it"
    );
}

#[test]
fn given_lines_that_are_wrong_when_imported_should_be_named_and_stop_it_unless_skipped() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = Server::start(dir.path(), 1, &[]);
    let app = appid(&server);
    let path = dir.path().join("lines");
    let line = |at: usize| format!("{{\"cid\":\"{}\",\"tags\":[\"a\"]}}\n", carried(at));
    let text_of = |middle: &str| format!("{}{middle}{}", line(1), line(2));
    fs::write(&path, text_of("\n{\"cid\":\n")).expect("written");
    let args = ["import", &app, text(&path)];

    let stopped = server.run(&args);
    assert!(!stopped.status.success());
    let said = String::from_utf8_lossy(&stopped.stderr);
    assert!(
        said.contains("line 3: -: the line is no JSON object"),
        "{said}"
    );
    let said = String::from_utf8_lossy(&stopped.stdout);
    assert_eq!(said, "1 devices imported, 1 lines refused\n");

    let skipped = server.run(&[&args[..], &["--skip-bad", "--json"]].concat());
    assert!(!skipped.status.success(), "a line failed all the same");
    let said = String::from_utf8_lossy(&skipped.stdout);
    let shown: Vec<Value> = said
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(shown[0]["line"], 3);
    assert_eq!(shown[1], json!({"imported": 2, "refused": 1}));

    // What the server refuses is named by its line as well.
    let long = format!(
        "{{\"cid\":\"{}\",\"tags\":[\"{}\"]}}\n",
        carried(3),
        "x".repeat(33)
    );
    fs::write(&path, text_of(&long)).expect("written");
    let refused = server.run(&args);
    let said = String::from_utf8_lossy(&refused.stderr);
    let expected = format!("line 2: {}: tags size over limit", carried(3));
    assert!(said.contains(&expected), "{said}");

    // Hashes stay unless they are asked for, and a file is never written over.
    let cid = register(&server.bootstrap(), 1).to_string();
    let shown = run(&server, &["export", &app]);
    let own = shown.lines().find(|line| line.contains(&cid));
    assert!(
        own.is_some_and(|line| !line.contains("secret_sha256")),
        "{shown}"
    );
    let with = run(&server, &["export", &app, "--with-secrets"]);
    assert!(with.contains("secret_sha256"), "{with}");
    let before = fs::read(&path).expect("there");
    let again = server.run(&["export", &app, text(&path)]);
    let said = String::from_utf8_lossy(&again.stderr);
    assert!(
        !again.status.success() && said.contains(text(&path)),
        "{said}"
    );
    assert_eq!(fs::read(&path).expect("there"), before);
    assert!(!server.run(&["export", "nobody"]).status.success());
}
