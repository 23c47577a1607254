//! The binaries as an operator types them.

mod harness;

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use harness::device::{Device, hello, register};
use harness::{Server, Surroundings};
use protocol::{Identity, InstallId};
use sdk_sim::third_party::{Push, PushBody};

fn ringpost(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ringpost"))
        .args(args)
        .output()
        .expect("runs")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn given_a_data_folder_in_use_when_served_again_should_say_so_and_fail() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = Server::start(dir.path(), 1, &[]);
    let data = server.data().to_str().expect("text").to_owned();
    let second = ringpost(&[
        "serve",
        "--data",
        &data,
        "--device",
        "127.0.0.1:0",
        "--http",
        "127.0.0.1:0",
    ]);
    assert!(!second.status.success());
    assert!(
        stderr(&second).contains("another process"),
        "{}",
        stderr(&second)
    );
    // The first goes on.
    register(&server.bootstrap(), 1);
}

#[test]
fn given_a_server_when_it_runs_should_take_memory_in_small_pages() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = Server::start(dir.path(), 1, &[]);
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid()));
    let status = status.expect("a running process");
    // The kernel fills huge ones up behind the allocator's back.
    assert!(status.contains("THP_enabled:\t0"), "{status}");
}

#[test]
fn given_wrong_settings_when_served_should_name_them() {
    let dir = tempfile::tempdir().expect("a folder");
    let config = dir.path().join("ringpost.toml");
    std::fs::write(&config, "devise = '127.0.0.1:1'\n").expect("written");
    let config = config.to_str().expect("text");
    for (args, named) in [
        (&["serve", "--config", config][..], "devise"),
        (&["serve", "--device", "nowhere"], "--device"),
        (&["serve", "--shards", "0"], "--shards"),
        (&["serve", "--no-such-flag"], "--no-such-flag"),
        (
            &["serve", "--config", "/no/such/file.toml"],
            "/no/such/file.toml",
        ),
    ] {
        let output = ringpost(args);
        assert!(!output.status.success(), "{args:?}");
        assert!(
            stderr(&output).contains(named),
            "{args:?}: {}",
            stderr(&output)
        );
    }
}

#[test]
fn given_a_flag_twice_when_served_should_take_the_last() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = Server::start(dir.path(), 1, &["--log", "debug", "--log", "warn"]);
    assert!(!server.log().contains("INFO"), "{}", server.log());
}

#[test]
fn given_an_address_in_use_when_served_should_name_it() {
    let dir = tempfile::tempdir().expect("a folder");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = taken.local_addr().expect("an address").to_string();
    let data = dir.path().join("data");
    let output = ringpost(&[
        "serve",
        "--data",
        data.to_str().expect("text"),
        "--device",
        "127.0.0.1:0",
        "--http",
        &address,
    ]);
    assert!(!output.status.success());
    assert!(stderr(&output).contains(&address), "{}", stderr(&output));
}

#[test]
fn given_too_few_files_when_served_should_exit_78_with_the_remedy() {
    let dir = tempfile::tempdir().expect("a folder");
    let data = dir.path().join("data");
    let line = format!(
        "ulimit -n 64 && exec {} serve --data {}",
        env!("CARGO_BIN_EXE_ringpost"),
        data.display()
    );
    let output = Command::new("sh")
        .args(["-c", &line])
        .output()
        .expect("runs");
    assert_eq!(output.status.code(), Some(78), "{}", stderr(&output));
    assert!(stderr(&output).contains("ulimit -n"), "{}", stderr(&output));
}

