//! What every layout owes its readers: round trips, bounds, calm under hostile bytes, and yesterday's files.
//!
//! Owner: this crate. Always: each property runs over every struct that [`samples`] lists.

mod any_value;
mod bounds;
mod evolution;
mod golden;
mod hostile;
mod round_trip;
mod samples;
mod secrecy;
