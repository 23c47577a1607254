//! The lock-free parts that the rings are built of: a waker that may be rung from any thread, and a
//! ring of one producer and one consumer.
//!
//! Always: nothing else of these crates is named by `rings`, so that `server/tests/mesh_model.rs`
//! can put models of exactly these in their place.

pub(super) use atomic_waker::AtomicWaker;
pub(super) use rtrb::{Consumer, Producer, PushError, RingBuffer};
