//! The PROXY header, version 2, by which a balancer tells whose connection it passes on.
//!
//! Owner: the connection it begins. Always: the header says its length in its first 16 bytes and is never waited for
//! beyond [`PROXY_HEADER_LEN_MAX`]; a byte that cannot belong to one is refused as soon as it is seen; the addresses
//! are read only for TCP over IPv4 or IPv6.
//!
//! Format: "The PROXY protocol", section 2.2 (HAProxy).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use nom::bytes::{complete, streaming};
use nom::combinator::{all_consuming, map};
use nom::multi::many0_count;
use nom::number::complete::{be_u16, be_u32, be_u128, u8 as byte};
use nom::number::streaming::{be_u16 as streaming_u16, u8 as streaming_byte};
use nom::{IResult, Parser};

use crate::limits::PROXY_HEADER_LEN_MAX;

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version and command, family, length.
const HEAD_LEN: usize = 16;

/// Why bytes are no PROXY header that we take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProxyHeaderError {
    /// The first bytes are something else, TLS as an example.
    #[error("no PROXY header of version 2")]
    Signature,
    /// A version or command that is not known.
    #[error("PROXY version and command are {byte:#04x}, want 0x20 or 0x21")]
    Command {
        /// What came.
        byte: u8,
    },
    /// Addresses of a kind that no device has.
    #[error("PROXY family is {byte:#04x}, want 0x00, 0x11 or 0x21")]
    Family {
        /// What came.
        byte: u8,
    },
    /// Too long.
    #[error("PROXY header of {len} bytes, at most {PROXY_HEADER_LEN_MAX}")]
    Length {
        /// What was announced, with the head.
        len: usize,
    },
    /// Shorter than the addresses of its family.
    #[error("PROXY header ends within its addresses")]
    Addresses,
    /// What follows the addresses is not a row of type, length and value.
    #[error("PROXY header ends within a TLV")]
    Tlv,
}

/// A whole header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ProxyHeader {
    /// Whose connection it is; `None`: the balancer's own, as for a health check.
    pub(super) source: Option<IpAddr>,
    /// Bytes it took.
    pub(super) len: usize,
}

/// Reads a header from the first bytes of a connection; `None` while it is not complete.
///
/// # Errors
/// The bytes are no header that we take.
pub(super) fn read(bytes: &[u8]) -> Result<Option<ProxyHeader>, ProxyHeaderError> {
    match header(bytes) {
        Ok((rest, source)) => Ok(Some(ProxyHeader {
            source,
            len: bytes.len() - rest.len(),
        })),
        Err(nom::Err::Incomplete(_)) => Ok(None),
        Err(nom::Err::Error(refusal) | nom::Err::Failure(refusal)) => Err(refusal),
    }
}

type Parsed<'a, T> = IResult<&'a [u8], T, ProxyHeaderError>;

fn refuse<T>(error: ProxyHeaderError) -> Result<T, nom::Err<ProxyHeaderError>> {
    Err(nom::Err::Failure(error))
}

/// A parser of nom whose failure means this.
fn or<'a, T>(
    error: ProxyHeaderError,
    mut parser: impl Parser<&'a [u8], Output = T, Error = ()>,
) -> impl FnMut(&'a [u8]) -> Parsed<'a, T> {
    move |input| parser.parse(input).map_err(|failed| failed.map(|()| error))
}

fn header(input: &[u8]) -> Parsed<'_, Option<IpAddr>> {
    let (input, _) = or(ProxyHeaderError::Signature, streaming::tag(&SIGNATURE[..]))(input)?;
    let any = ProxyHeaderError::Signature;
    let (input, command) = or(any, streaming_byte)(input)?;
    if !matches!(command, 0x20 | 0x21) {
        return refuse(ProxyHeaderError::Command { byte: command });
    }
    let (input, family) = or(any, streaming_byte)(input)?;
    if !matches!(family, 0x00 | 0x11 | 0x21) {
        return refuse(ProxyHeaderError::Family { byte: family });
    }
    let (input, body_len) = or(any, streaming_u16)(input)?;
    let len = HEAD_LEN + usize::from(body_len);
    if len > PROXY_HEADER_LEN_MAX {
        return refuse(ProxyHeaderError::Length { len });
    }
    let (rest, body) = or(any, streaming::take(body_len))(input)?;
    // Of its own connections a balancer may say anything: the addresses are not looked at.
    if command == 0x20 || family == 0x00 {
        return Ok((rest, None));
    }
    let (tlvs, source) = or(ProxyHeaderError::Addresses, addresses(family))(body)?;
    or(ProxyHeaderError::Tlv, all_tlvs)(tlvs)?;
    Ok((rest, Some(source)))
}

/// Source and destination address, then both ports.
fn addresses<'a>(family: u8) -> impl FnMut(&'a [u8]) -> IResult<&'a [u8], IpAddr, ()> {
    move |input| {
        if family == 0x11 {
            let rest = (be_u32, be_u16, be_u16);
            map((be_u32, rest), |(source, _)| {
                Ipv4Addr::from_bits(source).into()
            })
            .parse(input)
        } else {
            let rest = (be_u128, be_u16, be_u16);
            map((be_u128, rest), |(source, _)| {
                Ipv6Addr::from_bits(source).into()
            })
            .parse(input)
        }
    }
}

