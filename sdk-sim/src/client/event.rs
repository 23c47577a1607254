//! What a client tells its caller.
//!
//! Owner: the caller, who drains them. Always: a `Push` comes once per message id, restarts
//! included, if the caller keeps what it confirmed.

use bytes::Bytes;
use protocol::{
    ClientId, CloseReason, FeedbackVerdict, FrameError, GoAwayReason, Kind, MessageId, ResultCode,
    UpstreamId, UpstreamStatus,
};

/// One thing that happened, in order.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// Logged in. A caller that keeps state over restarts stores `cid` when `registered`.
    Online {
        /// The id the server knows this device by.
        cid: ClientId,
        /// The server gave this id just now.
        registered: bool,
        /// Number of this login; a later login of the same id has a higher one.
        generation: u64,
    },
    /// A new message. **Its ack waits for [`crate::client::Client::handled`]**: store the message
    /// (and its id) first, then confirm, in the order of the events.
    Push {
        /// The message's id, ascending per client id.
        id: MessageId,
        /// The body is encrypted end to end; the server could not read it.
        sealed: bool,
        /// An encoded `schema::push::PushMessage`, unless sealed.
        body: Bytes,
    },
    /// A message that came before; dropped. Nothing to confirm.
    Repeat {
        /// The message's id.
        id: MessageId,
        /// The body, as for `Push`.
        body: Bytes,
    },
    /// The answer to a command.
    CommandResult {
        /// What the command was given as its serial.
        serial: u32,
        /// The server's verdict.
        code: ResultCode,
        /// At most 4096 bytes, meaning by operation.
        detail: Bytes,
    },
    /// The link ended before the answer to a command came: it may or may not have been carried out.
    CommandLost {
        /// What the command was given as its serial.
        serial: u32,
    },
    /// The server counted what the user did with a message, or never will; the report is forgotten.
    Reported {
        /// The message.
        message: MessageId,
        /// What was done.
        action: u32,
        /// What the server says of it, or why it refused the command.
        verdict: Result<FeedbackVerdict, ResultCode>,
    },
    /// Where a message to the third party stands. Once it has ended the client has forgotten it.
    Upstream {
        /// The message.
        id: UpstreamId,
        /// Where it stands.
        status: UpstreamStatus,
    },
    /// The server asks this client to connect again, possibly elsewhere. The client does so itself.
    GoAway {
        /// Why.
        reason: GoAwayReason,
        /// `HOST:PORT` to use; `None` = the same as before.
        endpoint: Option<String>,
    },
    /// An online session ended.
    Offline {
        /// Why.
        reason: EndReason,
    },
    /// An attempt ended before a welcome.
    Refused {
        /// Why.
        reason: EndReason,
    },
}

/// Why a link ended.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum EndReason {
    /// The server closed it.
    #[error("the server closed: {reason:?}, retry_after_ms={retry_after_ms}, text={text:?}")]
    Closed {
        /// The server's reason.
        reason: CloseReason,
        /// As sent: 0 = own back-off, `u32::MAX` = never.
        retry_after_ms: u32,
        /// For logs, at most 200 bytes.
        text: String,
    },
    /// The server sent go-away.
    #[error("the server asked to go away")]
    GoAway,
    /// This client wants to try a longer heartbeat than the session was granted, and logs in anew
    /// at once.
    #[error("a new login for a longer heartbeat")]
    LongerHeartbeat,
    /// Nothing came for one and a half heartbeat intervals.
    #[error("the server was silent for one and a half heartbeat intervals")]
    Silent,
    /// No welcome came in time.
    #[error("no welcome within {waited_ms} ms")]
    NoWelcome {
        /// The limit that passed.
        waited_ms: u64,
    },
    /// The server's bytes are no frames.
    #[error("the server sent a bad frame: {0}")]
    BadFrame(FrameError),
    /// A frame that has no place in this state.
    #[error("the server sent an unexpected frame: {0:?}")]
    UnexpectedFrame(Kind),
    /// The welcome of a login names another client id.
    #[error("logged in as {asked}, welcomed as {answered}")]
    WrongClient {
        /// The id of the hello.
        asked: ClientId,
        /// The id of the welcome.
        answered: ClientId,
    },
    /// The caller lost the connection, or could not make one.
    #[error("{0}")]
    Transport(String),
    /// The silent hours of the device have begun; it comes back when they are over.
    #[error("the silent hours of the device have begun")]
    Silence,
    /// The caller asked for the end.
    #[error("ended by the caller")]
    Own,
}

/// Why a command was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// Commands need an online session.
    #[error("command: not online")]
    NotOnline,
    /// Too many commands wait for their results; nothing was sent.
    #[error("command: {limit} wait for their results already")]
    TooMany {
        /// The limit.
        limit: usize,
    },
    /// A field breaks a bound of the wire.
    #[error(transparent)]
    Invalid(#[from] FrameError),
}
