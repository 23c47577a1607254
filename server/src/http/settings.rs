//! `settings`: how long a push may wait, when and how fast it goes, and to which devices only.
//!
//! Always: each member is checked by its type and its bounds, also those that nothing here reads.
//! `speed` and `schedule_time` are not looked at before a push to an app asks for them: Getui
//! documents them for no other.

use server_core::group::Activity;

use super::fault::Fault;
use super::member::{Member, object};
use super::parameter::ParameterError;
use super::strategy::Strategy;
use crate::limits::api_len;

const MS_PER_MINUTE: u64 = 60_000;

object! {
    /// `settings` as it came.
    #[derive(Default)]
    RawSettings {
        ttl, strategy, speed, schedule_time, custom_callback, filter_notify_off, active_days, need_backup,
        activate_filter_day, activate_filter_type, active_push, lst, active_push_platform,
    }
}

/// Checked settings.
#[derive(Debug)]
pub(super) struct Settings<'a> {
    raw: RawSettings<'a>,
    /// How long a message may be stored; `None` is not at all.
    pub(super) ttl_ms: Option<u64>,
    /// How each vendor's devices are to be reached.
    pub(super) strategy: Strategy,
    /// To devices only that were active of late, or were not.
    pub(super) activity: Option<Activity>,
    /// Not to devices whose user switched notifications off.
    pub(super) skips_notify_off: bool,
}

impl<'a> Settings<'a> {
    /// Reads the member; without it all is as documented for nothing said.
    ///
    /// # Errors
    /// The first member that breaks a rule.
    pub(super) fn read(member: Member<'a>) -> Result<Self, ParameterError> {
        let member = member.unless_empty_array();
        let raw: RawSettings<'a> = member.object("settings")?.unwrap_or_default();
        let ttl_ms = ttl_ms(raw.ttl)?;
        let settings = Settings {
            ttl_ms,
            strategy: Strategy::read(raw.strategy)?,
            activity: activity(&raw)?,
            skips_notify_off: raw.filter_notify_off.flag("filter_notify_off")?,
            raw,
        };
        settings.check_the_rest()?;
        Ok(settings)
    }

    /// Messages a second; 0 for as many as go.
    ///
    /// # Errors
    /// Not a number of this kind.
    pub(super) fn speed(&self) -> Result<u32, ParameterError> {
        let speed = self.raw.speed.whole("speed", 0..=i64::from(u32::MAX))?;
        Ok(speed.unwrap_or(0))
    }

    /// When the push begins; `None` is at once. Up to the next full minute, so that it never comes
    /// before the time that was asked for.
    ///
    /// # Errors
    /// Not a number; past, or more than seven days away.
    pub(super) fn start_ms(&self, now_ms: u64) -> Result<Option<u64>, Fault> {
        let field = "schedule_time";
        let Some(ms) = self.raw.schedule_time.whole::<u64>(field, 0..=i64::MAX)? else {
            return Ok(None);
        };
        if ms < now_ms || ms - now_ms > api_len::SCHEDULE_MS_MAX {
            return Err(Fault::ScheduleTime);
        }
        Ok(Some(ms.div_ceil(MS_PER_MINUTE) * MS_PER_MINUTE))
    }

    /// What was set that is not for this server but for vendor channels, receipts and SDKs: name and
    /// value as they came.
    pub(super) fn for_others(&self) -> [(&'static str, Member<'a>); 7] {
        let raw = &self.raw;
        [
            ("strategy", raw.strategy),
            ("custom_callback", raw.custom_callback),
            ("active_days", raw.active_days),
            ("need_backup", raw.need_backup),
            ("active_push", raw.active_push),
            ("lst", raw.lst),
            ("active_push_platform", raw.active_push_platform),
        ]
    }

