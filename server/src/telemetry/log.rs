//! Logs: fields and a fixed message, to stderr, as text or JSON.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::reload::Handle;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// What is logged, while logging goes on.
pub struct LogFilter(Box<dyn Fn(EnvFilter) -> Result<(), String> + Send>);

impl LogFilter {
    /// Logs by another filter from now on.
    ///
    /// # Errors
    /// As [`parse_filter`]; then the filter stays as it was.
    pub fn set(&self, filter: &str) -> Result<(), String> {
        (self.0)(parse_filter(filter)?)
    }
}

impl std::fmt::Debug for LogFilter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LogFilter")
    }
}

/// Reads a `tracing` filter such as `info` or `server=debug`.
///
/// # Errors
/// It is none: in words, with what came.
pub fn parse_filter(filter: &str) -> Result<EnvFilter, String> {
    EnvFilter::try_new(filter).map_err(|error| format!("{filter:?}: {error}"))
}

/// Starts logging to stderr by a filter as [`parse_filter`] reads it.
///
/// # Errors
/// It is no filter, or something logs already.
pub fn start_log(format: LogFormat, filter: &str) -> Result<LogFilter, String> {
    let filter = parse_filter(filter).map_err(|error| format!("log filter {error}"))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    // The two formats are two types of subscriber, and so are the handles to their filters.
    let (started, filter) = match format {
        LogFormat::Text => {
            let builder = builder.with_filter_reloading();
            let handle = builder.reload_handle();
            (builder.try_init(), filter_of(handle))
        }
        LogFormat::Json => {
            let builder = builder.json().with_filter_reloading();
            let handle = builder.reload_handle();
            (builder.try_init(), filter_of(handle))
        }
    };
    started.map_err(|error| format!("log: {error}"))?;
    Ok(filter)
}

fn filter_of<S: 'static>(handle: Handle<EnvFilter, S>) -> LogFilter {
    let set = move |filter| {
        let told = handle.reload(filter);
        told.map_err(|error| format!("log: {error}"))
    };
    LogFilter(Box::new(set))
}
