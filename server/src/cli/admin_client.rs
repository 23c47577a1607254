//! A caller of `/admin/v1`, for the command line: one request, one connection.

use std::path::{Path, PathBuf};
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;

use super::Target;
use crate::bootstrap::{Bootstrap, BootstrapError};

/// How long the server may take.
const ANSWER_WAIT: Duration = Duration::from_secs(30);
/// Bytes of an answer: ten thousand apps fit.
const ANSWER_LEN_MAX: usize = 8 * 1024 * 1024;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClientError {
    /// Nothing says where the server is.
    #[error("{0}; give --bootstrap FILE, or set RINGPOST_HTTP and RINGPOST_TOKEN")]
    Bootstrap(#[from] BootstrapError),
    /// RINGPOST_HTTP is set without RINGPOST_TOKEN.
    #[error("RINGPOST_HTTP is set, RINGPOST_TOKEN (the admin token) is not")]
    NoToken,
    /// The URL is none of ours.
    #[error("{url:?} is no URL of the form http://HOST:PORT")]
    Url {
        /// What was given.
        url: String,
    },
    /// An argument cannot be used.
    #[error("{name}: {reason}")]
    Argument {
        /// Which.
        name: &'static str,
        /// Why.
        reason: String,
    },
    /// The server cannot be reached.
    #[error("{url}: {reason}; is the server running, and is this its address?")]
    Unreachable {
        /// Where it was looked for.
        url: String,
        /// Why.
        reason: String,
    },
    /// A file cannot be read or written.
    #[error("{path}: {error}")]
    File {
        /// Which.
        path: String,
        /// Why.
        error: std::io::Error,
    },
    /// Lines of an import were not taken.
    #[error("{refused} lines were refused")]
    LinesRefused {
        /// How many.
        refused: u64,
    },
    /// The server refused.
    #[error("{msg} (HTTP {status}, code {code})")]
    Refused {
        /// HTTP status.
        status: StatusCode,
        /// Code of the envelope.
        code: i64,
        /// What the server said.
        msg: String,
    },
}

impl ClientError {
    /// What went wrong with a file.
    pub(super) fn of_file(path: &Path, error: std::io::Error) -> Self {
        let path = path.display().to_string();
        ClientError::File { path, error }
    }
}

/// See the module page.
#[derive(Debug)]
pub(super) struct AdminClient {
    url: String,
    token: String,
    app_id: Option<String>,
}

impl AdminClient {
    /// Finds the server: `RINGPOST_HTTP` and `RINGPOST_TOKEN`, or a bootstrap file.
    pub(super) fn new(target: &Target) -> Result<Self, ClientError> {
        if target.bootstrap.is_none()
            && let Ok(url) = std::env::var("RINGPOST_HTTP")
        {
            let token = std::env::var("RINGPOST_TOKEN").map_err(|_| ClientError::NoToken)?;
            let app_id = None;
            return Ok(AdminClient { url, token, app_id });
        }
        let path = target.bootstrap.clone();
        let path = path.unwrap_or_else(|| PathBuf::from("ringpost-data/bootstrap.json"));
        let bootstrap = Bootstrap::read(&path)?;
        Ok(AdminClient {
            url: bootstrap.admin.unwrap_or(bootstrap.http),
            token: bootstrap.admin_token,
            app_id: Some(bootstrap.app.appid),
        })
    }

    /// The AppID given, or that of the bootstrap file.
    pub(super) fn app_id(&self, given: Option<&str>) -> Result<String, ClientError> {
        given
            .map(str::to_owned)
            .or_else(|| self.app_id.clone())
            .ok_or(ClientError::Argument {
                name: "--app",
                reason: "say which app, or give --bootstrap FILE".to_owned(),
            })
    }

    /// One call; gives the `data` of the answer.
    pub(super) fn call(
        &self,
        verb: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, ClientError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| self.unreachable(error))?;
        let called = runtime.block_on(async {
            tokio::time::timeout(ANSWER_WAIT, self.send(verb, path, body)).await
        });
        let (status, answer) = called.map_err(|_| self.unreachable("no answer in 30 s"))??;
        if status.is_success() && answer["code"] == 0 {
            return Ok(answer["data"].clone());
        }
        let msg = answer["msg"]
            .as_str()
            .unwrap_or("no reason given")
            .to_owned();
        Err(ClientError::Refused {
            status,
            code: answer["code"].as_i64().unwrap_or(-1),
            msg,
        })
    }

    fn unreachable(&self, reason: impl ToString) -> ClientError {
        ClientError::Unreachable {
            url: self.url.clone(),
            reason: reason.to_string(),
        }
    }

    async fn send(
        &self,
        verb: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(StatusCode, Value), ClientError> {
        let host = self
            .url
            .strip_prefix("http://")
            .or(Some(self.url.as_str()))
            .map(|rest| rest.trim_end_matches('/'))
            .filter(|host| !host.is_empty() && !host.contains('/'))
            .ok_or_else(|| ClientError::Url {
                url: self.url.clone(),
            })?;
        let stream = tokio::net::TcpStream::connect(host)
            .await
            .map_err(|error| self.unreachable(error))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| self.unreachable(error))?;
        let request = Request::builder()
            .method(verb)
            .uri(path)
            .header("host", host)
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", "application/json;charset=utf-8")
            .body(Full::new(Bytes::from(
                body.map(Value::to_string).unwrap_or_default(),
            )))
            .map_err(|_| ClientError::Url {
                url: self.url.clone(),
            })?;
        let asked = async {
            let response = sender
                .send_request(request)
                .await
                .map_err(|error| self.unreachable(error))?;
            let status = response.status();
            let body = Limited::new(response.into_body(), ANSWER_LEN_MAX);
            let bytes = body
                .collect()
                .await
                .map_err(|error| self.unreachable(error))?
                .to_bytes();
            let answer = serde_json::from_slice(&bytes).map_err(|error| self.unreachable(error))?;
            Ok((status, answer))
        };
        tokio::select! {
            answer = asked => answer,
            Err(error) = connection => Err(self.unreachable(error)),
        }
    }
}
