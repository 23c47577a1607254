//! A stored Task, as a damaged disk may give it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ringpost_fuzz::records;
use schema::record::Task;

fuzz_target!(|bytes: &[u8]| records::feed(
    "record_task",
    bytes,
    Task::decode,
    Task::encode,
    |task| task.request_id.as_bytes().to_vec(),
));
