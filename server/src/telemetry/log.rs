//! Logs: fields and a fixed message, to stderr, as text or JSON.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::reload::Handle;

/// What the database says of its own work is nothing to an operator, who reads INFO for the server's.
const DATABASE: &str = "fjall=warn,lsm_tree=warn";

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

/// Reads a `tracing` filter such as `info` or `server=debug`. The crates of the database log from WARN
/// on, unless the filter names them.
///
/// # Errors
/// It is none: in words, with what came.
pub fn parse_filter(filter: &str) -> Result<EnvFilter, String> {
    let read =
        |text: &str| EnvFilter::try_new(text).map_err(|error| format!("{filter:?}: {error}"));
    let given = read(filter)?;
    let parts = filter.split(',').filter(|part| !part.is_empty());
    let of_all = parts.filter_map(|part| part.parse().ok()).next_back();
    if of_all.is_none_or(|level: LevelFilter| level <= LevelFilter::WARN) {
        return Ok(given);
    }
    // Of two that name the same crate the later one counts, which is the operator's.
    read(&format!("{DATABASE},{filter}"))
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

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Passes on what is logged.
    struct Page(mpsc::SyncSender<Vec<u8>>);

    impl std::io::Write for Page {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.send(bytes.to_vec()).map_err(std::io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// Which of these come through a filter: a word for each crate and level.
    fn come_through(filter: &str) -> Vec<String> {
        let (sender, page) = mpsc::sync_channel(64);
        let subscriber = tracing_subscriber::fmt()
            .with_env_filter(parse_filter(filter).expect("a filter"))
            .with_writer(move || Page(sender.clone()))
            .with_ansi(false)
            .finish();
        // What the database logs by comes this way; `start_log` has it from the subscriber's own crate.
        let _ = tracing_log::LogTracer::init();
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(target: "server::boot", "server-info");
            log::info!(target: "fjall::worker_pool", "fjall-info");
            log::info!(target: "lsm_tree::tree", "tree-info");
            log::warn!(target: "fjall::journal", "fjall-warn");
            log::warn!(target: "lsm_tree::tree", "tree-warn");
        });
        let text = String::from_utf8(page.try_iter().flatten().collect()).expect("text");
        let words = text.lines().filter_map(|line| line.split(' ').next_back());
        words.map(str::to_owned).collect()
    }

    #[test]
    fn given_a_filter_when_the_database_logs_should_pass_on_warnings_unless_it_is_named() {
        let usual = ["server-info", "fjall-warn", "tree-warn"];
        assert_eq!(come_through("info"), usual);
        assert_eq!(come_through("debug"), usual);
        assert_eq!(come_through("hyper=error,info"), usual);
        let named = ["server-info", "fjall-info", "fjall-warn", "tree-warn"];
        assert_eq!(come_through("info,fjall=info"), named);
        // What is quieter stays as quiet.
        assert_eq!(come_through("warn"), ["fjall-warn", "tree-warn"]);
        for quiet in ["error", "off"] {
            assert!(come_through(quiet).is_empty(), "{quiet}");
        }
        assert_eq!(come_through("server=info"), ["server-info"]);
    }

    #[test]
    fn given_no_filter_when_read_should_say_what_came_and_no_more() {
        let refused = parse_filter("info,server=loud").expect_err("no level");
        assert!(refused.contains("\"info,server=loud\""), "{refused}");
        assert!(!refused.contains("fjall"), "{refused}");
    }
}
