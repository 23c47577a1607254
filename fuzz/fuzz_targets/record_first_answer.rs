//! A stored FirstAnswer, as a damaged disk may give it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ringpost_fuzz::records;
use schema::record::FirstAnswer;

fuzz_target!(|bytes: &[u8]| records::feed(
    "record_first_answer",
    bytes,
    FirstAnswer::decode,
    FirstAnswer::encode,
    |answer| answer.task_id.as_bytes().to_vec(),
));
