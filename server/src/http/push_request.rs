//! A push request as a whole: its id, its settings, whom it is for and what it says.
//!
//! Always: what passes here becomes a command that cannot be wrong in form. What is for vendor
//! channels, receipts and SDKs is kept with the task as it came.

use std::fmt::Write;

use bytes::Bytes;
use schema::limits::VENDOR_LEN_MAX;
use serde::de::IgnoredAny;
use server_core::command::{Push, Storage};
use server_core::group::{Audience, Condition, GroupKind, GroupPush};

use super::fault::Fault;
use super::member::{self, Member, object};
use super::parameter::ParameterError;
use super::push_message::Draft;
use super::settings::Settings;
use super::task_id;
use super::vendor_desk::Offer;
use crate::limits::api_len;

object! {
    /// The body of a push, and an element of a batch.
    RawRequest { request_id, group_name, settings, audience, push_message, push_channel }
}

/// A checked request whose audience is still to be read.
#[derive(Debug)]
pub(super) struct PushRequest<'a> {
    /// Empty if there was none, which only the message of a list may do.
    pub(super) request_id: Box<str>,
    group_name: Box<str>,
    /// How, when and how fast.
    pub(super) settings: Settings<'a>,
    /// Read by the endpoint, since each takes another kind.
    pub(super) audience: Member<'a>,
    push_channel: Member<'a>,
    vendor: Option<Box<str>>,
    draft: Draft,
}

impl<'a> PushRequest<'a> {
    /// Reads a body.
    ///
    /// # Errors
    /// Not a JSON object; the first member that breaks a rule.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, Fault> {
        Ok(Self::of(member::body(bytes)?)?)
    }

    /// Reads a body that is already taken apart.
    ///
    /// # Errors
    /// The first member that breaks a rule.
    pub(super) fn of(raw: RawRequest<'a>) -> Result<Self, ParameterError> {
        let request_id = request_id(raw.request_id)?;
        Self::named(request_id, raw)
    }

    /// Reads the message of a list: it needs no request id, and names nobody.
    ///
    /// # Errors
    /// As [`PushRequest::read`].
    pub(super) fn read_list(bytes: &'a [u8]) -> Result<Self, Fault> {
        let raw: RawRequest<'a> = member::body(bytes)?;
        let request_id = match raw.request_id.is_set() {
            true => request_id(raw.request_id)?,
            false => "".into(),
        };
        Ok(Self::named(request_id, raw)?)
    }

    fn named(request_id: Box<str>, raw: RawRequest<'a>) -> Result<Self, ParameterError> {
        let group_name = group_name(raw.group_name)?;
        let settings = Settings::read(raw.settings)?;
        let push_channel = raw.push_channel.unless_empty_array();
        // Its vendors and options are many and not ours.
        push_channel.object::<IgnoredAny>("push_channel")?;
        Ok(PushRequest {
            request_id,
            group_name,
            vendor: vendor(&settings, push_channel)?,
            settings,
            audience: raw.audience,
            push_channel,
            draft: Draft::read(raw.push_message)?,
        })
    }

    /// What a vendor channel would be handed; `None` if the request has nothing for one.
    pub(super) fn offer(&self) -> Option<Offer> {
        Some(Offer {
            strategy: self.settings.strategy.clone(),
            push_channel: self.push_channel.json()?.into(),
        })
    }

    /// The push of a new task.
    pub(super) fn into_push(self, now_ms: u64) -> Push {
        let task_id = task_id::single(now_ms);
        Push {
            request_id: self.request_id,
            storage: match self.settings.ttl_ms {
                Some(ms) => Storage::Until(now_ms.saturating_add(ms)),
                None => Storage::Never,
            },
            vendor: self.vendor,
            skips_notify_off: self.settings.skips_notify_off,
            body: Bytes::from(self.draft.encode(&task_id)),
            task_id: task_id.into(),
        }
    }

    /// The message of a new list.
    pub(super) fn into_list(self, now_ms: u64) -> GroupPush {
        self.into_group(GroupKind::List, task_id::list(now_ms))
    }

    /// A push of a new task to the devices of an app that meet all conditions.
    ///
    /// # Errors
    /// A speed that is none.
    pub(super) fn into_app_push(
        self,
        conditions: Vec<Condition>,
        start_ms: Option<u64>,
        now_ms: u64,
    ) -> Result<GroupPush, ParameterError> {
        let audience = Audience {
            conditions,
            activity: self.settings.activity,
        };
        let speed = self.settings.speed()?;
        Ok(GroupPush {
            audience,
            start_ms,
            speed,
            ..self.into_group(GroupKind::App, task_id::app(now_ms))
        })
    }

    fn into_group(self, kind: GroupKind, task_id: String) -> GroupPush {
        GroupPush {
            request_id: Some(self.request_id).filter(|id| !id.is_empty()),
            group_name: self.group_name,
            kind,
            audience: Audience::default(),
            start_ms: None,
            ttl_ms: self.settings.ttl_ms,
            speed: 0,
            vendor: self.vendor,
            skips_notify_off: self.settings.skips_notify_off,
            body: Bytes::from(self.draft.encode(&task_id)),
            task_id: task_id.into(),
        }
    }
}

