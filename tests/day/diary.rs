//! What the devices wrote down: their event logs, read on from where the last look ended.
//!
//! Always: each device has each task once and in the order of message ids, or reading fails. A
//! repeat is allowed, of what came before: a server that was killed sends again.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;

use serde_json::Value;

use super::harness::Devices;

/// See the module page.
#[derive(Default)]
pub(crate) struct Diary {
    /// Each file, and how many bytes of it were read.
    files: BTreeMap<PathBuf, u64>,
    /// By task and CID: the message id.
    pushes: BTreeMap<String, BTreeMap<String, String>>,
    newest: BTreeMap<String, String>,
    /// What phones did with notifications, by task and CID: the message id.
    notices: BTreeMap<String, BTreeMap<(String, String), String>>,
    /// By task: bodies that came. All devices get the same.
    bodies: BTreeMap<String, Value>,
}

impl Diary {
    /// Reads the log of these devices too.
    pub(crate) fn follow(&mut self, devices: &Devices) {
        self.files.insert(devices.events_path().to_owned(), 0);
    }

    /// Reads what is new.
    pub(crate) fn read_on(&mut self) {
        let mut files = std::mem::take(&mut self.files);
        for (path, offset) in &mut files {
            let mut file = File::open(path).expect("a log");
            file.seek(SeekFrom::Start(*offset)).expect("a place in it");
            let mut text = String::new();
            file.read_to_string(&mut text).expect("text");
            // The last line may be half written.
            let whole = text.rfind('\n').map_or(0, |end| end + 1);
            for line in text[..whole].lines() {
                self.note(&serde_json::from_str(line).expect("a JSON line"));
            }
            *offset += whole as u64;
        }
        self.files = files;
    }

    fn note(&mut self, event: &Value) {
        let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
        let (task, cid, msgid) = (text("taskid"), text("cid"), text("msgid"));
        match event["ev"].as_str() {
            Some("push") => {
                let before = self.newest.insert(cid.clone(), msgid.clone());
                assert!(
                    before.is_none_or(|before| before < msgid),
                    "out of order: {event}"
                );
                let body = self
                    .bodies
                    .entry(task.clone())
                    .or_insert_with(|| event["body"].clone());
                assert_eq!(*body, event["body"], "one body for all");
                let twice = self.pushes.entry(task).or_default().insert(cid, msgid);
                assert_eq!(twice, None, "a second time: {event}");
            }
            Some("repeat") => {
                let first = self.pushes.get(&task).and_then(|cids| cids.get(&cid));
                assert_eq!(first, Some(&msgid), "a repeat of nothing: {event}");
            }
            Some("notice") => {
                let of_kind = self.notices.entry(text("notice")).or_default();
                let twice = of_kind.insert((task, cid), msgid);
                assert_eq!(twice, None, "a second time: {event}");
            }
            // A cut shows as connections that are refused or reset; a body that cannot be read, never.
            Some("error") => assert!(!text("text").starts_with("body: "), "{event}"),
            _ => {}
        }
    }

    /// Who has a task.
    pub(crate) fn reached(&self, task: &str) -> BTreeSet<String> {
        let cids = self.pushes.get(task);
        cids.map(|cids| cids.keys().cloned().collect())
            .unwrap_or_default()
    }

    /// What phones did with notifications (`shown`, `clicked`), as `(task, cid)` with the message id.
    pub(crate) fn noticed(&self, what: &str) -> BTreeMap<(String, String), String> {
        self.notices.get(what).cloned().unwrap_or_default()
    }

    /// The body of a task, as it came.
    pub(crate) fn body(&self, task: &str) -> &Value {
        &self.bodies[task]
    }

    /// Every push that came, as `(task, cid)` with its message id.
    pub(crate) fn all(&self) -> BTreeMap<(String, String), String> {
        let mut all = BTreeMap::new();
        for (task, cids) in &self.pushes {
            for (cid, msgid) in cids {
                all.insert((task.clone(), cid.clone()), msgid.clone());
            }
        }
        all
    }
}
