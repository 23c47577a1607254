//! Stands between the socket and hyper: no byte of a request head passes before the whole head was
//! checked.
//!
//! Owner: one connection. Pure: bytes in, a count or a refusal out; keeps no bytes itself.
//! Always: it follows bodies by the same framing as hyper, so it knows where each head begins,
//! with keep-alive and pipelining, and however the bytes are cut into reads.

use super::chunks::Chunks;
use super::head::{self, Framing};
use super::refusal::Refusal;
use crate::limits::{HTTP_HEADERS_LEN_MAX, HTTP_REQUEST_LINE_LEN_MAX};

/// Follows the requests of one connection.
#[derive(Debug)]
pub(super) struct Guard {
    at: At,
    heads: u64,
}

#[derive(Debug)]
enum At {
    Head(Scan),
    Sized { left: u64 },
    Chunked(Chunks),
}

impl Guard {
    /// Before the first request.
    pub(super) fn new() -> Self {
        Guard {
            at: At::Head(Scan::default()),
            heads: 0,
        }
    }

    /// Whether the next byte belongs to a body.
    pub(super) fn in_body(&self) -> bool {
        !matches!(self.at, At::Head(_))
    }

    /// How many heads have passed.
    pub(super) fn heads(&self) -> u64 {
        self.heads
    }

    /// How many of `bytes`, which begin after all that was cleared before, may pass now. Never
    /// goes beyond the end of a message: a bad head must not spoil the answer before it. 0 means
    /// that a head is not complete.
    ///
    /// # Errors
    /// The rule that the bytes break; after it nothing more may be asked.
    pub(super) fn clear(&mut self, bytes: &[u8]) -> Result<usize, Refusal> {
        let (cleared, done) = match &mut self.at {
            At::Head(scan) => {
                let Some(end) = scan.end(bytes)? else {
                    return Ok(0);
                };
                let framing = head::framing(bytes.get(..end).unwrap_or_default())?;
                self.heads += 1;
                self.at = match framing {
                    Framing::Sized(0) => At::Head(Scan::default()),
                    Framing::Sized(left) => At::Sized { left },
                    Framing::Chunked => At::Chunked(Chunks::new()),
                };
                return Ok(end);
            }
            At::Sized { left } => {
                let step = usize::try_from(*left)
                    .unwrap_or(usize::MAX)
                    .min(bytes.len());
                *left -= step as u64;
                (step, *left == 0)
            }
            At::Chunked(chunks) => (chunks.walk(bytes)?, chunks.is_done()),
        };
        if done {
            self.at = At::Head(Scan::default());
        }
        Ok(cleared)
    }
}

/// The search for the end of a head, which remembers what it has seen: a head that comes byte by
/// byte costs no more than one that comes at once.
#[derive(Debug, Default)]
struct Scan {
    seen: usize,
    line_start: usize,
    blank_skipped: bool,
    headers_start: Option<usize>,
}

impl Scan {
    fn end(&mut self, bytes: &[u8]) -> Result<Option<usize>, Refusal> {
        let mut after_return =
            self.seen.checked_sub(1).and_then(|at| bytes.get(at)) == Some(&b'\r');
        for &byte in bytes.get(self.seen..).unwrap_or_default() {
            if byte == b'\n' {
                if !after_return {
                    return Err(Refusal::BareLineFeed);
                }
                if self.line_ends()? {
                    return Ok(Some(self.seen + 1));
                }
            } else if after_return {
                return Err(Refusal::BareCarriageReturn);
            } else if byte == 0 {
                return Err(Refusal::Control { byte });
            }
            after_return = byte == b'\r';
            self.seen += 1;
            match self.headers_start {
                None if self.seen > HTTP_REQUEST_LINE_LEN_MAX => {
                    return Err(Refusal::RequestLineTooLong);
                }
                Some(start) if self.seen - start > HTTP_HEADERS_LEN_MAX => {
                    return Err(Refusal::HeadersTooLong);
                }
                _ => {}
            }
        }
        Ok(None)
    }

