//! What must hold before the server takes work; each failure says its remedy.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::limits::DESCRIPTORS_PER_SHARD;

/// A check that failed.
#[derive(Debug, thiserror::Error)]
pub enum PreflightError {
    /// The kernel refuses io_uring.
    #[error(
        "io_uring is not permitted ({0}): set kernel.io_uring_disabled to 0, allow io_uring_setup in the seccomp \
         profile of the container, or use a kernel of 5.8 or later"
    )]
    IoUring(rustix::io::Errno),
    /// Too little memory may be locked.
    #[error(
        "{have} bytes of memory may be locked (ulimit -l), {shards} shards need {need}: raise the limit \
         (LimitMEMLOCK= in systemd, --ulimit memlock= in a container) or run fewer shards"
    )]
    Memlock {
        /// The hard limit.
        have: u64,
        /// What is needed.
        need: u64,
        /// How many shards were asked for.
        shards: u16,
    },
    /// Too few files may be open.
    #[error(
        "{have} files may be open (ulimit -n), at least {need} are needed: raise the limit (LimitNOFILE= in systemd)"
    )]
    Files {
        /// The hard limit.
        have: u64,
        /// What is needed to start at all.
        need: u64,
    },
}

/// Memory that glommio registers per executor, in bytes.
const LOCKED_PER_SHARD: u64 = 512 * 1024;
/// Files without which a server takes hardly any device: its own, and what is kept for the store and
/// for third parties.
const FILES_MIN: u64 = 256;

/// What this process may use.
#[derive(Debug, Clone)]
pub struct Resources {
    /// CPUs that threads may be pinned to.
    pub cpus: Vec<usize>,
    /// Cores' worth of time that a cgroup grants, at most `cpus.len()`.
    pub usable_cores: u16,
    /// Files that may be open, after raising the soft limit to the hard one.
    pub files: u64,
}

/// Has the kernel give this process memory in small pages only.
///
/// The allocator asks for huge ones and gives back parts of them. The kernel fills those parts up
/// again behind its back, a piece every ten seconds, so that memory which is not used rises for hours.
pub fn take_small_pages() {
    // A kernel that does not know of huge pages gives none.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}

/// Looks at CPUs and files, and raises the soft file limit to the hard one.
pub fn resources() -> Resources {
    let files = raise(Resource::Nofile);
    let cpus = allowed_cpus();
    let quota = std::fs::read_to_string("/sys/fs/cgroup/cpu.max")
        .ok()
        .and_then(|text| quota_cores(&text));
    let usable = quota.unwrap_or(usize::MAX).clamp(1, cpus.len());
    Resources {
        usable_cores: u16::try_from(usable).unwrap_or(u16::MAX),
        cpus,
        files,
    }
}

/// Looks at io_uring, locked memory and files for this many shards.
pub fn check(shards: u16, files: u64) -> Result<(), PreflightError> {
    let need = FILES_MIN + DESCRIPTORS_PER_SHARD as u64 * u64::from(shards - 1);
    if files < need {
        return Err(PreflightError::Files { have: files, need });
    }
    let mut params = rustix::io_uring::io_uring_params::default();
    // SAFETY: the parameters are zeroed as the call demands; the ring is closed at once.
    unsafe { rustix::io_uring::io_uring_setup(8, &mut params) }.map_err(PreflightError::IoUring)?;
    let need = LOCKED_PER_SHARD * u64::from(shards);
    let have = raise(Resource::Memlock);
    if have < need && !may_lock_memory() {
        return Err(PreflightError::Memlock { have, need, shards });
    }
    Ok(())
}

/// Raises a soft limit to the hard one, never beyond, and returns it.
fn raise(resource: Resource) -> u64 {
    let limit = getrlimit(resource);
    let _ = setrlimit(
        resource,
        Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        },
    );
    getrlimit(resource).current.unwrap_or(u64::MAX)
}

fn may_lock_memory() -> bool {
    const CAP_IPC_LOCK: u64 = 1 << 14;
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| {
        status
            .lines()
            .find_map(|line| line.strip_prefix("CapEff:"))
            .and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok())
            .is_some_and(|bits| bits & CAP_IPC_LOCK != 0)
    })
}

fn allowed_cpus() -> Vec<usize> {
    let Ok(set) = rustix::thread::sched_getaffinity(None) else {
        return vec![0];
    };
    let cpus: Vec<usize> = (0..rustix::thread::CpuSet::MAX_CPU)
        .filter(|cpu| set.is_set(*cpu))
        .collect();
    if cpus.is_empty() { vec![0] } else { cpus }
}

/// Cores that a cgroup's `cpu.max` grants, rounded up; `None` without a quota.
fn quota_cores(text: &str) -> Option<usize> {
    let (quota, period) = text.trim().split_once(' ')?;
    let (quota, period): (usize, usize) = (quota.parse().ok()?, period.parse().ok()?);
    (period > 0).then(|| quota.div_ceil(period))
}

#[cfg(test)]
mod tests {
    use super::quota_cores;

    #[test]
    fn given_cpu_max_when_read_should_round_up_and_know_no_quota() {
        assert_eq!(quota_cores("max 100000\n"), None);
        assert_eq!(quota_cores("150000 100000\n"), Some(2));
        assert_eq!(quota_cores("50000 100000\n"), Some(1));
        assert_eq!(quota_cores("nonsense"), None);
    }
}
