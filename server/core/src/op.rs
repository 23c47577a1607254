//! Everything that changes lasting state, and what a shard hears once it is durable.

use bytes::Bytes;
use protocol::{ClientId, InstallId, MessageId};
use schema::record::{App, Cursor, Device, OfflineLimits};

use crate::apply::StoredStatus;
use crate::clock::Day;
use crate::command::{Answer, Push, Reach, TargetStatus};
use crate::group::{Badge, GroupNo, GroupPush, Running};
use crate::ids::{AppNo, SessionId, ShardNo, Ticket};
use crate::outbox::Final;
use crate::portable::PortableDevice;

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
        /// What its app is set to.
        rules: AppRules,
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
        /// Who waits, if it is the deletion of one device.
        ticket: Option<Ticket>,
        /// Which; those that do not exist are passed over.
        cids: Vec<ClientId>,
    },
    /// Take a push to many: the row of its request id, itself and its body, or the first task.
    TakeGroup {
        /// Who waits.
        ticket: Ticket,
        /// The app that pushes.
        app: AppNo,
        /// What to push to whom.
        push: GroupPush,
    },
    /// Push the message of a list.
    PushList {
        /// Who waits.
        ticket: Ticket,
        /// The app that pushes.
        app: AppNo,
        /// The list.
        task_id: Box<str>,
        /// Each target, with what its owner said of it.
        targets: Vec<(ClientId, Reach)>,
        /// What its app is set to.
        rules: AppRules,
    },
    /// Stop a list or an app push.
    StopGroup {
        /// Who waits.
        ticket: Ticket,
        /// Its app.
        app: AppNo,
        /// Its task.
        task_id: Box<str>,
    },
    /// Delete a scheduled push.
    Unschedule {
        /// Who waits.
        ticket: Ticket,
        /// Its app.
        app: AppNo,
        /// Its task.
        task_id: Box<str>,
    },
    /// The time of a scheduled push has come.
    StartGroup(GroupNo),
    /// The submitter begins to walk for a group push that has a speed.
    BeginWalk {
        /// Which.
        group: GroupNo,
        /// How many devices it is to reach.
        len: u64,
    },
    /// The submitter reaches its next devices for a group push.
    Fan {
        /// Which.
        group: GroupNo,
        /// Each device, with how it can be reached.
        targets: Vec<(ClientId, Reach)>,
        /// Everything up to here is reached with it.
        upto: ClientId,
        /// Whether nothing is left behind them.
        done: bool,
        /// What its app is set to.
        rules: AppRules,
    },
    /// Give a client exactly these tags.
    SetTags {
        /// Who waits.
        ticket: Ticket,
        /// The app of the CID.
        app: AppNo,
        /// The CID.
        cid: ClientId,
        /// In order, each once.
        tags: Vec<Box<str>>,
    },
    /// Add a tag to clients, or take it from them.
    ChangeTag {
        /// Who waits.
        ticket: Ticket,
        /// The app of the CIDs.
        app: AppNo,
        /// The tag.
        tag: Box<str>,
        /// The CIDs.
        cids: Vec<ClientId>,
        /// Whether it is added.
        add: bool,
    },
    /// Black-list clients or take them off the list, all or none.
    Block {
        /// Who waits.
        ticket: Ticket,
        /// The app of the CIDs.
        app: AppNo,
        /// The CIDs.
        cids: Vec<ClientId>,
        /// Whether they are on the list from now on.
        blocked: bool,
    },
    /// Change badges, all or none.
    SetBadge {
        /// Who waits.
        ticket: Ticket,
        /// The app of the CIDs.
        app: AppNo,
        /// The CIDs.
        cids: Vec<ClientId>,
        /// The change.
        badge: Badge,
    },
    /// Keep tokens of a vendor channel, all or none.
    BindTokens {
        /// Who waits.
        ticket: Ticket,
        /// The app of the CIDs.
        app: AppNo,
        /// The channel.
        kind: Box<str>,
        /// CID and token; an empty one is forgotten.
        tokens: Vec<(ClientId, Box<str>)>,
    },
    /// The oldest receipts of an app are told, or given up.
    SettleReceipts {
        /// Who waits.
        ticket: Ticket,
        /// The app.
        app: AppNo,
        /// Everything up to this place in the order.
        upto: u64,
        /// Given up: kept aside to be looked at and replayed.
        dead: bool,
    },
    /// Receipts that were given up are to be told again.
    ReplayReceipts {
        /// Who waits.
        ticket: Ticket,
        /// The app.
        app: AppNo,
    },
    /// Take devices over from elsewhere, each with everything that is said of it.
    Import {
        /// Who waits.
        ticket: Ticket,
        /// The app that they are of from now on.
        app: AppNo,
        /// The devices.
        devices: Vec<PortableDevice>,
    },
    /// How many devices of each app are online at the submitter.
    Sample {
        /// At what time, in ms of Unix time: a multiple of the interval of samples.
        at_ms: u64,
        /// Apps with their counts.
        online: Vec<(AppNo, u64)>,
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
            Op::ForgetDevices { cids, .. } | Op::ChangeTag { cids, .. } => cids.len() * 64,
            Op::TakeGroup { push, .. } => push.body.len() + 1024,
            // A message of a group is a row that points at the body.
            Op::PushList { targets, .. } => targets.len() * 96 + 256,
            Op::Fan { targets, .. } => targets.len() * 96,
            Op::SetTags { tags, .. } => tags.len() * 64 + 256,
            Op::Block { cids, .. } | Op::SetBadge { cids, .. } => cids.len() * 96 + 64,
            Op::BindTokens { tokens, .. } => tokens.len() * 128 + 64,
            Op::SettleReceipts { .. } | Op::ReplayReceipts { .. } => 64 * 1024,
            Op::Import { devices, .. } => devices.iter().map(PortableDevice::weight).sum(),
            Op::Sample { online, .. } => online.len() * 64 + 64,
            Op::Cursors { moves, finals } => moves.len() * 40 + finals.len() * 64,
            _ => 256,
        }
    }

    /// Whether somebody is promised that it lasts. Only ops that may be lost are not synced.
    pub fn must_last(&self) -> bool {
        !matches!(
            self,
            Op::Cursors { .. }
                | Op::ForgetDevices { ticket: None, .. }
                | Op::BeginWalk { .. }
                | Op::Sample { .. }
        )
    }
}

