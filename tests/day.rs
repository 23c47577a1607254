//! A day in the life: devices that come, go and stay away, every kind of push, a developer's server
//! that is dead for a while, two kill -9, and in the evening every book agrees.
//!
//! The parts: this file (the story), `day/town.rs` (who lives there), `day/desk.rs` (the calls of
//! the developer), `day/ledger.rs` (what must have become of each push), `day/diary.rs` (what
//! devices wrote down), `day/receipts.rs` (what the developer's server was told). Few devices here;
//! the whole town with `RINGPOST_DEVICES=5000 cargo test --release --test day`.

#[path = "day/desk.rs"]
mod desk;
#[path = "day/diary.rs"]
mod diary;
mod harness;
#[path = "day/ledger.rs"]
mod ledger;
#[path = "day/receipts.rs"]
mod receipts;
#[path = "day/town.rs"]
mod town;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use desk::{LONG_MS, tags};
use harness::wait_for;
use ledger::{Fate, now_ms};
use receipts::told;
use serde_json::json;
use town::{Day, Fleet, SECRET, every, set};

/// How long the push with a speed is to take, in seconds: the server is killed in the middle.
const PACED_S: usize = 12;

/// How long before its time a push is scheduled at least; the server is killed meanwhile.
const AHEAD_MS: u64 = 15_000;

/// A life that ends before its devices come back, in ms.
const SHORT_MS: i64 = 1_000;

/// `(task, CID)` with the message id.
type Messages = BTreeMap<(String, String), String>;

/// What was told and is not in the logs, or the other way round, in a word.
fn unlike(told: &Messages, logged: &Messages) -> Option<String> {
    let amiss = || told.iter().filter(|one| logged.get(one.0) != Some(one.1));
    let untold = logged.keys().filter(|one| !told.contains_key(*one)).count();
    let first = amiss().next();
    (untold > 0 || first.is_some()).then(|| {
        format!(
            "{untold} untold, {} told wrongly, such as {first:?}",
            amiss().count()
        )
    })
}

/// Waits until `look` finds nothing amiss; what was amiss last is in the log of a failure.
fn wait_until_none(what: &str, mut look: impl FnMut() -> Option<String>) {
    let mut shown = None;
    wait_for(what, || {
        let amiss = look();
        if amiss.is_some() && amiss != shown {
            eprintln!("{what}: {}", amiss.as_deref().unwrap_or_default());
            shown.clone_from(&amiss);
        }
        amiss.is_none().then_some(())
    });
}

impl Day {
    /// Every kind of push, to who is there and who is not.
    fn morning(&mut self) {
        let all = self.all();
        let long = json!({ "ttl": LONG_MS });
        self.app("to all", "/push/all", json!("all"), long.clone(), &all);
        self.app(
            "to all, now or never",
            "/push/all",
            json!("all"),
            json!({ "ttl": -1 }),
            &all,
        );
        let red: BTreeSet<String> = self.tagged["red"]
            .difference(&self.tagged["vip"])
            .cloned()
            .collect();
        let red: Vec<String> = red.into_iter().collect();
        let conditions = json!({ "tag": [tags("or", &["red", "nobody"]), tags("not", &["vip"])] });
        self.app(
            "to red, not vip",
            "/push/tag",
            conditions,
            long.clone(),
            &red,
        );
        let fast = json!({ "fast_custom_tag": "old" });
        self.app(
            "to old, fast",
            "/push/fast_custom_tag",
            fast,
            long,
            &self.tagged("old"),
        );

        let from_ms = now_ms();
        let list = self.desk.open_list(LONG_MS);
        let half = [&self.home.cids[..self.home.cids.len() / 2], &self.gone.cids].concat();
        self.desk.push_list(&list, &half);
        let others = every(3, &all).into_iter().filter(|cid| !half.contains(cid));
        let others: Vec<String> = others.collect();
        self.desk.push_list(&list, &others);
        let both = [half, others].concat();
        self.add("list", list, from_ms, true, &both);

        let list = self.desk.open_list(LONG_MS);
        let named = |fleet: &Fleet| {
            (0..fleet.cids.len().min(20))
                .map(|number| fleet.alias(number))
                .collect::<Vec<_>>()
        };
        let aliases = [named(&self.home), named(&self.away)].concat();
        let these = [
            &self.home.cids[..self.home.cids.len().min(20)],
            &self.away.cids[..self.away.cids.len().min(20)],
        ]
        .concat();
        assert_eq!(self.desk.push_list_alias(&list, &aliases), set(&these));
        self.add("list of aliases", list, from_ms, true, &these);
        for (cid, (task, _)) in self.desk.batch("alias", &aliases, "by alias") {
            self.add("batch of aliases", task, from_ms, true, &[cid]);
        }
        self.batch("batch", &all, &set(&self.home.cids));
        self.shown_and_revoked(from_ms);
        self.stopped();
        self.short_lived();
    }

