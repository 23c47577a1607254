//! A message at rest: its dates and the first piece of its body.
//!
//! Owner: the shard of the CID; the key holds CID and message id. Always: the body is opaque here, and the other pieces
//! are rows of bare bytes under the same key and their piece number.

use std::fmt;

use crate::SchemaError;
use crate::generated::record as fb;
use crate::limits::MESSAGE_LEN_MAX;
use crate::root::Shape;

const MESSAGE: Shape = Shape {
    what: "Message",
    len_max: MESSAGE_LEN_MAX,
};

/// A stored message with a body of its own.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// Unix milliseconds; from then on it is not sent.
    pub expires_ms: u64,
    /// Unix milliseconds.
    pub accepted_ms: u64,
    /// Rows the body lies in, this one included.
    pub pieces: u16,
    /// The body is encrypted end to end.
    pub sealed: bool,
    /// The first piece of the body.
    pub body: Vec<u8>,
    /// The group push whose body it has, 0 for none: then its own is empty.
    pub group: u64,
}

/// A stored message whose body still lies in the buffer it was read from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct MessageRef<'a> {
    /// Unix milliseconds; from then on it is not sent.
    pub expires_ms: u64,
    /// Unix milliseconds.
    pub accepted_ms: u64,
    /// Rows the body lies in, this one included.
    pub pieces: u16,
    /// The body is encrypted end to end.
    pub sealed: bool,
    /// The first piece of the body.
    pub body: &'a [u8],
    /// The group push whose body it has, 0 for none: then its own is empty.
    pub group: u64,
}

impl Message {
    /// The value to store.
    pub fn encode(&self) -> Vec<u8> {
        self.as_ref().encode()
    }

    /// Reads a stored value.
    ///
    /// # Errors
    /// Longer than [`MESSAGE_LEN_MAX`], or not a verified `Message`.
    pub fn decode(bytes: &[u8]) -> Result<Message, SchemaError> {
        MessageRef::decode(bytes).map(MessageRef::to_owned)
    }

    /// The same message, its body borrowed.
    pub fn as_ref(&self) -> MessageRef<'_> {
        MessageRef {
            expires_ms: self.expires_ms,
            accepted_ms: self.accepted_ms,
            pieces: self.pieces,
            sealed: self.sealed,
            body: &self.body,
            group: self.group,
        }
    }
}

impl<'a> MessageRef<'a> {
    /// The value to store.
    pub fn encode(&self) -> Vec<u8> {
        MESSAGE.build(|builder| {
            let body = builder.create_vector(self.body);
            fb::Message::create(
                builder,
                &fb::MessageArgs {
                    expires_ms: self.expires_ms,
                    accepted_ms: self.accepted_ms,
                    pieces: self.pieces,
                    sealed: self.sealed,
                    body: Some(body),
                    group: self.group,
                },
            )
        })
    }

    /// Reads a stored value without copying the body.
    ///
    /// # Errors
    /// Longer than [`MESSAGE_LEN_MAX`], or not a verified `Message`.
    pub fn decode(bytes: &'a [u8]) -> Result<MessageRef<'a>, SchemaError> {
        let message = MESSAGE.open::<fb::Message>(bytes)?;
        Ok(MessageRef {
            expires_ms: message.expires_ms(),
            accepted_ms: message.accepted_ms(),
            pieces: message.pieces(),
            sealed: message.sealed(),
            body: message.body().bytes(),
            group: message.group(),
        })
    }

    /// The same message with a body of its own.
    pub fn to_owned(self) -> Message {
        Message {
            expires_ms: self.expires_ms,
            accepted_ms: self.accepted_ms,
            pieces: self.pieces,
            sealed: self.sealed,
            body: self.body.to_vec(),
            group: self.group,
        }
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_ref().fmt_as("Message", f)
    }
}

impl fmt::Debug for MessageRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fmt_as("MessageRef", f)
    }
}

impl MessageRef<'_> {
    /// A body is the user's: only its length is shown.
    fn fmt_as(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(name)
            .field("expires_ms", &self.expires_ms)
            .field("accepted_ms", &self.accepted_ms)
            .field("pieces", &self.pieces)
            .field("sealed", &self.sealed)
            .field("body_len", &self.body.len())
            .field("group", &self.group)
            .finish()
    }
}
