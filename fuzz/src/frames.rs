//! One kind of frame, its body made of the input: no luck is needed for kind and length.
//!
//! Checked: as in `streams`; and a body that is one byte shorter never reads past its end.

use protocol::{Decoder, Frame, Kind, Operation, Peer};

use crate::{planted, streams};

/// The target: `body` as the body of a frame of this kind.
pub fn feed(kind: Kind, sender: Peer, body: &[u8]) {
    let mut decoder = Decoder::new(sender);
    if kind != Kind::Hello {
        decoder.push(&[Kind::Ping.number(), 0]);
        assert_eq!(decoder.next_frame(), Ok(Some(Frame::Ping)));
    }
    decoder.push(&[kind.number()]);
    decoder.push(&length(body.len()));
    decoder.push(body);
    match decoder.next_frame() {
        Ok(Some(frame)) => {
            assert_eq!(frame.kind(), kind);
            streams::check_frame(sender, &frame);
            plant(&frame);
        }
        Ok(None) => panic!("a whole frame was pushed"),
        Err(error) => {
            let _ = (error.close_reason(), error.to_string());
            assert_eq!(decoder.unread_len(), 0, "it keeps nothing");
        }
    }
}

/// LEB128 in its shortest form.
fn length(len: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = len;
    loop {
        let low = (rest & 0x7f) as u8;
        rest >>= 7;
        if rest == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

fn plant(frame: &Frame) {
    match frame {
        Frame::Hello(hello) => planted::at("hello", hello.sdk_version.as_bytes()),
        Frame::Welcome(welcome) => {
            planted::at("welcome", &welcome.server_time_ms.to_be_bytes()[5..]);
        }
        Frame::Push(push) => planted::at("push", &push.body),
        Frame::Ack(ack) => {
            if let [first, _, _, ..] = ack.ids.as_slice() {
                planted::at("ack", &first.0.to_be_bytes()[5..]);
            }
        }
        Frame::Command(command) => {
            if let Operation::UnbindAlias { alias, .. } = &command.operation {
                planted::at("command", alias.as_bytes());
            }
        }
        Frame::CommandResult(result) => planted::at("command_result", &result.detail),
        Frame::Upstream(upstream) => planted::at("upstream", &upstream.body),
        Frame::UpstreamAck(ack) => planted::at("upstream_ack", &ack.id.0.to_be_bytes()[5..]),
        Frame::GoAway(go_away) => planted::at("go_away", go_away.endpoint.as_bytes()),
        Frame::Close(close) => planted::at("close", close.text.as_bytes()),
        Frame::Ping | Frame::Pong => {}
    }
}