    /// A notification to one device, and a push that takes it back.
    fn shown_and_revoked(&mut self, from_ms: u64) {
        let cid = self.home.cids[1].clone();
        assert!(!self.black.contains(&cid));
        let notification =
            json!({ "notification": { "title": "t", "body": "b", "click_type": "startapp" } });
        let (shown, word) = self.desk.single(&cid, &notification);
        assert_eq!(word, "successed_online");
        let (revoke, _) = self
            .desk
            .single(&cid, &json!({ "revoke": { "old_task_id": shown } }));
        for (name, task) in [("notification", &shown), ("revoke", &revoke)] {
            self.add(
                name,
                task.clone(),
                from_ms,
                true,
                std::slice::from_ref(&cid),
            );
        }
        self.ledger.show(&shown);
        wait_for("the revoke", || {
            self.diary.read_on();
            self.diary.reached(&revoke).contains(&cid).then_some(())
        });
        assert_eq!(self.diary.body(&revoke)["revoke"]["old_task_id"], *shown);
        assert_eq!(self.diary.body(&shown)["notification"]["title"], "t");
    }

    /// A list that is stopped when those who run have it.
    fn stopped(&mut self) {
        let from_ms = now_ms();
        let task = self.desk.open_list(LONG_MS);
        let some = [
            every(5, &self.home.cids),
            every(2, &self.away.cids),
            every(2, &self.gone.cids),
        ]
        .concat();
        self.desk.push_list(&task, &some);
        self.add("stopped", task.clone(), from_ms, true, &some);
        let home = set(&self.home.cids);
        let runs = some
            .iter()
            .filter(|cid| home.contains(*cid) && !self.black.contains(*cid));
        let acked = runs.clone().count();
        wait_for("the acknowledgements of the list to be stopped", || {
            let report = self.desk.get(&format!("/report/push/task/{task}"));
            (report[&task]["total"]["receive_num"] == acked).then_some(())
        });
        self.desk.stop(&task);
        let runs: BTreeSet<String> = runs.cloned().collect();
        self.ledger.rewrite(&task, |cid, fate| match fate {
            Fate::Filtered => Fate::Filtered,
            _ if runs.contains(cid) => Fate::Acked,
            _ => Fate::Revoked,
        });
    }

    /// A list whose life is over before those it is for come back.
    fn short_lived(&mut self) {
        let from_ms = now_ms();
        let task = self.desk.open_list(SHORT_MS);
        let offline = [&self.away.cids[..], &self.gone.cids].concat();
        self.desk.push_list(&task, &offline);
        let pushed = Instant::now();
        self.add("short-lived", task.clone(), from_ms, true, &offline);
        self.ledger.rewrite(&task, |_, fate| match fate {
            Fate::Filtered => Fate::Filtered,
            _ => Fate::Expired,
        });
        let life = u128::from(SHORT_MS.unsigned_abs());
        wait_for("its end", || {
            (pushed.elapsed().as_millis() > life).then_some(())
        });
    }

    /// The developer's server is dead, and the server is killed while a push waits for its time.
    fn noon(&mut self) {
        let app = self.server.bootstrap().app.appid;
        self.receiver.die();
        self.batch(
            "batch, untold",
            &every(2, &self.all()),
            &set(&self.home.cids),
        );
        wait_for("receipts that wait", || {
            let waiting = self.server.say(&["receipts", &app]);
            (!waiting["receipts"].as_array().expect("a list").is_empty()).then_some(())
        });
        let settings = json!({ "ttl": LONG_MS, "schedule_time": now_ms() + AHEAD_MS });
        let red = json!({ "tag": [tags("or", &["red"])] });
        let task = self.app("scheduled", "/push/tag", red, settings, &self.tagged("red"));
        let before_ms = now_ms();
        self.power_cut();
        let schedule = self.desk.get(&format!("/task/schedule/{task}"));
        let push_time = schedule[&task]["push_time"].as_str().expect("text");
        let push_time: u64 = push_time.parse().expect("a time");
        assert!(
            before_ms < push_time,
            "killed too late, at {before_ms}: {schedule}"
        );
        self.batch(
            "batch after the first cut",
            &every(3, &self.all()),
            &set(&self.home.cids),
        );
        self.receiver.come_back();
    }

    /// Newcomers, and the server is killed in the middle of a push with a speed.
    fn afternoon(&mut self) {
        let late = Fleet::start(self.dir.path(), &self.server, "late", 10, false);
        self.diary.follow(&late.devices);
        let everybody = [&self.all()[..], &late.cids].concat();
        self.late = Some(late);
        let speed = everybody.len().div_ceil(PACED_S);
        let settings = json!({ "ttl": LONG_MS, "speed": speed });
        let began = Instant::now();
        let task = self.app(
            "to all, with a speed",
            "/push/all",
            json!("all"),
            settings,
            &everybody,
        );
        let reached = wait_for("some of them", || {
            self.diary.read_on();
            let reached = self.diary.reached(&task).len();
            (reached >= everybody.len() / 10).then_some(reached)
        });
        // A shard makes up for one second at most.
        let most = speed as f64 * (began.elapsed().as_secs_f64() + 1.0);
        assert!(reached as f64 <= most, "{reached} of {most} were reached");
        self.power_cut();
        let late = self.late.as_ref().expect("they came").cids.clone();
        let running = set(&[&self.home.cids[..], &late].concat());
        self.batch(
            "batch after the second cut",
            &[every(4, &self.all()), late].concat(),
            &running,
        );
    }

