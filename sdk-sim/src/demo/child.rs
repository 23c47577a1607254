//! The demo's server: a child process.
//!
//! Owner: the main thread. Always: the child ends with the demo, whatever ends the demo; what it
//! logs is in a file beside its data, so that it never waits for us.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, TryRecvError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, set_parent_process_death_signal};

use super::fault::Fault;
use super::news::News;
use crate::bootstrap::Bootstrap;

/// How long the server may take to its `ready` line; a debug build on a busy machine needs seconds.
const READY_WAIT: Duration = Duration::from_secs(60);

/// How long the server may take to drain: its own limit is 20 s.
const EXIT_WAIT: Duration = Duration::from_secs(30);

/// How often it is looked after meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Bytes of the log shown after a fault.
const LOG_TAIL_LEN: u64 = 4096;

#[derive(Debug)]
pub(super) struct Child {
    process: process::Child,
    lines: Receiver<String>,
    log: PathBuf,
}

impl Child {
    /// Starts `exe serve` on free loopback ports, with its data and log below `folder`.
    pub(super) fn start(exe: &Path, folder: &Path) -> Result<Self, Fault> {
        let log = folder.join("server.log");
        let log_file = File::create(&log).map_err(Fault::io("server log"))?;
        let mut command = Command::new(exe);
        command
            .arg("serve")
            .arg("--data")
            .arg(folder.join("data"))
            .args(["--device", "127.0.0.1:0", "--http", "127.0.0.1:0"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log_file)
            // A Ctrl-C is for the demo, which then ends the server in order.
            .process_group(0);
        // SAFETY: between fork and exec only one prctl is called, which allocates nothing, takes no
        // lock and touches no memory of ours.
        unsafe {
            command.pre_exec(|| {
                set_parent_process_death_signal(Some(Signal::TERM)).map_err(Into::into)
            });
        }
        let mut process = command.spawn().map_err(Fault::io("start the server"))?;
        let stdout = process.stdout.take().expect("asked for above");
        let (sender, lines) = mpsc::sync_channel(16);
        thread::spawn(move || {
            // Reads on to the end even when nobody listens: the server must not block on a pipe.
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = sender.try_send(line);
            }
        });
        Ok(Self {
            process,
            lines,
            log,
        })
    }

    /// Waits for the `ready` line and reads the bootstrap file in the folder it names.
    pub(super) fn bootstrap(&mut self, news: &Receiver<News>) -> Result<Bootstrap, Fault> {
        let since = Instant::now();
        loop {
            match self.lines.recv_timeout(LOOK_EVERY) {
                Ok(line) => {
                    if let Some(data) = data_folder(&line) {
                        return Ok(Bootstrap::load(&data.join("bootstrap.json"))?);
                    }
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(self.fault("ended before it was ready"));
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            if matches!(
                news.try_recv(),
                Ok(News::Interrupted) | Err(TryRecvError::Disconnected)
            ) {
                return Err(Fault::Interrupted);
            }
            if since.elapsed() > READY_WAIT {
                return Err(self.fault(&format!("was not ready within {READY_WAIT:?}")));
            }
        }
    }

    /// Fails if the server has ended.
    pub(super) fn check(&mut self) -> Result<(), Fault> {
        match self.process.try_wait().map_err(Fault::io("server"))? {
            Some(status) => Err(self.fault(&format!("ended by itself: {status}"))),
            None => Ok(()),
        }
    }

    /// Ends the server in order.
    pub(super) fn end(mut self) -> Result<(), Fault> {
        self.terminate();
        let since = Instant::now();
        loop {
            match self.process.try_wait().map_err(Fault::io("server"))? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => return Err(self.fault(&format!("did not end in order: {status}"))),
                None if since.elapsed() > EXIT_WAIT => {
                    return Err(self.fault(&format!("did not end within {EXIT_WAIT:?}")));
                }
                None => thread::sleep(LOOK_EVERY),
            }
        }
    }

    fn terminate(&self) {
        let pid = i32::try_from(self.process.id())
            .ok()
            .and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // Fails only if it has ended already.
            let _ = kill_process(pid, Signal::TERM);
        }
    }

    fn fault(&self, what: &str) -> Fault {
        Fault::Server {
            what: what.to_owned(),
            log: tail(&self.log).unwrap_or_else(|error| format!("(no log: {error})")),
        }
    }
}

impl Drop for Child {
    /// After a fault the data is thrown away: nothing is lost by not waiting for a drain.
    fn drop(&mut self) {
        if matches!(self.process.try_wait(), Ok(None)) {
            let _ = self.process.kill();
            let _ = self.process.wait();
        }
    }
}

/// The folder of `ready device=HOST:PORT http=HOST:PORT data=DIR`; it may contain spaces.
fn data_folder(line: &str) -> Option<PathBuf> {
    let (_, data) = line.strip_prefix("ready ")?.split_once(" data=")?;
    Some(PathBuf::from(data))
}

fn tail(path: &Path) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let len = file.metadata()?.len();
    file.seek(SeekFrom::Start(len.saturating_sub(LOG_TAIL_LEN)))?;
    let mut text = Vec::new();
    file.take(LOG_TAIL_LEN).read_to_end(&mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_lines_of_a_server_when_read_should_find_the_folder_of_the_ready_one() {
        assert_eq!(
            data_folder("ready device=127.0.0.1:1 http=127.0.0.1:2 data=a folder/data"),
            Some(PathBuf::from("a folder/data"))
        );
        assert_eq!(data_folder("listening data=x"), None);
    }

    #[test]
    fn given_a_program_that_ends_at_once_when_started_should_show_its_log() {
        let folder = tempfile::tempdir().expect("a folder");
        let exe = folder.path().join("server");
        std::fs::write(&exe, "#!/bin/sh\necho no store >&2\nexit 3\n").expect("a script");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        std::fs::set_permissions(&exe, mode).expect("executable");
        let mut child = Child::start(&exe, folder.path()).expect("starts");
        let (_sender, news) = mpsc::sync_channel(1);
        let fault = child.bootstrap(&news).expect_err("never ready").to_string();
        assert!(fault.contains("no store"), "{fault}");
    }
}