/// What a commit has to know of the settings of an app, by the word of the submitter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AppRules {
    /// Whether the developer's server hears of its messages.
    pub receipts: bool,
    /// What may wait for one of its devices that is offline.
    pub offline: OfflineLimits,
}

/// How one message ended, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageEnd {
    /// Its device.
    pub cid: ClientId,
    /// The app of its device; `None` if it was deleted since.
    pub app: Option<AppNo>,
    /// Whether the developer's server hears of it.
    pub told: bool,
    /// How it ended.
    pub end: Final,
    /// When, in ms of Unix time.
    pub final_ms: u64,
}

/// A device that was imported, as its owner hears of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedDevice {
    /// The CID.
    pub cid: ClientId,
    /// Its row from now on.
    pub device: Device,
    /// Where it begins, if it was not known before.
    pub cursor: Option<Cursor>,
    /// Tags that it has no more.
    pub tags_gone: Vec<Box<str>>,
    /// Tags that it has from now on.
    pub tags_new: Vec<Box<str>>,
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
    /// Its app, if its last login was its first of that day.
    pub active: Option<AppNo>,
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
    /// To the owner of the CID: whether it takes no pushes from now on.
    Muted {
        /// The CID.
        cid: ClientId,
        /// Whether it is switched off or black-listed.
        muted: bool,
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
        /// False: the app to change does not exist, nothing was changed.
        known: bool,
    },
    /// `Op::ForgetDevices`.
    Forgotten {
        /// Who waits.
        ticket: Option<Ticket>,
    },
    /// Any op of a third party that ends with an answer and nothing else.
    Answered {
        /// Who waits.
        ticket: Ticket,
        /// The answer.
        answer: Box<Answer>,
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
            Op::Accept { ticket, .. } => Failed::Origin(Origin::Ticket(*ticket)),
            Op::CreateApp {
                ticket: Some(ticket),
                ..
            } => Failed::Origin(Origin::Ticket(*ticket)),
            Op::ChangeApp { ticket, .. } | Op::DeleteApp { ticket, .. } => {
                Failed::Origin(Origin::Ticket(*ticket))
            }
            Op::ForgetDevices {
                ticket: Some(ticket),
                ..
            }
            | Op::TakeGroup { ticket, .. }
            | Op::PushList { ticket, .. }
            | Op::StopGroup { ticket, .. }
            | Op::Unschedule { ticket, .. }
            | Op::SetTags { ticket, .. }
            | Op::ChangeTag { ticket, .. }
            | Op::Block { ticket, .. }
            | Op::SetBadge { ticket, .. }
            | Op::BindTokens { ticket, .. }
            | Op::SettleReceipts { ticket, .. }
            | Op::ReplayReceipts { ticket, .. }
            | Op::Import { ticket, .. } => Failed::Origin(Origin::Ticket(*ticket)),
            Op::BeginWalk { group, .. } | Op::Fan { group, .. } => Failed::Walk(*group),
            Op::StartGroup(group) => Failed::Start(*group),
            Op::Register { session, .. } => Failed::Registration(*session),
            Op::BindAliases { origin, .. }
            | Op::UnbindAliases { origin, .. }
            | Op::DropAlias { origin, .. } => Failed::Origin(*origin),
            Op::Cursors { .. }
            | Op::CreateApp { ticket: None, .. }
            | Op::ForgetDevices { ticket: None, .. }
            | Op::Sample { .. }
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
