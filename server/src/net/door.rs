//! Who may connect to the device port, and who speaks for others there.
//!
//! Owner: the terms of the shards. Always: only a trusted balancer is believed, and a trusted
//! one must say whom it speaks for.

use std::net::IpAddr;

use crate::addresses::{AddressList, Network, any_contains};

/// See the module page.
#[derive(Debug, Clone, Default)]
pub struct Door {
    /// From where devices may come.
    pub list: AddressList,
    /// Balancers that begin a connection with a PROXY header; empty without any.
    pub proxies: Vec<Network>,
}

impl Door {
    /// Whether a connection from this address begins with a PROXY header.
    pub fn wants_header(&self, peer: IpAddr) -> bool {
        any_contains(&self.proxies, peer)
    }
}