    /// Some come back; each book is closed; the roll call shows that nothing more comes.
    fn evening(&mut self) {
        self.away.devices.restart();
        let late = self.late.as_ref().expect("they came").cids.clone();
        let running = [&self.home.cids[..], &self.away.cids, &late].concat();
        let everybody = [&self.all()[..], &late].concat();
        self.desk.wait_until_online(&everybody, &set(&running));
        self.wait_for_the_books();
        // A device gets its messages in order: who has the roll call has all that came before.
        self.desk
            .black(false, &self.black.iter().cloned().collect::<Vec<_>>());
        self.black.clear();
        self.batch("roll call", &running, &set(&running));
        self.wait_for_the_books();
        let wanted = self.ledger.of_fate(Fate::Acked);
        let came: BTreeSet<(String, String)> = self.diary.all().into_keys().collect();
        assert_eq!(came.symmetric_difference(&wanted).next(), None);
        assert_eq!(self.desk.online(&everybody), set(&running));
        self.assert_known();
    }

    /// Waits until the devices' logs and the reports say what the ledger says.
    fn wait_for_the_books(&mut self) {
        wait_until_none("the logs of the devices", || {
            self.diary.read_on();
            self.ledger.unlike(&self.diary)
        });
        wait_until_none("the reports", || self.ledger.unlike_reports(&self.desk));
    }

    /// What the developer's server was told, what is held, and the way of single messages.
    fn close_the_books(&mut self) {
        let app = self.server.bootstrap().app.appid;
        let told = || told(&self.receiver, &app, SECRET, self.began_ms);
        // Acknowledgements of single pushes, which have no report, are written down a little later.
        let wanted = self.diary.all();
        wait_until_none("the receipts", || unlike(&told().of_type("acked"), &wanted));
        for (action, what) in [("action 10000", "shown"), ("action 10010", "clicked")] {
            let wanted = self.diary.noticed(what);
            assert!(!wanted.is_empty(), "nothing was {what}");
            wait_until_none(what, || unlike(&told().of_type(action), &wanted));
        }
        wait_for("no receipt to wait", || {
            let waiting = self.server.say(&["receipts", &app]);
            (waiting["receipts"] == json!([])).then_some(())
        });
        let dead = self.server.say(&["receipts", &app, "--dead"]);
        assert_eq!(dead["receipts"], json!([]));
        let told = told();
        assert_eq!(unlike(&told.of_type("acked"), &wanted), None);
        // Those who came back too late were told of; those who never came have not ended yet.
        let away = set(&self.away.cids);
        for (kind, fate) in [("expired", Fate::Expired), ("revoked", Fate::Revoked)] {
            let mut wanted = self.ledger.of_fate_of_kept(fate);
            wanted.retain(|(_, cid)| away.contains(cid));
            let told: BTreeSet<(String, String)> = told.of_type(kind).into_keys().collect();
            assert!(told == wanted, "{kind}: {} of {}", told.len(), wanted.len());
        }
        let gone = set(&self.gone.cids);
        self.ledger.assert_ways(&self.desk, &gone, self.cut_ms);

        // What ended unseen, of those who did not come back, is held until its day is over.
        let unseen = [Fate::Waiting, Fate::Expired, Fate::Revoked].into_iter();
        let held: usize = self
            .ledger
            .entries()
            .iter()
            .filter(|entry| entry.kept)
            .map(|entry| {
                unseen
                    .clone()
                    .map(|fate| entry.of_fate(fate).intersection(&gone).count())
                    .sum::<usize>()
            })
            .sum();
        assert_eq!(self.server.metric("ringpost_messages_held"), held as u64);
        let waiting = self.ledger.of_fate(Fate::Waiting);
        for cid in [&self.gone.cids[1], &self.away.cids[1], &self.home.cids[1]] {
            let of_it = waiting.iter().filter(|(_, it)| it == cid).count();
            let device = self.server.say(&["device", &app, cid]);
            assert_eq!(device["queue_len"], of_it, "{device}");
            assert_eq!(device["online"], !gone.contains(cid));
        }
    }
}

#[test]
fn given_a_day_of_pushes_cuts_and_returns_when_it_ends_should_have_all_books_agree() {
    let count = std::env::var("RINGPOST_DEVICES");
    let count = count.map_or(300, |text| text.parse().expect("a number"));
    let mut day = Day::begin(count);
    day.morning();
    day.noon();
    day.afternoon();
    day.evening();
    day.close_the_books();
    day.server.kill_and_check();
}
