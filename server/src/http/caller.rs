//! Whose request it is: the peer's, or that of whom a trusted proxy speaks for.
//!
//! Always: what stands left of an address that is not trusted was written by nobody we believe, and is not looked at.

use std::net::{IpAddr, SocketAddr};

use hyper::HeaderMap;

use crate::addresses::{Network, any_contains};

/// Each proxy appends the address that it was called from, to the right.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// The address of the caller: the rightmost one that is no trusted proxy's. If all are, the leftmost; if an entry
/// cannot be read, the proxy that passed it on.
pub(super) fn address(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
    let mut caller = peer.to_canonical();
    let lines = headers.get_all(FORWARDED_FOR).iter().rev();
    let mut entries = lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
    while any_contains(trusted, caller) {
        let Some(before) = entries.next().and_then(read) else {
            break;
        };
        caller = before;
    }
    caller
}

/// An address, also with a port or in brackets, as some proxies write it.
fn read(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(entry).ok()?.trim();
    let with_port = || text.parse::<SocketAddr>().map(|socket| socket.ip());
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    let address = bare.parse().or_else(|_| with_port()).ok()?;
    Some(IpAddr::to_canonical(&address))
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn of(peer: &str, lines: &[&str], trusted: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED_FOR, HeaderValue::from_str(line).expect("a value"));
        }
        let trusted: Vec<Network> = trusted
            .iter()
            .map(|text| text.parse().expect("a network"))
            .collect();
        address(peer.parse().expect("an address"), &headers, &trusted).to_string()
    }

    #[test]
    fn given_a_peer_that_is_not_trusted_when_it_names_others_should_not_be_believed() {
        assert_eq!(of("192.0.2.1", &["10.0.0.1"], &[]), "192.0.2.1");
        assert_eq!(of("192.0.2.1", &["10.0.0.1"], &["10.0.0.0/8"]), "192.0.2.1");
    }

    #[test]
    fn given_trusted_proxies_when_they_name_callers_should_take_the_rightmost_that_is_none_of_them()
    {
        let trusted = &["10.0.0.0/8", "::1"];
        for (lines, caller) in [
            (&["203.0.113.9"][..], "203.0.113.9"),
            (&["198.51.100.1, 203.0.113.9"], "203.0.113.9"),
            (&["198.51.100.1, 203.0.113.9,10.0.0.2 , ::1"], "203.0.113.9"),
            (&["198.51.100.1", "203.0.113.9", "10.0.0.2"], "203.0.113.9"),
            (&["203.0.113.9:4711"], "203.0.113.9"),
            (&["[2001:db8::7]:4711"], "2001:db8::7"),
            (&["[2001:db8::7]"], "2001:db8::7"),
            (&["2001:db8::7"], "2001:db8::7"),
            (&["::ffff:203.0.113.9"], "203.0.113.9"),
            (&["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            (&["198.51.100.1, unknown, 10.0.0.2"], "10.0.0.2"),
            (&["198.51.100.1, "], "10.0.0.1"),
            (&[], "10.0.0.1"),
        ] {
            assert_eq!(of("10.0.0.1", lines, trusted), caller, "{lines:?}");
            assert_eq!(of("::ffff:10.0.0.1", lines, trusted), caller, "{lines:?}");
        }
    }
}
