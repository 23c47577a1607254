//! The first answer to a request, given again to every repeat.
//!
//! Owner: the shard of (app, request_id), which is the row's key. Always: written in the same batch as the messages it
//! speaks of.

use crate::SchemaError;
use crate::generated::record as fb;
use crate::limits::FIRST_ANSWER_LEN_MAX;
use crate::root::Shape;

const FIRST_ANSWER: Shape = Shape {
    what: "FirstAnswer",
    len_max: FIRST_ANSWER_LEN_MAX,
};

/// What the first of several equal requests was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirstAnswer {
    /// The task it made.
    pub task_id: String,
    /// Unix milliseconds.
    pub accepted_ms: u64,
    /// The answer for each target, in the order of the request; at most
    /// [`FIRST_ANSWER_TARGETS_MAX`](crate::limits::FIRST_ANSWER_TARGETS_MAX).
    pub targets: Vec<FirstTarget>,
}

/// The answer for one target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FirstTarget {
    /// The client.
    pub cid: [u8; 16],
    /// The status's number, as server-core gives it.
    pub status: u8,
}

impl FirstAnswer {
    /// The value to store.
    pub fn encode(&self) -> Vec<u8> {
        FIRST_ANSWER.build(|builder| {
            let task_id = builder.create_string(&self.task_id);
            let targets =
                builder.create_vector_from_iter(self.targets.iter().map(|target| {
                    fb::FirstTarget::new(&fb::Bytes16::new(&target.cid), target.status)
                }));
            fb::FirstAnswer::create(
                builder,
                &fb::FirstAnswerArgs {
                    task_id: Some(task_id),
                    accepted_ms: self.accepted_ms,
                    targets: Some(targets),
                },
            )
        })
    }

    /// Reads a stored value.
    ///
    /// # Errors
    /// Longer than [`FIRST_ANSWER_LEN_MAX`], or not a verified `FirstAnswer`.
    pub fn decode(bytes: &[u8]) -> Result<FirstAnswer, SchemaError> {
        let answer = FIRST_ANSWER.open::<fb::FirstAnswer>(bytes)?;
        Ok(FirstAnswer {
            task_id: answer.task_id().to_owned(),
            accepted_ms: answer.accepted_ms(),
            targets: answer
                .targets()
                .iter()
                .map(|target| FirstTarget {
                    cid: target.cid().bytes().into(),
                    status: target.status(),
                })
                .collect(),
        })
    }
}
