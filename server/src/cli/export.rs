//! `ringpost export`: the devices of an app as JSON lines, page by page.
//!
//! Always: one page is in memory; a file is new, and for its owner alone, since hashes of secrets and
//! tokens of vendors may stand in it.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde_json::json;

use super::Target;
use super::admin_client::{AdminClient, ClientError};

/// Pages between two lines that say how far it is.
const PAGES_PER_REPORT: u64 = 20;

/// Where the lines go.
enum Sink {
    File(BufWriter<File>),
    Stdout(io::StdoutLock<'static>),
}

impl Sink {
    fn open(path: Option<&Path>) -> io::Result<Sink> {
        let Some(path) = path else {
            return Ok(Sink::Stdout(io::stdout().lock()));
        };
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        Ok(Sink::File(BufWriter::new(file)))
    }

    fn line(&mut self, text: &str) -> io::Result<()> {
        match self {
            Sink::File(file) => writeln!(file, "{text}"),
            Sink::Stdout(stdout) => writeln!(stdout, "{text}"),
        }
    }

    fn end(self) -> io::Result<()> {
        match self {
            Sink::File(file) => file.into_inner()?.sync_all(),
            Sink::Stdout(mut stdout) => stdout.flush(),
        }
    }
}

/// Writes the devices of an app to a new file, or to standard output.
pub(super) fn run(
    appid: &str,
    path: Option<&Path>,
    with_secrets: bool,
    target: &Target,
) -> Result<(), ClientError> {
    let client = AdminClient::new(target)?;
    let failed = |error| ClientError::of_file(path.unwrap_or(Path::new("-")), error);
    let mut sink = None;
    let (mut pages, mut devices) = (0u64, 0u64);
    let mut after: Option<String> = None;
    loop {
        let behind = after.map_or_else(String::new, |cid| format!("&after={cid}"));
        let query = format!("secrets={with_secrets}{behind}");
        let url = format!("/admin/v1/apps/{appid}/devices?{query}");
        let page = client.call("GET", &url, None)?;
        // Nothing is made of an app that does not exist.
        let sink = match &mut sink {
            Some(sink) => sink,
            none => none.insert(Sink::open(path).map_err(failed)?),
        };
        for device in page["devices"].as_array().into_iter().flatten() {
            sink.line(&device.to_string()).map_err(failed)?;
            devices += 1;
        }
        pages += 1;
        if pages.is_multiple_of(PAGES_PER_REPORT) {
            eprintln!("ringpost: {devices} devices exported");
        }
        after = page["next"].as_str().map(str::to_owned);
        if after.is_none() {
            break;
        }
    }
    if let Some(sink) = sink {
        sink.end().map_err(failed)?;
    }
    match path {
        Some(path) if target.json => {
            println!(
                "{}",
                json!({ "exported": devices, "file": path.display().to_string() })
            );
        }
        Some(_) => println!("{devices} devices exported"),
        // The lines themselves are on standard output.
        None => eprintln!("ringpost: {devices} devices exported"),
    }
    Ok(())
}
