//! What the ingress can ask of a shard, already validated, and what it can be answered.
//!
//! A [`Command`] cannot be wrong in form: lengths, characters and counts were checked at the
//! border. Whether a CID exists, belongs to the app or is online is decided by its shard.

use bytes::Bytes;
use protocol::{ClientId, FeedbackVerdict};
use schema::record::App;

use crate::clock::Day;
use crate::group::{
    Audience, Badge, ClientDetail, DayView, GroupPush, GroupView, MessageStages, TagTerm,
};
use crate::history::{DeviceHistory, LiveSession, TaskHistory};
use crate::ids::AppNo;
use crate::portable::{DevicePage, Imported, PortableDevice};
use crate::report::ReceiptPage;

/// One request to one shard.
#[derive(Debug, Clone)]
pub enum Command {
    /// One task for one CID. Goes to the CID's owner.
    PushSingle {
        /// The app that pushes; the CID must belong to it.
        app: AppNo,
        /// The target.
        cid: ClientId,
        /// What to push.
        push: Push,
    },
    /// One task for several CIDs whose reach was probed before. Goes to the home of its request id.
    PushMany {
        /// The app that pushes.
        app: AppNo,
        /// The targets, each with what its owner said of it.
        targets: Vec<(ClientId, Reach)>,
        /// What to push.
        push: Push,
    },
    /// Which of these CIDs exist in the app, and how a push would reach them now. Goes to the
    /// owner of all of them.
    Probe {
        /// The app that asks.
        app: AppNo,
        /// CIDs of one shard.
        cids: Vec<ClientId>,
    },
    /// Take the message of a list, or a push to an app, a tag or conditions. Goes to the home of its
    /// request id, or of its task id without one.
    PushGroup {
        /// The app that pushes.
        app: AppNo,
        /// What to push to whom.
        push: GroupPush,
    },
    /// Push the message of a list to CIDs whose reach was probed before. Goes to the home of the
    /// task id.
    PushList {
        /// The app that pushes.
        app: AppNo,
        /// The list.
        task_id: Box<str>,
        /// The targets, each with what its owner said of it.
        targets: Vec<(ClientId, Reach)>,
    },
    /// End a list or a running push: nothing of it is sent any more. Goes to any shard.
    StopGroup {
        /// The app that asks.
        app: AppNo,
        /// The task.
        task_id: Box<str>,
    },
    /// Delete a scheduled push that has not begun and does not within a minute. Goes to any shard.
    Unschedule {
        /// The app that asks.
        app: AppNo,
        /// The task.
        task_id: Box<str>,
    },
    /// What the rows say of group pushes. Goes to any shard.
    Groups {
        /// The app that asks.
        app: AppNo,
        /// The tasks; those that do not exist are left out of the answer.
        task_ids: Vec<Box<str>>,
    },
    /// What the rows say of all tasks of a group name that were accepted on these days. Goes to
    /// any shard.
    GroupsByName {
        /// The app that asks.
        app: AppNo,
        /// The name.
        group_name: Box<str>,
        /// The first day.
        from: Day,
        /// The last day.
        to: Day,
    },
    /// What one day of an app came to. Goes to any shard.
    AppDay {
        /// The app that asks.
        app: AppNo,
        /// The day.
        day: Day,
    },
    /// How many devices of an app were online, by samples of the last 24 hours. Goes to any shard.
    OnlineSamples {
        /// The app that asks.
        app: AppNo,
    },
    /// The message of one device in one task. Goes to the CID's owner.
    MessageDetail {
        /// The app that asks.
        app: AppNo,
        /// The CID.
        cid: ClientId,
        /// The task.
        task_id: Box<str>,
    },
    /// How many devices of this shard an audience has. Goes to every shard.
    CountAudience {
        /// The app that asks.
        app: AppNo,
        /// The audience.
        audience: Audience,
    },
    /// Which of these CIDs have tags as their terms say. Goes to the owner of all of them.
    MatchTags {
        /// The app that asks.
        app: AppNo,
        /// CIDs of one shard with their terms.
        terms: Vec<(ClientId, TagTerm)>,
    },
    /// Give a CID exactly these tags. Goes to the CID's owner.
    SetTags {
        /// The app that asks.
        app: AppNo,
        /// The CID.
        cid: ClientId,
        /// The tags, in order, each once.
        tags: Vec<Box<str>>,
    },
    /// Add a tag to CIDs, or take it from them. Goes to any shard.
    ChangeTag {
        /// The app that asks.
        app: AppNo,
        /// The tag.
        tag: Box<str>,
        /// The CIDs.
        cids: Vec<ClientId>,
        /// Whether it is added.
        add: bool,
    },
    /// The tags of a CID. Goes to the CID's owner.
    TagsOfCid {
        /// The app that asks.
        app: AppNo,
        /// The CID.
        cid: ClientId,
    },
    /// Black-list CIDs, or take them off the list, all or none. Goes to any shard.
    Block {
        /// The app that asks.
        app: AppNo,
        /// The CIDs.
        cids: Vec<ClientId>,
        /// Whether they are on the list from now on.
        blocked: bool,
    },
    /// Change the badges of CIDs, all or none. Goes to any shard.
    SetBadge {
        /// The app that asks.
        app: AppNo,
        /// The CIDs.
        cids: Vec<ClientId>,
        /// The change.
        badge: Badge,
    },
    /// Keep the tokens of a vendor channel, all or none; an empty one is forgotten. Goes to any
    /// shard.
    BindTokens {
        /// The app that asks.
        app: AppNo,
        /// The channel.
        kind: Box<str>,
        /// CID and token.
        tokens: Vec<(ClientId, Box<str>)>,
    },
    /// What is known of CIDs; those that do not exist in the app are left out. Goes to the owner
    /// of all of them.
    Details {
        /// The app that asks.
        app: AppNo,
        /// CIDs of one shard.
        cids: Vec<ClientId>,
    },
    /// Unbind every CID of an alias. Goes to any shard.
    DropAlias {
        /// The app that asks.
        app: AppNo,
        /// Empty for the default type.
        alias_type: Box<str>,
        /// The alias.
        alias: Box<str>,
    },
    /// Delete a device with everything that names it; its session ends. Goes to the CID's owner.
    ForgetDevice {
        /// The app that asks.
        app: AppNo,
        /// The CID.
        cid: ClientId,
    },
    /// What the developer's server of an app is still to hear, or could not be told. Goes to any
    /// shard.
    Receipts {
        /// The app.
        app: AppNo,
        /// Only those behind this place in the order.
        after: u64,
        /// Those that could not be told.
        dead: bool,
    },
    /// The oldest receipts are told, or given up. Goes to any shard.
    SettleReceipts {
        /// The app.
        app: AppNo,
        /// Everything up to this place in the order, at most
        /// [`RECEIPTS_PER_ANSWER_MAX`](crate::limits::RECEIPTS_PER_ANSWER_MAX).
        upto: u64,
        /// What becomes of them.
        settling: Settling,
    },
    /// Receipts that were given up are to be told again; the answer counts them, at most
    /// [`RECEIPTS_PER_ANSWER_MAX`](crate::limits::RECEIPTS_PER_ANSWER_MAX) at a time. Goes to any
    /// shard.
    ReplayReceipts {
        /// The app.
        app: AppNo,
    },
    /// The online state of CIDs. Goes to the owner of all of them.
    Status {
        /// The app that asks.
        app: AppNo,
        /// CIDs of one shard.
        cids: Vec<ClientId>,
    },
    /// The CIDs bound to an alias. Goes to the home of the alias.
    CidsOfAlias {
        /// The app that asks.
        app: AppNo,
        /// Empty for the default type.
        alias_type: Box<str>,
        /// The alias.
        alias: Box<str>,
    },
    /// The alias of a CID, one per alias type. Goes to the CID's owner.
    AliasOfCid {
        /// The app that asks.
        app: AppNo,
        /// Empty for the default type.
        alias_type: Box<str>,
        /// The CID.
        cid: ClientId,
    },
    /// Bind CIDs to aliases, all or none. Goes to any shard.
    BindAliases {
        /// The app that asks.
        app: AppNo,
        /// Empty for the default type.
        alias_type: Box<str>,
        /// CID and alias.
        bindings: Vec<(ClientId, Box<str>)>,
    },
    /// Unbind exactly these pairs; a pair that is not bound is not an error. Goes to any shard.
    UnbindAliases {
        /// The app that asks.
        app: AppNo,
        /// Empty for the default type.
        alias_type: Box<str>,
        /// CID and alias.
        bindings: Vec<(ClientId, Box<str>)>,
    },
    /// Create an app; `number` is given by the store and comes back in the answer. Goes to any shard.
    CreateApp(App),
    /// Replace an app that exists. Goes to any shard.
    ChangeApp(App),
    /// Delete an app with its devices; their sessions end. Goes to any shard.
    DeleteApp(App),
    /// The live session of a CID, if it has one. Goes to the CID's owner.
    LiveSession {
        /// The app that asks.
        app: AppNo,
        /// The CID.
        cid: ClientId,
    },
    /// What the rows say of a device. Goes to the CID's owner.
    DeviceHistory {
        /// The app that asks.
        app: AppNo,
        /// The CID.
        cid: ClientId,
    },
    /// What the rows say of a task. Goes to any shard.
    TaskHistory {
        /// The app that asks.
        app: AppNo,
        /// The task.
        task_id: Box<str>,
    },
    /// Take devices over from elsewhere, each by itself. Goes to any shard.
    ImportDevices {
        /// The app that they are of from now on.
        app: AppNo,
        /// The devices.
        devices: Vec<PortableDevice>,
    },
    /// The devices of an app, as they can be carried elsewhere. Goes to any shard.
    Devices {
        /// The app.
        app: AppNo,
        /// Only those behind this CID.
        after: Option<ClientId>,
        /// At most so many.
        len_max: usize,
    },
}

