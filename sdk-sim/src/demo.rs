//! `ringpost demo`: a server, devices and a third party on one machine, and the sum at the end.
//!
//! Owner: the process, whose main thread runs [`run`]. Always: the server is a child that does not
//! outlive the demo; the exit code is 0 only if every push was accepted and acked exactly once.

mod child;
mod fault;
mod keep;
mod ledger;
mod news;
mod phones;
mod progress;
mod pusher;
mod signals;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use clap::Args;

use self::child::Child;
use self::fault::Fault;
use self::ledger::Ledger;
use self::news::{NEWS_WAITING_MAX, News};
use self::phones::Phones;
use self::progress::Progress;
use self::pusher::Pusher;
use crate::bootstrap::Bootstrap;
use crate::file_limit::devices_that_fit;
use crate::third_party::{BlockingThirdParty, Credentials};

/// Handles each side needs besides one per device: rings, store files and log of the server, and
/// both ends of the third party's 64 connections.
const FILES_RESERVED: u64 = 256;

/// Most pushes of one demo; each is remembered to the end, which takes about 200 bytes.
const PUSHES_MAX: u64 = 1_000_000;

/// How long nothing at all may happen before the demo calls the rest lost.
const QUIET_WAIT: Duration = Duration::from_secs(30);

/// How often the child is looked after while nothing happens.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// How long the server's own count may take to reach ours: it is summed once a second.
const COUNT_WAIT: Duration = Duration::from_secs(5);

/// Exit code after a signal.
const EXIT_INTERRUPTED: u8 = 130;

/// Runs a server, devices and pushes on this machine, and checks the sum.
#[derive(Debug, Clone, Args)]
#[command(args_override_self = true)]
pub struct Demo {
    /// How many devices (fewer where the file limit is too small)
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=60_000))]
    pub devices: u32,
    /// How many messages to push
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=PUSHES_MAX))]
    pub pushes: u64,
    /// Leaves the server and the devices running afterwards, with a curl line to push by hand
    #[arg(long)]
    pub keep: bool,
}

/// Runs the demo with `server_exe serve` as its server. Call it on the main thread: the server is
/// told to end when the thread that started it does.
pub fn run(args: &Demo, server_exe: &Path) -> ExitCode {
    match play(args, server_exe) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(Fault::Interrupted) => {
            eprintln!("demo: interrupted");
            ExitCode::from(EXIT_INTERRUPTED)
        }
        Err(fault) => {
            eprintln!("demo: {fault}");
            ExitCode::FAILURE
        }
    }
}

/// True if every push was accepted and acked once.
fn play(args: &Demo, server_exe: &Path) -> Result<bool, Fault> {
    let count = device_count(args)?;
    let folder = tempfile::Builder::new()
        .prefix("ringpost-demo-")
        .tempdir()
        .map_err(Fault::io("temporary folder"))?;
    let (sender, news) = sync_channel(NEWS_WAITING_MAX);
    signals::listen(sender.clone())?;
    println!("starting the server");
    let mut child = Child::start(server_exe, folder.path())?;
    let bootstrap = child.bootstrap(&news)?;
    let mut stage = Stage {
        phones: Phones::start(&bootstrap, count, sender.clone())?,
        child,
        news,
    };
    let cids = stage.log_in(count)?;
    let (ledger, took) = stage.push(
        args.pushes,
        Pusher::start(&bootstrap, cids.clone(), args.pushes, sender)?,
    )?;
    let server_acked = server_count(&bootstrap, ledger.accepted());
    let mut out = io::stdout().lock();
    write!(out, "{}", ledger.table(args.pushes, server_acked, took))
        .and_then(|()| out.flush())
        .map_err(Fault::io("stdout"))?;
    drop(out);
    let whole = ledger.is_whole(args.pushes, server_acked);
    if args.keep {
        let kept: PathBuf = folder.keep();
        let outcome = keep::stay(&bootstrap, &cids, &mut stage);
        stage.end()?;
        println!("the data stays in {}", kept.display());
        outcome?;
    } else {
        stage.end()?;
    }
    Ok(whole)
}

fn device_count(args: &Demo) -> Result<usize, Fault> {
    let asked = args.devices as usize;
    let fit = devices_that_fit(FILES_RESERVED);
    if fit == 0 {
        return Err(Fault::FileLimit {
            needed: FILES_RESERVED + 1,
        });
    }
    if asked > fit {
        println!("the file limit has room for {fit} devices, not {asked}: taking {fit}");
    }
    Ok(asked.min(fit))
}

