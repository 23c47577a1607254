//! The rules for a notification: what must be there, what excludes what, how long each text may be.
//!
//! Always: a notification that passes is within every limit of `rest-v2.md` 3.2. URLs are not
//! looked into: the docs and both official test suites send broken ones.

use schema::push::Notification;

use super::member::{Member, object};
use super::parameter::ParameterError;
use crate::limits::api_len;

object! {
    /// `push_message.notification`.
    RawNotification {
        title, body, big_text, big_image, logo, logo_url, channel_id, channel_name, channel_level,
        click_type, intent, want, url, payload, notify_id, ring_name, badge_add_num, thread_id,
        category, slot_type, redisplay_freq, redisplay_duration,
    }
}

/// Turns what came into what is sent.
///
/// # Errors
/// The first member that breaks a rule.
pub(super) fn notification(raw: &RawNotification<'_>) -> Result<Notification, ParameterError> {
    let notification = Notification {
        title: raw.title.required_text("title", api_len::TITLE_MAX)?,
        body: raw.body.required_text("body", api_len::BODY_MAX)?,
        click_type: raw
            .click_type
            .required_text("click_type", api_len::NAME_MAX)?,
        big_text: optional(raw.big_text, "big_text", api_len::BIG_TEXT_MAX)?,
        big_image: optional(raw.big_image, "big_image", api_len::URL_MAX)?,
        logo: optional(raw.logo, "logo", api_len::LOGO_MAX)?,
        logo_url: optional(raw.logo_url, "logo_url", api_len::LOGO_URL_MAX)?,
        channel_id: optional(raw.channel_id, "channel_id", api_len::CHANNEL_MAX)?,
        channel_name: optional(raw.channel_name, "channel_name", api_len::CHANNEL_MAX)?,
        channel_level: raw.channel_level.whole("channel_level", 0..=4)?,
        intent: optional(raw.intent, "intent", api_len::INTENT_MAX)?,
        want: want(raw.want)?,
        url: optional(raw.url, "url", api_len::URL_MAX)?,
        payload: optional(raw.payload, "payload", api_len::PAYLOAD_MAX)?,
        notify_id: raw.notify_id.whole("notify_id", 0..=i64::from(i32::MAX))?,
        ring_name: optional(raw.ring_name, "ring_name", api_len::NAME_MAX)?,
        badge_add_num: raw
            .badge_add_num
            .whole("badge_add_num", 1..=i64::from(i32::MAX))?,
        thread_id: optional(raw.thread_id, "thread_id", api_len::NAME_MAX)?,
        category: optional(raw.category, "category", api_len::NAME_MAX)?,
        slot_type: optional(raw.slot_type, "slot_type", api_len::NAME_MAX)?,
        redisplay_freq: raw.redisplay_freq.whole("redisplay_freq", 0..=3)?,
        redisplay_duration: raw.redisplay_duration.whole("redisplay_duration", 0..=24)?,
    };
    if notification.big_text.is_some() && notification.big_image.is_some() {
        return Err(ParameterError::BothSet {
            one: "big_text",
            other: "big_image",
        });
    }
    click(&notification)?;
    Ok(notification)
}

/// What a click does needs its companion.
fn click(notification: &Notification) -> Result<(), ParameterError> {
    let needs = |field, text: &Option<String>| match text {
        Some(_) => Ok(()),
        None => Err(ParameterError::Null { field }),
    };
    match notification.click_type.as_str() {
        "intent" if notification.intent.is_none() && notification.want.is_none() => {
            Err(ParameterError::BothNull {
                one: "intent",
                other: "want",
            })
        }
        "intent" | "startapp" | "none" => Ok(()),
        "url" => needs("url", &notification.url),
        "payload" | "payload_custom" => needs("payload", &notification.payload),
        _ => Err(ParameterError::Invalid {
            field: "click_type",
        }),
    }
}

/// Text that counts as absent when it is empty.
fn optional(
    member: Member<'_>,
    field: &'static str,
    len_max: usize,
) -> Result<Option<String>, ParameterError> {
    Ok(member.text(field, len_max)?.filter(|text| !text.is_empty()))
}

