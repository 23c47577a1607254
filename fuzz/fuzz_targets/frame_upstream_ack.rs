//! The body of an UpstreamAck frame.

#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::{Kind, Peer};
use ringpost_fuzz::frames;

fuzz_target!(|bytes: &[u8]| frames::feed(Kind::UpstreamAck, Peer::Server, bytes));
