//! What a shard does, as scripts over the real state machine, the real `apply` and rows in memory.
//!
//! The language of the scripts: `../harness/mod.rs`.

#[path = "../harness/mod.rs"]
mod harness;

/// Registers devices A, B, C and D; a literal, so that scripts can be made of it.
macro_rules! four_register {
    () => {
        "
    open s1
    open s2
    open s3
    open s4
    hello s1 register install=1
    hello s2 register install=2
    hello s3 register install=3
    hello s4 register install=4
    commit -> welcome s1 A registered hb=240
           -> welcome s2 B registered hb=240
           -> welcome s3 C registered hb=240
           -> welcome s4 D registered hb=240
"
    };
}

mod acks;
mod aliases;
mod apps;
mod backlog;
mod clocks;
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
