//! A stored Message, as a damaged disk may give it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ringpost_fuzz::records;
use schema::record::Message;

fuzz_target!(|bytes: &[u8]| records::feed(
    "record_message",
    bytes,
    Message::decode,
    Message::encode,
    |message| message.body.clone(),
));
