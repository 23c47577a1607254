//! The keys of TLS tickets, kept in the data folder: devices resume after a restart as they do after a reload.
//!
//! Owner: boot, which gives the shards another ticketer when a key was made. Always: the newest key seals, and is followed by
//! another after half a day; a key opens for a day and a half, and is gone then. What the file says badly costs a full
//! handshake and nothing else.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use rustls::server::ProducesTickets;
use sha2::{Digest, Sha256};

use super::certificate::{CertificateError, write};
use crate::limits::{TICKET_KEY_OPENS_S, TICKET_KEY_SEALS_S, TICKET_LEN_MAX};
use crate::secret;

const KEY_LEN: usize = 32;
/// Bytes in front of a ticket that say which key sealed it.
const NAME_LEN: usize = 8;

/// One key with its time.
#[derive(Clone, PartialEq, Eq)]
struct TicketKey {
    made_s: u64,
    bytes: [u8; KEY_LEN],
}

/// See the module page. The newest first, never empty.
#[derive(Clone, PartialEq, Eq)]
pub struct TicketKeys(Vec<TicketKey>);

impl fmt::Debug for TicketKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TicketKeys({})", self.0.len())
    }
}

impl TicketKeys {
    /// Those of the folder, with a new one if none is good for sealing; `now_s` is Unix time.
    pub fn kept_in(dir: &Path, now_s: u64) -> TicketKeys {
        let text = fs::read_to_string(path_in(dir)).unwrap_or_default();
        let kept = TicketKeys(text.lines().filter_map(TicketKey::read).collect());
        kept.renewed(now_s).unwrap_or(kept)
    }

    /// The same with a new key in front and without those that are over; `None` while the newest may seal.
    pub fn renewed(&self, now_s: u64) -> Option<TicketKeys> {
        // One of the future was made before the clock was set back: nobody can say when it is over.
        let is_younger = |key: &&TicketKey, limit_s| {
            now_s
                .checked_sub(key.made_s)
                .is_some_and(|age_s| age_s < limit_s)
        };
        if self
            .0
            .first()
            .is_some_and(|key| is_younger(&key, TICKET_KEY_SEALS_S))
        {
            return None;
        }
        let new = TicketKey {
            made_s: now_s,
            bytes: secret::random(),
        };
        let left = self
            .0
            .iter()
            .filter(|key| is_younger(key, TICKET_KEY_OPENS_S));
        Some(TicketKeys([new].into_iter().chain(left.cloned()).collect()))
    }

    /// Writes them for the next start.
    ///
    /// # Errors
    /// Of the file; the one before stays.
    pub fn write(&self, dir: &Path) -> Result<(), CertificateError> {
        let path = path_in(dir);
        fs::create_dir_all(dir).map_err(|source| CertificateError::File {
            path: path.clone(),
            source,
        })?;
        let line = |key: &TicketKey| format!("{} {}\n", key.made_s, secret::hex(&key.bytes));
        write(&path, &self.0.iter().map(line).collect::<String>())
    }

    /// What rustls seals and opens tickets with.
    ///
    /// # Errors
    /// The crypto library takes none of the keys.
    pub fn ticketer(&self) -> Result<Arc<dyn ProducesTickets>, rustls::Error> {
        let unusable = |_| rustls::Error::General("a ticket key is not usable".into());
        let keys = self.0.iter().map(|key| {
            let hash = Sha256::digest(key.bytes);
            let mut name = [0; NAME_LEN];
            name.copy_from_slice(&hash[..NAME_LEN]);
            let key = RandomizedNonceKey::new(&AES_256_GCM, &key.bytes).map_err(unusable)?;
            Ok::<_, rustls::Error>((name, key))
        });
        Ok(Arc::new(Ticketer(keys.collect::<Result<_, _>>()?)))
    }
}

fn path_in(dir: &Path) -> PathBuf {
    dir.join("tickets")
}

impl TicketKey {
    /// A line of the file; `None` if it is none of ours.
    fn read(line: &str) -> Option<TicketKey> {
        let (made_s, hex) = line.split_once(' ')?;
        let mut bytes = [0; KEY_LEN];
        if hex.len() != 2 * KEY_LEN || !hex.is_ascii() {
            return None;
        }
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).ok()?;
        }
        let made_s = made_s.parse().ok()?;
        Some(TicketKey { made_s, bytes })
    }
}

/// Seals with the first key, opens with any; the name is sealed in.
struct Ticketer(Vec<([u8; NAME_LEN], RandomizedNonceKey)>);

