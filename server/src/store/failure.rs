//! Which failures of a write leave open what is on the disk.
//!
//! A flush that failed once and goes well when it is asked again has not written what it failed to
//! write: Linux forgets those pages. So after such a failure nothing is taken until a start has read
//! what is there. A disk without room, or a process without another file, fails before anything of
//! the kind.

use std::error::Error;
use std::io;

use rustix::io::Errno;

/// Failures that pass, and leave nothing open.
const PASSING: [Errno; 7] = [
    Errno::NOSPC,
    Errno::DQUOT,
    Errno::MFILE,
    Errno::NFILE,
    Errno::NOMEM,
    Errno::INTR,
    Errno::AGAIN,
];

/// Whether nothing can be written until the store was opened again.
pub(super) fn is_lasting(error: &fjall::Error) -> bool {
    matches!(error, fjall::Error::Poisoned) || of_disk(error).is_some_and(|io| !is_passing(io))
}

fn of_disk<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e io::Error> {
    let mut at = Some(error);
    while let Some(error) = at {
        if let Some(io) = error.downcast_ref() {
            return Some(io);
        }
        at = error.source();
    }
    None
}

fn is_passing(error: &io::Error) -> bool {
    let code = error.raw_os_error().map(Errno::from_raw_os_error);
    code.is_some_and(|code| PASSING.contains(&code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_failures_when_told_apart_should_last_unless_they_pass() {
        let io = |code: Errno| io::Error::from_raw_os_error(code.raw_os_error());
        for (code, lasts) in [
            (Errno::IO, true),
            (Errno::ROFS, true),
            (Errno::NOSPC, false),
        ] {
            assert_eq!(is_lasting(&fjall::Error::Io(io(code))), lasts, "{code:?}");
            let of_tree = fjall::Error::Storage(fjall::LsmError::Io(io(code)));
            assert_eq!(is_lasting(&of_tree), lasts, "{code:?} of a table");
        }
        assert!(is_lasting(&fjall::Error::Poisoned));
        assert!(!is_lasting(&fjall::Error::KeyspaceDeleted));
        let unnamed = io::Error::other("neither a disk's nor the system's");
        assert!(is_lasting(&fjall::Error::Io(unnamed)));
    }
}
