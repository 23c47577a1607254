//! FlatBuffers layouts of what a push says and of what the store keeps.
//!
//! Owner: everybody who builds or reads such bytes: the ingress and the SDK ([`push`]), the core and the store
//! ([`record`]). Always: the owned structs here are the only way into a buffer, so bytes are verified, with the limits
//! of [`limits`], before a field is read; reading never panics and never takes more memory than the limit of its kind.
//! The layouts are in schema/fbs/; how they may change stands at the head of each file.

mod error;
// Checked-in output of flatc: not ours to format, and not held to the house's lints.
#[allow(
    clippy::all,
    clippy::pedantic,
    missing_docs,
    unreachable_pub,
    dead_code,
    unused_imports,
    unsafe_op_in_unsafe_fn
)]
#[rustfmt::skip]
mod generated;
mod root;

pub mod limits;
pub mod push;
pub mod record;

pub use error::{Problem, SchemaError};
