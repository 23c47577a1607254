//! The seeded randomness of one client: spreads reconnects, decides nothing else.
//!
//! Owner: one `Client`. Always: the same seed gives the same numbers, so a run can be replayed.

/// A splitmix64 generator: eight bytes of state, good enough to spread clients in time, never used
/// for secrets.
#[derive(Debug, Clone)]
pub(super) struct Jitter(u64);

impl Jitter {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number in `0..=ceiling`. The bias of the multiplication is below 2^-32 for any wait a
    /// client can be told.
    pub(super) fn up_to(&mut self, ceiling: u64) -> u64 {
        let span = u128::from(ceiling) + 1;
        ((u128::from(self.next()) * span) >> 64) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_a_ceiling_when_drawn_often_should_reach_both_ends_and_never_pass_it() {
        let mut jitter = Jitter::new(7);
        let draws: Vec<u64> = (0..1_000).map(|_| jitter.up_to(3)).collect();
        assert_eq!(draws.iter().min(), Some(&0));
        assert_eq!(draws.iter().max(), Some(&3));
    }

    #[test]
    fn given_the_same_seed_when_drawn_should_repeat() {
        let mut one = Jitter::new(42);
        let mut two = Jitter::new(42);
        let mut other = Jitter::new(43);
        let first: Vec<u64> = (0..8).map(|_| one.up_to(u64::MAX)).collect();
        let second: Vec<u64> = (0..8).map(|_| two.up_to(u64::MAX)).collect();
        let third: Vec<u64> = (0..8).map(|_| other.up_to(u64::MAX)).collect();
        assert_eq!(first, second);
        assert_ne!(first, third);
    }
}
