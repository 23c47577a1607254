//! Lower-case hex of fixed length, the text form of every id.
//!
//! Always: exactly one text per value; upper case, short, long or other text is refused.

use std::fmt;

/// Why a text is not the hex form of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HexError {
    /// The text has another length.
    #[error("{what}: {got} bytes of text, exactly {expected} hex digits expected")]
    Length {
        /// What the text was to become.
        what: &'static str,
        /// Digits expected.
        expected: usize,
        /// Bytes that came.
        got: usize,
    },
    /// A byte is not a lower-case hex digit.
    #[error("{what}: byte {offset} is not one of 0-9 and a-f")]
    Digit {
        /// What the text was to become.
        what: &'static str,
        /// Where, in bytes from the start.
        offset: usize,
    },
}

/// Writes `bytes` as lower-case hex.
pub(crate) fn write(bytes: &[u8], f: &mut impl fmt::Write) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

/// Reads exactly `2 * N` lower-case hex digits.
pub(crate) fn read<const N: usize>(what: &'static str, text: &str) -> Result<[u8; N], HexError> {
    let expected = N.saturating_mul(2);
    if text.len() != expected {
        return Err(HexError::Length {
            what,
            expected,
            got: text.len(),
        });
    }
    let mut bytes = [0; N];
    let (pairs, _) = text.as_bytes().as_chunks::<2>();
    for (index, (byte, [high, low])) in bytes.iter_mut().zip(pairs).enumerate() {
        let offset = index.saturating_mul(2);
        let high = digit(*high).ok_or(HexError::Digit { what, offset })?;
        let low = digit(*low).ok_or(HexError::Digit {
            what,
            offset: offset.saturating_add(1),
        })?;
        *byte = high << 4 | low;
    }
    Ok(bytes)
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte.wrapping_sub(b'0')),
        b'a'..=b'f' => Some(byte.wrapping_sub(b'a').wrapping_add(10)),
        _ => None,
    }
}
