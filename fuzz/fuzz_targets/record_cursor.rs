//! A stored Cursor, as a damaged disk may give it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ringpost_fuzz::records;
use schema::record::Cursor;

fuzz_target!(|bytes: &[u8]| records::feed(
    "record_cursor",
    bytes,
    Cursor::decode,
    Cursor::encode,
    |cursor| records::low(cursor.acked),
));
