//! The longest heartbeat that one network holds, searched by trying.
//!
//! Owner: `networks`, one for each network by name. Always: an interval to try is within the
//! server's bounds; a longer one is tried only after a shorter one held [`HOLDS_WANTED`] times; one
//! that failed is not tried again before its time. No clock: time is an argument, in the caller's
//! milliseconds.
//!
//! The search: from the server's choice, half as much again each time, until one fails. What failed
//! is a *wall*. Between the last good interval and the wall the middle is tried, until they are
//! close. A wall is forgotten after some hours, because networks change; what fails there again is
//! remembered twice as long.

/// How often an interval must hold, with nothing sent in between, before it counts as good. One
/// could be luck: a NAT that forgets at random times, or late.
pub(super) const HOLDS_WANTED: u8 = 3;

/// How long a wall is remembered when it was hit once, in milliseconds: six hours. A loss that was
/// no fault of the interval costs a shorter heartbeat for no longer than this.
pub(super) const WALL_MS_MIN: u64 = 6 * 60 * 60 * 1_000;

/// How often that time doubles at most: to sixteen days. Trying again costs one lost connection.
const WALL_DOUBLINGS_MAX: u8 = 6;

/// The search ends when the room up to the wall is this part of the good interval.
const CLOSE_ENOUGH: u16 = 8;

/// The server's bounds of an interval, in seconds: at least 1, `min_s <= choice_s <= max_s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bounds {
    pub(super) min_s: u16,
    pub(super) max_s: u16,
    /// What the server grants a device that wishes nothing.
    pub(super) choice_s: u16,
}

impl Bounds {
    pub(super) fn clamp(&self, interval_s: u16) -> u16 {
        interval_s.max(self.min_s).min(self.max_s)
    }
}

/// An interval that failed, and until when that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wall {
    pub(super) at_s: u16,
    pub(super) until_ms: u64,
    /// How often it was forgotten and hit again.
    pub(super) again: u8,
}

/// What is known of one network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct LearntHeartbeat {
    /// The longest interval that held, or the next shorter one to try; 0: nothing is known.
    pub(super) base_s: u16,
    /// `base_s` has held as often as it must.
    pub(super) proven: bool,
    pub(super) wall: Option<Wall>,
    /// The interval that is tried at the moment, and how often it held.
    tried_s: u16,
    holds: u8,
    /// The proven interval has failed once since it last held: perhaps only the network was away.
    shaken: bool,
}

impl LearntHeartbeat {
    /// What a session begins with.
    pub(super) fn base_s(&self, bounds: &Bounds) -> u16 {
        match self.base_s {
            0 => bounds.clamp(bounds.choice_s),
            base_s => bounds.clamp(base_s),
        }
    }

    /// What to try after the base has held in this session; the base itself if there is nothing
    /// better to try.
    pub(super) fn next_s(&self, bounds: &Bounds, now_ms: u64) -> u16 {
        let base_s = self.base_s(bounds);
        if !self.proven {
            return base_s;
        }
        let longer_s = base_s.saturating_add((base_s / 2).max(1));
        let next_s = match self.wall {
            Some(wall) if now_ms < wall.until_ms => {
                let room_s = wall.at_s.saturating_sub(base_s);
                if room_s <= (base_s / CLOSE_ENOUGH).max(1) {
                    base_s
                } else {
                    base_s + room_s / 2
                }
            }
            Some(wall) if wall.at_s > base_s => wall.at_s.min(longer_s),
            _ => longer_s,
        };
        bounds.clamp(next_s).max(base_s)
    }

    /// What to wish of the server: room for what one session may try and a little more, so that a
    /// trial need not be cut short; at most twice the base, so that the server too notices a dead
    /// device soon. Once nothing is left to try, the base.
    pub(super) fn wish_s(&self, bounds: &Bounds, now_ms: u64) -> u16 {
        let base_s = self.base_s(bounds);
        if self.proven && self.next_s(bounds, now_ms) == base_s {
            return base_s;
        }
        let twice_s = base_s.saturating_mul(2);
        let wish_s = match self.wall {
            Some(wall) if now_ms < wall.until_ms => wall.at_s.min(twice_s),
            _ => twice_s,
        };
        bounds.clamp(wish_s).max(base_s)
    }

    /// The link outlived `interval_s` of idleness.
    pub(super) fn held(&mut self, interval_s: u16, bounds: &Bounds) {
        let base_s = self.base_s(bounds);
        if interval_s < base_s {
            // The server granted less than what is known to be good: nothing new.
            return;
        }
        self.shaken = false;
        if interval_s == base_s && self.proven {
            return;
        }
        if self.tried_s != interval_s {
            (self.tried_s, self.holds) = (interval_s, 0);
        }
        self.holds += 1;
        if self.holds >= HOLDS_WANTED {
            *self = Self {
                base_s: interval_s,
                proven: true,
                // One that held after all stays known, until something longer holds too: what fails
                // there now and then must not be tried ever so often.
                wall: self.wall.filter(|wall| wall.at_s >= interval_s),
                ..Self::default()
            };
        }
    }

