//! The text of a push: which run it belongs to and its number, so that a device can tell when it
//! was due without a table and without decoding JSON.
//!
//! Owner: the run. Always: every text has the same length, so every request has too and one
//! template serves all; the run's mark is random, so request ids of two runs never meet.

use std::io::Write;

use crate::third_party::{CallError, random_request_id};

/// Bytes of the run's mark and of a push's number, both hex.
const MARK_LEN: usize = 16;
const NUMBER_LEN: usize = 8;

/// Shortest text: the mark and the number.
pub(super) const PAYLOAD_LEN_MIN: usize = MARK_LEN + NUMBER_LEN;

/// Bytes of a CID's text.
pub(super) const CID_TEXT_LEN: usize = 32;

/// What the texts of one run begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark([u8; MARK_LEN]);

/// A text found in a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    /// The push's number.
    pub(super) number: u64,
    /// Bytes of the text.
    pub(super) len: u64,
}

impl Mark {
    pub(super) fn random() -> Result<Self, CallError> {
        let text = random_request_id()?;
        let mark = text.as_bytes().first_chunk().copied();
        Ok(Self(mark.expect("a request id of ours has 32 digits")))
    }

    /// A whole text: the mark, the number, and as many letters as it takes.
    pub(super) fn text(&self, number: u64, len: usize) -> String {
        let mark = str::from_utf8(&self.0).expect("hex digits");
        let filler = "x".repeat(len.saturating_sub(PAYLOAD_LEN_MIN));
        format!("{mark}{number:08x}{filler}")
    }

    /// Finds our text in the bytes of a `PushMessage`. FlatBuffers writes a text as its length
    /// (u32, little-endian) and its bytes; nothing else is decoded.
    pub(super) fn find(&self, body: &[u8]) -> Option<Found> {
        let at = body.windows(MARK_LEN).position(|part| *part == self.0)?;
        let digits = body.get(at + MARK_LEN..at + PAYLOAD_LEN_MIN)?;
        let number = u64::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()?;
        let len = body.get(..at)?.last_chunk()?;
        let len = u64::from(u32::from_le_bytes(*len));
        let rest = body.len().saturating_sub(at) as u64;
        (len <= rest).then_some(Found { number, len })
    }
}

#[cfg(test)]
impl Mark {
    /// The shortest text of a push as FlatBuffers writes it.
    pub(super) fn string(&self, number: u64) -> Vec<u8> {
        let len = u32::try_from(PAYLOAD_LEN_MIN).expect("short");
        let digits = format!("{number:08x}");
        [&len.to_le_bytes()[..], &self.0, digits.as_bytes()].concat()
    }
}

/// Whom a request goes to.
#[derive(Debug, Clone)]
pub(super) struct Recipient<'a> {
    pub(super) host: &'a str,
    pub(super) app_id: &'a str,
    pub(super) token: &'a str,
}

/// A whole HTTP request in which only numbers and CIDs change: one push to `/push/single/cid`, or several to
/// `/push/single/batch/cid`.
#[derive(Debug, Clone)]
pub(super) struct RequestTemplate {
    bytes: Vec<u8>,
    pushes: Vec<Places>,
}

/// Where a push has its number, in the request id and in the text, and its CID.
#[derive(Debug, Clone, Copy)]
struct Places {
    numbers: [usize; 2],
    cid: usize,
}

