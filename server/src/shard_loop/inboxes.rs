//! What comes to a shard from other threads, and in which order it is heard.
//!
//! Owner: the loop of one shard. Always: a question is heard behind all commits that were there
//! before it. Whoever asks may have been answered on another shard because of one of them, and must
//! not be told of the time before.

use server_core::op::Committed;
use server_core::read::ReadDone;

use super::Control;
use crate::ask::Question;
use crate::limits::COMMITTED_RING;
use crate::mesh::{Bell, Inbox};
use crate::net::Parcel;

/// See the module page.
#[derive(Debug)]
pub struct Inboxes {
    /// Wakes the shard for any of them.
    pub bell: Bell,
    /// Questions of the ingress.
    pub questions: Inbox<Question>,
    /// Connections handed over by other shards.
    pub parcels: Inbox<Parcel>,
    /// Commits.
    pub committed: Inbox<Committed>,
    /// Reads.
    pub reads: Inbox<ReadDone>,
    /// The process.
    pub control: Inbox<Control>,
    /// A question that was taken and not heard yet, and how many commits were heard since.
    asked: Option<(Question, usize)>,
}

impl Inboxes {
    /// Empty inboxes with one bell.
    pub fn new() -> Self {
        let bell = Bell::default();
        Inboxes {
            questions: Inbox::new(&bell),
            parcels: Inbox::new(&bell),
            committed: Inbox::new(&bell),
            reads: Inbox::new(&bell),
            control: Inbox::new(&bell),
            asked: None,
            bell,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.asked.is_none()
            && self.questions.is_empty()
            && self.parcels.is_empty()
            && self.committed.is_empty()
            && self.reads.is_empty()
            && self.control.is_empty()
    }

    /// The next commit.
    pub(super) fn commit(&mut self) -> Option<Committed> {
        let committed = self.committed.take()?;
        if let Some((_, heard)) = &mut self.asked {
            *heard += 1;
        }
        Some(committed)
    }

    /// The next question, once all commits were heard that were there when it was taken: that is when
    /// none is left, or as many were heard as fit into their ring.
    pub(super) fn question(&mut self) -> Option<Question> {
        if self.asked.is_none() {
            self.asked = self.questions.take().map(|question| (question, 0));
        }
        let heard_all = |heard| heard >= COMMITTED_RING || self.committed.is_empty();
        let is_due = self
            .asked
            .as_ref()
            .is_some_and(|(_, heard)| heard_all(*heard));
        is_due
            .then(|| self.asked.take())?
            .map(|(question, _)| question)
    }
}

impl Default for Inboxes {
    fn default() -> Self {
        Inboxes::new()
    }
}

#[cfg(test)]
mod tests {
    use server_core::command::Command;
    use server_core::group::GroupNo;
    use server_core::ids::{AppNo, Ticket};

    use super::*;

    fn committed(number: u64) -> Committed {
        Committed::GroupStopped {
            group: GroupNo(number),
            expires_ms: 0,
        }
    }

    #[test]
    fn given_commits_before_a_question_when_heard_should_all_come_first_and_later_ones_not_hold_it_up()
     {
        let mut inboxes = Inboxes::new();
        let mut commits = inboxes.committed.open(COMMITTED_RING);
        let mut questions = inboxes.questions.open(8);
        for number in 0..3 {
            commits.put(committed(number)).expect("room");
        }
        let asked = |number| Question {
            ticket: Ticket(number),
            command: Command::Probe {
                app: AppNo(1),
                cids: Vec::new(),
            },
        };
        questions.put(asked(1)).expect("room");
        for _ in 0..3 {
            assert!(inboxes.question().is_none(), "a commit was there before it");
            assert!(!inboxes.is_empty());
            assert!(inboxes.commit().is_some());
        }
        let heard = inboxes.question().expect("all commits were heard");
        assert_eq!(heard.ticket, Ticket(1));
        assert!(inboxes.question().is_none() && inboxes.is_empty());

        questions.put(asked(2)).expect("room");
        commits.put(committed(0)).expect("room");
        let mut heard = 0;
        while inboxes.question().is_none() {
            commits.put(committed(0)).expect("room");
            assert!(inboxes.commit().is_some());
            heard += 1;
        }
        assert_eq!(heard, COMMITTED_RING, "however many come behind it");
    }
}
