//! A stored Walk, as a damaged disk may give it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ringpost_fuzz::records;
use schema::record::Walk;

fuzz_target!(|bytes: &[u8]| records::feed(
    "record_walk",
    bytes,
    Walk::decode,
    Walk::encode,
    |walk| walk.upto.to_vec(),
));