#[test]
fn given_a_running_server_when_apps_are_made_should_work_for_devices_and_be_listed() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut server = Server::start(dir.path(), 2, &[]);
    let bootstrap_path = server.bootstrap_path();
    let at = [
        "--bootstrap",
        bootstrap_path.to_str().expect("text"),
        "--json",
    ];
    let app = |args: &[&str]| {
        let output = ringpost(&[&["app"], args, &at].concat());
        assert!(output.status.success(), "{}", stderr(&output));
        serde_json::from_slice::<serde_json::Value>(&output.stdout).expect("JSON")
    };
    let made = app(&["create", "news"]);
    let appid = made["appid"].as_str().expect("appid").to_owned();
    for secret in ["appid", "appkey", "appsecret", "mastersecret"] {
        assert!(
            made[secret].as_str().is_some_and(|text| text.len() >= 22),
            "{secret} in {made}"
        );
    }
    let mut bootstrap = server.bootstrap();
    bootstrap.app.appid.clone_from(&appid);
    let install = InstallId::from_bytes([5; 16]);
    let cid =
        Device::connect(&bootstrap).greet(hello(&bootstrap, Identity::Register(install), [5; 32]));
    // The same install id in another app is another device.
    assert_ne!(cid, register(&server.bootstrap(), 5));

    server.kill_nine();
    server.restart();
    let listed = app(&["list"]);
    let names: Vec<&str> = listed
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|app| app["name"].as_str())
        .collect();
    assert_eq!(names, ["demo", "news"]);
    let shown = app(&["show", &appid]);
    assert_eq!(shown["name"], "news");
    assert!(shown.get("mastersecret").is_none(), "{shown}");
    let unknown = ringpost(&[&["app", "show", "nosuchapp"], &at[..2]].concat());
    assert!(!unknown.status.success());
}

#[test]
fn given_a_first_start_when_done_should_leave_a_private_bootstrap_that_the_next_start_keeps() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut server = Server::start(dir.path(), 1, &[]);
    let mode = std::fs::metadata(server.bootstrap_path())
        .expect("there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let first = server.bootstrap();
    assert_eq!(first.pid, server.pid());
    assert_eq!(first.device, server.device());
    assert_eq!(first.http, format!("http://{}", server.http()));
    server.kill_nine();
    server.restart();
    let second = server.bootstrap();
    assert_eq!(second.pid, server.pid());
    assert_eq!(
        (second.admin_token, second.ca_cert),
        (first.admin_token, first.ca_cert)
    );
    assert_eq!(second.app.appid, first.app.appid);
}

/// The modes of a folder and of all that is in it.
fn modes(folder: &Path) -> BTreeMap<String, u32> {
    let mode = |path: &Path| std::fs::metadata(path).expect("there").permissions().mode() & 0o777;
    let mut found = BTreeMap::from([(folder.display().to_string(), mode(folder))]);
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(modes(&path));
        } else {
            found.insert(path.display().to_string(), mode(&path));
        }
    }
    found
}

#[test]
fn given_a_umask_that_hides_nothing_when_served_should_keep_every_file_from_others() {
    let dir = tempfile::tempdir().expect("a folder");
    let surroundings = Surroundings {
        umask: Some("000"),
        ..Surroundings::default()
    };
    let mut server = Server::start_in(dir.path(), 1, "", surroundings);
    let cid = register(&server.bootstrap(), 1).to_string();
    // A stored push makes the files of a day, a stop and a start write what was held back.
    let push = Push::new(PushBody::Transmission("x".into())).expect("random");
    let third_party = server.third_party();
    third_party.push_single_cid(&cid, &push).expect("accepted");
    assert!(server.stop().success());
    server.restart();
    let modes = modes(server.data());
    for name in [
        "lock",
        "bootstrap.json",
        "tls/ca.key",
        "tls/device.key",
        "store/keyspaces",
    ] {
        let path = server.data().join(name).display().to_string();
        assert!(modes.contains_key(&path), "{name} in {modes:?}");
    }
    for (path, mode) in &modes {
        let wanted = if Path::new(path).is_dir() {
            0o700
        } else {
            0o600
        };
        assert_eq!(*mode, wanted, "{path} has mode {mode:o}");
    }
}
