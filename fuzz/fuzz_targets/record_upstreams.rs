//! A stored Upstreams, as a damaged disk may give it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ringpost_fuzz::records;
use schema::record::Upstreams;

fuzz_target!(|bytes: &[u8]| records::feed(
    "record_upstreams",
    bytes,
    Upstreams::decode,
    Upstreams::encode,
    |upstreams| {
        let ids = upstreams.entries.iter();
        ids.flat_map(|entry| entry.id.to_be_bytes()[5..].to_vec())
            .collect()
    },
));
