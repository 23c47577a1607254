//! Everything that changes lasting state; what shards hear of it stands in `committed`.

mod committed;

use protocol::{ClientId, DeviceInfo, Feedback, InstallId, MessageId, SilentTime, Upstream};
use schema::record::{App, Cursor, Device};

use crate::clock::Day;
use crate::command::{Push, Reach, Settling};
use crate::group::{Badge, GroupNo, GroupPush};
use crate::ids::{AppNo, SessionId, ShardNo, Ticket};
use crate::outbox::Final;
use crate::portable::PortableDevice;

pub use committed::{Accepted, Committed, Done, Failed, StoredMessage};

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

impl From<Ticket> for Origin {
    fn from(ticket: Ticket) -> Self {
        Origin::Ticket(ticket)
    }
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
    },
    /// Give a client exactly these tags.
    SetTags {
        /// Who waits.
        origin: Origin,
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
        origin: Origin,
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
        origin: Origin,
        /// The app of the CIDs.
        app: AppNo,
        /// The channel.
        kind: Box<str>,
        /// CID and token; an empty one is forgotten.
        tokens: Vec<(ClientId, Box<str>)>,
    },
    /// A device takes pushes from now on, or takes none.
    SwitchPush {
        /// Who waits.
        origin: Origin,
        /// The app of the CID.
        app: AppNo,
        /// The CID.
        cid: ClientId,
        /// Whether it takes them.
        on: bool,
    },
    /// A device says something of itself.
    Describe {
        /// Who waits.
        origin: Origin,
        /// The app of the CID.
        app: AppNo,
        /// The CID.
        cid: ClientId,
        /// What.
        facts: Facts,
    },
    /// What the user of a device did with its messages.
    Feedback {
        /// Who waits.
        origin: Origin,
        /// The app of the CID.
        app: AppNo,
        /// The CID.
        cid: ClientId,
        /// Each action once for each message.
        entries: Vec<Feedback>,
        /// Messages of them that the session was sent and that are not final, with the group push
        /// that each belongs to.
        under_way: Vec<(MessageId, GroupNo)>,
    },
    /// A device sends a message to its third party.
    TakeUpstream {
        /// The session that waits.
        session: SessionId,
        /// The app of the CID.
        app: AppNo,
        /// The CID.
        cid: ClientId,
        /// The message.
        message: Upstream,
    },
    /// The oldest receipts of an app are told, or given up.
    SettleReceipts {
        /// Who waits.
        ticket: Ticket,
        /// The app.
        app: AppNo,
        /// Everything up to this place in the order.
        upto: u64,
        /// What becomes of them.
        settling: Settling,
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
    /// The store was opened: note the format, raise the boot epoch.
    Boot {
        /// No device that is there registered later, in ms of Unix time.
        registered_by_ms: u64,
    },
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
            Op::Feedback { entries, .. } => entries.len() * 64 + 256,
            Op::TakeUpstream { message, .. } => message.body.len() + 1024,
            Op::Block { cids, .. } | Op::SetBadge { cids, .. } => cids.len() * 96 + 64,
            Op::BindTokens { tokens, .. } => tokens.len() * 128 + 64,
            Op::SettleReceipts { .. } | Op::ReplayReceipts { .. } => 64 * 1024,
            Op::Import { devices, .. } => devices.iter().map(PortableDevice::weight).sum(),
            Op::Sample { online, .. } => online.len() * 64 + 64,
            Op::Cursors { moves, finals } => moves.len() * 40 + finals.len() * 64,
            _ => 256,
        }
    }

    /// Whether the store grows by it. What only notes that something is over, or takes something
    /// away, does not, and goes on when the disk is nearly full.
    pub fn needs_room(&self) -> bool {
        !matches!(
            self,
            Op::Cursors { .. }
                | Op::UnbindAliases { .. }
                | Op::DropAlias { .. }
                | Op::DeleteApp { .. }
                | Op::ForgetDevices { .. }
                | Op::StopGroup { .. }
                | Op::Unschedule { .. }
                | Op::ChangeTag { add: false, .. }
                | Op::SettleReceipts { .. }
                | Op::Sample { .. }
                | Op::Boot { .. }
                | Op::DropDays(_)
        )
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

/// What a device says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Facts {
    /// Phone and app.
    Info(DeviceInfo),
    /// When it stays away.
    Silent(SilentTime),
}

/// How one message ended, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageEnd {
    /// Its device.
    pub cid: ClientId,
    /// The app of its device; `None` if it was deleted since.
    pub app: Option<AppNo>,
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

#[cfg(test)]
mod tests;
