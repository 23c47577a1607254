//! What happens on the outside: work mostly, and everything that may go wrong.

use server_core::limits::{COMMITS_IN_FLIGHT_MAX, READS_IN_FLIGHT_MAX};

use super::agenda::Happening;
use super::boot::PROCESSES_MAX;
use super::link::LinkId;
use super::plan::APPS;
use super::world::{Phase, World};

/// Phones of a run, twins included.
const PHONES_MAX: usize = 14;

/// Bytes of bodies in one burst of pushes.
const BURST_BYTES_MAX: u64 = 3_000_000;

const SECOND_US: u64 = 1_000_000;
const HOUR_MS: i64 = 3_600_000;

/// How far the clock may be from where it began, in ms. Further and a message of three days could
/// expire: then nothing would have to arrive.
const OFFSET_MS_MAX: i64 = 26 * HOUR_MS;

type Trouble = fn(&mut World);

impl World {
    /// Whether things may still go wrong.
    pub(super) fn is_wild(&self) -> bool {
        self.phase == Phase::Wild
    }

    /// One act of the outside, and the next is entered.
    pub(super) fn act(&mut self) {
        if !self.is_wild() {
            return;
        }
        let pause_us = self.dice.below(2 * self.plan.act_us) + 1;
        self.after(pause_us, Happening::Act);
        let plan = self.plan.clone();
        let troubles: [(u64, Trouble); 13] = [
            (plan.crashes, World::plan_a_crash),
            (plan.stops, World::plan_a_stop),
            (plan.clock_steps, World::step_the_clock),
            (plan.cuts, World::trouble_a_link),
            (plan.phone_faults, World::trouble_a_phone),
            (plan.twins, World::make_a_twin),
            (plan.stalls, World::stall_something),
            (plan.disk_faults, World::break_the_disk),
            (plan.read_storms, World::storm_of_reads),
            (plan.commit_storms, World::storm_of_commits),
            (plan.app_switches, World::switch_an_app),
            (plan.app_deletions, World::delete_an_app),
            (plan.damages, World::damage_a_row),
        ];
        let mut drawn = self.dice.below(1_000);
        for (rate, trouble) in troubles {
            if drawn < rate {
                return trouble(self);
            }
            drawn -= rate;
        }
        self.work();
    }

    fn work(&mut self) {
        let app = self.dice.index(APPS.len());
        match self.dice.below(100) {
            0..30 => {
                if let Some(cid) = self.any_cid(app) {
                    self.push_one(app, cid);
                }
            }
            30..38 => self.push_several(app),
            38..45 => self.push_alias(app),
            45..49 => self.burst(app),
            49..55 => self.repeat_old(),
            55..62 => {
                let what = self.dice.below(9);
                self.ask_aside(app, what);
            }
            62..69 => self.ask_history(app),
            69..75 => self.phone_commands(),
            _ => self.campaign(app),
        }
    }

    fn any_cid(&mut self, app: usize) -> Option<protocol::ClientId> {
        let cids = self.known_cids(app);
        (!cids.is_empty()).then(|| cids[self.dice.index(cids.len())])
    }

    fn burst(&mut self, app: usize) {
        let Some(cid) = self.any_cid(app) else { return };
        let most = self
            .plan
            .burst_max
            .min(BURST_BYTES_MAX / self.plan.body_len_max);
        let gap_us = self.dice.pick(&[1, 200, 5_000]);
        for number in 0..self.dice.within(1, most) {
            self.after(number * gap_us, Happening::Push { app, cid });
        }
    }

    fn phone_commands(&mut self) {
        let at = self.dice.index(self.phones.len());
        let (alias_type, alias) = self.pick_alias();
        let what = self.dice.below(6);
        if let Some(client) = self.phones[at]
            .client
            .as_mut()
            .filter(|client| client.is_online())
        {
            let sent = match what {
                0 => client.unbind_alias(false, &alias_type, &alias),
                1 => client.unbind_alias(true, &alias_type, &alias),
                _ => client.bind_alias(&alias_type, &alias),
            };
            if sent.is_ok() {
                self.drive(at);
            }
        }
    }

    fn plan_a_crash(&mut self) {
        if self.server.process < PROCESSES_MAX {
            let process = self.server.process;
            let after_us = self.dice.below(20_000);
            self.after(after_us, Happening::Crash { process });
        }
    }

    fn plan_a_stop(&mut self) {
        if self.server.process < PROCESSES_MAX && self.server.up && !self.server.stopping {
            self.stop();
        }
    }

    fn step_the_clock(&mut self) {
        let most = if self.plan.days { 7 } else { 5 };
        let by_ms = match self.dice.below(most) {
            0 => self.dice.within(1, 5_000) as i64,
            1 => -(self.dice.within(1, 5_000) as i64),
            2 => 700_000,
            3 => HOUR_MS,
            4 => -HOUR_MS,
            5 => 24 * HOUR_MS,
            _ => -24 * HOUR_MS,
        };
        let offset_ms = self.offset_ms + by_ms;
        if offset_ms.abs() <= OFFSET_MS_MAX {
            self.trace.note("clock", [offset_ms as u64, 0, 0]);
            self.offset_ms = offset_ms;
            self.ledger.clock(self.wall_ms(), true);
        }
    }

