//! Real processes for end-to-end tests: a server, simulated devices, third parties.
//!
//! Always: ports are picked by the system; a process that a test started ends with the test;
//! waiting means looking for an event until a deadline, never a fixed pause.

#![allow(dead_code, reason = "each test target uses a part of it")]

pub mod curve;
pub mod device;
pub mod disk;
pub mod neighbour;
pub mod preload;
pub mod process;
pub mod receiver;
mod surroundings;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use sdk_sim::bootstrap::Bootstrap;
use sdk_sim::third_party::{BlockingThirdParty, Credentials};
use serde_json::Value;

pub use surroundings::Surroundings;

/// The longest a test waits for one event. A debug build on a loaded machine is slow; a hang is not.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// [`PATIENCE`], or what `RINGPOST_PATIENCE_S` says, for loads that take longer than any event here.
pub fn patience() -> Duration {
    let asked = std::env::var("RINGPOST_PATIENCE_S").ok();
    let asked = asked.map(|text| text.parse().expect("RINGPOST_PATIENCE_S: seconds"));
    asked.map_or(PATIENCE, Duration::from_secs)
}

/// Waits until `look` finds something.
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let patience = patience();
    let deadline = Instant::now() + patience;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited {patience:?} for {what}");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

/// Lines of a child's stdout, read by a thread so that waiting has a deadline.
struct Lines(Receiver<String>);

impl Lines {
    fn of(stdout: ChildStdout) -> Lines {
        let (sender, lines) = sync_channel(1024);
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Lines(lines)
    }

    fn starting_with(&self, start: &str) -> Option<String> {
        let deadline = Instant::now() + patience();
        while let Ok(line) = self
            .0
            .recv_timeout(deadline.saturating_duration_since(Instant::now()))
        {
            if line.starts_with(start) {
                return Some(line);
            }
        }
        None
    }
}

/// A running `ringpost serve`.
pub struct Server {
    child: Child,
    data: PathBuf,
    args: Vec<String>,
    log: PathBuf,
    device: String,
    http: String,
    surroundings: Surroundings,
}

impl Server {
    /// Starts one on free ports with its data under `dir`.
    pub fn start(dir: &Path, shards: u16, args: &[&str]) -> Server {
        Self::start_with(dir, shards, args, Surroundings::default())
    }

    /// As [`Server::start`], with settings in TOML.
    pub fn start_configured(dir: &Path, shards: u16, toml: &str) -> Server {
        Self::start_in(dir, shards, toml, Surroundings::default())
    }

    /// As [`Server::start_configured`], in other surroundings than those of the test.
    pub fn start_in(dir: &Path, shards: u16, toml: &str, surroundings: Surroundings) -> Server {
        let config = dir.join("ringpost.toml");
        fs::write(&config, toml).expect("written");
        let config = config.to_str().expect("text");
        Self::start_with(dir, shards, &["--config", config], surroundings)
    }

    /// Starts one on what lies under `dir`; how it ended and what it said if it does not serve.
    pub fn try_start(dir: &Path, shards: u16) -> Result<Server, (ExitStatus, String)> {
        Self::try_start_with(dir, shards, &[], Surroundings::default())
    }

    fn start_with(dir: &Path, shards: u16, args: &[&str], surroundings: Surroundings) -> Server {
        Self::try_start_with(dir, shards, args, surroundings)
            .unwrap_or_else(|(status, log)| panic!("serve ended with {status}:\n{log}"))
    }

    fn try_start_with(
        dir: &Path,
        shards: u16,
        args: &[&str],
        surroundings: Surroundings,
    ) -> Result<Server, (ExitStatus, String)> {
        let data = dir.join("data");
        let mut args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        args.extend(["--shards".to_owned(), shards.to_string()]);
        let log = dir.join("server.log");
        let anywhere = "127.0.0.1:0";
        let (child, device, http) =
            Self::spawn(&data, &args, &log, [anywhere, anywhere], &surroundings)
                .map_err(|status| (status, text(&log)))?;
        Ok(Server {
            child,
            data,
            args,
            log,
            device,
            http,
            surroundings,
        })
    }

    fn spawn(
        data: &Path,
        args: &[String],
        log: &Path,
        [device, http]: [&str; 2],
        surroundings: &Surroundings,
    ) -> Result<(Child, String, String), ExitStatus> {
        let stderr = fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(log)
            .expect("log");
        let mut child = surroundings
            .command(env!("CARGO_BIN_EXE_ringpost"))
            .arg("serve")
            .args(["--device", device, "--http", http, "--data"])
            .arg(data)
            .args(args)
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .expect("serve starts");
        let lines = Lines::of(child.stdout.take().expect("piped"));
        let Some(ready) = lines.starting_with("ready ") else {
            return Err(child.wait().expect("ended"));
        };
        let word = |name: &str| {
            let found = ready.split(' ').find_map(|word| word.strip_prefix(name));
            found
                .unwrap_or_else(|| panic!("{name} in {ready:?}"))
                .to_owned()
        };
        Ok((child, word("device="), word("http=")))
    }

