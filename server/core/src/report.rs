//! What third parties ask of rows: tags and details of clients, group pushes, days, samples.
//!
//! Pure over [`Rows`], so the simulation reads with the same code.

use bytes::Bytes;
use protocol::{ClientId, MessageId};
use schema::record::{
    ClientTags, Cursor, Device, Group, Number, Presence, Profile, Receipt, Sums, Task,
};

use crate::apply::{StoredStatus, made_ms};
use crate::clock::Day;
use crate::command::Answer;
use crate::group::{ClientDetail, DayView, GroupNo, GroupState, GroupView, MessageStages};
use crate::history::{acted, days_back, outcome, stages_after, stages_of};
use crate::ids::AppNo;
use crate::keys;
use crate::limits::{
    GROUPS_PER_ANSWER_MAX, ONLINE_KEPT_MS, RECEIPT_PIECES_PER_ANSWER_MAX, RECEIPTS_PER_ANSWER_MAX,
    SAMPLE_INTERVAL_MS,
};
use crate::portable;
use crate::read::{body_under, group_body};
use crate::rows::{Keyspace, Rows, RowsError};

/// One question of rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// The tags of a client.
    Tags(ClientId),
    /// What is known of clients of this app; others are left out.
    Details(Vec<ClientId>),
    /// Group pushes by their tasks; those that do not exist are left out.
    Groups(Vec<Box<str>>),
    /// Group pushes of a name that were accepted from the one day to the other.
    Named(Box<str>, Day, Day),
    /// What a day came to.
    AppDay(Day),
    /// How many devices were online, over the last 24 hours.
    OnlineSamples,
    /// What the developer's server is still to hear, or could not be told; at most
    /// [`RECEIPTS_PER_ANSWER_MAX`].
    Receipts {
        /// Only those behind this place in the order.
        after: u64,
        /// Those that could not be told.
        dead: bool,
    },
    /// The message of one client in one task.
    Message {
        /// The client.
        cid: ClientId,
        /// The task.
        task_id: Box<str>,
        /// What is sent and not acknowledged: id, and when in ms of Unix time.
        under_way: Vec<(MessageId, u64)>,
    },
    /// The devices of this app behind a CID, at most so many.
    Devices(Option<ClientId>, usize),
}

/// Answers a question.
///
/// # Errors
/// The store cannot read, or a row is damaged.
pub fn answer(
    rows: &impl Rows,
    app: AppNo,
    question: Question,
    now_ms: u64,
) -> Result<Answer, RowsError> {
    Ok(match question {
        Question::Tags(cid) => Answer::Tags(tags(rows, cid)?),
        Question::Details(cids) => Answer::Details(details(rows, app, &cids)?),
        Question::Groups(task_ids) => {
            let mut found = Vec::new();
            for task_id in &task_ids {
                if let Some(number) = number_of_task(rows, app, task_id)? {
                    found.extend(view(rows, number, now_ms)?);
                }
            }
            Answer::Groups(found)
        }
        Question::Named(name, from, to) => {
            Answer::Groups(named(rows, app, &name, from, to, now_ms)?)
        }
        Question::AppDay(day) => Answer::AppDay(Box::new(app_day(rows, app, day)?)),
        Question::OnlineSamples => Answer::OnlineSamples(online(rows, app, now_ms)?),
        Question::Receipts { after, dead } => Answer::Receipts(receipts(rows, app, after, dead)?),
        Question::Message {
            cid,
            task_id,
            under_way,
        } => Answer::MessageDetail(message(rows, app, cid, &task_id, &under_way, now_ms)?),
        Question::Devices(after, len_max) => {
            Answer::Devices(portable::page(rows, app, after, len_max)?)
        }
    })
}

fn tags(rows: &impl Rows, cid: ClientId) -> Result<Vec<Box<str>>, RowsError> {
    let key = keys::client(cid);
    let found = rows
        .row(Keyspace::ClientTags, &key, ClientTags::decode)?
        .unwrap_or_default();
    Ok(found.tags.into_iter().map(String::into_boxed_str).collect())
}

fn details(
    rows: &impl Rows,
    app: AppNo,
    cids: &[ClientId],
) -> Result<Vec<(ClientId, ClientDetail)>, RowsError> {
    let mut found = Vec::with_capacity(cids.len());
    for cid in cids {
        let key = keys::client(*cid);
        let Some(device) = rows.row(Keyspace::Reg, &key, Device::decode)? else {
            continue;
        };
        if device.app != app.0 {
            continue;
        }
        let profile = rows
            .row(Keyspace::Profile, &key, Profile::decode)?
            .unwrap_or_default();
        let cursor = rows.row(Keyspace::Cur, &key, Cursor::decode)?;
        let last_login_ms = cursor.map_or(0, |cursor| cursor.last_login_ms);
        let detail = ClientDetail {
            device,
            profile,
            last_login_ms,
        };
        found.push((*cid, detail));
    }
    Ok(found)
}

fn number_of_task(
    rows: &impl Rows,
    app: AppNo,
    task_id: &str,
) -> Result<Option<GroupNo>, RowsError> {
    let key = keys::group_of_task(app, task_id);
    let number = rows.row(Keyspace::GroupOfTask, &key, Number::decode)?;
    Ok(number.map(|number| GroupNo(number.value)))
}

