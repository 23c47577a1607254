//! The PROXY header by which a balancer says whose connection it passes on.
//!
//! Checked: what is said of a header is said at the first byte that shows it, and by every byte
//! behind; a header is within its bound and within what came, and reads the same alone. The parser
//! is private to the server, so its file is taken in here as it is.

#[path = "../../server/src/net/proxy_header.rs"]
mod proxy_header;

use proxy_header::{ProxyHeader, read};

use crate::limits::PROXY_HEADER_LEN_MAX;
use crate::planted;

/// The target.
pub fn feed(bytes: &[u8]) {
    let whole = read(bytes);
    let cuts = (0..bytes.len()).map(|cut| read(&bytes[..cut]));
    let first = cuts.into_iter().find(|said| *said != Ok(None));
    assert_eq!(first.unwrap_or(whole), whole, "however it is cut");
    match whole {
        Ok(Some(ProxyHeader { source, len })) => {
            assert!(len <= PROXY_HEADER_LEN_MAX && len <= bytes.len());
            let alone = Ok(Some(ProxyHeader { source, len }));
            assert_eq!(read(&bytes[..len]), alone, "of its own bytes");
            if source.is_some() {
                planted::at("proxy_header", &bytes[16..len]);
            }
        }
        Ok(None) => assert!(bytes.len() < PROXY_HEADER_LEN_MAX, "never waited for"),
        Err(error) => {
            let _ = error.to_string();
        }
    }
}
