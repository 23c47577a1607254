//! What shards hear once ops are durable, and what becomes of an op that the store refuses.

use bytes::Bytes;
use protocol::{ClientId, MessageId, UpstreamId, UpstreamStatus};
use schema::record::{App, Device};

use super::{ImportedDevice, Op, Origin};
use crate::apply::StoredStatus;
use crate::command::{Answer, TargetStatus};
use crate::devices::Switches;
use crate::group::{GroupNo, Running};
use crate::ids::{SessionId, Ticket};

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
    /// The group push that it belongs to.
    pub group: GroupNo,
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
    /// Targets that were ignored because as much waits for them as their app allows.
    pub failed: u32,
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
    /// To every shard: a push to an app begins.
    GroupBegins(Box<Running>),
    /// To every shard: nothing of a group push is sent any more.
    GroupStopped {
        /// Which.
        group: GroupNo,
        /// When its messages expire anyway, in ms of Unix time.
        expires_ms: u64,
    },
    /// To the first shard: a push waits for its time.
    GroupScheduled {
        /// Which.
        group: GroupNo,
        /// When it begins, in ms of Unix time.
        start_ms: u64,
    },
    /// To every shard: how many devices all shards together are to reach for a group push.
    GroupPaced {
        /// Which.
        group: GroupNo,
        /// The sum.
        total: u64,
    },
    /// To the owner of the CID: it has a tag from now on, or not any more.
    Tagged {
        /// The CID.
        cid: ClientId,
        /// The tag.
        tag: Box<str>,
        /// Whether it has it.
        has: bool,
    },
    /// To the owner of the CID: how it is switched from now on.
    Switched {
        /// The CID.
        cid: ClientId,
        /// Its switches.
        switches: Switches,
    },
    /// To the owner of the CID: the third party's server took a message of it, or it was given up.
    UpstreamEnded {
        /// The CID.
        cid: ClientId,
        /// The message.
        id: UpstreamId,
        /// Which of the two.
        status: UpstreamStatus,
    },
    /// To the owner of the CID: it was imported.
    Imported(Box<ImportedDevice>),
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
        /// False: the app to change does not exist, nothing was changed.
        known: bool,
    },
    /// `Op::ForgetDevices`.
    Forgotten {
        /// Who waits.
        ticket: Option<Ticket>,
        /// Which.
        cids: Vec<ClientId>,
    },
    /// Any op that ends with an answer and nothing else.
    Answered {
        /// Who waits.
        origin: Origin,
        /// The answer.
        answer: Box<Answer>,
    },
    /// `Op::TakeUpstream`.
    UpstreamTaken {
        /// Who waits.
        session: SessionId,
        /// The message.
        id: UpstreamId,
        /// Where it stands.
        status: UpstreamStatus,
    },
    /// `Op::StartGroup`: it has begun, or was deleted or stopped before.
    GroupStarted(GroupNo),
    /// `Op::BeginWalk`.
    WalkBegun,
    /// `Op::Fan`.
    Fanned {
        /// Which group push.
        group: GroupNo,
        /// Each device with its message; none if the group push was stopped meanwhile.
        reached: Vec<(ClientId, MessageId, StoredStatus)>,
        /// Whether the group push goes on.
        goes_on: bool,
    },
    /// `Op::Sample`.
    Sampled,
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
    /// A device waits for its message to the third party.
    Upstream(SessionId, UpstreamId),
    /// Somebody waits for the deletion of a device.
    Forgetting {
        /// Who.
        ticket: Ticket,
        /// Which device.
        cid: ClientId,
    },
    /// A walk, or the beginning of one.
    Walk(GroupNo),
    /// The beginning of a scheduled push.
    Start(GroupNo),
    /// Nobody waits.
    Nobody,
}

impl Op {
    /// What its submitter hears when the store refuses it.
    pub fn failed(&self) -> Done {
        Done::Failed(match self {
            Op::ForgetDevices {
                ticket: Some(ticket),
                cids,
            } => match cids.first() {
                Some(cid) => Failed::Forgetting {
                    ticket: *ticket,
                    cid: *cid,
                },
                None => Failed::Origin(Origin::Ticket(*ticket)),
            },
            Op::Accept { ticket, .. }
            | Op::CreateApp {
                ticket: Some(ticket),
                ..
            }
            | Op::ChangeApp { ticket, .. }
            | Op::DeleteApp { ticket, .. }
            | Op::TakeGroup { ticket, .. }
            | Op::PushList { ticket, .. }
            | Op::StopGroup { ticket, .. }
            | Op::Unschedule { ticket, .. }
            | Op::ChangeTag { ticket, .. }
            | Op::Block { ticket, .. }
            | Op::SettleReceipts { ticket, .. }
            | Op::ReplayReceipts { ticket, .. }
            | Op::Import { ticket, .. } => Failed::Origin(Origin::Ticket(*ticket)),
            Op::BeginWalk { group, .. } | Op::Fan { group, .. } => Failed::Walk(*group),
            Op::StartGroup(group) => Failed::Start(*group),
            Op::Register { session, .. } => Failed::Registration(*session),
            Op::TakeUpstream {
                session, message, ..
            } => Failed::Upstream(*session, message.id),
            Op::SetTags { origin, .. }
            | Op::SetBadge { origin, .. }
            | Op::BindTokens { origin, .. }
            | Op::SwitchPush { origin, .. }
            | Op::Describe { origin, .. }
            | Op::Feedback { origin, .. }
            | Op::BindAliases { origin, .. }
            | Op::UnbindAliases { origin, .. }
            | Op::DropAlias { origin, .. } => Failed::Origin(*origin),
            Op::Cursors { .. }
            | Op::CreateApp { ticket: None, .. }
            | Op::ForgetDevices { ticket: None, .. }
            | Op::Sample { .. }
            | Op::Boot { .. }
            | Op::DropDays(_) => Failed::Nobody,
        })
    }
}
