//! Who may log in at once, who waits for it, and what those are told for whom the wait is too long.
//!
//! Owner: the loop of one shard; it gives the time and performs what is decided. Always: nobody is
//! put in line who would wait there longer than half of what a device gives its login, and nobody
//! is kept there longer; who is turned away is given a moment of its own to come back at.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::limits::{
    LOGINS_PER_S_AT_FIRST, LOGINS_PER_S_SPELL, LOGINS_TURNED_AWAY_MAX, LOGINS_WAITING_MAX,
    RETRY_AFTER_MAX, RETRY_AFTER_MIN,
};

/// Of what a shard logs in, the part that is promised to those who were turned away; the rest is
/// for those who come unannounced.
const PROMISED_PART: f64 = 0.8;

/// By how much of itself a wait is drawn out at most, so that who was told at the same moment by
/// two shards does not return at the same moment.
const DRAWN_OUT: f64 = 0.25;

/// See the module page. `T` is what waits.
#[derive(Debug)]
pub(super) struct Lobby<T> {
    /// Who waits, and since when.
    line: VecDeque<(Instant, T)>,
    wait_max: Duration,
    per_s: f64,
    /// Since when the line was never empty, or was looked at last, and who left it since.
    looked: Option<Instant>,
    left: u32,
    /// The last moment that was promised.
    promised: Option<Instant>,
    turned_away: usize,
}

impl<T> Lobby<T> {
    /// An empty one, for devices that give up a login after `hello_timeout`.
    pub(super) fn new(hello_timeout: Duration) -> Lobby<T> {
        let mut lobby = Lobby {
            line: VecDeque::new(),
            wait_max: Duration::ZERO,
            per_s: f64::from(LOGINS_PER_S_AT_FIRST),
            looked: None,
            left: 0,
            promised: None,
            turned_away: 0,
        };
        lobby.set_hello_timeout(hello_timeout);
        lobby
    }

    /// Devices give up a login after this from now on.
    pub(super) fn set_hello_timeout(&mut self, hello_timeout: Duration) {
        // The other half is for the way there and back, and for the handshake itself.
        self.wait_max = hello_timeout / 2;
    }

    /// How many wait in line.
    pub(super) fn len(&self) -> usize {
        self.line.len()
    }

    /// Logins a second, as the line went lately.
    pub(super) fn per_s(&self) -> f64 {
        self.per_s
    }

    /// Whether one more can be taken in, if only to be turned away.
    pub(super) fn has_room(&mut self, now: Instant) -> bool {
        self.look(now);
        self.takes_one() || self.turned_away < LOGINS_TURNED_AWAY_MAX
    }

    /// Puts one in line; gives it back if the line is too long for it.
    pub(super) fn join(&mut self, one: T, now: Instant) -> Result<(), T> {
        self.look(now);
        if !self.takes_one() {
            return Err(one);
        }
        if self.line.is_empty() {
            (self.looked, self.left) = (Some(now), 0);
        }
        self.line.push_back((now, one));
        Ok(())
    }

    /// The first in line.
    pub(super) fn next(&mut self, now: Instant) -> Option<T> {
        let (_, one) = self.line.pop_front()?;
        self.left += 1;
        self.look(now);
        if self.line.is_empty() {
            // From here on it shows how many come, and not how many could.
            self.looked = None;
        }
        Some(one)
    }

    /// The first in line, if it has waited too long and can be turned away: it went slower than it
    /// seemed.
    pub(super) fn overdue(&mut self, now: Instant) -> Option<T> {
        let (since, _) = self.line.front()?;
        let is_late = now.duration_since(*since) > self.wait_max;
        let one = is_late && self.turned_away < LOGINS_TURNED_AWAY_MAX;
        one.then(|| self.line.pop_front())?.map(|(_, one)| one)
    }

    /// One is being turned away: how long it should stay away. `dice` is any number.
    pub(super) fn turn_away(&mut self, now: Instant, dice: u32) -> Duration {
        self.turned_away += 1;
        let part = f64::from(dice) / f64::from(u32::MAX);
        let earliest = now + self.wait().max(RETRY_AFTER_MIN);
        let promised = self.promised.map_or(earliest, |last| last.max(earliest))
            + Duration::from_secs_f64(1.0 / (self.per_s * PROMISED_PART));
        let drawn_out = (promised - now).mul_f64(1.0 + DRAWN_OUT * part);
        if drawn_out > RETRY_AFTER_MAX {
            return RETRY_AFTER_MAX.mul_f64(0.5 + part / 2.0);
        }
        self.promised = Some(promised);
        drawn_out
    }

    /// One that was turned away is gone.
    pub(super) fn is_rid_of_one(&mut self) {
        self.turned_away -= 1;
    }

    /// Sends all away that wait.
    pub(super) fn close(&mut self) {
        self.line.clear();
    }

    fn wait(&self) -> Duration {
        Duration::from_secs_f64(self.line.len() as f64 / self.per_s)
    }

    fn takes_one(&self) -> bool {
        self.line.len() < LOGINS_WAITING_MAX && self.wait() <= self.wait_max
    }

