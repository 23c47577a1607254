//! LEB128: seven bits a byte, lowest first, the high bit says "more follows".
//!
//! Always: one value has one form, the shortest; a longer form is refused, never accepted.

use bytes::{BufMut, BytesMut};

/// What the start of some bytes is, read as a varint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Varint {
    /// A whole one.
    Whole { value: u64, len: usize },
    /// The bytes end inside it.
    Partial,
    /// It ends in a byte that adds nothing.
    NotMinimal { len: usize },
    /// It does not end within the allowed bytes, or does not fit a u64.
    TooLong,
}

/// Reads a varint of at most `len_max` bytes from the start of `bytes`.
pub(crate) fn read(bytes: &[u8], len_max: usize) -> Varint {
    let mut value: u64 = 0;
    let mut shift: u32 = 0;
    for (len, byte) in (1..=len_max).zip(bytes) {
        let bits = u64::from(byte & 0x7f);
        let shifted = bits.checked_shl(shift).unwrap_or(0);
        if shifted.checked_shr(shift).unwrap_or(0) != bits {
            return Varint::TooLong;
        }
        value |= shifted;
        if byte & 0x80 == 0 {
            return match (bits, len) {
                (0, 2..) => Varint::NotMinimal { len },
                _ => Varint::Whole { value, len },
            };
        }
        shift = shift.saturating_add(7);
    }
    if bytes.len() < len_max {
        Varint::Partial
    } else {
        Varint::TooLong
    }
}

/// Writes `value` in its shortest form.
pub(crate) fn write(mut value: u64, out: &mut BytesMut) {
    while value >= 0x80 {
        out.put_u8(low_bits(value) | 0x80);
        value >>= 7;
    }
    out.put_u8(low_bits(value));
}

/// Bytes of the shortest form of `value`, 1 to 10.
pub(crate) fn len(value: u64) -> usize {
    let bits = u64::BITS.saturating_sub(value.leading_zeros()).max(1);
    bits.div_ceil(7) as usize
}

fn low_bits(value: u64) -> u8 {
    let [low, ..] = value.to_le_bytes();
    low & 0x7f
}
