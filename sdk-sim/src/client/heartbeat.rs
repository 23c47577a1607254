//! When an idle link needs a ping, and when its peer counts as dead.
//!
//! Owner: one online `Client`. Always: in every interval something is sent, so that the server
//! never has to wait longer than one interval for a sign of life; a peer that was silent for one
//! and a half intervals is dead.

/// The clock marks of one session.
#[derive(Debug, Clone)]
pub(super) struct Heartbeat {
    interval_ms: u64,
    last_sent_ms: u64,
    last_received_ms: u64,
    ping_unanswered: bool,
}

impl Heartbeat {
    /// `interval_s` is what the server granted. A server that grants 0 breaks the protocol; one
    /// second is then the least that cannot become a loop of pings.
    pub(super) fn new(interval_s: u16, now_ms: u64) -> Self {
        Self {
            interval_ms: u64::from(interval_s.max(1)) * 1_000,
            last_sent_ms: now_ms,
            last_received_ms: now_ms,
            ping_unanswered: false,
        }
    }

    pub(super) fn sent(&mut self, now_ms: u64) {
        self.last_sent_ms = now_ms;
    }

    pub(super) fn received(&mut self, now_ms: u64) {
        self.last_received_ms = now_ms;
        self.ping_unanswered = false;
    }

    pub(super) fn pinged(&mut self, now_ms: u64) {
        self.last_sent_ms = now_ms;
        self.ping_unanswered = true;
    }

    /// When the next ping is due. Counted from the older of the two directions: a client that only
    /// acks hears nothing back, and would take a healthy server for dead without a ping of its own.
    pub(super) fn ping_at_ms(&self) -> u64 {
        let since_ms = if self.ping_unanswered {
            self.last_sent_ms
        } else {
            self.last_sent_ms.min(self.last_received_ms)
        };
        since_ms.saturating_add(self.interval_ms)
    }

    pub(super) fn dead_at_ms(&self) -> u64 {
        self.last_received_ms
            .saturating_add(self.interval_ms + self.interval_ms / 2)
    }

    pub(super) fn deadline_ms(&self) -> u64 {
        self.ping_at_ms().min(self.dead_at_ms())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_idle_when_an_interval_passes_should_ping_and_die_half_an_interval_later() {
        let mut beat = Heartbeat::new(60, 1_000);
        assert_eq!((beat.ping_at_ms(), beat.dead_at_ms()), (61_000, 91_000));
        beat.pinged(61_000);
        assert_eq!(beat.deadline_ms(), 91_000);
        beat.received(61_100);
        assert_eq!((beat.ping_at_ms(), beat.dead_at_ms()), (121_000, 151_100));
    }

    #[test]
    fn given_only_our_own_traffic_when_the_peer_is_silent_should_still_ping_in_time() {
        let mut beat = Heartbeat::new(60, 0);
        beat.sent(59_000);
        assert_eq!(beat.ping_at_ms(), 60_000);
    }

    #[test]
    fn given_a_server_that_grants_zero_when_started_should_use_one_second() {
        assert_eq!(Heartbeat::new(0, 0).ping_at_ms(), 1_000);
    }
}