    fn check_the_rest(&self) -> Result<(), ParameterError> {
        let raw = &self.raw;
        raw.custom_callback
            .text("custom_callback", api_len::CUSTOM_CALLBACK_MAX)?;
        raw.active_days.whole::<u8>("active_days", 3..=15)?;
        raw.need_backup.flag("need_backup")?;
        raw.active_push.flag("active_push")?;
        let ttl_ms = self.ttl_ms.unwrap_or(0) as i64;
        raw.lst.whole::<u64>("lst", 1..=ttl_ms - 1)?;
        let field = "active_push_platform";
        let platforms: Vec<Member<'_>> = raw.active_push_platform.list(field)?.unwrap_or_default();
        for platform in platforms {
            platform
                .whole::<u8>(field, 1..=3)?
                .ok_or(ParameterError::Null { field })?;
        }
        Ok(())
    }
}

fn ttl_ms(member: Member<'_>) -> Result<Option<u64>, ParameterError> {
    let ttl_ms: i64 = member
        .whole("ttl", -1..=api_len::TTL_MS_MAX)?
        .unwrap_or(api_len::TTL_MS_DEFAULT);
    // A store for no time at all is no store, as -1 says it.
    Ok(u64::try_from(ttl_ms).ok().filter(|ms| *ms > 0))
}

