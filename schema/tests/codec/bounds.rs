//! A buffer as long as its bound is read, one byte more is refused, and the longest legal values fit.
//!
//! Owner: the tests of this crate. Always: bounds are tried from both sides.

use schema::Problem;
use schema::limits::{
    APP_ADDRESSES_MAX, APP_LEN_MAX, CONDITION_VALUES_MAX, GROUP_LEN_MAX, MESSAGE_LEN_MAX,
    PUSH_LEN_MAX, TASK_TARGETS_MAX,
};
use schema::push::{Content, Notification, PushMessage};
use schema::record::{
    AddressTexts, App, AppSettings, Callback, Group, Message, Number, Tally, Task, TaskTarget,
};

use crate::samples;

/// Longest texts of the REST API, in a character of four bytes.
fn longest_notification() -> Notification {
    let text = |chars: usize| "𠀀".repeat(chars);
    let some = |chars: usize| Some(text(chars));
    Notification {
        title: text(50),
        body: text(256),
        click_type: "payload_custom".into(),
        big_image: some(1024),
        logo: some(64),
        logo_url: some(256),
        channel_id: some(64),
        channel_name: some(64),
        channel_level: Some(4),
        intent: some(4096),
        want: some(1000),
        url: some(1024),
        payload: some(3072),
        notify_id: Some(1),
        ring_name: some(1024),
        badge_add_num: Some(1),
        thread_id: some(1024),
        category: some(1024),
        slot_type: some(1024),
        redisplay_freq: Some(3),
        redisplay_duration: Some(24),
        big_text: None,
    }
}

#[test]
fn given_the_longest_legal_app_when_encoded_should_be_within_the_bound() {
    let longest = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128";
    let texts = AddressTexts {
        allow: vec![longest.to_owned(); APP_ADDRESSES_MAX],
        deny: vec![longest.to_owned(); APP_ADDRESSES_MAX],
    };
    let app = App {
        name: "𠀀".repeat(64),
        settings: Box::new(AppSettings {
            callback: Callback {
                url: Some("u".repeat(1024)),
                mode: Some("m".repeat(16)),
                secret: Some("𠀀".repeat(128)),
            },
            http: texts.clone(),
            device: texts,
            ..*samples::app_with_settings().settings
        }),
        ..samples::app()
    };
    let bytes = app.encode();
    assert!(bytes.len() <= APP_LEN_MAX, "{} bytes", bytes.len());
    assert_eq!(App::decode(&bytes), Ok(app));
}

#[test]
fn given_the_most_condition_values_of_any_length_when_encoded_should_decode_equal() {
    for len in 0..=32 {
        let group = Group {
            condition_values: vec!["v".repeat(len); CONDITION_VALUES_MAX],
            ..samples::group()
        };
        let bytes = group.encode();
        assert!(bytes.len() <= GROUP_LEN_MAX, "{} bytes", bytes.len());
        assert_eq!(Group::decode(&bytes), Ok(group), "values of {len} bytes");
    }
}

#[test]
fn given_the_longest_legal_notification_when_encoded_should_be_within_the_bound() {
    let push = PushMessage {
        content: Content::Notification(Box::new(longest_notification())),
        ..samples::notification()
    };
    let bytes = push.encode();
    assert!(bytes.len() <= PUSH_LEN_MAX, "{} bytes", bytes.len());
    assert_eq!(PushMessage::decode(&bytes), Ok(push));
}

/// Bytes that decode, padded behind to `len`: FlatBuffers reads by offset and ignores what nothing points to.
fn padded(mut bytes: Vec<u8>, len: usize) -> Vec<u8> {
    bytes.resize(len, 0);
    bytes
}

#[test]
fn given_a_push_at_its_bound_when_decoded_should_be_read_and_one_byte_more_refused() {
    let push = samples::notification();
    assert_eq!(
        PushMessage::decode(&padded(push.encode(), PUSH_LEN_MAX)),
        Ok(push.clone())
    );
    assert_eq!(
        PushMessage::decode(&padded(push.encode(), PUSH_LEN_MAX + 1))
            .unwrap_err()
            .problem,
        Problem::TooLong {
            len: PUSH_LEN_MAX + 1,
            len_max: PUSH_LEN_MAX
        }
    );
}

#[test]
fn given_a_message_at_its_bound_when_decoded_should_be_read_and_one_byte_more_refused() {
    let message = samples::message();
    assert_eq!(
        Message::decode(&padded(message.encode(), MESSAGE_LEN_MAX)),
        Ok(message.clone())
    );
    assert!(Message::decode(&padded(message.encode(), MESSAGE_LEN_MAX + 1)).is_err());
}

#[test]
fn given_a_full_first_piece_when_encoded_should_leave_room_for_new_fields() {
    let mut message = samples::message();
    message.body = vec![7; 2048];
    assert!(message.encode().len() < MESSAGE_LEN_MAX - 1024);
}

#[test]
fn given_the_most_targets_when_encoded_should_decode() {
    let target = TaskTarget {
        cid: [9; 16],
        message: u64::MAX,
        status: 1,
    };
    let mut task = samples::task();
    task.targets = vec![target; TASK_TARGETS_MAX];
    assert_eq!(Task::decode(&task.encode()), Ok(task));
}

#[test]
fn given_small_records_when_encoded_should_stay_small() {
    let sizes = [
        ("cursor", samples::cursor().encode().len(), 48),
        ("binding", samples::binding().encode().len(), 24),
        ("empty tally", Tally::default().encode().len(), 16),
        ("number", Number { value: 1 }.encode().len(), 24),
    ];
    for (name, len, len_max) in sizes {
        assert!(len <= len_max, "{name}: {len} bytes, at most {len_max}");
    }
}

#[test]
#[cfg(debug_assertions)]
#[should_panic(expected = "Message: built")]
fn given_a_body_that_no_reader_takes_when_encoded_should_assert() {
    let mut message = samples::message();
    message.body = vec![0; MESSAGE_LEN_MAX];
    message.encode();
}

#[test]
fn given_the_most_texts_when_encoded_should_decode() {
    let tags = (0..100).map(|n| format!("t{n}")).collect();
    let tags = schema::record::ClientTags { tags };
    assert_eq!(schema::record::ClientTags::decode(&tags.encode()), Ok(tags));
    let mut group = samples::group();
    group.condition_values = vec!["𠀀".repeat(32); schema::limits::CONDITION_VALUES_MAX];
    group.vendor = Some("v".repeat(schema::limits::VENDOR_LEN_MAX));
    assert_eq!(
        schema::record::Group::decode(&group.encode()),
        Ok(group.clone())
    );
    group.condition_values = vec![String::new(); schema::limits::CONDITION_VALUES_MAX];
    assert_eq!(schema::record::Group::decode(&group.encode()), Ok(group));
}
