//! The whole system from seeds: a fixed list, and fresh ones for a while.
//!
//! Owner: everybody; a seed that broke once joins the list when its fault is repaired.

use std::time::Duration;

use sdk_sim::sim::{Met, STEPS_DEFAULT, hunt, run};

/// Seeds that are always run, and as many steps as the default. One a line; `#` begins a comment.
const SEEDS: &str = include_str!("../plans/seeds.txt");

fn fixed_seeds() -> impl Iterator<Item = u64> {
    let texts = SEEDS
        .lines()
        .map(|line| line.split('#').next().unwrap_or("").trim());
    texts
        .filter(|text| !text.is_empty())
        .map(|text| text.parse().expect("a seed is a number"))
}

#[test]
fn given_the_fixed_seeds_when_run_should_keep_every_promise() {
    let mut accepted = 0;
    let mut met = Met::default();
    for seed in fixed_seeds() {
        match run(seed, STEPS_DEFAULT) {
            Ok(run) => {
                accepted += run.accepted;
                met = met.and(run.met);
            }
            Err(broken) => panic!("{broken}"),
        }
    }
    assert!(
        accepted > 1_000,
        "only {accepted} messages were accepted in all runs"
    );
    assert!(met.is_all(), "some of this never happened: {met:?}");
}

#[test]
fn given_fresh_seeds_when_run_for_a_while_should_keep_every_promise() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>());
    let seconds = number("RINGPOST_SIM_SECONDS").map_or(5, |text| text.expect("seconds"));
    let first = number("RINGPOST_SIM_FIRST").map_or_else(
        || getrandom::u64().expect("randomness"),
        |text| text.expect("a seed"),
    );
    let hunt = hunt(first, STEPS_DEFAULT, Duration::from_secs(seconds));
    println!(
        "{} runs from seed {first} on, {} steps",
        hunt.runs, hunt.steps
    );
    if let Some(broken) = hunt.broken {
        panic!("{broken}");
    }
}

#[test]
fn given_the_same_seed_when_run_twice_should_go_the_same_way_and_another_seed_not() {
    for seed in fixed_seeds().take(3) {
        let one = run(seed, STEPS_DEFAULT).expect("a fixed seed");
        let two = run(seed, STEPS_DEFAULT).expect("a fixed seed");
        assert_eq!(one, two);
        let other = run(seed ^ 1, STEPS_DEFAULT / 4).expect("a neighbour of a fixed seed");
        assert_ne!(one.hash, other.hash);
    }
}
