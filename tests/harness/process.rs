//! What the kernel says of a running process: memory, processor time, open files, threads.

use std::fs;
use std::time::Duration;

/// Ticks of `/proc/PID/stat` a second: fixed by the kernel's interface, whatever the kernel's own clock.
const TICKS_PER_S: u64 = 100;

/// Memory that the process holds now, in KiB.
pub fn rss_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("status");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .expect("VmRSS");
    line.trim()
        .strip_suffix(" kB")
        .and_then(|text| text.parse().ok())
        .expect("a size in kB")
}

/// Processor time of all its threads so far.
pub fn cpu_time(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("stat");
    // The name in brackets may hold spaces; user and system time are words 14 and 15 of the line.
    let (_, rest) = stat.rsplit_once(')').expect("a name in brackets");
    let ticks: u64 = rest
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(|word| word.parse::<u64>().expect("ticks"))
        .sum();
    Duration::from_millis(ticks * 1000 / TICKS_PER_S)
}

/// How many files it has open.
pub fn open_files(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).expect("fd").count()
}

/// How many files it has open whose path has no such part.
pub fn open_files_but(pid: u32, part: &str) -> usize {
    let files = fs::read_dir(format!("/proc/{pid}/fd")).expect("fd");
    // One that was closed since it was listed has no path.
    let paths = files.filter_map(|file| fs::read_link(file.expect("listed").path()).ok());
    let others = paths.filter(|path| !path.to_string_lossy().contains(part));
    others.count()
}

/// How many threads it has.
pub fn threads(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/task"))
        .expect("task")
        .count()
}

/// Share of one core that the process took while `span` passed, in percent.
pub fn cpu_percent_over(pid: u32, span: Duration) -> u64 {
    let before = cpu_time(pid);
    let until = std::time::Instant::now() + span;
    while let Some(left) = until.checked_duration_since(std::time::Instant::now()) {
        std::thread::park_timeout(left);
    }
    let took = cpu_time(pid).saturating_sub(before);
    u64::try_from(took.as_millis() * 100 / span.as_millis()).expect("a percentage")
}
