//! How much memory a server takes at most: the sum of its bounds.
//!
//! Only `store.memory_mib` and the file limit, which bounds connections, are the operator's; the rest
//! stands in [`limits`](crate::limits). A test holds a server under overload to it.

use server_core::limits::COMMIT_BYTES_IN_FLIGHT_MAX;

use crate::limits::{CONNECTION_BYTES, DEVICE_BYTES, HTTP_BODIES_HELD_LEN_MAX, PROCESS_BYTES};
use crate::store::StoreMemory;

/// See the module page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryBudget {
    /// Bytes that it takes however many devices there are: itself, bodies of requests, commits under
    /// way, and the store with half as much again for the allocator.
    pub fixed: u64,
}

impl MemoryBudget {
    /// Of a server with so many shards.
    pub fn of(shards: u16, store: StoreMemory) -> MemoryBudget {
        let bodies = HTTP_BODIES_HELD_LEN_MAX as u64;
        let commits = u64::from(shards) * COMMIT_BYTES_IN_FLIGHT_MAX as u64;
        let store = store.mib() * 1024 * 1024 / 2 * 3;
        MemoryBudget {
            fixed: PROCESS_BYTES + bodies + commits + store,
        }
    }

    /// Bytes with so many connections of devices, of so many that are registered.
    pub fn with_devices(self, connections: u64, registered: u64) -> u64 {
        self.fixed + connections * CONNECTION_BYTES + registered * DEVICE_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_devices_when_added_up_should_count_who_is_connected_and_who_is_not() {
        const MIB: u64 = 1024 * 1024;
        let store = StoreMemory::of_mib(32).expect("within its bounds");
        let budget = MemoryBudget::of(2, store);
        assert_eq!(budget.fixed, (64 + 64 + 2 * 32 + 48) * MIB);
        assert_eq!(budget.with_devices(0, 0), budget.fixed);
        let more = budget.with_devices(64, 1024) - budget.fixed;
        assert_eq!(more, MIB + 1024 * DEVICE_BYTES);
    }
}
