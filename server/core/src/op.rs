//! Everything that changes lasting state, and what a shard hears once it is durable.

use bytes::Bytes;
use protocol::{ClientId, InstallId, MessageId};
use schema::record::{App, Device};

use crate::clock::Day;
use crate::command::{Push, Reach, TargetStatus};
use crate::ids::{AppNo, SessionId, ShardNo, Ticket};
use crate::outbox::Final;

/// Who waits for an op.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A request of a third party.
    Ticket(Ticket),
    /// A command of a device, by its serial number and operation.
    Device {
        /// The session that sent it.
        session: SessionId,
        /// Its serial number.
        serial: u32,
        /// Its operation number.
        op: u8,
    },
}

/// One change of lasting state. Ops of one shard are committed in the order submitted.
#[derive(Debug, Clone, PartialEq)]
pub enum Op {
    /// Take a push: the row of its request id and its messages, or the first answer.
    Accept {
        /// Who waits.
        ticket: Ticket,
        /// The app that pushes.
        app: AppNo,
        /// Each target, with what its owner said of it.
        targets: Vec<(ClientId, Reach)>,
        /// What to push.
        push: Push,
    },
    /// Register a device, or find the CID that the same install id and secret have.
    Register {
        /// Who waits.
        session: SessionId,
        /// The CID to give if this is a new device.
        cid: ClientId,
        /// The row to write if this is a new device.
        device: Device,
    },
    /// Write down how far devices have got. Nobody waits: it may be lost in a crash.
    Cursors {
        /// One entry per device.
        moves: Vec<CursorMove>,
        /// What became final.
        finals: Vec<MessageEnd>,
    },
    /// Bind CIDs to aliases, all or none.
    BindAliases {
        /// Who waits.
        origin: Origin,
        /// The app of the CIDs.
        app: AppNo,
        /// Empty for the default type.
        alias_type: Box<str>,
        /// CID and alias.
        bindings: Vec<(ClientId, Box<str>)>,
    },
    /// Unbind exactly these pairs.
    UnbindAliases {
        /// Who waits.
        origin: Origin,
        /// The app of the CIDs.
        app: AppNo,
        /// Empty for the default type.
        alias_type: Box<str>,
        /// CID and alias.
        bindings: Vec<(ClientId, Box<str>)>,
    },
    /// Unbind every CID of an alias.
    DropAlias {
        /// Who waits.
        origin: Origin,
        /// The app of the alias.
        app: AppNo,
        /// Empty for the default type.
        alias_type: Box<str>,
        /// The alias.
        alias: Box<str>,
    },
    /// Create an app.
    CreateApp {
        /// Who waits; `None` at the first start.
        ticket: Option<Ticket>,
        /// The row, its number not yet set.
        app: App,
    },
    /// Replace an app that exists.
    ChangeApp {
        /// Who waits.
        ticket: Ticket,
        /// The row.
        app: App,
    },
    /// Delete an app. Its devices are forgotten by their owners afterwards.
    DeleteApp {
        /// Who waits.
        ticket: Ticket,
        /// The row.
        app: App,
    },
    /// Delete devices with everything that names them. Messages go with their day.
    ForgetDevices {
        /// Which; those that do not exist are passed over.
        cids: Vec<ClientId>,
    },
    /// The store was opened: check the format, raise the boot epoch.
    Boot,
    /// Drop days that ended before this day.
    DropDays(Day),
}

impl Op {
    /// Bytes of bodies it holds while it waits, for the bound on them.
    pub fn weight(&self) -> usize {
        match self {
            // The body is stored once for each target.
            Op::Accept { push, targets, .. } => (push.body.len() + 64) * targets.len().max(1),
            Op::BindAliases { bindings, .. } | Op::UnbindAliases { bindings, .. } => {
                bindings.len() * 64
            }
            Op::ForgetDevices { cids } => cids.len() * 64,
            Op::Cursors { moves, finals } => moves.len() * 40 + finals.len() * 64,
            _ => 256,
        }
    }

    /// Whether somebody is promised that it lasts. Only ops that may be lost are not synced.
    pub fn must_last(&self) -> bool {
        !matches!(self, Op::Cursors { .. } | Op::ForgetDevices { .. })
    }
}

/// How one message ended, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageEnd {
    /// Its device.
    pub cid: ClientId,
    /// How it ended.
    pub end: Final,
    /// When, in ms of Unix time.
    pub final_ms: u64,
}

/// How far one device has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CursorMove {
    /// The device.
    pub cid: ClientId,
    /// Everything up to this id is final for it.
    pub acked: MessageId,
    /// Its last login in ms of Unix time.
    pub last_login_ms: u64,
    /// When it was last heard of in ms of Unix time.
    pub last_seen_ms: u64,
}

