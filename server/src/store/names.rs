//! What keyspaces are called on the disk.

use server_core::clock::Day;
use server_core::rows::Keyspace;

/// What a keyspace is called on the disk.
pub fn name_of(keyspace: Keyspace) -> String {
    match keyspace {
        Keyspace::Reg => "reg".into(),
        Keyspace::Cur => "cur".into(),
        Keyspace::Install => "install".into(),
        Keyspace::Alias => "alias".into(),
        Keyspace::ClientAlias => "calias".into(),
        Keyspace::App => "app".into(),
        Keyspace::Stat => "stat".into(),
        Keyspace::Meta => "meta".into(),
        Keyspace::Group => "group".into(),
        Keyspace::GroupOfTask => "taskgroup".into(),
        Keyspace::GroupOfName => "namegroup".into(),
        Keyspace::GroupSums => "groupsums".into(),
        Keyspace::Walk => "walk".into(),
        Keyspace::DaySums => "daysums".into(),
        Keyspace::Presence => "presence".into(),
        Keyspace::Online => "online".into(),
        Keyspace::ClientTags => "ctag".into(),
        Keyspace::Profile => "profile".into(),
        Keyspace::Receipt => "receipt".into(),
        Keyspace::DeadReceipt => "deadreceipt".into(),
        Keyspace::Upstreams => "upstreams".into(),
        Keyspace::UpstreamBody => "upstreambody".into(),
        Keyspace::Msg(day) => format!("msg.{}", day.0),
        Keyspace::Body(day) => format!("body.{}", day.0),
        Keyspace::Dedup(day) => format!("dedup.{}", day.0),
        Keyspace::Task(day) => format!("task.{}", day.0),
        Keyspace::Outcome(day) => format!("outcome.{}", day.0),
        Keyspace::TaskOf(day) => format!("taskof.{}", day.0),
        Keyspace::Acted(day) => format!("acted.{}", day.0),
    }
}

/// The day keyspace of this name, if it is one.
pub(super) fn day_keyspace(name: &str) -> Option<Keyspace> {
    let (kind, day) = name.split_once('.')?;
    let day = Day(day.parse().ok()?);
    match kind {
        "msg" => Some(Keyspace::Msg(day)),
        "body" => Some(Keyspace::Body(day)),
        "dedup" => Some(Keyspace::Dedup(day)),
        "task" => Some(Keyspace::Task(day)),
        "outcome" => Some(Keyspace::Outcome(day)),
        "taskof" => Some(Keyspace::TaskOf(day)),
        "acted" => Some(Keyspace::Acted(day)),
        _ => None,
    }
}