    /// Ends it as a power cut ends a process: no handler runs.
    pub fn kill_nine(&mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("reaped");
    }

    /// Starts it again on the same data and the same ports.
    pub fn restart(&mut self) {
        // A client socket of this machine may sit on the port for a moment.
        let (child, ..) = wait_for("the server to start again", || {
            let (data, args, log) = (&self.data, &self.args, &self.log);
            Self::spawn(
                data,
                args,
                log,
                [&self.device, &self.http],
                &self.surroundings,
            )
            .ok()
        });
        self.child = child;
    }

    /// Writes other settings where [`Server::start_configured`] wrote those of the start.
    pub fn configure(&self, toml: &str) {
        let dir = self.data.parent().expect("a folder");
        fs::write(dir.join("ringpost.toml"), toml).expect("written");
    }

    /// Has it read its settings again; what it says of that. It must go well.
    pub fn reload(&self) -> Value {
        self.say(&["reload"])
    }

    /// SIGHUP.
    pub fn hang_up(&self) {
        signal("-HUP", &self.child);
    }

    /// Waits until it has ended by itself, and how it did.
    pub fn ended(&mut self) -> ExitStatus {
        wait_for("the server to end", || {
            self.child.try_wait().expect("its child")
        })
    }

    /// SIGTERM, and how it ended.
    pub fn stop(&mut self) -> ExitStatus {
        terminate(&self.child);
        self.ended()
    }

    /// Kills it and has every row and file of its folder looked at: all must fit together.
    pub fn kill_and_check(&mut self) {
        self.kill_nine();
        self.check();
    }

    /// Has every row and file of its folder looked at, once it has ended: all must fit together.
    pub fn check(&self) {
        let output = Command::new(env!("CARGO_BIN_EXE_ringpost"))
            .args(["check", "--data"])
            .arg(&self.data)
            .output()
            .expect("ringpost check");
        assert!(output.status.success(), "{output:?}");
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// HOST:PORT of the device port.
    pub fn device(&self) -> &str {
        &self.device
    }

    /// HOST:PORT of the HTTP port.
    pub fn http(&self) -> &str {
        &self.http
    }

    /// Its data folder.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// What it logged so far.
    pub fn log(&self) -> String {
        text(&self.log)
    }

    /// Where devices and third parties find it.
    pub fn bootstrap_path(&self) -> PathBuf {
        self.data.join("bootstrap.json")
    }

    /// The same, read.
    pub fn bootstrap(&self) -> Bootstrap {
        Bootstrap::load(&self.bootstrap_path()).expect("bootstrap.json")
    }

    /// A third party with the credentials of the first app.
    pub fn third_party(&self) -> BlockingThirdParty {
        let bootstrap = self.bootstrap();
        BlockingThirdParty::new(&bootstrap.http, Credentials::from(&bootstrap)).expect("a client")
    }

    /// Runs a command of the operator against it.
    pub fn run(&self, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_ringpost"))
            .args(args)
            .arg("--bootstrap")
            .arg(self.bootstrap_path())
            .output()
            .expect("runs")
    }

    /// What a command of the operator says as JSON; it must go well.
    pub fn say(&self, args: &[&str]) -> Value {
        let output = self.run(&[args, &["--json"]].concat());
        assert!(output.status.success(), "{args:?}: {output:?}");
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    /// Changes settings of the first app.
    pub fn set_app(&self, settings: &[&str]) {
        let app = self.bootstrap().app.appid;
        self.say(&[&["app", "set", &app], settings].concat());
    }

    /// Creates an app by the command line; returns its AppID.
    pub fn create_app(&self, name: &str) -> String {
        let app = self.say(&["app", "create", name]);
        app["appid"].as_str().expect("an AppID").to_owned()
    }

    /// A metric, summed over its labels.
    pub fn metric(&self, name: &str) -> u64 {
        let answer = self.third_party().get("/metrics").expect("metrics");
        let text = String::from_utf8(answer.body.to_vec()).expect("text");
        let values: Vec<u64> = text
            .lines()
            .filter(|line| line.split(['{', ' ']).next() == Some(name))
            .filter_map(|line| line.rsplit(' ').next()?.parse().ok())
            .collect();
        assert!(!values.is_empty(), "no metric {name}");
        values.iter().sum()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- the server's log ends ---\n{}", tail(&self.log()));
        }
    }
}

fn terminate(child: &Child) {
    signal("-TERM", child);
}

fn signal(name: &str, child: &Child) {
    let done = Command::new("kill")
        .args([name, &child.id().to_string()])
        .status();
    assert!(done.expect("kill").success());
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}

/// A running `ringpost-sim devices`.
pub struct Devices {
    child: Child,
    args: Vec<String>,
    events: PathBuf,
    log: PathBuf,
}

impl Devices {
    /// Connects `count` devices; returns when all are logged in. Their state and events lie in
    /// `dir`, so a second start there brings the same devices back.
    pub fn start(dir: &Path, server: &Server, count: usize, args: &[&str]) -> Devices {
        let events = dir.join("events.jsonl");
        let log = dir.join("devices.log");
        let path = |path: &Path| path.to_str().expect("text").to_owned();
        let mut all = vec![
            "--bootstrap".to_owned(),
            path(&server.bootstrap_path()),
            "--count".to_owned(),
            count.to_string(),
            "--state".to_owned(),
            path(&dir.join("devices.jsonl")),
            "--events".to_owned(),
            path(&events),
        ];
        all.extend(args.iter().map(|arg| (*arg).to_owned()));
        let child = Self::spawn(&all, &log);
        Devices {
            child,
            args: all,
            events,
            log,
        }
    }