/// A message whose commit is done, on its way to the owner of its CID.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredMessage {
    /// Its place in the order of its CID.
    pub id: MessageId,
    /// When it expires, in ms of Unix time.
    pub expires_ms: u64,
    /// Whether it rests in the store, or lives only in the session that it goes to (ttl -1).
    pub kept: bool,
    /// Whether the body is sealed.
    pub sealed: bool,
    /// The encoded `PushMessage`.
    pub body: Bytes,
}

/// A pushed task as its third party hears of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The task of the first request with this id.
    pub task_id: Box<str>,
    /// Each target with its word.
    pub targets: Vec<(ClientId, TargetStatus)>,
    /// Targets that were ignored because their device takes no pushes.
    pub filtered: u32,
    /// Targets that were ignored because they were offline and the push may not wait.
    pub expired: u32,
    /// Whether this is the answer to an earlier request with the same id.
    pub repeated: bool,
}

/// What a shard hears of commits, in commit order.
#[derive(Debug, Clone, PartialEq)]
pub enum Committed {
    /// To the owner of the CID: a message is durable.
    Stored {
        /// The target.
        cid: ClientId,
        /// The message.
        message: StoredMessage,
    },
    /// To every shard: an app was created or changed.
    App(App),
    /// To every shard: an app was deleted.
    AppGone(App),
    /// To the submitter, once for each of its ops, in the order submitted.
    Done(Done),
}

/// How one op ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Done {
    /// `Op::Accept`.
    Accepted {
        /// Who waits.
        ticket: Ticket,
        /// The answer.
        accepted: Accepted,
    },
    /// `Op::Register`.
    Registered {
        /// Who waits.
        session: SessionId,
        /// The CID, new or old.
        cid: ClientId,
        /// The new row; `None` when the device was known.
        new: Option<Device>,
    },
    /// `Op::Cursors`.
    Cursors,
    /// `Op::BindAliases`, `Op::UnbindAliases`, `Op::DropAlias`.
    Aliases {
        /// Who waits.
        origin: Origin,
        /// False: a CID is unknown or of another app, nothing was changed.
        known: bool,
    },
    /// `Op::CreateApp`.
    AppCreated {
        /// Who waits.
        ticket: Option<Ticket>,
        /// The row with its number.
        app: App,
    },
    /// `Op::ChangeApp`, `Op::DeleteApp`.
    AppChanged {
        /// Who waits.
        ticket: Ticket,
    },
    /// `Op::ForgetDevices`.
    Forgotten,
    /// `Op::Boot`.
    Booted {
        /// The new boot epoch.
        epoch: u32,
    },
    /// `Op::DropDays`.
    DaysDropped {
        /// Messages that were never acknowledged and are gone with their day.
        expired: u64,
    },
    /// The store refused the op; nothing of it lasts.
    Failed(Failed),
}

/// Whose op failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failed {
    /// A third party or a device waits for an answer.
    Origin(Origin),
    /// A device waits for its registration.
    Registration(SessionId),
    /// Nobody waits.
    Nobody,
}

impl Op {
    /// What its submitter hears when the store refuses it.
    pub fn failed(&self) -> Done {
        Done::Failed(match self {
            Op::Accept { ticket, .. } => Failed::Origin(Origin::Ticket(*ticket)),
            Op::CreateApp {
                ticket: Some(ticket),
                ..
            } => Failed::Origin(Origin::Ticket(*ticket)),
            Op::ChangeApp { ticket, .. } | Op::DeleteApp { ticket, .. } => {
                Failed::Origin(Origin::Ticket(*ticket))
            }
            Op::Register { session, .. } => Failed::Registration(*session),
            Op::BindAliases { origin, .. }
            | Op::UnbindAliases { origin, .. }
            | Op::DropAlias { origin, .. } => Failed::Origin(*origin),
            Op::Cursors { .. }
            | Op::CreateApp { ticket: None, .. }
            | Op::ForgetDevices { .. }
            | Op::Boot
            | Op::DropDays(_) => Failed::Nobody,
        })
    }
}

/// An install id and the hash of its secret, as they stand in a device row.
pub fn install_of(device: &Device) -> (AppNo, InstallId, [u8; 32]) {
    (
        AppNo(device.app),
        InstallId::from_bytes(device.install),
        device.secret_hash,
    )
}

/// One op with the shard that hears how it ended.
#[derive(Debug, Clone)]
pub struct Submitted {
    /// The submitter.
    pub shard: ShardNo,
    /// The op.
    pub op: Op,
}
