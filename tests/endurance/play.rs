//! The play: a server with everybody who works with it, and the audit at its end.
//!
//! Always: the audit compares what was answered with what came, was told and can be looked up; it
//! waits for what is on its way, and then nothing may be missing, twice or made up.

#![allow(dead_code, reason = "each of the two test targets uses a part of it")]

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hyper::Method;
use serde_json::json;

use super::books::{Books, Message};
use super::diary::Diary;
use super::harness::receiver::Receiver;
use super::harness::{Devices, Server, Surroundings, wait_for};
use super::office::{self, CROWD, Known};
use super::phones::{self, Phone};
use super::shift::Shift;
use super::told::{Kind, Told};

/// Receivers on loopback are allowed, and pauses between tries are short. A clock that is set is no
/// reason to refuse a third party here. The store has the least memory, so that it is full within
/// minutes, tables are written all the time, and what grows afterwards is a leak.
const SETTINGS: &str = "[webhooks]\nallow_private = true\nretry_first_ms = 50\nretry_most_s = 1\n\
                        [ingress]\ntimestamp_skew_s = 0\n\
                        [store]\nmemory_mib = 32\n";

/// Devices of each of the two fleets, and phones that the test plays itself.
const FLEET: usize = 12;
const PHONES: usize = 3;

/// Threads that push to single devices.
const SINGLES: usize = 3;

/// The fewest seconds between two pings that a server grants: a frozen server is noticed soon.
const HEARTBEAT_S: &str = "10";

/// See the module page.
pub(crate) struct Play {
    pub(crate) server: Server,
    pub(crate) receiver: Receiver,
    /// Runs all the time, and its users click.
    pub(crate) steady: Devices,
    /// May be cut off and brought back.
    pub(crate) cut: Devices,
    pub(crate) books: Arc<Books>,
    pub(crate) known: Known,
    diary: Diary,
    told: Told,
    phones: Vec<Phone>,
}

impl Play {
    /// Everybody is there; nothing is asked for yet.
    pub(crate) fn begin(dir: &Path, surroundings: Surroundings) -> Play {
        let server = Server::start_in(dir, 2, SETTINGS, surroundings);
        let receiver = Receiver::start(200);
        let bootstrap = server.bootstrap();
        let url = format!("callback_url={}", receiver.url());
        server.set_app(&[&url, "callback_mode=signed"]);
        let fleet = |name: &str, more: &[&str]| {
            let dir = dir.join(name);
            std::fs::create_dir(&dir).expect("a folder");
            let args = [&["--heartbeat", HEARTBEAT_S], more].concat();
            Devices::start(&dir, &server, FLEET, &args)
        };
        let (steady, cut) = (fleet("steady", &["--click"]), fleet("cut", &[]));
        let phones: Vec<Phone> = (0..PHONES)
            .map(|number| Phone::start(&bootstrap, number))
            .collect();
        let sims = [steady.events().cids(), cut.events().cids()].concat();
        assert_eq!(sims.len(), 2 * FLEET);
        let crowd: Vec<String> = sims.iter().step_by(2).cloned().collect();
        let cids = json!({ "cid": crowd });
        let path = format!("/user/custom_tag/batch/{CROWD}");
        let tagged = server.third_party().call(Method::PUT, &path, Some(&cids));
        tagged.expect("the tag of the crowd");
        let of_phones = phones.iter().map(Phone::cid);
        let known = Known {
            everybody: sims.iter().cloned().chain(of_phones).collect(),
            sims: sims.iter().skip(1).step_by(2).cloned().collect(),
            crowd,
            bootstrap,
        };
        let mut diary = Diary::default();
        diary.follow(&steady);
        diary.follow(&cut);
        Play {
            server,
            receiver,
            steady,
            cut,
            books: Arc::default(),
            known,
            diary,
            told: Told::default(),
            phones,
        }
    }

    /// Everybody begins to work.
    pub(crate) fn start_load(&mut self, pace: Duration) -> Shift {
        let mut shift = Shift::new(pace);
        for first in 0..SINGLES {
            let (known, books) = (self.known.clone(), Arc::clone(&self.books));
            shift.join(move |orders| office::push_singles(&known, &books, orders, first * 1000));
        }
        let (known, books) = (self.known.clone(), Arc::clone(&self.books));
        shift.join(move |orders| office::push_to_many(&known, &books, orders));
        let (known, books) = (self.known.clone(), Arc::clone(&self.books));
        shift.join(move |orders| office::change_users(&known, &books, orders));
        let (known, books) = (self.known.clone(), Arc::clone(&self.books));
        shift.join(move |orders| phones::newcomers(&known.bootstrap, &books, orders));
        for phone in self.phones.drain(..) {
            let books = Arc::clone(&self.books);
            shift.join_as_device(move |orders| phone.live(&books, orders));
        }
        shift
    }

