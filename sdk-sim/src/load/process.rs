//! What one process costs, from `/proc/PID`.
//!
//! Owner: whoever compares two samples. Always: read only; a field that the kernel does not give is
//! an error that names it, never a zero.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::auxv::Auxv;

/// What the server's process is called (`comm`); another name means that the pid of the bootstrap
/// file is not the server's on this machine.
const SERVER_NAME: &str = "ringpost";

/// Bytes of a KiB, the unit of memory in `/proc`.
const KIB: u64 = 1024;

/// One process, or this one.
#[derive(Debug, Clone)]
pub(super) struct Process {
    folder: PathBuf,
}

/// One thread of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Thread {
    pub(super) id: u64,
    pub(super) name: String,
    /// Time on a CPU.
    pub(super) cpu: Duration,
    /// Time in which it could have run and no CPU was free.
    pub(super) cpu_wait: Duration,
}

/// A process at one moment.
#[derive(Debug, Clone)]
pub(super) struct ProcessSample {
    /// From `stat`, to one clock tick.
    pub(super) user: Duration,
    pub(super) system: Duration,
    /// Bytes of memory the process has in RAM.
    pub(super) rss: u64,
    /// The most it ever had.
    pub(super) rss_peak: u64,
    pub(super) threads: Vec<Thread>,
}

impl Process {
    pub(super) fn own() -> Self {
        Self {
            folder: PathBuf::from("/proc/self"),
        }
    }

    /// The server with this pid; `Err` says why its cost cannot be read here.
    pub(super) fn server(pid: u32) -> Result<Self, String> {
        let folder = PathBuf::from(format!("/proc/{pid}"));
        let name = fs::read_to_string(folder.join("comm"))
            .map_err(|_| format!("no process {pid} on this machine (or in this container)"))?;
        let name = name.trim();
        if !name.starts_with(SERVER_NAME) {
            return Err(format!(
                "process {pid} of this machine is {name:?}, not {SERVER_NAME}"
            ));
        }
        let process = Self { folder };
        // What is not ours to read is said now, not after the load.
        process
            .sample(Auxv::read())
            .map(|_| process)
            .map_err(|error| error.to_string())
    }

    pub(super) fn sample(&self, auxv: Auxv) -> io::Result<ProcessSample> {
        let stat = self.read("stat")?;
        let (user, system) =
            times(&stat, auxv.ticks_per_s).ok_or_else(|| missing("stat", "utime and stime"))?;
        let status = self.read("status")?;
        let in_status = |name| kib(&status, name).ok_or_else(|| missing("status", name));
        // `status` counts per CPU and may be off by some hundred KiB; the rollup walks the pages.
        let rollup = self.read("smaps_rollup").unwrap_or_default();
        Ok(ProcessSample {
            user,
            system,
            rss: kib(&rollup, "Rss:").map_or_else(|| in_status("VmRSS:"), Ok)?,
            rss_peak: in_status("VmHWM:")?,
            threads: self.threads()?,
        })
    }

    fn threads(&self) -> io::Result<Vec<Thread>> {
        let mut threads = Vec::new();
        for entry in fs::read_dir(self.folder.join("task"))? {
            let folder = entry?.path();
            let id = folder
                .file_name()
                .and_then(|name| name.to_str()?.parse().ok());
            // A thread may end while we look.
            let (Some(id), Ok(name), Ok(schedule)) = (
                id,
                fs::read_to_string(folder.join("comm")),
                fs::read_to_string(folder.join("schedstat")),
            ) else {
                continue;
            };
            // A kernel without schedule statistics writes zeros.
            let mut times = schedule
                .split_whitespace()
                .map(|ns| Duration::from_nanos(ns.parse().unwrap_or(0)));
            threads.push(Thread {
                id,
                name: name.trim().to_owned(),
                cpu: times.next().unwrap_or_default(),
                cpu_wait: times.next().unwrap_or_default(),
            });
        }
        Ok(threads)
    }

    fn read(&self, name: &str) -> io::Result<String> {
        let path = self.folder.join(name);
        fs::read_to_string(&path)
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
    }
}