fn view(rows: &impl Rows, number: GroupNo, now_ms: u64) -> Result<Option<GroupView>, RowsError> {
    let key = keys::group(number);
    let Some(group) = rows.row(Keyspace::Group, &key, Group::decode)? else {
        return Ok(None);
    };
    let mut sums = rows
        .row(Keyspace::GroupSums, &key, Sums::decode)?
        .unwrap_or_default();
    if now_ms >= group.expires_ms {
        // Nobody sees a message expire that waits for a device that never comes.
        let ended = sums.acked + sums.filtered + sums.revoked;
        sums.expired = sums.targets.saturating_sub(ended);
    } else if group.state == GroupState::Stopped as u8 {
        let ended = sums.acked + sums.filtered + sums.expired;
        sums.revoked = sums.targets.saturating_sub(ended);
    }
    let body = group_body(rows, Day::of_ms(group.expires_ms), number)?;
    Ok(Some(GroupView {
        number,
        group,
        sums,
        body: body.unwrap_or_default(),
    }))
}

fn named(
    rows: &impl Rows,
    app: AppNo,
    name: &str,
    from: Day,
    to: Day,
    now_ms: u64,
) -> Result<Vec<GroupView>, RowsError> {
    let prefix = keys::named(app, name);
    let mut numbers = std::collections::VecDeque::new();
    rows.range(Keyspace::GroupOfName, &prefix, &prefix, &mut |key, _| {
        if let Some(number) = keys::group_at_end(key) {
            let day = Day::of_ms(number.made_ms());
            if day >= from && day <= to {
                numbers.push_back(number);
            }
        }
        if numbers.len() > GROUPS_PER_ANSWER_MAX {
            numbers.pop_front();
        }
        true
    })?;
    let mut found = Vec::with_capacity(numbers.len());
    for number in numbers {
        found.extend(view(rows, number, now_ms)?);
    }
    Ok(found)
}

fn app_day(rows: &impl Rows, app: AppNo, day: Day) -> Result<DayView, RowsError> {
    let key = keys::app_day(app, day);
    let sums = rows
        .row(Keyspace::DaySums, &key, Sums::decode)?
        .unwrap_or_default();
    let mut view = DayView {
        sums,
        ..DayView::default()
    };
    let prefix = app.0.to_be_bytes();
    rows.try_range(Keyspace::Presence, &prefix, &prefix, |key, value| {
        let Some(at) = keys::day_of(key) else {
            return Ok(true);
        };
        let presence = Presence::decode(value)?;
        if at > day {
            return Ok(false);
        }
        view.accumulated += presence.registered;
        if at == day {
            view.registered = presence.registered;
            view.active = presence.active;
            view.online_peak = presence.online_peak;
        }
        Ok(true)
    })?;
    Ok(view)
}

fn online(rows: &impl Rows, app: AppNo, now_ms: u64) -> Result<Vec<(u64, u64)>, RowsError> {
    let kept_ms = ONLINE_KEPT_MS - 3600 * 1000;
    let from = keys::online_at(app, now_ms.saturating_sub(kept_ms));
    let mut samples: Vec<(u64, u64)> = Vec::new();
    let prefix = app.0.to_be_bytes();
    rows.try_range(Keyspace::Online, &prefix, &from, |key, value| {
        if let Some(at_ms) = keys::online_of(key) {
            let count = Number::decode(value)?.value;
            match samples.last_mut() {
                Some((last_ms, sum)) if *last_ms == at_ms => *sum += count,
                _ => samples.push((at_ms, count)),
            }
        }
        Ok(true)
    })?;
    debug_assert!(samples.len() as u64 <= ONLINE_KEPT_MS / SAMPLE_INTERVAL_MS + 2);
    Ok(samples)
}

/// A receipt in its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueuedReceipt {
    /// Its place in the order.
    pub order: u64,
    /// What it tells.
    pub receipt: Receipt,
    /// What the message says, if it tells of a message of a device; else empty.
    pub body: Bytes,
}

/// Receipts in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReceiptPage {
    /// At most [`RECEIPTS_PER_ANSWER_MAX`], with at most [`RECEIPT_PIECES_PER_ANSWER_MAX`] pieces
    /// and those of one message more.
    pub receipts: Vec<QueuedReceipt>,
    /// Whether the page ends where it is full: there may be more.
    pub more: bool,
}

