//! Why a load run came to no result, or to a bad one.
//!
//! Owner: the run. Always: the text alone tells what to change or where to look.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::bootstrap::BootstrapError;
use crate::third_party::CallError;
use crate::transport::TlsError;

/// Exit code for what the flags or the system do not allow (`EX_CONFIG`, as the server's).
const EXIT_CONFIG: u8 = 78;

/// Exit code after a signal.
const EXIT_INTERRUPTED: u8 = 130;

#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error("interrupted: no result")]
    Interrupted,
    #[error("--devices {asked}: the file limit of this process has room for {fit} devices")]
    FileLimit { asked: u32, fit: usize },
    #[error("{pushes} pushes: one run remembers at most {limit}; lower rate, duration or devices")]
    TooManyPushes { pushes: u64, limit: u64 },
    #[error("{during}: {source}")]
    Io {
        during: &'static str,
        source: io::Error,
    },
    #[error("--out {path}: {source}")]
    Out { path: PathBuf, source: io::Error },
    #[error("{online} of {asked} devices logged in, and nothing happened for {quiet_s} s")]
    NoLogins {
        online: u64,
        asked: usize,
        quiet_s: u64,
    },
    #[error("devices: {0}")]
    Fleet(String),
    #[error("pusher: {0}")]
    Pusher(String),
    #[error("bytes do not add up: {0}")]
    Bytes(String),
    #[error("messages do not add up: {0}")]
    Messages(String),
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

    pub(super) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Interrupted => ExitCode::from(EXIT_INTERRUPTED),
            Self::FileLimit { .. } | Self::TooManyPushes { .. } | Self::Out { .. } => {
                ExitCode::from(EXIT_CONFIG)
            }
            _ => ExitCode::FAILURE,
        }
    }
}