/// The two members only mean something together.
fn activity(raw: &RawSettings<'_>) -> Result<Option<Activity>, ParameterError> {
    let (day, kind) = ("activate_filter_day", "activate_filter_type");
    let days: Option<u8> = raw
        .activate_filter_day
        .whole(day, 1..=api_len::ACTIVITY_DAYS_MAX)?;
    let sign: Option<i8> = raw.activate_filter_type.whole(kind, -1..=1)?;
    match (days, sign) {
        (None, None) => Ok(None),
        (None, Some(_)) => Err(ParameterError::Null { field: day }),
        (Some(_), None) => Err(ParameterError::Null { field: kind }),
        (Some(_), Some(0)) => Err(ParameterError::Invalid { field: kind }),
        (Some(days), Some(sign)) => Ok(Some(Activity {
            days,
            active: sign > 0,
        })),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::http::member;

    object! { Request { settings } }

    fn with<T>(
        settings: &Value,
        look: impl FnOnce(Result<Settings<'_>, ParameterError>) -> T,
    ) -> T {
        let body = json!({ "settings": settings }).to_string();
        let request: Request<'_> = member::body(body.as_bytes()).expect("json");
        look(Settings::read(request.settings))
    }

    fn fault(settings: Value) -> Option<ParameterError> {
        with(&settings, |read| read.err())
    }

    fn ttl(value: Value) -> Result<Option<u64>, ParameterError> {
        with(&json!({ "ttl": value }), |read| read.map(|it| it.ttl_ms))
    }

    fn start(value: Value, now_ms: u64) -> Result<Option<u64>, Fault> {
        with(&json!({ "schedule_time": value }), |read| {
            read.expect("valid").start_ms(now_ms)
        })
    }

    #[test]
    fn given_ttls_when_read_should_be_within_three_days_or_none() {
        assert_eq!(ttl(json!(-1)), Ok(None));
        assert_eq!(ttl(json!("-1")), Ok(None));
        assert_eq!(ttl(json!(0)), Ok(None));
        assert_eq!(ttl(json!(1)), Ok(Some(1)));
        assert_eq!(ttl(json!(259_200_000)), Ok(Some(259_200_000)));
        assert_eq!(ttl(Value::Null), Ok(Some(7_200_000)));
        for bad in [json!(259_200_001), json!(-2), json!("x"), json!(1.5)] {
            assert_eq!(ttl(bad), Err(ParameterError::Invalid { field: "ttl" }));
        }
        assert_eq!(
            fault(json!("x")),
            Some(ParameterError::Type { field: "settings" })
        );
        assert_eq!(
            fault(json!(["x"])),
            Some(ParameterError::Type { field: "settings" })
        );
        assert_eq!(fault(json!({"unknown": [1]})), None);
        assert_eq!(
            with(&json!([]), |read| read.map(|it| it.ttl_ms)),
            Ok(Some(7_200_000))
        );
    }

    #[test]
    fn given_schedule_times_when_read_should_be_within_seven_days_and_never_early() {
        let week = 7 * 24 * 3600 * 1000;
        let now = 1_700_000_012_345;
        assert_eq!(start(Value::Null, now), Ok(None));
        let minute = 1_700_000_040_000;
        for asked in [json!(now), json!(now.to_string()), json!(minute)] {
            assert_eq!(start(asked, now), Ok(Some(minute)));
        }
        assert_eq!(start(json!(minute + 1), now), Ok(Some(minute + 60_000)));
        assert!(start(json!(now + week), now).is_ok());
        for bad in [now + week + 1, now - 1, 0] {
            assert_eq!(start(json!(bad), now), Err(Fault::ScheduleTime), "{bad}");
        }
        let field = "schedule_time";
        for bad in [json!("tomorrow"), json!(-1), json!(1.5)] {
            assert_eq!(
                start(bad, now),
                Err(ParameterError::Invalid { field }.into())
            );
        }
        assert_eq!(
            start(json!([]), now),
            Err(ParameterError::Type { field }.into())
        );
    }

    #[test]
    fn given_a_speed_when_asked_for_should_be_no_less_than_none() {
        let speed = |value: Value| {
            with(&json!({ "speed": value }), |read| {
                read.expect("valid").speed()
            })
        };
        assert_eq!(speed(Value::Null), Ok(0));
        assert_eq!(speed(json!("200")), Ok(200));
        let field = "speed";
        for bad in [json!(-1), json!(4_294_967_296_u64), json!("fast")] {
            assert_eq!(speed(bad), Err(ParameterError::Invalid { field }));
        }
        assert_eq!(speed(json!({})), Err(ParameterError::Type { field }));
    }

    #[test]
    fn given_an_activity_filter_when_read_should_need_days_and_type() {
        let activity = |days: Value, kind: Value| {
            let settings = json!({"activate_filter_day": days, "activate_filter_type": kind});
            with(&settings, |read| read.map(|it| it.activity))
        };
        assert_eq!(activity(Value::Null, Value::Null), Ok(None));
        let is = |days, active| Ok(Some(Activity { days, active }));
        assert_eq!(activity(json!(7), json!(1)), is(7, true));
        assert_eq!(activity(json!("90"), json!("-1")), is(90, false));
        let null = |field| Err(ParameterError::Null { field });
        assert_eq!(
            activity(json!(7), Value::Null),
            null("activate_filter_type")
        );
        assert_eq!(activity(Value::Null, json!(1)), null("activate_filter_day"));
        let invalid = |field| Err(ParameterError::Invalid { field });
        for bad in [0, -1, 256] {
            assert_eq!(
                activity(json!(bad), json!(1)),
                invalid("activate_filter_day")
            );
        }
        for bad in [0, 2, -2] {
            assert_eq!(
                activity(json!(7), json!(bad)),
                invalid("activate_filter_type")
            );
        }
    }

    #[test]
    fn given_settings_for_others_when_read_should_be_checked_all_the_same() {
        let good = json!({
            "custom_callback": "c".repeat(1024), "filter_notify_off": "true", "active_days": "3",
            "need_backup": false, "active_push": true, "lst": 1, "active_push_platform": [1, "3"],
        });
        assert_eq!(fault(good), None);
        for (field, bad) in [
            ("active_days", json!(2)),
            ("active_days", json!(16)),
            ("lst", json!(0)),
            ("lst", json!(7_200_000)),
            ("active_push_platform", json!([0])),
            ("active_push_platform", json!([1, 4])),
        ] {
            assert_eq!(
                fault(json!({ field: bad })),
                Some(ParameterError::Invalid { field })
            );
        }
        for (field, bad) in [
            ("custom_callback", json!({})),
            ("filter_notify_off", json!(1)),
            ("need_backup", json!("yes")),
            ("active_push", json!([])),
            ("active_push_platform", json!(1)),
        ] {
            assert_eq!(
                fault(json!({ field: bad })),
                Some(ParameterError::Type { field })
            );
        }
        let long = json!({ "custom_callback": "c".repeat(1025) });
        let limit = 1024;
        assert_eq!(
            fault(long),
            Some(ParameterError::Size {
                field: "custom_callback",
                limit,
                got: 1025
            })
        );
        let unstored = json!({"ttl": -1, "lst": 1});
        assert_eq!(
            fault(unstored),
            Some(ParameterError::Invalid { field: "lst" })
        );
    }
}