fn request_id(member: Member<'_>) -> Result<Box<str>, ParameterError> {
    let text = member.required_text("request_id", api_len::REQUEST_ID_MAX)?;
    if text.chars().count() < api_len::REQUEST_ID_MIN {
        return Err(ParameterError::Invalid {
            field: "request_id",
        });
    }
    Ok(text.into())
}

fn group_name(member: Member<'_>) -> Result<Box<str>, ParameterError> {
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
    Ok(name.into())
}

/// The JSON that is kept for others: an object of the members that were given, as they came.
fn vendor(
    settings: &Settings<'_>,
    push_channel: Member<'_>,
) -> Result<Option<Box<str>>, ParameterError> {
    let mut text = String::new();
    let members = settings.for_others();
    for (name, member) in members.into_iter().chain([("push_channel", push_channel)]) {
        if let Some(json) = member.json() {
            let before = if text.is_empty() { '{' } else { ',' };
            write!(text, "{before}\"{name}\":{json}").expect("a String takes everything");
        }
    }
    if text.is_empty() {
        return Ok(None);
    }
    text.push('}');
    if text.len() > VENDOR_LEN_MAX {
        return Err(ParameterError::Size {
            field: "push_channel",
            limit: VENDOR_LEN_MAX,
            got: text.len(),
        });
    }
    Ok(Some(text.into()))
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
    fn given_a_ttl_when_read_should_be_stored_until_then() {
        let of = |ttl: i64| read(&[("settings", json!({"ttl": ttl}))]).map(|push| push.storage);
        assert_eq!(of(1), Ok(Storage::Until(1001)));
        assert_eq!(of(-1), Ok(Storage::Never));
    }

    #[test]
    fn given_what_is_for_others_when_read_should_be_kept_as_it_came() {
        let vendor = |change: &[(&str, Value)]| {
            let text = read(change).expect("valid").vendor;
            text.map(|text| serde_json::from_str::<Value>(&text).expect("json"))
        };
        assert_eq!(vendor(&[]), None);
        assert_eq!(vendor(&[("settings", json!({"ttl": 1, "speed": 2}))]), None);
        let nothing = [("settings", json!([])), ("push_channel", json!([]))];
        assert_eq!(vendor(&nothing), None);
        let settings = json!({"ttl": 5, "strategy": {"default": "1"}, "custom_callback": "中",
            "filter_notify_off": true, "active_days": 3, "lst": null});
        let channel = json!({"android": {"ups": {"options": {"HW": {"/a/b": [1, "2"]}}}}});
        assert_eq!(
            vendor(&[("settings", settings), ("push_channel", channel.clone())]),
            Some(
                json!({"strategy": {"default": "1"}, "custom_callback": "中",
                "active_days": 3, "push_channel": channel})
            )
        );
    }

    #[test]
    fn given_the_longest_push_channel_when_one_byte_longer_should_be_refused() {
        let of = |len: usize| {
            // {"push_channel":{"x":"..."}} has 25 bytes around the text.
            let channel = json!({"x": "y".repeat(len - 25)});
            read(&[("push_channel", channel)]).map(|push| push.vendor.map(|text| text.len()))
        };
        assert_eq!(of(VENDOR_LEN_MAX), Ok(Some(VENDOR_LEN_MAX)));
        assert_eq!(
            of(VENDOR_LEN_MAX + 1),
            Err(ParameterError::Size {
                field: "push_channel",
                limit: 48 * 1024,
                got: 48 * 1024 + 1
            }
            .into())
        );
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
