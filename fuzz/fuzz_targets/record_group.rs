//! A stored Group, as a damaged disk may give it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ringpost_fuzz::records;
use schema::record::Group;

fuzz_target!(|bytes: &[u8]| records::feed(
    "record_group",
    bytes,
    Group::decode,
    Group::encode,
    |group| group.task_id.as_bytes().to_vec(),
));
