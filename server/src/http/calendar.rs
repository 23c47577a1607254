//! Dates as the REST API writes them: `yyyy-MM-dd`, and `yyyy-MM-dd HH:mm:ss`.
//!
//! Always: days are those of UTC, as in the core ([`Day`]), so that all nodes of one installation
//! agree whatever their time zone. Getui's own service counts in the time of China.

use server_core::clock::{DAY_MS, Day};

/// Year, month and day of a day. Counts days from 1 March of year 0, so that the leap day is the
/// last of its year (Howard Hinnant, "chrono-compatible low-level date algorithms").
pub(super) fn date_of(day: Day) -> (u64, u64, u64) {
    let days = u64::from(day.0) + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

/// The day of `yyyy-MM-dd`. `None` if it is written in another way, does not exist, or is before
/// 1970.
pub(super) fn day_of_text(text: &str) -> Option<Day> {
    let &[y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = text.as_bytes() else {
        return None;
    };
    let number = |digits: &[u8]| {
        digits.iter().try_fold(0, |number: u64, digit| {
            let digit = char::from(*digit).to_digit(10)?;
            Some(number * 10 + u64::from(digit))
        })
    };
    let date = (
        number(&[y1, y2, y3, y4])?,
        number(&[m1, m2])?,
        number(&[d1, d2])?,
    );
    let (year, month, day) = date;
    if !(1..=12).contains(&month) || day == 0 {
        return None;
    }
    // The same count backwards.
    let (year, month_from_march) = if month > 2 {
        (year, month - 3)
    } else {
        (year.checked_sub(1)?, month + 9)
    };
    let of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let year_of_era = year % 400;
    let of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year;
    let days = (year / 400 * 146_097 + of_era).checked_sub(719_468)?;
    let day = Day(u32::try_from(days).ok()?);
    (date_of(day) == date).then_some(day)
}

/// `yyyy-MM-dd`.
pub(super) fn day_text(day: Day) -> String {
    let (year, month, day) = date_of(day);
    format!("{year:04}-{month:02}-{day:02}")
}

/// `yyyy-MM-dd HH:mm:ss` of a time in ms since the Unix epoch.
pub(super) fn time_text(ms: u64) -> String {
    let seconds = ms % DAY_MS / 1000;
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    let date = day_text(Day::of_ms(ms));
    format!("{date} {hours:02}:{minutes:02}:{:02}", seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_known_days_when_converted_should_be_the_calendar_both_ways() {
        for (days, text) in [
            (0, "1970-01-01"),
            (58, "1970-02-28"),
            (59, "1970-03-01"),
            (789, "1972-02-29"),
            (11_016, "2000-02-29"),
            (11_017, "2000-03-01"),
            (20_454, "2026-01-01"),
            (20_818, "2026-12-31"),
            (47_540, "2100-02-28"),
            (47_541, "2100-03-01"),
            (2_932_896, "9999-12-31"),
        ] {
            assert_eq!(day_text(Day(days)), text);
            assert_eq!(day_of_text(text), Some(Day(days)), "{text}");
        }
    }

    #[test]
    fn given_text_that_is_no_date_when_read_should_be_none() {
        for bad in [
            "",
            "2026-1-1",
            "20260101",
            "2026-02-29",
            "2100-02-29",
            "2026-00-10",
            "2026-13-10",
            "2026-04-00",
            "2026-04-31",
            "2026/04/30",
            "2026-04-3x",
            "+026-04-30",
            "2026-04-30 ",
            "1969-12-31",
            "0000-01-01",
            "２026-04-30",
        ] {
            assert_eq!(day_of_text(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn given_times_when_written_should_have_date_and_clock() {
        assert_eq!(time_text(0), "1970-01-01 00:00:00");
        assert_eq!(time_text(1_795_632_907_999), "2026-11-25 18:55:07");
        assert_eq!(time_text(DAY_MS - 1), "1970-01-01 23:59:59");
    }
}
