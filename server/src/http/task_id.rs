//! Names of accepted requests: `RASS_MMdd_<32 hex>` and its like, as the live Getui service makes them.
//!
//! Always: month and day are those of UTC, so that all nodes of one installation agree whatever
//! their time zone. Nobody parses more than the first four letters.

use crate::secret;

const MS_PER_DAY: u64 = 24 * 60 * 60 * 1000;

/// How the ids of single pushes begin.
const SINGLE: &str = "RASS";

/// A fresh id for a single push.
pub(super) fn single(now_ms: u64) -> String {
    fresh(SINGLE, now_ms)
}

/// A fresh id for a list.
pub(super) fn list(now_ms: u64) -> String {
    fresh("RASL", now_ms)
}

/// A fresh id for a push to an app, a tag or conditions.
pub(super) fn app(now_ms: u64) -> String {
    fresh("RASA", now_ms)
}

/// Whether an id is that of a single push.
pub(super) fn is_single(task_id: &str) -> bool {
    task_id.starts_with(SINGLE)
}

fn fresh(kind: &str, now_ms: u64) -> String {
    let (month, day) = month_and_day(now_ms / MS_PER_DAY);
    format!(
        "{kind}_{month:02}{day:02}_{}",
        secret::hex(&secret::random::<16>())
    )
}

/// Month and day of a day since the Unix epoch. Counts days from 1 March of year 0, so that the
/// leap day is the last of its year (Howard Hinnant, "chrono-compatible low-level date algorithms").
fn month_and_day(days: u64) -> (u64, u64) {
    let days = days.saturating_add(719_468);
    let of_era = days % 146_097;
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    (month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_known_days_when_converted_should_be_the_calendar() {
        for (days, date) in [
            (0, (1, 1)),
            (58, (2, 28)),
            (59, (3, 1)),
            (789, (2, 29)),
            (11_016, (2, 29)),
            (11_017, (3, 1)),
            (20_454, (1, 1)),
            (20_818, (12, 31)),
        ] {
            assert_eq!(month_and_day(days), date, "day {days}");
        }
    }

    #[test]
    fn given_a_time_when_named_should_have_the_live_form() {
        let id = single(59 * MS_PER_DAY + MS_PER_DAY - 1);
        assert!(id.starts_with("RASS_0301_"), "{id}");
        assert_eq!(id.len(), 42);
        assert_ne!(id, single(59 * MS_PER_DAY));
        assert!(list(0).starts_with("RASL_0101_") && app(0).starts_with("RASA_0101_"));
        assert_eq!(
            [single(0), list(0), app(0)].map(|id| is_single(&id)),
            [true, false, false]
        );
    }
}
