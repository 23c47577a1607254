//! Follows a chunked body byte by byte, to know where it ends.
//!
//! Owner: the guard of a connection. Always: holds no byte of the body, only its place in it.
//! Stricter than the standard in two points: a size has at most 15 digits and no spaces around
//! it, and there are no trailers, which no client of this API sends.

use super::refusal::Refusal;
use crate::limits::HTTP_CHUNK_LINE_LEN_MAX;

/// Digits of a chunk size; fifteen cannot overflow 64 bits.
const SIZE_DIGITS_MAX: usize = 15;

/// Where in a chunked body the next byte stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Chunks(At);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Size { value: u64, digits: usize },
    Extension { value: u64, line_len: usize },
    SizeFeed { value: u64 },
    Data { left: u64 },
    DataReturn,
    DataFeed,
    LastReturn,
    LastFeed,
    End,
}

impl Chunks {
    /// At the first byte of a body.
    pub(super) fn new() -> Self {
        Chunks(At::Size {
            value: 0,
            digits: 0,
        })
    }

    /// Whether the body is complete.
    pub(super) fn is_done(self) -> bool {
        self.0 == At::End
    }

    /// Walks on; returns how many of `bytes` belong to this body.
    ///
    /// # Errors
    /// The first byte that breaks the framing.
    pub(super) fn walk(&mut self, bytes: &[u8]) -> Result<usize, Refusal> {
        let mut walked = 0;
        while let Some(rest) = bytes.get(walked..).filter(|rest| !rest.is_empty()) {
            match &mut self.0 {
                At::End => break,
                At::Data { left } => {
                    let step = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                    *left -= step as u64;
                    walked += step;
                    if *left == 0 {
                        self.0 = At::DataReturn;
                    }
                }
                _ => {
                    self.0 = self.0.after(rest.first().copied().unwrap_or_default())?;
                    walked += 1;
                }
            }
        }
        Ok(walked)
    }
}

impl At {
    fn after(self, byte: u8) -> Result<At, Refusal> {
        match (self, byte) {
            (At::Size { value, digits }, _) if byte.is_ascii_hexdigit() => {
                if digits >= SIZE_DIGITS_MAX {
                    return Err(Refusal::Chunk);
                }
                let digit = char::from(byte).to_digit(16).unwrap_or_default();
                Ok(At::Size {
                    value: value * 16 + u64::from(digit),
                    digits: digits + 1,
                })
            }
            (At::Size { digits: 0, .. }, _) => Err(Refusal::Chunk),
            (At::Size { value, .. } | At::Extension { value, .. }, b'\r') => {
                Ok(At::SizeFeed { value })
            }
            (At::Size { value, digits }, b';') => Ok(At::Extension {
                value,
                line_len: digits + 1,
            }),
            (At::Extension { value, line_len }, _)
                if (byte == b'\t' || !byte.is_ascii_control())
                    && line_len < HTTP_CHUNK_LINE_LEN_MAX =>
            {
                Ok(At::Extension {
                    value,
                    line_len: line_len + 1,
                })
            }
            (At::SizeFeed { value: 0 }, b'\n') => Ok(At::LastReturn),
            (At::SizeFeed { value }, b'\n') => Ok(At::Data { left: value }),
            (At::DataReturn, b'\r') => Ok(At::DataFeed),
            (At::DataFeed, b'\n') => Ok(At::Size {
                value: 0,
                digits: 0,
            }),
            (At::LastReturn, b'\r') => Ok(At::LastFeed),
            (At::LastFeed, b'\n') => Ok(At::End),
            (At::LastReturn, _) => Err(Refusal::Trailer),
            _ => Err(Refusal::Chunk),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(bytes: &[u8]) -> Result<(usize, bool), Refusal> {
        let mut chunks = Chunks::new();
        let walked = chunks.walk(bytes)?;
        Ok((walked, chunks.is_done()))
    }

    #[test]
    fn given_whole_bodies_when_walked_should_stop_at_their_end() {
        assert_eq!(walk(b"0\r\n\r\nGET"), Ok((5, true)));
        assert_eq!(
            walk(b"3\r\nabc\r\n0A;x=\"y\"\r\n0123456789\r\n00\r\n\r\n"),
            Ok((36, true))
        );
        assert_eq!(walk(b"3\r\nab"), Ok((5, false)));
    }

    #[test]
    fn given_broken_framing_when_walked_should_refuse() {
        for bytes in [
            &b"\r\n"[..],
            b"x",
            b"-1\r\n",
            b" 1\r\n",
            b"1 \r\n",
            b"0x1\r\n",
            b"1\n",
            b"1\r1",
            b"1\r\nab\r\n",
            b"1\r\na\n",
            b"1\r\na\rX",
            b";a\r\n",
            b"1;\0\r\n",
            b"1;a\nb\r\n",
            b"1234567890abcdef\r\n",
            b"0\r\n\rX",
        ] {
            assert_eq!(
                walk(bytes),
                Err(Refusal::Chunk),
                "{:?}",
                bytes.escape_ascii().to_string()
            );
        }
        assert_eq!(walk(b"0\r\nX: y\r\n\r\n"), Err(Refusal::Trailer));
        let long = format!("1;{}\r\n", "x".repeat(HTTP_CHUNK_LINE_LEN_MAX));
        assert_eq!(walk(long.as_bytes()), Err(Refusal::Chunk));
    }
}
