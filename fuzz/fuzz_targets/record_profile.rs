//! A stored Profile, as a damaged disk may give it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ringpost_fuzz::records;
use schema::record::Profile;

fuzz_target!(|bytes: &[u8]| records::feed(
    "record_profile",
    bytes,
    Profile::decode,
    Profile::encode,
    |profile| profile.device_token.as_bytes().to_vec(),
));
