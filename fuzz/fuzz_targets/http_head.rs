//! The heads and bodies of HTTP requests, as they come from the socket.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ringpost_fuzz::http_head;

fuzz_target!(|bytes: &[u8]| http_head::feed(bytes));
