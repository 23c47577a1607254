//! Pushes to many: what one is, whom it is for, and where it stands.
//!
//! A group push has one stored body. Its targets get messages that point at it: those of a list
//! when the list is pushed to, those of an app by a walk of every shard over its own devices.

use std::collections::BTreeMap;

use bytes::Bytes;
use protocol::{ClientId, MessageId};
use schema::record::{Group, Sums};

use crate::ids::{AppNo, ShardNo};
use crate::placement::Slot;

/// A push to many as its third party asked for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupPush {
    /// The third party's name for the request, if it gave one; a repeat within 24 h gets the first
    /// task.
    pub request_id: Option<Box<str>>,
    /// The task that this request becomes.
    pub task_id: Box<str>,
    /// The name under which several tasks are summed; empty for none.
    pub group_name: Box<str>,
    /// How it finds its targets.
    pub kind: GroupKind,
    /// Whom it is for; everybody for a list, which names its targets later.
    pub audience: Audience,
    /// When it begins, in ms of Unix time; `None` is at once.
    pub start_ms: Option<u64>,
    /// How long its messages may wait from its beginning, in ms; `None` is not at all (ttl -1).
    pub ttl_ms: Option<u64>,
    /// Messages a second over all shards; 0 for as many as go.
    pub speed: u32,
    /// What a vendor channel is to know: JSON, at most
    /// [`VENDOR_LEN_MAX`](schema::limits::VENDOR_LEN_MAX) bytes.
    pub vendor: Option<Box<str>>,
    /// Whether devices whose user switched notifications off are passed by.
    pub skips_notify_off: bool,
    /// The encoded `PushMessage`, stored once and sent as it is.
    pub body: Bytes,
}

/// How a group push finds its targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupKind {
    /// Its third party names them in later requests.
    List = 0,
    /// Every shard walks over its devices.
    App = 1,
}

/// Where a group push stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupState {
    /// A list that takes targets.
    Open = 0,
    /// Waits for its time.
    Scheduled = 1,
    /// Shards walk.
    Running = 2,
    /// Every shard has walked to its end.
    Done = 3,
    /// Stopped by its third party: nothing of it is sent any more.
    Stopped = 4,
    /// Deleted before it began.
    Deleted = 5,
}

impl GroupKind {
    /// The kind of a stored number.
    pub fn from_number(number: u8) -> GroupKind {
        match number {
            0 => GroupKind::List,
            _ => GroupKind::App,
        }
    }
}

impl GroupState {
    /// The state of a stored number; one that this version does not know sends nothing.
    pub fn from_number(number: u8) -> GroupState {
        match number {
            0 => GroupState::Open,
            1 => GroupState::Scheduled,
            2 => GroupState::Running,
            3 => GroupState::Done,
            5 => GroupState::Deleted,
            _ => GroupState::Stopped,
        }
    }
}

/// The number of a group push. It is drawn from the same order as message ids, so it tells when
/// it was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupNo(pub u64);

impl GroupNo {
    /// Stands for "of no group".
    pub const NONE: GroupNo = GroupNo(0);

    /// When the group was accepted, in ms of Unix time.
    pub fn made_ms(self) -> u64 {
        crate::apply::made_ms(MessageId(self.0))
    }
}

/// The group pushes of which nothing is sent any more, each with the time in ms of Unix time when
/// its messages expire anyway.
pub type StoppedGroups = BTreeMap<GroupNo, u64>;

/// Which devices of an app a push is for: those that meet every condition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Audience {
    /// At most [`CONDITIONS_MAX`](schema::limits::CONDITIONS_MAX), with at most
    /// [`CONDITION_VALUES_MAX`](schema::limits::CONDITION_VALUES_MAX) values in all.
    pub conditions: Vec<Condition>,
    /// Only those that were active, or were not, of late.
    pub activity: Option<Activity>,
}

/// One condition of an audience.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// What is looked at.
    pub key: ConditionKey,
    /// How the values are joined.
    pub op: ConditionOp,
    /// What it is compared with; at most 255.
    pub values: Vec<Box<str>>,
}

