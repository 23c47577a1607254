//! Networks as operators write them, and lists of them that say who may come.
//!
//! Owner: whoever was configured with them. Always: an IPv4 address that comes inside an IPv6 one is the IPv4 address;
//! what is denied is denied, whatever else is allowed; an empty list of allowed ones allows everybody.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use schema::record::AddressTexts;

/// An address, or all addresses with the same first bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "String")]
pub struct Network {
    base: IpAddr,
    prefix: u8,
}

/// Why a text is no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// Not of the form.
    #[error("{text:?} is no address and no network such as 10.0.0.0/8 or 2001:db8::/32")]
    Form {
        /// What came.
        text: String,
    },
    /// More bits than an address of its kind has.
    #[error("{text:?} has more than {prefix_max} bits")]
    Prefix {
        /// What came.
        text: String,
        /// Bits of an address.
        prefix_max: u8,
    },
    /// An address where a network is wanted: it is not clear which of the two is meant.
    #[error("{text:?} has bits behind its first {prefix}")]
    Bits {
        /// What came.
        text: String,
        /// Bits of the network.
        prefix: u8,
    },
    /// An IPv4 address in IPv6 dress would never match.
    #[error("{text:?} is an IPv4 address inside an IPv6 one: write the IPv4 address")]
    Mapped {
        /// What came.
        text: String,
    },
}

/// The bits of an address, at the top of a number.
fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()) << 96,
        IpAddr::V6(address) => address.to_bits(),
    }
}

fn mask(prefix: u8) -> u128 {
    match prefix {
        0 => 0,
        prefix => u128::MAX << (128 - u32::from(prefix)),
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(given: &str) -> Result<Self, NetworkError> {
        let text = || given.to_owned();
        let (address, prefix) = match given.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (given, None),
        };
        let form = || NetworkError::Form { text: text() };
        let base: IpAddr = address.parse().map_err(|_| form())?;
        if base.to_canonical() != base {
            return Err(NetworkError::Mapped { text: text() });
        }
        let prefix_max = if base.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => prefix_max,
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().map_err(|_| form())?
            }
            Some(_) => return Err(form()),
        };
        if prefix > prefix_max {
            return Err(NetworkError::Prefix {
                text: text(),
                prefix_max,
            });
        }
        if bits(base) & !mask(prefix) != 0 {
            return Err(NetworkError::Bits {
                text: text(),
                prefix,
            });
        }
        Ok(Network { base, prefix })
    }
}

/// As an operator writes it: an address alone stands for itself.
impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = if self.base.is_ipv4() { 32 } else { 128 };
        match self.prefix {
            prefix if prefix == whole => write!(f, "{}", self.base),
            prefix => write!(f, "{}/{prefix}", self.base),
        }
    }
}

impl TryFrom<String> for Network {
    type Error = NetworkError;

    fn try_from(text: String) -> Result<Self, NetworkError> {
        text.parse()
    }
}

impl Network {
    /// Whether an address belongs to it.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.base.is_ipv4()
            && (bits(address) ^ bits(self.base)) & mask(self.prefix) == 0
    }
}

/// Whether one of some networks has an address.
pub fn any_contains(networks: &[Network], address: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(address))
}

/// Who may come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AddressList {
    /// If there are any, no others.
    pub allow: Vec<Network>,
    /// Never these.
    pub deny: Vec<Network>,
}

impl AddressList {
    /// Whether an address may come.
    pub fn admits(&self, address: IpAddr) -> bool {
        !any_contains(&self.deny, address)
            && (self.allow.is_empty() || any_contains(&self.allow, address))
    }
}

/// The same for the lists of an app. They were read before they were stored; what cannot be read has no address.
pub fn admits(texts: &AddressTexts, address: IpAddr) -> bool {
    let has = |list: &[String]| {
        list.iter()
            .filter_map(|text| text.parse::<Network>().ok())
            .any(|network| network.contains(address))
    };
    !has(&texts.deny) && (texts.allow.is_empty() || has(&texts.allow))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        text.parse().expect(text)
    }

    fn address(text: &str) -> IpAddr {
        text.parse().expect(text)
    }

    #[test]
    fn given_networks_when_asked_at_their_edges_should_tell_in_from_out() {
        for (text, inside, outside) in [
            ("10.0.0.0/8", "10.255.255.255", "11.0.0.0"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.6"),
            ("192.0.2.128/25", "192.0.2.128", "192.0.2.127"),
            ("0.0.0.0/0", "255.255.255.255", "::1"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"),
            ("::1", "::1", "::2"),
            ("::/0", "2001:db8::1", "10.0.0.1"),
            ("10.0.0.0/8", "::ffff:10.1.2.3", "::10.1.2.3"),
        ] {
            assert_eq!(network(text).to_string(), text);
            assert!(
                network(text).contains(address(inside)),
                "{inside} in {text}"
            );
            assert!(
                !network(text).contains(address(outside)),
                "{outside} in {text}"
            );
        }
    }

    #[test]
    fn given_texts_that_are_no_network_when_read_should_say_why() {
        for (text, reason) in [
            ("", "is no address"),
            ("10.0.0/8", "is no address"),
            ("10.0.0.0/", "is no address"),
            ("10.0.0.0/+8", "is no address"),
            ("10.0.0.0/300", "is no address"),
            ("10.0.0.0/8/8", "is no address"),
            ("example.org", "is no address"),
            ("10.0.0.0/33", "has more than 32 bits"),
            ("::/129", "has more than 128 bits"),
            ("10.0.0.1/8", "has bits behind its first 8"),
            ("2001:db8::1/64", "has bits behind its first 64"),
            ("::ffff:10.0.0.0/104", "inside an IPv6 one"),
        ] {
            let error = text.parse::<Network>().expect_err(text).to_string();
            assert!(error.contains(reason), "{error}");
            assert!(error.contains(&format!("{text:?}")), "{error}");
        }
    }

    #[test]
    fn given_lists_when_both_speak_of_an_address_should_deny_it() {
        let list = AddressList {
            allow: vec![network("10.0.0.0/8")],
            deny: vec![network("10.1.0.0/16")],
        };
        let texts = AddressTexts {
            allow: vec!["10.0.0.0/8".into()],
            deny: vec!["10.1.0.0/16".into(), "of a later version".into()],
        };
        for (text, may) in [("10.2.0.1", true), ("10.1.0.1", false), ("11.0.0.1", false)] {
            assert_eq!(list.admits(address(text)), may, "{text}");
            assert_eq!(admits(&texts, address(text)), may, "{text}");
        }
        assert!(AddressList::default().admits(address("::1")));
        assert!(admits(&AddressTexts::default(), address("::1")));
    }
}
