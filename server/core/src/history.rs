//! What became of messages: the answer to "why was this not delivered".
//!
//! Put together from rows (task, outcome, what still waits) and from what the owner of the CID
//! knows of a live session. Stages have the names of the design: Accepted, Stored, Sent, Acked,
//! Expired, Filtered.

use protocol::wire::{ACTION_CLICKED, ACTION_OWN_CLICKED, ACTION_OWN_SHOWN, ACTION_SHOWN};
use protocol::{ClientId, MessageId};
use schema::push::PushMessage;
use schema::record::{Cursor, Device, Number, Outcome, Profile, Task};

use crate::alias_name::TypedAlias;
use crate::apply::{StoredStatus, made_on};
use crate::clock::Day;
use crate::ids::{AppNo, Generation};
use crate::keys;
use crate::limits::{HISTORY_DAYS, HISTORY_LEN_MAX};
use crate::outbox::Fate;
use crate::read::{aliases_of_cid, backlog};
use crate::rows::{Keyspace, Rows, RowsError};

/// What the owner of a CID knows of its live session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveSession {
    /// Its place among the logins of this CID.
    pub generation: Generation,
    /// The negotiated heartbeat, in ms.
    pub heartbeat_ms: u64,
    /// How long ago the last frame came, in ms.
    pub heard_ms_ago: u64,
    /// Pushes sent and not acknowledged: id, and when sent in ms of Unix time.
    pub under_way: Vec<(MessageId, u64)>,
    /// Messages in memory behind the window.
    pub queue_len: usize,
    /// Whether more wait in the store than memory holds.
    pub is_behind: bool,
}

/// What the rows say of one device.
#[derive(Debug, Clone, PartialEq)]
pub struct DeviceHistory {
    /// Its registration.
    pub device: Device,
    /// What was told of it since.
    pub profile: Profile,
    /// How far it has got, as far as it is written down.
    pub cursor: Cursor,
    /// Its aliases, in the order of their types.
    pub aliases: Vec<TypedAlias>,
    /// Messages that are stored and not final, oldest first; at most a page.
    pub waiting: Vec<Waiting>,
    /// Whether more wait than `waiting` holds.
    pub more_wait: bool,
    /// How its last messages ended, newest first; at most [`HISTORY_LEN_MAX`].
    pub ended: Vec<(MessageId, Outcome)>,
}

/// A stored message that is not final.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Which.
    pub id: MessageId,
    /// Its task; unknown when the body is sealed or its time is over.
    pub task_id: Option<String>,
    /// When it expires, in ms of Unix time.
    pub expires_ms: u64,
}

/// What the rows say of one task.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskHistory {
    /// The task.
    pub task: Task,
    /// For each of its targets, how the message ended, if it has.
    pub outcomes: Vec<Option<Outcome>>,
}

/// Where a message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Durable, not sent yet.
    Stored,
    /// Sent, not acknowledged.
    Sent,
    /// Acknowledged.
    Acked,
    /// Its time was over first.
    Expired,
    /// Not sent: the device takes no pushes.
    Filtered,
    /// Its third party stopped its task before it was sent.
    Revoked,
    /// Not taken: as much waited for the device as its app allows.
    Failed,
}

impl Stage {
    /// Its name, everywhere.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Stored => "Stored",
            Stage::Sent => "Sent",
            Stage::Acked => "Acked",
            Stage::Expired => "Expired",
            Stage::Filtered => "Filtered",
            Stage::Revoked => "Revoked",
            Stage::Failed => "Failed",
        }
    }
}

/// Where the message of one target stands, by its status, its outcome, when it was sent in the
/// live session, and the time.
pub fn stage_of(
    status: StoredStatus,
    outcome: Option<Outcome>,
    sent_ms: Option<u64>,
    expires_ms: u64,
    now_ms: u64,
) -> Stage {
    match (
        status,
        outcome.and_then(|outcome| Fate::from_number(outcome.fate)),
    ) {
        (StoredStatus::Filtered, _) => Stage::Filtered,
        (StoredStatus::Full, _) => Stage::Failed,
        (StoredStatus::Expired, _) | (_, Some(Fate::Expired)) => Stage::Expired,
        (_, Some(Fate::Acked)) => Stage::Acked,
        (_, Some(Fate::Revoked)) => Stage::Revoked,
        (_, None) if sent_ms.is_some() => Stage::Sent,
        (_, None) if now_ms >= expires_ms => Stage::Expired,
        (_, None) => Stage::Stored,
    }
}

