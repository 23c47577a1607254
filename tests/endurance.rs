//! Faults under a mixed load: kill -9, a frozen process, a clock that is set. Nothing that was
//! answered is lost or comes twice.
//!
//! The parts: this file (the faults), `endurance/play.rs` (who takes part, and the audit),
//! `endurance/office.rs` (the third party), `endurance/phones.rs` (devices that do more than listen),
//! `endurance/books.rs` (what was answered), `endurance/told.rs` (what the developer's server was told),
//! `endurance/clock.rs` (the clock). Short here; long with
//! `RINGPOST_ROUNDS=100 RINGPOST_FREEZE_S=30 cargo test --release --test endurance`.

#[path = "endurance/books.rs"]
mod books;
#[path = "endurance/clock.rs"]
mod clock;
#[path = "day/diary.rs"]
#[allow(dead_code, reason = "the day looks at more of it")]
mod diary;
mod harness;
#[path = "endurance/office.rs"]
mod office;
#[path = "endurance/phones.rs"]
mod phones;
#[path = "endurance/play.rs"]
mod play;
#[path = "endurance/shift.rs"]
mod shift;
#[path = "endurance/signal.rs"]
mod signal;
#[path = "endurance/told.rs"]
mod told;

use std::time::{Duration, Instant};

use clock::Clock;
use harness::Surroundings;
use harness::device::{Device, hello, register};
use office::LIFE_MS;
use play::Play;
use protocol::Identity;
use sdk_sim::third_party::{Push, PushBody};

/// A size of a test, from the environment.
fn size(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |text| text.parse().expect("a number"))
}

/// How many answers there are before the fault of a round: another count each time, so that it
/// falls elsewhere in the work of the server.
fn answers_before(round: u64) -> u64 {
    60 + round * 137 % 240
}

#[test]
fn given_kill_nine_under_every_kind_of_load_when_restarted_should_have_each_answered_thing_once() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut play = Play::begin(dir.path(), Surroundings::default());
    let shift = play.start_load(Duration::ZERO);
    let rounds = size("RINGPOST_ROUNDS", 3);
    let begun = Instant::now();
    for round in 0..rounds {
        play.let_it_run(&shift, answers_before(round));
        play.server.kill_nine();
        play.server.restart();
    }
    // Devices that met one kill after the other stay away for up to two minutes.
    play.wait_until_online();
    play.let_it_run(&shift, answers_before(1));
    play.audit(shift);
    println!("{rounds} times kill -9, {:.0?}", begun.elapsed());
    play.close();
}

#[test]
fn given_a_frozen_server_under_load_when_it_goes_on_should_have_lost_nothing_and_its_devices() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut play = Play::begin(dir.path(), Surroundings::default());
    let shift = play.start_load(Duration::ZERO);
    let span = Duration::from_secs(size("RINGPOST_FREEZE_S", 3));
    play.let_it_run(&shift, answers_before(0));
    signal::freeze(play.server.pid(), span);
    play.wait_until_online();
    play.let_it_run(&shift, answers_before(1));
    play.audit(shift);
    let logins = play.steady.events().count("online") + play.cut.events().count("online");
    println!("frozen for {span:?}; {logins} logins of the fleets");
    play.close();
}

/// How the clock is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Set {
    /// While everybody works.
    UnderLoad,
    /// With nothing under way, and nothing of before is asked for again: request ids are remembered for
    /// 24 hours of this clock, and over a day forwards they are forgotten.
    AtRest,
    /// The same, and the server is killed before and started behind it.
    Killed,
}

/// The install id of a device that is away all the time.
const AWAY: u8 = 0xA0;

/// What the clock is set to, one after the other.
const STEPS: [(&str, Set); 7] = [
    ("-1h", Set::UnderLoad),
    ("-1d", Set::UnderLoad),
    ("+0", Set::Killed),
    ("+1d", Set::AtRest),
    ("+0", Set::UnderLoad),
    ("-1h", Set::Killed),
    ("+0", Set::UnderLoad),
];

#[test]
fn given_a_clock_that_is_set_when_pushed_under_load_should_lose_and_repeat_nothing() {
    let dir = tempfile::tempdir().expect("a folder");
    let Some(clock) = Clock::find(dir.path()) else {
        assert!(
            std::env::var_os("CI").is_none(),
            "libfaketime is missing: apt-get install faketime"
        );
        eprintln!(
            "SKIPPED, nothing was tested: no libfaketime here, and so no clock to set; \
             apt-get install faketime"
        );
        return;
    };
    let mut play = Play::begin(dir.path(), clock.surroundings());
    let bootstrap = play.server.bootstrap();
    let away = register(&bootstrap, AWAY);
    let shift = play.start_load(Duration::ZERO);
    // It waits over every step, two days forwards among them, and may wait for three.
    let mut push = Push::new(PushBody::Transmission("waits".into())).expect("random");
    push.ttl_ms = Some(LIFE_MS);
    let pushed = play
        .server
        .third_party()
        .push_single_cid(&away.to_string(), &push);
    pushed.expect("answered");
    for (step, (off, how)) in STEPS.into_iter().enumerate() {
        play.let_it_run(&shift, 60);
        if how != Set::UnderLoad {
            shift.rest();
            play.settle();
            play.books.forget_answers();
        }
        if how == Set::Killed {
            play.server.kill_nine();
        }
        clock.set(off);
        if how == Set::Killed {
            play.server.restart();
        }
        if how != Set::UnderLoad {
            shift.go_on();
        }
        assert_eq!(clock::seen(&play.server), off, "step {step}");
    }
    play.let_it_run(&shift, 120);
    play.audit(shift);
    println!("the clock was set {} times", STEPS.len());
    let mut device = Device::connect(&bootstrap);
    device.greet(hello(&bootstrap, Identity::Login(away), [AWAY; 32]));
    assert_eq!(device.receive_text().1, "waits");
    play.close();
}
