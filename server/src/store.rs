//! The embedded store: fjall behind one small module.
//!
//! `keyspaces` opens it and knows the names, `view` reads it, `committer` is the one thread that
//! writes it, `sealer` makes room in memory behind it, `reader` are the threads that read for shards, `recovery` loads what shards must
//! know before they start. `journal`, `tables`, `synced` and `folders` read what lies on the disk
//! without fjall, `damage` judges it and `repair` cuts, with `repairing` to say so until it is done. Nothing above this module knows fjall.

pub(crate) mod aside;
pub mod committer;
pub mod copy;
pub mod damage;
mod folders;
pub mod journal;
mod keyspaces;
mod memory;
pub mod reader;
pub mod recovery;
pub mod repair;
mod repairing;
mod room;
mod sealer;
mod small_tables;
mod synced;
mod tables;
mod view;
mod workers;

pub use keyspaces::{OpenError, Store, StoreBounds, name_of};
pub use memory::{Held, StoreMemory};
pub use view::View;
