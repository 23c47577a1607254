//! The official PHP client 1.0.0.0 over libcurl, as far as a server sees it.
//!
//! Owner: one test. Always: one connection per URL, and with it its oldest fault: a handle keeps the
//! verb and the body of the calls before, so that a GET carries a stale body, and a POST after a
//! DELETE is a DELETE.

use std::collections::BTreeMap;

use sdk_sim::bootstrap::BootstrapApp;
use serde_json::{Value, json};

use super::harness::Server;
use super::wire::{Answer, Connection, status};
use super::{now_ms, sign};

/// Bodies longer than this wait for leave, as libcurl has it.
const EXPECT_LEN: usize = 1024 * 1024;

/// What libcurl keeps of a URL.
struct Handle {
    connection: Connection,
    verb: Option<&'static str>,
    fields: Option<String>,
}

/// A `GTClient`.
pub struct Php {
    host: String,
    /// What stands before `/v2`: a slash if its user gave the host with one at its end.
    before: &'static str,
    app: BootstrapApp,
    handles: BTreeMap<String, Handle>,
    token: Option<String>,
    /// How often it asked for a token.
    pub auths: usize,
    /// How often it was given leave to send a long body.
    pub leaves: usize,
}

impl Php {
    /// Authenticates at once, as its constructor does.
    pub fn new(server: &Server, before: &'static str) -> Php {
        let mut php = Php {
            host: server.http().to_owned(),
            before,
            app: server.bootstrap().app,
            handles: BTreeMap::new(),
            token: None,
            auths: 0,
            leaves: 0,
        };
        php.authenticate();
        php
    }

    /// Goes on as after an authentication that failed in silence.
    pub fn forget_token(&mut self) {
        self.token = None;
    }

    /// The token in use.
    pub fn token(&self) -> String {
        self.token.clone().expect("authenticated")
    }

    /// A call with parameters; null is none.
    pub fn call(&mut self, verb: &'static str, path: &str, parameters: &Value) -> Answer {
        let answer = self.once(verb, path, parameters);
        if answer.codes().1 != 10001 {
            return answer;
        }
        self.authenticate();
        self.once(verb, path, parameters)
    }

    /// A GET.
    pub fn get(&mut self, path: &str) -> Value {
        self.call("GET", path, &Value::Null).data()
    }

    /// A POST.
    pub fn post(&mut self, path: &str, parameters: &Value) -> Answer {
        self.call("POST", path, parameters)
    }

    fn authenticate(&mut self) {
        self.auths += 1;
        let timestamp = now_ms().to_string();
        let sign = sign(&self.app, &timestamp);
        let body = json!({"appkey": self.app.appkey, "sign": sign, "timestamp": timestamp});
        // With the old token in the header, if there is one.
        let data = self.once("POST", "/auth", &body).data();
        self.token = Some(data["token"].as_str().expect("a token").to_owned());
    }

    /// One request; also what a call gets before anything is done about code 10001.
    pub fn once(&mut self, verb: &'static str, path: &str, parameters: &Value) -> Answer {
        let path = format!("{}/v2/{}{path}", self.before, self.app.appid);
        let handle = self.handles.entry(path.clone()).or_insert_with(|| Handle {
            connection: Connection::new(&self.host),
            verb: None,
            fields: None,
        });
        if verb != "POST" {
            handle.verb = Some(verb);
        }
        if verb != "GET" {
            handle.fields = Some(encode(parameters));
        }
        let body = handle.fields.clone();
        let mut head = format!(
            "{} {path} HTTP/1.1\r\nHost: {}\r\nUser-Agent: Mozilla/4.0 (compatible; MSIE 5.01; Windows NT 5.0)\r\n\
             Accept: */*\r\n",
            handle.verb.unwrap_or("POST"),
            self.host
        );
        if let Some(token) = &self.token {
            head += &format!("token:{token}\r\n");
        }
        head += "Content-Type:application/json;charset=UTF-8\r\nConnection: Keep-Alive\r\n";
        if let Some(body) = &body {
            head += &format!("Content-Length: {}\r\n", body.len());
        }
        let body = body.unwrap_or_default();
        if body.len() <= EXPECT_LEN {
            let request = format!("{head}\r\n{body}");
            return handle.connection.exchange(request.as_bytes());
        }
        handle
            .connection
            .send(format!("{head}Expect: 100-continue\r\n\r\n").as_bytes());
        let leave = handle.connection.head();
        if status(&leave) != 100 {
            return handle.connection.answer(&leave);
        }
        self.leaves += 1;
        handle.connection.exchange(body.as_bytes())
    }
}

/// As `json_encode` writes it: escaped slashes, and ASCII only.
fn encode(parameters: &Value) -> String {
    let mut text = String::new();
    let mut units = [0; 2];
    for c in parameters.to_string().chars() {
        match c {
            '/' => text += "\\/",
            c if c.is_ascii() => text.push(c),
            c => {
                for unit in c.encode_utf16(&mut units) {
                    text += &format!("\\u{unit:04x}");
                }
            }
        }
    }
    text
}
