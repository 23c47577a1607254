//! The state file and its journal: what devices keep over runs.
//!
//! Owner: one process. Always: the state file is whole (written aside, flushed, renamed); what
//! happened since stands in FILE.journal, one write each, and is folded in at the next start.
//!
//! The journal's first line names the events file and how long that was. A push is written there
//! first; a kill before the journal's own line would otherwise log the push a second time, so the
//! pushes behind that mark are folded in too. A kill of the process loses nothing; after a power
//! failure the journal may be short, and pushes acked in the last moments may count as new.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use protocol::{ClientId, InstallId, MessageId};
use serde::{Deserialize, Serialize};

use super::events_file::for_each_push;
use super::identity::Identity;
use super::line_file::{LineFile, for_each_line, name};

#[derive(Debug)]
pub(super) struct StateFile {
    path: PathBuf,
    journal: LineFile,
    line: Vec<u8>,
}

/// First line of a journal.
#[derive(Debug, Serialize, Deserialize)]
struct Heading {
    events: Option<PathBuf>,
    from: u64,
}

/// Any other line: what was handled or, with an install id, a whole identity.
#[derive(Serialize, Deserialize)]
struct Entry<'a> {
    cid: &'a str,
    last: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    install: Option<&'a str>,
}

/// The devices of a state file, found by either id.
#[derive(Debug, Default)]
struct Roster {
    devices: Vec<Identity>,
    by_install: HashMap<InstallId, usize>,
    by_cid: HashMap<ClientId, usize>,
}

impl Roster {
    fn put(&mut self, device: Identity) {
        let next = self.devices.len();
        let at = *self.by_install.entry(device.install).or_insert(next);
        if let Some(cid) = device.cid {
            self.by_cid.insert(cid, at);
        }
        match self.devices.get_mut(at) {
            // A journal older than the state file repeats what is known.
            Some(known) if known.cid == device.cid => known.last = known.last.max(device.last),
            Some(known) => *known = device,
            None => self.devices.push(device),
        }
    }

    fn handled(&mut self, cid: ClientId, id: MessageId) {
        if let Some(device) = self
            .by_cid
            .get(&cid)
            .and_then(|at| self.devices.get_mut(*at))
            && device.cid == Some(cid)
        {
            device.last = device.last.max(id);
        }
    }
}

impl StateFile {
    /// Opens the files, made if absent, and returns the devices as the last run left them.
    ///
    /// # Errors
    /// The system's, or a line that is none of ours, with file and line number.
    pub(super) fn open(path: &Path) -> io::Result<(Self, Vec<Identity>)> {
        let mut roster = Roster::default();
        if path.exists() {
            let file = File::open(path).map_err(|error| name(path, error))?;
            let mut number = 0_u64;
            for_each_line(file, 0, |line| {
                number += 1;
                let device = Identity::read(line).map_err(|error| at_line(number, error))?;
                roster.put(device);
                Ok(())
            })
            .map_err(|error| name(path, error))?;
        }
        let journal = LineFile::open(&journal_path(path))?;
        fold(&journal, &mut roster)?;
        let state = Self {
            path: path.to_owned(),
            journal,
            line: Vec::new(),
        };
        Ok((state, roster.devices))
    }

    /// Writes all devices, flushes and renames; then starts a new journal that names the events
    /// file and its length now.
    pub(super) fn checkpoint(
        &mut self,
        devices: &[Identity],
        events: Option<(&Path, u64)>,
    ) -> io::Result<()> {
        let mut text = Vec::new();
        // A device that never registered has nothing to return to.
        for device in devices.iter().filter(|device| device.cid.is_some()) {
            device.write(&mut text);
        }
        replace(&self.path, &text)?;
        let heading = Heading {
            events: match events {
                Some((path, _)) => {
                    Some(std::path::absolute(path).map_err(|error| name(path, error))?)
                }
                None => None,
            },
            from: events.map_or(0, |(_, len)| len),
        };
        let mut text = serde_json::to_vec(&heading)?;
        text.push(b'\n');
        let journal = journal_path(&self.path);
        replace(&journal, &text)?;
        self.journal = LineFile::open(&journal)?;
        Ok(())
    }

    /// Notes a device that got its CID just now, secret included: a kill before the next checkpoint
    /// must not orphan it.
    pub(super) fn registered(&mut self, device: &Identity) -> io::Result<()> {
        self.line.clear();
        device.write(&mut self.line);
        self.journal.append(&self.line)
    }

    /// Notes that everything up to `last` was handled.
    pub(super) fn handled(&mut self, cid: ClientId, last: MessageId) -> io::Result<()> {
        let (cid, last) = (cid.to_string(), last.to_string());
        let handled = Entry {
            cid: &cid,
            last: &last,
            install: None,
        };
        self.line.clear();
        serde_json::to_writer(&mut self.line, &handled)?;
        self.line.push(b'\n');
        self.journal.append(&self.line)
    }
}

