//! The embedded store: fjall behind one small module.
//!
//! `keyspaces` opens it and knows the names, `view` reads it, `committer` is the one thread that
//! writes it, `reader` are the threads that read for shards, `recovery` loads what shards must
//! know before they start. Nothing above this module knows fjall.

pub mod committer;
mod keyspaces;
pub mod reader;
pub mod recovery;
mod view;

pub use keyspaces::{OpenError, Store};
pub use view::View;