    /// Waits for this many answers more.
    pub(crate) fn let_it_run(&mut self, shift: &Shift, answers: u64) {
        let target = self.books.answers() + answers;
        wait_for("answers", || {
            shift.assert_well();
            self.hear();
            (self.books.answers() >= target).then_some(())
        });
    }

    /// Takes what the developer's server was told, so that it has room for more.
    pub(crate) fn hear(&mut self) {
        self.told.read_on(&self.receiver);
    }

    /// Waits until all that is owed came and was told.
    pub(crate) fn settle(&mut self) {
        let mut shown = None;
        wait_for("what is owed", || {
            self.diary.read_on();
            self.hear();
            let missing = self.missing();
            // What is missing last stands in the log of a failure.
            if missing.is_some() && missing != shown {
                eprintln!("still missing: {}", missing.as_deref().unwrap_or_default());
                shown.clone_from(&missing);
            }
            missing.is_none().then_some(())
        });
    }

    /// The first thing that is owed and has not come.
    fn missing(&mut self) -> Option<String> {
        let came = self.came();
        let pages = self.books.open();
        let lacks = |what: &str, wanted: &BTreeSet<Message>, got: &BTreeSet<Message>| {
            let count = wanted.difference(got).count();
            let first = wanted.difference(got).next()?;
            Some(format!("{count} {what}, such as {first:?}"))
        };
        if let Some(pushes) = lacks("pushes", &pages.owed, &came) {
            return Some(pushes);
        }
        if let Some(acks) = lacks("receipts", &came, self.told.of(Kind::Acked)) {
            return Some(acks);
        }
        lacks(
            "words of what was shown",
            &pages.shown,
            self.told.of(Kind::Shown),
        )
    }

    /// What the fleets showed and their users clicked is owed only once the server has said that it
    /// counted it, which their logs do not tell; but nobody may tell of what they did not do.
    fn assert_nothing_made_up(&mut self) {
        for (kind, what) in [(Kind::Shown, "shown"), (Kind::Clicked, "clicked")] {
            let done: BTreeSet<Message> = self.diary.noticed(what).into_keys().collect();
            let pages = self.books.open();
            let mut told = self.told.of(kind).iter();
            let wrong = told.find(|one| !done.contains(one) && !pages.shown.contains(one));
            assert_eq!(wrong, None, "told as {what}");
        }
    }

    fn came(&self) -> BTreeSet<Message> {
        let of_fleets = self.diary.all().into_keys();
        of_fleets.chain(self.books.open().came.clone()).collect()
    }

    /// The load is over: everything that was answered is there, once, and nothing else is.
    pub(crate) fn audit(&mut self, shift: Shift) {
        shift.go_home();
        self.settle();
        self.books.assert_every_kind();
        self.assert_nothing_made_up();
        let came = self.came();
        let pages = self.books.open();
        let made_up: Vec<&Message> = came
            .iter()
            .filter(|one| !pages.owed.contains(one) && !pages.maybe.contains(one))
            .collect();
        assert!(made_up.is_empty(), "nobody pushed these: {made_up:?}");
        let wanted: BTreeSet<Message> = pages
            .upstreams
            .iter()
            .map(|(cid, number)| (number.clone(), cid.clone()))
            .collect();
        assert!(!wanted.is_empty(), "devices wrote to the third party");
        let told = self.told.of(Kind::Upstream);
        assert_eq!(
            wanted.symmetric_difference(told).next(),
            None,
            "messages of devices"
        );
        let users: Vec<String> = pages.aliases.keys().cloned().collect();
        let registered: Vec<String> = pages.registered.values().map(ToString::to_string).collect();
        drop(pages);
        let party = self.server.third_party();
        for cid in &users {
            office::assert_user(&party, &self.books, cid);
        }
        for number in 0..50 {
            office::ask_again(&party, &self.books, number);
        }
        let asked: Vec<&str> = registered.iter().map(String::as_str).collect();
        let found = party.status(&asked).expect("statuses");
        assert_eq!(found.len(), registered.len(), "each newcomer is known");
        // Asking again delivered nothing: the next look finds what the last one did.
        self.settle();
        assert_eq!(self.came(), came);
        println!(
            "{}; {} events told twice",
            self.books.summary(),
            self.told.again
        );
    }

    /// The server is killed, and all its rows and files fit together.
    pub(crate) fn close(mut self) {
        self.server.kill_and_check();
    }

    /// Waits until all devices have a session.
    pub(crate) fn wait_until_online(&self) {
        let party = self.server.third_party();
        let cids: Vec<&str> = self.known.everybody.iter().map(String::as_str).collect();
        wait_for("all sessions", || {
            let states = party.status(&cids).ok()?;
            let online = states.values().filter(|state| *state == "online");
            (online.count() == cids.len()).then_some(())
        });
    }
}
