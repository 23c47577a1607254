//! A push to many, its progress, and the sums of its messages.
//!
//! Owner: the commit. Always: a `Group` keeps its number and its task id for as long as it is kept; a `Walk` only goes on;
//! `Sums` only grow.

use crate::SchemaError;
use crate::generated::record as fb;
use crate::limits::{GROUP_LEN_MAX, SMALL_RECORD_LEN_MAX};
use crate::root::Shape;

const GROUP: Shape = Shape {
    what: "Group",
    len_max: GROUP_LEN_MAX,
};

const SUMS: Shape = Shape {
    what: "Sums",
    len_max: SMALL_RECORD_LEN_MAX,
};

const WALK: Shape = Shape {
    what: "Walk",
    len_max: SMALL_RECORD_LEN_MAX,
};

/// One push to many.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// The number of its app.
    pub app: u32,
    /// Its task, as its third party knows it.
    pub task_id: String,
    /// The name under which its third party sums several tasks; empty for none.
    pub group_name: String,
    /// The number of its kind, as server-core gives it.
    pub kind: u8,
    /// The number of its state, as server-core gives it.
    pub state: u8,
    /// Unix milliseconds.
    pub accepted_ms: u64,
    /// When it begins, Unix milliseconds.
    pub start_ms: u64,
    /// Unix milliseconds; from then on its messages are not sent.
    pub expires_ms: u64,
    /// Whether its messages are stored; false for ttl -1.
    pub kept: bool,
    /// Messages a second over all shards, 0 for as many as go.
    pub speed: u32,
    /// Key and operation of each condition, and how many of the values are its own.
    pub condition_heads: Vec<[u8; 3]>,
    /// The values of all conditions, in order.
    pub condition_values: Vec<String>,
    /// Only devices that were active (or were not) in so many last days; 0 for all.
    pub active_days: u8,
    /// Which of the two.
    pub active: bool,
    /// Rows its body lies in.
    pub pieces: u16,
    /// What a vendor channel is to know, as in [`Task`](super::Task).
    pub vendor: Option<String>,
    /// Whether devices whose user switched notifications off are passed by.
    pub skips_notify_off: bool,
    /// No device that was there when it began registered later, Unix milliseconds by any clock; 0 if that is not known,
    /// or it has not begun.
    pub registered_by_ms: u64,
}

/// How messages stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// Messages made.
    pub targets: u64,
    /// Acknowledged.
    pub acked: u64,
    /// Their time was over first, as far as a device or a sender saw it.
    pub expired: u64,
    /// Not sent, because the device takes no pushes.
    pub filtered: u64,
    /// Withdrawn before they were sent.
    pub revoked: u64,
    /// Shown to the user.
    pub shown: u64,
    /// Clicked by the user.
    pub clicked: u64,
    /// Other actions with their counts, in order of the action; at most [`ACTIONS_MAX`](crate::limits::ACTIONS_MAX).
    pub actions: Vec<(u32, u64)>,
}

/// How far one shard has walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Walk {
    /// Everything up to this CID has its message.
    pub upto: [u8; 16],
    /// Nothing is left.
    pub done: bool,
    /// How many it was to reach when it began.
    pub len: u64,
}

impl Group {
    /// The value to store.
    pub fn encode(&self) -> Vec<u8> {
        GROUP.build(|builder| {
            let task_id = builder.create_string(&self.task_id);
            let group_name = builder.create_string(&self.group_name);
            let heads = builder.create_vector(self.condition_heads.as_flattened());
            let values: Vec<_> = self
                .condition_values
                .iter()
                .map(|value| builder.create_string(value))
                .collect();
            let values = builder.create_vector(&values);
            let vendor = self.vendor.as_ref().map(|text| builder.create_string(text));
            fb::Group::create(
                builder,
                &fb::GroupArgs {
                    app: self.app,
                    task_id: Some(task_id),
                    group_name: Some(group_name),
                    kind: self.kind,
                    state: self.state,
                    accepted_ms: self.accepted_ms,
                    start_ms: self.start_ms,
                    expires_ms: self.expires_ms,
                    kept: self.kept,
                    speed: self.speed,
                    condition_heads: Some(heads),
                    condition_values: Some(values),
                    active_days: self.active_days,
                    active: self.active,
                    pieces: self.pieces,
                    vendor,
                    skips_notify_off: self.skips_notify_off,
                    registered_by_ms: self.registered_by_ms,
                },
            )
        })
    }

