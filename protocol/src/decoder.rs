//! Cuts the byte stream of one peer into frames.
//!
//! Owner: whoever holds the connection; it may move to another core with unread bytes inside.
//! Always: holds at most one partial frame plus what was pushed since; a body that is too long is
//! refused as soon as its header is complete; how the stream was cut changes nothing; no
//! allocation while nothing is unread, so that idle connections cost none; after an error it
//! stays failed, answers that error again and keeps no bytes.
//! Cost: one copy of the bytes in `push`, one parse per frame.
//! Source: docs/protocol.md, section "Framing".

use std::fmt;

use bytes::{Buf, BytesMut};

use crate::error::FrameError;
use crate::frame::Frame;
use crate::header::Header;
use crate::limits;

/// Who sent the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Peer {
    /// The device (SDK) side.
    Device,
    /// The server side.
    Server,
}

impl Peer {
    /// Longest body this peer may send once it is known, in bytes.
    pub const fn body_len_max(self) -> usize {
        match self {
            Peer::Device => limits::BODY_LEN_MAX_TO_SERVER,
            Peer::Server => limits::BODY_LEN_MAX_TO_DEVICE,
        }
    }
}

/// Turns the bytes of one peer into frames: `push` what was read, then take frames until `None`.
pub struct Decoder {
    sender: Peer,
    unread: BytesMut,
    greeted: bool,
    failed: Option<FrameError>,
}

impl Decoder {
    /// A decoder for what `sender` sends. Until the first frame of a device is complete, its body
    /// may have [`limits::HELLO_LEN_MAX`] bytes.
    pub fn new(sender: Peer) -> Self {
        Self {
            sender,
            unread: BytesMut::new(),
            greeted: false,
            failed: None,
        }
    }

    /// Takes bytes of the stream, in order. Push what one read gave and take all frames before the
    /// next read: the decoder bounds frames, the caller bounds reads.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.failed.is_none() {
            self.unread.extend_from_slice(bytes);
        }
    }

    /// The next whole frame; `None` when more bytes are needed. Unknown ignorable frames are
    /// skipped. After an error every call gives the same error.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, FrameError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let next = self.take_frame();
        if let Err(error) = &next {
            self.failed = Some(error.clone());
            self.unread = BytesMut::new();
        }
        next
    }

    /// Whether bytes are held that are not yet a whole frame.
    ///
    /// Meaningful after `next_frame` gave `None`; before that the bytes may hold whole frames.
    pub fn has_partial(&self) -> bool {
        !self.unread.is_empty()
    }

    /// Bytes pushed and not yet taken as frames.
    pub fn unread_len(&self) -> usize {
        self.unread.len()
    }

    fn body_len_max(&self) -> usize {
        match self.sender {
            Peer::Device if !self.greeted => limits::HELLO_LEN_MAX,
            sender => sender.body_len_max(),
        }
    }

    fn take_frame(&mut self) -> Result<Option<Frame>, FrameError> {
        loop {
            let Some(header) = Header::read(&self.unread, self.sender, self.body_len_max())? else {
                return Ok(None);
            };
            let Some(body) = self.unread.get(header.len..header.frame_len()) else {
                return Ok(None);
            };
            let frame = header
                .kind
                .map(|kind| Frame::parse(kind, body))
                .transpose()?;
            self.unread.advance(header.frame_len());
            if self.unread.is_empty() {
                self.unread = BytesMut::new();
            }
            if frame.is_some() {
                self.greeted = true;
                return Ok(frame);
            }
        }
    }
}

// By hand: the unread bytes may hold a secret.
impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder")
            .field("sender", &self.sender)
            .field("unread_len", &self.unread.len())
            .field("greeted", &self.greeted)
            .field("failed", &self.failed)
            .finish()
    }
}

const _: () = {
    const fn assert_send<T: Send>() {}
    assert_send::<Decoder>();
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_a_decoder_when_all_is_read_or_failed_should_hold_no_memory() {
        let mut decoder = Decoder::new(Peer::Device);
        assert_eq!(decoder.unread.capacity(), 0, "new");
        decoder.push(&[0x03, 0, 0x80, 1, 7]);
        assert_eq!(decoder.next_frame(), Ok(Some(Frame::Ping)));
        assert_eq!(decoder.next_frame(), Ok(None));
        assert_eq!(
            decoder.unread.capacity(),
            0,
            "all read, the last frame skipped"
        );
        decoder.push(&[0x00; 64]);
        assert!(decoder.next_frame().is_err());
        decoder.push(&[0x00; 64]);
        assert_eq!(decoder.unread.capacity(), 0, "failed");
    }
}
