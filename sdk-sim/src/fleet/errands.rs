//! What a device asks of the server before it counts as ready: its alias, its tags.
//!
//! Owner: one device's task. Always: one command is under way at most; a server that is busy is asked
//! again after a wait, one that refuses is believed.

use std::collections::VecDeque;

use protocol::ResultCode;

use crate::client::{Client, CommandError, Event};

/// Wait before a command is repeated that a busy server put off, in milliseconds.
const ASK_AGAIN_MS: u64 = 1_000;

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Errand {
    /// To bind this alias, of the default type.
    BindAlias(String),
    /// To have exactly these tags.
    SetTags(Vec<String>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Idle { again_at_ms: u64 },
    Asked { serial: u32 },
    Refused(ResultCode),
}

#[derive(Debug)]
pub(super) struct Errands {
    left: VecDeque<Errand>,
    state: State,
}

impl Errands {
    pub(super) fn new(errands: Vec<Errand>) -> Self {
        Self {
            left: errands.into(),
            state: State::Idle { again_at_ms: 0 },
        }
    }

    pub(super) fn are_done(&self) -> bool {
        self.left.is_empty()
    }

    /// What was refused for good, and how.
    pub(super) fn refused(&self) -> Option<(&Errand, ResultCode)> {
        match (self.state, self.left.front()) {
            (State::Refused(code), Some(errand)) => Some((errand, code)),
            _ => None,
        }
    }

    pub(super) fn deadline_ms(&self) -> Option<u64> {
        match self.state {
            State::Idle { again_at_ms } if !self.left.is_empty() => Some(again_at_ms),
            _ => None,
        }
    }

    /// Asks, if it is time to. What is too long for the wire is refused without asking.
    pub(super) fn ask(&mut self, client: &mut Client, now_ms: u64) {
        let due = self.deadline_ms().is_some_and(|at_ms| now_ms >= at_ms);
        if let Some(errand) = self.left.front()
            && due
            && client.is_online()
        {
            self.state = match errand.ask(client) {
                Ok(serial) => State::Asked { serial },
                Err(_) => State::Refused(ResultCode::BadParameter),
            };
        }
    }

    pub(super) fn hear(&mut self, event: &Event, now_ms: u64) {
        let State::Asked { serial: asked } = self.state else {
            return;
        };
        let later = State::Idle {
            again_at_ms: now_ms.saturating_add(ASK_AGAIN_MS),
        };
        self.state = match event {
            Event::CommandResult { serial, code, .. } if *serial == asked => match code {
                ResultCode::Ok => {
                    self.left.pop_front();
                    State::Idle { again_at_ms: 0 }
                }
                ResultCode::Busy | ResultCode::TooFrequent => later,
                refused => State::Refused(*refused),
            },
            Event::CommandLost { serial } if *serial == asked => later,
            _ => return,
        };
    }
}

impl Errand {
    fn ask(&self, client: &mut Client) -> Result<u32, CommandError> {
        match self {
            Errand::BindAlias(alias) => client.bind_alias("", alias),
            Errand::SetTags(tags) => client.set_tags(tags),
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn result(serial: u32, code: ResultCode) -> Event {
        Event::CommandResult {
            serial,
            code,
            detail: Bytes::new(),
        }
    }

    fn asked() -> Errands {
        let tags = Errand::SetTags(vec!["t".to_owned()]);
        let mut errands = Errands::new(vec![Errand::BindAlias("a".to_owned()), tags]);
        errands.state = State::Asked { serial: 4 };
        errands
    }

    #[test]
    fn given_answers_when_heard_should_go_on_wait_or_refuse() {
        let mut errands = asked();
        errands.hear(&result(3, ResultCode::Ok), 0);
        assert_eq!(errands.left.len(), 2, "another command's result");
        errands.hear(&result(4, ResultCode::Busy), 10);
        assert_eq!(errands.deadline_ms(), Some(1_010));
        let mut errands = asked();
        errands.hear(&Event::CommandLost { serial: 4 }, 0);
        assert_eq!(errands.deadline_ms(), Some(1_000));
        let mut errands = asked();
        errands.hear(&result(4, ResultCode::AliasInvalid), 0);
        let alias = Errand::BindAlias("a".to_owned());
        assert_eq!(errands.refused(), Some((&alias, ResultCode::AliasInvalid)));
        let mut errands = asked();
        errands.hear(&result(4, ResultCode::Ok), 0);
        assert_eq!(errands.deadline_ms(), Some(0), "the next one");
        errands.state = State::Asked { serial: 5 };
        errands.hear(&result(5, ResultCode::Ok), 0);
        assert!(errands.are_done() && errands.deadline_ms().is_none());
    }
}
