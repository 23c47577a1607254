//! What the reports are asked for: tasks, actions, a group name, days.
//!
//! Always: bounded, each once; days are those of UTC.

use std::collections::BTreeSet;

use schema::limits::ACTIONS_MAX;
use server_core::clock::Day;

use super::calendar::day_of_text;
use super::parameter::ParameterError;
use super::path::query_value;
use crate::limits::{API_PATH_TASKS_MAX, GROUP_REPORT_DAYS, api_len};

/// Each once; what is longer than any task id names no task.
///
/// # Errors
/// None; too many.
pub(super) fn listed_tasks(text: &str) -> Result<Vec<Box<str>>, ParameterError> {
    let field = "taskid";
    let got = text.split(',').count();
    if got > API_PATH_TASKS_MAX {
        return Err(ParameterError::Size {
            field,
            limit: API_PATH_TASKS_MAX,
            got,
        });
    }
    let named = text.split(',').map(str::trim).filter(|id| !id.is_empty());
    let ids: BTreeSet<&str> = named.collect();
    if ids.is_empty() {
        return Err(ParameterError::Empty { field });
    }
    let known = ids
        .into_iter()
        .filter(|id| id.len() <= api_len::TASK_ID_MAX);
    Ok(known.map(Box::from).collect())
}

/// The member `actionIdList` of a query.
///
/// # Errors
/// One that is no number; too many.
pub(super) fn listed_actions(text: Option<&str>) -> Result<Vec<u32>, ParameterError> {
    let field = "actionIdList";
    let mut actions = BTreeSet::new();
    let words = text.unwrap_or_default().split(',').map(str::trim);
    for word in words.filter(|word| !word.is_empty()) {
        let action = word
            .parse()
            .map_err(|_| ParameterError::Invalid { field })?;
        actions.insert(action);
    }
    if actions.len() > ACTIONS_MAX {
        return Err(ParameterError::Size {
            field,
            limit: ACTIONS_MAX,
            got: actions.len(),
        });
    }
    Ok(actions.into_iter().collect())
}

/// Checks a group name as a push is checked for it.
///
/// # Errors
/// Too long; a character that is not allowed.
pub(super) fn checked_group_name(name: &str) -> Result<(), ParameterError> {
    let field = "group_name";
    let got = name.chars().count();
    if got > api_len::GROUP_NAME_MAX {
        return Err(ParameterError::Size {
            field,
            limit: api_len::GROUP_NAME_MAX,
            got,
        });
    }
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !name.chars().all(is_name) {
        return Err(ParameterError::Invalid { field });
    }
    Ok(())
}

/// First and last day of a group report, within the days for which there can be one. `None` if
/// none of the days asked for is.
///
/// # Errors
/// No date; the first day after the last.
pub(super) fn span(query: Option<&str>, today: Day) -> Result<Option<(Day, Day)>, ParameterError> {
    let first = Day(today.0.saturating_sub(GROUP_REPORT_DAYS));
    let from = date_of_query(query, "startDate")?;
    let to = date_of_query(query, "endDate")?;
    if from.zip(to).is_some_and(|(from, to)| from > to) {
        return Err(ParameterError::Invalid { field: "startDate" });
    }
    let from = from.map_or(first, |from| from.max(first));
    let to = to.map_or(today, |to| to.min(today));
    Ok((from <= to).then_some((from, to)))
}

/// A date in a path: today is not over yet, so it has no report.
///
/// # Errors
/// No date; today or later.
pub(super) fn day_before_today(date: &str, now_ms: u64) -> Result<Day, ParameterError> {
    day_of_text(date)
        .filter(|day| *day < Day::of_ms(now_ms))
        .ok_or(ParameterError::Invalid { field: "date" })
}

