//! Whole runs of `ringpost-sim devices` against a fake server over real TLS.
//!
//! Owner: the tests. Always: free ports, own folders, no waiting by the clock.

use std::cell::Cell;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;

use protocol::{ClientId, Frame, Identity, MessageId};
use serde_json::{Value, json};

use super::args::{Ack, Devices, Network};
use super::identity::Identity as Device;
use super::run;
use crate::client::{Config, Event};
use crate::fake_server::FakeServer;
use crate::file_limit::{FILES_RESERVED, devices_that_fit};
use crate::fleet::{self, Fleet, Witness};
use crate::transport::{self, Tls};

struct Bench {
    server: FakeServer,
    folder: tempfile::TempDir,
}

impl Bench {
    fn new(server: FakeServer) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let bootstrap = json!({
            "device": server.address(), "http": "http://127.0.0.1:9", "pid": 1,
            "ca_cert": server.ca_pem(), "admin_token": "",
            "app": {"appid": "app", "appkey": "", "appsecret": "", "mastersecret": ""},
        });
        std::fs::write(folder.path().join("bootstrap.json"), bootstrap.to_string())
            .expect("a bootstrap file");
        Self { server, folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn args(&self) -> Devices {
        Devices {
            bootstrap: self.path("bootstrap.json"),
            app: None,
            count: 3,
            state: Some(self.path("state")),
            events: Some(self.path("events")),
            duration: Some(0),
            ack: Ack::Auto,
            tags: Vec::new(),
            alias_prefix: None,
            heartbeat: 0,
            learn_heartbeat: false,
            at_once: 3,
            network: Network::Wifi,
            click: false,
        }
    }
}

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).expect("reads");
    text.lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

fn count(lines: &[Value], ev: &str) -> usize {
    lines.iter().filter(|line| line["ev"] == ev).count()
}

fn acked(frames: &[Frame]) -> Vec<u64> {
    let mut ids: Vec<u64> = frames
        .iter()
        .filter_map(|frame| match frame {
            Frame::Ack(ack) => Some(ack.ids.iter().map(|id| id.0)),
            _ => None,
        })
        .flatten()
        .collect();
    ids.sort_unstable();
    ids
}

fn hellos(frames: &[Frame]) -> Vec<(bool, u64)> {
    frames
        .iter()
        .filter_map(|frame| match frame {
            Frame::Hello(hello) => {
                Some((matches!(hello.identity, Identity::Login(_)), hello.resume.0))
            }
            _ => None,
        })
        .collect()
}

#[test]
fn given_a_second_run_with_the_same_state_when_it_logs_in_should_drop_repeats() {
    let bench = Bench::new(FakeServer::start());
    assert_eq!(run(&bench.args()), ExitCode::SUCCESS);
    let heard = bench.server.heard_until_closes(3);
    assert_eq!(hellos(&heard), [(false, 0); 3]);
    assert_eq!(acked(&heard), [1, 1, 1, 2, 2, 2, 3, 3, 3]);
    let events = lines(&bench.path("events"));
    assert_eq!((count(&events, "online"), count(&events, "push")), (3, 9));
    assert_eq!(
        (count(&events, "repeat"), count(&events, "offline")),
        (0, 3)
    );
    let state = lines(&bench.path("state"));
    assert_eq!(state.len(), 3);
    assert!(
        state.iter().all(
            |device| device["cid"] == device["install"] && device["last"] == "0000000000000003"
        )
    );

    assert_eq!(run(&bench.args()), ExitCode::SUCCESS);
    let heard = bench.server.heard_until_closes(3);
    assert_eq!(hellos(&heard), [(true, 3); 3]);
    assert_eq!(acked(&heard), [3, 3, 3], "a repeat is acked too");
    let events = lines(&bench.path("events"));
    assert_eq!((count(&events, "push"), count(&events, "repeat")), (9, 3));
}

#[test]
fn given_a_kill_between_events_line_and_journal_line_when_restarted_should_not_log_twice() {
    let bench = Bench::new(FakeServer::start());
    let mut args = bench.args();
    args.count = 1;
    assert_eq!(run(&args), ExitCode::SUCCESS);
    bench.server.heard_until_closes(1);
    let (_, mut devices) = super::state_file::StateFile::open(&bench.path("state")).expect("opens");
    let known: &mut Device = &mut devices[0];
    known.last = MessageId(1);
    let (mut state, _) = super::state_file::StateFile::open(&bench.path("state")).expect("opens");
    state
        .checkpoint(&devices, Some((&bench.path("events"), 0)))
        .expect("the state a kill would have left");
    drop(state);
    assert_eq!(run(&args), ExitCode::SUCCESS);
    let heard = bench.server.heard_until_closes(1);
    assert_eq!(hellos(&heard), [(true, 3)], "the events file knows better");
    assert_eq!(count(&lines(&bench.path("events")), "push"), 3);
}

