//! A stream as a server sends it, to the SDK.

#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::Peer;
use ringpost_fuzz::streams;

fuzz_target!(|bytes: &[u8]| streams::feed(Peer::Server, bytes));
