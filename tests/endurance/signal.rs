//! Signals that stop a process and let it go on.
//!
//! Always: by the `kill` that every system has; only processes of the test are named.

use std::process::Command;
use std::time::{Duration, Instant};

/// Stops a process for this long, as a host that is too busy or a debugger does.
pub(crate) fn freeze(pid: u32, span: Duration) {
    send("-STOP", pid);
    let until = Instant::now() + span;
    while let Some(left) = until.checked_duration_since(Instant::now()) {
        std::thread::park_timeout(left);
    }
    send("-CONT", pid);
}

fn send(signal: &str, pid: u32) {
    let done = Command::new("kill")
        .args([signal, &pid.to_string()])
        .status();
    assert!(done.expect("kill").success(), "{signal} to {pid}");
}