fn date_of_query(query: Option<&str>, field: &'static str) -> Result<Option<Day>, ParameterError> {
    match query_value(query, field).as_deref() {
        None | Some("") => Ok(None),
        Some(text) => day_of_text(text)
            .map(Some)
            .ok_or(ParameterError::Invalid { field }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_tasks_in_a_path_when_listed_should_take_each_once_up_to_200() {
        let ids = |text: &str| listed_tasks(text).map(|ids| ids.join(" "));
        assert_eq!(
            ids("RASL_b, RASA_a,,RASL_b,"),
            Ok("RASA_a RASL_b".to_owned())
        );
        assert_eq!(ids(&format!("{},a", "x".repeat(65))), Ok("a".to_owned()));
        let field = "taskid";
        assert_eq!(ids(","), Err(ParameterError::Empty { field }));
        let many = |len: usize| {
            let ids: Vec<String> = (0..len).map(|n| n.to_string()).collect();
            listed_tasks(&ids.join(",")).map(|ids| ids.len())
        };
        assert_eq!(many(200), Ok(200));
        assert_eq!(
            many(201),
            Err(ParameterError::Size {
                field,
                limit: 200,
                got: 201
            })
        );
    }

    #[test]
    fn given_actions_in_a_query_when_listed_should_be_numbers_each_once() {
        let field = "actionIdList";
        assert_eq!(listed_actions(None), Ok(Vec::new()));
        assert_eq!(listed_actions(Some("")), Ok(Vec::new()));
        assert_eq!(
            listed_actions(Some("90002, 90001,,90002")),
            Ok(vec![90001, 90002])
        );
        for bad in ["x", "-1", "1.5", "4294967296"] {
            assert_eq!(
                listed_actions(Some(bad)),
                Err(ParameterError::Invalid { field })
            );
        }
        let many: Vec<String> = (0..65).map(|n| n.to_string()).collect();
        assert_eq!(
            listed_actions(Some(&many.join(","))),
            Err(ParameterError::Size {
                field,
                limit: 64,
                got: 65
            })
        );
    }

    #[test]
    fn given_group_names_when_checked_should_be_as_the_push_takes_them() {
        let field = "group_name";
        assert_eq!(checked_group_name(&"a-Z_9".repeat(20)), Ok(()));
        assert_eq!(
            checked_group_name(&"a".repeat(101)),
            Err(ParameterError::Size {
                field,
                limit: 100,
                got: 101
            })
        );
        for bad in ["a b", "组", "a.b"] {
            assert_eq!(
                checked_group_name(bad),
                Err(ParameterError::Invalid { field })
            );
        }
    }

    #[test]
    fn given_spans_of_days_when_read_should_stay_within_what_is_kept() {
        let today = day_of_text("2026-11-25").expect("a date");
        let first = day_of_text("2026-09-16").expect("a date");
        assert_eq!(today.0 - first.0, 70);
        let read = |query: &str| span(Some(query), today);
        assert_eq!(span(None, today), Ok(Some((first, today))));
        assert_eq!(read("startDate=&endDate="), Ok(Some((first, today))));
        let (from, to) = (Day(today.0 - 5), Day(today.0 - 1));
        assert_eq!(
            read("startDate=2026-11-20&endDate=2026-11-24"),
            Ok(Some((from, to)))
        );
        assert_eq!(
            read("startDate=1970-01-01&endDate=9999-12-31"),
            Ok(Some((first, today)))
        );
        for none in [
            "startDate=2020-01-01&endDate=2020-02-01",
            "endDate=2026-09-15",
            "startDate=2026-11-26",
        ] {
            assert_eq!(read(none), Ok(None), "{none}");
        }
        for (bad, field) in [
            ("startDate=x", "startDate"),
            ("startDate=20261120", "startDate"),
            ("endDate=2026-11-31", "endDate"),
            ("endDate=2026-11-2", "endDate"),
        ] {
            assert_eq!(read(bad), Err(ParameterError::Invalid { field }), "{bad}");
        }
        assert_eq!(
            read("startDate=2026-11-25&endDate=2026-11-24"),
            Err(ParameterError::Invalid { field: "startDate" })
        );
    }

    #[test]
    fn given_dates_when_they_are_not_over_should_be_refused() {
        // 2026-11-25, 18:55.
        let now_ms = 1_795_632_907_999;
        assert_eq!(
            day_before_today("2026-11-24", now_ms),
            Ok(Day(Day::of_ms(now_ms).0 - 1))
        );
        for bad in [
            "2026-11-25",
            "2026-11-26",
            "2026-11-31",
            "yesterday",
            "20261124",
        ] {
            assert_eq!(
                day_before_today(bad, now_ms),
                Err(ParameterError::Invalid { field: "date" }),
                "{bad}"
            );
        }
    }
}
