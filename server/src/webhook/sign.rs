//! How a delivery is signed, in either form.
//!
//! Always: lower-case hex; the parts stand one after the other, without separators but the one that is named.

use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest, Md5};
use sha2::Sha256;

use crate::secret::hex;

/// Getui's sign of one receipt: MD5 of the parts. It is what their receivers check; it proves little.
pub(super) fn getui(parts: [&str; 5]) -> String {
    let mut hash = Md5::new();
    for part in parts {
        hash.update(part.as_bytes());
    }
    hex(&hash.finalize())
}

/// The value of `Ringpost-Signature`: HMAC-SHA-256 of `TIMESTAMP.BODY`.
pub(super) fn signed(secret: &str, timestamp_ms: u64, body: &[u8]) -> String {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(timestamp_ms.to_string().as_bytes());
    mac.update(b".");
    mac.update(body);
    format!("sha256={}", hex(&mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_the_vectors_of_rfc_1321_when_signed_as_getui_should_be_theirs() {
        for (parts, digest) in [
            (["", "", "", "", ""], "d41d8cd98f00b204e9800998ecf8427e"),
            (["a", "", "b", "", "c"], "900150983cd24fb0d6963f7d28e17f72"),
            (
                ["message", " ", "di", "ge", "st"],
                "f96b697d7cb7938d525a2f31aaf161d0",
            ),
        ] {
            assert_eq!(getui(parts), digest);
        }
    }

    /// The key and the numbers were put through Python's `hmac`.
    #[test]
    fn given_a_body_when_signed_should_be_what_another_hmac_gives() {
        let signature = signed("key", 1_700_000_000_000, b"{\"a\":1}");
        assert_eq!(
            signature,
            "sha256=2c8bc12f88d77789404ce0a63cf69acf735ba98832f7a7d36147f537be556f3e"
        );
        assert_ne!(signature, signed("key", 1_700_000_000_001, b"{\"a\":1}"));
        assert_ne!(signature, signed("kez", 1_700_000_000_000, b"{\"a\":1}"));
    }
}
