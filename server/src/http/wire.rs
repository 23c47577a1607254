//! The socket as hyper sees it: behind the guard, and with time limits.
//!
//! Owner: one connection's task. Always: hyper gets only bytes that the guard cleared; after a
//! refusal or a time-out hyper sees the end of the stream, finishes the answers it owes, and gives
//! the socket back.

use std::cell::Cell;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use hyper::rt::{Read, ReadBufCursor, Write};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use super::deadline::Deadline;
use super::guard::Guard;
use super::refusal::Refusal;
use crate::limits::{HTTP_LINGER_LEN_MAX, HTTP_LINGER_WAIT, HTTP_READ_LEN};

/// How long a peer may take for each part of a conversation.
#[derive(Debug, Clone, Copy)]
pub(super) struct WireTimes {
    /// From the end of one request to the first byte of the next.
    pub(super) idle: Duration,
    /// For a head, from its first byte.
    pub(super) head: Duration,
    /// For a body, from the end of its head.
    pub(super) body: Duration,
    /// For a response to be taken.
    pub(super) write: Duration,
}

/// What the next bytes of the peer would belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Idle,
    Head,
    Body,
}

/// A guarded socket.
#[derive(Debug)]
pub(super) struct Wire {
    stream: TcpStream,
    guard: Guard,
    /// Bytes read and not yet given to hyper; the first `cleared` of them may be given.
    inbound: BytesMut,
    cleared: usize,
    refused: Rc<Cell<Option<Refusal>>>,
    times: WireTimes,
    reading: Deadline<(Part, u64)>,
    writing: Deadline<()>,
}

impl Wire {
    /// A wire whose refusals are also seen in `refused`.
    pub(super) fn new(
        stream: TcpStream,
        times: WireTimes,
        refused: Rc<Cell<Option<Refusal>>>,
    ) -> Self {
        Wire {
            stream,
            guard: Guard::new(),
            inbound: BytesMut::new(),
            cleared: 0,
            refused,
            times,
            reading: Deadline::new(),
            writing: Deadline::new(),
        }
    }

    /// The refusal of a head, which hyper never saw and nobody answered.
    pub(super) fn unanswered(&self) -> Option<Refusal> {
        self.refused.get().filter(|_| !self.guard.in_body())
    }

    /// Says the last word, if there is one, and closes such that the peer can read all answers.
    pub(super) async fn finish(mut self, last: Option<Vec<u8>>) {
        // The kernel resets a connection that is closed with bytes unread, and a reset can overtake
        // the answer. Elsewhere the peer has nothing under way.
        let linger = last.is_some() || self.guard.in_body();
        let said = tokio::time::timeout(self.times.write, async {
            self.stream.write_all(&last.unwrap_or_default()).await?;
            self.stream.shutdown().await
        });
        if !matches!(said.await, Ok(Ok(()))) || !linger {
            return;
        }
        let mut scrap = [0; 1024];
        let mut left = HTTP_LINGER_LEN_MAX;
        let drained = tokio::time::timeout(HTTP_LINGER_WAIT, async {
            while let Ok(got @ 1..) = self.stream.read(&mut scrap).await {
                left = left.saturating_sub(got);
                if left == 0 {
                    break;
                }
            }
        });
        // Either way the connection is dropped now.
        let _ = drained.await;
    }

    fn part(&self) -> Part {
        match (self.guard.in_body(), self.inbound.is_empty()) {
            (true, _) => Part::Body,
            (false, false) => Part::Head,
            (false, true) => Part::Idle,
        }
    }

    /// Reads from the socket; 0 is the end of the stream, also by time-out before a body.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.stream.poll_read_ready(cx)?.is_ready() {
            self.inbound.reserve(HTTP_READ_LEN);
            // A read that leaves room in the buffer took all there was: tokio waits for more at once, and
            // asks no second time.
            let read = pin!(self.stream.read_buf(&mut self.inbound));
            if let Poll::Ready(read) = read.poll(cx) {
                return Poll::Ready(read);
            }
        }
        let part = self.part();
        if part == Part::Idle {
            // An idle connection holds no buffer.
            self.inbound = BytesMut::new();
        }
        let wait = match part {
            Part::Idle => self.times.idle,
            Part::Head => self.times.head,
            Part::Body => self.times.body,
        };
        ready!(self.reading.poll(cx, (part, self.guard.heads()), wait));
        Poll::Ready(if part == Part::Body {
            Err(io::ErrorKind::TimedOut.into())
        } else {
            Ok(0)
        })
    }
}

impl Read for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let wire = &mut *self;
        loop {
            if wire.cleared > 0 {
                let step = wire.cleared.min(buf.remaining());
                buf.put_slice(&wire.inbound[..step]);
                wire.inbound.advance(step);
                wire.cleared -= step;
                return Poll::Ready(Ok(()));
            }
            if wire.refused.get().is_some() {
                return Poll::Ready(Ok(()));
            }
            if !wire.inbound.is_empty() {
                match wire.guard.clear(&wire.inbound) {
                    Ok(0) => {}
                    Ok(cleared) => {
                        wire.cleared = cleared;
                        continue;
                    }
                    Err(refusal) => {
                        wire.refused.set(Some(refusal));
                        continue;
                    }
                }
            }
            if ready!(wire.poll_fill(cx))? == 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl Write for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let wire = &mut *self;
        match Pin::new(&mut wire.stream).poll_write(cx, buf) {
            Poll::Ready(written) => {
                // Only a response that was taken whole stops the clock.
                if written.as_ref().is_ok_and(|written| *written == buf.len()) {
                    wire.writing.disarm();
                }
                Poll::Ready(written)
            }
            Poll::Pending => {
                ready!(wire.writing.poll(cx, (), wire.times.write));
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
