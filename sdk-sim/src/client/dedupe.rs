//! Which pushes are new to this device.
//!
//! Owner: one `Client`. Always: the server delivers in id order per CID, so one number per device
//! is all that de-duplication needs: what is not above the highest id seen is a repeat. An id is
//! acked only after the caller has handled it, and only in a session in which the server sent it:
//! to the server any other ack is an error of ours.

use std::collections::VecDeque;

use protocol::MessageId;

/// What a push is to this device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    New,
    /// Handled before: to be acked at once, the server has lost the first ack.
    HandledRepeat,
    /// Given to the caller, who has not confirmed it yet: its ack follows the confirmation.
    PendingRepeat,
}

#[derive(Debug, Clone)]
pub(super) struct Dedupe {
    handled: MessageId,
    seen: MessageId,
    /// Highest id the server sent in the session at hand.
    sent_in_session: MessageId,
    /// Given to the caller and not confirmed, oldest first; bounded by what one read can hold,
    /// because the caller drains before it feeds more.
    pending: VecDeque<MessageId>,
}

impl Dedupe {
    pub(super) fn new(handled: MessageId) -> Self {
        Self {
            handled,
            seen: handled,
            sent_in_session: MessageId(0),
            pending: VecDeque::new(),
        }
    }

    pub(super) fn handled_up_to(&self) -> MessageId {
        self.handled
    }

    pub(super) fn session_begins(&mut self) {
        self.sent_in_session = MessageId(0);
    }

    pub(super) fn judge(&mut self, id: MessageId) -> Verdict {
        self.sent_in_session = self.sent_in_session.max(id);
        if id > self.seen {
            self.seen = id;
            self.pending.push_back(id);
            Verdict::New
        } else if self.pending.contains(&id) {
            Verdict::PendingRepeat
        } else {
            Verdict::HandledRepeat
        }
    }

    /// Records that the caller has handled the oldest pending push; true if its ack may leave in
    /// the session at hand.
    ///
    /// # Panics
    /// If `id` is not that push: a caller that skips one would claim it as handled.
    pub(super) fn confirm(&mut self, id: MessageId) -> bool {
        let oldest = self.pending.pop_front();
        assert_eq!(
            oldest,
            Some(id),
            "pushes are confirmed once, in the order of their events"
        );
        self.handled = id;
        id <= self.sent_in_session
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_a_restart_when_an_older_id_comes_should_be_a_handled_repeat() {
        let mut dedupe = Dedupe::new(MessageId(10));
        assert_eq!(dedupe.judge(MessageId(9)), Verdict::HandledRepeat);
        assert_eq!(dedupe.judge(MessageId(10)), Verdict::HandledRepeat);
        assert_eq!(dedupe.judge(MessageId(11)), Verdict::New);
        assert_eq!(dedupe.judge(MessageId(11)), Verdict::PendingRepeat);
        assert!(dedupe.confirm(MessageId(11)));
        assert_eq!(dedupe.judge(MessageId(11)), Verdict::HandledRepeat);
        assert_eq!(dedupe.handled_up_to(), MessageId(11));
    }

    #[test]
    fn given_a_push_of_the_last_session_when_confirmed_late_should_not_be_acked_in_this_one() {
        let mut dedupe = Dedupe::new(MessageId(0));
        assert_eq!(dedupe.judge(MessageId(5)), Verdict::New);
        dedupe.session_begins();
        assert!(!dedupe.confirm(MessageId(5)));
        assert_eq!(dedupe.judge(MessageId(5)), Verdict::HandledRepeat);
    }

    #[test]
    #[should_panic(expected = "in the order of their events")]
    fn given_two_pushes_when_the_second_is_confirmed_first_should_refuse() {
        let mut dedupe = Dedupe::new(MessageId(0));
        dedupe.judge(MessageId(1));
        dedupe.judge(MessageId(2));
        dedupe.confirm(MessageId(2));
    }
}