impl ProcessSample {
    /// CPU time since `before`: to the nanosecond, unless a thread has ended in between and taken
    /// its count along; then to a clock tick.
    pub(super) fn cpu_since(&self, before: &Self) -> Duration {
        let ticks = (self.user + self.system).saturating_sub(before.user + before.system);
        let is_here = |old: &Thread| self.threads.iter().any(|thread| thread.id == old.id);
        let exact = self.sum_since(before, |thread| thread.cpu);
        // Zero in all: this kernel keeps no schedule statistics.
        if exact.is_zero() || !before.threads.iter().all(is_here) {
            return ticks;
        }
        exact
    }

    /// Time since `before` in which threads that still live had to wait for a CPU.
    pub(super) fn cpu_wait_since(&self, before: &Self) -> Duration {
        self.sum_since(before, |thread| thread.cpu_wait)
    }

    /// What a thread had used at this moment.
    pub(super) fn thread(&self, id: u64) -> Option<&Thread> {
        self.threads.iter().find(|thread| thread.id == id)
    }

    fn sum_since(&self, before: &Self, time: fn(&Thread) -> Duration) -> Duration {
        let grown = |thread: &Thread| {
            let old = before.thread(thread.id).map_or(Duration::ZERO, time);
            time(thread).saturating_sub(old)
        };
        self.threads.iter().map(grown).sum()
    }
}

fn missing(file: &str, what: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("/proc: no {what} in {file}"),
    )
}

/// `utime` and `stime`, fields 14 and 15; the name before them may hold spaces and brackets.
fn times(stat: &str, ticks_per_s: u64) -> Option<(Duration, Duration)> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace().skip(11);
    let mut next = || {
        let ticks: u64 = fields.next()?.parse().ok()?;
        Some(Duration::from_millis(
            ticks.checked_mul(1000)? / ticks_per_s,
        ))
    };
    Some((next()?, next()?))
}

/// A line `NAME   123 kB`, in bytes.
pub(super) fn kib(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let number: u64 = line.split_whitespace().next()?.parse().ok()?;
    number.checked_mul(KIB)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_a_stat_line_when_read_should_pass_over_an_odd_name() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 100 0 0 0 250 31 0 0 20 0 3 0 9 1 1";
        let (user, system) = times(stat, 100).expect("reads");
        assert_eq!(user, Duration::from_millis(2500));
        assert_eq!(system, Duration::from_millis(310));
        assert_eq!(times("7 (a) S 1", 100), None);
        assert_eq!(kib("A:\t 1 kB\nVmRSS:\t  20 kB\n", "VmRSS:"), Some(20_480));
        assert_eq!(kib("VmRSS: x kB\n", "VmRSS:"), None);
    }

    fn sample(ticks_ms: u64, threads: &[(u64, u64)]) -> ProcessSample {
        let thread = |(id, ns): &(u64, u64)| Thread {
            id: *id,
            name: String::new(),
            cpu: Duration::from_nanos(*ns),
            cpu_wait: Duration::from_nanos(*ns * 2),
        };
        ProcessSample {
            user: Duration::from_millis(ticks_ms),
            system: Duration::ZERO,
            rss: 0,
            rss_peak: 0,
            threads: threads.iter().map(thread).collect(),
        }
    }

    #[test]
    fn given_threads_that_come_and_go_when_compared_should_count_all_their_time() {
        let before = sample(10, &[(1, 100), (2, 50)]);
        let since = |after: ProcessSample| after.cpu_since(&before);
        let grown = sample(20, &[(1, 107), (2, 50), (3, 4)]);
        assert_eq!(since(grown.clone()), Duration::from_nanos(11));
        let waited = grown.cpu_wait_since(&before);
        assert_eq!(waited, Duration::from_nanos(22));
        let ended = sample(20, &[(1, 107), (3, 4)]);
        assert_eq!(since(ended), Duration::from_millis(10));
        let unknown = sample(20, &[(1, 100), (2, 50)]);
        assert_eq!(since(unknown), Duration::from_millis(10));
    }

    #[test]
    fn given_this_process_when_sampled_should_find_itself_and_be_no_server() {
        let sample = Process::own().sample(Auxv::read()).expect("readable");
        assert!(sample.rss > 0 && sample.rss_peak > 0 && !sample.threads.is_empty());
        let error = Process::server(std::process::id()).expect_err("a test is no server");
        assert!(error.contains("not ringpost"), "{error}");
        let error = Process::server(u32::MAX).expect_err("no such process");
        assert!(error.contains("4294967295"), "{error}");
    }
}