    fn spawn(args: &[String], log: &Path) -> Child {
        let stderr = fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(log)
            .expect("log");
        let mut child = Command::new(env!("CARGO_BIN_EXE_ringpost-sim"))
            .arg("devices")
            .args(args)
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .expect("devices start");
        let lines = Lines::of(child.stdout.take().expect("piped"));
        if lines.starting_with("ready ").is_none() {
            let _ = child.kill();
            panic!("no ready from the devices:\n{}", text(log));
        }
        child
    }

    /// Ends them as a crash does.
    pub fn kill_nine(&mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("reaped");
    }

    /// Brings the same devices back.
    pub fn restart(&mut self) {
        self.child = Self::spawn(&self.args, &self.log);
    }

    /// The same, with more arguments from now on: of one given twice the last counts.
    pub fn restart_with(&mut self, more: &[&str]) {
        self.args.extend(more.iter().map(|arg| (*arg).to_owned()));
        self.restart();
    }

    /// SIGTERM, and how they ended.
    pub fn stop(&mut self) -> ExitStatus {
        terminate(&self.child);
        wait_for("the devices to end", || {
            self.child.try_wait().expect("its child")
        })
    }

    /// What happened so far.
    pub fn events(&self) -> Events {
        Events::read(&self.events)
    }

    /// The file of what happens.
    pub fn events_path(&self) -> &Path {
        &self.events
    }
}

impl Drop for Devices {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- the devices' log ends ---\n{}", tail(&text(&self.log)));
        }
    }
}

/// The event log of simulated devices.
pub struct Events(Vec<Value>);

/// One push as a device logged it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    pub task_id: String,
    pub msgid: String,
    pub body: Value,
}

impl Events {
    pub fn read(path: &Path) -> Events {
        let text = text(path);
        // The last line may be half written while the devices run.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        Events(
            whole
                .lines()
                .map(|line| serde_json::from_str(line).expect("a JSON line"))
                .collect(),
        )
    }

    /// How many lines are of this kind.
    pub fn count(&self, ev: &str) -> usize {
        self.0.iter().filter(|event| event["ev"] == ev).count()
    }

    /// The pushes of each device, in the order logged.
    pub fn pushes(&self) -> BTreeMap<String, Vec<Received>> {
        let mut by_cid: BTreeMap<String, Vec<Received>> = BTreeMap::new();
        for event in self.0.iter().filter(|event| event["ev"] == "push") {
            let text = |name: &str| {
                event[name]
                    .as_str()
                    .unwrap_or_else(|| panic!("{name} in {event}"))
                    .to_owned()
            };
            by_cid.entry(text("cid")).or_default().push(Received {
                task_id: text("taskid"),
                msgid: text("msgid"),
                body: event["body"].clone(),
            });
        }
        by_cid
    }

    /// The CIDs that logged in, in the order of their first login.
    pub fn cids(&self) -> Vec<String> {
        let mut cids: Vec<String> = Vec::new();
        let mut seen = std::collections::BTreeSet::new();
        for event in self.0.iter().filter(|event| event["ev"] == "online") {
            let cid = event["cid"].as_str().expect("cid").to_owned();
            if seen.insert(cid.clone()) {
                cids.push(cid);
            }
        }
        cids
    }

    /// Fails unless each device got exactly the tasks in `accepted`, each once, in the order of
    /// their message ids.
    pub fn assert_exactly_once(&self, accepted: &BTreeMap<String, Vec<String>>) {
        let pushes = self.pushes();
        for (cid, received) in &pushes {
            for pair in received.windows(2) {
                assert!(
                    pair[0].msgid < pair[1].msgid,
                    "{cid}: {} came before {}",
                    pair[0].msgid,
                    pair[1].msgid
                );
            }
        }
        let sorted = |tasks: &mut Vec<String>| tasks.sort();
        let mut wanted = accepted.clone();
        wanted.values_mut().for_each(sorted);
        let mut got: BTreeMap<String, Vec<String>> = pushes
            .into_iter()
            .map(|(cid, received)| (cid, received.into_iter().map(|push| push.task_id).collect()))
            .collect();
        got.values_mut().for_each(sorted);
        for (cid, tasks) in &wanted {
            let got = got.get(cid).map_or(&[][..], Vec::as_slice);
            assert_eq!(
                got,
                tasks.as_slice(),
                "{cid} got {} of {} tasks",
                got.len(),
                tasks.len()
            );
        }
        for cid in got.keys() {
            assert!(
                wanted.contains_key(cid),
                "{cid} got pushes that nobody sent"
            );
        }
    }
}