/// The stages that a message has passed, in order, each with its time in ms of Unix time.
pub fn stages_of(
    accepted_ms: u64,
    kept: bool,
    status: StoredStatus,
    outcome: Option<Outcome>,
    under_way_ms: Option<u64>,
    expires_ms: u64,
    now_ms: u64,
) -> Vec<(&'static str, u64)> {
    let stage = stage_of(status, outcome, under_way_ms, expires_ms, now_ms);
    let mut stages = vec![("Accepted", accepted_ms)];
    if kept && !matches!(stage, Stage::Filtered | Stage::Failed) {
        stages.push((Stage::Stored.name(), accepted_ms));
    }
    let sent_ms = under_way_ms.or(outcome.map(|outcome| outcome.sent_ms).filter(|ms| *ms > 0));
    if let Some(ms) = sent_ms {
        stages.push((Stage::Sent.name(), ms));
    }
    match (stage, outcome) {
        (Stage::Acked | Stage::Expired | Stage::Revoked, Some(outcome)) => {
            stages.push((stage.name(), outcome.final_ms));
        }
        (Stage::Expired, None) if kept => stages.push((stage.name(), expires_ms)),
        (Stage::Expired | Stage::Filtered | Stage::Failed, None) => {
            stages.push((stage.name(), accepted_ms))
        }
        _ => {}
    }
    stages
}

/// The task of this name, if it was accepted in the last [`HISTORY_DAYS`] days.
pub fn task_history(
    rows: &impl Rows,
    app: AppNo,
    task_id: &str,
    now_ms: u64,
) -> Result<Option<TaskHistory>, RowsError> {
    let key = keys::task(app, task_id);
    for day in days_back(now_ms) {
        let keyspace = Keyspace::Task(day);
        let Some(task) = rows.row(keyspace, &key, Task::decode)? else {
            continue;
        };
        let mut outcomes = Vec::with_capacity(task.targets.len());
        for target in &task.targets {
            let id = MessageId(target.message);
            outcomes.push(outcome(rows, ClientId::from_bytes(target.cid), id)?);
        }
        return Ok(Some(TaskHistory { task, outcomes }));
    }
    Ok(None)
}

/// The clock may have been set back since a row was written: tomorrow is looked at too.
pub(crate) fn days_back(now_ms: u64) -> impl Iterator<Item = Day> {
    let newest = Day::of_ms(now_ms).0.saturating_add(1);
    (newest.saturating_sub(HISTORY_DAYS + 1)..=newest)
        .rev()
        .map(Day)
}

pub(crate) fn outcome(
    rows: &impl Rows,
    cid: ClientId,
    id: MessageId,
) -> Result<Option<Outcome>, RowsError> {
    if id == MessageId::NONE {
        return Ok(None);
    }
    let key = keys::outcome(cid, id);
    rows.row(Keyspace::Outcome(made_on(id)), &key, Outcome::decode)
}

/// What the user did with a message: actions by their numbers on the wire, each with its time in
/// ms of Unix time.
pub(crate) fn acted(
    rows: &impl Rows,
    cid: ClientId,
    id: MessageId,
) -> Result<Vec<(u32, u64)>, RowsError> {
    let mut found = Vec::new();
    if id == MessageId::NONE {
        return Ok(found);
    }
    let prefix = keys::outcome(cid, id);
    let keyspace = Keyspace::Acted(made_on(id));
    rows.try_range(keyspace, &prefix, &prefix, |key, value| {
        if let Some(action) = keys::action_of(key) {
            found.push((action, Number::decode(value)?.value));
        }
        Ok(true)
    })?;
    Ok(found)
}

