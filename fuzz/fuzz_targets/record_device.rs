//! A stored Device, as a damaged disk may give it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ringpost_fuzz::records;
use schema::record::Device;

fuzz_target!(|bytes: &[u8]| records::feed(
    "record_device",
    bytes,
    Device::decode,
    Device::encode,
    |device| device.sdk_version.as_bytes().to_vec(),
));
