//! Names of accepted requests: `RASS_MMdd_<32 hex>` and its like, as the live Getui service makes them.
//!
//! Always: month and day are those of UTC, so that all nodes of one installation agree whatever
//! their time zone. Nobody parses more than the first four letters.

use server_core::clock::Day;

use super::calendar::date_of;
use crate::secret;

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
    let (_, month, day) = date_of(Day::of_ms(now_ms));
    format!(
        "{kind}_{month:02}{day:02}_{}",
        secret::hex(&secret::random::<16>())
    )
}

#[cfg(test)]
mod tests {
    use server_core::clock::DAY_MS;

    use super::*;

    #[test]
    fn given_a_time_when_named_should_have_the_live_form() {
        let id = single(59 * DAY_MS + DAY_MS - 1);
        assert!(id.starts_with("RASS_0301_"), "{id}");
        assert_eq!(id.len(), 42);
        assert_ne!(id, single(59 * DAY_MS));
        assert!(list(0).starts_with("RASL_0101_") && app(0).starts_with("RASA_0101_"));
        assert_eq!(
            [single(0), list(0), app(0)].map(|id| is_single(&id)),
            [true, false, false]
        );
    }
}
