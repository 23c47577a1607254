//! `ringpost-sim devices`: keeps devices connected and writes down what they hear.
//!
//! Owner: the process. Always: a push is on the events file, then in the journal, then acked; a
//! kill between any two of these loses nothing and logs nothing twice.

mod args;
mod body;
mod events_file;
mod identity;
mod line_file;
mod record;
mod run;
mod state_file;
#[cfg(test)]
mod whole_runs;

pub use self::args::{Ack, Devices};
pub use self::run::run;