    /// Takes the line feed at `seen`; says whether it ends the head.
    fn line_ends(&mut self) -> Result<bool, Refusal> {
        let blank = self.seen == self.line_start + 1;
        self.line_start = self.seen + 1;
        match self.headers_start {
            Some(_) => return Ok(blank),
            None if !blank => self.headers_start = Some(self.line_start),
            // One empty line before a request is an old client's extra line end after a body.
            None if !self.blank_skipped => self.blank_skipped = true,
            None => return Err(Refusal::RequestLine),
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `stream` in two reads cut at `cut`; gives what passed and the refusal that ended it.
    fn feed(stream: &[u8], cuts: &[usize]) -> (Vec<u8>, Option<Refusal>, u64) {
        let (mut guard, mut held, mut passed) = (Guard::new(), Vec::new(), Vec::new());
        let mut start = 0;
        for cut in cuts.iter().copied().chain([stream.len()]) {
            held.extend_from_slice(&stream[start..cut]);
            start = cut;
            while !held.is_empty() {
                match guard.clear(&held) {
                    Ok(0) => break,
                    Ok(cleared) => passed.extend(held.drain(..cleared)),
                    Err(refusal) => return (passed, Some(refusal), guard.heads()),
                }
            }
        }
        (passed, None, guard.heads())
    }

    const PIPELINE: &[u8] = b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nab\r\nc\
        \r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n\
        POST /c HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n3\r\na\nb\r\n0\r\n\r\n\
        DELETE /d HTTP/1.0\r\n\r\n";

    #[test]
    fn given_pipelined_requests_when_cut_anywhere_should_pass_all_of_them() {
        for cut in 0..=PIPELINE.len() {
            let (passed, refusal, heads) = feed(PIPELINE, &[cut]);
            assert_eq!((refusal, heads), (None, 4), "cut at {cut}");
            assert_eq!(passed, PIPELINE, "cut at {cut}");
        }
        let every: Vec<usize> = (1..PIPELINE.len()).collect();
        assert_eq!(feed(PIPELINE, &every), (PIPELINE.to_vec(), None, 4));
    }

    #[test]
    fn given_a_bad_second_request_when_cut_anywhere_should_pass_the_first_only() {
        let first = b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nab";
        let cases: &[(&[u8], Refusal)] = &[
            (b"GET / HTTP/1.1\nHost: h\n\n", Refusal::BareLineFeed),
            (
                b"GET / HTTP/1.1\r\nHost: h\nX: y\r\n\r\n",
                Refusal::BareLineFeed,
            ),
            (
                b"GET / HTTP/1.1\r\nHost: h\rX: y\r\n\r\n",
                Refusal::BareCarriageReturn,
            ),
            (
                b"GET / HTTP/1.1\r\nHost: h\r\r\n\r\n",
                Refusal::BareCarriageReturn,
            ),
            (
                b"GET / HTTP/1.1\r\nHost: \0h\r\n\r\n",
                Refusal::Control { byte: 0 },
            ),
            (
                b"\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
                Refusal::RequestLine,
            ),
            (b"GET / HTTP/1.1\r\nX: y\r\n\r\n", Refusal::HostMissing),
        ];
        for (second, refusal) in cases {
            let stream = [&first[..], second].concat();
            for cut in 0..=stream.len() {
                assert_eq!(
                    feed(&stream, &[cut]),
                    (first.to_vec(), Some(*refusal), 1),
                    "{refusal:?} at {cut}"
                );
            }
        }
    }

    #[test]
    fn given_a_smuggled_request_in_a_chunked_body_when_cut_anywhere_should_refuse_in_the_body() {
        let stream = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabGET / HTTP/1.1\r\n";
        for cut in 0..=stream.len() {
            let (_, refusal, heads) = feed(stream, &[cut]);
            assert_eq!((refusal, heads), (Some(Refusal::Chunk), 1), "cut at {cut}");
        }
    }

    #[test]
    fn given_an_endless_head_when_fed_should_refuse_at_the_limit() {
        let line = format!("GET /{}", "x".repeat(HTTP_REQUEST_LINE_LEN_MAX));
        assert_eq!(
            feed(line.as_bytes(), &[]).1,
            Some(Refusal::RequestLineTooLong)
        );
        let headers = format!(
            "GET / HTTP/1.1\r\nHost: h\r\nX: {}",
            "x".repeat(HTTP_HEADERS_LEN_MAX)
        );
        assert_eq!(
            feed(headers.as_bytes(), &[30]).1,
            Some(Refusal::HeadersTooLong)
        );
        let long = format!(
            "GET / HTTP/1.1\r\nHost: h\r\nX: {}\r\n\r\n",
            "x".repeat(HTTP_HEADERS_LEN_MAX - 16)
        );
        assert_eq!(feed(long.as_bytes(), &[]).1, None);
    }

    proptest::proptest! {
        #[test]
        fn given_any_mix_of_pieces_when_cut_anywhere_should_judge_the_same(
            pieces in proptest::collection::vec(proptest::sample::select(PIECES), 0..24),
            cuts in proptest::collection::btree_set(0..200_usize, 0..6),
        ) {
            let stream = pieces.concat();
            let cuts: Vec<usize> = cuts.into_iter().filter(|cut| *cut < stream.len()).collect();
            let (whole, whole_refusal, whole_heads) = feed(&stream, &[]);
            let (passed, refusal, heads) = feed(&stream, &cuts);
            proptest::prop_assert_eq!((refusal, heads), (whole_refusal, whole_heads));
            // Cut in a chunked body, the bytes before the bad one pass; never anything else.
            proptest::prop_assert!(passed.starts_with(&whole) && stream.starts_with(&passed));
        }
    }

    /// Enough of each to make heads, bodies and what looks like them.
    const PIECES: &[&[u8]] = &[
        b"GET / HTTP/1.1\r\n",
        b"POST /a HTTP/1.0\r\n",
        b"Host: h\r\n",
        b"Host: h\r\n\r\n",
        b"Content-Length: 3\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"\r\n",
        b"\n",
        b"\r",
        b"3\r\nabc\r\n",
        b"0\r\n\r\n",
        b"abc",
        b"\0",
        b" ",
    ];
}
