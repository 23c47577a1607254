//! The shapes bodies are made of: numbers, counted texts, counted bytes, varints.
//!
//! Always: a reader gets the name of its field and puts it into the error; nothing is copied
//! before its length is checked; writers mirror readers one to one.

use std::ops::RangeInclusive;

use bytes::{BufMut, BytesMut};
use nom::bytes::complete::take;
use nom::number::complete::{be_u8, be_u16, be_u32, be_u64};
use nom::{IResult, Parser};

use crate::error::FrameError;
use crate::varint::{self, Varint};
use crate::wire::VARINT_LEN_MAX;

/// The rest of the body and a value, or what is wrong with the body.
pub(crate) type Parsed<'a, T> = IResult<&'a [u8], T, FrameError>;

/// Stops the parse: no other alternative is tried on a broken body.
pub(crate) fn refuse<T>(error: FrameError) -> Result<T, nom::Err<FrameError>> {
    Err(nom::Err::Failure(error))
}

/// Ends a parse: drops what follows the last known field, as the extension rule says.
pub(crate) fn finish<T>(parsed: Parsed<'_, T>) -> Result<T, FrameError> {
    match parsed {
        Ok((_extension, value)) => Ok(value),
        Err(nom::Err::Error(error) | nom::Err::Failure(error)) => Err(error),
        // Only streaming parsers ask for more, and the body is whole.
        Err(nom::Err::Incomplete(_)) => unreachable!("a complete parser asked for more input"),
    }
}

fn fixed<'a, T>(
    field: &'static str,
    need: usize,
    input: &'a [u8],
    mut parser: impl Parser<&'a [u8], Output = T, Error = ()>,
) -> Parsed<'a, T> {
    parser.parse(input).or_else(|_: nom::Err<()>| {
        refuse(FrameError::Truncated {
            field,
            need,
            have: input.len(),
        })
    })
}

pub(crate) fn read_u8<'a>(field: &'static str, input: &'a [u8]) -> Parsed<'a, u8> {
    fixed(field, 1, input, be_u8)
}

pub(crate) fn read_u16<'a>(field: &'static str, input: &'a [u8]) -> Parsed<'a, u16> {
    fixed(field, 2, input, be_u16)
}

pub(crate) fn read_u32<'a>(field: &'static str, input: &'a [u8]) -> Parsed<'a, u32> {
    fixed(field, 4, input, be_u32)
}

pub(crate) fn read_u64<'a>(field: &'static str, input: &'a [u8]) -> Parsed<'a, u64> {
    fixed(field, 8, input, be_u64)
}

pub(crate) fn read_array<'a, const N: usize>(
    field: &'static str,
    input: &'a [u8],
) -> Parsed<'a, [u8; N]> {
    let (rest, bytes) = fixed(field, N, input, take(N))?;
    match <[u8; N]>::try_from(bytes) {
        Ok(array) => Ok((rest, array)),
        Err(_) => refuse(FrameError::Truncated {
            field,
            need: N,
            have: bytes.len(),
        }),
    }
}

/// A byte string with a one-byte length, which must lie in `allowed`.
pub(crate) fn read_bytes<'a>(
    field: &'static str,
    allowed: RangeInclusive<usize>,
    input: &'a [u8],
) -> Parsed<'a, &'a [u8]> {
    let (rest, len) = read_u8(field, input)?;
    let len = usize::from(len);
    check_len(field, len, allowed).or_else(refuse)?;
    fixed(field, len, rest, take(len))
}

/// A UTF-8 text with a one-byte length, which must lie in `allowed`.
pub(crate) fn read_text<'a>(
    field: &'static str,
    allowed: RangeInclusive<usize>,
    input: &'a [u8],
) -> Parsed<'a, String> {
    let (rest, bytes) = read_bytes(field, allowed, input)?;
    utf8(field, bytes).map_or_else(refuse, |text| Ok((rest, text)))
}

/// A UTF-8 text with a two-byte length, which must lie in `allowed`.
pub(crate) fn read_long_text<'a>(
    field: &'static str,
    allowed: RangeInclusive<usize>,
    input: &'a [u8],
) -> Parsed<'a, String> {
    let (rest, len) = read_u16(field, input)?;
    let len = usize::from(len);
    check_len(field, len, allowed).or_else(refuse)?;
    let (rest, bytes) = fixed(field, len, rest, take(len))?;
    utf8(field, bytes).map_or_else(refuse, |text| Ok((rest, text)))
}

fn utf8(field: &'static str, bytes: &[u8]) -> Result<String, FrameError> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.to_owned()),
        Err(error) => Err(FrameError::NotUtf8 {
            field,
            offset: error.valid_up_to(),
        }),
    }
}

/// A number that must lie in `allowed`.
pub(crate) fn check_range(
    field: &'static str,
    got: u64,
    allowed: RangeInclusive<u64>,
) -> Result<(), FrameError> {
    if allowed.contains(&got) {
        return Ok(());
    }
    Err(FrameError::OutOfRange {
        field,
        min: *allowed.start(),
        max: *allowed.end(),
        got,
    })
}

pub(crate) fn read_varint<'a>(field: &'static str, input: &'a [u8]) -> Parsed<'a, u64> {
    match varint::read(input, VARINT_LEN_MAX) {
        Varint::Whole { value, len } => {
            let (rest, _) = fixed(field, len, input, take(len))?;
            Ok((rest, value))
        }
        Varint::Partial => {
            let need = input.len().saturating_add(1);
            refuse(FrameError::Truncated {
                field,
                need,
                have: input.len(),
            })
        }
        Varint::NotMinimal { len } => refuse(FrameError::VarintNotMinimal { field, len }),
        Varint::TooLong => refuse(FrameError::VarintTooLong {
            field,
            len_max: VARINT_LEN_MAX,
        }),
    }
}

/// Whether a length lies in its range.
pub(crate) fn check_len(
    field: &'static str,
    got: usize,
    allowed: RangeInclusive<usize>,
) -> Result<(), FrameError> {
    if allowed.contains(&got) {
        return Ok(());
    }
    Err(FrameError::BadLength {
        field,
        min: *allowed.start(),
        max: *allowed.end(),
        got,
    })
}

/// Bytes of a counted text or byte string.
pub(crate) const fn counted_len(bytes: &[u8]) -> usize {
    bytes.len().saturating_add(1)
}

/// Writes a counted text or byte string. The frame was checked: it has at most 255 bytes.
pub(crate) fn write_counted(bytes: &[u8], out: &mut BytesMut) {
    let len = u8::try_from(bytes.len());
    debug_assert!(
        len.is_ok(),
        "a counted field passed its check with {} bytes",
        bytes.len()
    );
    out.put_u8(len.unwrap_or(u8::MAX));
    out.put_slice(bytes);
}

/// Writes a text with a two-byte length. The frame was checked: it has at most 65535 bytes.
pub(crate) fn write_long_text(text: &str, out: &mut BytesMut) {
    let len = u16::try_from(text.len());
    debug_assert!(
        len.is_ok(),
        "a counted field passed its check with {} bytes",
        text.len()
    );
    out.put_u16(len.unwrap_or(u16::MAX));
    out.put_slice(text.as_bytes());
}
