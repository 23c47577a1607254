//! A script of what devices, third parties, disk and time do to live shards.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ringpost_fuzz::operations;

fuzz_target!(|bytes: &[u8]| operations::feed(bytes));
