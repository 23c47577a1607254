//! Packed bodies: requests that come so, answers that are asked for so.
//!
//! Always: unpacking stops at the limit that the body has without it, however much a few bytes unfold to; what is sent
//! packed was asked for, and is shorter than it was.

use std::io::{Read, Write};

use bytes::Bytes;
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use hyper::HeaderMap;
use hyper::header::ACCEPT_ENCODING;

use super::body::{HeldBody, check_len};
use super::fault::Fault;
use super::parameter::ParameterError;
use crate::limits::HTTP_PACKED_LEN_MIN;

/// Bytes unpacked before they are counted.
const STEP_LEN: usize = 16 * 1024;

/// Whether this is its name.
pub(super) fn is_gzip(coding: &str) -> bool {
    coding.eq_ignore_ascii_case("gzip") || coding.eq_ignore_ascii_case("x-gzip")
}

/// Unpacks a body to at most `len_max` bytes, which count among the bodies held as any others do.
///
/// # Errors
/// No gzip or damaged; longer than the limit; no room among the bodies held.
pub(super) fn unpack(packed: &HeldBody, len_max: usize) -> Result<HeldBody, Fault> {
    let broken = ParameterError::Invalid { field: "body" };
    let mut whole = packed.empty();
    let mut from = MultiGzDecoder::new(packed.bytes());
    let mut step = [0; STEP_LEN];
    loop {
        match from.read(&mut step).map_err(|_| broken)? {
            0 => return Ok(whole),
            len => {
                check_len(whole.bytes().len() + len, len_max)?;
                whole.extend(&step[..len])?;
            }
        }
    }
}

/// Whether a client takes an answer packed (RFC 9110, 12.5.3).
pub(super) fn is_taken(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(ACCEPT_ENCODING).iter();
    let codings = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','));
    let mut any = false;
    for coding in codings {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let weight: String = weight.split_whitespace().collect();
        let weight = weight.strip_prefix("q=").map_or(Ok(1.0), str::parse::<f32>);
        let wanted = weight.is_ok_and(|weight| weight > 0.0);
        match name.trim() {
            // What is said of gzip by its name goes before what is said of all.
            name if is_gzip(name) => return wanted,
            "*" => any = wanted,
            _ => {}
        }
    }
    any
}

/// The packed form of an answer, if it is long enough to gain by it.
pub(super) fn pack(body: &Bytes) -> Option<Bytes> {
    if body.len() < HTTP_PACKED_LEN_MIN {
        return None;
    }
    // The fastest: it runs on the one thread of the ingress.
    let mut into = GzEncoder::new(Vec::with_capacity(body.len() / 2), Compression::fast());
    into.write_all(body).ok()?;
    let packed = into.finish().ok()?;
    (packed.len() < body.len()).then(|| packed.into())
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;
    use crate::http::body::BodyBudget;

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut into = GzEncoder::new(Vec::new(), Compression::best());
        into.write_all(bytes).expect("packed");
        into.finish().expect("packed")
    }

    fn unpacked(bytes: &[u8], len_max: usize) -> Result<Vec<u8>, Fault> {
        let budget = BodyBudget::default();
        let mut held = HeldBody::new(&budget);
        held.extend(bytes).expect("room");
        let whole = unpack(&held, len_max).map(|whole| whole.bytes().to_vec());
        drop(held);
        assert_eq!(budget.held(), 0, "all was given back");
        whole
    }

    #[test]
    fn given_packed_bodies_when_unpacked_should_be_whole_up_to_the_limit() {
        let text = "{\"a\":1}".repeat(5000);
        let one = packed(text.as_bytes());
        assert_eq!(unpacked(&one, text.len()), Ok(text.clone().into_bytes()));
        let size = |got| {
            let limit = text.len() - 1;
            Err(ParameterError::Size {
                field: "body",
                limit,
                got,
            }
            .into())
        };
        assert_eq!(unpacked(&one, text.len() - 1), size(text.len()));
        // Members one after the other are one body.
        let two = [one.clone(), packed(b"x")].concat();
        assert_eq!(
            unpacked(&two, 1 << 20),
            Ok([text.as_bytes(), b"x"].concat())
        );
    }

    #[test]
    fn given_a_few_bytes_that_unfold_to_many_when_unpacked_should_stop_at_the_limit() {
        let bomb = packed(&vec![0; 64 << 20]);
        assert!(bomb.len() < 100_000, "{}", bomb.len());
        let Err(Fault::Parameter(ParameterError::Size { limit, got, .. })) =
            unpacked(&bomb, 1 << 20)
        else {
            panic!("the limit did not hold");
        };
        assert!(limit == 1 << 20 && got <= limit + STEP_LEN, "{got}");
    }

    #[test]
    fn given_damaged_bodies_when_unpacked_should_be_refused() {
        let good = packed(b"{\"a\":1}");
        let invalid = Err(ParameterError::Invalid { field: "body" }.into());
        assert_eq!(unpacked(b"{\"a\":1}", 100), invalid);
        for cut in 1..good.len() {
            assert_eq!(unpacked(&good[..cut], 100), invalid, "{cut}");
        }
        let mut wrong_sum = good.clone();
        let at = wrong_sum.len() - 5;
        wrong_sum[at] ^= 1;
        assert_eq!(unpacked(&wrong_sum, 100), invalid);
        assert_eq!(unpacked(&[&good[..], b"rest"].concat(), 100), invalid);
    }

    #[test]
    fn given_what_clients_accept_when_read_should_pack_only_where_it_is_taken() {
        for (lines, taken) in [
            (&[][..], false),
            (&["gzip"], true),
            (&["gzip,deflate"], true),
            (&["deflate", "br, X-GZIP;q=0.5"], true),
            (&["deflate, br"], false),
            (&["gzip;q=0"], false),
            (&["gzip; q=0.000, *"], false),
            (&["*"], true),
            (&["*;q=0"], false),
            (&["gzip;q=x"], false),
            (&["identity"], false),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(ACCEPT_ENCODING, HeaderValue::from_static(line));
            }
            assert_eq!(is_taken(&headers), taken, "{lines:?}");
        }
    }

    #[test]
    fn given_answers_when_packed_should_be_shorter_or_stay_as_they_are() {
        let long = Bytes::from("a".repeat(HTTP_PACKED_LEN_MIN));
        let short = pack(&long).expect("long enough");
        assert!(short.len() < long.len() / 10, "{}", short.len());
        assert_eq!(unpacked(&short, long.len()), Ok(long.to_vec()));
        assert_eq!(pack(&long.slice(1..)), None);
        let noise: Vec<u8> = (0..64u8)
            .flat_map(|seed| crate::secret::sha256(&[&seed.to_string()]))
            .collect();
        assert_eq!(pack(&noise.into()), None);
    }
}