/// The stages that follow an acknowledgement, in order of their times.
pub(crate) fn stages_after(acted: &[(u32, u64)]) -> Vec<(&'static str, u64)> {
    let first = |actions: [u32; 2]| {
        let of = acted.iter().filter(|(action, _)| actions.contains(action));
        of.map(|(_, at_ms)| *at_ms).min()
    };
    let shown = first([ACTION_SHOWN, ACTION_OWN_SHOWN]).map(|at_ms| ("Shown", at_ms));
    let clicked = first([ACTION_CLICKED, ACTION_OWN_CLICKED]).map(|at_ms| ("Clicked", at_ms));
    shown.into_iter().chain(clicked).collect()
}

/// The device, if it is registered.
pub fn device_history(
    rows: &impl Rows,
    cid: ClientId,
    now_ms: u64,
) -> Result<Option<DeviceHistory>, RowsError> {
    let key = keys::client(cid);
    let Some(device) = rows.row(Keyspace::Reg, &key, Device::decode)? else {
        return Ok(None);
    };
    let cursor = rows
        .row(Keyspace::Cur, &key, Cursor::decode)?
        .unwrap_or_default();
    let page = backlog(rows, cid, MessageId(cursor.acked), now_ms)?;
    let waiting = page.messages.into_iter().map(|message| Waiting {
        id: message.id,
        task_id: PushMessage::decode(&message.body)
            .ok()
            .map(|push| push.task_id),
        expires_ms: message.expires_ms,
    });
    let profile = rows.row(Keyspace::Profile, &key, Profile::decode)?;
    Ok(Some(DeviceHistory {
        device,
        profile: profile.unwrap_or_default(),
        cursor,
        aliases: aliases_of_cid(rows, cid)?,
        waiting: waiting.collect(),
        more_wait: !page.complete,
        ended: ended(rows, &key, now_ms)?,
    }))
}

/// The newest outcomes first; whole days are read until there are enough.
fn ended(
    rows: &impl Rows,
    client: &[u8],
    now_ms: u64,
) -> Result<Vec<(MessageId, Outcome)>, RowsError> {
    let mut ended = Vec::new();
    for day in days_back(now_ms) {
        let keyspace = Keyspace::Outcome(day);
        // The newest of the day are at its end: only they are kept while it is read.
        let mut of_day = std::collections::VecDeque::new();
        rows.try_range(keyspace, client, client, |key, value| {
            if let Some(id) = keys::outcome_of(key) {
                of_day.push_back((id, Outcome::decode(value)?));
            }
            if of_day.len() > HISTORY_LEN_MAX {
                of_day.pop_front();
            }
            Ok(true)
        })?;
        ended.extend(of_day.into_iter().rev());
        if ended.len() >= HISTORY_LEN_MAX {
            ended.truncate(HISTORY_LEN_MAX);
            break;
        }
    }
    Ok(ended)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCEPTED_MS: u64 = 10;
    const EXPIRES_MS: u64 = 20;

    fn stages(status: StoredStatus, kept: bool, sent_ms: Option<u64>, now_ms: u64) -> Vec<String> {
        let outcome = None;
        stages_of(
            ACCEPTED_MS,
            kept,
            status,
            outcome,
            sent_ms,
            EXPIRES_MS,
            now_ms,
        )
        .into_iter()
        .map(|(stage, at_ms)| format!("{stage} {at_ms}"))
        .collect()
    }

    #[test]
    fn given_a_message_without_an_end_when_asked_after_should_tell_each_stage_with_its_time() {
        use StoredStatus::{Expired, Filtered, Full, Online};
        let over = EXPIRES_MS;
        assert_eq!(stages(Online, true, None, 19), ["Accepted 10", "Stored 10"]);
        assert_eq!(
            stages(Online, true, Some(15), over),
            ["Accepted 10", "Stored 10", "Sent 15"]
        );
        assert_eq!(
            stages(Online, true, None, over),
            ["Accepted 10", "Stored 10", "Expired 20"]
        );
        assert_eq!(
            stages(Expired, false, None, 11),
            ["Accepted 10", "Expired 10"]
        );
        assert_eq!(
            stages(Filtered, true, None, 11),
            ["Accepted 10", "Filtered 10"]
        );
        assert_eq!(stages(Full, true, None, 11), ["Accepted 10", "Failed 10"]);
    }
}
