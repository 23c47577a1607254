//! A push body as the JSON a third party wrote.
//!
//! Owner: the events file. Always: members that were absent stay absent.

use schema::push::{Content, Notification, PushMessage};
use serde::Serialize;

#[derive(Debug, Serialize)]
pub(super) struct Body<'a> {
    #[serde(flatten)]
    content: Kind<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    network_type: Option<u8>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "lowercase")]
enum Kind<'a> {
    Transmission(&'a str),
    Notification(Box<Shown<'a>>),
    Revoke { old_task_id: &'a str, force: bool },
}

#[derive(Debug, Serialize)]
struct Shown<'a> {
    title: &'a str,
    body: &'a str,
    click_type: &'a str,
    #[serde(flatten)]
    optional: Optional<'a>,
}

macro_rules! optional_members {
    ($($member:ident: $kind:ty),* $(,)?) => {
        #[derive(Debug, Serialize)]
        struct Optional<'a> {
            $(#[serde(skip_serializing_if = "Option::is_none")] $member: $kind,)*
        }

        impl<'a> Optional<'a> {
            fn of(shown: &'a Notification) -> Self {
                Self { $($member: Present::present(&shown.$member),)* }
            }
        }
    };
}

optional_members! {
    big_text: Option<&'a str>,
    big_image: Option<&'a str>,
    logo: Option<&'a str>,
    logo_url: Option<&'a str>,
    channel_id: Option<&'a str>,
    channel_name: Option<&'a str>,
    channel_level: Option<u8>,
    intent: Option<&'a str>,
    want: Option<&'a str>,
    url: Option<&'a str>,
    payload: Option<&'a str>,
    notify_id: Option<u32>,
    ring_name: Option<&'a str>,
    badge_add_num: Option<u32>,
    thread_id: Option<&'a str>,
    category: Option<&'a str>,
    slot_type: Option<&'a str>,
    redisplay_freq: Option<u8>,
    redisplay_duration: Option<u8>,
}

/// A stored member as it is lent to the JSON.
trait Present<'a, T> {
    fn present(&'a self) -> Option<T>;
}

impl<'a> Present<'a, &'a str> for Option<String> {
    fn present(&'a self) -> Option<&'a str> {
        self.as_deref()
    }
}

impl<T: Copy> Present<'_, T> for Option<T> {
    fn present(&self) -> Option<T> {
        *self
    }
}

impl<'a> Body<'a> {
    pub(super) fn of(message: &'a PushMessage) -> Self {
        let content = match &message.content {
            Content::Transmission(text) => Kind::Transmission(text),
            Content::Notification(shown) => Kind::Notification(Box::new(Shown {
                title: &shown.title,
                body: &shown.body,
                click_type: &shown.click_type,
                optional: Optional::of(shown),
            })),
            Content::Revoke { old_task_id, force } => Kind::Revoke {
                old_task_id,
                force: *force,
            },
        };
        Self {
            content,
            duration: message
                .duration
                .map(|window| format!("{}-{}", window.start_ms, window.end_ms)),
            // 0 is what an absent member means.
            network_type: (message.network_type != 0).then_some(message.network_type),
        }
    }
}

#[cfg(test)]
mod tests {
    use schema::push::DisplayWindow;

    use super::*;

    fn json(content: Content) -> String {
        let message = PushMessage {
            task_id: "t".to_owned(),
            content,
            duration: None,
            network_type: 0,
        };
        serde_json::to_string(&Body::of(&message)).expect("JSON")
    }

    #[test]
    fn given_each_kind_when_written_should_be_what_the_third_party_wrote() {
        assert_eq!(
            json(Content::Transmission("hi \"x\"".to_owned())),
            r#"{"transmission":"hi \"x\""}"#
        );
        assert_eq!(
            json(Content::Revoke {
                old_task_id: "o".to_owned(),
                force: false
            }),
            r#"{"revoke":{"old_task_id":"o","force":false}}"#
        );
        let shown = Notification {
            title: "T".to_owned(),
            body: "B".to_owned(),
            click_type: "url".to_owned(),
            url: Some("u".to_owned()),
            notify_id: Some(5),
            ..Notification::default()
        };
        assert_eq!(
            json(Content::Notification(Box::new(shown))),
            r#"{"notification":{"title":"T","body":"B","click_type":"url","url":"u","notify_id":5}}"#
        );
    }

    #[test]
    fn given_a_window_and_a_network_when_written_should_follow_the_content() {
        let message = PushMessage {
            task_id: "t".to_owned(),
            content: Content::Transmission("x".to_owned()),
            duration: Some(DisplayWindow {
                start_ms: 1,
                end_ms: 2,
            }),
            network_type: 1,
        };
        assert_eq!(
            serde_json::to_string(&Body::of(&message)).expect("JSON"),
            r#"{"transmission":"x","duration":"1-2","network_type":1}"#
        );
    }
}
