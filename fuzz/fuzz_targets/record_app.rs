//! A stored App, as a damaged disk may give it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ringpost_fuzz::records;
use schema::record::App;

fuzz_target!(
    |bytes: &[u8]| records::feed("record_app", bytes, App::decode, App::encode, |app| app
        .name
        .as_bytes()
        .to_vec(),)
);
