//! A stored Presence, as a damaged disk may give it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ringpost_fuzz::records;
use schema::record::Presence;

fuzz_target!(|bytes: &[u8]| records::feed(
    "record_presence",
    bytes,
    Presence::decode,
    Presence::encode,
    |presence| records::low(presence.registered),
));
