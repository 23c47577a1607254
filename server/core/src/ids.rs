//! Numbers that name things inside one server; the ids of the wire are in `protocol`.

/// An app inside one server. Short, unlike the public AppID, because it stands in store keys.
/// Given once at creation and never again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AppNo(pub u32);

/// A shard of this process: the index of its core, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardNo(pub u16);

/// Names one question of the ingress until it is answered. Opaque to the core.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// One connection inside its shard. Never given twice while the process lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u64);

/// The order of logins of one CID: durable boot epoch in the upper 32 bits, a counter of the
/// shard below. The higher one wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(pub u64);
