//! Why the edge refuses a request before anybody parses it.
//!
//! Always: a refusal is answered with HTTP 400, code 20001, and ends its connection, because after
//! it nobody knows where the next request would begin.

use crate::limits::{HTTP_HEADERS_LEN_MAX, HTTP_HEADERS_MAX, HTTP_REQUEST_LINE_LEN_MAX};

/// What was wrong with the bytes of a request. The text is the `msg` of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("request line is invalid")]
    RequestLine,
    #[error("request line size over limit: at most {HTTP_REQUEST_LINE_LEN_MAX} bytes")]
    RequestLineTooLong,
    #[error("http version is invalid: 1.0 or 1.1")]
    Version,
    #[error("head size over limit: at most {HTTP_HEADERS_LEN_MAX} bytes of headers")]
    HeadersTooLong,
    #[error("head size over limit: at most {HTTP_HEADERS_MAX} headers")]
    TooManyHeaders,
    #[error("head is invalid: line feed without carriage return")]
    BareLineFeed,
    #[error("head is invalid: carriage return without line feed")]
    BareCarriageReturn,
    #[error("head is invalid: control byte {byte:#04x}")]
    Control { byte: u8 },
    #[error("head is invalid: folded header")]
    Fold,
    #[error("head is invalid: header name")]
    HeaderName,
    #[error("host cannot be null")]
    HostMissing,
    #[error("host cannot be repeat.")]
    HostRepeated,
    #[error("host is invalid")]
    Host,
    #[error("content-length cannot be repeat.")]
    LengthRepeated,
    #[error("content-length is invalid")]
    Length,
    #[error("content-length and transfer-encoding cannot setting at same time")]
    LengthAndTransfer,
    #[error("transfer-encoding is invalid: chunked")]
    Transfer,
    #[error("chunk is invalid")]
    Chunk,
    #[error("trailer is invalid: none is taken")]
    Trailer,
}
