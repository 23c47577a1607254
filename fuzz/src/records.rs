//! FlatBuffers from outside or from a damaged disk.
//!
//! Checked: what decodes is a value like any other and reads back equal; what it copied is not much
//! longer than the buffer it came from.

use std::fmt::Debug;

use schema::SchemaError;

use crate::planted;

/// What decoded bytes may take in memory beyond the buffer: the structs around the texts.
const OVERHEAD_LEN_MAX: usize = 1024;

/// The target. `word` gives the field where a fault is planted.
pub fn feed<T: PartialEq + Debug>(
    target: &str,
    bytes: &[u8],
    decode: fn(&[u8]) -> Result<T, SchemaError>,
    encode: fn(&T) -> Vec<u8>,
    word: fn(&T) -> Vec<u8>,
) {
    match decode(bytes) {
        Ok(value) => {
            let again = encode(&value);
            assert!(
                again.len() <= bytes.len() * 2 + OVERHEAD_LEN_MAX,
                "{} bytes unfold into {}",
                bytes.len(),
                again.len()
            );
            assert_eq!(decode(&again).as_ref(), Ok(&value));
            planted::at(target, &word(&value));
        }
        Err(error) => {
            let _ = error.to_string();
        }
    }
}

/// The three low bytes of a number, as they stand in a buffer.
pub fn low(number: u64) -> Vec<u8> {
    number.to_le_bytes()[..3].to_vec()
}
