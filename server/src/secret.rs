//! Random names and secrets, and how a secret is compared.
//!
//! Always: every character is equally likely; a comparison takes the same time wherever two
//! secrets differ.

use sha2::{Digest, Sha256};

/// Characters of an AppID, key or secret: 142 bits.
const NAME_LEN: usize = 24;
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Bytes that nobody can guess, from the generator of the crypto library, which the system seeds: a push wants
/// some, and would else be a system call dearer.
///
/// # Panics
/// If there are none: then nothing secret can be made and nothing may go on.
pub(crate) fn random<const LEN: usize>() -> [u8; LEN] {
    let mut bytes = [0; LEN];
    aws_lc_rs::rand::fill(&mut bytes).expect("there are random bytes");
    bytes
}

/// A fresh AppID, key or secret: 24 letters and digits.
pub(crate) fn name() -> String {
    name_from(random::<32>)
}

fn name_from(mut random: impl FnMut() -> [u8; 32]) -> String {
    let mut name = String::with_capacity(NAME_LEN);
    loop {
        for byte in random() {
            // 248 is the last multiple of 62: the bytes above would favour the first letters.
            if byte < 248 {
                name.push(char::from(BASE62[usize::from(byte % 62)]));
            }
            if name.len() == NAME_LEN {
                return name;
            }
        }
    }
}

/// Lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = |byte: &u8| [byte >> 4, byte & 15].map(|half| DIGITS[usize::from(half)]);
    bytes.iter().flat_map(digits).map(char::from).collect()
}

/// The bytes that lower-case hex of exactly their length stands for.
pub(crate) fn bytes_of_hex<const LEN: usize>(text: &str) -> Option<[u8; LEN]> {
    let digit = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    if text.len() != LEN * 2 {
        return None;
    }
    let mut bytes = [0; LEN];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

/// SHA-256 of some parts, one after the other.
pub(crate) fn sha256(parts: &[&str]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.as_bytes());
    }
    hash.finalize().into()
}

/// Whether two texts are the same. By their hashes, so that the time says nothing of the place
/// where they differ, nor of their lengths.
pub(crate) fn same(one: &str, other: &str) -> bool {
    let (one, other) = (sha256(&[one]), sha256(&[other]));
    one.iter()
        .zip(other)
        .fold(0, |differing, (one, other)| differing | (one ^ other))
        == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_bytes_above_the_last_multiple_when_naming_should_skip_them() {
        let mut rounds = 0;
        let name = name_from(|| {
            rounds += 1;
            let mut bytes = [255; 32];
            bytes[..13].copy_from_slice(&[0, 61, 62, 247, 248, 10, 36, 249, 1, 2, 3, 4, 5]);
            bytes
        });
        assert_eq!(name, "0z0zAa12345".to_owned() + "0z0zAa12345" + "0z");
        assert_eq!(rounds, 3);
    }

    #[test]
    fn given_many_names_when_counted_should_use_every_character() {
        let text: String = (0..500).map(|_| name()).collect();
        assert_eq!(text.len(), 500 * NAME_LEN);
        assert!(
            BASE62
                .iter()
                .all(|letter| text.contains(char::from(*letter)))
        );
    }

    #[test]
    fn given_secrets_when_compared_should_differ_in_any_character() {
        assert!(same("abc", "abc"));
        for other in ["abd", "Abc", "abcd", "ab", ""] {
            assert!(!same("abc", other), "{other}");
        }
        assert_eq!(
            hex(&sha256(&["a", "", "bc"])),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
