//! Every decision of a shard, as a pure state machine.
//!
//! No I/O, no runtime, no clock: time, randomness and order come in as arguments, so that the
//! same code runs under glommio in the server and under the seeded simulation.
//!
//! Read in this order: [`event`] (all that can happen to a shard), [`effect`] (all that a shard
//! can ask for), [`shard`] (the match between them), [`op`] and [`apply`](mod@apply) (what a
//! commit writes).

#![forbid(unsafe_code)]

pub mod alias_name;
pub mod amends;
pub mod apply;
pub mod apps;
pub mod audience_sets;
pub mod check;
pub mod clock;
pub mod command;
pub mod counters;
pub mod device_quotas;
pub mod devices;
pub mod effect;
pub mod event;
pub mod group;
pub mod history;
pub mod ids;
pub mod keys;
pub mod limits;
pub mod op;
pub mod outbox;
pub mod placement;
pub mod portable;
pub mod read;
pub mod recovery;
pub mod report;
pub mod rows;
pub mod session;
pub mod shard;
pub mod tag_name;
pub mod wheel;
