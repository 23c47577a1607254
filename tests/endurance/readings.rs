//! What the server holds over a long run: memory all the time, and memory, open files and threads
//! whenever everything is at rest after a fault.
//!
//! Always: only readings after the same fault are compared.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use super::harness::curve::Curve;
use super::harness::process::{open_files_but, rss_kib, threads};
use super::harness::wait_for;

/// Tables of the store, which are opened as they are read and written, up to the share of files that
/// the store has: they are not counted.
const TABLES: &str = "/tables/";

/// Files and threads that may come and go by themselves: a connection that the HTTP side has not
/// closed yet, a file of the store that is being merged.
const FILES_SLACK: usize = 6;
const THREADS_SLACK: usize = 2;

/// One reading at rest.
#[derive(Debug, Clone, Copy)]
struct Rest {
    kib: u64,
    files: usize,
    threads: usize,
}

/// See the module page.
pub(crate) struct Readings {
    begun: Instant,
    curve: Vec<(Duration, u64)>,
    rests: BTreeMap<&'static str, Vec<Rest>>,
}

/// Lets time pass while a fault lasts.
pub(crate) fn pass(span: Duration) {
    let until = Instant::now() + span;
    while let Some(left) = until.checked_duration_since(Instant::now()) {
        std::thread::park_timeout(left);
    }
}

impl Readings {
    /// None yet.
    pub(crate) fn begin() -> Readings {
        Readings {
            begun: Instant::now(),
            curve: Vec::new(),
            rests: BTreeMap::new(),
        }
    }

    /// Reads the memory of the process.
    pub(crate) fn look(&mut self, pid: u32) {
        self.curve.push((self.begun.elapsed(), rss_kib(pid)));
    }

    /// Reads everything, at rest after this fault. Files and threads must be as after the first one.
    pub(crate) fn compare(&mut self, fault: &'static str, pid: u32) {
        self.look(pid);
        let rests = self.rests.entry(fault).or_default();
        let read = || Rest {
            kib: rss_kib(pid),
            files: open_files_but(pid, TABLES),
            threads: threads(pid),
        };
        let rest = match rests.first() {
            None => read(),
            // What is left of the fault is closed a little later.
            Some(first) => wait_for("files and threads of the server to be as before", || {
                let rest = read();
                (rest.files <= first.files + FILES_SLACK
                    && rest.threads <= first.threads + THREADS_SLACK)
                    .then_some(rest)
            }),
        };
        rests.push(rest);
    }

    /// Prints what was read, draws the curve into a folder if there is one; the growth of memory from
    /// the first half of the readings to the second, in percent, as many after each fault in both.
    /// `None`: too few to compare.
    pub(crate) fn show(self, folder: Option<&Path>) -> Option<f64> {
        Curve::of_readings(self.curve).show("soak", folder);
        let (mut early, mut late, mut compared) = (0, 0, 0);
        for (fault, rests) in &self.rests {
            let (first, last) = (rests[0], rests[rests.len() - 1]);
            println!(
                "after {fault}: {} times, files {} to {}, threads {} to {}",
                rests.len(),
                first.files,
                last.files,
                first.threads,
                last.threads
            );
            let kib: Vec<u64> = rests.iter().map(|rest| rest.kib).collect();
            println!("memory in KiB: {kib:?}");
            let half = kib.len() / 2;
            early += kib[..half].iter().sum::<u64>();
            late += kib[kib.len() - half..].iter().sum::<u64>();
            compared += half;
        }
        if compared == 0 {
            println!("verdict: each fault came once, nothing to compare");
            return None;
        }
        let drift = (late as f64 / early as f64 - 1.0) * 100.0;
        println!("verdict: memory drifts by {drift:+.1} %, {compared} readings to {compared}");
        Some(drift)
    }
}
