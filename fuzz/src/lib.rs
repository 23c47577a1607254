//! What each fuzz target does with its bytes; the targets themselves are one line each.
//!
//! Owner: the targets in `fuzz_targets/`. Always: a target panics only for a fault; what it checks
//! beyond "no panic" stands at the head of its module. With the feature `planted` each target has
//! a fault put in on purpose, to prove that it would be found (`docs/fuzzing.md`).

pub mod balancer;
pub mod frames;
pub mod http_head;
pub mod operations;
mod planted;
pub mod records;
pub mod streams;

/// What is taken in of the server stands on these bounds.
#[path = "../../server/src/limits.rs"]
#[allow(dead_code, reason = "a few of them are used")]
mod limits;