/// TLVs are for others; that they fill the header exactly shows that it is one.
fn all_tlvs(input: &[u8]) -> IResult<&[u8], usize, ()> {
    let value = be_u16.flat_map(complete::take);
    all_consuming(many0_count((byte, value))).parse(input)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn golden(command: u8, family: u8, body: &[&[u8]]) -> Vec<u8> {
        let body = body.concat();
        let len = u16::try_from(body.len()).expect("short").to_be_bytes();
        [&SIGNATURE[..], &[command, family], &len, &body].concat()
    }

    /// 192.0.2.7:4711 to 198.51.100.1:5224.
    const FOUR: &[u8] = &[192, 0, 2, 7, 198, 51, 100, 1, 0x12, 0x67, 0x14, 0x68];
    /// A name of the host (0x02) and padding (0x04), as balancers add them.
    const TLVS: &[u8] = b"\x02\x00\x0bexample.org\x04\x00\x02\0\0";

    fn six() -> Vec<u8> {
        let source: Ipv6Addr = "2001:db8::7".parse().expect("an address");
        let target: Ipv6Addr = "2001:db8::1".parse().expect("an address");
        [&source.octets()[..], &target.octets(), &FOUR[8..]].concat()
    }

    #[test]
    fn given_the_bytes_of_a_balancer_when_read_should_tell_whose_connection_it_is() {
        let known: Vec<u8> = b"\x0d\x0a\x0d\x0a\x00\x0d\x0aQUIT\x0a\x21\x11\x00\x0c\
            \xc0\x00\x02\x07\xc6\x33\x64\x01\x12\x67\x14\x68"
            .to_vec();
        assert_eq!(golden(0x21, 0x11, &[FOUR]), known);
        let source = |text: &str| Some(text.parse::<IpAddr>().expect("an address"));
        for (bytes, source) in [
            (known, source("192.0.2.7")),
            (golden(0x21, 0x11, &[FOUR, TLVS]), source("192.0.2.7")),
            (golden(0x21, 0x21, &[&six()]), source("2001:db8::7")),
            (golden(0x21, 0x21, &[&six(), TLVS]), source("2001:db8::7")),
            (golden(0x21, 0x00, &[]), None),
            (golden(0x20, 0x00, &[]), None),
            (golden(0x20, 0x11, &[FOUR, b"x"]), None),
            (
                golden(0x21, 0x11, &[FOUR, &[0x04, 0x01, 0xf9], &[0; 505]]),
                source("192.0.2.7"),
            ),
        ] {
            let len = bytes.len();
            assert_eq!(read(&bytes), Ok(Some(ProxyHeader { source, len })));
            let with_tls = [&bytes[..], &[22, 3, 1]].concat();
            assert_eq!(read(&with_tls), Ok(Some(ProxyHeader { source, len })));
            for cut in 0..len {
                assert_eq!(read(&bytes[..cut]), Ok(None), "{cut} bytes of {len}");
            }
        }
    }

    #[test]
    fn given_bytes_that_are_no_header_when_read_should_refuse_them_at_the_first_that_shows_it() {
        let at = |place: usize, byte: u8| {
            let mut bytes = golden(0x21, 0x11, &[FOUR]);
            bytes[place] = byte;
            bytes
        };
        for place in 0..12 {
            let bytes = at(place, b'x');
            assert_eq!(
                read(&bytes[..=place]),
                Err(ProxyHeaderError::Signature),
                "{place}"
            );
        }
        assert_eq!(read(b"PROXY TCP4 "), Err(ProxyHeaderError::Signature));
        for byte in [0x11, 0x22, 0x2f, 0x31, 0] {
            assert_eq!(
                read(&at(12, byte)[..13]),
                Err(ProxyHeaderError::Command { byte })
            );
        }
        for byte in [0x10, 0x12, 0x22, 0x31, 0x32, 0xff] {
            assert_eq!(
                read(&at(13, byte)[..14]),
                Err(ProxyHeaderError::Family { byte })
            );
        }
        let long = golden(0x20, 0x00, &[&[0; 521]]);
        assert_eq!(
            read(&long[..16]),
            Err(ProxyHeaderError::Length { len: 537 })
        );
        let longest = golden(0x20, 0x00, &[&[0; 520]]);
        assert!(matches!(read(&longest), Ok(Some(header)) if header.len == 536));
    }

    proptest! {
        #[test]
        fn given_any_bytes_behind_a_signature_when_read_should_say_the_same_of_all_that_follows(
            head in (0x1f..0x23_u8, 0x00..0x24_u8),
            body in vec(any::<u8>(), 0..600),
        ) {
            let bytes = [&SIGNATURE[..], &[head.0, head.1], &body].concat();
            let whole = read(&bytes);
            let first = (0..=bytes.len()).map(|cut| read(&bytes[..cut])).find(|said| *said != Ok(None));
            prop_assert_eq!(first.unwrap_or(Ok(None)), whole);
            if let Ok(Some(header)) = whole {
                prop_assert!(header.len <= PROXY_HEADER_LEN_MAX && header.len <= bytes.len());
            }
        }
    }

    #[test]
    fn given_a_header_cut_inside_when_it_says_it_is_whole_should_be_refused() {
        for len in 0..FOUR.len() {
            let bytes = golden(0x21, 0x11, &[&FOUR[..len]]);
            assert_eq!(read(&bytes), Err(ProxyHeaderError::Addresses), "{len}");
        }
        for len in 0..six().len() {
            let bytes = golden(0x21, 0x21, &[&six()[..len]]);
            assert_eq!(read(&bytes), Err(ProxyHeaderError::Addresses), "{len}");
        }
        // The first of the two is 14 bytes: a cut there leaves a whole header.
        for len in (1..TLVS.len()).filter(|len| *len != 14) {
            let bytes = golden(0x21, 0x11, &[FOUR, &TLVS[..len]]);
            assert_eq!(read(&bytes), Err(ProxyHeaderError::Tlv), "{len}");
        }
    }
}
