//! A stream as a device sends it, to the server.

#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::Peer;
use ringpost_fuzz::streams;

fuzz_target!(|bytes: &[u8]| streams::feed(Peer::Device, bytes));
