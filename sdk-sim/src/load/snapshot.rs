//! Both sides and the machine at one moment, and what lies between two moments.
//!
//! Owner: a scenario, which takes one before and one after its measured phase. Always: taking one
//! blocks this thread, so no device runs while it is taken and none is taken inside a phase.

use std::time::{Duration, Instant};

use super::auxv::Auxv;
use super::fault::Fault;
use super::machine::MachineSample;
use super::process::{Process, ProcessSample};
use super::report::{Generator, Kernel, Machine, Server, ThreadShare, thousandths};

/// Above this share of a core a thread of ours may have been what was measured.
pub(super) const BOUND_SHARE: f64 = 0.7;

/// What can be looked at.
#[derive(Debug)]
pub(super) struct Probe {
    auxv: Auxv,
    own: Process,
    /// The server's pid and process, or why it cannot be read.
    server: Result<(u32, Process), String>,
}

#[derive(Debug)]
pub(super) struct Snapshot {
    at: Instant,
    own: ProcessSample,
    server: Option<ProcessSample>,
    machine: MachineSample,
}

/// What lies between two snapshots.
#[derive(Debug)]
pub(super) struct Phase {
    pub(super) wall: Duration,
    pub(super) server: Option<Server>,
    pub(super) generator: Generator,
    pub(super) machine: Machine,
    pub(super) kernel: Kernel,
}

impl Probe {
    pub(super) fn new(server_pid: u32) -> Self {
        Self {
            auxv: Auxv::read(),
            own: Process::own(),
            server: Process::server(server_pid).map(|process| (server_pid, process)),
        }
    }

    /// Why the server's cost is not measured, if it is not.
    pub(super) fn server_unknown(&self) -> Option<&str> {
        self.server.as_ref().err().map(String::as_str)
    }

    pub(super) fn take(&self) -> Result<Snapshot, Fault> {
        let server = self.server.as_ref().ok();
        let server = server.map(|(_, process)| process.sample(self.auxv));
        Ok(Snapshot {
            at: Instant::now(),
            own: self.own.sample(self.auxv).map_err(Fault::io("own cost"))?,
            server: server.transpose().map_err(Fault::io("the server's cost"))?,
            machine: MachineSample::take(self.auxv).map_err(Fault::io("the machine"))?,
        })
    }

    /// What happened since `before`.
    pub(super) fn since(&self, before: &Snapshot) -> Result<Phase, Fault> {
        let after = self.take()?;
        let wall = after.at.saturating_duration_since(before.at);
        let pid = self.server.as_ref().map_or(0, |(pid, _)| *pid);
        let server = match (&before.server, &after.server) {
            (Some(before), Some(after)) => Some(server(pid, before, after, wall)),
            _ => None,
        };
        let generator = generator(&before.own, &after.own, wall);
        let busy = after.machine.busy.saturating_sub(before.machine.busy);
        let known_s = generator.cpu_s + server.as_ref().map_or(0.0, |server| server.cpu_s);
        Ok(Phase {
            wall,
            machine: machine(busy, known_s, wall),
            kernel: kernel(&before.machine, &after.machine),
            server,
            generator,
        })
    }
}

fn share(cpu_s: f64, wall: Duration) -> f64 {
    thousandths(cpu_s / wall.as_secs_f64().max(f64::EPSILON))
}

fn seconds(time: Duration) -> f64 {
    // Microseconds: what is left after the scheduler's own noise.
    (time.as_secs_f64() * 1e6).round() / 1e6
}

fn growth(before: u64, after: u64) -> i64 {
    after.cast_signed().saturating_sub(before.cast_signed())
}

fn server(pid: u32, before: &ProcessSample, after: &ProcessSample, wall: Duration) -> Server {
    let cpu_s = seconds(after.cpu_since(before));
    Server {
        pid,
        cpu_s,
        cpu_user_s: seconds(after.user.saturating_sub(before.user)),
        cpu_system_s: seconds(after.system.saturating_sub(before.system)),
        cpu_cores: share(cpu_s, wall),
        cpu_wait_s: seconds(after.cpu_wait_since(before)),
        rss_before_bytes: before.rss,
        rss_after_bytes: after.rss,
        rss_growth_bytes: growth(before.rss, after.rss),
        rss_peak_bytes: after.rss_peak,
    }
}

fn generator(before: &ProcessSample, after: &ProcessSample, wall: Duration) -> Generator {
    let known = |id: u64| {
        before
            .thread(id)
            .map_or(Duration::ZERO, |thread| thread.cpu)
    };
    let threads: Vec<ThreadShare> = after
        .threads
        .iter()
        .map(|thread| ThreadShare {
            name: thread.name.clone(),
            cores: share(
                thread.cpu.saturating_sub(known(thread.id)).as_secs_f64(),
                wall,
            ),
        })
        .collect();
    Generator {
        cpu_s: seconds(after.cpu_since(before)),
        cpu_wait_s: seconds(after.cpu_wait_since(before)),
        rss_before_bytes: before.rss,
        rss_after_bytes: after.rss,
        rss_growth_bytes: growth(before.rss, after.rss),
        bound: threads.iter().any(|thread| thread.cores > BOUND_SHARE),
        threads,
    }
}

fn machine(busy: Duration, known_s: f64, wall: Duration) -> Machine {
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
    Machine {
        cores,
        busy_cores: share(busy.as_secs_f64(), wall),
        others_cores: share((busy.as_secs_f64() - known_s).max(0.0), wall),
    }
}

fn kernel(before: &MachineSample, after: &MachineSample) -> Kernel {
    Kernel {
        slab_growth_bytes: growth(before.slab, after.slab),
        tcp_buffers_growth_bytes: growth(before.tcp, after.tcp),
        tcp_sockets_growth: growth(before.tcp_sockets, after.tcp_sockets),
        available_drop_bytes: growth(after.available, before.available),
    }
}

#[cfg(test)]
mod tests {
    use super::super::process::Thread;
    use super::*;

    fn sample(rss: u64, threads: &[(u64, u64)]) -> ProcessSample {
        let thread = |(id, ms): &(u64, u64)| Thread {
            id: *id,
            name: "worker".to_owned(),
            cpu: Duration::from_millis(*ms),
            cpu_wait: Duration::ZERO,
        };
        ProcessSample {
            user: Duration::ZERO,
            system: Duration::ZERO,
            rss,
            rss_peak: rss,
            threads: threads.iter().map(thread).collect(),
        }
    }

    #[test]
    fn given_threads_of_ours_when_one_is_busy_should_be_marked_as_the_limit() {
        let second = Duration::from_secs(1);
        let before = sample(900, &[(1, 500), (2, 0)]);
        let easy = sample(700, &[(1, 1200), (2, 600)]);
        let easy = generator(&before, &easy, second);
        // Together more than a core, each of them not.
        assert!(!easy.bound, "{easy:?}");
        assert_eq!((easy.cpu_s, easy.rss_growth_bytes), (1.3, -200));
        let busy = sample(900, &[(1, 500), (2, 0), (3, 710)]);
        assert!(generator(&before, &busy, second).bound);
    }

    #[test]
    fn given_a_busy_machine_when_shared_out_should_leave_the_rest_to_others() {
        let busy = Duration::from_secs(3);
        let shared = machine(busy, 1.0, Duration::from_secs(2));
        assert_eq!((shared.busy_cores, shared.others_cores), (1.5, 1.0));
        let ours = machine(busy, 3.5, Duration::from_secs(2));
        assert_eq!(ours.others_cores, 0.0);
    }
}
