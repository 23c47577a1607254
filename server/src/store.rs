//! The embedded store: fjall behind one small module.
//!
//! `keyspaces` opens it, `names` knows what lies there, `view` reads it, `committer` is the one thread
//! that writes it, `sealer` makes room in memory behind it and `room` watches that on the disk,
//! `failure` tells what a failed write leaves open, `reader` are the threads that read for shards,
//! `recovery` loads what shards must know before they start. `journal`, `tables`, `synced` and
//! `folders` read what lies on the disk without fjall, `damage` judges it and `repair` cuts, with
//! `repairing` to say so until it is done. Nothing above this module knows fjall.

pub(crate) mod aside;
pub mod committer;
pub mod copy;
pub mod damage;
mod failure;
mod folders;
pub mod journal;
mod keyspaces;
mod memory;
mod names;
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

pub use keyspaces::{OpenError, Store, StoreBounds};
pub use memory::{Held, StoreMemory};
pub use names::name_of;
pub use view::View;