impl RequestTemplate {
    /// A request of `count` pushes; `payload_len` is at least [`PAYLOAD_LEN_MIN`].
    pub(super) fn new(to: &Recipient<'_>, mark: Mark, payload_len: usize, count: usize) -> Self {
        let mark_text = str::from_utf8(&mark.0).expect("hex digits");
        let zeros = "0".repeat(NUMBER_LEN);
        let cid = "0".repeat(CID_TEXT_LEN);
        let text = mark.text(0, payload_len);
        let id = format!(r#"{{"request_id":"{mark_text}"#);
        let audience = format!(r#"{zeros}","audience":{{"cid":[""#);
        let message = format!(r#"{cid}"]}},"push_message":{{"transmission":""#);
        let push = format!(r#"{id}{audience}{message}{text}"}}}}"#);
        let (path, before, after) = match count {
            1 => ("cid", "", ""),
            _ => ("batch/cid", r#"{"msg_list":["#, "]}"),
        };
        let body = format!("{before}{}{after}", vec![push.as_str(); count].join(","));
        let Recipient {
            host,
            app_id,
            token,
        } = to;
        let head = format!(
            "POST /v2/{app_id}/push/single/{path} HTTP/1.1\r\nhost: {host}\r\ntoken: {token}\r\n\
             content-type: application/json;charset=UTF-8\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let places = |nth| {
            // A comma follows each.
            let start = head.len() + before.len() + nth * (push.len() + 1);
            let first = start + id.len();
            let cid = first + audience.len();
            let second = cid + message.len() + MARK_LEN;
            Places {
                numbers: [first, second],
                cid,
            }
        };
        let pushes = (0..count).map(places).collect();
        Self {
            bytes: (head + &body).into_bytes(),
            pushes,
        }
    }

    /// Sets the n-th push of the request.
    pub(super) fn fill(&mut self, nth: usize, number: u64, cid: &[u8; CID_TEXT_LEN]) {
        let places = self.pushes[nth];
        for at in places.numbers {
            let mut place = &mut self.bytes[at..at + NUMBER_LEN];
            write!(place, "{number:08x}").expect("at most PUSHES_MAX, which has 8 digits");
        }
        self.bytes[places.cid..places.cid + CID_TEXT_LEN].copy_from_slice(cid);
    }

    /// The request with what was filled in last.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How many pushes are in it.
    pub(super) fn count(&self) -> usize {
        self.pushes.len()
    }
}

#[cfg(test)]
mod tests {
    use schema::push::{Content, PushMessage};

    use super::*;

    const TO: Recipient<'_> = Recipient {
        host: "h:1",
        app_id: "app",
        token: "tok",
    };

    fn json(request: &[u8]) -> serde_json::Value {
        let text = str::from_utf8(request).expect("text");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        assert!(head.contains(&format!("content-length: {}", body.len())));
        serde_json::from_str(body).expect("JSON")
    }

    #[test]
    fn given_a_template_when_filled_should_be_a_push_of_the_asked_size() {
        let mark = Mark::random().expect("random bytes");
        let mut template = RequestTemplate::new(&TO, mark, 40, 1);
        for number in [0, 0xabc, super::super::args::PUSHES_MAX] {
            let cid = [b'7'; CID_TEXT_LEN];
            template.fill(0, number, &cid);
            let request = json(template.bytes());
            assert_eq!(request["audience"]["cid"][0], "7".repeat(32));
            let text = request["push_message"]["transmission"]
                .as_str()
                .expect("text");
            assert_eq!(text.len(), 40);
            let id = request["request_id"].as_str().expect("text");
            assert_eq!(id, &text[..PAYLOAD_LEN_MIN]);
            let body = PushMessage {
                task_id: "RASS_1124_6b7bd07a0cb3e6bd89ceffdaf6341a36".to_owned(),
                content: Content::Transmission(text.to_owned()),
                duration: None,
                network_type: 0,
            };
            let body = body.encode();
            assert_eq!(mark.find(&body), Some(Found { number, len: 40 }));
        }
    }

    #[test]
    fn given_a_template_of_several_when_filled_should_be_a_batch_of_different_pushes() {
        let mark = Mark::random().expect("random bytes");
        let mut template = RequestTemplate::new(&TO, mark, 24, 3);
        assert_eq!(template.count(), 3);
        for nth in 0..3 {
            let digit = b'1' + u8::try_from(nth).expect("small");
            template.fill(nth, 70 + nth as u64, &[digit; CID_TEXT_LEN]);
        }
        let request = json(template.bytes());
        let pushes = request["msg_list"].as_array().expect("a list");
        assert_eq!(pushes.len(), 3);
        for (nth, push) in pushes.iter().enumerate() {
            let text = mark.text(70 + nth as u64, 24);
            assert_eq!(push["request_id"], text);
            assert_eq!(push["push_message"]["transmission"], text);
            assert_eq!(push["audience"]["cid"][0], (nth + 1).to_string().repeat(32));
        }
    }

    #[test]
    fn given_other_or_cut_bytes_when_searched_should_find_nothing() {
        let mark = Mark(*b"0123456789abcdef");
        let string = |len: u8, text: &str| [&[len, 0, 0, 0], text.as_bytes()].concat();
        let good = string(24, "0123456789abcdef00000001");
        assert!(mark.find(&good).is_some());
        for end in 0..good.len() {
            assert_eq!(mark.find(&good[..end]), None, "cut at {end}");
        }
        assert_eq!(mark.find(&good[1..]), None, "no length before the text");
        for (len, text) in [
            (24, "0123456789abcdefzzzzzzzz"),
            (25, "0123456789abcdef00000001"),
            (24, "1123456789abcdef00000001"),
        ] {
            assert_eq!(mark.find(&string(len, text)), None, "{len} {text}");
        }
    }
}
