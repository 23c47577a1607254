//! the last frame of a connection.
//!
//! Owner: the table.

use protocol::{CloseReason, Kind};

use super::bench::Bench;
use super::handwriting::frame;
use super::problem::{During, Outcome};

pub(super) fn lets_a_device_leave(bench: &Bench) -> Outcome {
    let mut peer = bench.session()?.peer;
    peer.send(&frame(Kind::Close.number(), &[1, 0, 0, 0, 0, 0]));
    peer.expect_parting().during("after a close")
}

/// Whatever reason a device gives, also one that nobody knows, it is not answered with another.
pub(super) fn answers_no_close(bench: &Bench) -> Outcome {
    for reason in [2, 17, 0xfe] {
        let mut peer = bench.session()?.peer;
        let close = frame(Kind::Close.number(), &[reason, 0, 0, 0, 0, 2, b'n', b'o']);
        // Behind a last frame nothing counts.
        peer.send(&[close, frame(Kind::Ping.number(), &[])].concat());
        peer.expect_parting()
            .during(format_args!("after a close of reason {reason} and a ping"))?;
    }
    Ok(())
}

pub(super) fn says_nothing_after_its_close(bench: &Bench) -> Outcome {
    let mut peer = bench.session()?.peer;
    // Both would be answered.
    peer.send(&[0x7f, 0x00, 0x7f, 0x00, Kind::Ping.number(), 0x00]);
    peer.expect_close(CloseReason::UnsupportedFrame)?;
    peer.expect_no_frame()
        .during("after the close of the server")
}