    fn trouble_a_link(&mut self) {
        let ids: Vec<LinkId> = self.links.by_id.keys().copied().collect();
        if ids.is_empty() {
            return;
        }
        let id = ids[self.dice.index(ids.len())];
        let what = self.dice.below(6);
        self.trace.note("link", [id, what, 0]);
        let until_us = self.now_us + self.dice.within(1_000, 70 * SECOND_US);
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        match what {
            0 | 1 => {
                let (up_us, down_us) = link.cut(self.now_us, &mut self.dice);
                self.arrivals(id, true, [up_us]);
                self.arrivals(id, false, [down_us]);
            }
            2 => link.silence(),
            3 => link.up.pause(until_us),
            4 => link.down.pause(until_us),
            _ => {
                link.up.pause(until_us);
                link.down.pause(until_us);
            }
        }
    }

    fn trouble_a_phone(&mut self) {
        let at = self.dice.index(self.phones.len());
        if self.phones[at].client.is_none() {
            return;
        }
        match self.dice.below(4) {
            0 => self.phone_leaves(at),
            1 => {
                // It moves: the old link says nothing any more, the new one comes at once.
                if let Some(id) = self.phones[at].link
                    && let Some(link) = self.links.get_mut(id)
                {
                    link.silence();
                }
                self.phone_off(at);
            }
            _ => self.phone_off(at),
        }
        let life = self.phones[at].life;
        let after_us = self.dice.pick(&[0, 50_000, 3 * SECOND_US, 60 * SECOND_US]);
        self.after(after_us, Happening::PhoneOn { phone: at, life });
    }

    fn make_a_twin(&mut self) {
        let at = self.dice.index(self.phones.len());
        if self.phones.len() < PHONES_MAX {
            self.phones.push(self.phones[at].twin());
            let (twin, life) = (self.phones.len() - 1, 0);
            self.trace.note("twin", [at as u64, twin as u64, 0]);
            self.after(0, Happening::PhoneOn { phone: twin, life });
        }
    }

    fn stall_something(&mut self) {
        if !self.server.up {
            return;
        }
        let stall_us = self.dice.within(1_000, 3 * SECOND_US);
        let until_us = self.now_us + stall_us;
        match self.dice.below(3) {
            0 => self.server.committer.stuck_us = stall_us,
            1 => {
                let reader = self.dice.index(self.server.readers.len());
                self.server.readers[reader].stalled_until_us = until_us;
            }
            _ => {
                let at = self.dice.index(self.server.seats.len());
                self.server.seats[at].stalled_until_us = until_us;
            }
        }
    }

    /// The disk refuses to write from here on; after a while somebody starts the server again.
    fn break_the_disk(&mut self) {
        if self.server.up && self.server.process < PROCESSES_MAX && !self.server.stopping {
            self.trace.note("disk fails", [0, 0, 0]);
            self.server.committer.broken = true;
            self.store_failed = true;
            let process = self.server.process;
            let after_us = self.dice.within(1_000, 5 * SECOND_US);
            self.after(after_us, Happening::Crash { process });
        }
    }

    /// The disk hangs while more is to be written than the ring of a shard holds.
    fn storm_of_commits(&mut self) {
        if !self.server.up {
            return;
        }
        self.trace.note("storm of commits", [0, 0, 0]);
        self.server.committer.stuck_us = self.dice.within(100_000, SECOND_US);
        let app = self.dice.index(APPS.len());
        for _ in 0..COMMITS_IN_FLIGHT_MAX + 40 {
            self.unbind_somewhere(app, 0);
        }
    }

    /// The readers hang while more is asked than the ring of a shard holds, and everybody comes
    /// back for a backlog.
    fn storm_of_reads(&mut self) {
        if !self.server.up {
            return;
        }
        self.trace.note("storm of reads", [0, 0, 0]);
        let until_us = self.now_us + self.dice.within(100_000, 2 * SECOND_US);
        for reader in &mut self.server.readers {
            reader.stalled_until_us = until_us;
        }
        for _ in 0..(READS_IN_FLIGHT_MAX + 40) * self.server.seats.len().min(2) {
            let app = self.dice.index(APPS.len());
            self.ask_aside(app, 1);
        }
        for at in 0..self.phones.len() {
            if let Some(id) = self.phones[at].link
                && let Some(link) = self.links.get_mut(id)
            {
                let (up_us, down_us) = link.cut(self.now_us, &mut self.dice);
                self.arrivals(id, true, [up_us]);
                self.arrivals(id, false, [down_us]);
            }
        }
    }
}