impl fmt::Debug for Ticketer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ticketer({} keys)", self.0.len())
    }
}

impl ProducesTickets for Ticketer {
    fn enabled(&self) -> bool {
        true
    }

    /// As long as every ticket is good at least: its key opens a day longer than it seals.
    fn lifetime(&self) -> u32 {
        u32::try_from(TICKET_KEY_SEALS_S).unwrap_or(u32::MAX)
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let (name, key) = self.0.first()?;
        let mut sealed = plain.to_vec();
        let nonce = key
            .seal_in_place_append_tag(Aad::from(name), &mut sealed)
            .ok()?;
        Some([&name[..], nonce.as_ref(), &sealed].concat())
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        if ticket.len() > TICKET_LEN_MAX {
            return None;
        }
        let (name, rest) = ticket.split_at_checked(NAME_LEN)?;
        let (nonce, sealed) = rest.split_at_checked(NONCE_LEN)?;
        let (name, key) = self.0.iter().find(|(known, _)| known == name)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut sealed = sealed.to_vec();
        let plain = key
            .open_in_place(nonce, Aad::from(name), &mut sealed)
            .ok()?;
        Some(plain.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_S: u64 = 1_800_000_000;

    fn ticketer(keys: &TicketKeys) -> Arc<dyn ProducesTickets> {
        keys.ticketer().expect("good keys")
    }

    #[test]
    fn given_keys_when_written_and_read_should_open_what_was_sealed_before_until_they_are_over() {
        let dir = tempfile::tempdir().expect("a folder");
        let dir = dir.path().join("tls");
        let first = TicketKeys::kept_in(&dir, NOW_S);
        first.write(&dir).expect("written");
        let ticket = ticketer(&first).encrypt(b"a session").expect("sealed");
        for (later_s, opens) in [
            (0, true),
            (TICKET_KEY_SEALS_S - 1, true),
            (TICKET_KEY_SEALS_S, true),
            (TICKET_KEY_OPENS_S - 1, true),
            (TICKET_KEY_OPENS_S, false),
        ] {
            let keys = TicketKeys::kept_in(&dir, NOW_S + later_s);
            assert_eq!(keys == first, later_s < TICKET_KEY_SEALS_S, "{later_s}");
            let plain = ticketer(&keys).decrypt(&ticket);
            assert_eq!(
                plain.as_deref(),
                opens.then_some(&b"a session"[..]),
                "{later_s}"
            );
        }
        // Set back by more than a moment, the clock makes the age of a key unknown.
        assert_eq!(TicketKeys::kept_in(&dir, NOW_S - 1).0.len(), 1);
        assert_ne!(TicketKeys::kept_in(&dir, NOW_S - 1), first);
    }

    #[test]
    fn given_a_ticket_with_any_bit_flipped_or_cut_anywhere_when_opened_should_be_refused() {
        let keys = TicketKeys::kept_in(Path::new("/nowhere"), NOW_S);
        let ticketer = ticketer(&keys);
        let ticket = ticketer.encrypt(b"x").expect("sealed");
        assert!(ticketer.decrypt(&ticket).is_some());
        for bit in 0..ticket.len() * 8 {
            let mut other = ticket.clone();
            other[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(ticketer.decrypt(&other), None, "bit {bit}");
        }
        for len in 0..ticket.len() {
            assert_eq!(ticketer.decrypt(&ticket[..len]), None, "{len} bytes");
        }
        assert_eq!(ticketer.decrypt(&vec![0; TICKET_LEN_MAX + 1]), None);
    }

    #[test]
    fn given_a_file_of_anything_when_read_should_take_the_good_lines_and_make_a_key_without_any() {
        let dir = tempfile::tempdir().expect("a folder");
        let good = format!("{NOW_S} {}", "0f".repeat(KEY_LEN));
        let short = format!("{NOW_S} {}", "0f".repeat(KEY_LEN - 1));
        let no_hex = format!("{NOW_S} {}", "é".repeat(KEY_LEN));
        for (text, is_kept) in [
            (format!("{good}\n"), true),
            (format!("nonsense\n{short}\n{no_hex}\n{good}"), true),
            (String::new(), false),
            (short, false),
        ] {
            fs::write(path_in(dir.path()), &text).expect("written");
            let keys = TicketKeys::kept_in(dir.path(), NOW_S);
            assert_eq!(keys.0.len(), 1, "{text}");
            assert_eq!(keys.0[0].bytes == [0x0f; KEY_LEN], is_kept, "{text}");
        }
    }
}
