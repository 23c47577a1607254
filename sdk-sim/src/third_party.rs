//! A client of the REST API v2, as a third party's back-end would write it.
//!
//! Owner: one thread; the client is not `Send`. Always: at most the given number of connections,
//! kept alive and used again; a request that lost its connection is sent once more with the same
//! bytes, so with the same request id; a token that is no longer valid is replaced once per request.

mod blocking;
mod connection;
mod push;
#[cfg(test)]
mod stub_server;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use hyper::{Method, Request, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

pub use self::blocking::BlockingThirdParty;
use self::connection::Connection;
pub use self::push::{Accepted, Push, PushBody, random_request_id};
use crate::bootstrap::Bootstrap;

/// Bytes of an answer. The largest documented one lists 1000 clients in about 100 KB; longer: the
/// call fails.
pub const ANSWER_LEN_MAX: usize = 4 * 1024 * 1024;

/// How long one attempt may take, as the official clients wait.
pub const ANSWER_WAIT: Duration = Duration::from_secs(30);

/// The code of a token that is no longer valid.
const CODE_BAD_TOKEN: i64 = 10001;

/// Whose app to push for.
#[derive(Clone)]
pub struct Credentials {
    /// In the URL.
    pub app_id: String,
    /// Part of the sign.
    pub app_key: String,
    /// Part of the sign; never sent.
    pub master_secret: String,
}

impl From<&Bootstrap> for Credentials {
    fn from(bootstrap: &Bootstrap) -> Self {
        Self {
            app_id: bootstrap.app.appid.clone(),
            app_key: bootstrap.app.appkey.clone(),
            master_secret: bootstrap.app.mastersecret.clone(),
        }
    }
}

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The base URL is not `http://HOST:PORT`.
    #[error("base URL {url:?}: expected http://HOST:PORT")]
    BadUrl {
        /// What came.
        url: String,
    },
    /// No connection, or it was lost, twice.
    #[error("connection: {0}")]
    Connection(String),
    /// The answer is none: too long, or not the documented JSON.
    #[error("answer with HTTP {http}: {problem}")]
    BadAnswer {
        /// Its HTTP status.
        http: u16,
        /// What is wrong with it.
        problem: String,
    },
    /// The server said no.
    #[error("HTTP {http}, code {code}: {msg}")]
    Refused {
        /// HTTP status.
        http: u16,
        /// The envelope's code.
        code: i64,
        /// The envelope's text.
        msg: String,
    },
    /// The system gave no random bytes.
    #[error("random bytes: {0}")]
    Random(#[from] getrandom::Error),
}

/// Any answer, as sent.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status.
    pub http: StatusCode,
    /// The body's bytes.
    pub body: Bytes,
}

#[derive(Deserialize)]
struct Envelope {
    code: i64,
    #[serde(default)]
    msg: String,
    #[serde(default)]
    data: Value,
}

impl Answer {
    /// The `data` member of a successful envelope; `Null` if absent.
    ///
    /// # Errors
    /// [`CallError::Refused`] for any other code, [`CallError::BadAnswer`] if it is no envelope.
    pub fn data(&self) -> Result<Value, CallError> {
        let http = self.http.as_u16();
        let envelope: Envelope =
            serde_json::from_slice(&self.body).map_err(|error| CallError::BadAnswer {
                http,
                problem: error.to_string(),
            })?;
        match envelope.code {
            0 => Ok(envelope.data),
            code => Err(CallError::Refused {
                http,
                code,
                msg: envelope.msg,
            }),
        }
    }
}

/// The client.
pub struct ThirdParty {
    host: String,
    credentials: Credentials,
    permits: Semaphore,
    idle: RefCell<Vec<Connection>>,
    token: RefCell<Option<String>>,
}

impl ThirdParty {
    /// A client for `http://HOST:PORT` with at most `connections` connections (at least one).
    ///
    /// # Errors
    /// [`CallError::BadUrl`].
    pub fn new(
        base_url: &str,
        credentials: Credentials,
        connections: usize,
    ) -> Result<Self, CallError> {
        let host = base_url
            .strip_prefix("http://")
            .map(|host| host.trim_end_matches('/'))
            .filter(|host| !host.is_empty() && !host.contains('/'))
            .ok_or_else(|| CallError::BadUrl {
                url: base_url.to_owned(),
            })?;
        Ok(Self {
            host: host.to_owned(),
            credentials,
            permits: Semaphore::new(connections.max(1)),
            idle: RefCell::new(Vec::new()),
            token: RefCell::new(None),
        })
    }