    /// Reads a stored value.
    ///
    /// # Errors
    /// Longer than [`GROUP_LEN_MAX`], or not a verified `Group`.
    pub fn decode(bytes: &[u8]) -> Result<Group, SchemaError> {
        let group = GROUP.open::<fb::Group>(bytes)?;
        let (heads, rest) = group.condition_heads().bytes().as_chunks::<3>();
        if !rest.is_empty() {
            return Err(SchemaError::missing("Group", "a condition is cut short"));
        }
        Ok(Group {
            app: group.app(),
            task_id: group.task_id().to_owned(),
            group_name: group.group_name().to_owned(),
            kind: group.kind(),
            state: group.state(),
            accepted_ms: group.accepted_ms(),
            start_ms: group.start_ms(),
            expires_ms: group.expires_ms(),
            kept: group.kept(),
            speed: group.speed(),
            condition_heads: heads.to_vec(),
            condition_values: group.condition_values().iter().map(str::to_owned).collect(),
            active_days: group.active_days(),
            active: group.active(),
            pieces: group.pieces(),
            vendor: group.vendor().map(str::to_owned),
            skips_notify_off: group.skips_notify_off(),
            registered_by_ms: group.registered_by_ms(),
        })
    }
}

impl Sums {
    /// The value to store.
    pub fn encode(&self) -> Vec<u8> {
        SUMS.build(|builder| {
            let actions = builder.create_vector_from_iter(
                self.actions
                    .iter()
                    .map(|(action, count)| fb::ActionCount::new(*action, *count)),
            );
            fb::Sums::create(
                builder,
                &fb::SumsArgs {
                    targets: self.targets,
                    acked: self.acked,
                    expired: self.expired,
                    filtered: self.filtered,
                    revoked: self.revoked,
                    shown: self.shown,
                    clicked: self.clicked,
                    actions: Some(actions),
                },
            )
        })
    }

    /// Reads a stored value.
    ///
    /// # Errors
    /// Longer than [`SMALL_RECORD_LEN_MAX`], or not verified `Sums`.
    pub fn decode(bytes: &[u8]) -> Result<Sums, SchemaError> {
        let sums = SUMS.open::<fb::Sums>(bytes)?;
        Ok(Sums {
            targets: sums.targets(),
            acked: sums.acked(),
            expired: sums.expired(),
            filtered: sums.filtered(),
            revoked: sums.revoked(),
            shown: sums.shown(),
            clicked: sums.clicked(),
            actions: sums
                .actions()
                .iter()
                .map(|entry| (entry.action(), entry.count()))
                .collect(),
        })
    }
}

impl Walk {
    /// The value to store.
    pub fn encode(&self) -> Vec<u8> {
        WALK.build(|builder| {
            fb::Walk::create(
                builder,
                &fb::WalkArgs {
                    upto: Some(&fb::Bytes16::new(&self.upto)),
                    done: self.done,
                    len: self.len,
                },
            )
        })
    }

    /// Reads a stored value.
    ///
    /// # Errors
    /// Longer than [`SMALL_RECORD_LEN_MAX`], or not a verified `Walk`.
    pub fn decode(bytes: &[u8]) -> Result<Walk, SchemaError> {
        let walk = WALK.open::<fb::Walk>(bytes)?;
        Ok(Walk {
            upto: walk.upto().bytes().into(),
            done: walk.done(),
            len: walk.len(),
        })
    }
}
