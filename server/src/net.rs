//! Device connections: sockets, TLS, frames. The only place that knows of glommio's streams and
//! of rustls; the shard loop sees a [`Connection`] that takes frames and gives frames.

pub mod certificate;
mod connection;
mod door;
mod listener;
mod place;
mod proxy_header;
mod tickets;
mod tls;
mod tls_session;

pub use connection::{Connection, Gone, Input, Parcel, Scratch};
pub use door::Door;
pub use listener::{DeviceListener, bind};
pub use place::{Place, Places};
pub use proxy_header::ProxyHeaderError;
pub use tickets::TicketKeys;
pub use tls::{server_config, with_certificate, with_tickets};
