//! The town: its devices, what is known of them without asking the server, and what is done to it.
//!
//! Always: what a device is (where it runs, its tags and alias, whether it is on the black list) is
//! kept here by whoever changes it, so that answers of the server can be compared with it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::desk::{Desk, tags};
use super::diary::Diary;
use super::harness::receiver::Receiver;
use super::harness::{Devices, Server};
use super::ledger::{Entry, Fate, Ledger, now_ms};

/// Receivers on loopback are allowed, and pauses between tries are short.
const SETTINGS: &str = "[webhooks]\nallow_private = true\nretry_first_ms = 50\nretry_most_s = 1\n";

pub(crate) const SECRET: &str = "a-secret-of-the-developer";

/// Devices whose tags and alias are looked at one by one.
const SAMPLES: usize = 10;

/// Devices that are run together. The CIDs are in the order of their numbers.
pub(crate) struct Fleet {
    pub(crate) devices: Devices,
    pub(crate) prefix: &'static str,
    pub(crate) cids: Vec<String>,
}

impl Fleet {
    /// `clicks`: their users click on whatever is shown.
    pub(crate) fn start(
        dir: &Path,
        server: &Server,
        prefix: &'static str,
        count: usize,
        clicks: bool,
    ) -> Fleet {
        let dir = dir.join(prefix);
        std::fs::create_dir(&dir).expect("a folder");
        let mut args = vec!["--alias-prefix", prefix];
        args.extend(clicks.then_some("--click"));
        let devices = Devices::start(&dir, server, count, &args);
        let state = std::fs::read_to_string(dir.join("devices.jsonl")).expect("their state");
        let cid = |line: &str| -> String {
            let device: Value = serde_json::from_str(line).expect("JSON");
            device["cid"].as_str().expect("a CID").to_owned()
        };
        let cids: Vec<String> = state.lines().map(cid).collect();
        assert_eq!(cids.len(), count);
        Fleet {
            devices,
            prefix,
            cids,
        }
    }

    pub(crate) fn alias(&self, number: usize) -> String {
        format!("{}_{number}", self.prefix)
    }
}

/// The town: who lives there, and what is known of it without asking the server.
pub(crate) struct Day {
    pub(crate) dir: TempDir,
    pub(crate) server: Server,
    pub(crate) receiver: Receiver,
    pub(crate) desk: Desk,
    /// Run all day; go in the morning and come back in the evening; go and stay away; register in
    /// the afternoon.
    pub(crate) home: Fleet,
    pub(crate) away: Fleet,
    pub(crate) gone: Fleet,
    pub(crate) late: Option<Fleet>,
    pub(crate) tagged: BTreeMap<&'static str, BTreeSet<String>>,
    pub(crate) black: BTreeSet<String>,
    pub(crate) diary: Diary,
    pub(crate) ledger: Ledger,
    pub(crate) began_ms: u64,
    /// When the server was killed last.
    pub(crate) cut_ms: u64,
}

pub(crate) fn every(nth: usize, cids: &[String]) -> Vec<String> {
    cids.iter().step_by(nth).cloned().collect()
}

pub(crate) fn set(cids: &[String]) -> BTreeSet<String> {
    cids.iter().cloned().collect()
}

impl Day {
    /// Everybody registers; some leave; some are put on the black list; tags are given.
    pub(crate) fn begin(count: usize) -> Day {
        let began_ms = now_ms();
        let dir = tempfile::tempdir().expect("a folder");
        let server = Server::start_configured(dir.path(), 2, SETTINGS);
        let receiver = Receiver::start(200);
        let url = format!("callback_url={}", receiver.url());
        let secret = format!("callback_secret={SECRET}");
        server.set_app(&[&url, &secret]);
        let home = Fleet::start(dir.path(), &server, "home", count * 7 / 10, true);
        let mut away = Fleet::start(dir.path(), &server, "away", count * 2 / 10, false);
        let mut gone = Fleet::start(dir.path(), &server, "gone", count / 10, false);
        assert!(away.devices.stop().success());
        assert!(gone.devices.stop().success());
        let mut diary = Diary::default();
        for fleet in [&home, &away, &gone] {
            diary.follow(&fleet.devices);
        }
        let desk = Desk::of(&server);
        let mut day = Day {
            dir,
            server,
            receiver,
            desk,
            home,
            away,
            gone,
            late: None,
            tagged: BTreeMap::new(),
            black: BTreeSet::new(),
            diary,
            ledger: Ledger::default(),
            began_ms,
            cut_ms: 0,
        };
        day.ledger.clickers = set(&day.home.cids);
        day.desk.wait_until_online(&day.all(), &set(&day.home.cids));
        let all = day.all();
        for (tag, nth) in [("red", 2), ("vip", 3), ("old", 4)] {
            let these = every(nth, &all);
            day.desk.tag(tag, &these);
            day.tagged.insert(tag, set(&these));
        }
        day.desk.untag("old", &every(8, &all));
        let kept: Vec<String> = all.iter().step_by(4).skip(1).step_by(2).cloned().collect();
        day.tagged.insert("old", set(&kept));
        // Some of each fleet, tagged and not.
        let black = every(13, &all);
        day.desk.black(true, &black);
        day.black = set(&black);
        day
    }

