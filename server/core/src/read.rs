//! What shards read from the store, performed by reader threads; no shard waits for the disk.
//!
//! Pure over [`Rows`], so the simulation reads with the same code.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use bytes::{Bytes, BytesMut};
use protocol::{ClientId, MessageId};
use schema::record::{AliasOfClient, Binding, MessageRef};

use crate::alias_name::TypedAlias;
use crate::clock::Day;
use crate::command::Answer;
use crate::group::GroupNo;
use crate::history::{DeviceHistory, TaskHistory, device_history, task_history};
use crate::ids::{AppNo, SessionId, Ticket};
use crate::keys;
use crate::limits::{PAGE_BYTES_MAX, PAGE_LEN_MAX};
use crate::op::Origin;
use crate::op::StoredMessage;
use crate::report::{self, Question};
use crate::rows::{Keyspace, Rows, RowsError};

/// One read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Read {
    /// The messages of a CID after an id, in order.
    Backlog {
        /// Who reads.
        session: SessionId,
        /// Whose messages.
        cid: ClientId,
        /// Only ids above this one.
        after: MessageId,
        /// Messages that expired by then come without a body.
        now_ms: u64,
    },
    /// The CIDs of an alias.
    CidsOfAlias {
        /// Who waits.
        ticket: Ticket,
        /// The app.
        app: AppNo,
        /// Empty for the default type.
        alias_type: Box<str>,
        /// The alias.
        alias: Box<str>,
    },
    /// The alias of a CID.
    AliasOfCid {
        /// Who waits.
        ticket: Ticket,
        /// The CID.
        cid: ClientId,
        /// Empty for the default type.
        alias_type: Box<str>,
    },
    /// Everything about a device.
    Device {
        /// Who waits.
        ticket: Ticket,
        /// The CID.
        cid: ClientId,
        /// The time, in ms of Unix time.
        now_ms: u64,
    },
    /// Everything about a task.
    Task {
        /// Who waits.
        ticket: Ticket,
        /// Its app.
        app: AppNo,
        /// Its name.
        task_id: Box<str>,
        /// The time, in ms of Unix time.
        now_ms: u64,
    },
    /// Whatever else a third party, or a device, asks that stands in rows.
    Ask {
        /// Who waits.
        origin: Origin,
        /// The app that asks.
        app: AppNo,
        /// What it asks.
        question: Question,
        /// The time, in ms of Unix time.
        now_ms: u64,
    },
}

/// A run of stored messages of one CID.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// In order of their ids, without holes.
    pub messages: Vec<StoredMessage>,
    /// Nothing above the last one was stored when the read was made.
    pub complete: bool,
}

/// The result of one read.
#[derive(Debug, Clone, PartialEq)]
pub enum ReadDone {
    /// `Read::Backlog`.
    Backlog {
        /// Who reads.
        session: SessionId,
        /// What was found, or that the store could not read.
        page: Result<Page, RowsError>,
    },
    /// `Read::CidsOfAlias`.
    Cids {
        /// Who waits.
        ticket: Ticket,
        /// Oldest binding first.
        cids: Result<Vec<ClientId>, RowsError>,
    },
    /// `Read::AliasOfCid`.
    Alias {
        /// Who waits.
        ticket: Ticket,
        /// The alias, if there is one.
        alias: Result<Option<Box<str>>, RowsError>,
    },
    /// `Read::Device`.
    Device {
        /// Who waits.
        ticket: Ticket,
        /// The device, if it is registered.
        history: Result<Option<Box<DeviceHistory>>, RowsError>,
    },
    /// `Read::Task`.
    Task {
        /// Who waits.
        ticket: Ticket,
        /// The task, if it is known.
        history: Result<Option<Box<TaskHistory>>, RowsError>,
    },
    /// `Read::Ask`.
    Asked {
        /// Who waits.
        origin: Origin,
        /// What the rows say.
        answer: Result<Box<Answer>, RowsError>,
    },
}

impl ReadDone {
    /// Why the read failed, if it did.
    pub fn error(&self) -> Option<&RowsError> {
        match self {
            ReadDone::Backlog { page, .. } => page.as_ref().err(),
            ReadDone::Cids { cids, .. } => cids.as_ref().err(),
            ReadDone::Alias { alias, .. } => alias.as_ref().err(),
            ReadDone::Device { history, .. } => history.as_ref().err(),
            ReadDone::Task { history, .. } => history.as_ref().err(),
            ReadDone::Asked { answer, .. } => answer.as_ref().err(),
        }
    }
}

impl Read {
    /// What its asker hears when the store cannot even be looked at.
    pub fn refused(self, error: RowsError) -> ReadDone {
        match self {
            Read::Backlog { session, .. } => ReadDone::Backlog {
                session,
                page: Err(error),
            },
            Read::CidsOfAlias { ticket, .. } => ReadDone::Cids {
                ticket,
                cids: Err(error),
            },
            Read::AliasOfCid { ticket, .. } => ReadDone::Alias {
                ticket,
                alias: Err(error),
            },
            Read::Device { ticket, .. } => ReadDone::Device {
                ticket,
                history: Err(error),
            },
            Read::Task { ticket, .. } => ReadDone::Task {
                ticket,
                history: Err(error),
            },
            Read::Ask { origin, .. } => ReadDone::Asked {
                origin,
                answer: Err(error),
            },
        }
    }
}