fn fold(journal: &LineFile, roster: &mut Roster) -> io::Result<()> {
    let mut heading: Option<Heading> = None;
    let mut number = 0_u64;
    journal.for_each_line(0, |line| {
        number += 1;
        if number == 1 {
            heading = Some(serde_json::from_slice(line).map_err(|e| at_line(1, e.into()))?);
        } else {
            let entry: Entry<'_> =
                serde_json::from_slice(line).map_err(|e| at_line(number, e.into()))?;
            if entry.install.is_some() {
                roster.put(Identity::read(line).map_err(|error| at_line(number, error))?);
            } else {
                let bad =
                    |problem| at_line(number, io::Error::new(io::ErrorKind::InvalidData, problem));
                let cid = entry.cid.parse();
                let last = entry.last.parse();
                roster.handled(
                    cid.map_err(|_| bad("cid: not 32 hex digits"))?,
                    last.map_err(|_| bad("last: not 16 hex digits"))?,
                );
            }
        }
        Ok(())
    })?;
    if let Some(Heading {
        events: Some(events),
        from,
    }) = heading
    {
        for_each_push(&events, from, |cid, id| roster.handled(cid, id))?;
    }
    Ok(())
}

fn at_line(number: u64, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("line {number}: {error}"))
}

fn journal_path(state: &Path) -> PathBuf {
    with_suffix(state, ".journal")
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut text = OsString::from(path);
    text.push(suffix);
    PathBuf::from(text)
}

/// Puts a whole, flushed file in the place of another. Only the owner may read it: it holds secrets.
fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;

    let aside = with_suffix(path, ".new");
    let write = || {
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&aside)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&aside, path)?;
        // The rename itself has to last as well.
        let folder = path.parent().filter(|folder| *folder != Path::new(""));
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    };
    write().map_err(|error| name(path, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(number: u8, cid: Option<u8>) -> Identity {
        Identity {
            cid: cid.map(|cid| ClientId::from_bytes([cid; 16])),
            install: InstallId::from_bytes([number; 16]),
            ..Identity::random().expect("random bytes")
        }
    }

    fn cid(number: u8) -> ClientId {
        ClientId::from_bytes([number; 16])
    }

    fn lasts(path: &Path) -> Vec<u64> {
        let (_, devices) = StateFile::open(path).expect("opens");
        devices.iter().map(|device| device.last.0).collect()
    }

    #[test]
    fn given_a_journal_when_opened_again_should_fold_it_into_the_state() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("state");
        let (mut state, none) = StateFile::open(&path).expect("opens");
        assert!(none.is_empty());
        state
            .checkpoint(&[device(1, Some(1)), device(2, None)], None)
            .expect("writes");
        state.registered(&device(3, Some(3))).expect("notes");
        state.handled(cid(1), MessageId(5)).expect("notes");
        state.handled(cid(3), MessageId(6)).expect("notes");
        drop(state);
        assert_eq!(lasts(&path), [5, 6], "the one without a CID is gone");
    }

    #[test]
    fn given_a_torn_journal_line_when_opened_should_not_count_it() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("state");
        let (mut state, _) = StateFile::open(&path).expect("opens");
        state
            .checkpoint(&[device(1, Some(1))], None)
            .expect("writes");
        state.handled(cid(1), MessageId(5)).expect("notes");
        state.handled(cid(1), MessageId(6)).expect("notes");
        drop(state);
        let journal = journal_path(&path);
        let text = fs::read(&journal).expect("reads");
        fs::write(&journal, &text[..text.len() - 3]).expect("writes");
        assert_eq!(lasts(&path), [5]);
    }

    #[test]
    fn given_a_push_line_without_its_journal_line_when_opened_should_count_as_handled() {
        let dir = tempfile::tempdir().expect("a folder");
        let (path, events) = (dir.path().join("state"), dir.path().join("events"));
        let line = |id: u64| {
            let cid = cid(1);
            format!("{{\"ns\":1,\"cid\":\"{cid}\",\"ev\":\"push\",\"msgid\":\"{id:016x}\"}}\n")
        };
        fs::write(&events, line(90)).expect("writes");
        let from = fs::metadata(&events).expect("a file").len();
        let (mut state, _) = StateFile::open(&path).expect("opens");
        state
            .checkpoint(&[device(1, Some(1))], Some((&events, from)))
            .expect("writes");
        state.handled(cid(1), MessageId(5)).expect("notes");
        fs::write(&events, format!("{}{}{}", line(90), line(5), line(7))).expect("writes");
        drop(state);
        assert_eq!(lasts(&path), [7], "and nothing before the mark");
        fs::remove_file(&events).expect("removes");
        assert_eq!(lasts(&path), [5], "a file that is gone has no pushes");
    }

    #[test]
    fn given_a_device_registered_anew_when_opened_should_have_the_new_identity() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("state");
        let (mut state, _) = StateFile::open(&path).expect("opens");
        let mut one = device(1, Some(1));
        one.last = MessageId(100);
        state
            .checkpoint(std::slice::from_ref(&one), None)
            .expect("writes");
        one.cid = Some(cid(2));
        one.last = MessageId(0);
        state.registered(&one).expect("notes");
        state.handled(cid(2), MessageId(3)).expect("notes");
        state.handled(cid(1), MessageId(200)).expect("notes");
        drop(state);
        let (_, devices) = StateFile::open(&path).expect("opens");
        assert_eq!(devices.len(), 1);
        assert_eq!(devices[0].cid, Some(cid(2)));
        assert_eq!(devices[0].last, MessageId(3));
    }

    #[test]
    fn given_a_state_file_of_others_when_opened_should_name_file_and_line() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("state");
        fs::write(&path, "{\"hello\":1}\n").expect("writes");
        let error = StateFile::open(&path).expect_err("refused").to_string();
        assert!(
            error.contains("state") && error.contains("line 1"),
            "{error}"
        );
    }
}
