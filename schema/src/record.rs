//! What the store keeps, one struct per kind of row.
//!
//! Owner: whoever made or decoded it; the keyspace says which struct a value is. Always: what is written today reads
//! back equal, and the golden files hold what was written before.

mod alias;
mod answer;
mod app;
mod app_settings;
mod client;
mod device;
mod group;
mod message;
mod profile;
mod receipt;
mod tally;
mod task;
mod upstream;

pub use alias::{AliasOfClient, Binding};
pub use answer::FirstAnswer;
pub use app::{App, PreviousSecrets};
pub use app_settings::{
    AddressTexts, AppSettings, Callback, DeviceQuotas, OfflineLimits, Quotas, Rate, Registration,
};
pub use client::{ClientTags, Presence};
pub use device::{Cursor, Device};
pub use group::{Group, Sums, Walk};
pub use message::{Message, MessageRef};
pub use profile::{Profile, SilentHours};
pub use receipt::Receipt;
pub use tally::{Number, Tally};
pub use task::{Outcome, Task, TaskTarget};
pub use upstream::{UpstreamEntry, Upstreams};
