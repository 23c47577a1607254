//! What a push says: built once by the ingress, stored and sent as the same bytes, read by the SDK.
//!
//! Owner: whoever made or decoded it. Always: an encoded message decodes to an equal one; the server never re-encodes.
//! Lengths and meanings of the texts are the ingress's to check, before it builds: here only the whole is bounded.

use flatbuffers::{FlatBufferBuilder, UnionWIPOffset, WIPOffset};

use crate::generated::body as fb;
use crate::limits::PUSH_LEN_MAX;
use crate::root::Shape;
use crate::{Problem, SchemaError};

const PUSH_MESSAGE: Shape = Shape {
    what: "PushMessage",
    len_max: PUSH_LEN_MAX,
};

/// One push, as the SDK gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushMessage {
    /// The task this message belongs to, as the third party knows it.
    pub task_id: String,
    /// What to hand over, show or take back.
    pub content: Content,
    /// When the phone may show it; `None` is any time.
    pub duration: Option<DisplayWindow>,
    /// 0 any network, 1 Wi-Fi only.
    pub network_type: u8,
}

/// The window in which the phone may show a notification. Past and empty windows are legal: the API takes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DisplayWindow {
    /// First moment, Unix milliseconds.
    pub start_ms: u64,
    /// Last moment, Unix milliseconds.
    pub end_ms: u64,
}

/// Exactly one of the three things a push can carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Opaque text for the app.
    Transmission(String),
    /// Something to show.
    Notification(Box<Notification>),
    /// Takes back what an older task showed.
    Revoke {
        /// The task to take back.
        old_task_id: String,
        /// If that task is not found, take back everything the app showed.
        force: bool,
    },
}

/// What the phone shows and what a click does. Field names are those of the REST API.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notification {
    /// Headline.
    pub title: String,
    /// Text under the headline.
    pub body: String,
    /// `intent`, `url`, `payload`, `payload_custom`, `startapp` or `none`.
    pub click_type: String,
    /// Long text; excludes `big_image`.
    pub big_text: Option<String>,
    /// URL of a large picture; excludes `big_text`.
    pub big_image: Option<String>,
    /// File name of an icon bundled in the app.
    pub logo: Option<String>,
    /// URL of an icon.
    pub logo_url: Option<String>,
    /// Android notification channel.
    pub channel_id: Option<String>,
    /// Its name for the user.
    pub channel_name: Option<String>,
    /// Its importance, 0 to 4.
    pub channel_level: Option<u8>,
    /// Android intent to start on click.
    pub intent: Option<String>,
    /// HarmonyOS want, JSON text.
    pub want: Option<String>,
    /// Page to open on click; not necessarily a valid URL.
    pub url: Option<String>,
    /// Text handed to the app on click.
    pub payload: Option<String>,
    /// A later notification of the same number replaces this one.
    pub notify_id: Option<u32>,
    /// Sound file, without suffix.
    pub ring_name: Option<String>,
    /// Added to the app's badge.
    pub badge_add_num: Option<u32>,
    /// Groups notifications.
    pub thread_id: Option<String>,
    /// Local category, e.g. `CATEGORY_MESSAGE`.
    pub category: Option<String>,
    /// HarmonyOS channel type.
    pub slot_type: Option<String>,
    /// Times to show again, 0 to 3.
    pub redisplay_freq: Option<u8>,
    /// Hours between showings, 0 to 24; 0 is at every login.
    pub redisplay_duration: Option<u8>,
}

impl PushMessage {
    /// The bytes to store and send; at most [`PUSH_LEN_MAX`] if the texts keep the API's lengths (debug assertion).
    pub fn encode(&self) -> Vec<u8> {
        PUSH_MESSAGE.build(|builder| {
            let task_id = builder.create_string(&self.task_id);
            let (content_type, content) = write_content(builder, &self.content);
            let duration = self
                .duration
                .map(|window| fb::DisplayWindow::new(window.start_ms, window.end_ms));
            fb::PushMessage::create(
                builder,
                &fb::PushMessageArgs {
                    task_id: Some(task_id),
                    content_type,
                    content: Some(content),
                    duration: duration.as_ref(),
                    network_type: self.network_type,
                },
            )
        })
    }

