//! A push request as a whole: its id, its settings, whom it is for and what it says.
//!
//! Always: what passes here becomes a command that cannot be wrong in form. Members that only
//! matter to other kinds of push (`speed`, `schedule_time`) are not looked at.

use bytes::Bytes;
use serde::de::IgnoredAny;
use server_core::command::{Push, Storage};

use super::fault::Fault;
use super::member::{self, Member, object};
use super::parameter::ParameterError;
use super::push_message::Draft;
use super::task_id;
use crate::limits::api_len;

object! {
    /// The body of a single push.
    RawRequest { request_id, group_name, settings, audience, push_message, push_channel }
}

object! {
    /// `settings`.
    RawSettings { ttl, strategy }
}

/// A checked request whose audience is still to be read.
#[derive(Debug)]
pub(super) struct PushRequest<'a> {
    request_id: String,
    storage_ms: Option<u64>,
    /// Read by the endpoint, since each takes another kind.
    pub(super) audience: Member<'a>,
    draft: Draft,
}

impl<'a> PushRequest<'a> {
    /// Reads a body.
    ///
    /// # Errors
    /// Not a JSON object; the first member that breaks a rule.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, Fault> {
        let raw: RawRequest<'a> = member::body(bytes)?;
        let request_id = request_id(raw.request_id)?;
        check_group_name(raw.group_name)?;
        let storage_ms = storage_ms(raw.settings)?;
        // Its vendors and options are many and not ours; no vendor channel is attached yet.
        raw.push_channel.object::<IgnoredAny>("push_channel")?;
        Ok(PushRequest {
            request_id,
            storage_ms,
            audience: raw.audience,
            draft: Draft::read(raw.push_message)?,
        })
    }

    /// The push of a new task.
    pub(super) fn into_push(self, now_ms: u64) -> Push {
        let task_id = task_id::single(now_ms);
        Push {
            request_id: self.request_id.into(),
            storage: match self.storage_ms {
                Some(ms) => Storage::Until(now_ms.saturating_add(ms)),
                None => Storage::Never,
            },
            vendor: None,
            body: Bytes::from(self.draft.encode(&task_id)),
            task_id: task_id.into(),
        }
    }
}

fn request_id(member: Member<'_>) -> Result<String, ParameterError> {
    let text = member.required_text("request_id", api_len::REQUEST_ID_MAX)?;
    if text.chars().count() < api_len::REQUEST_ID_MIN {
        return Err(ParameterError::Invalid {
            field: "request_id",
        });
    }
    Ok(text)
}

fn check_group_name(member: Member<'_>) -> Result<(), ParameterError> {
    let name = member
        .text("group_name", api_len::GROUP_NAME_MAX)?
        .unwrap_or_default();
    if !name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    {
        return Err(ParameterError::Invalid {
            field: "group_name",
        });
    }
    Ok(())
}

