//! What kind of run a seed is: how many of everything, how large, how often things go wrong.
//!
//! Owner: one `World`; drawn first, then fixed. Always: small enough that a run takes well under
//! a second, and different enough that a few hundred seeds meet every bound of the core.

use super::dice::Dice;

/// Apps of every run; devices and pushes are spread over them.
pub(super) const APPS: [&str; 2] = ["alpha-of-the-simulation", "beta-of-the-simulation"];

/// One run. Times in microseconds of virtual time unless the name says otherwise.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) shards: u16,
    pub(super) phones: usize,
    pub(super) readers: usize,
    /// Mean time between two acts of the outside.
    pub(super) act_us: u64,
    /// Longest body in bytes.
    pub(super) body_len_max: u64,
    /// Longest burst of pushes.
    pub(super) burst_max: u64,
    /// Longest one-way delay of a link.
    pub(super) latency_us: u64,
    /// Longest sync of the disk.
    pub(super) sync_us: u64,
    /// Longest read.
    pub(super) read_us: u64,
    /// Most ops of one commit.
    pub(super) batch_max: u64,
    /// Room of the small rings, in entries: events to a shard, questions, parcels.
    pub(super) ring_len: usize,
    /// What a socket takes before its writer has to wait, in bytes.
    pub(super) socket_len: usize,
    /// How often each kind of trouble is chosen, against 1000 for all acts.
    pub(super) crashes: u64,
    pub(super) stops: u64,
    pub(super) clock_steps: u64,
    pub(super) cuts: u64,
    pub(super) phone_faults: u64,
    pub(super) twins: u64,
    pub(super) stalls: u64,
    pub(super) disk_faults: u64,
    pub(super) read_storms: u64,
    pub(super) commit_storms: u64,
    pub(super) app_switches: u64,
    pub(super) damages: u64,
    pub(super) app_deletions: u64,
    /// Whether the apps begin with a callback for receipts.
    pub(super) callbacks: bool,
    /// How often a device is muted at a start, in ten starts.
    pub(super) mutes: u64,
    /// Whether some acknowledgements leave out of order, as another SDK may send them.
    pub(super) late_acks: bool,
    /// Whether time also jumps by a day or more.
    pub(super) days: bool,
    /// Start this long before midnight UTC, in ms.
    pub(super) before_midnight_ms: u64,
}

impl Plan {
    /// The plan of a run, drawn.
    pub(super) fn draw(dice: &mut Dice) -> Self {
        let rate = |dice: &mut Dice, most: u64| {
            if dice.chance(1, 3) {
                0
            } else {
                dice.below(most + 1)
            }
        };
        Plan {
            shards: dice.within(1, 4) as u16,
            phones: dice.within(1, 8) as usize,
            readers: dice.within(1, 3) as usize,
            act_us: dice.pick(&[2_000, 10_000, 50_000, 400_000]),
            body_len_max: dice.pick(&[40, 40, 3_000, 9_000, 60_000]),
            burst_max: dice.pick(&[1, 10, 100, 200]),
            latency_us: dice.pick(&[200, 5_000, 80_000, 900_000]),
            sync_us: dice.pick(&[300, 3_000, 30_000]),
            read_us: dice.pick(&[50, 2_000, 60_000]),
            batch_max: dice.pick(&[1, 4, 64, 2_048]),
            ring_len: dice.pick(&[2, 16, 8_192]),
            socket_len: dice.pick(&[600, 16_000, 200_000]),
            crashes: rate(dice, 8),
            stops: rate(dice, 3),
            clock_steps: rate(dice, 10),
            cuts: rate(dice, 60),
            phone_faults: rate(dice, 60),
            twins: rate(dice, 8),
            stalls: rate(dice, 20),
            disk_faults: rate(dice, 2),
            read_storms: rate(dice, 3),
            commit_storms: rate(dice, 1),
            app_switches: rate(dice, 8),
            damages: rate(dice, 15),
            app_deletions: rate(dice, 3),
            callbacks: dice.chance(2, 3),
            mutes: dice.below(6),
            late_acks: dice.chance(1, 3),
            days: dice.chance(1, 3),
            before_midnight_ms: dice.pick(&[3_000, 700_000, 43_200_000]),
        }
    }
}
