//! The device's side of Ringpost: the client SDK as a state machine, its transport, the device
//! simulator, a third party's client, the conformance kit for servers, and the demo that plays them
//! all against a server.
//!
//! Owner: `ringpost-sim` and the tests. Always: this crate knows `protocol` and `schema`, never the
//! server.

pub mod blocking_device;
pub mod bootstrap;
pub mod client;
pub mod command;
pub mod conform;
pub mod demo;
pub mod devices;
#[cfg(test)]
mod fake_server;
pub mod file_limit;
pub mod fleet;
pub mod load;
pub mod sim;
pub mod third_party;
pub mod transport;