/// What a condition looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConditionKey {
    /// Something of which nothing is known here (region, portrait): no device has any value.
    Unknown = 0,
    /// The tags of the device.
    Tag = 1,
    /// Its platform: `android`, `ios`, `harmony`, `other`, in lower case.
    Platform = 2,
}

/// How a condition joins its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConditionOp {
    /// At least one of them.
    Or = 0,
    /// All of them.
    And = 1,
    /// None of them.
    Not = 2,
}

/// Whether a device logged in during the last days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Activity {
    /// How many days; at least 1.
    pub days: u8,
    /// True for those that did, false for those that did not.
    pub active: bool,
}

/// How the tags of one client are to be, for `cid_by_tag`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagTerm {
    /// How the tags are joined.
    pub op: ConditionOp,
    /// The tags.
    pub tags: Vec<Box<str>>,
}

impl Audience {
    /// The conditions as they stand in a row.
    pub(crate) fn to_rows(&self) -> (Vec<[u8; 3]>, Vec<String>) {
        let heads = self.conditions.iter().map(|condition| {
            let len = u8::try_from(condition.values.len()).expect("at most 255 values");
            [condition.key as u8, condition.op as u8, len]
        });
        let values = self
            .conditions
            .iter()
            .flat_map(|condition| condition.values.iter().map(|value| value.to_string()));
        (heads.collect(), values.collect())
    }

    /// The audience of a stored group push.
    pub fn of_row(group: &Group) -> Audience {
        let mut values = group.condition_values.iter();
        let conditions = group
            .condition_heads
            .iter()
            .map(|[key, op, len]| Condition {
                key: match key {
                    1 => ConditionKey::Tag,
                    2 => ConditionKey::Platform,
                    _ => ConditionKey::Unknown,
                },
                op: match op {
                    0 => ConditionOp::Or,
                    1 => ConditionOp::And,
                    _ => ConditionOp::Not,
                },
                values: values
                    .by_ref()
                    .take(usize::from(*len))
                    .map(|value| value.as_str().into())
                    .collect(),
            });
        Audience {
            conditions: conditions.collect(),
            activity: (group.active_days > 0).then_some(Activity {
                days: group.active_days,
                active: group.active,
            }),
        }
    }
}

/// What the rows say of one group push.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupView {
    /// Its number.
    pub number: GroupNo,
    /// Its row.
    pub group: Group,
    /// How its messages stand. `expired` counts those too that nobody saw expire, once its time is
    /// over.
    pub sums: Sums,
    /// Its encoded `PushMessage`; empty once its time is over.
    pub body: Bytes,
}

/// What one day of an app came to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DayView {
    /// The messages that were made on that day.
    pub sums: Sums,
    /// Devices registered until the end of that day, those that were deleted since included.
    pub accumulated: u64,
    /// Devices registered on that day.
    pub registered: u64,
    /// Devices that logged in on that day.
    pub active: u64,
    /// The most that were online at once, sampled every ten minutes.
    pub online_peak: u64,
}

/// What is known of one device beyond its state.
#[derive(Debug, Clone, PartialEq)]
pub struct ClientDetail {
    /// Its registration.
    pub device: schema::record::Device,
    /// What was told of it since.
    pub profile: schema::record::Profile,
    /// Its last login in ms of Unix time, 0 for none.
    pub last_login_ms: u64,
}

/// A change of the number on an app's icon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Badge {
    /// To this number.
    To(i32),
    /// By this number.
    By(i32),
}

/// The message of one device in one task, stage by stage with its time in ms of Unix time.
pub type MessageStages = Vec<(&'static str, u64)>;

/// A group push of kind [`GroupKind::App`] on its way, as every shard hears of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Running {
    /// Its number.
    pub number: GroupNo,
    /// Its app.
    pub app: AppNo,
    /// Whom it is for.
    pub audience: Audience,
    /// Devices that registered later do not get it, in ms of Unix time. Nobody who was there when
    /// it began did, by whatever clock.
    pub registered_by_ms: u64,
    /// When its messages expire, in ms of Unix time.
    pub expires_ms: u64,
    /// Whether they are stored.
    pub kept: bool,
    /// Messages a second over all shards, 0 for as many as go.
    pub speed: u32,
    /// The encoded `PushMessage`; empty if it is gone with its day.
    pub body: Bytes,
}

