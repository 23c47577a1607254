//! How often each app has called, against what its operator allows.
//!
//! Owner: the ingress thread; no lock. Always: a call that is refused is not counted; windows are the minutes and the
//! days (UTC) of the wall clock, so at most twice a quota fits into a span of its length. In memory: a restart begins
//! anew. Cost: some 100 bytes for each app that called today and has a quota.

use std::collections::HashMap;

use schema::record::{App, Rate};
use server_core::ids::AppNo;

use super::fault::Fault;

const MINUTE_MS: u64 = 60 * 1000;
const DAY_MS: u64 = 24 * 60 * MINUTE_MS;

/// What a call counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quota {
    /// A token given.
    Auth,
    /// A push to one, or a batch of them.
    Single,
    /// The message of a list, or a push of it.
    List,
    /// A push to the whole app. This and the next two share one count.
    All,
    /// A push by tag conditions.
    Tag,
    /// A push by one tag.
    FastTag,
    /// A change of tags.
    ChangeTags,
}

/// Which of the two windows is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Span {
    Minute,
    Day,
}

/// A quota that is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Overrun {
    quota: Quota,
    span: Span,
    limit: u32,
}

impl Quota {
    /// What a call of this row of the router counts as. By the path, so that a new endpoint counts from its first day.
    pub(super) fn of(verb: &str, path: &str) -> Option<Quota> {
        match (verb, path.strip_prefix("/v2/{}/")?) {
            ("POST", "auth") => Some(Quota::Auth),
            ("POST", "push/all") => Some(Quota::All),
            ("POST", "push/tag") => Some(Quota::Tag),
            ("POST", "push/fast_custom_tag") => Some(Quota::FastTag),
            ("POST", path) if path.starts_with("push/single/") => Some(Quota::Single),
            ("POST", path) if path.starts_with("push/list/") => Some(Quota::List),
            ("POST" | "PUT" | "DELETE", path) if path.starts_with("user/custom_tag/") => {
                Some(Quota::ChangeTags)
            }
            _ => None,
        }
    }

    /// Its place among the counts of an app.
    fn place(self) -> usize {
        match self {
            Quota::Auth => 0,
            Quota::Single => 1,
            Quota::List => 2,
            Quota::All | Quota::Tag | Quota::FastTag => 3,
            Quota::ChangeTags => 4,
        }
    }

    fn rate(self, app: &App) -> Rate {
        let quotas = &app.settings.quotas;
        [
            quotas.auth,
            quotas.single,
            quotas.list,
            quotas.app,
            quotas.tags,
        ][self.place()]
    }
}

impl Overrun {
    /// Whether it is answered as a matter of permission (401) and not of the amount bought (403).
    pub(super) fn is_permission(self) -> bool {
        matches!(self.code(), 10003 | 10005)
    }

    /// The code that Getui gives to it.
    pub(super) fn code(self) -> i32 {
        match (self.quota, self.span) {
            (Quota::Auth, _) => 10003,
            (Quota::Single, Span::Minute) => 10005,
            (Quota::Single, Span::Day) => 30009,
            (Quota::List, Span::Minute) => 30015,
            (Quota::List, Span::Day) => 30008,
            (Quota::All | Quota::Tag, Span::Minute) => 30014,
            (Quota::All, Span::Day) => 30007,
            (Quota::Tag, Span::Day) => 30010,
            (Quota::FastTag, Span::Minute) => 30013,
            (Quota::FastTag, Span::Day) => 30006,
            (Quota::ChangeTags, Span::Minute) => 30012,
            (Quota::ChangeTags, Span::Day) => 30011,
        }
    }
}

impl std::fmt::Display for Overrun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let what = match self.quota {
            Quota::Auth => "auth calls",
            Quota::Single => "single pushes",
            Quota::List => "list pushes",
            Quota::All | Quota::Tag | Quota::FastTag => "app pushes",
            Quota::ChangeTags => "tag changes",
        };
        let span = match self.span {
            Span::Minute => "minute",
            Span::Day => "day",
        };
        write!(f, "{what} per {span} exceeded, at most {}", self.limit)
    }
}

