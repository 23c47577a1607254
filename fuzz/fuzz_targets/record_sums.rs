//! A stored Sums, as a damaged disk may give it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ringpost_fuzz::records;
use schema::record::Sums;

fuzz_target!(|bytes: &[u8]| records::feed(
    "record_sums",
    bytes,
    Sums::decode,
    Sums::encode,
    |sums| records::low(sums.acked),
));
