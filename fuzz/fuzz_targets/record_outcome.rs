//! A stored Outcome, as a damaged disk may give it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ringpost_fuzz::records;
use schema::record::Outcome;

fuzz_target!(|bytes: &[u8]| records::feed(
    "record_outcome",
    bytes,
    Outcome::decode,
    Outcome::encode,
    |outcome| records::low(outcome.final_ms),
));
