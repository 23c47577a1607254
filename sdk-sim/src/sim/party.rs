//! What third parties remember: their requests, the attempts at each, and who waits for what.
//!
//! Owner: one `World`; `parties` lets them act. Always: every attempt is a task of its own with a
//! body of its own, so that what arrives says which attempt it is; all attempts at a request
//! carry its request id.

use std::collections::BTreeMap;

use bytes::Bytes;
use protocol::ClientId;
use server_core::command::{Answer, Reach};
use server_core::group::Condition;
use server_core::ids::{AppNo, Ticket};

/// Names an attempt, and by it a task and a body.
pub(super) type AttemptNo = u64;

/// How long a list whose messages may not wait can be pushed to (`rest-v2.md`), in ms.
pub(super) const UNKEPT_OPEN_MS: u64 = 2 * 3_600_000;

/// Bytes of a body before the filler: the number of its attempt.
pub(super) const BODY_LEN_MIN: usize = 8;

/// Whom a request is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Aim {
    /// One CID.
    One(ClientId),
    /// Several.
    Many(Vec<ClientId>),
    /// Whoever has an alias.
    Alias(Box<str>, Box<str>),
    /// Whoever is pushed to later.
    List,
    /// These, of a list.
    OfList(Box<str>, Vec<ClientId>),
    /// Devices of the app.
    App(Box<AppPush>),
}

/// How a push to an app is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AppPush {
    pub(super) conditions: Vec<Condition>,
    /// Begins so much later.
    pub(super) in_ms: Option<u64>,
    pub(super) speed: u32,
}

/// How long a push may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ttl {
    /// It may not.
    Never,
    /// So long, in ms.
    Ms(u64),
}

/// One request of a third party.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) id: Box<str>,
    pub(super) app: usize,
    pub(super) aim: Aim,
    pub(super) ttl: Ttl,
}

/// Where an attempt is.
#[derive(Debug)]
pub(super) enum Stage {
    /// It has not begun, or waits for an answer to one question.
    Waiting,
    /// It asks the owners of its targets.
    Probing {
        cids: Vec<ClientId>,
        reached: BTreeMap<ClientId, Reach>,
        open: usize,
    },
    /// Answered, refused or given up.
    Over,
}

/// One attempt at a request.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) request: usize,
    pub(super) body_len: usize,
    pub(super) stage: Stage,
}

/// What a ticket is for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ask {
    /// The CIDs of an alias, for an attempt.
    LookUp(AttemptNo),
    /// Whether targets are online, for an attempt.
    Probe(AttemptNo),
    /// The push itself.
    Push(AttemptNo),
    /// The live session of a CID.
    Live(ClientId),
    /// A change of an app.
    App,
    /// The deletion of an app.
    Deletion(AppNo),
    /// What a developer's server is to hear.
    Receipts(AppNo),
    /// Something whose answer is only compared with what a reader found.
    Other,
}

/// See the module page.
#[derive(Debug, Default)]
pub(super) struct Parties {
    pub(super) requests: Vec<Request>,
    pub(super) attempts: Vec<Attempt>,
    pub(super) waiting: BTreeMap<Ticket, Ask>,
    /// What readers found and shards have not answered yet.
    pub(super) found: BTreeMap<Ticket, Answer>,
    /// Tasks of pushes to many that were answered, with their apps; lists apart from the others.
    pub(super) lists: Vec<(usize, Box<str>)>,
    pub(super) app_pushes: Vec<(usize, Box<str>)>,
    tickets: u64,
}

impl Parties {
    /// A new ticket.
    pub(super) fn ticket(&mut self, ask: Ask) -> Ticket {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        self.waiting.insert(ticket, ask);
        ticket
    }

    /// A new attempt at a request.
    pub(super) fn attempt_at(&mut self, request: usize, body_len: usize) -> AttemptNo {
        self.attempts.push(Attempt {
            request,
            body_len,
            stage: Stage::Waiting,
        });
        self.attempts.len() as u64 - 1
    }

    /// The body of an attempt.
    pub(super) fn body(&self, attempt: AttemptNo) -> Bytes {
        let len = self.attempts[attempt as usize].body_len;
        let mut body = attempt.to_be_bytes().to_vec();
        body.resize(len.max(BODY_LEN_MIN), attempt as u8);
        Bytes::from(body)
    }
}

/// The attempt that made a body, if the body is whole.
pub(super) fn read_body(body: &[u8]) -> Option<AttemptNo> {
    let (number, filler) = body.split_first_chunk()?;
    let number = u64::from_be_bytes(*number);
    filler
        .iter()
        .all(|byte| *byte == number as u8)
        .then_some(number)
}

/// The task id of an attempt.
pub(super) fn task_of(attempt: AttemptNo) -> Box<str> {
    format!("task-{attempt}").into()
}
