//! The hours in which a device does not connect.
//!
//! Owner: one `Client`. Always: by the clock of the server as its last welcome told it, or by the
//! caller's before that; a device that knows no time connects, and learns it.

use protocol::SilentTime;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// See the module page.
#[derive(Debug, Clone, Default)]
pub(super) struct Silence {
    time: Option<SilentTime>,
    /// What is added to the caller's ms to have those of Unix time.
    unix_offset_ms: Option<i64>,
    asked: Option<(u32, SilentTime)>,
}

impl Silence {
    pub(super) fn new(time: Option<SilentTime>, unix_offset_ms: Option<i64>) -> Self {
        Self {
            time: time.filter(|time| time.hours > 0),
            unix_offset_ms,
            asked: None,
        }
    }

    pub(super) fn set_clock(&mut self, now_ms: u64, unix_ms: u64) {
        let offset = i128::from(unix_ms) - i128::from(now_ms);
        self.unix_offset_ms = i64::try_from(offset).ok();
    }

    pub(super) fn asked(&mut self, serial: u32, time: SilentTime) {
        self.asked = Some((serial, time));
    }

    pub(super) fn answered(&mut self, serial: u32, ok: bool) {
        if let Some((_, time)) = self.asked.filter(|(asked, _)| *asked == serial) {
            self.asked = None;
            if ok {
                self.time = Some(time).filter(|time| time.hours > 0);
            }
        }
    }

    /// The app wants to be heard: the hours no longer hold here.
    pub(super) fn forget(&mut self) {
        self.time = None;
    }

    /// How long before `at_ms`, and until how long after, it is silent; `None` if it is not then.
    fn around(&self, at_ms: u64) -> Option<(u64, u64)> {
        let (time, into_day_ms) = self.place(at_ms)?;
        let since_ms = (into_day_ms - i64::from(time.begin_hour) * HOUR_MS).rem_euclid(DAY_MS);
        let left_ms = i64::from(time.hours) * HOUR_MS - since_ms;
        (left_ms > 0).then_some((since_ms.unsigned_abs(), left_ms.unsigned_abs()))
    }

    /// How far into the day of the device it is.
    fn place(&self, at_ms: u64) -> Option<(SilentTime, i64)> {
        let time = self.time?;
        let at_ms = i64::try_from(at_ms).ok()?;
        let unix_ms = at_ms.checked_add(self.unix_offset_ms?)?;
        let local_ms = unix_ms.checked_add(i64::from(time.zone_min) * 60_000)?;
        Some((time, local_ms.rem_euclid(DAY_MS)))
    }

    /// When it is over, if it is silent at this time.
    pub(super) fn ends_ms(&self, at_ms: u64) -> Option<u64> {
        let (_, left_ms) = self.around(at_ms)?;
        Some(at_ms.saturating_add(left_ms))
    }

    /// When it begins next, if it is not silent at this time.
    pub(super) fn begins_ms(&self, at_ms: u64) -> Option<u64> {
        if self.around(at_ms).is_some() {
            return None;
        }
        let (time, into_day_ms) = self.place(at_ms)?;
        let wait_ms = (i64::from(time.begin_hour) * HOUR_MS - into_day_ms).rem_euclid(DAY_MS);
        Some(at_ms.saturating_add(wait_ms.unsigned_abs()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: u64 = HOUR_MS.unsigned_abs();

    fn silent(begin_hour: u8, hours: u8, zone_min: i16) -> Silence {
        let time = SilentTime {
            begin_hour,
            hours,
            zone_min,
        };
        Silence::new(Some(time), Some(0))
    }

    #[test]
    fn given_hours_over_midnight_when_asked_should_begin_and_end_by_the_clock_of_the_device() {
        // From 22 to 8 in UTC+8 is from 14 to 0 in UTC.
        let night = silent(22, 10, 480);
        assert_eq!(night.ends_ms(13 * HOUR), None);
        assert_eq!(night.begins_ms(13 * HOUR), Some(14 * HOUR));
        assert_eq!(night.ends_ms(14 * HOUR), Some(24 * HOUR));
        assert_eq!(night.begins_ms(14 * HOUR), None);
        assert_eq!(night.ends_ms(24 * HOUR - 1), Some(24 * HOUR));
        assert_eq!(night.ends_ms(24 * HOUR), None);
        assert_eq!(night.begins_ms(24 * HOUR), Some(38 * HOUR));
    }

    #[test]
    fn given_no_hours_or_no_clock_when_asked_should_never_be_silent() {
        for never in [
            silent(22, 0, 0),
            Silence::new(None, Some(0)),
            Silence {
                unix_offset_ms: None,
                ..silent(0, 23, 0)
            },
        ] {
            assert_eq!((never.ends_ms(HOUR), never.begins_ms(HOUR)), (None, None));
        }
    }

    #[test]
    fn given_an_answer_when_it_is_ok_should_hold_from_then_on() {
        let mut silence = Silence::new(None, Some(0));
        let time = SilentTime {
            begin_hour: 0,
            hours: 1,
            zone_min: 0,
        };
        silence.asked(3, time);
        silence.answered(2, true);
        assert_eq!(silence.ends_ms(0), None);
        silence.answered(3, false);
        assert_eq!(silence.ends_ms(0), None);
        silence.asked(4, time);
        silence.answered(4, true);
        assert_eq!(silence.ends_ms(0), Some(HOUR));
        silence.asked(5, SilentTime { hours: 0, ..time });
        silence.answered(5, true);
        assert_eq!(silence.ends_ms(0), None);
    }

    proptest! {
        #[test]
        fn given_any_hours_when_asked_should_be_silent_for_that_long_every_day(
            begin in 0_u8..24, hours in 1_u8..24, zone in -720_i16..=840, at in 0_u64..10 * 24 * HOUR,
        ) {
            let silence = silent(begin, hours, zone);
            match silence.ends_ms(at) {
                Some(end) => {
                    prop_assert!(end > at && end - at <= u64::from(hours) * HOUR);
                    prop_assert_eq!(silence.ends_ms(end), None);
                    let next = silence.begins_ms(end).expect("the next day");
                    prop_assert_eq!(next - end, (24 - u64::from(hours)) * HOUR);
                }
                None => {
                    let next = silence.begins_ms(at).expect("a beginning");
                    prop_assert_eq!(silence.ends_ms(next), Some(next + u64::from(hours) * HOUR));
                }
            }
        }
    }
}
