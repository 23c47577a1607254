//! The first answer to a request: which task every repeat is told of.
//!
//! Owner: the commit; the key is (app, request_id). Always: written in the same batch as the task and its messages.

use crate::SchemaError;
use crate::generated::record as fb;
use crate::limits::SMALL_RECORD_LEN_MAX;
use crate::root::Shape;

const FIRST_ANSWER: Shape = Shape {
    what: "FirstAnswer",
    len_max: SMALL_RECORD_LEN_MAX,
};

/// What the first of several equal requests was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirstAnswer {
    /// The task it made.
    pub task_id: String,
    /// Unix milliseconds; the day of it is where the task lies.
    pub accepted_ms: u64,
}

impl FirstAnswer {
    /// The value to store.
    pub fn encode(&self) -> Vec<u8> {
        FIRST_ANSWER.build(|builder| {
            let task_id = builder.create_string(&self.task_id);
            fb::FirstAnswer::create(
                builder,
                &fb::FirstAnswerArgs {
                    task_id: Some(task_id),
                    accepted_ms: self.accepted_ms,
                },
            )
        })
    }

    /// Reads a stored value.
    ///
    /// # Errors
    /// Longer than [`SMALL_RECORD_LEN_MAX`], or not a verified `FirstAnswer`.
    pub fn decode(bytes: &[u8]) -> Result<FirstAnswer, SchemaError> {
        let answer = FIRST_ANSWER.open::<fb::FirstAnswer>(bytes)?;
        Ok(FirstAnswer {
            task_id: answer.task_id().to_owned(),
            accepted_ms: answer.accepted_ms(),
        })
    }
}
