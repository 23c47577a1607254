//! What a shard does, as scripts over the real state machine, the real `apply` and rows in memory.
//!
//! The language of the scripts: `../harness/mod.rs`.

#[path = "../harness/mod.rs"]
mod harness;

mod acks;
mod aliases;
mod apps;
mod backlog;
mod counters;
mod delivery;
mod expiry;
mod feedback;
mod full;
mod groups;
mod heartbeat;
mod history;
mod imports;
mod login;
mod operations;
mod receipts;
mod registration;
mod requests;
mod stop;
mod walks;
mod wander;

/// Registers device A, with its cursor written down.
const A: &str = "
    open s1
    hello s1 register
    commit -> welcome s1 A registered hb=240
    tick 1s
    commit
";
