//! The one source of chance of a run: xoshiro256**, seeded by splitmix64.
//!
//! Owner: one `World`. Always: the same seed gives the same numbers; nothing else in the
//! simulation is random, so a seed is a whole run.

/// Draws numbers. See the module page.
#[derive(Debug, Clone)]
pub(super) struct Dice([u64; 4]);

impl Dice {
    /// The dice of a seed.
    pub(super) fn new(seed: u64) -> Self {
        let mut state = seed;
        Dice(std::array::from_fn(|_| {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        }))
    }

    /// Any number.
    pub(super) fn any(&mut self) -> u64 {
        let [a, b, c, d] = &mut self.0;
        let drawn = b.wrapping_mul(5).rotate_left(7).wrapping_mul(9);
        let shifted = *b << 17;
        *c ^= *a;
        *d ^= *b;
        *b ^= *c;
        *a ^= *d;
        *c ^= shifted;
        *d = d.rotate_left(45);
        drawn
    }

    /// A number in `0..end`; `end` is at least 1.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        assert!(end > 0, "nothing lies below zero");
        ((u128::from(self.any()) * u128::from(end)) >> 64) as u64
    }

    /// A number in `first..=last`.
    pub(super) fn within(&mut self, first: u64, last: u64) -> u64 {
        first + self.below(last - first + 1)
    }

    /// An index of a list of `len` things.
    pub(super) fn index(&mut self, len: usize) -> usize {
        self.below(len as u64) as usize
    }

    /// True `times` times in `of`.
    pub(super) fn chance(&mut self, times: u64, of: u64) -> bool {
        self.below(of) < times
    }

    /// One of these.
    pub(super) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.index(from.len())]
    }

    /// So many bytes.
    pub(super) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.any() as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_the_same_seed_when_drawn_should_repeat_and_another_seed_not() {
        let draw = |seed| {
            let mut dice = Dice::new(seed);
            (0..16).map(|_| dice.any()).collect::<Vec<_>>()
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }

    #[test]
    fn given_a_range_when_drawn_often_should_reach_both_ends_and_never_pass_them() {
        let mut dice = Dice::new(1);
        let drawn: Vec<u64> = (0..1_000).map(|_| dice.within(3, 6)).collect();
        assert_eq!(drawn.iter().min(), Some(&3));
        assert_eq!(drawn.iter().max(), Some(&6));
        let hits = (0..10_000).filter(|_| dice.chance(1, 4)).count();
        assert!((2_200..2_800).contains(&hits), "{hits}");
    }
}
