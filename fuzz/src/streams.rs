//! A decoder fed with a stream of one peer.
//!
//! Checked: however the stream is cut, the frames and the error are the same; what is unread stays
//! below one frame; a frame that came can be written and reads back equal; an error stays, names a
//! reason and has a short text.

use bytes::BytesMut;
use protocol::{Decoder, Frame, FrameError, Peer};

use crate::planted;

/// Longest text of an error: one line of a log.
const ERROR_TEXT_LEN_MAX: usize = 200;

/// Longest stream that is also fed byte by byte, which takes as long as all else together.
const SINGLE_LEN_MAX: usize = 128;

/// Longest header: kind and three bytes of length.
const HEADER_LEN_MAX: usize = 4;

/// The target.
pub fn feed(sender: Peer, bytes: &[u8]) {
    let (whole, whole_error) = read(sender, [bytes]);
    if bytes.len() <= SINGLE_LEN_MAX {
        let (single, single_error) = read(sender, bytes.chunks(1));
        assert_eq!(whole, single, "cut into bytes");
        assert_eq!(whole_error, single_error, "cut into bytes");
    }
    let cut = bytes.first().map_or(1, |first| usize::from(*first).max(1));
    let (pieces, pieces_error) = read(sender, bytes.chunks(cut));
    assert_eq!(whole, pieces, "cut into {cut} bytes");
    assert_eq!(whole_error, pieces_error, "cut into {cut} bytes");
    for frame in &whole {
        check_frame(sender, frame);
    }
    for frame in whole.iter().skip(1) {
        plant(frame);
    }
}

fn plant(frame: &Frame) {
    match frame {
        Frame::Push(push) => planted::at("decoder_to_device", &push.body),
        Frame::Command(command) => {
            if let protocol::Operation::BindAlias { alias, .. } = &command.operation {
                planted::at("decoder_to_server", alias.as_bytes());
            }
        }
        _ => {}
    }
}

fn read<'a>(
    sender: Peer,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<Frame>, Option<FrameError>) {
    let mut decoder = Decoder::new(sender);
    let mut frames = Vec::new();
    for piece in pieces {
        decoder.push(piece);
        loop {
            match decoder.next_frame() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => {
                    check_error(&error);
                    assert_eq!(decoder.next_frame(), Err(error.clone()), "it stays failed");
                    assert_eq!(decoder.unread_len(), 0, "it keeps nothing");
                    return (frames, Some(error));
                }
            }
        }
        assert!(
            decoder.unread_len() < HEADER_LEN_MAX + sender.body_len_max(),
            "{} bytes unread",
            decoder.unread_len()
        );
    }
    (frames, None)
}

fn check_error(error: &FrameError) {
    let _ = error.close_reason();
    let text = error.to_string();
    assert!(text.len() <= ERROR_TEXT_LEN_MAX, "{text}");
}

/// A frame of a peer can be written, and reads back equal.
pub(crate) fn check_frame(sender: Peer, frame: &Frame) {
    assert_eq!(frame.check(), Ok(()), "a decoder takes what can be sent");
    let mut bytes = BytesMut::new();
    frame.encode(&mut bytes);
    assert_eq!(bytes.len(), frame.encoded_len());
    let mut decoder = Decoder::new(sender);
    if sender == Peer::Device && !matches!(frame, Frame::Hello(_)) {
        // The first frame has a smaller limit than those after it.
        let mut ping = BytesMut::new();
        Frame::Ping.encode(&mut ping);
        decoder.push(&ping);
        assert_eq!(decoder.next_frame(), Ok(Some(Frame::Ping)));
    }
    decoder.push(&bytes);
    assert_eq!(decoder.next_frame().as_ref(), Ok(&Some(frame.clone())));
    assert_eq!(decoder.next_frame(), Ok(None));
}
