//! The HTTP door: as much of HTTP/1.1 and of the API as a load asks for.
//!
//! Owner: the floor's thread. Always: every push is answered as accepted, nothing is stored; whom to push to and what is
//! the caller's to do. No token is looked at.

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::records::Over;

const HEAD_END: &[u8] = b"\r\n\r\n";
/// Bytes of one request: a batch of 200 has about 60 KB.
const REQUEST_LEN_MAX: usize = 2 * 1024 * 1024;

/// A whole request.
pub(super) struct Request<'a> {
    pub(super) call: Call,
    pub(super) body: &'a [u8],
    /// Its bytes, head and body.
    pub(super) len: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    Auth,
    Single,
    Batch,
    All,
    Unknown,
}

/// A push to one CID, or to all.
#[derive(Deserialize)]
pub(super) struct Single<'a> {
    #[serde(borrow)]
    pub(super) audience: Audience<'a>,
    #[serde(borrow)]
    pub(super) push_message: Message<'a>,
}

#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Audience<'a> {
    One {
        #[serde(borrow)]
        cid: [&'a str; 1],
    },
    All(IgnoredAny),
}

#[derive(Deserialize)]
pub(super) struct Message<'a> {
    pub(super) transmission: &'a str,
}

#[derive(Deserialize)]
pub(super) struct Batch<'a> {
    #[serde(borrow)]
    pub(super) msg_list: Vec<Single<'a>>,
}

/// The first request in `bytes`; `None` while it is not whole.
pub(super) fn request(bytes: &[u8]) -> Result<Option<Request<'_>>, Over> {
    let Some(end) = bytes.windows(HEAD_END.len()).position(|at| at == HEAD_END) else {
        return if bytes.len() > REQUEST_LEN_MAX {
            Err(Over)
        } else {
            Ok(None)
        };
    };
    let head = str::from_utf8(&bytes[..end]).map_err(|_| Over)?;
    let mut lines = head.split("\r\n");
    let path = lines.next().and_then(|line| line.split(' ').nth(1));
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse::<usize>().ok())?
    });
    let start = end + HEAD_END.len();
    let len = start.saturating_add(length.unwrap_or(0));
    if len > REQUEST_LEN_MAX {
        return Err(Over);
    }
    Ok(bytes.get(start..len).map(|body| Request {
        call: call(path.unwrap_or_default()),
        body,
        len,
    }))
}

fn call(path: &str) -> Call {
    let known = [
        ("/push/single/cid", Call::Single),
        ("/push/single/batch/cid", Call::Batch),
        ("/push/all", Call::All),
        ("/auth", Call::Auth),
    ];
    let found = known.iter().find(|(end, _)| path.ends_with(end));
    found.map_or(Call::Unknown, |(_, call)| *call)
}

/// Appends an answer with this `data`.
pub(super) fn answer(data: &str, out: &mut Vec<u8>) {
    use std::io::Write;
    const START: &str = r#"{"code":0,"msg":"success","data":"#;
    // Writing to a vector does not fail.
    let _ = write!(
        out,
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{START}{data}}}",
        START.len() + data.len() + 1
    );
}