/// What a push carries to its targets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Push {
    /// The third party's name for this request; a repeat within 24 h gets the first answer.
    pub request_id: Box<str>,
    /// The task that this request becomes.
    pub task_id: Box<str>,
    /// How long it may wait for its target.
    pub storage: Storage,
    /// What a vendor channel is to know: JSON, at most
    /// [`VENDOR_LEN_MAX`](schema::limits::VENDOR_LEN_MAX) bytes.
    pub vendor: Option<Box<str>>,
    /// Whether devices whose user switched notifications off are passed by.
    pub skips_notify_off: bool,
    /// The encoded `PushMessage`, stored and sent as it is.
    pub body: Bytes,
}

/// What becomes of receipts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settling {
    /// The developer's server has them.
    Told,
    /// Nobody will hear of them.
    Dropped,
    /// They were given up, and are kept aside to be looked at and replayed.
    Dead,
}

/// Whether a message may rest in the outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Storage {
    /// Until this time, in ms since the Unix epoch.
    Until(u64),
    /// Not at all (ttl -1): delivered to a live session or expired at once.
    Never,
}

/// How a push would reach a target at this moment, by the word of its owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// A session is live.
    Online,
    /// No session: the message would rest in the outbox.
    Offline,
    /// Nothing is sent to it: push is switched off, or it is black-listed.
    Filtered,
    /// As `Online`, but its user switched notifications off.
    OnlineNotifyOff,
    /// As `Offline`, but its user switched notifications off.
    OfflineNotifyOff,
}

