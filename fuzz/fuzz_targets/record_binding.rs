//! A stored Binding, as a damaged disk may give it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ringpost_fuzz::records;
use schema::record::Binding;

fuzz_target!(|bytes: &[u8]| records::feed(
    "record_binding",
    bytes,
    Binding::decode,
    Binding::encode,
    |binding| records::low(binding.order),
));
