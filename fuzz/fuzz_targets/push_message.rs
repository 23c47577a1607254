//! The body of a push, as a phone gets it from a server it need not trust.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ringpost_fuzz::records;
use schema::push::{Content, PushMessage};

fuzz_target!(|bytes: &[u8]| records::feed(
    "push_message",
    bytes,
    PushMessage::decode,
    PushMessage::encode,
    |push| match &push.content {
        Content::Notification(notification) => notification.title.clone().into_bytes(),
        _ => Vec::new(),
    },
));