/// What runs between start and end.
struct Stage {
    phones: Phones,
    child: Child,
    news: Receiver<News>,
}

impl Stage {
    /// The next news; `None` when nothing came for a moment.
    fn next(&mut self) -> Result<Option<News>, Fault> {
        match self.news.recv_timeout(LOOK_EVERY) {
            Ok(News::Interrupted) => Err(Fault::Interrupted),
            Ok(News::Failed(why)) => Err(Fault::Failed(why)),
            Ok(news) => Ok(Some(news)),
            Err(RecvTimeoutError::Timeout) => {
                self.child.check()?;
                Ok(None)
            }
            Err(RecvTimeoutError::Disconnected) => unreachable!("the signal thread never ends"),
        }
    }

    /// Waits until all devices are logged in; returns their client ids.
    fn log_in(&mut self, count: usize) -> Result<Vec<String>, Fault> {
        let mut progress = Progress::new("devices online", count as u64);
        let mut last_news = Instant::now();
        loop {
            match self.next()? {
                Some(News::Ready(cids)) => {
                    progress.finish();
                    return Ok(cids);
                }
                Some(News::Online) => progress.step(),
                _ if last_news.elapsed() < QUIET_WAIT => continue,
                _ => return Err(Fault::Failed("the devices do not log in".to_owned())),
            }
            last_news = Instant::now();
        }
    }

    /// Waits until all pushes are answered and acked, or nothing happens any more.
    fn push(&mut self, pushes: u64, pusher: Pusher) -> Result<(Ledger, Duration), Fault> {
        let mut progress = Progress::new("pushes acked", pushes);
        let mut ledger = Ledger::new();
        let started = Instant::now();
        let mut last_news = started;
        while !ledger.is_settled(pushes) && last_news.elapsed() < QUIET_WAIT {
            let Some(news) = self.next()? else {
                continue;
            };
            match news {
                News::Accepted { messages, sent_at } => {
                    for message in messages {
                        ledger.accepted_push(message, sent_at);
                    }
                }
                News::NotAccepted { messages, why } => ledger.refused_push(messages, &why),
                News::Received { message, at } => ledger.received(message, at),
                News::Acked(messages) => {
                    for message in messages {
                        ledger.acked_push(message);
                        progress.step();
                    }
                }
                News::Repeated => ledger.repeated(),
                News::Online | News::Ready(_) => {}
                News::Interrupted | News::Failed(_) => unreachable!("`next` turns them to faults"),
            }
            last_news = Instant::now();
        }
        progress.finish();
        pusher.end();
        Ok((ledger, started.elapsed()))
    }

    fn end(self) -> Result<(), Fault> {
        self.phones.end();
        self.child.end()
    }
}

/// The server's count of acked messages, once it has reached `expected` or time is up; `None` if it
/// does not publish one.
fn server_count(bootstrap: &Bootstrap, expected: u64) -> Option<u64> {
    let client = BlockingThirdParty::new(&bootstrap.http, Credentials::from(bootstrap)).ok()?;
    let since = Instant::now();
    loop {
        let answer = client.get("/metrics").ok()?;
        let count = acked_total(&String::from_utf8_lossy(&answer.body))?;
        if count >= expected || since.elapsed() >= COUNT_WAIT {
            return Some(count);
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Sums a counter of the Prometheus text over its labels.
fn acked_total(text: &str) -> Option<u64> {
    const NAME: &str = "ringpost_messages_acked_total";

    text.lines()
        .filter_map(|line| line.strip_prefix(NAME))
        .filter(|rest| rest.starts_with([' ', '{']))
        .filter_map(|rest| rest.rsplit(' ').next()?.parse::<u64>().ok())
        .reduce(u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_metrics_when_summed_should_count_every_label_and_nothing_else() {
        let text = "# TYPE ringpost_messages_acked counter\n\
            ringpost_messages_acked_total{shard=\"0\"} 3\n\
            ringpost_messages_acked_total{shard=\"1\"} 4\n\
            ringpost_messages_acked_total_created 9\n\
            ringpost_messages_stored_total 5\n";
        assert_eq!(acked_total(text), Some(7));
        assert_eq!(acked_total("ringpost_messages_acked_total 2\n"), Some(2));
        assert_eq!(acked_total("other 1\n"), None);
    }
}
