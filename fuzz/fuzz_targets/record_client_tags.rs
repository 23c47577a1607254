//! A stored ClientTags, as a damaged disk may give it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ringpost_fuzz::records;
use schema::record::ClientTags;

fuzz_target!(|bytes: &[u8]| records::feed(
    "record_client_tags",
    bytes,
    ClientTags::decode,
    ClientTags::encode,
    |row| row.tags.concat().into_bytes(),
));
