//! Frames written by hand, right or wrong.
//!
//! Owner: the check that sends them. Always: a length is the one that the caller names.

use protocol::{Frame, MessageId};

use bytes::BytesMut;

/// A frame of any kind around these bytes, its length in the shortest form.
pub(super) fn frame(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = head(kind, body.len());
    bytes.extend_from_slice(body);
    bytes
}

/// The head of a frame, its length in the shortest form.
pub(super) fn head(kind: u8, body_len: usize) -> Vec<u8> {
    let mut bytes = vec![kind];
    let mut rest = body_len;
    while rest >= 0x80 {
        bytes.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
    bytes
}

/// A frame of ours as it is sent.
pub(super) fn encoded(frame: &Frame) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    frame.encode(&mut bytes);
    bytes.to_vec()
}

/// The body of a frame of ours, without its head.
pub(super) fn body_of(frame: &Frame) -> Vec<u8> {
    let bytes = encoded(frame);
    let length_len = bytes
        .iter()
        .skip(1)
        .take_while(|byte| **byte >= 0x80)
        .count();
    bytes.into_iter().skip(length_len + 2).collect()
}

/// A command with any arguments.
pub(super) fn command(serial: u32, op: u8, arguments: &[u8]) -> Vec<u8> {
    let mut body = serial.to_be_bytes().to_vec();
    body.push(op);
    body.extend_from_slice(arguments);
    frame(protocol::Kind::Command.number(), &body)
}

/// Texts as fields of shape `s8`, one behind the other. None is longer than 255 bytes.
pub(super) fn texts(texts: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for text in texts {
        bytes.push(text.len() as u8);
        bytes.extend_from_slice(text.as_bytes());
    }
    bytes
}

/// A message to the third party.
pub(super) fn upstream(id: u64, task_id: &str, message: &[u8]) -> Vec<u8> {
    let body = [&id.to_be_bytes()[..], &texts(&[task_id]), message].concat();
    frame(protocol::Kind::Upstream.number(), &body)
}

/// An ack of one id.
pub(super) fn ack(id: MessageId) -> Vec<u8> {
    frame(protocol::Kind::Ack.number(), &id.0.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_frames_when_written_by_hand_should_be_those_of_the_encoder() {
        let ack_frame = Frame::Ack(protocol::Ack {
            ids: (1..=200).map(MessageId).collect(),
        });
        let bytes = encoded(&ack_frame);
        assert_eq!(frame(0x06, &body_of(&ack_frame)), bytes);
        assert_eq!(head(0x01, 513), [0x01, 0x81, 0x04]);
        assert_eq!(head(0x01, 16_385), [0x01, 0x81, 0x80, 0x01]);
        assert_eq!(ack(MessageId(1)), [0x06, 8, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(command(1, 2, &[3]), [0x08, 6, 0, 0, 0, 1, 2, 3]);
        assert_eq!(texts(&["", "é"]), [0, 2, 0xc3, 0xa9]);
        let bytes = upstream(9, "a", &[7]);
        assert_eq!(bytes, [0x0a, 11, 0, 0, 0, 0, 0, 0, 0, 9, 1, b'a', 7]);
    }
}
