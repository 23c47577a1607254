//! One frame of the protocol, and the way to its bytes.
//!
//! Always: `encode` appends exactly `encoded_len` bytes; what `encode` writes, a decoder reads
//! back as an equal frame; `check` accepts exactly what a decoder accepts.

pub(crate) mod ack;
pub(crate) mod close;
pub(crate) mod command;
pub(crate) mod command_result;
pub(crate) mod go_away;
pub(crate) mod hello;
pub(crate) mod operation;
pub(crate) mod push;
pub(crate) mod upstream;
pub(crate) mod upstream_ack;
pub(crate) mod welcome;

use bytes::BytesMut;

use crate::error::FrameError;
use crate::header;
use crate::wire::Kind;
use ack::Ack;
use close::Close;
use command::Command;
use command_result::CommandResult;
use go_away::GoAway;
use hello::Hello;
use push::Push;
use upstream::Upstream;
use upstream_ack::UpstreamAck;
use welcome::Welcome;

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// Device to server: register or log in.
    Hello(Hello),
    /// Server to device: the hello is accepted.
    Welcome(Welcome),
    /// Either way: are you there?
    Ping,
    /// Either way: the answer to a ping.
    Pong,
    /// Server to device: one message.
    Push(Push),
    /// Device to server: messages handled.
    Ack(Ack),
    /// Device to server: an operation.
    Command(Command),
    /// Server to device: the result of an operation.
    CommandResult(CommandResult),
    /// Device to server: a message to the third party.
    Upstream(Upstream),
    /// Server to device: where an upstream message stands.
    UpstreamAck(UpstreamAck),
    /// Server to device: reconnect.
    GoAway(GoAway),
    /// Either way: the last frame.
    Close(Close),
}

impl Frame {
    /// Appends the frame to `out`.
    ///
    /// # Panics
    /// When [`Frame::check`] refuses the frame: a caller that takes a field from outside checks
    /// first. A wrong frame must not reach the wire, where it would break the frames behind it.
    pub fn encode(&self, out: &mut BytesMut) {
        if let Err(error) = self.check() {
            panic!("a {} frame of our own cannot be sent: {error}", self.kind());
        }
        let body_len = self.body_len();
        let frame_len = header::len(body_len).saturating_add(body_len);
        out.reserve(frame_len);
        let before = out.len();
        header::write(self.kind(), body_len, out);
        self.write_body(out);
        debug_assert_eq!(
            out.len().saturating_sub(before),
            frame_len,
            "{}",
            self.kind()
        );
    }

    /// Bytes that `encode` appends.
    pub fn encoded_len(&self) -> usize {
        let body_len = self.body_len();
        header::len(body_len).saturating_add(body_len)
    }

    /// What the frame is.
    pub fn kind(&self) -> Kind {
        match self {
            Frame::Hello(_) => Kind::Hello,
            Frame::Welcome(_) => Kind::Welcome,
            Frame::Ping => Kind::Ping,
            Frame::Pong => Kind::Pong,
            Frame::Push(_) => Kind::Push,
            Frame::Ack(_) => Kind::Ack,
            Frame::Command(_) => Kind::Command,
            Frame::CommandResult(_) => Kind::CommandResult,
            Frame::Upstream(_) => Kind::Upstream,
            Frame::UpstreamAck(_) => Kind::UpstreamAck,
            Frame::GoAway(_) => Kind::GoAway,
            Frame::Close(_) => Kind::Close,
        }
    }

    /// Whether every field keeps its bound, so that `encode` can write the frame.
    ///
    /// # Errors
    /// The first field that does not, with its bound and its value.
    pub fn check(&self) -> Result<(), FrameError> {
        match self {
            Frame::Hello(hello) => hello.check(),
            Frame::Push(push) => push.check(),
            Frame::Ack(ack) => ack.check(),
            Frame::Command(command) => command.check(),
            Frame::CommandResult(result) => result.check(),
            Frame::Upstream(upstream) => upstream.check(),
            Frame::UpstreamAck(ack) => ack.check(),
            Frame::GoAway(go_away) => go_away.check(),
            // Every value of these can be sent; the text of a close is cut to its bound.
            Frame::Welcome(_) | Frame::Ping | Frame::Pong | Frame::Close(_) => Ok(()),
        }
    }

    /// Parses a whole body whose length was checked.
    pub(crate) fn parse(kind: Kind, body: &[u8]) -> Result<Frame, FrameError> {
        match kind {
            Kind::Hello => Hello::parse(body).map(Frame::Hello),
            Kind::Welcome => Welcome::parse(body).map(Frame::Welcome),
            Kind::Ping => Ok(Frame::Ping),
            Kind::Pong => Ok(Frame::Pong),
            Kind::Push => Push::parse(body).map(Frame::Push),
            Kind::Ack => Ack::parse(body).map(Frame::Ack),
            Kind::Command => Command::parse(body).map(Frame::Command),
            Kind::CommandResult => CommandResult::parse(body).map(Frame::CommandResult),
            Kind::Upstream => Upstream::parse(body).map(Frame::Upstream),
            Kind::UpstreamAck => UpstreamAck::parse(body).map(Frame::UpstreamAck),
            Kind::GoAway => GoAway::parse(body).map(Frame::GoAway),
            Kind::Close => Close::parse(body).map(Frame::Close),
        }
    }

    fn body_len(&self) -> usize {
        match self {
            Frame::Hello(hello) => hello.body_len(),
            Frame::Welcome(welcome) => welcome.body_len(),
            Frame::Ping | Frame::Pong => 0,
            Frame::Push(push) => push.body_len(),
            Frame::Ack(ack) => ack.body_len(),
            Frame::Command(command) => command.body_len(),
            Frame::CommandResult(result) => result.body_len(),
            Frame::Upstream(upstream) => upstream.body_len(),
            Frame::UpstreamAck(ack) => ack.body_len(),
            Frame::GoAway(go_away) => go_away.body_len(),
            Frame::Close(close) => close.body_len(),
        }
    }

    fn write_body(&self, out: &mut BytesMut) {
        match self {
            Frame::Hello(hello) => hello.write(out),
            Frame::Welcome(welcome) => welcome.write(out),
            Frame::Ping | Frame::Pong => {}
            Frame::Push(push) => push.write(out),
            Frame::Ack(ack) => ack.write(out),
            Frame::Command(command) => command.write(out),
            Frame::CommandResult(result) => result.write(out),
            Frame::Upstream(upstream) => upstream.write(out),
            Frame::UpstreamAck(ack) => ack.write(out),
            Frame::GoAway(go_away) => go_away.write(out),
            Frame::Close(close) => close.write(out),
        }
    }
}