/// How long the message may be stored; `None` is not at all.
fn storage_ms(settings: Member<'_>) -> Result<Option<u64>, ParameterError> {
    let settings: Option<RawSettings<'_>> = settings.object("settings")?;
    let (ttl, strategy) = settings.map_or_else(Default::default, |raw| (raw.ttl, raw.strategy));
    // All strategies mean the same while no vendor channel is attached.
    strategy.object::<IgnoredAny>("strategy")?;
    let ttl_ms: i64 = ttl
        .whole("ttl", -1..=api_len::TTL_MS_MAX)?
        .unwrap_or(api_len::TTL_MS_DEFAULT);
    // A store for no time at all is no store, as -1 says it.
    Ok(u64::try_from(ttl_ms).ok().filter(|ms| *ms > 0))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(change: &[(&str, Value)]) -> Result<Push, Fault> {
        let mut all = json!({
            "request_id": "1234567890", "audience": {"cid": []}, "push_message": {"transmission": "x"},
            "task_name": "java", "sign": "c#"
        });
        for (name, value) in change {
            all[*name] = value.clone();
        }
        PushRequest::read(all.to_string().as_bytes()).map(|request| request.into_push(1000))
    }

    fn invalid<T>(field: &'static str) -> Result<T, Fault> {
        Err(ParameterError::Invalid { field }.into())
    }

    #[test]
    fn given_a_plain_request_when_read_should_be_stored_for_two_hours() {
        let push = read(&[]).expect("valid");
        assert_eq!(&*push.request_id, "1234567890");
        assert_eq!(push.storage, Storage::Until(7_201_000));
        assert!(push.task_id.starts_with("RASS_0101_"));
        assert!(!push.body.is_empty());
    }

    #[test]
    fn given_request_ids_when_read_should_have_10_to_32_characters() {
        for good in [
            json!("x".repeat(32)),
            json!("中".repeat(32)),
            json!(1_700_000_000_000_u64),
        ] {
            assert!(read(&[("request_id", good.clone())]).is_ok(), "{good}");
        }
        assert_eq!(
            read(&[("request_id", "123456789".into())]).map(|_| ()),
            invalid("request_id")
        );
        assert_eq!(
            read(&[("request_id", "x".repeat(33).into())]).map(|_| ()),
            Err(ParameterError::Size {
                field: "request_id",
                limit: 32,
                got: 33
            }
            .into())
        );
        assert_eq!(
            read(&[("request_id", Value::Null)]).map(|_| ()),
            Err(ParameterError::Null {
                field: "request_id"
            }
            .into())
        );
    }

    #[test]
    fn given_ttls_when_read_should_be_within_three_days_or_none() {
        let of = |ttl: Value| read(&[("settings", json!({"ttl": ttl}))]).map(|push| push.storage);
        assert_eq!(of(json!(-1)), Ok(Storage::Never));
        assert_eq!(of(json!("-1")), Ok(Storage::Never));
        assert_eq!(of(json!(0)), Ok(Storage::Never));
        assert_eq!(of(json!(1)), Ok(Storage::Until(1001)));
        assert_eq!(of(json!(259_200_000)), Ok(Storage::Until(259_201_000)));
        assert_eq!(of(Value::Null), Ok(Storage::Until(7_201_000)));
        for bad in [json!(259_200_001), json!(-2), json!("x"), json!(1.5)] {
            assert_eq!(of(bad), invalid("ttl"));
        }
    }

    #[test]
    fn given_members_of_the_wrong_kind_when_read_should_name_them() {
        assert_eq!(read(&[("group_name", "a-B_9".into())]).map(|_| ()), Ok(()));
        assert_eq!(
            read(&[("group_name", "a b".into())]).map(|_| ()),
            invalid("group_name")
        );
        assert!(read(&[("group_name", "x".repeat(101).into())]).is_err());
        for field in ["settings", "push_channel"] {
            assert!(read(&[(field, json!({"x": [1]}))]).is_ok());
            assert_eq!(
                read(&[(field, json!("x"))]).map(|_| ()),
                Err(ParameterError::Type { field }.into())
            );
        }
        assert_eq!(
            read(&[("settings", json!({"strategy": 1}))]).map(|_| ()),
            Err(ParameterError::Type { field: "strategy" }.into())
        );
        assert!(
            read(&[(
                "settings",
                json!({"strategy": {"default": 2}, "speed": "x", "schedule_time": []})
            )])
            .is_ok()
        );
    }

    #[test]
    fn given_the_longest_notification_when_encoded_should_fit_one_frame_to_a_device() {
        let text = |len: usize| Value::from("😀".repeat(len));
        let mut notification = json!({"click_type": "none", "want": "😀".repeat(249), "title": text(50),
            "body": text(256), "big_image": text(1024), "logo": text(64), "logo_url": text(256),
            "channel_id": text(64), "channel_name": text(64), "intent": text(4096), "url": text(1024),
            "payload": text(3072)});
        for name in ["ring_name", "thread_id", "category", "slot_type"] {
            notification[name] = text(256);
        }
        let push = read(&[("push_message", json!({"notification": notification}))]).expect("valid");
        assert!(push.body.len() > 40_000, "{}", push.body.len());
        assert!(push.body.len() + 9 <= protocol::limits::BODY_LEN_MAX_TO_DEVICE);
    }
}
