//! One hashed timing wheel per shard; no timer per connection.
//!
//! Always: an entry comes out at or after its deadline, within one tick of the `advance` that
//! passes it. The owner compares with the true deadline and puts the entry back if it moved, so
//! activity on a connection never touches the wheel.
//! Cost: 8 bytes an entry, O(1) to insert.

/// Width of a slot in ms: the accuracy of time-outs.
pub const TICK_MS: u64 = 250;
const SLOTS: usize = 1024;

/// Keys by deadline.
#[derive(Debug)]
pub struct Wheel<K> {
    slots: Vec<Vec<K>>,
    /// The first tick that was not looked at yet.
    next_tick: u64,
}

impl<K> Wheel<K> {
    /// An empty wheel that starts at `mono_ms`.
    pub fn new(mono_ms: u64) -> Self {
        Wheel {
            slots: (0..SLOTS).map(|_| Vec::new()).collect(),
            next_tick: mono_ms / TICK_MS,
        }
    }

    /// Puts a key in; it comes out at the first `advance` past its deadline, or earlier by whole
    /// turns when the deadline lies beyond one turn (256 s). Returns when it comes out, in ms.
    pub fn insert(&mut self, deadline_ms: u64, key: K) -> u64 {
        let tick = (deadline_ms / TICK_MS + 1).max(self.next_tick);
        let tick = tick.min(self.next_tick + SLOTS as u64 - 1);
        self.slots[(tick % SLOTS as u64) as usize].push(key);
        tick * TICK_MS
    }

    /// Takes out everything whose slot has passed.
    pub fn advance(&mut self, mono_ms: u64, due: &mut Vec<K>) {
        let now_tick = mono_ms / TICK_MS;
        let turns = (now_tick + 1)
            .saturating_sub(self.next_tick)
            .min(SLOTS as u64);
        for tick in self.next_tick..self.next_tick + turns {
            let slot = &mut self.slots[(tick % SLOTS as u64) as usize];
            due.append(slot);
            if slot.capacity() > 64 {
                *slot = Vec::new();
            }
        }
        self.next_tick = self.next_tick.max(now_tick + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(wheel: &mut Wheel<u32>, mono_ms: u64) -> Vec<u32> {
        let mut out = Vec::new();
        wheel.advance(mono_ms, &mut out);
        out
    }

    #[test]
    fn given_a_deadline_when_time_passes_should_come_out_once_and_never_early() {
        let mut wheel = Wheel::new(1_000);
        wheel.insert(5_000, 7);
        assert_eq!(due(&mut wheel, 4_999), []);
        assert_eq!(due(&mut wheel, 5_000), []);
        assert_eq!(due(&mut wheel, 5_000 + TICK_MS), [7]);
        assert_eq!(due(&mut wheel, 600_000), []);
    }

    #[test]
    fn given_a_deadline_when_put_in_should_say_when_it_comes_out() {
        let mut wheel = Wheel::new(1_000);
        assert_eq!(wheel.insert(5_000, 1), 5_000 + TICK_MS);
        assert_eq!(due(&mut wheel, 2_000), []);
        // One that is over comes with the next tick, and not with the one that has been.
        assert_eq!(wheel.insert(0, 2), 2_000 + TICK_MS);
        assert_eq!(due(&mut wheel, 2_000), []);
        assert_eq!(due(&mut wheel, 2_000 + TICK_MS), [2]);
    }

    #[test]
    fn given_a_slot_that_many_left_when_it_has_passed_should_hold_no_memory() {
        for (len, kept) in [(64, 64), (65, 0), (1_000, 0)] {
            let mut wheel = Wheel::new(0);
            for key in 0..len {
                wheel.insert(0, key);
            }
            assert_eq!(due(&mut wheel, TICK_MS).len(), len as usize);
            let held = wheel.slots.iter().map(Vec::capacity);
            assert_eq!(held.sum::<usize>(), kept, "{len} left it");
        }
    }

    #[test]
    fn given_a_deadline_beyond_a_turn_when_time_passes_should_come_out_early_enough_to_be_put_back()
    {
        let mut wheel = Wheel::new(0);
        wheel.insert(3_600_000, 1);
        let mut mono_ms = 0;
        while due(&mut wheel, mono_ms).is_empty() {
            mono_ms += TICK_MS;
            assert!(mono_ms < 257_000, "lost");
        }
        assert!(mono_ms < 3_600_000);
    }

    #[test]
    fn given_a_long_pause_when_advancing_should_drop_nothing() {
        let mut wheel = Wheel::new(0);
        for n in 0..2_000u32 {
            wheel.insert(u64::from(n) * 100, n);
        }
        let mut all = due(&mut wheel, 10_000_000);
        all.sort_unstable();
        assert_eq!(all, (0..2_000).collect::<Vec<_>>());
    }
}