/// The one limit that Getui counts in bytes.
fn want(member: Member<'_>) -> Result<Option<String>, ParameterError> {
    let want = optional(member, "want", api_len::WANT_BYTES_MAX)?;
    match want.as_ref().map(String::len) {
        Some(got) if got > api_len::WANT_BYTES_MAX => Err(ParameterError::Size {
            field: "want",
            limit: api_len::WANT_BYTES_MAX,
            got,
        }),
        _ => Ok(want),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::http::member;

    fn read(change: &[(&str, Value)]) -> Result<Notification, ParameterError> {
        let mut all = json!({"title": "t", "body": "b", "click_type": "none"});
        for (name, value) in change {
            all[*name] = value.clone();
        }
        let text = all.to_string();
        notification(&member::body::<RawNotification<'_>>(text.as_bytes()).expect("an object"))
    }

    #[test]
    fn given_each_text_when_one_character_too_long_should_name_it() {
        for (field, limit) in [
            ("title", 50),
            ("body", 256),
            ("big_text", 512),
            ("big_image", 1024),
            ("logo", 64),
            ("logo_url", 256),
            ("channel_id", 64),
            ("channel_name", 64),
            ("intent", 4096),
            ("url", 1024),
            ("payload", 3072),
            ("ring_name", 256),
            ("thread_id", 256),
            ("category", 256),
            ("slot_type", 256),
        ] {
            assert!(
                read(&[(field, "中".repeat(limit).into())]).is_ok(),
                "{field}"
            );
            assert_eq!(
                read(&[(field, "中".repeat(limit + 1).into())]),
                Err(ParameterError::Size {
                    field,
                    limit,
                    got: limit + 1
                }),
            );
        }
        assert!(read(&[("want", "中".repeat(333).into())]).is_ok());
        assert_eq!(
            read(&[("want", "中".repeat(334).into())]),
            Err(ParameterError::Size {
                field: "want",
                limit: 999,
                got: 1002
            })
        );
    }

    #[test]
    fn given_numbers_as_number_or_text_when_read_should_be_in_range() {
        for (field, most) in [
            ("channel_level", 4_i64),
            ("notify_id", 2_147_483_647),
            ("badge_add_num", 2_147_483_647),
            ("redisplay_freq", 3),
            ("redisplay_duration", 24),
        ] {
            assert!(read(&[(field, most.into())]).is_ok(), "{field}");
            assert!(read(&[(field, most.to_string().into())]).is_ok(), "{field}");
            for bad in [
                json!(most + 1),
                json!(-1),
                json!("x"),
                json!((most + 1).to_string()),
            ] {
                assert_eq!(
                    read(&[(field, bad)]),
                    Err(ParameterError::Invalid { field })
                );
            }
        }
        assert_eq!(
            read(&[("badge_add_num", 0.into())]),
            Err(ParameterError::Invalid {
                field: "badge_add_num"
            })
        );
        assert_eq!(
            read(&[("notify_id", "7".into())]).map(|it| it.notify_id),
            Ok(Some(7))
        );
    }

    #[test]
    fn given_click_types_when_their_companion_is_absent_should_ask_for_it() {
        let click = |kind: &str, more: &[(&str, Value)]| {
            read(&[&[("click_type", kind.into())], more].concat()).map(|_| ())
        };
        for kind in ["none", "startapp"] {
            assert_eq!(click(kind, &[]), Ok(()));
        }
        for (kind, companion) in [
            ("url", "url"),
            ("payload", "payload"),
            ("payload_custom", "payload"),
        ] {
            assert_eq!(
                click(kind, &[]),
                Err(ParameterError::Null { field: companion })
            );
            assert_eq!(
                click(kind, &[(companion, "".into())]),
                Err(ParameterError::Null { field: companion })
            );
            assert_eq!(click(kind, &[(companion, "https//:x".into())]), Ok(()));
        }
        assert_eq!(
            click("intent", &[]),
            Err(ParameterError::BothNull {
                one: "intent",
                other: "want"
            })
        );
        assert_eq!(click("intent", &[("intent", "i".into())]), Ok(()));
        assert_eq!(click("intent", &[("want", "{}".into())]), Ok(()));
        assert_eq!(
            click("open", &[]),
            Err(ParameterError::Invalid {
                field: "click_type"
            })
        );
    }

    #[test]
    fn given_required_and_exclusive_members_when_broken_should_say_which() {
        assert_eq!(
            read(&[("title", Value::Null)]),
            Err(ParameterError::Null { field: "title" })
        );
        assert_eq!(
            read(&[("body", "".into())]),
            Err(ParameterError::Empty { field: "body" })
        );
        assert_eq!(
            read(&[("title", json!({}))]),
            Err(ParameterError::Type { field: "title" })
        );
        assert_eq!(
            read(&[("big_text", "x".into()), ("big_image", "y".into())]),
            Err(ParameterError::BothSet {
                one: "big_text",
                other: "big_image"
            })
        );
        assert!(read(&[("big_text", "x".into()), ("big_image", "".into())]).is_ok());
    }
}