/// Performs a read.
pub fn perform(read: Read, rows: &impl Rows) -> ReadDone {
    match read {
        Read::Backlog {
            session,
            cid,
            after,
            now_ms,
        } => ReadDone::Backlog {
            session,
            page: backlog(rows, cid, after, now_ms),
        },
        Read::CidsOfAlias {
            ticket,
            app,
            alias_type,
            alias,
        } => ReadDone::Cids {
            ticket,
            cids: cids_of_alias(rows, app, &alias_type, &alias),
        },
        Read::AliasOfCid {
            ticket,
            cid,
            alias_type,
        } => ReadDone::Alias {
            ticket,
            alias: alias_of_cid(rows, cid, &alias_type),
        },
        Read::Device {
            ticket,
            cid,
            now_ms,
        } => ReadDone::Device {
            ticket,
            history: device_history(rows, cid, now_ms).map(|found| found.map(Box::new)),
        },
        Read::Task {
            ticket,
            app,
            task_id,
            now_ms,
        } => ReadDone::Task {
            ticket,
            history: task_history(rows, app, &task_id, now_ms).map(|found| found.map(Box::new)),
        },
        Read::Ask {
            origin,
            app,
            question,
            now_ms,
        } => ReadDone::Asked {
            origin,
            answer: report::answer(rows, app, question, now_ms).map(Box::new),
        },
    }
}

/// The messages of `cid` above `after`, at most a page of them.
pub fn backlog(
    rows: &impl Rows,
    cid: ClientId,
    after: MessageId,
    now_ms: u64,
) -> Result<Page, RowsError> {
    let mut page = Page {
        messages: Vec::new(),
        complete: true,
    };
    // An id above this one may be missing a neighbour from a day that was cut short.
    let mut whole_upto = MessageId(u64::MAX);
    for day in rows.message_days() {
        let mut run = run_of_day(rows, day, cid, after, now_ms)?;
        lend_bodies(rows, day, cid, &mut run.messages, now_ms)?;
        if !run.complete {
            page.complete = false;
            if let Some(last) = run.messages.last() {
                whole_upto = whole_upto.min(last.id);
            }
        }
        page.messages.append(&mut run.messages);
    }
    page.messages.sort_by_key(|message| message.id);
    page.messages.retain(|message| message.id <= whole_upto);
    let mut bytes = 0;
    let mut fits = 0;
    for message in &page.messages {
        bytes += message.body.len();
        if fits > 0 && (fits == PAGE_LEN_MAX || bytes > PAGE_BYTES_MAX) {
            page.complete = false;
            break;
        }
        fits += 1;
    }
    page.messages.truncate(fits);
    Ok(page)
}

/// Gives the messages of group pushes the bodies that lie there. What has expired needs none.
fn lend_bodies(
    rows: &impl Rows,
    day: Day,
    cid: ClientId,
    messages: &mut [StoredMessage],
    now_ms: u64,
) -> Result<(), RowsError> {
    let mut bodies: BTreeMap<GroupNo, Bytes> = BTreeMap::new();
    for message in messages {
        if message.group == GroupNo::NONE || message.expires_ms <= now_ms {
            continue;
        }
        let body = match bodies.entry(message.group) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                let body = group_body(rows, day, message.group)?;
                new.insert(body.ok_or_else(|| bodiless(day, cid, message.id))?)
            }
        };
        message.body = body.clone();
    }
    Ok(())
}

/// A message is only written where its body is, and both go with their day: it is the message that
/// points at nothing.
fn bodiless(day: Day, cid: ClientId, id: MessageId) -> RowsError {
    let source = schema::SchemaError::missing("message", "the body of its group push is gone");
    RowsError::damaged(Keyspace::Msg(day), &keys::message(cid, id, 0))(source)
}

/// The body of a group push that expires on this day; `None` once its day is dropped.
pub fn group_body(rows: &impl Rows, day: Day, group: GroupNo) -> Result<Option<Bytes>, RowsError> {
    body_under(rows, Keyspace::Body(day), &keys::group(group))
}

/// A body that lies in pieces under this key; `None` if there is no piece of it.
pub fn body_under(
    rows: &impl Rows,
    keyspace: Keyspace,
    key: &[u8],
) -> Result<Option<Bytes>, RowsError> {
    let mut body = None;
    rows.range(keyspace, key, key, &mut |_, piece| {
        body.get_or_insert_with(BytesMut::new)
            .extend_from_slice(piece);
        true
    })?;
    Ok(body.map(BytesMut::freeze))
}

