//! Faults put in on purpose: one in each target, behind what that target has to understand first.
//!
//! Always: nothing without the feature `planted`; with it a panic when three bytes in a row, deep in
//! what was decoded, are one word. The word stands in every dictionary and in no corpus: that a
//! target finds it shows that it gets a word of its dictionary to that place.

/// The word, as one number: a single comparison, which coverage alone cannot climb.
#[cfg(feature = "planted")]
const WORD: u32 = u32::from_be_bytes([0, b'z', b'Q', b'c']);

/// Looks for the word anywhere in a field.
#[cfg(feature = "planted")]
pub(crate) fn at(target: &str, field: &[u8]) {
    for window in field.windows(3) {
        if let [a, b, c] = window {
            let word = u32::from_be_bytes([0, *a, *b, *c]);
            assert!(word != WORD, "the planted fault of {target}");
        }
    }
}

/// Nothing.
#[cfg(not(feature = "planted"))]
pub(crate) fn at(_target: &str, _field: &[u8]) {}
