//! The official Java client 1.0.8.0, as far as a server sees it.
//!
//! Owner: one test. Always: one pooled connection; a call that gets code 10001 is repeated once,
//! after a new token; the headers are in the order in which its HTTP library writes them.

use sdk_sim::bootstrap::BootstrapApp;
use serde_json::{Value, json};

use super::harness::Server;
use super::wire::{Answer, Connection};
use super::{now_ms, sign};

/// A client after `ApiHelper.build`.
pub struct Java {
    connection: Connection,
    host: String,
    app: BootstrapApp,
    token: String,
    /// How often it asked for a token.
    pub auths: usize,
    /// `VERB path` of each call, as made.
    pub calls: Vec<String>,
}

impl Java {
    /// Authenticates at once, as its factory does.
    pub fn build(server: &Server) -> Java {
        let mut java = Java {
            connection: Connection::new(server.http()),
            host: server.http().to_owned(),
            app: server.bootstrap().app,
            token: String::new(),
            auths: 0,
            calls: Vec::new(),
        };
        java.authenticate();
        java
    }

    /// The token in use.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Calls a path below the app and goes on as the client does.
    pub fn call(&mut self, verb: &str, path: &str, body: Option<&Value>) -> Answer {
        let answer = self.once(verb, path, body);
        if answer.codes().1 != 10001 {
            return answer;
        }
        self.authenticate();
        self.once(verb, path, body)
    }

    /// A GET.
    pub fn get(&mut self, path: &str) -> Value {
        self.call("GET", path, None).data()
    }

    /// A POST with a body.
    pub fn post(&mut self, path: &str, body: &Value) -> Answer {
        self.call("POST", path, Some(body))
    }

    fn authenticate(&mut self) {
        self.auths += 1;
        let timestamp = now_ms();
        let sign = sign(&self.app, &timestamp.to_string());
        // A number, where the documents have text.
        let body = json!({"sign": sign, "timestamp": timestamp, "appkey": self.app.appkey});
        let data = self.once("POST", "/auth", Some(&body)).data();
        let expires_ms: u64 = data["expire_time"]
            .as_str()
            .and_then(|text| text.parse().ok())
            .expect("ms as text");
        assert!(expires_ms.abs_diff(timestamp + 24 * 3600 * 1000) < 600_000);
        self.token = data["token"].as_str().expect("a token").to_owned();
        assert!(self.token.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    }

    fn once(&mut self, verb: &str, path: &str, body: Option<&Value>) -> Answer {
        self.calls.push(format!("{verb} {path}"));
        let mut head = format!("{verb} /v2/{}{path} HTTP/1.1\r\n", self.app.appid);
        if !self.token.is_empty() {
            head += &format!("token: {}\r\n", self.token);
        }
        head += "sdkVersion: 1.0.8.0\r\n";
        let body = body.map(gson).unwrap_or_default();
        if verb != "GET" {
            head += &format!("Content-Length: {}\r\n", body.len());
        }
        if !body.is_empty() {
            head += "Content-Type: application/json; charset=UTF-8\r\n";
        }
        head += &format!(
            "Host: {}\r\nConnection: Keep-Alive\r\nUser-Agent: Apache-HttpClient/4.5.13 (Java/17.0.16)\r\n\
             Accept-Encoding: gzip,deflate\r\n\r\n",
            self.host
        );
        self.connection.exchange((head + &body).as_bytes())
    }
}

/// As Gson writes it: what HTML could take for its own is escaped.
fn gson(body: &Value) -> String {
    let mut text = body.to_string();
    // None of these stands outside of strings.
    for (plain, escaped) in [
        ("<", "\\u003c"),
        (">", "\\u003e"),
        ("&", "\\u0026"),
        ("'", "\\u0027"),
        ("=", "\\u003d"),
    ] {
        text = text.replace(plain, escaped);
    }
    text
}
