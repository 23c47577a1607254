//! TLS 1.3 records by the keys alone: what is left of a session when rustls has done the handshake.
//!
//! Owner: one session. Always: 80 bytes, no buffer, the AEAD key expanded for each record; a record that does not open, a
//! `KeyUpdate` or an alert ends the session. This is a floor: a server would answer a `KeyUpdate`.

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use rustls::{ConnectionTrafficSecrets, ExtractedSecrets};

/// Bytes of a record's header: type, version, length.
pub(super) const HEADER_LEN: usize = 5;
/// Bytes that a record is longer than its text: header, inner type, tag.
pub(super) const RECORD_EXTRA_LEN: usize = HEADER_LEN + 1 + TAG_LEN;
/// Most bytes of text in a record.
pub(super) const TEXT_LEN_MAX: usize = 16_384;
const TAG_LEN: usize = 16;
/// The longest body that TLS 1.3 allows.
const BODY_LEN_MAX: usize = TEXT_LEN_MAX + 256;

const APPLICATION_DATA: u8 = 23;
const CHANGE_CIPHER_SPEC: u8 = 20;

/// One direction.
#[derive(Clone)]
struct Half {
    key: [u8; 16],
    iv: [u8; 12],
    sequence: u64,
}

/// Both directions of a session.
pub(super) struct Keys {
    to_device: Half,
    from_device: Half,
}

/// The session is over: a record did not open, or the peer said so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Over;

impl Keys {
    /// From what rustls gives; `None` for another suite than AES-128-GCM.
    pub(super) fn new(secrets: ExtractedSecrets) -> Option<Self> {
        Some(Self {
            to_device: Half::new(secrets.tx)?,
            from_device: Half::new(secrets.rx)?,
        })
    }

    /// Appends the record of a text of at most [`TEXT_LEN_MAX`] bytes.
    pub(super) fn seal(&mut self, text: &[u8], out: &mut Vec<u8>) -> Result<(), Over> {
        let body_len = u16::try_from(text.len() + 1 + TAG_LEN).map_err(|_| Over)?;
        let start = out.len();
        out.extend_from_slice(&[APPLICATION_DATA, 3, 3]);
        out.extend_from_slice(&body_len.to_be_bytes());
        out.extend_from_slice(text);
        out.push(APPLICATION_DATA);
        let (header, body) = out[start..].split_at_mut(HEADER_LEN);
        let aad = Aad::from(&*header);
        let (key, nonce) = self.to_device.next()?;
        let tag = key
            .seal_in_place_separate_tag(nonce, aad, body)
            .map_err(|_| Over)?;
        out.extend_from_slice(tag.as_ref());
        Ok(())
    }

    /// Opens the first record of `bytes` in place and gives `text` what it says; how long the record is, or `None` if it is
    /// not whole yet.
    pub(super) fn open(
        &mut self,
        bytes: &mut [u8],
        text: &mut Vec<u8>,
    ) -> Result<Option<usize>, Over> {
        let Some((&[kind, _, _, high, low], rest)) = bytes.split_first_chunk::<HEADER_LEN>() else {
            return Ok(None);
        };
        let body_len = usize::from(u16::from_be_bytes([high, low]));
        if body_len > BODY_LEN_MAX {
            return Err(Over);
        }
        if rest.len() < body_len {
            return Ok(None);
        }
        let len = HEADER_LEN + body_len;
        // A client may send one for the sake of boxes on the way; it says nothing.
        if kind == CHANGE_CIPHER_SPEC {
            return Ok(Some(len));
        }
        let (header, body) = bytes[..len].split_at_mut(HEADER_LEN);
        let aad = Aad::from(&*header);
        let (key, nonce) = self.from_device.next()?;
        let inner = key.open_in_place(nonce, aad, body).map_err(|_| Over)?;
        // Behind the text stands its type, behind that zeros at will.
        let end = inner.iter().rposition(|byte| *byte != 0).ok_or(Over)?;
        if inner[end] != APPLICATION_DATA {
            return Err(Over);
        }
        text.extend_from_slice(&inner[..end]);
        Ok(Some(len))
    }
}

impl Half {
    fn new((sequence, secrets): (u64, ConnectionTrafficSecrets)) -> Option<Self> {
        let ConnectionTrafficSecrets::Aes128Gcm { key, iv } = secrets else {
            return None;
        };
        Some(Self {
            key: key.as_ref().try_into().ok()?,
            iv: iv.as_ref().try_into().ok()?,
            sequence,
        })
    }

    /// The expanded key and the nonce of the next record.
    fn next(&mut self) -> Result<(LessSafeKey, Nonce), Over> {
        let mut nonce = self.iv;
        for (byte, of_sequence) in nonce[4..].iter_mut().zip(self.sequence.to_be_bytes()) {
            *byte ^= of_sequence;
        }
        self.sequence = self.sequence.checked_add(1).ok_or(Over)?;
        let key = UnboundKey::new(&AES_128_GCM, &self.key).map_err(|_| Over)?;
        Ok((LessSafeKey::new(key), Nonce::assume_unique_for_key(nonce)))
    }
}
