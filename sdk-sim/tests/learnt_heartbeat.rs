//! A real client on networks that forget idle connections: what it learns, what that costs, and how
//! soon a dead link is noticed, in virtual time.
//!
//! Owner: `client/learner.rs`. Always: no clock; the figures are those of docs/heartbeat.md:
//! `cargo test -p sdk-sim --test learnt_heartbeat -- --nocapture`

mod forgetful;

use forgetful::{CHOICE_S, HOUR_MS, MAX_S, Network, config};
use sdk_sim::client::{EndReason, LearntHeartbeats};

/// A network, and what was seen on it.
#[derive(Debug)]
struct Figures {
    drop_s: u64,
    /// Losses, logins and mean interval of the first day, which begins with nothing known.
    first_losses: usize,
    first_logins: u64,
    first_mean_s: f64,
    /// Until the last loss of the search.
    settled_after_ms: u64,
    /// Of the nine days after it.
    later_losses: usize,
    later_mean_s: f64,
    /// From the cut of a settled link until the client drops it, over many moments of the cut.
    notice_mean_s: f64,
    notice_max_s: f64,
}

/// Times a settled link is cut.
const CUTS: u64 = 200;

fn measure(drop_s: u64) -> Figures {
    let mut network = Network::forgetting_after(drop_s);
    // Six hours are one life of a wall: losses in them are the search, later ones a second look.
    network.pass(6 * HOUR_MS);
    let settled_after_ms = network.endings.iter().map(|ending| ending.at_ms).max();
    network.pass(18 * HOUR_MS);
    let first = (network.losses(), network.logins, network.mean_interval_s());
    network.count_anew();
    network.pass(9 * 24 * HOUR_MS);
    let later = (network.losses(), network.mean_interval_s());

    let mut notices_ms = Vec::new();
    for at in 0..CUTS {
        let mut network = restarted(&network);
        network.pass(HOUR_MS + at * 7_919);
        if network.client.is_online() {
            notices_ms.push(network.cut());
        }
    }
    assert!(notices_ms.len() > CUTS as usize * 9 / 10);
    let sum_ms: u64 = notices_ms.iter().sum();
    Figures {
        drop_s,
        first_losses: first.0,
        first_logins: first.1,
        first_mean_s: first.2,
        settled_after_ms: settled_after_ms.unwrap_or(0),
        later_losses: later.0,
        later_mean_s: later.1,
        notice_mean_s: sum_ms as f64 / notices_ms.len() as f64 / 1_000.0,
        notice_max_s: notices_ms.into_iter().max().unwrap_or(0) as f64 / 1_000.0,
    }
}

/// The same device after a restart of its process.
fn restarted(network: &Network) -> Network {
    let learnt = network.client.learnt().expect("it learns");
    let kept = learnt.to_json(network.now_ms);
    let learnt = LearntHeartbeats::from_json(&kept, 0).expect("its own text");
    Network::of(config(Some(learnt)), network.drop_ms / 1_000)
}

fn good_s(network: &Network, name: &str) -> Option<u16> {
    network
        .client
        .learnt()
        .and_then(|learnt| learnt.good_s(name))
}

fn print(figures: &Figures) {
    println!(
        "| {} | {} | {} | {:.0} | {:.1} | {} | {:.0} | {:.0} | {:.0} |",
        figures.drop_s,
        figures.first_losses,
        figures.first_logins,
        figures.first_mean_s,
        figures.settled_after_ms as f64 / HOUR_MS as f64,
        figures.later_losses,
        figures.later_mean_s,
        figures.notice_mean_s,
        figures.notice_max_s,
    );
}

#[test]
fn given_networks_that_forget_when_learnt_should_come_close_lose_little_and_notice_in_time() {
    for drop_s in [45, 120, 300, 3_600] {
        let figures = measure(drop_s);
        print(&figures);
        let reach_s = drop_s.min(u64::from(MAX_S)) as f64;
        assert!(figures.later_mean_s <= reach_s, "{figures:?}");
        assert!(figures.later_mean_s >= reach_s * 0.75, "{figures:?}");
        assert!(figures.first_losses <= 10, "{figures:?}");
        assert!(figures.later_losses <= 8, "{figures:?}");
        assert!(figures.notice_max_s <= reach_s * 1.5, "{figures:?}");
    }
}