fn run_of_day(
    rows: &impl Rows,
    day: Day,
    cid: ClientId,
    after: MessageId,
    now_ms: u64,
) -> Result<Page, RowsError> {
    let keyspace = Keyspace::Msg(day);
    let from = keys::message(cid, MessageId(after.0.saturating_add(1)), 0);
    let mut run = Run {
        page: Page {
            messages: Vec::new(),
            complete: true,
        },
        open: None,
        bytes: 0,
    };
    let mut failed = None;
    rows.range(
        keyspace,
        &keys::client(cid),
        &from,
        &mut |key, value| match run.row(key, value, now_ms) {
            Ok(more) => more,
            Err(source) => {
                let key = run
                    .broken()
                    .map_or_else(|| key.to_vec(), |id| keys::message(cid, id, 0));
                failed = Some(RowsError::Damaged {
                    keyspace,
                    key,
                    source,
                });
                false
            }
        },
    )?;
    if let Some(error) = failed {
        return Err(error);
    }
    let broken = run.broken().unwrap_or(after);
    run.finish()
        .map_err(RowsError::damaged(keyspace, &keys::message(cid, broken, 0)))
}

struct Run {
    page: Page,
    open: Option<Open>,
    bytes: usize,
}

struct Open {
    id: MessageId,
    expires_ms: u64,
    sealed: bool,
    group: GroupNo,
    pieces: u16,
    seen: u16,
    body: BytesMut,
}

impl Run {
    /// Takes one row; false when the page is full.
    fn row(&mut self, key: &[u8], value: &[u8], now_ms: u64) -> Result<bool, schema::SchemaError> {
        let Some((id, piece)) = keys::message_of(key) else {
            return Err(schema::SchemaError::missing("message", "its key has no id"));
        };
        if piece == 0 {
            self.close()?;
            if self.page.messages.len() >= PAGE_LEN_MAX
                || (self.bytes >= PAGE_BYTES_MAX && !self.page.messages.is_empty())
            {
                self.page.complete = false;
                return Ok(false);
            }
            let row = MessageRef::decode(value)?;
            let body = if row.expires_ms <= now_ms {
                BytesMut::new()
            } else {
                BytesMut::from(row.body)
            };
            self.open = Some(Open {
                id,
                expires_ms: row.expires_ms,
                sealed: row.sealed,
                group: GroupNo(row.group),
                pieces: row.pieces,
                seen: 1,
                body,
            });
        } else if let Some(open) = &mut self.open
            && open.id == id
            && u16::from(piece) == open.seen
        {
            open.seen += 1;
            if open.expires_ms > now_ms {
                open.body.extend_from_slice(value);
            }
        } else {
            return Err(schema::SchemaError::missing(
                "message",
                "a piece stands alone",
            ));
        }
        Ok(true)
    }

    /// The message that lacks pieces, as far as it was read: the row behind it is not to blame.
    fn broken(&self) -> Option<MessageId> {
        let open = self.open.as_ref();
        open.filter(|open| open.seen != open.pieces)
            .map(|open| open.id)
    }

    fn close(&mut self) -> Result<(), schema::SchemaError> {
        if self.broken().is_some() {
            return Err(schema::SchemaError::missing("message", "a piece is gone"));
        }
        let Some(open) = self.open.take() else {
            return Ok(());
        };
        self.bytes += open.body.len();
        self.page.messages.push(StoredMessage {
            id: open.id,
            expires_ms: open.expires_ms,
            kept: true,
            sealed: open.sealed,
            group: open.group,
            body: open.body.freeze(),
        });
        Ok(())
    }

    fn finish(mut self) -> Result<Page, schema::SchemaError> {
        self.close()?;
        Ok(self.page)
    }
}

/// The CIDs of an alias, oldest binding first.
pub fn cids_of_alias(
    rows: &impl Rows,
    app: AppNo,
    alias_type: &str,
    alias: &str,
) -> Result<Vec<ClientId>, RowsError> {
    let prefix = keys::alias(app, alias_type, alias);
    let mut bound = Vec::new();
    rows.try_range(Keyspace::Alias, &prefix, &prefix, |key, value| {
        let binding = Binding::decode(value)?;
        if let Some(cid) = keys::bound_cid(key) {
            bound.push((binding.order, cid));
        }
        Ok(true)
    })?;
    bound.sort_unstable();
    Ok(bound.into_iter().map(|(_, cid)| cid).collect())
}

/// All aliases of a CID, in the order of their types.
pub fn aliases_of_cid(rows: &impl Rows, cid: ClientId) -> Result<Vec<TypedAlias>, RowsError> {
    let prefix = keys::client(cid);
    let mut found: Vec<TypedAlias> = Vec::new();
    rows.try_range(Keyspace::ClientAlias, &prefix, &prefix, |key, value| {
        let row = AliasOfClient::decode(value)?;
        found.push((keys::alias_type_of(key).into(), row.alias.into()));
        Ok(true)
    })?;
    Ok(found)
}

/// The alias of a CID.
pub fn alias_of_cid(
    rows: &impl Rows,
    cid: ClientId,
    alias_type: &str,
) -> Result<Option<Box<str>>, RowsError> {
    let key = keys::client_alias(cid, alias_type);
    let row = rows.row(Keyspace::ClientAlias, &key, AliasOfClient::decode)?;
    Ok(row.map(|row| row.alias.into()))
}

#[cfg(test)]
mod tests;
