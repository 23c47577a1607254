//! `push_message`: what a push says, checked before a task exists for it.
//!
//! Always: exactly one of notification, transmission and revoke.

use schema::push::{Content, DisplayWindow, PushMessage};

use super::member::{Member, object};
use super::notification::{self, RawNotification};
use super::parameter::ParameterError;
use crate::limits::api_len;

object! {
    /// The members of `push_message`.
    RawMessage { duration, network_type, transmission, notification, revoke }
}

object! {
    /// `push_message.revoke`.
    RawRevoke { old_task_id, force }
}

/// A message that only lacks the name of its task.
#[derive(Debug, PartialEq)]
pub(super) struct Draft {
    content: Content,
    duration: Option<DisplayWindow>,
    network_type: u8,
}

impl Draft {
    /// Reads `push_message`.
    ///
    /// # Errors
    /// The first member that breaks a rule.
    pub(super) fn read(message: Member<'_>) -> Result<Self, ParameterError> {
        let raw: RawMessage<'_> = message
            .object("push_message")?
            .ok_or(ParameterError::Null {
                field: "push_message",
            })?;
        Ok(Draft {
            content: content(&raw)?,
            duration: duration(raw.duration)?,
            network_type: raw.network_type.whole("network_type", 0..=1)?.unwrap_or(0),
        })
    }

    /// The bytes that are stored and sent.
    pub(super) fn encode(self, task_id: &str) -> Vec<u8> {
        PushMessage {
            task_id: task_id.to_owned(),
            content: self.content,
            duration: self.duration,
            network_type: self.network_type,
        }
        .encode()
    }
}

fn content(raw: &RawMessage<'_>) -> Result<Content, ParameterError> {
    match (
        raw.notification.is_set(),
        raw.transmission.is_set(),
        raw.revoke.is_set(),
    ) {
        (true, false, false) => {
            let notification: Option<RawNotification<'_>> =
                raw.notification.object("notification")?;
            let notification = notification.ok_or(ParameterError::OneContent)?;
            Ok(Content::Notification(Box::new(notification::notification(
                &notification,
            )?)))
        }
        (false, true, false) => Ok(Content::Transmission(
            raw.transmission
                .required_text("transmission", api_len::TRANSMISSION_MAX)?,
        )),
        (false, false, true) => {
            let revoke: Option<RawRevoke<'_>> = raw.revoke.object("revoke")?;
            let revoke = revoke.ok_or(ParameterError::OneContent)?;
            Ok(Content::Revoke {
                old_task_id: revoke
                    .old_task_id
                    .required_text("old_task_id", api_len::TASK_ID_MAX)?,
                force: revoke.force.flag("force")?,
            })
        }
        _ => Err(ParameterError::OneContent),
    }
}

/// `"<start>-<end>"` in ms. A window that is long past is taken: the official tests send one.
fn duration(member: Member<'_>) -> Result<Option<DisplayWindow>, ParameterError> {
    let Some(text) = member
        .text("duration", api_len::NAME_MAX)?
        .filter(|text| !text.is_empty())
    else {
        return Ok(None);
    };
    let invalid = ParameterError::Invalid { field: "duration" };
    let (start, end) = text.split_once('-').ok_or(invalid)?;
    let ms = |digits: &str| -> Result<u64, ParameterError> {
        // `parse` would also take a plus sign.
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(invalid);
        }
        digits.parse().map_err(|_| invalid)
    };
    let (start_ms, end_ms) = (ms(start)?, ms(end)?);
    if end_ms.saturating_sub(start_ms) <= api_len::DURATION_SPAN_MS_MIN {
        return Err(invalid);
    }
    Ok(Some(DisplayWindow { start_ms, end_ms }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::member;

    object! { Request { push_message } }

    fn read(json: &str) -> Result<Draft, ParameterError> {
        let body = format!(r#"{{"push_message":{json}}}"#);
        Draft::read(
            member::body::<Request<'_>>(body.as_bytes())
                .expect("json")
                .push_message,
        )
    }

    #[test]
    fn given_none_or_several_contents_when_read_should_ask_for_one() {
        for json in [
            "{}",
            r#"{"transmission":null,"revoke":null}"#,
            r#"{"transmission":"x","revoke":{"old_task_id":"t"}}"#,
            r#"{"transmission":"x","notification":{}}"#,
        ] {
            assert_eq!(read(json), Err(ParameterError::OneContent), "{json}");
        }
        assert_eq!(
            read("null"),
            Err(ParameterError::Null {
                field: "push_message"
            })
        );
        assert_eq!(
            read("[]"),
            Err(ParameterError::Type {
                field: "push_message"
            })
        );
        assert_eq!(
            read(r#"{"notification":"x"}"#),
            Err(ParameterError::Type {
                field: "notification"
            })
        );
    }

    #[test]
    fn given_transmissions_at_their_limit_when_read_should_count_characters() {
        let of = |len: usize| read(&format!(r#"{{"transmission":"{}"}}"#, "😀".repeat(len)));
        assert_eq!(
            of(3072).map(|it| it.content),
            Ok(Content::Transmission("😀".repeat(3072)))
        );
        assert_eq!(
            of(3073),
            Err(ParameterError::Size {
                field: "transmission",
                limit: 3072,
                got: 3073
            })
        );
        assert_eq!(
            of(0),
            Err(ParameterError::Empty {
                field: "transmission"
            })
        );
    }

    #[test]
    fn given_a_revoke_when_read_should_need_the_old_task() {
        assert_eq!(
            read(r#"{"revoke":{"old_task_id":"RASS_1","force":true}}"#).map(|it| it.content),
            Ok(Content::Revoke {
                old_task_id: "RASS_1".to_owned(),
                force: true
            })
        );
        assert_eq!(
            read(r#"{"revoke":{}}"#),
            Err(ParameterError::Null {
                field: "old_task_id"
            })
        );
    }

    #[test]
    fn given_durations_when_read_should_take_past_ones_of_more_than_ten_minutes() {
        let of = |text: &str| {
            read(&format!(r#"{{"transmission":"x","duration":"{text}"}}"#)).map(|it| it.duration)
        };
        assert_eq!(
            of("1590547347000-1590633747000"),
            Ok(Some(DisplayWindow {
                start_ms: 1_590_547_347_000,
                end_ms: 1_590_633_747_000
            }))
        );
        assert_eq!(of(""), Ok(None));
        assert!(of("0-600001").is_ok());
        for bad in [
            "0-600000",
            "5-4",
            "x-y",
            "1",
            "-",
            "1-",
            "+1-9999999",
            "1-2-3",
            "0-99999999999999999999",
        ] {
            assert_eq!(
                of(bad),
                Err(ParameterError::Invalid { field: "duration" }),
                "{bad}"
            );
        }
    }

    #[test]
    fn given_the_network_type_when_read_should_be_0_or_1() {
        let of = |json: &str| {
            read(&format!(r#"{{"transmission":"x","network_type":{json}}}"#))
                .map(|it| it.network_type)
        };
        assert_eq!((of("null"), of("1"), of("\"1\"")), (Ok(0), Ok(1), Ok(1)));
        assert_eq!(
            of("2"),
            Err(ParameterError::Invalid {
                field: "network_type"
            })
        );
    }
}
