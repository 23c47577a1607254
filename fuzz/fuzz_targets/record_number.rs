//! A stored Number, as a damaged disk may give it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ringpost_fuzz::records;
use schema::record::Number;

fuzz_target!(|bytes: &[u8]| records::feed(
    "record_number",
    bytes,
    Number::decode,
    Number::encode,
    |number| records::low(number.value),
));
