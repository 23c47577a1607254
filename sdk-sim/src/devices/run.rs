//! One run of `ringpost-sim devices`, from the flags to the exit code.
//!
//! Owner: the process. Always: `ready N` comes after the state is on disk; a signal ends all
//! devices in order, writes the state and exits 0.

use std::io::{self, Write};
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use protocol::Platform;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;

use super::args::{Devices, Network};
use super::identity::Identity;
use super::record::Record;
use crate::bootstrap::{Bootstrap, BootstrapError};
use crate::client::{Config, LearntHeartbeats};
use crate::file_limit::{FILES_RESERVED, devices_that_fit};
use crate::fleet::{Device, Errand, Fleet, Screen};
use crate::transport::{self, Tls, TlsError};

/// Exit code for what the flags or the system do not allow (`EX_CONFIG`, as the server's).
const EXIT_CONFIG: u8 = 78;

/// How long devices may take to end in order: the time a connection waits for its peer, and as much
/// again for a busy machine.
const END_WAIT: Duration = Duration::from_secs(10);

#[derive(Debug, thiserror::Error)]
enum RunError {
    #[error("--count {asked}: the file limit of this process has room for {fit} devices")]
    FileLimit { asked: u32, fit: usize },
    #[error(transparent)]
    Bootstrap(#[from] BootstrapError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Fleet(String),
}

/// Runs the devices until a signal, the duration's end or a failure. Complaints go to stderr; 78 is
/// the exit code for flags that cannot be met, 1 for a failure on the way.
pub fn run(args: &Devices) -> ExitCode {
    match check(args).and_then(|bootstrap| start(args, &bootstrap)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ringpost-sim devices: {error}");
            match error {
                RunError::FileLimit { .. } => ExitCode::from(EXIT_CONFIG),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

fn check(args: &Devices) -> Result<Bootstrap, RunError> {
    let fit = devices_that_fit(FILES_RESERVED);
    if args.count as usize > fit {
        let asked = args.count;
        return Err(RunError::FileLimit { asked, fit });
    }
    Ok(Bootstrap::load(&args.bootstrap)?)
}

fn start(args: &Devices, bootstrap: &Bootstrap) -> Result<(), RunError> {
    let tls = Tls::trusting(&bootstrap.ca_cert)?;
    let count = args.count as usize;
    let record = Record::open(count, args.state.as_ref(), args.events.as_ref())?;
    transport::run(play(args, bootstrap, tls, Rc::new(record)))?
}

async fn play(
    args: &Devices,
    bootstrap: &Bootstrap,
    tls: Tls,
    record: Rc<Record>,
) -> Result<(), RunError> {
    let mut signals = Signals::listen()?;
    let logins = args.at_once as usize;
    let fleet = Fleet::with_logins(&bootstrap.device, record.clone(), logins);
    let count = args.count as usize;
    let mut tasks = Vec::with_capacity(count);
    for (index, identity) in record.devices(count).into_iter().enumerate() {
        let device = Device {
            index,
            config: config(args, bootstrap, &identity, random_seed()?),
            tls: tls.for_device(),
            errands: errands(args, index),
            screen: Some(Screen {
                wifi: args.network == Network::Wifi,
                clicks: args.click,
            }),
        };
        tasks.push(fleet.start(device));
    }
    let outcome = tokio::select! {
        outcome = be_ready_and_stay(args, &fleet, &record) => outcome,
        () = signals.next() => Ok(()),
    };
    fleet.stop();
    tokio::select! {
        () = join(tasks) => {}
        // What does not end in time ends with the process; the journal has all that counts.
        () = tokio::time::sleep(END_WAIT) => {}
        () = signals.next() => {}
    }
    record.checkpoint()?;
    outcome?;
    match fleet.failure() {
        Some(why) => Err(RunError::Fleet(why)),
        None => Ok(()),
    }
}

async fn be_ready_and_stay(args: &Devices, fleet: &Fleet, record: &Record) -> Result<(), RunError> {
    let count = args.count as usize;
    if !fleet.ready(count).await {
        return Ok(());
    }
    record.checkpoint()?;
    let mut out = io::stdout().lock();
    writeln!(out, "ready {count}").and_then(|()| out.flush())?;
    drop(out);
    match args.duration {
        Some(duration_s) => {
            let duration = Duration::from_secs(u64::from(duration_s));
            tokio::select! {
                () = tokio::time::sleep(duration) => {}
                () = fleet.stopped() => {}
            }
        }
        None => fleet.stopped().await,
    }
    Ok(())
}

fn errands(args: &Devices, index: usize) -> Vec<Errand> {
    let prefix = args.alias_prefix.as_ref();
    let alias = prefix.map(|prefix| Errand::BindAlias(format!("{prefix}_{index}")));
    let tags = (!args.tags.is_empty()).then(|| Errand::SetTags(args.tags.clone()));
    alias.into_iter().chain(tags).collect()
}

fn config(args: &Devices, bootstrap: &Bootstrap, identity: &Identity, seed: u64) -> Config {
    let app_id = args.app.as_deref().unwrap_or(&bootstrap.app.appid);
    let mut config = Config::new(app_id, identity.install, identity.secret.clone(), seed);
    config.identity = identity.cid;
    config.last_handled = identity.last;
    config.heartbeat_s = args.heartbeat;
    config.learnt = args.learn_heartbeat.then(LearntHeartbeats::default);
    config.ack = args.ack.into();
    config.platform = Platform::Android;
    config
}

fn random_seed() -> io::Result<u64> {
    getrandom::u64().map_err(io::Error::other)
}

async fn join(tasks: Vec<JoinHandle<()>>) {
    for task in tasks {
        // A task that panicked has said so on stderr.
        let _ = task.await;
    }
}

/// The two signals that ask for an end.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, FromArgMatches, Parser};

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        devices: Devices,
    }

    fn config_of(flags: &[&str]) -> Result<Config, clap::Error> {
        let words = ["test", "--bootstrap", "b", "--count", "1"]
            .iter()
            .chain(flags);
        let matches = Line::command().try_get_matches_from(words)?;
        let args = Line::from_arg_matches(&matches)?.devices;
        let bootstrap: Bootstrap = serde_json::from_str(
            r#"{"device":"h:1","http":"http://h:2","pid":3,"ca_cert":"","admin_token":"",
                "app":{"appid":"id","appkey":"","appsecret":"","mastersecret":""}}"#,
        )
        .expect("a bootstrap file");
        let identity = Identity::random().expect("random bytes");
        Ok(config(&args, &bootstrap, &identity, 1))
    }

    #[test]
    fn given_the_flags_of_the_heartbeat_when_read_should_wish_or_learn_but_not_both() {
        let fixed = config_of(&["--heartbeat", "30"]).expect("good flags");
        assert_eq!((fixed.heartbeat_s, fixed.learnt), (30, None));
        let learning = config_of(&["--learn-heartbeat"]).expect("good flags");
        assert_eq!(learning.learnt, Some(LearntHeartbeats::default()));
        assert!(config_of(&["--learn-heartbeat", "--heartbeat", "30"]).is_err());
    }
}