fn receipts(
    rows: &impl Rows,
    app: AppNo,
    after: u64,
    dead: bool,
) -> Result<ReceiptPage, RowsError> {
    let keyspace = if dead {
        Keyspace::DeadReceipt
    } else {
        Keyspace::Receipt
    };
    let (prefix, from) = (
        app.0.to_be_bytes(),
        keys::receipt(app, after.saturating_add(1)),
    );
    let mut found = Vec::new();
    let (mut pieces, mut more) = (0, false);
    rows.try_range(keyspace, &prefix, &from, |key, value| {
        if let Some(order) = keys::receipt_of(key) {
            let receipt = Receipt::decode(value)?;
            pieces += usize::from(receipt.pieces);
            found.push(QueuedReceipt {
                order,
                receipt,
                body: Bytes::new(),
            });
        }
        more = found.len() >= RECEIPTS_PER_ANSWER_MAX || pieces >= RECEIPT_PIECES_PER_ANSWER_MAX;
        Ok(!more)
    })?;
    for queued in found.iter_mut().filter(|queued| queued.receipt.pieces > 0) {
        let key = keys::receipt(app, queued.order);
        queued.body = body_under(rows, Keyspace::UpstreamBody, &key)?.unwrap_or_default();
    }
    Ok(ReceiptPage {
        receipts: found,
        more,
    })
}

/// The stages of the message of one client in one task; `None` if it has none.
fn message(
    rows: &impl Rows,
    app: AppNo,
    cid: ClientId,
    task_id: &str,
    under_way: &[(MessageId, u64)],
    now_ms: u64,
) -> Result<Option<MessageStages>, RowsError> {
    let found = match number_of_task(rows, app, task_id)? {
        Some(number) => message_of_group(rows, cid, number)?,
        None => message_of_task(rows, app, cid, task_id, now_ms)?,
    };
    let Some(found) = found else {
        return Ok(None);
    };
    let outcome = outcome(rows, cid, found.id)?;
    let sent_ms = under_way
        .iter()
        .find(|(id, _)| *id == found.id)
        .map(|(_, sent_ms)| *sent_ms);
    let mut stages = stages_of(
        found.accepted_ms,
        found.kept,
        found.status,
        outcome,
        sent_ms,
        found.expires_ms,
        now_ms,
    );
    stages.extend(stages_after(&acted(rows, cid, found.id)?));
    Ok(Some(stages))
}

struct Found {
    id: MessageId,
    status: StoredStatus,
    kept: bool,
    accepted_ms: u64,
    expires_ms: u64,
}

fn message_of_task(
    rows: &impl Rows,
    app: AppNo,
    cid: ClientId,
    task_id: &str,
    now_ms: u64,
) -> Result<Option<Found>, RowsError> {
    let key = keys::task(app, task_id);
    for day in days_back(now_ms) {
        let Some(task) = rows.row(Keyspace::Task(day), &key, Task::decode)? else {
            continue;
        };
        let target = task
            .targets
            .iter()
            .find(|target| target.cid == *cid.as_bytes());
        return Ok(target.map(|target| Found {
            id: MessageId(target.message),
            status: StoredStatus::from_number(target.status),
            kept: task.kept,
            accepted_ms: task.accepted_ms,
            expires_ms: task.expires_ms,
        }));
    }
    Ok(None)
}

/// A group push has no row per target: its message is found among those of the client, waiting or
/// ended.
fn message_of_group(
    rows: &impl Rows,
    cid: ClientId,
    number: GroupNo,
) -> Result<Option<Found>, RowsError> {
    let Some(group) = rows.row(Keyspace::Group, &keys::group(number), Group::decode)? else {
        return Ok(None);
    };
    // After a crash ids run ahead of the clock: they do not tell when a message was accepted.
    let found = |(id, accepted_ms): (MessageId, u64)| Found {
        id,
        status: StoredStatus::Offline,
        kept: group.kept,
        accepted_ms,
        expires_ms: group.expires_ms,
    };
    let client = keys::client(cid);
    let mut message = None;
    let day = Keyspace::Msg(Day::of_ms(group.expires_ms));
    rows.range(day, &client, &client, &mut |key, value| {
        let row = schema::record::MessageRef::decode(value);
        if let (Some((id, 0)), Ok(row)) = (keys::message_of(key), row)
            && row.group == number.0
        {
            message = Some((id, row.accepted_ms));
        }
        message.is_none()
    })?;
    if let Some(message) = message {
        return Ok(Some(found(message)));
    }
    let (first, last) = (group.start_ms, group.expires_ms.max(group.start_ms));
    for day in Day::of_ms(first).0..=Day::of_ms(last).0 {
        let keyspace = Keyspace::Outcome(Day(day));
        rows.range(keyspace, &client, &client, &mut |key, value| {
            let outcome = schema::record::Outcome::decode(value);
            if let (Some(id), Ok(outcome)) = (keys::outcome_of(key), outcome)
                && outcome.group == number.0
            {
                let sent_ms = Some(outcome.sent_ms).filter(|ms| *ms > 0);
                let known_ms = sent_ms.unwrap_or(outcome.final_ms);
                message = Some((id, made_ms(id).min(known_ms)));
            }
            message.is_none()
        })?;
        if let Some(message) = message {
            return Ok(Some(found(message)));
        }
    }
    Ok(None)
}

/// The text that a query of a schedule shows.
pub fn text_of(body: &Bytes) -> String {
    match schema::push::PushMessage::decode(body).map(|push| push.content) {
        Ok(schema::push::Content::Transmission(text)) => text,
        Ok(schema::push::Content::Notification(notification)) => notification.title,
        Ok(schema::push::Content::Revoke { old_task_id, .. }) => old_task_id,
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests;