    /// Reads bytes from anywhere.
    ///
    /// # Errors
    /// Longer than [`PUSH_LEN_MAX`], not a verified `PushMessage`, or a content of a kind this version does not know.
    pub fn decode(bytes: &[u8]) -> Result<PushMessage, SchemaError> {
        let message = PUSH_MESSAGE.open::<fb::PushMessage>(bytes)?;
        Ok(PushMessage {
            task_id: message.task_id().to_owned(),
            content: read_content(&message)?,
            duration: message.duration().map(|window| DisplayWindow {
                start_ms: window.start_ms(),
                end_ms: window.end_ms(),
            }),
            network_type: message.network_type(),
        })
    }
}

fn write_content<'b>(
    builder: &mut FlatBufferBuilder<'b>,
    content: &Content,
) -> (fb::Content, WIPOffset<UnionWIPOffset>) {
    match content {
        Content::Transmission(text) => {
            let text = Some(builder.create_string(text));
            let table = fb::Transmission::create(builder, &fb::TransmissionArgs { text });
            (fb::Content::Transmission, table.as_union_value())
        }
        Content::Notification(notification) => {
            let table = write_notification(builder, notification);
            (fb::Content::Notification, table.as_union_value())
        }
        Content::Revoke { old_task_id, force } => {
            let args = fb::RevokeArgs {
                old_task_id: Some(builder.create_string(old_task_id)),
                force: *force,
            };
            let table = fb::Revoke::create(builder, &args);
            (fb::Content::Revoke, table.as_union_value())
        }
    }
}

fn write_notification<'b>(
    builder: &mut FlatBufferBuilder<'b>,
    n: &Notification,
) -> WIPOffset<fb::Notification<'b>> {
    let mut text = |value: &Option<String>| value.as_deref().map(|s| builder.create_string(s));
    let mut args = fb::NotificationArgs {
        big_text: text(&n.big_text),
        big_image: text(&n.big_image),
        logo: text(&n.logo),
        logo_url: text(&n.logo_url),
        channel_id: text(&n.channel_id),
        channel_name: text(&n.channel_name),
        channel_level: n.channel_level,
        intent: text(&n.intent),
        want: text(&n.want),
        url: text(&n.url),
        payload: text(&n.payload),
        notify_id: n.notify_id,
        ring_name: text(&n.ring_name),
        badge_add_num: n.badge_add_num,
        thread_id: text(&n.thread_id),
        category: text(&n.category),
        slot_type: text(&n.slot_type),
        redisplay_freq: n.redisplay_freq,
        redisplay_duration: n.redisplay_duration,
        ..Default::default()
    };
    args.title = Some(builder.create_string(&n.title));
    args.body = Some(builder.create_string(&n.body));
    args.click_type = Some(builder.create_string(&n.click_type));
    fb::Notification::create(builder, &args)
}

fn read_content(message: &fb::PushMessage<'_>) -> Result<Content, SchemaError> {
    let unknown = || {
        PUSH_MESSAGE.refuse(Problem::UnknownContent {
            kind: message.content_type().0,
            kind_max: fb::Content::ENUM_MAX,
        })
    };
    match message.content_type() {
        fb::Content::Transmission => {
            let table = message.content_as_transmission().ok_or_else(unknown)?;
            Ok(Content::Transmission(table.text().to_owned()))
        }
        fb::Content::Notification => {
            let table = message.content_as_notification().ok_or_else(unknown)?;
            Ok(Content::Notification(Box::new(read_notification(&table))))
        }
        fb::Content::Revoke => {
            let table = message.content_as_revoke().ok_or_else(unknown)?;
            Ok(Content::Revoke {
                old_task_id: table.old_task_id().to_owned(),
                force: table.force(),
            })
        }
        _ => Err(unknown()),
    }
}

fn read_notification(n: &fb::Notification<'_>) -> Notification {
    let text = |value: Option<&str>| value.map(str::to_owned);
    Notification {
        title: n.title().to_owned(),
        body: n.body().to_owned(),
        click_type: n.click_type().to_owned(),
        big_text: text(n.big_text()),
        big_image: text(n.big_image()),
        logo: text(n.logo()),
        logo_url: text(n.logo_url()),
        channel_id: text(n.channel_id()),
        channel_name: text(n.channel_name()),
        channel_level: n.channel_level(),
        intent: text(n.intent()),
        want: text(n.want()),
        url: text(n.url()),
        payload: text(n.payload()),
        notify_id: n.notify_id(),
        ring_name: text(n.ring_name()),
        badge_add_num: n.badge_add_num(),
        thread_id: text(n.thread_id()),
        category: text(n.category()),
        slot_type: text(n.slot_type()),
        redisplay_freq: n.redisplay_freq(),
        redisplay_duration: n.redisplay_duration(),
    }
}
