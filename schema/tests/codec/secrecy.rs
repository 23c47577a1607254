//! Nothing secret in a debug print.
//!
//! Owner: the tests of this crate. Always: the samples' secrets are recognisable.

use crate::samples;

#[test]
fn given_an_app_when_printed_should_hide_its_keys_and_show_its_id() {
    let print = format!("{:?}", samples::app_with_settings());
    assert!(print.contains("appid-public"), "{print}");
    assert!(!print.contains("hidden"), "{print}");
}

#[test]
fn given_a_device_when_printed_should_hide_the_hash_of_its_secret() {
    let print = format!("{:?}", samples::device());
    assert!(print.contains("ringpost-sim"), "{print}");
    assert!(!print.contains("165"), "{print}");
}

#[test]
fn given_a_message_when_printed_should_show_the_length_of_its_body_only() {
    let mut message = samples::message();
    message.body = b"private".to_vec();
    let print = format!("{message:?}");
    assert!(print.contains("body_len: 7"), "{print}");
    assert!(!print.contains("body:"), "{print}");
}
