//! One accepted push, and how its messages ended.
//!
//! Owner: the commit. Always: a task is written once, in the batch that accepts it; an outcome is written once, in the
//! batch of the cursor that passed its message.

use crate::SchemaError;
use crate::generated::record as fb;
use crate::limits::{SMALL_RECORD_LEN_MAX, TASK_LEN_MAX};
use crate::root::Shape;

const TASK: Shape = Shape {
    what: "Task",
    len_max: TASK_LEN_MAX,
};

const OUTCOME: Shape = Shape {
    what: "Outcome",
    len_max: SMALL_RECORD_LEN_MAX,
};

/// One accepted push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// The third party's name for the request.
    pub request_id: String,
    /// Unix milliseconds.
    pub accepted_ms: u64,
    /// Unix milliseconds; from then on its messages are not sent.
    pub expires_ms: u64,
    /// Whether its messages were stored; false for ttl -1.
    pub kept: bool,
    /// Its targets in the order of the request; at most [`TASK_TARGETS_MAX`](crate::limits::TASK_TARGETS_MAX).
    pub targets: Vec<TaskTarget>,
    /// What a vendor channel is to know, JSON of at most [`VENDOR_LEN_MAX`](crate::limits::VENDOR_LEN_MAX) bytes.
    pub vendor: Option<String>,
}

/// One target of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskTarget {
    /// The client.
    pub cid: [u8; 16],
    /// Its message; 0 if it got none.
    pub message: u64,
    /// The number of its status, as server-core gives it.
    pub status: u8,
}

/// How a message ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The number of its fate, as server-core gives it.
    pub fate: u8,
    /// When it was last sent, Unix milliseconds; 0 if never.
    pub sent_ms: u64,
    /// When it became final, Unix milliseconds.
    pub final_ms: u64,
    /// The group push that it belonged to, 0 for none.
    pub group: u64,
}

impl Task {
    /// The value to store.
    pub fn encode(&self) -> Vec<u8> {
        TASK.build(|builder| {
            let request_id = builder.create_string(&self.request_id);
            let vendor = self.vendor.as_ref().map(|text| builder.create_string(text));
            let targets = builder.create_vector_from_iter(self.targets.iter().map(|target| {
                fb::TaskTarget::new(
                    &fb::Bytes16::new(&target.cid),
                    target.message,
                    target.status,
                )
            }));
            fb::Task::create(
                builder,
                &fb::TaskArgs {
                    request_id: Some(request_id),
                    accepted_ms: self.accepted_ms,
                    expires_ms: self.expires_ms,
                    kept: self.kept,
                    targets: Some(targets),
                    vendor,
                },
            )
        })
    }

    /// Reads a stored value.
    ///
    /// # Errors
    /// Longer than [`TASK_LEN_MAX`], or not a verified `Task`.
    pub fn decode(bytes: &[u8]) -> Result<Task, SchemaError> {
        let task = TASK.open::<fb::Task>(bytes)?;
        Ok(Task {
            request_id: task.request_id().to_owned(),
            accepted_ms: task.accepted_ms(),
            expires_ms: task.expires_ms(),
            kept: task.kept(),
            targets: task
                .targets()
                .iter()
                .map(|target| TaskTarget {
                    cid: target.cid().bytes().into(),
                    message: target.message(),
                    status: target.status(),
                })
                .collect(),
            vendor: task.vendor().map(str::to_owned),
        })
    }
}

impl Outcome {
    /// The value to store.
    pub fn encode(&self) -> Vec<u8> {
        OUTCOME.build(|builder| {
            fb::Outcome::create(
                builder,
                &fb::OutcomeArgs {
                    fate: self.fate,
                    sent_ms: self.sent_ms,
                    final_ms: self.final_ms,
                    group: self.group,
                },
            )
        })
    }

    /// Reads a stored value.
    ///
    /// # Errors
    /// Longer than [`SMALL_RECORD_LEN_MAX`], or not a verified `Outcome`.
    pub fn decode(bytes: &[u8]) -> Result<Outcome, SchemaError> {
        let outcome = OUTCOME.open::<fb::Outcome>(bytes)?;
        Ok(Outcome {
            fate: outcome.fate(),
            sent_ms: outcome.sent_ms(),
            final_ms: outcome.final_ms(),
            group: outcome.group(),
        })
    }
}
