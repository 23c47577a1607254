//! What is encoded decodes to an equal value, for every struct and any content.
//!
//! Owner: the tests of this crate. Always: equality is the derived one, so every field counts.

use proptest::prelude::*;
use schema::record::{
    AliasOfClient, Binding, ClientTags, Cursor, Message, MessageRef, Number, Presence, Profile,
    SilentHours, Sums, Tally, Walk,
};

use crate::any_value;
use crate::samples::{self, Codec};

fn assert_round_trip<T: Codec>(name: &str, value: T) {
    let back = T::from_bytes(&value.to_bytes());
    assert_eq!(back.as_ref(), Ok(&value), "{name}");
}

#[test]
fn given_every_sample_when_encoded_should_decode_equal() {
    samples::for_every_sample!(assert_round_trip);
}

#[test]
fn given_empty_and_absent_texts_when_decoded_should_stay_apart() {
    let mut absent = samples::notification();
    let mut empty = samples::notification();
    for (message, url) in [(&mut absent, None), (&mut empty, Some(String::new()))] {
        if let schema::push::Content::Notification(notification) = &mut message.content {
            notification.url = url;
        }
    }
    assert_ne!(absent, empty);
    assert_round_trip("absent", absent);
    assert_round_trip("empty", empty);
}

#[test]
fn given_a_stored_message_when_read_by_reference_should_not_copy_the_body() {
    let message = samples::message();
    let bytes = message.encode();
    let read = MessageRef::decode(&bytes).unwrap();
    assert_eq!(read.to_owned(), message);
    assert!(bytes.as_ptr_range().contains(&read.body.as_ptr()));
}

#[test]
fn given_a_buffer_at_any_alignment_when_decoded_should_not_matter() {
    let push = samples::notification();
    let encoded = push.encode();
    let mut shifted = vec![0; encoded.len() + 8];
    for shift in 0..8 {
        let place = &mut shifted[shift..shift + encoded.len()];
        place.copy_from_slice(&encoded);
        assert_eq!(
            schema::push::PushMessage::decode(place).as_ref(),
            Ok(&push),
            "{shift}"
        );
    }
}

proptest! {
    #[test]
    fn given_any_push_when_encoded_should_decode_equal(value in any_value::pushes()) {
        assert_round_trip("push", value);
    }

    #[test]
    fn given_any_app_when_encoded_should_decode_equal(value in any_value::apps()) {
        assert_round_trip("app", value);
    }

    #[test]
    fn given_any_device_when_encoded_should_decode_equal(value in any_value::devices()) {
        assert_round_trip("device", value);
    }

    #[test]
    fn given_any_message_when_encoded_should_decode_equal(value in any_value::messages()) {
        let bytes = value.encode();
        prop_assert_eq!(MessageRef::decode(&bytes), Ok(value.as_ref()));
        prop_assert_eq!(Message::decode(&bytes), Ok(value));
    }

    #[test]
    fn given_any_first_answer_when_encoded_should_decode_equal(value in any_value::first_answers()) {
        assert_round_trip("first answer", value);
    }

    #[test]
    fn given_any_task_when_encoded_should_decode_equal(value in any_value::tasks()) {
        assert_round_trip("first answer", value);
    }

    #[test]
    fn given_any_group_when_encoded_should_decode_equal(value in any_value::groups()) {
        assert_round_trip("group", value);
    }

    #[test]
    fn given_any_client_when_encoded_should_decode_equal(
        tags in proptest::collection::vec(".{0,32}", 0..100),
        texts in (".{0,40}", ".{0,40}", ".{0,40}", ".{0,40}", ".{0,40}"),
        tokens in proptest::collection::vec((".{0,40}", ".{0,40}"), 0..4),
        badge in any::<i32>(),
        n in any::<[u64; 10]>(),
        actions in proptest::collection::vec((any::<u32>(), any::<u64>()), 0..64),
    ) {
        assert_round_trip("client tags", ClientTags { tags });
        let (device_token, token_kind, brand, package, app_version) = texts;
        let silent = SilentHours { begin_hour: badge as u8, hours: 3, zone_min: badge as i16 };
        let profile = Profile {
            badge, device_token, token_kind, brand, package, app_version, silent, other_tokens: tokens,
            ..Profile::default()
        };
        assert_round_trip("profile", profile);
        let [registered, active, online_peak, targets, acked, expired, filtered, revoked, shown, clicked] = n;
        assert_round_trip("presence", Presence { registered, active, online_peak });
        let sums = Sums { targets, acked, expired, filtered, revoked, shown, clicked, actions };
        assert_round_trip("sums", sums);
        assert_round_trip("walk", Walk { upto: [badge as u8; 16], done: badge > 0, len: n[0] });
    }

    #[test]
    fn given_any_numbers_when_encoded_should_decode_equal(n in any::<[u64; 6]>(), alias in ".{0,40}") {
        let [accepted, acked, expired, revoked, filtered, failed] = n;
        assert_round_trip("tally", Tally { accepted, acked, expired, revoked, filtered, failed });
        assert_round_trip("cursor", Cursor { acked, last_login_ms: expired, last_seen_ms: failed });
        assert_round_trip("alias", AliasOfClient { alias, order: n[0] });
        assert_round_trip("binding", Binding { order: n[0] });
        assert_round_trip("number", Number { value: n[0] });
    }
}

#[test]
fn given_tags_when_visited_should_be_those_that_were_written() {
    let bytes = samples::client_tags().encode();
    let mut seen = Vec::new();
    ClientTags::visit(&bytes, |tag| seen.push(tag.to_owned())).unwrap();
    assert_eq!(seen, samples::client_tags().tags);
    assert!(ClientTags::visit(&bytes[..bytes.len() - 9], |_| panic!("nothing is shown")).is_err());
}
