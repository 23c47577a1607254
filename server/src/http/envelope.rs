//! The answer of every endpoint: `{"code", "msg", "data"}`, with a length and a content type.
//!
//! Always: an integer `code` (the Java client reads a missing one as success); `data` is left out
//! where there is none.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{
    ACCEPT_ENCODING, ALLOW, CONNECTION, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue, VARY,
};
use hyper::{Response, StatusCode};
use serde::Serialize;

use super::fault::Fault;
use super::gzip;

const JSON: HeaderValue = HeaderValue::from_static("application/json;charset=utf-8");
const PROMETHEUS: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4");

/// An answer before it becomes HTTP.
#[derive(Debug)]
pub(super) struct Reply {
    status: StatusCode,
    code: i32,
    content_type: HeaderValue,
    body: Bytes,
    packed: bool,
}

#[derive(Serialize)]
struct Envelope<'a, T> {
    code: i32,
    msg: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a T>,
}

fn write<T: Serialize>(code: i32, msg: &str, data: Option<&T>) -> Bytes {
    serde_json::to_vec(&Envelope { code, msg, data })
        .expect("answers are plain maps with text keys")
        .into()
}

impl Reply {
    /// Success without data.
    pub(super) fn done() -> Self {
        Self::json(StatusCode::OK, write::<()>(0, "success", None))
    }

    /// Success with data.
    pub(super) fn data<T: Serialize>(data: &T) -> Self {
        Self::json(StatusCode::OK, write(0, "success", Some(data)))
    }

    /// Success that made something.
    pub(super) fn created<T: Serialize>(data: &T) -> Self {
        Self::json(StatusCode::CREATED, write(0, "success", Some(data)))
    }

    /// A parameter is wrong whose name only the caller knows.
    pub(super) fn invalid(msg: &str) -> Self {
        let code = Fault::PARAMETER_CODE;
        Reply {
            code,
            ..Self::json(StatusCode::BAD_REQUEST, write::<()>(code, msg, None))
        }
    }

    /// The metrics page.
    pub(super) fn prometheus(text: String) -> Self {
        Reply {
            status: StatusCode::OK,
            code: 0,
            content_type: PROMETHEUS,
            body: text.into(),
            packed: false,
        }
    }

    /// Not ready: for load balancers, which read the status and nothing else.
    pub(super) fn unavailable(msg: &str) -> Self {
        Reply {
            code: 2,
            ..Self::json(StatusCode::SERVICE_UNAVAILABLE, write::<()>(2, msg, None))
        }
    }

    fn json(status: StatusCode, body: Bytes) -> Self {
        Reply {
            status,
            code: 0,
            content_type: JSON,
            body,
            packed: false,
        }
    }

    /// The HTTP status.
    pub(super) fn status(&self) -> u16 {
        self.status.as_u16()
    }

    /// The `code` of the envelope.
    pub(super) fn code(&self) -> i32 {
        self.code
    }

    /// Packs the body for a client that takes it so, if it gains by it.
    pub(super) fn pack(&mut self) {
        if let Some(packed) = gzip::pack(&self.body) {
            self.body = packed;
            self.packed = true;
        }
    }

    /// The answer as hyper sends it; `close` tells the client that the connection ends with it,
    /// `allow` which verbs the path takes.
    pub(super) fn into_response(self, close: bool, allow: Option<String>) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(self.body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        if self.packed {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            headers.insert(VARY, ACCEPT_ENCODING.into());
        }
        headers.insert(CONTENT_TYPE, self.content_type);
        if close {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        if let Some(verbs) = allow.and_then(|verbs| HeaderValue::try_from(verbs).ok()) {
            headers.insert(ALLOW, verbs);
        }
        response
    }

    /// The same as raw bytes, for a connection whose last request hyper never saw.
    pub(super) fn into_last_bytes(self) -> Vec<u8> {
        let mut bytes = format!(
            "HTTP/1.1 {}\r\ncontent-type: {}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            self.status,
            self.content_type.to_str().unwrap_or_default(),
            self.body.len()
        )
        .into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

impl From<Fault> for Reply {
    fn from(fault: Fault) -> Self {
        let body = write::<()>(fault.code(), &fault.msg(), None);
        Reply {
            code: fault.code(),
            ..Self::json(fault.status(), body)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_replies_when_written_should_leave_absent_data_out() {
        assert_eq!(Reply::done().body, r#"{"code":0,"msg":"success"}"#);
        assert_eq!(
            Reply::data(&["a"]).body,
            r#"{"code":0,"msg":"success","data":["a"]}"#
        );
        assert_eq!(
            Reply::from(Fault::Token).body,
            r#"{"code":10001,"msg":"token is invalid"}"#
        );
        let bytes = String::from_utf8(Reply::from(Fault::Busy).into_last_bytes()).expect("text");
        assert_eq!(
            bytes,
            "HTTP/1.1 403 Forbidden\r\ncontent-type: application/json;charset=utf-8\r\n\
             content-length: 47\r\nconnection: close\r\n\r\n\
             {\"code\":30019,\"msg\":\"system busy, retry later\"}"
        );
    }
}
