//! When an idle link needs a ping, and when its peer counts as dead.
//!
//! Owner: one online `Client`. Always: in every interval something is sent, so that the server
//! never has to wait longer than one interval for a sign of life; a peer that was silent for one
//! and a half intervals is dead. The interval may change in a session, below the granted one.

/// The clock marks of one session.
#[derive(Debug, Clone)]
pub(super) struct Heartbeat {
    granted_ms: u64,
    interval_ms: u64,
    /// The interval is learnt: what a ping proves matters.
    learns: bool,
    last_sent_ms: u64,
    last_received_ms: u64,
    ping_unanswered: bool,
    /// For how long nothing had travelled, in either direction, before the unanswered ping: whether
    /// it is answered says whether the network holds that long.
    probe_idle_ms: Option<u64>,
}

/// How far an idle time may be from the interval and still speak of it, in milliseconds: the two
/// directions are a round trip apart.
const PROBE_SLACK_MS_MAX: u64 = 10_000;

impl Heartbeat {
    /// `granted_s` is the server's interval, and ours until another is set. A server that grants 0 breaks the protocol; one
    /// second is then the least that cannot become a loop of pings.
    pub(super) fn new(granted_s: u16, now_ms: u64) -> Self {
        let granted_ms = u64::from(granted_s.max(1)) * 1_000;
        Self {
            granted_ms,
            interval_ms: granted_ms,
            learns: false,
            last_sent_ms: now_ms,
            last_received_ms: now_ms,
            ping_unanswered: false,
            probe_idle_ms: None,
        }
    }

    pub(super) fn interval_ms(&self) -> u64 {
        self.interval_ms
    }

    /// From here on our own interval is a learnt one; if longer than granted it is cut to that.
    pub(super) fn set_interval_s(&mut self, interval_s: u16) {
        self.learns = true;
        self.interval_ms = (u64::from(interval_s.max(1)) * 1_000).min(self.granted_ms);
    }

    /// When anything last left.
    pub(super) fn last_sent_ms(&self) -> u64 {
        self.last_sent_ms
    }

    pub(super) fn sent(&mut self, now_ms: u64) {
        self.last_sent_ms = now_ms;
    }

    /// True if this answers a ping after an idle interval: the network held it.
    pub(super) fn received(&mut self, now_ms: u64) -> bool {
        self.last_received_ms = now_ms;
        self.ping_unanswered = false;
        let idle_ms = self.probe_idle_ms.take();
        idle_ms.is_some_and(|idle_ms| idle_ms + self.probe_slack_ms() >= self.interval_ms)
    }

    pub(super) fn pinged(&mut self, now_ms: u64) {
        let idle_ms = now_ms.saturating_sub(self.last_sent_ms.max(self.last_received_ms));
        self.probe_idle_ms = (!self.ping_unanswered).then_some(idle_ms);
        self.last_sent_ms = now_ms;
        self.ping_unanswered = true;
    }

    /// True while the answer to a ping after an idle interval is missing. A device that slept and
    /// pings far too late learns nothing from silence.
    pub(super) fn is_probing(&self) -> bool {
        let near = |idle_ms: u64| idle_ms.abs_diff(self.interval_ms) <= self.probe_slack_ms();
        self.probe_idle_ms.is_some_and(near)
    }

    fn probe_slack_ms(&self) -> u64 {
        (self.interval_ms / 10).min(PROBE_SLACK_MS_MAX)
    }

    /// When the next ping is due. Counted from the older of the two directions: a client that only
    /// acks hears nothing back, and would take a healthy server for dead without a ping of its own.
    /// For one who learns the two ends of one exchange are one moment, its end: what a probe proves
    /// must be the longest idle time that is ever used.
    pub(super) fn ping_at_ms(&self) -> u64 {
        let older_ms = self.last_sent_ms.min(self.last_received_ms);
        let newer_ms = self.last_sent_ms.max(self.last_received_ms);
        let since_ms = if self.ping_unanswered {
            self.last_sent_ms
        } else if self.learns && newer_ms - older_ms <= self.probe_slack_ms() {
            newer_ms
        } else {
            older_ms
        };
        let granted_at_ms = self.last_sent_ms.saturating_add(self.granted_ms);
        since_ms.saturating_add(self.interval_ms).min(granted_at_ms)
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
        assert!(beat.received(61_100));
        assert_eq!((beat.ping_at_ms(), beat.dead_at_ms()), (121_000, 151_100));
    }

    #[test]
    fn given_only_our_own_traffic_when_the_peer_is_silent_should_still_ping_in_time() {
        let mut beat = Heartbeat::new(60, 0);
        beat.sent(59_000);
        assert_eq!(beat.ping_at_ms(), 60_000);
    }

    #[test]
    fn given_pings_when_not_after_an_idle_interval_should_prove_nothing() {
        let mut beat = Heartbeat::new(60, 0);
        beat.sent(30_000);
        beat.pinged(60_000);
        assert!(
            !beat.is_probing(),
            "something was sent half an interval ago"
        );
        assert!(!beat.received(60_100));
        beat.pinged(120_100);
        assert!(beat.is_probing());
        beat.pinged(150_000);
        assert!(!beat.received(150_100), "the first ping was lost");
    }

    #[test]
    fn given_a_device_that_slept_when_it_pings_should_learn_from_an_answer_only() {
        let mut beat = Heartbeat::new(60, 0);
        beat.pinged(200_000);
        assert!(!beat.is_probing(), "silence says nothing about 60 s");
        assert!(beat.received(200_100), "what held 200 s holds 60 s");
        assert!(!beat.received(200_200), "one answer, one proof");
    }

    #[test]
    fn given_another_interval_when_set_should_count_from_the_same_marks() {
        let mut beat = Heartbeat::new(90, 1_000);
        beat.set_interval_s(60);
        assert_eq!((beat.ping_at_ms(), beat.dead_at_ms()), (61_000, 91_000));
        beat.set_interval_s(120);
        assert_eq!(beat.ping_at_ms(), 91_000, "no longer than granted");
    }

    #[test]
    fn given_room_below_the_grant_when_an_exchange_is_over_should_count_from_its_end() {
        let mut beat = Heartbeat::new(90, 0);
        beat.set_interval_s(60);
        beat.pinged(60_000);
        assert!(beat.received(60_400));
        assert_eq!(beat.ping_at_ms(), 120_400);
        beat.sent(100_000);
        assert_eq!(beat.ping_at_ms(), 120_400, "only our own traffic");
    }

    #[test]
    fn given_a_server_that_grants_zero_when_started_should_use_one_second() {
        assert_eq!(Heartbeat::new(0, 0).ping_at_ms(), 1_000);
    }
}
