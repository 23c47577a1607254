//! `ringpost-sim load`: puts a load on a server and measures both sides.
//!
//! Owner: the process. Always: open loop, a latency counts from the time a push was meant to leave,
//! whatever the answers before it did; what the generator itself cost stands beside what it
//! measured; a message that was accepted and not received exactly once makes the exit code non-zero.
//!
//! Two threads do the work: this one runs the devices (and looks at `/proc` between the phases,
//! never inside one), `load-pusher` sends the pushes, woken on time by `load-pacer`.

mod args;
mod auxv;
mod books;
mod crew;
mod fault;
mod http_line;
mod latency;
mod machine;
mod meter;
mod pacer;
mod payload;
mod process;
mod pusher;
mod report;
mod run;
mod scenario;
mod schedule;
mod snapshot;
mod stage;
mod table;
mod wire;

pub use self::args::{Load, Scenario};
pub use self::run::run;