    /// The token in use, fetched if there is none yet.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn token(&self) -> Result<String, CallError> {
        let known = self.token.borrow().clone();
        match known {
            Some(token) => Ok(token),
            None => self.authenticate().await,
        }
    }

    /// Fetches a new token and uses it from now on.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn authenticate(&self) -> Result<String, CallError> {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
        let timestamp = since_epoch.unwrap_or_default().as_millis().to_string();
        let Credentials {
            app_key,
            master_secret,
            ..
        } = &self.credentials;
        let body = json!({
            "sign": sign(app_key, &timestamp, master_secret),
            "timestamp": timestamp,
            "appkey": app_key,
        });
        let path = self.path("/auth");
        let answer = self.send(Method::POST, &path, None, Some(&body)).await?;
        let data = answer.data()?;
        let token = data.get("token").and_then(Value::as_str);
        let token = token.ok_or_else(|| CallError::BadAnswer {
            http: answer.http.as_u16(),
            problem: "auth: no token".to_owned(),
        })?;
        *self.token.borrow_mut() = Some(token.to_owned());
        Ok(token.to_owned())
    }

    /// Calls a path below `/v2/{appid}` with the token; a token the server no longer takes is
    /// replaced and the call repeated once. Returns the envelope's `data`.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, CallError> {
        let path = self.path(path);
        let token = self.token().await?;
        let answer = self
            .send(method.clone(), &path, Some(&token), body)
            .await?
            .data();
        match answer {
            Err(CallError::Refused {
                code: CODE_BAD_TOKEN,
                ..
            }) => {}
            other => return other,
        }
        // Another request of this client may have fetched a new one meanwhile.
        let newer = self.token.borrow().clone().filter(|newer| *newer != token);
        let token = match newer {
            Some(newer) => newer,
            None => self.authenticate().await?,
        };
        self.send(method, &path, Some(&token), body).await?.data()
    }

    /// Pushes to one client id.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn push_single_cid(&self, cid: &str, push: &Push) -> Result<Accepted, CallError> {
        let body = push.request(&json!({ "cid": [cid] }));
        let data = self
            .call(Method::POST, "/push/single/cid", Some(&body))
            .await?;
        Accepted::read(&data)
    }

    /// Pushes to the clients of one alias, at most ten.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn push_single_alias(&self, alias: &str, push: &Push) -> Result<Accepted, CallError> {
        let body = push.request(&json!({ "alias": [alias] }));
        let data = self
            .call(Method::POST, "/push/single/alias", Some(&body))
            .await?;
        Accepted::read(&data)
    }

    /// Pushes to every device of the app; returns the task.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn push_all(&self, push: &Push) -> Result<String, CallError> {
        let body = push.request(&json!("all"));
        let data = self.call(Method::POST, "/push/all", Some(&body)).await?;
        push::task_id(&data)
    }

    /// Pushes to the devices that have a tag; returns the task.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn push_tag(&self, tag: &str, push: &Push) -> Result<String, CallError> {
        let body = push.request(&json!({
            "tag": [{ "key": "custom_tag", "values": [tag], "opt_type": "or" }]
        }));
        let data = self.call(Method::POST, "/push/tag", Some(&body)).await?;
        push::task_id(&data)
    }

    /// Gives clients a tag, at most 1000 at a time.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn tag(&self, tag: &str, cids: &[String]) -> Result<(), CallError> {
        let path = format!("/user/custom_tag/batch/{tag}");
        let body = json!({ "cid": cids });
        self.call(Method::PUT, &path, Some(&body)).await.map(|_| ())
    }

    /// The states of clients (`online` or `offline`) by client id; unknown ones are left out.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn status(&self, cids: &[&str]) -> Result<BTreeMap<String, String>, CallError> {
        let path = format!("/user/status/{}", cids.join(","));
        let data = self.call(Method::GET, &path, None).await?;
        let states = data.as_object().into_iter().flatten();
        Ok(states
            .filter_map(|(cid, state)| {
                Some((cid.clone(), state.get("status")?.as_str()?.to_owned()))
            })
            .collect())
    }

    /// Gets any path of the server, without a token.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn get(&self, path: &str) -> Result<Answer, CallError> {
        self.send(Method::GET, path, None, None).await
    }

    /// One request, sent again once if its connection fails. Nothing of the answer is judged.
    ///
    /// # Errors
    /// [`CallError::Connection`] after the second attempt, [`CallError::BadAnswer`] for an answer
    /// over [`ANSWER_LEN_MAX`].
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        body: Option<&Value>,
    ) -> Result<Answer, CallError> {
        let body = body.map(|body| Bytes::from(body.to_string()));
        let mut last_error = String::new();
        for _ in 0..2 {
            let request = self.request(method.clone(), path, token, body.clone())?;
            match self.attempt(request).await {
                Err(CallError::Connection(error)) => last_error = error,
                other => return other,
            }
        }
        Err(CallError::Connection(last_error))
    }

    async fn attempt(&self, request: Request<connection::Body>) -> Result<Answer, CallError> {
        // Never closed.
        let _permit = self.permits.acquire().await;
        let idle = self.idle.borrow_mut().pop();
        let exchange = async {
            let mut connection = match idle {
                Some(connection) if connection.is_open() => connection,
                _ => Connection::open(&self.host).await?,
            };
            let answer = connection.exchange(request).await?;
            if connection.is_open() {
                self.idle.borrow_mut().push(connection);
            }
            Ok(answer)
        };
        tokio::time::timeout(ANSWER_WAIT, exchange)
            .await
            .unwrap_or_else(|_| {
                let waited = format!("no answer within {ANSWER_WAIT:?}");
                Err(CallError::Connection(waited))
            })
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        body: Option<Bytes>,
    ) -> Result<Request<connection::Body>, CallError> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", &self.host);
        if let Some(token) = token {
            request = request.header("token", token);
        }
        if body.is_some() {
            request = request.header("content-type", "application/json;charset=UTF-8");
        }
        request
            .body(connection::Body::new(body.unwrap_or_default()))
            .map_err(|error| CallError::Connection(format!("request {path}: {error}")))
    }

    fn path(&self, below: &str) -> String {
        format!("/v2/{}{below}", self.credentials.app_id)
    }
}

/// Lower-case hex SHA-256 of key, time and secret, in this order without separators.
fn sign(app_key: &str, timestamp: &str, master_secret: &str) -> String {
    let mut hash = Sha256::new();
    for part in [app_key, timestamp, master_secret] {
        hash.update(part.as_bytes());
    }
    hex(&hash.finalize())
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;

    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
