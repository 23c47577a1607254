//! The first bytes of a connection that a balancer passes on.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ringpost_fuzz::balancer;

fuzz_target!(|bytes: &[u8]| balancer::feed(bytes));
