//! The ledger: every push of the day with the end that each of its messages must come to.
//!
//! Always: ends are known from what the test did (who was away, on the black list, registered),
//! never from an answer of the server; reports and ways are compared with it, not taken into it.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::desk::{Desk, GROUP};
use super::diary::Diary;

/// Messages whose way is asked for, for each task and fate.
const SAMPLES: usize = 2;

/// Single pushes whose way is asked for.
const SINGLES: usize = 20;

/// Tasks of one request for reports (`rest-v2`: 200).
const TASKS_PER_CALL: usize = 200;

/// Where a message stands when the day is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fate {
    Acked,
    Expired,
    Filtered,
    Revoked,
    Waiting,
}

/// One push.
#[derive(Debug)]
pub(crate) struct Entry {
    /// For whoever reads a failure.
    pub(crate) name: &'static str,
    pub(crate) task: String,
    /// Whether its messages may wait.
    pub(crate) kept: bool,
    /// Not made before, in ms of Unix time.
    pub(crate) from_ms: u64,
    pub(crate) fates: BTreeMap<String, Fate>,
    /// Whether phones show it.
    pub(crate) is_shown: bool,
}

/// See the module page.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    entries: Vec<Entry>,
    /// Those whose users click on whatever is shown.
    pub(crate) clickers: BTreeSet<String>,
}

/// Now, in ms of Unix time.
pub(crate) fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(now.expect("after 1970").as_millis()).expect("fits")
}

impl Entry {
    /// Those who come to this end.
    pub(crate) fn of_fate(&self, fate: Fate) -> BTreeSet<String> {
        let these = self.fates.iter().filter(|(_, it)| **it == fate);
        these.map(|(cid, _)| cid.clone()).collect()
    }

    fn count(&self, fate: Fate) -> u64 {
        self.of_fate(fate).len() as u64
    }

    /// Only pushes to many have a report.
    fn is_reported(&self) -> bool {
        !self.task.starts_with("RASS_")
    }

    /// What `/report/push/task/…/detail` must say: `msg_num` could be sent to, `target_num` was
    /// sent or waits, the rest is lost at its stage.
    fn report(&self, clickers: &BTreeSet<String>) -> Value {
        let (acked, waiting) = (self.count(Fate::Acked), self.count(Fate::Waiting));
        let clicked = self.of_fate(Fate::Acked).intersection(clickers).count();
        let (expired, revoked) = (self.count(Fate::Expired), self.count(Fate::Revoked));
        let channel = json!({
            "target_num": acked + waiting, "receive_num": acked, "display_num": acked, "click_num": clicked,
        });
        let mut total = channel.clone();
        total["msg_num"] = json!(acked + waiting + expired + revoked);
        let lost = |classes: &[(&str, u64)]| {
            let some = classes.iter().filter(|(_, count)| *count > 0);
            let by_class: BTreeMap<_, _> = some
                .map(|(class, count)| (*class, json!({ "total": count })))
                .collect();
            json!({ "gt": by_class })
        };
        json!({ "total": total, "gt": channel, "failed_detail": {
            "ts": lost(&[("13", self.count(Fate::Filtered))]),
            "rs": lost(&[("12", expired), ("14", revoked)]),
            "sf": lost(&[]),
            "fd": lost(&[]),
        } })
    }

    /// The stages of a message of this end.
    fn way(&self, fate: Fate, clicks: bool) -> Vec<&'static str> {
        let stored = ["Stored"]
            .into_iter()
            .filter(|_| self.kept && fate != Fate::Filtered);
        let end: &[&str] = match fate {
            Fate::Acked if !self.is_shown => &["Sent", "Acked"],
            Fate::Acked if clicks => &["Sent", "Acked", "Shown", "Clicked"],
            Fate::Acked => &["Sent", "Acked", "Shown"],
            Fate::Expired => &["Expired"],
            Fate::Filtered => &["Filtered"],
            Fate::Revoked => &["Revoked"],
            Fate::Waiting => &[],
        };
        ["Accepted"]
            .into_iter()
            .chain(stored)
            .chain(end.iter().copied())
            .collect()
    }
}

impl Ledger {
    /// Writes a push down.
    pub(crate) fn add(&mut self, entry: Entry) {
        self.entries.push(entry);
    }

    /// Phones show what this task pushed.
    pub(crate) fn show(&mut self, task: &str) {
        let entry = self.entries.iter_mut().find(|entry| entry.task == task);
        entry.expect("a known task").is_shown = true;
    }

    /// Every push so far.
    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Changes what must become of a push.
    pub(crate) fn rewrite(&mut self, task: &str, end: impl Fn(&str, Fate) -> Fate) {
        let entry = self.entries.iter_mut().find(|entry| entry.task == task);
        for (cid, fate) in &mut entry.expect("a known task").fates {
            *fate = end(cid, *fate);
        }
    }

    /// Messages of this end, as `(task, cid)`.
    pub(crate) fn of_fate(&self, fate: Fate) -> BTreeSet<(String, String)> {
        let mut all = BTreeSet::new();
        for entry in &self.entries {
            let cids = entry.of_fate(fate).into_iter();
            all.extend(cids.map(|cid| (entry.task.clone(), cid)));
        }
        all
    }