impl Running {
    /// From its row and its body.
    pub fn new(number: GroupNo, group: &Group, body: Bytes) -> Running {
        Running {
            number,
            app: AppNo(group.app),
            audience: Audience::of_row(group),
            registered_by_ms: match group.registered_by_ms {
                // It began before this was written down, or a repair said that it had.
                0 => u64::MAX,
                by_ms => by_ms,
            },
            expires_ms: group.expires_ms,
            kept: group.kept,
            speed: group.speed,
            body,
        }
    }
}

/// How far a shard of an earlier start had walked: it had reached its devices up to a CID.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Walked {
    /// How many shards there were.
    pub shards: u16,
    /// Which one it was.
    pub shard: ShardNo,
    /// The last CID it reached.
    pub upto: ClientId,
    /// Whether it had reached its end.
    pub done: bool,
}

impl Walked {
    /// Whether this device was reached.
    pub fn covers(&self, cid: ClientId) -> bool {
        Slot::of_cid(cid).shard(self.shards) == self.shard && (self.done || cid <= self.upto)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// An app push to everybody, at once and for those who are there.
    pub(crate) fn push(body: Bytes) -> GroupPush {
        GroupPush {
            request_id: None,
            task_id: "task".into(),
            group_name: "".into(),
            kind: GroupKind::App,
            audience: Audience::default(),
            start_ms: None,
            ttl_ms: None,
            speed: 0,
            vendor: None,
            skips_notify_off: false,
            body,
        }
    }

    /// A row of an app push to everybody.
    pub(crate) fn row(state: GroupState, expires_ms: u64) -> Group {
        Group {
            app: 1,
            task_id: "task".to_owned(),
            kind: GroupKind::App as u8,
            state: state as u8,
            expires_ms,
            kept: true,
            pieces: 1,
            ..Group::default()
        }
    }

    #[test]
    fn given_each_kind_and_state_when_written_down_should_be_read_as_it_was() {
        for kind in [GroupKind::List, GroupKind::App] {
            assert_eq!(GroupKind::from_number(kind as u8), kind);
        }
        for state in [
            GroupState::Open,
            GroupState::Scheduled,
            GroupState::Running,
            GroupState::Done,
            GroupState::Stopped,
            GroupState::Deleted,
        ] {
            assert_eq!(GroupState::from_number(state as u8), state);
        }
    }

    #[test]
    fn given_a_push_that_began_in_an_older_version_when_it_goes_on_should_pass_by_nobody() {
        let by_ms = |registered_by_ms| {
            let group = Group {
                registered_by_ms,
                ..row(GroupState::Running, 9_000)
            };
            Running::new(GroupNo(1), &group, Bytes::new()).registered_by_ms
        };
        assert_eq!((by_ms(0), by_ms(7_000)), (u64::MAX, 7_000));
    }

    #[test]
    fn given_an_audience_when_written_down_should_be_read_as_it_was() {
        use ConditionKey::{Platform, Tag, Unknown};
        use ConditionOp::{And, Not, Or};
        let conditions = [
            (Unknown, Or, vec!["x"]),
            (Tag, Or, vec!["a", "b"]),
            (Tag, And, vec!["c"]),
            (Platform, Not, vec!["ios", "other"]),
        ];
        let conditions = conditions.map(|(key, op, values)| Condition {
            key,
            op,
            values: values.into_iter().map(Box::from).collect(),
        });
        for active in [None, Some(true), Some(false)] {
            let audience = Audience {
                conditions: conditions.to_vec(),
                activity: active.map(|active| Activity { days: 1, active }),
            };
            let (condition_heads, condition_values) = audience.to_rows();
            let row = Group {
                condition_heads,
                condition_values,
                active_days: u8::from(active.is_some()),
                active: active.unwrap_or(false),
                ..row(GroupState::Running, 0)
            };
            assert_eq!(Audience::of_row(&row), audience);
        }
    }
}