#[test]
fn given_ack_none_when_run_twice_should_ack_nothing_and_show_the_repeats() {
    let bench = Bench::new(FakeServer::start());
    let mut args = bench.args();
    args.ack = Ack::None;
    for _ in 0..2 {
        assert_eq!(run(&args), ExitCode::SUCCESS);
        let heard = bench.server.heard_until_closes(3);
        assert_eq!(acked(&heard), [0; 0]);
        assert!(hellos(&heard).iter().all(|(_, resume)| *resume == 0));
    }
    let events = lines(&bench.path("events"));
    assert_eq!((count(&events, "push"), count(&events, "repeat")), (9, 9));
}

#[test]
fn given_an_alias_prefix_when_run_should_bind_before_it_is_ready() {
    let bench = Bench::new(FakeServer::start());
    let mut args = bench.args();
    args.alias_prefix = Some("p".to_owned());
    assert_eq!(run(&args), ExitCode::SUCCESS);
    let heard = bench.server.heard_until_closes(3);
    let mut aliases: Vec<&str> = heard
        .iter()
        .filter_map(|frame| match frame {
            Frame::Command(command) => match &command.operation {
                protocol::Operation::BindAlias { alias, .. } => Some(alias.as_str()),
                _ => None,
            },
            _ => None,
        })
        .collect();
    aliases.sort_unstable();
    assert_eq!(aliases, ["p_0", "p_1", "p_2"]);
    let events = lines(&bench.path("events"));
    assert_eq!(count(&events, "result"), 3);
}

#[test]
fn given_tags_when_run_should_set_them_before_it_is_ready() {
    let bench = Bench::new(FakeServer::start());
    let mut args = bench.args();
    args.tags = vec!["a".to_owned(), "b".to_owned()];
    assert_eq!(run(&args), ExitCode::SUCCESS);
    let heard = bench.server.heard_until_closes(3);
    let is_set = |frame: &&Frame| match frame {
        Frame::Command(command) => {
            let wanted = protocol::Operation::SetTags(vec!["a".to_owned(), "b".to_owned()]);
            command.operation == wanted
        }
        _ => false,
    };
    assert_eq!(heard.iter().filter(is_set).count(), 3);
    assert_eq!(count(&lines(&bench.path("events")), "result"), 3);
}

#[test]
fn given_flags_that_cannot_be_met_when_run_should_exit_with_78() {
    let bench = Bench::new(FakeServer::start());
    let mut args = bench.args();
    let fit = devices_that_fit(FILES_RESERVED);
    args.count = u32::try_from(fit).expect("a file limit") + 1;
    assert_eq!(run(&args), ExitCode::from(78));
    assert!(!bench.path("state").exists(), "nothing was begun");
}

#[test]
fn given_a_server_that_turns_devices_away_for_ever_when_run_should_fail() {
    let bench = Bench::new(FakeServer::refusing());
    assert_eq!(run(&bench.args()), ExitCode::FAILURE);
    assert!(count(&lines(&bench.path("events")), "error") > 0);
}

/// A witness whose disk is full after the first push.
struct FullDisk {
    taken: Cell<u32>,
}

impl Witness for FullDisk {
    fn event(&self, _device: usize, _cid: Option<ClientId>, event: &Event) -> io::Result<()> {
        if matches!(event, Event::Push { .. }) && self.taken.replace(self.taken.get() + 1) > 0 {
            return Err(io::Error::other("disk full"));
        }
        Ok(())
    }
}

#[test]
fn given_a_witness_that_fails_when_a_push_comes_should_stop_the_fleet() {
    let server = FakeServer::start();
    let tls = Tls::trusting(server.ca_pem()).expect("the test certificate");
    let device = Device::random().expect("random bytes");
    let failure = transport::run(async {
        let witness = Rc::new(FullDisk {
            taken: Cell::new(0),
        });
        let fleet = Fleet::new(server.address(), witness.clone());
        let task = fleet.start(fleet::Device {
            index: 0,
            config: Config::new("app", device.install, device.secret, 1),
            tls: tls.for_device(),
            errands: Vec::new(),
            screen: None,
        });
        assert!(!fleet.ready(1).await, "stopped before it was ready");
        task.await.expect("ends");
        assert_eq!(witness.taken.get(), 2);
        fleet.failure()
    })
    .expect("a ring");
    assert_eq!(failure.as_deref(), Some("disk full"));
}
