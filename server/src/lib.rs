//! The Ringpost server: one glommio executor per shard, a hyper ingress beside them, one store.
//!
//! `net`, `http`, `store` and `webhook` do not know each other: they meet in the loop of each shard, by
//! `ShardEvent` and `Effect` of `server-core`.

pub mod addresses;
pub mod ask;
pub mod backup;
pub mod boot;
pub mod bootstrap;
pub mod cli;
pub mod config;
mod data_folder;
pub mod http;
pub mod lifecycle;
pub mod limits;
pub mod memory_budget;
pub mod mesh;
pub mod net;
mod new_app;
pub mod preflight;
mod receipt;
pub mod reload;
mod secret;
pub mod shard_loop;
pub mod shares;
pub mod store;
pub mod telemetry;
pub mod vendor;
mod wall_clock;
pub mod webhook;