impl Reach {
    /// How a push reaches the target that passes by devices without notifications, or does not.
    #[must_use]
    pub fn of_push(self, skips_notify_off: bool) -> Reach {
        match (self, skips_notify_off) {
            (Reach::OnlineNotifyOff | Reach::OfflineNotifyOff, true) => Reach::Filtered,
            (Reach::OnlineNotifyOff, false) => Reach::Online,
            (Reach::OfflineNotifyOff, false) => Reach::Offline,
            (other, _) => other,
        }
    }
}

/// The answer word of one target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetStatus {
    /// Handed to a live session.
    Online,
    /// Stored for later.
    Offline,
    /// Not sent.
    Ignored,
}

impl TargetStatus {
    /// The word of the HTTP API (`rest-v2.md` 2.2; the spelling is theirs).
    pub fn word(self) -> &'static str {
        match self {
            TargetStatus::Online => "successed_online",
            TargetStatus::Offline => "successed_offline",
            TargetStatus::Ignored => "successed_ignore",
        }
    }
}

/// What a command came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// A push was accepted and is as durable as its storage demands. For a repeated request id
    /// these are the task and the words of the first answer.
    Pushed {
        /// The task of the first request with this id.
        task_id: Box<str>,
        /// Each target with its word.
        targets: Vec<(ClientId, TargetStatus)>,
    },
    /// The CIDs of `Probe` that exist in the app, in the order asked; others are left out.
    Reached(Vec<(ClientId, Reach)>),
    /// The CIDs of `Status` that exist in the app, in the order asked; others are left out.
    Statuses(Vec<(ClientId, DeviceStatus)>),
    /// CIDs of an alias, oldest binding first, or those that match.
    Cids(Vec<ClientId>),
    /// The alias of a CID, if it has one.
    Alias(Option<Box<str>>),
    /// The change is durable.
    Done,
    /// The app is durable; its number is set.
    AppCreated(App),
    /// The live session of a CID, if it has one.
    LiveSession(Option<Box<LiveSession>>),
    /// What the rows say of a device.
    DeviceHistory(Box<DeviceHistory>),
    /// What the rows say of a task; `None` if no task of the last days has this name.
    TaskHistory(Option<Box<TaskHistory>>),
    /// A group push is durable; for a repeated request id this is the first task.
    GroupTaken {
        /// Its task.
        task_id: Box<str>,
    },
    /// No list or app push of this app has this task id, or its time is over, or it was deleted.
    NoSuchTask,
    /// The scheduled push has begun, or will within a minute.
    TaskBegun,
    /// The state of the task does not allow it.
    TaskCannotStop,
    /// The group pushes that exist, in the order asked or accepted.
    Groups(Vec<GroupView>),
    /// What one day of an app came to.
    AppDay(Box<DayView>),
    /// Time in ms of Unix time and devices online, in order.
    OnlineSamples(Vec<(u64, u64)>),
    /// The stages of a message; `None` if the device has none of this task.
    MessageDetail(Option<MessageStages>),
    /// How many devices.
    Count(u64),
    /// The tags of a CID, in order.
    Tags(Vec<Box<str>>),
    /// Each CID that was named, and whether it was changed: false if it is unknown, of another
    /// app, or has as many tags as it may.
    Changed(Vec<(ClientId, bool)>),
    /// Receipts, oldest first.
    Receipts(ReceiptPage),
    /// What became of each entry of a feedback, in their order.
    Verdicts(Vec<FeedbackVerdict>),
    /// What is known of CIDs, in the order asked.
    Details(Vec<(ClientId, ClientDetail)>),
    /// What became of each device of an import, in the order given.
    Imported(Vec<Imported>),
    /// Devices as they can be carried elsewhere.
    Devices(DevicePage),
    /// A CID is unknown or of another app, or the app to change is gone; nothing was changed.
    TargetInvalid,
    /// A queue on the way was full, or the store is behind; nothing was accepted.
    Busy,
    /// The store refused; nothing was accepted, and the log says why.
    StoreFailed,
}

/// What the owner of a CID knows of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceStatus {
    /// A session is live.
    pub online: bool,
    /// Last login in ms since the Unix epoch; 0 if it never logged in.
    pub last_login_ms: u64,
}
