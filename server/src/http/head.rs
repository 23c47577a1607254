//! The rules for one complete request head, and what it says of the body that follows.
//!
//! Owner: the guard of a connection. Always: a head that passes is read by hyper in exactly one
//! way, so hyper and the guard agree on where the next request begins.

use hyper::Uri;

use super::refusal::Refusal;
use crate::limits::HTTP_HEADERS_MAX;

/// How the body after a head is delimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// This many bytes; 0 without any header that speaks of a body.
    Sized(u64),
    /// Chunks.
    Chunked,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    Http10,
    Http11,
}

/// Checks a head that ends with its empty line, every LF of which stands after a CR.
///
/// # Errors
/// The first rule that is broken, in the order of the lines.
pub(super) fn framing(head: &[u8]) -> Result<Framing, Refusal> {
    let mut lines = head
        .split(|byte| *byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .skip_while(|line| line.is_empty());
    let version = request_line(lines.next().unwrap_or_default())?;
    let mut fields = Fields::default();
    for (at, line) in lines.take_while(|line| !line.is_empty()).enumerate() {
        if at >= HTTP_HEADERS_MAX {
            return Err(Refusal::TooManyHeaders);
        }
        fields.take(line)?;
    }
    fields.framing(version)
}

fn request_line(line: &[u8]) -> Result<Version, Refusal> {
    let mut words = line.split(|byte| *byte == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(Refusal::RequestLine);
    };
    if !is_token(method) {
        return Err(Refusal::RequestLine);
    }
    // The parser of hyper itself, so that hyper cannot find fault with what passed here.
    let uri = Uri::try_from(target).map_err(|_| Refusal::RequestLine)?;
    if method == b"CONNECT" || !uri.path().starts_with('/') {
        return Err(Refusal::RequestLine);
    }
    match version {
        b"HTTP/1.1" => Ok(Version::Http11),
        b"HTTP/1.0" => Ok(Version::Http10),
        _ => Err(Refusal::Version),
    }
}

/// The few headers that decide where a request ends.
#[derive(Debug, Default)]
struct Fields {
    host: bool,
    length: Option<u64>,
    chunked: bool,
}

impl Fields {
    fn take(&mut self, line: &[u8]) -> Result<(), Refusal> {
        if line
            .first()
            .is_some_and(|byte| matches!(byte, b' ' | b'\t'))
        {
            return Err(Refusal::Fold);
        }
        let mut halves = line.splitn(2, |byte| *byte == b':');
        let (Some(name), Some(value)) = (halves.next(), halves.next()) else {
            return Err(Refusal::HeaderName);
        };
        // A space before the colon is no token character either.
        if !is_token(name) {
            return Err(Refusal::HeaderName);
        }
        if let Some(&byte) = value.iter().find(|byte| is_control(**byte)) {
            return Err(Refusal::Control { byte });
        }
        let value = value.trim_ascii();
        if name.eq_ignore_ascii_case(b"host") {
            self.take_host(value)
        } else if name.eq_ignore_ascii_case(b"content-length") {
            self.take_length(value)
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.take_transfer(value)
        } else {
            Ok(())
        }
    }

    fn take_host(&mut self, value: &[u8]) -> Result<(), Refusal> {
        if std::mem::replace(&mut self.host, true) {
            return Err(Refusal::HostRepeated);
        }
        // No comma: a proxy that joins two Host lines into one must not get past the rule above.
        let allowed =
            |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+;=:[]".contains(byte);
        if value.is_empty() || !value.iter().all(allowed) {
            return Err(Refusal::Host);
        }
        Ok(())
    }

    fn take_length(&mut self, value: &[u8]) -> Result<(), Refusal> {
        if self.length.is_some() {
            return Err(Refusal::LengthRepeated);
        }
        if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
            return Err(Refusal::Length);
        }
        let text = std::str::from_utf8(value).map_err(|_| Refusal::Length)?;
        // Above i64 hyper keeps numbers for its own marks.
        let length: i64 = text.parse().map_err(|_| Refusal::Length)?;
        self.length = Some(length.unsigned_abs());
        Ok(())
    }

    fn take_transfer(&mut self, value: &[u8]) -> Result<(), Refusal> {
        if self.chunked || !value.eq_ignore_ascii_case(b"chunked") {
            return Err(Refusal::Transfer);
        }
        self.chunked = true;
        Ok(())
    }

    fn framing(&self, version: Version) -> Result<Framing, Refusal> {
        // HTTP/1.0 knows no Host; the health checks of load balancers still speak it.
        if !self.host && version == Version::Http11 {
            return Err(Refusal::HostMissing);
        }
        match (self.length, self.chunked) {
            (Some(_), true) => Err(Refusal::LengthAndTransfer),
            (None, true) if version == Version::Http10 => Err(Refusal::Transfer),
            (None, true) => Ok(Framing::Chunked),
            (length, false) => Ok(Framing::Sized(length.unwrap_or(0))),
        }
    }
}

fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty()
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte))
}

fn is_control(byte: u8) -> bool {
    byte != b'\t' && byte.is_ascii_control()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(lines: &str) -> Result<Framing, Refusal> {
        framing(format!("POST /v2/a/auth HTTP/1.1\r\n{lines}\r\n").as_bytes())
    }

    #[test]
    fn given_a_good_head_when_checked_should_tell_its_framing() {
        assert_eq!(with("Host: a:1\r\n"), Ok(Framing::Sized(0)));
        assert_eq!(
            with("host:[::1]:80\r\ncontent-length: 12\t\r\n"),
            Ok(Framing::Sized(12))
        );
        assert_eq!(
            with("HOST: a\r\nTransfer-Encoding: Chunked\r\n"),
            Ok(Framing::Chunked)
        );
        assert_eq!(
            framing(b"GET /healthz HTTP/1.0\r\n\r\n"),
            Ok(Framing::Sized(0))
        );
        assert_eq!(
            framing(b"\r\nGET http://h/x HTTP/1.0\r\n\r\n"),
            Ok(Framing::Sized(0))
        );
    }

    #[test]
    fn given_each_ambiguous_header_when_checked_should_name_it() {
        let cases: &[(&str, Refusal)] = &[
            ("", Refusal::HostMissing),
            ("Host: a\r\nHost: a\r\n", Refusal::HostRepeated),
            ("Host: a, b\r\n", Refusal::Host),
            ("Host:\r\n", Refusal::Host),
            (
                "Host: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n",
                Refusal::LengthRepeated,
            ),
            ("Host: a\r\nContent-Length: +1\r\n", Refusal::Length),
            ("Host: a\r\nContent-Length: -1\r\n", Refusal::Length),
            ("Host: a\r\nContent-Length: 1 2\r\n", Refusal::Length),
            ("Host: a\r\nContent-Length: 1,1\r\n", Refusal::Length),
            ("Host: a\r\nContent-Length:\r\n", Refusal::Length),
            ("Host: a\r\nContent-Length: 0x10\r\n", Refusal::Length),
            (
                "Host: a\r\nContent-Length: 99999999999999999999\r\n",
                Refusal::Length,
            ),
            (
                "Host: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n",
                Refusal::LengthAndTransfer,
            ),
            (
                "Host: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n",
                Refusal::LengthAndTransfer,
            ),
            (
                "Host: a\r\nTransfer-Encoding: gzip, chunked\r\n",
                Refusal::Transfer,
            ),
            (
                "Host: a\r\nTransfer-Encoding: identity\r\n",
                Refusal::Transfer,
            ),
            ("Host: a\r\nTransfer-Encoding:\r\n", Refusal::Transfer),
            (
                "Host: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
                Refusal::Transfer,
            ),
            ("Host : a\r\n", Refusal::HeaderName),
            ("Host\r\n", Refusal::HeaderName),
            (": a\r\n", Refusal::HeaderName),
            ("Host: a\r\nX: a\r\n b\r\n", Refusal::Fold),
            ("Host: a\r\nX: a\u{1}b\r\n", Refusal::Control { byte: 1 }),
            (
                "Host: a\r\nX: a\u{7f}b\r\n",
                Refusal::Control { byte: 0x7f },
            ),
        ];
        for (lines, refusal) in cases {
            assert_eq!(with(lines), Err(*refusal), "{lines:?}");
        }
        assert_eq!(
            with(&format!("Host: a\r\n{}", "X: y\r\n".repeat(63))),
            Ok(Framing::Sized(0))
        );
        assert_eq!(
            with(&format!("Host: a\r\n{}", "X: y\r\n".repeat(64))),
            Err(Refusal::TooManyHeaders)
        );
    }

    #[test]
    fn given_each_bad_request_line_when_checked_should_refuse_it() {
        for (line, refusal) in [
            ("GET / HTTP/2.0", Refusal::Version),
            ("GET / HTTP/1.2", Refusal::Version),
            ("GET / http/1.1", Refusal::Version),
            ("PRI * HTTP/2.0", Refusal::RequestLine),
            ("GET /", Refusal::RequestLine),
            ("GET  / HTTP/1.1", Refusal::RequestLine),
            ("GET / x HTTP/1.1", Refusal::RequestLine),
            ("G@T / HTTP/1.1", Refusal::RequestLine),
            ("CONNECT h:1 HTTP/1.1", Refusal::RequestLine),
            ("OPTIONS * HTTP/1.1", Refusal::RequestLine),
            ("GET /\t HTTP/1.1", Refusal::RequestLine),
        ] {
            assert_eq!(
                framing(format!("{line}\r\nHost: a\r\n\r\n").as_bytes()),
                Err(refusal),
                "{line}"
            );
        }
        assert_eq!(
            framing(b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"),
            Err(Refusal::Transfer)
        );
    }
}