/// Calls of one kind in the minute and the day under way.
#[derive(Debug, Clone, Copy, Default)]
struct Count {
    minute: u64,
    in_minute: u32,
    day: u64,
    in_day: u32,
}

impl Count {
    fn begin_anew(&mut self, now_ms: u64) {
        let (minute, day) = (now_ms / MINUTE_MS, now_ms / DAY_MS);
        if self.minute != minute {
            (self.minute, self.in_minute) = (minute, 0);
        }
        if self.day != day {
            (self.day, self.in_day) = (day, 0);
        }
    }
}

/// The counts of all apps that have a quota.
#[derive(Debug, Default)]
pub(super) struct Quotas(HashMap<AppNo, [Count; 5]>);

impl Quotas {
    /// The calls of a day, and how many of them are left; `None` without a limit.
    pub(super) fn of_day(&self, app: &App, quota: Quota, now_ms: u64) -> Option<(u32, u32)> {
        let limit = Some(quota.rate(app).per_day).filter(|limit| *limit > 0)?;
        let taken = self.0.get(&AppNo(app.number)).map_or(0, |counts| {
            let mut count = counts[quota.place()];
            count.begin_anew(now_ms);
            count.in_day
        });
        Some((limit, limit.saturating_sub(taken)))
    }

    /// Takes one call of an app, or says that there is none left.
    ///
    /// # Errors
    /// [`Fault::OverQuota`].
    pub(super) fn take(&mut self, app: &App, quota: Quota, now_ms: u64) -> Result<(), Fault> {
        let rate = quota.rate(app);
        if rate == Rate::default() {
            return Ok(());
        }
        let number = AppNo(app.number);
        if !self.0.contains_key(&number) {
            // Those of apps that are gone go too.
            let today = now_ms / DAY_MS;
            self.0
                .retain(|_, counts| counts.iter().any(|count| count.day == today));
        }
        let count = &mut self.0.entry(number).or_default()[quota.place()];
        count.begin_anew(now_ms);
        for (span, taken, limit) in [
            (Span::Minute, count.in_minute, rate.per_minute),
            (Span::Day, count.in_day, rate.per_day),
        ] {
            if limit != 0 && taken >= limit {
                return Err(Fault::OverQuota(Overrun { quota, span, limit }));
            }
        }
        count.in_minute = count.in_minute.saturating_add(1);
        count.in_day = count.in_day.saturating_add(1);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::fixture;

    fn app(number: u32, set: impl FnOnce(&mut App)) -> App {
        let mut app = fixture::app();
        app.number = number;
        set(&mut app);
        app
    }

    fn rate(per_minute: u32, per_day: u32) -> Rate {
        Rate {
            per_minute,
            per_day,
        }
    }

    /// The code of the refusal, 0 without one.
    fn take(quotas: &mut Quotas, app: &App, quota: Quota, now_ms: u64) -> i32 {
        quotas
            .take(app, quota, now_ms)
            .map_or_else(Fault::code, |()| 0)
    }

    #[test]
    fn given_a_quota_of_a_minute_and_a_day_when_used_up_should_refuse_until_the_next() {
        let app = app(1, |app| app.settings.quotas.single = rate(2, 5));
        let mut quotas = Quotas::default();
        let mut at = |now_ms| take(&mut quotas, &app, Quota::Single, now_ms);
        let noon = DAY_MS / 2;
        assert_eq!([at(noon), at(noon), at(noon)], [0, 0, 10005]);
        assert_eq!(at(noon + MINUTE_MS - 1), 10005);
        let next = noon + MINUTE_MS;
        assert_eq!([at(next), at(next), at(next)], [0, 0, 10005]);
        // What was refused did not count: one of the day is left.
        let third = next + MINUTE_MS;
        assert_eq!([at(third), at(third)], [0, 30009]);
        assert_eq!([at(DAY_MS - 1), at(DAY_MS)], [30009, 0]);
    }

    #[test]
    fn given_apps_and_kinds_when_one_is_used_up_should_leave_the_others() {
        let set = |app: &mut App| {
            app.settings.quotas.app = rate(0, 2);
            app.settings.quotas.tags = rate(1, 0);
        };
        let (one, other, free) = (app(1, set), app(2, set), app(3, |_| {}));
        let mut quotas = Quotas::default();
        let mut of = |app: &App, quota| take(&mut quotas, app, quota, 0);
        assert_eq!([of(&one, Quota::All), of(&one, Quota::Tag)], [0, 0]);
        assert_eq!(
            [Quota::All, Quota::Tag, Quota::FastTag].map(|quota| of(&one, quota)),
            [30007, 30010, 30006]
        );
        let change = Quota::ChangeTags;
        assert_eq!([of(&one, change), of(&one, change)], [0, 30012]);
        assert_eq!(of(&other, Quota::All), 0);
        for _ in 0..1000 {
            assert_eq!(of(&free, Quota::All) + of(&one, Quota::Auth), 0);
        }
        assert_eq!(quotas.0.len(), 2, "an app without a quota takes no room");
        assert_eq!(take(&mut quotas, &app(4, set), Quota::All, DAY_MS), 0);
        assert_eq!(quotas.0.len(), 1, "those of yesterday are gone");
    }

    #[test]
    fn given_each_overrun_when_answered_should_have_the_code_and_status_of_the_api() {
        use Quota::{All, Auth, ChangeTags, FastTag, List, Single, Tag};
        for (quota, minute, day) in [
            (Auth, (401, 10003), (401, 10003)),
            (Single, (401, 10005), (403, 30009)),
            (List, (403, 30015), (403, 30008)),
            (All, (403, 30014), (403, 30007)),
            (Tag, (403, 30014), (403, 30010)),
            (FastTag, (403, 30013), (403, 30006)),
            (ChangeTags, (403, 30012), (403, 30011)),
        ] {
            for (span, expected) in [(Span::Minute, minute), (Span::Day, day)] {
                let overrun = Overrun {
                    quota,
                    span,
                    limit: 7,
                };
                let fault = Fault::OverQuota(overrun);
                assert_eq!((fault.status().as_u16(), fault.code()), expected);
                assert!(
                    fault.msg().ends_with("exceeded, at most 7"),
                    "{}",
                    fault.msg()
                );
            }
        }
    }

    #[test]
    fn given_paths_of_the_router_when_called_should_count_as_their_kind() {
        for (verb, path, quota) in [
            ("POST", "/v2/{}/auth", Some(Quota::Auth)),
            ("DELETE", "/v2/{}/auth/{}", None),
            ("POST", "/v2/{}/push/single/alias", Some(Quota::Single)),
            ("POST", "/v2/{}/push/single/batch/cid", Some(Quota::Single)),
            ("POST", "/v2/{}/push/list/message", Some(Quota::List)),
            ("POST", "/v2/{}/push/list/cid_by_tag", Some(Quota::List)),
            ("POST", "/v2/{}/push/all", Some(Quota::All)),
            ("POST", "/v2/{}/push/tag", Some(Quota::Tag)),
            ("POST", "/v2/{}/push/fast_custom_tag", Some(Quota::FastTag)),
            (
                "POST",
                "/v2/{}/user/custom_tag/cid/{}",
                Some(Quota::ChangeTags),
            ),
            ("GET", "/v2/{}/user/custom_tag/cid/{}", None),
            (
                "PUT",
                "/v2/{}/user/custom_tag/batch/{}",
                Some(Quota::ChangeTags),
            ),
            (
                "DELETE",
                "/v2/{}/user/custom_tag/batch/{}",
                Some(Quota::ChangeTags),
            ),
            ("GET", "/v2/{}/report/push/count", None),
            ("POST", "/admin/v1/apps/{}/push/single/cid", None),
        ] {
            assert_eq!(Quota::of(verb, path), quota, "{verb} {path}");
        }
    }
}
