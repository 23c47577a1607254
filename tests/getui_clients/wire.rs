//! HTTP/1.1 as bytes on a socket: requests go out as a client writes them, answers are held to what
//! both official clients can read.
//!
//! Owner: one client. Always: an answer that one of them would drop, repeat or take for success by
//! mistake fails the test on the spot.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use flate2::read::GzDecoder;
use serde_json::Value;

/// How long a client waits for an answer, as both official ones do, and what a loaded machine adds.
const ANSWER_WAIT: Duration = Duration::from_secs(120);

/// Statuses whose bodies reach the caller in both clients, and 404 and 405, which say the same twice.
const READABLE: [u16; 6] = [200, 400, 401, 403, 404, 405];

/// An answer that both clients can read.
#[derive(Debug)]
pub struct Answer {
    pub http: u16,
    pub body: Value,
    /// Whether it came packed.
    pub packed: bool,
}

impl Answer {
    /// Status and `code`.
    pub fn codes(&self) -> (u16, i64) {
        (self.http, self.body["code"].as_i64().expect("checked"))
    }

    /// The `data` of a success; null if there is none.
    pub fn data(self) -> Value {
        assert_eq!(self.codes(), (200, 0), "{}", self.body);
        assert_eq!(self.body["msg"], "success");
        self.body["data"].clone()
    }

    /// A success that only acknowledges.
    pub fn done(self) {
        let data = self.data();
        assert!(data.is_null(), "{data}");
    }

    /// The `msg` of a wrong parameter.
    pub fn wrong(self) -> String {
        assert_eq!(self.codes(), (400, 20001), "{}", self.body);
        self.body["msg"].as_str().expect("checked").to_owned()
    }
}

/// One connection, kept open until the server says that it closes it.
pub struct Connection {
    address: String,
    socket: Option<TcpStream>,
}

impl Connection {
    /// To HOST:PORT.
    pub fn new(address: &str) -> Connection {
        Connection {
            address: address.to_owned(),
            socket: None,
        }
    }

    /// Sends bytes and reads the answer.
    pub fn exchange(&mut self, request: &[u8]) -> Answer {
        self.send(request);
        let head = self.head();
        self.answer(&head)
    }

    /// Sends bytes.
    pub fn send(&mut self, bytes: &[u8]) {
        let address = &self.address;
        let socket = self.socket.get_or_insert_with(|| {
            let socket = TcpStream::connect(address).expect("connected");
            socket.set_read_timeout(Some(ANSWER_WAIT)).expect("set");
            socket.set_nodelay(true).expect("set");
            socket
        });
        socket.write_all(bytes).expect("sent");
    }

    /// Status line and headers, in lower case.
    pub fn head(&mut self) -> String {
        let socket = self.socket.as_mut().expect("something was sent");
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            socket.read_exact(&mut byte).expect("an answer");
            head.push(byte[0]);
        }
        String::from_utf8(head).expect("text").to_ascii_lowercase()
    }

    /// The answer that begins with this head.
    pub fn answer(&mut self, head: &str) -> Answer {
        let http = status(head);
        assert!(READABLE.contains(&http), "{head}");
        let kind = header(head, "content-type");
        assert_eq!(kind, Some("application/json;charset=utf-8"), "{head}");
        let len = header(head, "content-length").and_then(|len| len.parse().ok());
        let mut bytes = vec![0; len.expect("a length")];
        let socket = self.socket.as_mut().expect("open");
        socket.read_exact(&mut bytes).expect("the body");
        if header(head, "connection") == Some("close") {
            self.socket = None;
        }
        let packed = header(head, "content-encoding") == Some("gzip");
        if packed {
            let mut plain = Vec::new();
            let mut unpacking = GzDecoder::new(bytes.as_slice());
            unpacking.read_to_end(&mut plain).expect("gzip");
            bytes = plain;
        }
        let body: Value = serde_json::from_slice(&bytes).expect("JSON");
        assert!(body["code"].is_i64() && body["msg"].is_string(), "{body}");
        // Both look at the code only: a success must be one in both.
        assert!(body["code"] != 0 || http == 200, "{http}: {body}");
        Answer { http, body, packed }
    }
}

/// The status in a head.
pub fn status(head: &str) -> u16 {
    let word = head.split(' ').nth(1).expect("a status");
    word.parse().expect("a number")
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines()
        .filter_map(|line| line.split_once(": "))
        .find_map(|(key, value)| (key == name).then_some(value))
}
