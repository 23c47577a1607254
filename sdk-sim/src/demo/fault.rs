//! Why a demo came to no sum.
//!
//! Owner: the demo. Always: the text alone tells what to do or where to look.

use std::io;

use crate::bootstrap::BootstrapError;
use crate::third_party::CallError;
use crate::transport::TlsError;

#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error("a signal came")]
    Interrupted,
    #[error("{0}")]
    Failed(String),
    #[error("the file limit of this process is below {needed}: no device fits")]
    FileLimit { needed: u64 },
    #[error("{during}: {source}")]
    Io {
        during: &'static str,
        source: io::Error,
    },
    #[error("the server {what}; the end of its log:\n{log}")]
    Server { what: String, log: String },
    #[error(transparent)]
    Bootstrap(#[from] BootstrapError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Call(#[from] CallError),
}

impl Fault {
    pub(super) fn io(during: &'static str) -> impl Fn(io::Error) -> Self {
        move |source| Self::Io { during, source }
    }
}
