//! The guard that stands between the HTTP socket and hyper.
//!
//! Checked: however the stream is cut, the same bytes pass and the same refusal ends it; what
//! passes is a prefix of what came. The guard is private to the server, so its files are taken in
//! here as they are.

#[path = "../../server/src/http/chunks.rs"]
mod chunks;
#[path = "../../server/src/http/guard.rs"]
mod guard;
#[path = "../../server/src/http/head.rs"]
mod head;
#[path = "../../server/src/http/refusal.rs"]
mod refusal;

use guard::Guard;
use refusal::Refusal;

use crate::planted;

/// The target.
pub fn feed(bytes: &[u8]) {
    let whole = read([bytes]);
    let single = read(bytes.chunks(1));
    assert_eq!((whole.refusal, whole.heads), (single.refusal, single.heads));
    // Cut inside a chunked body, the bytes before the bad one pass; never anything else.
    assert!(single.passed.starts_with(&whole.passed) && bytes.starts_with(&single.passed));
    if let Some(path) = whole.passed.strip_prefix(b"GET /") {
        planted::at("http_head", path);
    }
}

struct Read {
    passed: Vec<u8>,
    refusal: Option<Refusal>,
    heads: u64,
}

fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Read {
    let (mut guard, mut held, mut passed) = (Guard::new(), Vec::new(), Vec::new());
    let mut refusal = None;
    'pieces: for piece in pieces {
        held.extend_from_slice(piece);
        while !held.is_empty() {
            match guard.clear(&held) {
                Ok(0) => {
                    assert!(!guard.in_body(), "a body never waits for more bytes");
                    break;
                }
                Ok(cleared) => passed.extend(held.drain(..cleared)),
                Err(error) => {
                    refusal = Some(error);
                    break 'pieces;
                }
            }
        }
    }
    Read {
        passed,
        refusal,
        heads: guard.heads(),
    }
}
