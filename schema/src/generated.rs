//! What flatc made of schema/fbs/, under the names the rest of the crate uses.
//!
//! Owner: schema/regenerate.sh. Always: equal to what the pinned flatc makes of the checked-in .fbs files
//! (tests/fresh.rs), and reached only through the owned structs of `push` and `record`.

mod push_generated;
mod record_generated;

pub(crate) use push_generated::ringpost::body;
pub(crate) use record_generated::ringpost::record;