    /// The link died in `interval_s` of idleness.
    pub(super) fn lost(&mut self, interval_s: u16, bounds: &Bounds, now_ms: u64) {
        let base_s = self.base_s(bounds);
        self.holds = 0;
        if interval_s > base_s {
            self.hit_wall(interval_s, now_ms);
        } else if self.proven && !self.shaken {
            self.shaken = true;
        } else {
            self.hit_wall(interval_s, now_ms);
            self.base_s = bounds.clamp(interval_s / 2);
            self.proven = false;
            self.shaken = false;
        }
    }

    fn hit_wall(&mut self, at_s: u16, now_ms: u64) {
        let again = match self.wall {
            None => 0,
            // A nearer wall, found while the search for it is still on.
            Some(wall) if now_ms < wall.until_ms => wall.again,
            Some(wall) => wall.again.saturating_add(1).min(WALL_DOUBLINGS_MAX),
        };
        self.wall = Some(Wall {
            at_s,
            until_ms: now_ms.saturating_add(WALL_MS_MIN << again),
            again,
        });
    }

    /// As it was kept over a restart; a hold or a half loss is not kept.
    pub(super) fn kept(base_s: u16, proven: bool, wall: Option<Wall>) -> Self {
        let again = |wall: Wall| Wall {
            again: wall.again.min(WALL_DOUBLINGS_MAX),
            ..wall
        };
        Self {
            base_s,
            proven: proven && base_s > 0,
            wall: wall.map(again),
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, proptest};

    use super::*;

    const BOUNDS: Bounds = Bounds {
        min_s: 10,
        max_s: 1_800,
        choice_s: 240,
    };

    fn hold(learnt: &mut LearntHeartbeat, interval_s: u16) {
        for _ in 0..HOLDS_WANTED {
            learnt.held(interval_s, &BOUNDS);
        }
    }

    #[test]
    fn given_an_unknown_network_when_all_holds_should_grow_from_the_choice_to_the_maximum() {
        let mut learnt = LearntHeartbeat::default();
        let mut tried = Vec::new();
        assert_eq!(learnt.base_s(&BOUNDS), 240);
        for _ in 0..8 {
            let next_s = learnt.next_s(&BOUNDS, 0);
            tried.push(next_s);
            hold(&mut learnt, next_s);
        }
        assert_eq!(tried, [240, 360, 540, 810, 1_215, 1_800, 1_800, 1_800]);
        assert_eq!(learnt.wish_s(&BOUNDS, 0), 1_800);
    }

    #[test]
    fn given_fewer_holds_than_wanted_when_asked_should_try_the_same_again() {
        let mut learnt = LearntHeartbeat::default();
        for _ in 1..HOLDS_WANTED {
            learnt.held(240, &BOUNDS);
            assert_eq!(learnt.next_s(&BOUNDS, 0), 240);
        }
        learnt.held(240, &BOUNDS);
        assert_eq!(learnt.next_s(&BOUNDS, 0), 360);
    }

    #[test]
    fn given_a_trial_that_fails_when_asked_should_step_back_and_try_the_middle() {
        let mut learnt = LearntHeartbeat::default();
        hold(&mut learnt, 240);
        assert_eq!(learnt.wish_s(&BOUNDS, 0), 480);
        learnt.lost(360, &BOUNDS, 0);
        assert_eq!(
            (learnt.base_s(&BOUNDS), learnt.next_s(&BOUNDS, 0)),
            (240, 300)
        );
        assert_eq!(learnt.wish_s(&BOUNDS, 0), 360);
        hold(&mut learnt, 300);
        assert_eq!(learnt.next_s(&BOUNDS, 0), 330);
        learnt.lost(330, &BOUNDS, 0);
        assert_eq!(learnt.next_s(&BOUNDS, 0), 300, "close enough");
        assert_eq!(learnt.wish_s(&BOUNDS, 0), 300, "no more room is needed");
    }

    #[test]
    fn given_a_wall_when_its_time_is_over_should_be_tried_again_and_then_last_twice_as_long() {
        let mut learnt = LearntHeartbeat::kept(240, true, None);
        learnt.lost(260, &BOUNDS, 0);
        assert_eq!(learnt.next_s(&BOUNDS, WALL_MS_MIN - 1), 240);
        assert_eq!(learnt.next_s(&BOUNDS, WALL_MS_MIN), 260);
        assert_eq!(learnt.wish_s(&BOUNDS, WALL_MS_MIN), 480);
        learnt.lost(260, &BOUNDS, WALL_MS_MIN);
        assert_eq!(learnt.next_s(&BOUNDS, 3 * WALL_MS_MIN - 1), 240);
        assert_eq!(learnt.next_s(&BOUNDS, 3 * WALL_MS_MIN), 260);
        hold(&mut learnt, 260);
        assert_eq!(
            learnt.next_s(&BOUNDS, 3 * WALL_MS_MIN),
            390,
            "the wall is gone"
        );
    }

    #[test]
    fn given_a_good_interval_when_it_fails_once_should_stay_and_twice_should_halve() {
        let mut learnt = LearntHeartbeat::kept(300, true, None);
        learnt.lost(300, &BOUNDS, 0);
        assert_eq!(learnt.base_s(&BOUNDS), 300);
        learnt.held(300, &BOUNDS);
        learnt.lost(300, &BOUNDS, 0);
        assert_eq!(learnt.base_s(&BOUNDS), 300, "it held in between");
        learnt.lost(300, &BOUNDS, 0);
        assert_eq!(
            (learnt.base_s(&BOUNDS), learnt.next_s(&BOUNDS, 0)),
            (150, 150)
        );
        learnt.lost(150, &BOUNDS, 0);
        assert_eq!(learnt.base_s(&BOUNDS), 75, "not proven: one loss is enough");
    }

    #[test]
    fn given_holds_of_a_shorter_trial_when_a_longer_one_follows_should_not_count_for_it() {
        let mut learnt = LearntHeartbeat::kept(240, true, None);
        for interval_s in [300, 300, 360, 360] {
            learnt.held(interval_s, &BOUNDS);
            assert_eq!(learnt.base_s(&BOUNDS), 240);
        }
        learnt.held(360, &BOUNDS);
        assert_eq!(learnt.base_s(&BOUNDS), 360);
    }

    #[test]
    fn given_a_server_that_grants_less_when_that_holds_should_not_forget_the_good_one() {
        let mut learnt = LearntHeartbeat::kept(300, true, None);
        hold(&mut learnt, 60);
        assert_eq!(learnt.base_s(&BOUNDS), 300);
    }

    proptest! {
        #[test]
        fn given_any_network_and_bounds_when_learnt_should_stay_in_bounds_and_end_below_the_drop(
            (min_s, max_s) in (1_u16..200, 200_u16..=u16::MAX),
            choice in any::<u16>(),
            drop_s in any::<u16>(),
        ) {
            let bounds = Bounds { min_s, max_s, choice_s: choice.clamp(min_s, max_s) };
            let mut learnt = LearntHeartbeat::default();
            let mut losses = 0;
            // A session that goes on until a loss, then the next; all within one life of a wall.
            for _ in 0..200 {
                let base_s = learnt.base_s(&bounds);
                let tried_s = learnt.next_s(&bounds, 0);
                prop_assert!((min_s..=max_s).contains(&tried_s));
                prop_assert!((base_s..=max_s).contains(&learnt.wish_s(&bounds, 0)));
                prop_assert!(tried_s <= learnt.wish_s(&bounds, 0));
                if tried_s > drop_s {
                    learnt.lost(tried_s, &bounds, 0);
                    losses += 1;
                    prop_assert!(tried_s == min_s || learnt.next_s(&bounds, 0) < tried_s);
                } else {
                    learnt.held(tried_s, &bounds);
                }
            }
            let settled_s = learnt.next_s(&bounds, 0);
            if drop_s >= min_s {
                prop_assert!(settled_s <= drop_s, "{settled_s} of {drop_s}");
                let reachable_s = drop_s.min(max_s);
                prop_assert!(
                    settled_s >= reachable_s - reachable_s / 4 - 2,
                    "{settled_s} of {reachable_s}"
                );
                prop_assert!(losses <= 22, "{losses} losses");
            } else {
                prop_assert!(settled_s == min_s);
            }
        }

        #[test]
        fn given_any_story_when_told_should_never_leave_the_bounds(
            story in proptest::collection::vec((any::<bool>(), any::<u16>(), 0_u64..WALL_MS_MIN), 0..200),
        ) {
            let mut learnt = LearntHeartbeat::default();
            let mut now_ms = 0;
            for (holds, granted_s, passed_ms) in story {
                now_ms += passed_ms;
                let tried_s = learnt.next_s(&BOUNDS, now_ms).min(BOUNDS.clamp(granted_s));
                prop_assert!((BOUNDS.min_s..=BOUNDS.max_s).contains(&tried_s));
                if holds {
                    learnt.held(tried_s, &BOUNDS);
                } else {
                    learnt.lost(tried_s, &BOUNDS, now_ms);
                }
                for interval_s in [
                    learnt.base_s(&BOUNDS),
                    learnt.next_s(&BOUNDS, now_ms),
                    learnt.wish_s(&BOUNDS, now_ms),
                ] {
                    prop_assert!((BOUNDS.min_s..=BOUNDS.max_s).contains(&interval_s));
                }
            }
        }
    }
}
