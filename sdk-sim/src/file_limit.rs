//! How many files, and so how many devices, this process may hold.
//!
//! Owner: the process. Always: the soft limit is raised to the hard one, never beyond.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Handles a simulator needs besides its devices: the standard streams, ring and event handles,
/// state, journal and events files; about twenty, and room for what its parent left open.
pub const FILES_RESERVED: u64 = 64;

/// Raises the soft limit to the hard one and returns how many devices fit besides
/// `files_reserved` other handles. No limit at all counts as `usize::MAX`.
pub fn devices_that_fit(files_reserved: u64) -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    // Where raising is refused the soft limit stays in force.
    let files_max = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    let fit = files_max.map_or(u64::MAX, |files| files.saturating_sub(files_reserved));
    usize::try_from(fit).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_a_limit_when_more_is_reserved_should_leave_fewer_devices() {
        let all = devices_that_fit(0);
        assert!(all > 0);
        let soft = getrlimit(Resource::Nofile).current;
        assert_eq!(soft, getrlimit(Resource::Nofile).maximum);
        if soft.is_some() {
            assert_eq!(devices_that_fit(10), all.saturating_sub(10));
            assert_eq!(devices_that_fit(u64::MAX), 0);
        }
    }
}
