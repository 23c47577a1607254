//! what a device says of itself.
//!
//! Owner: the table.

use protocol::{limits, wire};

use super::bench::Bench;
use super::exchange::refuse_all;
use super::handwriting::texts;
use super::problem::Outcome;

/// A value of `notifications` that nobody knows.
const NOTIFICATIONS_UNKNOWN: u8 = 0xee;

/// Arguments of DeviceInfo.
fn info(brand: &str, versions: &str, package: &str, notifications: u8) -> Vec<u8> {
    let mut bytes = texts(&[brand, brand, versions, package, versions]);
    bytes.push(notifications);
    bytes
}

pub(super) fn takes_device_infos(bench: &Bench) -> Outcome {
    let name = "n".repeat(limits::DEVICE_NAME_LEN_MAX);
    let version = "v".repeat(limits::DEVICE_VERSION_LEN_MAX);
    let good = [
        ("nothing known", info("", "", "", 0)),
        ("the longest texts", info(&name, &version, &name, 1)),
        ("the same again", info(&name, &version, &name, 1)),
        ("notifications off", info("荣耀", "14", "com.example", 2)),
        (
            "notifications 238",
            info("a", "1", "b", NOTIFICATIONS_UNKNOWN),
        ),
    ];
    let mut peer = bench.session()?.peer;
    peer.ask_all(wire::OP_DEVICE_INFO, &good)?;
    let mut no_text = info("", "", "", 0);
    no_text.splice(0..1, [1, 0xff]);
    let bad = [
        (
            "a brand of 65 bytes",
            info(&format!("{name}n"), "1", "b", 0),
        ),
        (
            "a version of 33 bytes",
            info("a", &format!("{version}v"), "b", 0),
        ),
        (
            "a package of 65 bytes",
            info("a", "1", &format!("{name}n"), 0),
        ),
        ("a brand that is no text", no_text),
        (
            "no notifications",
            texts(&["brand", "model", "1", "package", "1"]),
        ),
    ];
    refuse_all(bench, wire::OP_DEVICE_INFO, &bad)
}

pub(super) fn takes_badges(bench: &Bench) -> Outcome {
    let badge = |badge: u32| badge.to_be_bytes().to_vec();
    let good = [
        ("badge 0", badge(0)),
        ("badge 7", badge(7)),
        ("badge 7 again", badge(7)),
        ("the largest badge", badge(limits::BADGE_MAX)),
    ];
    let mut peer = bench.session()?.peer;
    peer.ask_all(wire::OP_BADGE, &good)?;
    let bad = [
        ("a badge of 2147483648", badge(limits::BADGE_MAX + 1)),
        ("half a badge", vec![0, 0]),
    ];
    refuse_all(bench, wire::OP_BADGE, &bad)
}

/// Arguments of VendorToken.
fn token(channel: &str, token: &str) -> Vec<u8> {
    let mut bytes = texts(&[channel]);
    // No check sends more than one byte above the limit.
    bytes.extend((token.len() as u16).to_be_bytes());
    bytes.extend(token.as_bytes());
    bytes
}

pub(super) fn takes_vendor_tokens(bench: &Bench) -> Outcome {
    let channel = "c".repeat(limits::CHANNEL_LEN_MAX);
    let longest = "t".repeat(limits::VENDOR_TOKEN_LEN_MAX);
    let good = [
        ("a token", token("one", "token")),
        ("the same again", token("one", "token")),
        ("the longest of another channel", token(&channel, &longest)),
        ("a token taken back", token(&channel, "")),
        ("a token taken back again", token(&channel, "")),
    ];
    let mut peer = bench.session()?.peer;
    peer.ask_all(wire::OP_VENDOR_TOKEN, &good)?;
    let bad = [
        ("no channel", token("", "token")),
        ("a channel of 33 bytes", token(&format!("{channel}c"), "t")),
        (
            "a token of 1025 bytes",
            token("one", &format!("{longest}t")),
        ),
        ("a token without its length", texts(&["one"])),
    ];
    refuse_all(bench, wire::OP_VENDOR_TOKEN, &bad)
}
