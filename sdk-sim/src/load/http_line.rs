//! One keep-alive HTTP/1.1 connection of the pusher, without an HTTP library.
//!
//! Owner: one worker. Always: one request at a time; an answer is bounded and must say its length.
//! A library's client costs about as much per request as the server's answer does, and the
//! generator shares its machine with what it measures.

use std::io;

use serde::Deserialize;
use serde::de::IgnoredAny;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Bytes of one answer. A single push is answered in about 150, a batch of 200 in about 25 KB. Longer: the connection
/// fails.
const ANSWER_LEN_MAX: usize = 128 * 1024;

/// The end of a head.
const HEAD_END: &[u8] = b"\r\n\r\n";

pub(super) struct HttpLine {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// What the server made of a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Verdict {
    /// The envelope's code; 0 is accepted.
    pub(super) code: i64,
    /// The server closes the connection after this answer.
    pub(super) closes: bool,
}

#[derive(Deserialize)]
struct Envelope {
    code: i64,
    // Named, or a `data` of any shape would have to be told apart from a missing code.
    #[serde(default, rename = "data")]
    _data: IgnoredAny,
}

/// Where an answer's parts lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Parts {
    head_len: usize,
    body_len: usize,
    closes: bool,
}

impl HttpLine {
    pub(super) async fn open(host: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(host).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: Vec::with_capacity(1024),
        })
    }

    /// Sends a request and reads its answer.
    pub(super) async fn exchange(&mut self, request: &[u8]) -> io::Result<Verdict> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        loop {
            if let Some(parts) = parts(&self.buffer)? {
                let whole = parts.head_len.saturating_add(parts.body_len);
                if let Some(body) = self.buffer.get(parts.head_len..whole) {
                    let envelope: Envelope = serde_json::from_slice(body)?;
                    return Ok(Verdict {
                        code: envelope.code,
                        closes: parts.closes,
                    });
                }
            }
            if self.buffer.len() > ANSWER_LEN_MAX {
                return Err(bad("longer than allowed"));
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

fn bad(problem: &'static str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("HTTP answer: {problem}"),
    )
}

/// Reads a head; `None` while it is not whole.
fn parts(bytes: &[u8]) -> io::Result<Option<Parts>> {
    let Some(end) = bytes
        .windows(HEAD_END.len())
        .position(|part| part == HEAD_END)
    else {
        return Ok(None);
    };
    let head = bytes.get(..end).unwrap_or_default();
    let head = str::from_utf8(head).map_err(|_| bad("head is no text"))?;
    let mut length = None;
    let mut closes = false;
    for line in head.split("\r\n").skip(1) {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse::<usize>().ok();
        } else if name.eq_ignore_ascii_case("connection") {
            closes = value.trim().eq_ignore_ascii_case("close");
        }
    }
    let body_len = length.ok_or_else(|| bad("no content-length"))?;
    if body_len > ANSWER_LEN_MAX {
        return Err(bad("content-length over the limit"));
    }
    Ok(Some(Parts {
        head_len: end + HEAD_END.len(),
        body_len,
        closes,
    }))
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn given_heads_when_read_should_find_length_and_close() {
        let answer =
            b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\nConnection: close\r\n\r\n{\"code\":0}";
        let found = parts(answer).expect("good").expect("whole");
        assert_eq!(&answer[found.head_len..], b"{\"code\":0}");
        assert_eq!((found.body_len, found.closes), (10, true));
        for end in 0..found.head_len {
            assert_eq!(parts(&answer[..end]).expect("good so far"), None);
        }
        for refused in [
            &b"HTTP/1.1 200 OK\r\n\r\n"[..],
            b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
            b"\xff\r\n\r\n",
        ] {
            assert!(parts(refused).is_err(), "{refused:?}");
        }
    }

    #[tokio::test]
    async fn given_answers_in_pieces_when_exchanged_should_give_each_code() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let host = listener.local_addr().expect("bound").to_string();
        let server = async {
            let (mut peer, _) = listener.accept().await.expect("a peer");
            let mut request = [0; 4];
            for body in [r#"{"code":0,"data":{"t":{}}}"#, r#"{"code":30019}"#] {
                peer.read_exact(&mut request).await.expect("a request");
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
                for piece in [head.as_str(), body] {
                    peer.write_all(piece.as_bytes()).await.expect("sent");
                    tokio::task::yield_now().await;
                }
            }
        };
        let client = async {
            let mut line = HttpLine::open(&host).await.expect("open");
            let first = line.exchange(b"push").await.expect("answered").code;
            let second = line.exchange(b"push").await.expect("answered").code;
            let ended = line.exchange(b"push").await.is_err();
            (first, second, ended)
        };
        let (answers, ()) = tokio::join!(client, server);
        assert_eq!(answers, (0, 30019, true));
    }
}
