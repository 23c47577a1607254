//! `ringpost import`: devices from a file of JSON lines, call by call.
//!
//! Always: one call's worth of lines is in memory; each line that is not taken is named by its number.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use serde_json::{Value, json};

use super::Target;
use super::admin_client::{AdminClient, ClientError};
use super::table;
use crate::limits::{IMPORT_CALL_LEN_MAX, IMPORT_LINE_LEN_MAX, IMPORT_LINES_PER_CALL};

/// Calls between two lines that say how far it is.
const CALLS_PER_REPORT: u64 = 20;

/// Takes over the devices of a file; `-` is standard input.
pub(super) fn run(
    appid: &str,
    path: &Path,
    skip_bad: bool,
    target: &Target,
) -> Result<(), ClientError> {
    let client = AdminClient::new(target)?;
    let failed = |error| ClientError::of_file(path, error);
    let source: Box<dyn Read> = match path.to_str() {
        Some("-") => Box::new(io::stdin()),
        _ => Box::new(File::open(path).map_err(failed)?),
    };
    let mut lines = Lines::new(BufReader::new(source));
    let mut import = Import {
        client,
        path: format!("/admin/v1/apps/{appid}/devices"),
        json: target.json,
        batch: Vec::new(),
        batch_len: 0,
        calls: 0,
        imported: 0,
        refused: 0,
    };
    while let Some(line) = lines.next().map_err(failed)? {
        match line.device {
            Ok(device) => import.add(line.number, line.len, device)?,
            Err(why) => import.refuse(line.number, "-", why),
        }
        if import.refused > 0 && !skip_bad {
            break;
        }
    }
    import.send()?;
    import.end()
}

struct Import {
    client: AdminClient,
    path: String,
    json: bool,
    batch: Vec<(u64, Value)>,
    batch_len: usize,
    calls: u64,
    imported: u64,
    refused: u64,
}

impl Import {
    fn add(&mut self, number: u64, len: usize, device: Value) -> Result<(), ClientError> {
        self.batch.push((number, device));
        self.batch_len += len;
        if self.batch.len() == IMPORT_LINES_PER_CALL || self.batch_len >= IMPORT_CALL_LEN_MAX {
            self.send()?;
        }
        Ok(())
    }

    fn send(&mut self) -> Result<(), ClientError> {
        let Some((first, _)) = self.batch.first() else {
            return Ok(());
        };
        let first = *first;
        self.batch_len = 0;
        let (numbers, devices): (Vec<u64>, Vec<Value>) = self.batch.drain(..).unzip();
        let cids: Vec<String> = devices
            .iter()
            .map(|device| table::text(device, "cid").to_owned())
            .collect();
        let body = json!({ "devices": devices });
        let answer = self
            .client
            .call("POST", &self.path, Some(&body))
            .inspect_err(|_| {
                eprintln!("ringpost: the lines from {first} on are not imported");
            })?;
        let results = answer["results"].as_array().map_or(&[][..], Vec::as_slice);
        for (at, (number, cid)) in numbers.into_iter().zip(&cids).enumerate() {
            match results.get(at) {
                Some(result) if result["ok"] == true => self.imported += 1,
                Some(result) => self.refuse(number, cid, table::text(result, "why")),
                None => self.refuse(number, cid, "the server says nothing of it"),
            }
        }
        self.calls += 1;
        if self.calls.is_multiple_of(CALLS_PER_REPORT) {
            eprintln!("ringpost: {} devices imported", self.imported);
        }
        Ok(())
    }

    fn refuse(&mut self, number: u64, cid: &str, why: &str) {
        self.refused += 1;
        if self.json {
            println!("{}", json!({ "line": number, "cid": cid, "why": why }));
        } else {
            eprintln!("line {number}: {cid}: {why}");
        }
    }

    fn end(self) -> Result<(), ClientError> {
        let (imported, refused) = (self.imported, self.refused);
        if self.json {
            println!("{}", json!({ "imported": imported, "refused": refused }));
        } else {
            println!("{imported} devices imported, {refused} lines refused");
        }
        match refused {
            0 => Ok(()),
            _ => Err(ClientError::LinesRefused { refused }),
        }
    }
}

/// One line that is not blank.
#[derive(Debug, PartialEq)]
struct Line {
    number: u64,
    len: usize,
    device: Result<Value, &'static str>,
}

/// The lines of a file, none of which is held longer than it may be.
struct Lines<R> {
    source: R,
    number: u64,
    held: Vec<u8>,
}

impl<R: BufRead> Lines<R> {
    fn new(source: R) -> Self {
        Lines {
            source,
            number: 0,
            held: Vec::new(),
        }
    }

    fn next(&mut self) -> io::Result<Option<Line>> {
        loop {
            let whole = self.fill()?;
            if self.held.is_empty() {
                return Ok(None);
            }
            self.number += 1;
            let text = self.held.trim_ascii();
            if whole && text.is_empty() {
                continue;
            }
            let device = match serde_json::from_slice(text) {
                _ if !whole => Err("the line is longer than 64 KiB"),
                Ok(device @ Value::Object(_)) => Ok(device),
                _ => Err("the line is no JSON object"),
            };
            return Ok(Some(Line {
                number: self.number,
                len: self.held.len(),
                device,
            }));
        }
    }

    /// Reads a line; false if it is too long: then only its beginning is held.
    fn fill(&mut self) -> io::Result<bool> {
        self.held.clear();
        let len_max = IMPORT_LINE_LEN_MAX as u64 + 1;
        let mut whole = true;
        let mut piece = Vec::new();
        loop {
            piece.clear();
            self.source
                .by_ref()
                .take(len_max)
                .read_until(b'\n', &mut piece)?;
            let ends = piece.last() == Some(&b'\n') || (piece.len() as u64) < len_max;
            if self.held.is_empty() {
                std::mem::swap(&mut self.held, &mut piece);
            }
            if ends {
                return Ok(whole);
            }
            whole = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8]) -> Vec<(u64, Result<Value, &'static str>)> {
        let mut lines = Lines::new(BufReader::with_capacity(7, bytes));
        let mut found = Vec::new();
        while let Some(line) = lines.next().expect("memory reads") {
            found.push((line.number, line.device));
        }
        found
    }

    #[test]
    fn given_lines_of_all_kinds_when_read_should_be_numbered_as_an_editor_does() {
        let none = Err("the line is no JSON object");
        assert_eq!(
            all(b"{\"a\":1}\n\n  \r\n[]\n{\"b\":\n\xff\n{\"c\":2}"),
            [
                (1, Ok(json!({"a": 1}))),
                (4, none.clone()),
                (5, none.clone()),
                (6, none),
                (7, Ok(json!({"c": 2}))),
            ]
        );
        assert_eq!(all(b""), []);
        assert_eq!(all(b"\n"), []);
    }

    #[test]
    fn given_a_line_over_the_limit_when_read_should_be_passed_over_and_the_next_be_read() {
        let line = |len: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(len - 8));
        for (len, fits) in [
            (IMPORT_LINE_LEN_MAX, true),
            (IMPORT_LINE_LEN_MAX + 1, false),
            (IMPORT_LINE_LEN_MAX * 3 + 5, false),
        ] {
            let found = all(format!("{}\n{{}}\n", line(len)).as_bytes());
            assert_eq!(found.len(), 2, "{len}");
            assert_eq!(found[0].1.is_ok(), fits, "{len}");
            assert_eq!(found[1], (2, Ok(json!({}))), "{len}");
        }
    }
}
