//! Where a delivery goes, and which addresses it may go to.
//!
//! Always: only `http` and `https`; an address is judged after the name was looked up, and it is the address that is
//! then connected to, so that a name cannot answer the check with one and the connection with another.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hyper::Uri;

/// A URL taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    /// Whether TLS is spoken.
    pub(super) is_tls: bool,
    /// Name or address, without brackets.
    pub(super) host: String,
    /// The port.
    pub(super) port: u16,
    /// Host and port as the URL has them.
    pub(super) authority: String,
    /// Path and query.
    pub(super) path: String,
}

impl Target {
    /// `None` if the URL is not of the web, names nobody, or names a user.
    pub(super) fn of(url: &str) -> Option<Target> {
        let uri: Uri = url.parse().ok()?;
        let is_tls = match uri.scheme_str()? {
            "http" => false,
            "https" => true,
            _ => return None,
        };
        let authority = uri.authority().filter(|it| !it.as_str().contains('@'))?;
        let host = authority.host().trim_matches(['[', ']']);
        if host.is_empty() {
            return None;
        }
        let default = if is_tls { 443 } else { 80 };
        Some(Target {
            is_tls,
            host: host.to_owned(),
            port: authority.port_u16().unwrap_or(default),
            authority: authority.to_string(),
            path: uri
                .path_and_query()
                .map_or("/", |it| it.as_str())
                .to_owned(),
        })
    }
}

/// Whether a delivery may go to an address. Nobody's and everybody's addresses never do; those that the internet does
/// not route, or that carry another address inside, only where the operator allows it.
pub(super) fn admits(address: IpAddr, allow_private: bool) -> bool {
    let is_one = match address.to_canonical() {
        IpAddr::V4(v4) => !v4.is_unspecified() && !v4.is_multicast() && !v4.is_broadcast(),
        IpAddr::V6(v6) => !v6.is_unspecified() && !v6.is_multicast(),
    };
    let is_public = match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    };
    is_one && (is_public || allow_private)
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let is_shared = a == 100 && (64..128).contains(&b);
    let is_benchmark = a == 198 && (b == 18 || b == 19);
    let is_protocol = (a, b, c) == (192, 0, 0);
    let is_relay = (a, b, c) == (192, 88, 99);
    !(a == 0
        || a >= 224
        || is_shared
        || is_benchmark
        || is_protocol
        || is_relay
        || address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_documentation())
}

/// Of the internet is 2000::/3; all that is loopback, mapped, NAT64, unique-local, link-local or multicast lies outside.
/// Inside it are the two kinds of tunnel that carry an IPv4 address, and documentation.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    let is_global = a & 0xe000 == 0x2000;
    let is_teredo_or_protocol = a == 0x2001 && b < 0x200;
    let is_6to4 = a == 0x2002;
    let is_documentation = (a == 0x2001 && b == 0xdb8) || (a == 0x3fff && b < 0x1000);
    is_global && !is_teredo_or_protocol && !is_6to4 && !is_documentation
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_urls_when_taken_apart_should_give_what_is_connected_to() {
        let target = |is_tls, host: &str, port, authority: &str, path: &str| {
            Some(Target {
                is_tls,
                host: host.into(),
                port,
                authority: authority.into(),
                path: path.into(),
            })
        };
        for (url, expected) in [
            (
                "https://example.org",
                target(true, "example.org", 443, "example.org", "/"),
            ),
            (
                "http://example.org:8080/a/b?c=d",
                target(false, "example.org", 8080, "example.org:8080", "/a/b?c=d"),
            ),
            (
                "https://[2001:db8::1]:444/x",
                target(true, "2001:db8::1", 444, "[2001:db8::1]:444", "/x"),
            ),
            ("ftp://example.org/", None),
            ("file:///etc/passwd", None),
            ("/receipts", None),
            ("https://user:pw@example.org/", None),
            ("https:///x", None),
        ] {
            assert_eq!(Target::of(url), expected, "{url}");
        }
    }

    #[test]
    fn given_addresses_that_are_not_of_the_internet_when_judged_should_want_leave() {
        for text in [
            "127.0.0.1",
            "127.255.0.1",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "100.127.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "192.88.99.1",
            "0.1.2.3",
            "240.0.0.1",
            "::1",
            "::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:8.8.8.8",
            "64:ff9b::7f00:1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "fec0::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
        ] {
            let address = text.parse().expect("an address");
            assert!(!admits(address, false), "{text}");
            assert!(admits(address, true), "{text}");
        }
    }

    #[test]
    fn given_addresses_of_nobody_or_everybody_when_judged_should_be_refused_whatever_is_allowed() {
        for text in [
            "0.0.0.0",
            "224.0.0.1",
            "239.255.255.255",
            "255.255.255.255",
            "::",
            "ff02::1",
            "::ffff:0.0.0.0",
            "::ffff:224.0.0.1",
        ] {
            let address = text.parse().expect("an address");
            assert!(!admits(address, false), "{text}");
            assert!(!admits(address, true), "{text}");
        }
    }

    #[test]
    fn given_addresses_of_the_internet_when_judged_should_be_let_through() {
        for text in [
            "8.8.8.8",
            "172.15.0.1",
            "172.32.0.1",
            "100.63.0.1",
            "100.128.0.1",
            "192.0.1.1",
            "198.20.0.1",
            "223.255.255.255",
            "2606:4700::1111",
            "2001:4860:4860::8888",
            "2a00::1",
        ] {
            assert!(admits(text.parse().expect("an address"), false), "{text}");
        }
    }
}
