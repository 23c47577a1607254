//! Time as an argument. The core never asks for it.

/// One reading of both clocks, taken by the loop before each event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// Unix time in ms; may step. Expiry and reports use it.
    pub wall_ms: u64,
    /// Time since the shard started in ms; never goes back. Deadlines use it.
    pub mono_ms: u64,
}

/// A day of Unix time, the unit in which messages and request ids are dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(pub u32);

/// Length of a day in ms.
pub const DAY_MS: u64 = 24 * 3600 * 1000;

impl Day {
    /// The day that holds this time.
    pub fn of_ms(wall_ms: u64) -> Day {
        Day(u32::try_from(wall_ms / DAY_MS).unwrap_or(u32::MAX))
    }

    /// The first ms after this day.
    pub fn end_ms(self) -> u64 {
        (u64::from(self.0) + 1) * DAY_MS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_a_time_when_its_day_is_asked_for_should_end_with_the_first_ms_of_the_next() {
        let day = Day::of_ms(3 * DAY_MS - 1);
        assert_eq!((day, day.end_ms()), (Day(2), 3 * DAY_MS));
        assert_eq!(Day::of_ms(day.end_ms()), Day(3));
    }
}
