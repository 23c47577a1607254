//! A stored Tally, as a damaged disk may give it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ringpost_fuzz::records;
use schema::record::Tally;

fuzz_target!(|bytes: &[u8]| records::feed(
    "record_tally",
    bytes,
    Tally::decode,
    Tally::encode,
    |tally| records::low(tally.acked),
));
