//! The HTTP ingress: third parties and operators on one side, questions to shards on the other.
//!
//! Owner: one thread with a tokio current-thread runtime; it talks to shards only by
//! [`Asker`](crate::ask::Asker) and knows neither sockets of devices nor the store.
//! Always: bytes pass the [guard](mod@guard) before hyper sees them, a request becomes a command
//! that cannot be wrong in form, and 200 means that the shard said so.
//!
//! Read in this order: `door`, `listen`, `wire` and `guard` (bytes), `service` and `route` (where a
//! request leads), `push` (how it becomes a command), `fault` (how anything else is answered).

mod abreast;
mod admin;
mod alias;
mod alias_name;
mod app_push;
#[cfg(test)]
mod app_pushes;
mod app_settings;
#[cfg(test)]
mod at_the_door;
mod audience;
mod auth;
mod backup;
mod badge;
#[cfg(test)]
mod batches;
mod blacklist;
mod body;
mod calendar;
mod caller;
mod chunks;
mod cid_list;
mod condition;
mod deadline;
mod detail;
mod device_line;
#[cfg(test)]
mod device_lines;
mod door;
#[cfg(test)]
mod edge;
#[cfg(test)]
mod end_to_end;
mod envelope;
mod fault;
#[cfg(test)]
mod fixture;
mod forget;
mod guard;
mod gzip;
mod head;
mod headcount;
mod ingress;
mod inquiry;
mod list_push;
mod listen;
#[cfg(test)]
mod lists;
mod member;
mod message_detail;
mod notification;
#[cfg(test)]
mod operation;
mod owners;
mod parameter;
mod path;
mod push;
mod push_message;
mod push_request;
mod quota;
mod reach;
mod receipts;
mod refusal;
mod reload;
mod report;
mod report_query;
#[cfg(test)]
mod reports_end_to_end;
mod route;
mod service;
mod settings;
mod statistics;
mod strategy;
mod tag;
#[cfg(test)]
mod tags_end_to_end;
mod task;
mod task_id;
mod tokens;
mod transfer;
mod user;
#[cfg(test)]
mod users_end_to_end;
mod vendor_desk;
mod vendor_token;
#[cfg(test)]
mod vendors;
mod wire;

pub use alias_name::alias_name;
pub use ingress::{HttpSettings, Ingress};
pub use listen::{Entrance, serve};
pub use route::Surfaces;