    /// The same of those that were kept.
    pub(crate) fn of_fate_of_kept(&self, fate: Fate) -> BTreeSet<(String, String)> {
        let mut all = self.of_fate(fate);
        let kept = self.entries.iter().filter(|entry| entry.kept);
        let kept: BTreeSet<&str> = kept.map(|entry| entry.task.as_str()).collect();
        all.retain(|(task, _)| kept.contains(task.as_str()));
        all
    }

    /// The first push that has not come to exactly those to whom it must.
    pub(crate) fn unlike(&self, diary: &Diary) -> Option<String> {
        self.entries.iter().find_map(|entry| {
            let (got, wanted) = (diary.reached(&entry.task), entry.of_fate(Fate::Acked));
            let missing = wanted.difference(&got).count();
            let wrong: Vec<_> = got.difference(&wanted).collect();
            (got != wanted).then(|| {
                format!(
                    "{}: {missing} of {} without it, not for {wrong:?}",
                    entry.name,
                    wanted.len()
                )
            })
        })
    }

    /// The first report that does not say what is written here.
    pub(crate) fn unlike_reports(&self, desk: &Desk) -> Option<String> {
        for entries in self.entries.chunks(TASKS_PER_CALL) {
            let tasks: Vec<&str> = entries.iter().map(|entry| entry.task.as_str()).collect();
            let reports = desk.get(&format!("/report/push/task/{}/detail", tasks.join(",")));
            for entry in entries {
                let (got, wanted) = (reports.get(&entry.task), entry.report(&self.clickers));
                // Single pushes have no report.
                if got != entry.is_reported().then_some(&wanted) {
                    return Some(format!("{}: {got:?} instead of {wanted}", entry.name));
                }
            }
        }
        let mut sum: BTreeMap<String, u64> = BTreeMap::new();
        for entry in self.entries.iter().filter(|entry| entry.is_reported()) {
            for (name, number) in entry.report(&self.clickers)["total"]
                .as_object()
                .expect("numbers")
            {
                *sum.entry(name.clone()).or_default() += number.as_u64().expect("a number");
            }
        }
        let group = desk.get(&format!("/report/push/task_group/{GROUP}"));
        let got = &group[GROUP]["total"];
        (*got != json!(sum)).then(|| format!("the group: {got} instead of {sum:?}"))
    }

    /// Fails unless the way of some messages of each push and end is as written here, in order and
    /// between the push and now. A message of a stopped push has its end when its device comes: it is
    /// not asked for of those who are `gone`. `cut_ms`: when the server was killed last.
    pub(crate) fn assert_ways(&self, desk: &Desk, gone: &BTreeSet<String>, cut_ms: u64) {
        let all_fates = [
            Fate::Acked,
            Fate::Expired,
            Fate::Filtered,
            Fate::Revoked,
            Fate::Waiting,
        ];
        let now = utc_text(now_ms());
        let singles = self.entries.iter().filter(|entry| !entry.is_reported());
        let stride = singles.count() / SINGLES + 1;
        for (number, entry) in self.entries.iter().enumerate() {
            if !entry.is_reported() && number % stride != 0 {
                continue;
            }
            let from = utc_text(entry.from_ms);
            // A push to many makes no message for whom it passes over at once: its report counts them,
            // and there is no way to tell.
            let is_passed_over = |fate: Fate| match fate {
                Fate::Filtered => entry.is_reported(),
                Fate::Expired => entry.is_reported() && !entry.kept,
                Fate::Acked | Fate::Revoked | Fate::Waiting => false,
            };
            for fate in all_fates.into_iter().filter(|fate| !is_passed_over(*fate)) {
                let mut cids = entry.of_fate(fate);
                cids.retain(|cid| fate != Fate::Revoked || !gone.contains(cid));
                for cid in cids.iter().take(SAMPLES) {
                    let path = format!("/task/detail/{cid}/{}", entry.task);
                    let data = desk.get(&path);
                    let steps = data["detail"].as_array().expect("steps");
                    let text =
                        |step: &Value, name: &str| step[name].as_str().expect(name).to_owned();
                    let events: Vec<String> =
                        steps.iter().map(|step| text(step, "event")).collect();
                    let mut wanted = entry.way(fate, self.clickers.contains(cid));
                    // When a message was sent is known once its acknowledgement is written down. If
                    // a cut came first, the device says at its login that it has the message.
                    if entry.from_ms < cut_ms && !events.iter().any(|event| event == "Sent") {
                        wanted.retain(|stage| *stage != "Sent");
                    }
                    assert_eq!(events, wanted, "{}, {fate:?}", entry.name);
                    let mut times = vec![from.clone()];
                    times.extend(steps.iter().map(|step| text(step, "time")));
                    times.push(now.clone());
                    assert!(times.is_sorted(), "{}, {fate:?}: {times:?}", entry.name);
                }
            }
        }
    }
}

/// A time as the API writes it, in UTC.
fn utc_text(ms: u64) -> String {
    let at = format!("@{}", ms / 1000);
    let output = Command::new("date")
        .args(["-u", "-d", &at, "+%Y-%m-%d %H:%M:%S"])
        .output();
    let text = String::from_utf8(output.expect("date").stdout).expect("text");
    assert_eq!(text.trim().len(), "yyyy-MM-dd HH:mm:ss".len(), "{text}");
    text.trim().to_owned()
}
