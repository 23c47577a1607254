//! Who may hold how many of the files that the process may open: devices, third parties, operators,
//! the store.
//!
//! Owner: boot, which hands each side its share. Always: the shares together are no more than the
//! limit, so that none can take what another was promised, and the store can open a table and a
//! third party can push however many devices come.

use crate::limits::{
    DESCRIPTORS_OWN, DESCRIPTORS_PER_SHARD, DESCRIPTORS_RESERVED_MAX, DESCRIPTORS_RESERVED_MIN,
    HTTP_ADMIN_CONNECTIONS_MAX, STORE_FILES_MAX,
};

/// The shares of one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shares {
    /// Connections of devices.
    pub devices: usize,
    /// Connections of third parties, and of everybody where there is no listener for operators.
    pub third_parties: usize,
    /// Connections to the listener of operators.
    pub operators: usize,
    /// Files that the store keeps open.
    pub store: usize,
}

impl Shares {
    /// A twenty-fifth of the limit is kept from devices, within bounds that fit small and large
    /// limits; the store has half of that, to its own bound, and HTTP has the rest.
    pub fn of_limit(files: u64, shards: u16, has_admin: bool) -> Shares {
        let files = usize::try_from(files).unwrap_or(usize::MAX);
        let own = DESCRIPTORS_OWN + DESCRIPTORS_PER_SHARD * usize::from(shards);
        let reserved = (files / 25).clamp(DESCRIPTORS_RESERVED_MIN, DESCRIPTORS_RESERVED_MAX);
        let store = (reserved / 2).min(STORE_FILES_MAX);
        let http = reserved - store;
        // Who fills the one listener must not lock operators out of the other.
        let operators = match has_admin {
            true => (http / 4).min(HTTP_ADMIN_CONNECTIONS_MAX),
            false => 0,
        };
        Shares {
            devices: files.saturating_sub(reserved + own),
            third_parties: http - operators,
            operators,
            store,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::HTTP_CONNECTIONS_MAX;

    #[test]
    fn given_a_file_limit_when_shared_out_should_give_no_more_than_there_is() {
        for (files, shards) in [(256, 1), (300, 1), (1024, 8), (20_000, 2), (1 << 20, 256)] {
            for has_admin in [false, true] {
                let shares = Shares::of_limit(files, shards, has_admin);
                let own = DESCRIPTORS_OWN + DESCRIPTORS_PER_SHARD * usize::from(shards);
                let all = [
                    own,
                    shares.devices,
                    shares.third_parties,
                    shares.operators,
                    shares.store,
                ];
                assert_eq!(all.iter().sum::<usize>(), files as usize, "{shares:?}");
                assert!(all[1..4].iter().all(|share| *share > 0 || !has_admin));
                assert!(shares.store >= DESCRIPTORS_RESERVED_MIN / 2, "{shares:?}");
            }
        }
    }

    #[test]
    fn given_a_large_limit_when_shared_out_should_stop_at_the_bounds() {
        let shares = Shares::of_limit(1 << 20, 8, false);
        assert_eq!(shares.third_parties, HTTP_CONNECTIONS_MAX);
        assert_eq!(shares.store, STORE_FILES_MAX);
        // What one process is measured with.
        assert!(Shares::of_limit(20_000, 2, false).devices >= 19_000);
        let shares = Shares::of_limit(u64::MAX, 8, true);
        assert_eq!(shares.operators, HTTP_ADMIN_CONNECTIONS_MAX);
    }

    #[test]
    fn given_less_than_a_server_starts_with_when_shared_out_should_leave_no_device() {
        assert_eq!(Shares::of_limit(64, 1, false).devices, 0);
    }
}