    /// Measures, if it is time: with each spell what was known before counts half as much.
    fn look(&mut self, now: Instant) {
        let Some(looked) = self.looked else { return };
        let spell = now.duration_since(looked);
        if spell < LOGINS_PER_S_SPELL {
            return;
        }
        let seen = f64::from(self.left) / spell.as_secs_f64();
        let spells = spell.as_secs_f64() / LOGINS_PER_S_SPELL.as_secs_f64();
        let known = 0.5_f64.powf(spells);
        // Never nothing: a line that stands still is longer than anybody waits all the same.
        self.per_s = (self.per_s * known + seen * (1.0 - known)).max(1.0);
        (self.looked, self.left) = (Some(now), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(10);

    /// Lets `per_s` leave a line that never ends, for five seconds.
    fn run(lobby: &mut Lobby<u32>, mut now: Instant, per_s: u32) -> Instant {
        for _ in 0..5 * per_s {
            let _ = lobby.join(0, now);
            let _ = lobby.join(0, now);
            now += Duration::from_secs(1) / per_s;
            lobby.next(now);
        }
        now
    }

    #[test]
    fn given_a_line_when_it_has_moved_should_take_no_more_than_leave_it_in_half_of_the_timeout() {
        for per_s in [50, 200, 2000] {
            let mut lobby = Lobby::new(TIMEOUT);
            let now = run(&mut lobby, Instant::now(), per_s);
            assert!(
                (lobby.per_s() / f64::from(per_s) - 1.0).abs() < 0.1,
                "{lobby:?}"
            );
            while lobby.join(0, now).is_ok() {}
            let wait = lobby.len() as f64 / f64::from(per_s);
            assert!((4.0..6.0).contains(&wait), "{wait} s at {per_s} a second");
            assert!(lobby.has_room(now), "to turn one away");
        }
    }

    #[test]
    fn given_a_line_that_stands_still_when_one_comes_should_be_turned_away_and_then_have_no_room() {
        let mut lobby = Lobby::new(TIMEOUT);
        let start = Instant::now();
        for one in 0..100 {
            lobby.join(one, start).expect("a short line");
        }
        let now = start + 20 * LOGINS_PER_S_SPELL;
        assert_eq!(lobby.join(100, now), Err(100));
        for _ in 0..LOGINS_TURNED_AWAY_MAX {
            assert!(lobby.has_room(now));
            lobby.turn_away(now, 0);
        }
        assert!(!lobby.has_room(now));
        lobby.is_rid_of_one();
        assert!(lobby.has_room(now));
    }

    #[test]
    fn given_many_who_are_turned_away_when_they_return_should_be_no_more_in_a_second_than_log_in() {
        let mut lobby = Lobby::new(TIMEOUT);
        let now = run(&mut lobby, Instant::now(), 200);
        while lobby.join(0, now).is_ok() {}
        let mut seconds = [0_u32; 121];
        for number in 0..20_000_u32 {
            let wait = lobby.turn_away(now, number.wrapping_mul(0x9e37_79b9));
            assert!((RETRY_AFTER_MIN..=RETRY_AFTER_MAX).contains(&wait));
            seconds[wait.as_secs() as usize] += 1;
        }
        assert_eq!(
            seconds[..4].iter().sum::<u32>(),
            0,
            "not before the line is gone"
        );
        // As many as fit come paced; for the others any moment is as good.
        let most = seconds[..60].iter().max().expect("seconds");
        assert!(*most <= 200, "{seconds:?}");
        assert!(
            seconds[10..120].iter().all(|count| *count > 50),
            "{seconds:?}"
        );
    }

    #[test]
    fn given_a_line_that_went_slower_than_it_seemed_when_looked_at_should_give_up_who_waited_too_long()
     {
        let mut lobby = Lobby::new(TIMEOUT);
        let start = Instant::now();
        let middle = start + TIMEOUT / 4;
        for (one, now) in [(0, start), (1, start), (2, middle)] {
            lobby.join(one, now).expect("a short line");
        }
        assert_eq!(lobby.overdue(start + TIMEOUT / 2), None);
        let late = start + TIMEOUT / 2 + Duration::from_millis(1);
        assert_eq!(
            [(); 3].map(|()| lobby.overdue(late)),
            [Some(0), Some(1), None]
        );
        for _ in 0..LOGINS_TURNED_AWAY_MAX {
            lobby.turn_away(late, 0);
        }
        assert_eq!(lobby.overdue(start + TIMEOUT), None, "no room for it");
    }

    #[test]
    fn given_a_line_when_it_moves_should_be_left_in_the_order_in_which_it_was_joined() {
        let mut lobby = Lobby::new(TIMEOUT);
        let now = Instant::now();
        for one in 0..3 {
            lobby.join(one, now).expect("room");
        }
        assert_eq!([lobby.next(now), lobby.next(now)], [Some(0), Some(1)]);
        lobby.close();
        assert_eq!((lobby.next(now), lobby.len()), (None, 0));
    }
}
