//! A stored Receipt, as a damaged disk may give it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ringpost_fuzz::records;
use schema::record::Receipt;

fuzz_target!(|bytes: &[u8]| records::feed(
    "record_receipt",
    bytes,
    Receipt::decode,
    Receipt::encode,
    |receipt| receipt.task_id.as_bytes().to_vec(),
));
