//! Rounds of an attack, and the memory of the server over all of them.
//!
//! Always: rounds are alike, so what rises from one to the next is what the server keeps of them.

use super::curves_folder;
use super::harness::Server;
use super::harness::curve::Reading;

/// Rounds that warm the allocator, and rounds that must add nothing.
pub(super) const WARM_UP: usize = 3;
pub(super) const ROUNDS: usize = 5;

/// What memory may differ between two rounds that are alike: pages the allocator has not given
/// back yet, and the store's own buffers.
const SLACK_KIB: u64 = 6 * 1024;

/// Runs rounds of an attack while the server's memory is read: the most of it in a round may not
/// rise after the warm-up.
pub(super) fn stays_flat(server: &Server, name: &str, mut round: impl FnMut(usize)) {
    let mut reading = Reading::of(server.pid());
    let mut ends = vec![reading.read_now()];
    for number in 0..WARM_UP + ROUNDS {
        round(number);
        ends.push(reading.read_now());
    }
    let curve = reading.end();
    curve.show(name, curves_folder().as_deref());
    let heights: Vec<u64> = ends
        .windows(2)
        .filter_map(|pair| curve.height_kib(pair[0], pair[1]))
        .collect();
    println!("{name}, most memory in each round: {heights:?} KiB");
    assert_eq!(heights.len(), WARM_UP + ROUNDS, "readings in each round");
    let (warm, later) = heights.split_at(WARM_UP);
    let most = |part: &[u64]| part.iter().max().copied().expect("rounds");
    assert!(
        most(later) <= most(warm) + SLACK_KIB,
        "memory rises: {heights:?} KiB"
    );
}