    /// All who registered in the morning.
    pub(crate) fn all(&self) -> Vec<String> {
        [&self.home.cids[..], &self.away.cids, &self.gone.cids].concat()
    }

    pub(crate) fn tagged(&self, tag: &str) -> Vec<String> {
        self.tagged[tag].iter().cloned().collect()
    }

    pub(crate) fn fate(&self, cid: &String, kept: bool) -> Fate {
        let is_of = |fleet: &Fleet| fleet.cids.contains(cid);
        match () {
            () if self.black.contains(cid) => Fate::Filtered,
            () if !kept && (is_of(&self.away) || is_of(&self.gone)) => Fate::Expired,
            () if is_of(&self.gone) => Fate::Waiting,
            () => Fate::Acked,
        }
    }

    /// Writes down a push to these devices.
    pub(crate) fn add(
        &mut self,
        name: &'static str,
        task: String,
        from_ms: u64,
        kept: bool,
        cids: &[String],
    ) {
        let fates = cids
            .iter()
            .map(|cid| (cid.clone(), self.fate(cid, kept)))
            .collect();
        // Pushes to many are notifications; single ones are what their caller says.
        let is_shown = !task.starts_with("RASS_");
        self.ledger.add(Entry {
            name,
            task,
            is_shown,
            kept,
            from_ms,
            fates,
        });
    }

    /// A push to an app that these devices are to get.
    pub(crate) fn app(
        &mut self,
        name: &'static str,
        path: &str,
        audience: Value,
        settings: Value,
        cids: &[String],
    ) -> String {
        let from_ms = now_ms();
        let task = self.desk.push_app(path, &audience, &settings);
        let kept = settings["ttl"] != -1;
        self.add(name, task.clone(), from_ms, kept, cids);
        task
    }

    /// A message of its own for each device; what it is answered is who runs and who is black-listed.
    pub(crate) fn batch(&mut self, name: &'static str, cids: &[String], online: &BTreeSet<String>) {
        let from_ms = now_ms();
        for (cid, (task, word)) in self.desk.batch("cid", cids, name) {
            let wanted = match () {
                () if self.black.contains(&cid) => "successed_ignore",
                () if online.contains(&cid) => "successed_online",
                () => "successed_offline",
            };
            assert_eq!(word, wanted, "{name} to {cid}");
            self.add(name, task, from_ms, true, &[cid]);
        }
    }

    /// Kills the server and waits until it and those who run are back.
    pub(crate) fn power_cut(&mut self) {
        self.server.kill_nine();
        self.cut_ms = now_ms();
        self.server.restart();
        self.desk = Desk::of(&self.server);
        let late = self.late.as_ref().map_or(&[][..], |late| &late.cids);
        let everybody = [&self.all()[..], late].concat();
        let running = set(&[&self.home.cids[..], late].concat());
        self.desk.wait_until_online(&everybody, &running);
        self.assert_known();
    }

    /// Tags and aliases are as they were set.
    pub(crate) fn assert_known(&self) {
        for (tag, cids) in &self.tagged {
            assert_eq!(
                self.desk.count(&json!([tags("or", &[tag])])),
                cids.len(),
                "{tag}"
            );
        }
        let both = self.tagged["red"].intersection(&self.tagged["vip"]).count();
        assert_eq!(
            self.desk.count(&json!([tags("and", &["red", "vip"])])),
            both
        );
        for fleet in [&self.home, &self.away, &self.gone] {
            for (number, cid) in fleet.cids.iter().enumerate().take(SAMPLES) {
                let alias = fleet.alias(number);
                let data = self.desk.get(&format!("/user/alias/cid/{cid}"));
                assert_eq!(data["alias"], *alias);
                let data = self.desk.get(&format!("/user/cid/alias/{alias}"));
                assert_eq!(data["cid"], json!([cid]));
                let data = self.desk.get(&format!("/user/custom_tag/cid/{cid}"));
                let text = data[cid][0].as_str().unwrap_or_default();
                let got: BTreeSet<&str> = text.split_whitespace().collect();
                let wanted = self.tagged.iter().filter(|(_, cids)| cids.contains(cid));
                assert_eq!(got, wanted.map(|(tag, _)| *tag).collect(), "{cid}");
            }
        }
    }
}