#[test]
fn given_a_restart_when_it_comes_back_should_begin_at_what_was_good_and_lose_nothing() {
    let mut network = Network::forgetting_after(300);
    network.pass(4 * HOUR_MS);
    assert!(network.losses() > 0, "it went to the wall");
    let good_s = good_s(&network, "").expect("proven");
    let mut network = restarted(&network);
    network.pass(1_000);
    assert_eq!(
        network.client.heartbeat_ms(),
        Some(u64::from(good_s) * 1_000)
    );
    assert_eq!(network.wishes, [good_s], "as much as it uses, no more");
    network.pass(HOUR_MS);
    assert_eq!(network.losses(), 0);
}

#[test]
fn given_two_networks_when_the_device_moves_should_know_each_again() {
    let mut network = Network::forgetting_after(300);
    network.client.set_network("home").expect("a name");
    network.pass(2 * HOUR_MS);
    network.move_to("46001", 45);
    network.pass(2 * HOUR_MS);
    let (home_s, away_s) = (good_s(&network, "home"), good_s(&network, "46001"));
    assert!(
        home_s.is_some_and(|good_s| (225..=300).contains(&good_s)),
        "{home_s:?}"
    );
    assert!(
        away_s.is_some_and(|good_s| (34..=45).contains(&good_s)),
        "{away_s:?}"
    );
    network.count_anew();
    for (name, drop_s) in [("home", 300), ("46001", 45), ("home", 300)] {
        network.move_to(name, drop_s);
        network.pass(HOUR_MS / 4);
    }
    assert_eq!(network.losses(), 0, "{:?}", network.endings);
}

#[test]
fn given_a_network_that_becomes_worse_when_it_does_should_step_back_and_never_settle_above() {
    let mut network = Network::forgetting_after(3_600);
    network.pass(12 * HOUR_MS);
    assert_eq!(good_s(&network, ""), Some(MAX_S));
    network.drop_ms = 120_000;
    network.pass(6 * HOUR_MS);
    network.count_anew();
    network.pass(2 * HOUR_MS);
    assert!(network.mean_interval_s() <= 120.0);
    assert!(network.mean_interval_s() >= 90.0);
}

#[test]
fn given_a_network_that_becomes_better_when_the_wall_is_old_should_grow_again() {
    let mut network = Network::forgetting_after(120);
    network.pass(6 * HOUR_MS);
    network.drop_ms = HOUR_MS;
    network.pass(3 * 24 * HOUR_MS);
    assert_eq!(good_s(&network, ""), Some(MAX_S));
}

#[test]
fn given_pushes_all_the_time_when_nothing_is_idle_should_learn_nothing_from_them() {
    let mut network = Network::forgetting_after(150);
    network.push_every_ms = Some(100_000);
    network.pass(24 * HOUR_MS);
    assert_eq!(
        good_s(&network, ""),
        None,
        "nothing was idle for {CHOICE_S} s"
    );
    assert_eq!(network.losses(), 0);
}

#[test]
fn given_a_server_that_never_grants_the_wish_when_it_holds_should_not_log_in_for_ever() {
    let mut network = Network::forgetting_after(3_600);
    network.grant_max_s = 60;
    network.pass(48 * HOUR_MS);
    assert!(network.logins <= 3, "{} logins", network.logins);
    assert_eq!(network.client.heartbeat_ms(), Some(60_000));
}

#[test]
fn given_a_server_that_says_heartbeat_timeout_when_it_does_should_step_back() {
    let mut network = Network::of(config(Some(LearntHeartbeats::default())), 3_600);
    network.pass(1_000);
    network.say_heartbeat_timeout();
    network.pass(10_000);
    assert_eq!(network.client.heartbeat_ms(), Some(120_000));
    let ending = &network.endings[0].reason;
    assert!(matches!(ending, EndReason::Closed { .. }), "{ending:?}");
}

#[test]
fn given_a_client_that_does_not_learn_when_idle_should_keep_its_fixed_wish() {
    let mut network = Network::of(config(None), 3_600);
    network.pass(24 * HOUR_MS);
    assert_eq!((network.logins, network.losses()), (1, 0));
    assert_eq!(
        network.client.heartbeat_ms(),
        Some(u64::from(CHOICE_S) * 1_000)
    );
    assert!(network.client.learnt().is_none());
}
