//! One keep-alive HTTP/1.1 connection.
//!
//! Owner: one request at a time. Always: hyper's own task drives the socket and ends with it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::Request;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::rt::{Read, ReadBufCursor, Write};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::{ANSWER_LEN_MAX, Answer, CallError};

pub(super) type Body = Full<Bytes>;

pub(super) struct Connection {
    sender: SendRequest<Body>,
}

impl Connection {
    pub(super) async fn open(host: &str) -> Result<Self, CallError> {
        let stream = TcpStream::connect(host).await.map_err(lost)?;
        stream.set_nodelay(true).map_err(lost)?;
        let (sender, driver) = handshake(Socket { stream }).await.map_err(lost)?;
        tokio::spawn(async move {
            // The exchange that was under way gets the error itself.
            let _ = driver.await;
        });
        Ok(Self { sender })
    }

    pub(super) fn is_open(&self) -> bool {
        !self.sender.is_closed()
    }

    pub(super) async fn exchange(&mut self, request: Request<Body>) -> Result<Answer, CallError> {
        self.sender.ready().await.map_err(lost)?;
        let answer = self.sender.send_request(request).await.map_err(lost)?;
        let http = answer.status();
        let body = Limited::new(answer.into_body(), ANSWER_LEN_MAX)
            .collect()
            .await;
        let body = body.map_err(|error| {
            if error.is::<hyper::Error>() {
                return lost(error);
            }
            let problem = format!("longer than {ANSWER_LEN_MAX} bytes");
            let http = http.as_u16();
            CallError::BadAnswer { http, problem }
        })?;
        Ok(Answer {
            http,
            body: body.to_bytes(),
        })
    }
}

fn lost(error: impl std::fmt::Display) -> CallError {
    CallError::Connection(error.to_string())
}

/// tokio's stream under hyper's traits.
struct Socket {
    stream: TcpStream,
}

/// Bytes of one read; copied once more, so that no unsafe code is needed here.
const READ_CHUNK_LEN: usize = 4096;

impl Read for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut out: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let mut chunk = [0; READ_CHUNK_LEN];
        let len = out.remaining().min(READ_CHUNK_LEN);
        let mut buffer = ReadBuf::new(&mut chunk[..len]);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
        out.put_slice(buffer.filled());
        Poll::Ready(Ok(()))
    }
}

impl Write for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
