//! What a server did, as it is told to people.
//!
//! Owner: whoever waited for it. Always: bytes are shown in hex, with a bound.

use std::fmt::{self, Write};
use std::time::Duration;

use protocol::{CloseReason, Frame};

/// Bytes shown in full. Every frame of this version but a push fits; longer: the rest is a count.
const SHOWN_LEN_MAX: usize = 64;

/// The next thing that came of a server.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Came {
    /// A frame, and its bytes with those of skipped frames before it.
    Frame {
        /// What it says.
        frame: Frame,
        /// As it came.
        bytes: Vec<u8>,
    },
    /// Bytes that are no frame of a server.
    NoFrame {
        /// What is wrong with them.
        problem: String,
        /// As they came.
        bytes: Vec<u8>,
    },
    /// No more.
    End(End),
    /// Nothing, for this long.
    Silence(Duration),
}

/// How a connection ended, or why there is none.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum End {
    /// It was closed, or never came to be.
    Closed(String),
    /// TLS ended it: an alert of the server, or something that is no TLS.
    Tls(rustls::Error),
}

impl End {
    /// The socket failed.
    pub(super) fn of(error: &std::io::Error) -> Self {
        Self::Closed(error.to_string())
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed(how) => write!(f, "the end of the connection: {how}"),
            Self::Tls(error) => write!(f, "TLS: {error}"),
        }
    }
}

impl Came {
    /// Whether the server hung up, in whatever way.
    pub(super) fn is_end(&self) -> bool {
        matches!(self, Self::End(_))
    }

    /// Whether the server closed with this reason.
    pub(super) fn is_close(&self, reason: CloseReason) -> bool {
        matches!(self, Self::Frame { frame: Frame::Close(close), .. } if close.reason == reason)
    }
}

impl fmt::Display for Came {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Frame { frame, bytes } => {
                write!(f, "{}", frame.kind())?;
                if let Frame::Close(close) = frame {
                    let (reason, text) = (close.reason, &close.text);
                    write!(f, " {reason} ({}) {text:?}", reason.number())?;
                }
                write!(f, " [{}]", hex(bytes))
            }
            Self::NoFrame { problem, bytes } => write!(f, "no frame: {problem} [{}]", hex(bytes)),
            Self::End(end) => end.fmt(f),
            Self::Silence(wait) => write!(f, "nothing within {} ms", wait.as_millis()),
        }
    }
}

/// Pairs of lower-case hex digits, blanks between; a long text ends in the number of bytes.
pub(super) fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for (at, byte) in bytes.iter().take(SHOWN_LEN_MAX).enumerate() {
        let gap = if at == 0 { "" } else { " " };
        // Writing to a String cannot fail.
        let _ = write!(text, "{gap}{byte:02x}");
    }
    if bytes.len() > SHOWN_LEN_MAX {
        let _ = write!(text, " … {} bytes", bytes.len());
    }
    text
}

#[cfg(test)]
mod tests {
    use protocol::{Close, CloseReason};

    use super::*;

    #[test]
    fn given_what_came_when_told_should_show_reasons_and_bytes_with_a_bound() {
        let close = Came::Frame {
            frame: Frame::Close(Close {
                reason: CloseReason::BadAck,
                retry_after_ms: 0,
                text: "no".into(),
            }),
            bytes: vec![0x0d, 1],
        };
        assert_eq!(close.to_string(), "Close BadAck (16) \"no\" [0d 01]");
        assert_eq!(hex(&[0xab; 3]), "ab ab ab");
        assert!(hex(&[0; 65]).ends_with("00 … 65 bytes"));
    }
}
