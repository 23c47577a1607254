//! A stored AliasOfClient, as a damaged disk may give it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ringpost_fuzz::records;
use schema::record::AliasOfClient;

fuzz_target!(|bytes: &[u8]| records::feed(
    "record_alias_of_client",
    bytes,
    AliasOfClient::decode,
    AliasOfClient::encode,
    |alias| alias.alias.as_bytes().to_vec(),
));
