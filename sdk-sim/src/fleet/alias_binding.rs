//! Binding a device's alias before it counts as ready.
//!
//! Owner: one device's task. Always: one bind is under way at most; a server that is busy is asked
//! again after a wait, one that refuses is believed.

use protocol::ResultCode;

use crate::client::{Client, Event};

/// Wait before a bind is repeated that a busy server put off, in milliseconds.
const BIND_AGAIN_MS: u64 = 1_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Unbound { again_at_ms: u64 },
    Asked { serial: u32 },
    Bound,
    Refused(ResultCode),
}

#[derive(Debug)]
pub(super) struct AliasBinding {
    alias: String,
    state: State,
}

impl AliasBinding {
    /// Without an alias there is nothing to bind.
    pub(super) fn new(alias: Option<String>) -> Self {
        let state = match alias {
            Some(_) => State::Unbound { again_at_ms: 0 },
            None => State::Bound,
        };
        Self {
            alias: alias.unwrap_or_default(),
            state,
        }
    }

    pub(super) fn is_bound(&self) -> bool {
        self.state == State::Bound
    }

    /// What the server answered, if it will never bind this alias.
    pub(super) fn refused(&self) -> Option<ResultCode> {
        match self.state {
            State::Refused(code) => Some(code),
            _ => None,
        }
    }

    pub(super) fn deadline_ms(&self) -> Option<u64> {
        match self.state {
            State::Unbound { again_at_ms } => Some(again_at_ms),
            _ => None,
        }
    }

    /// Asks, if it is time to. A text too long for the wire is refused without asking.
    pub(super) fn ask(&mut self, client: &mut Client, now_ms: u64) {
        let due = self.deadline_ms().is_some_and(|at_ms| now_ms >= at_ms);
        if due && client.is_online() {
            self.state = match client.bind_alias("", &self.alias) {
                Ok(serial) => State::Asked { serial },
                Err(_) => State::Refused(ResultCode::BadParameter),
            };
        }
    }

    pub(super) fn hear(&mut self, event: &Event, now_ms: u64) {
        let State::Asked { serial: asked } = self.state else {
            return;
        };
        let later = State::Unbound {
            again_at_ms: now_ms.saturating_add(BIND_AGAIN_MS),
        };
        self.state = match event {
            Event::CommandResult { serial, code, .. } if *serial == asked => match code {
                ResultCode::Ok => State::Bound,
                ResultCode::Busy | ResultCode::TooFrequent => later,
                refused => State::Refused(*refused),
            },
            Event::CommandLost { serial } if *serial == asked => later,
            _ => return,
        };
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

    fn asked() -> AliasBinding {
        AliasBinding {
            alias: "a".to_owned(),
            state: State::Asked { serial: 4 },
        }
    }

    #[test]
    fn given_answers_when_heard_should_end_wait_or_refuse() {
        let mut binding = asked();
        binding.hear(&result(3, ResultCode::Ok), 0);
        assert!(!binding.is_bound(), "another command's result");
        binding.hear(&result(4, ResultCode::Busy), 10);
        assert_eq!(binding.deadline_ms(), Some(1_010));
        let mut binding = asked();
        binding.hear(&Event::CommandLost { serial: 4 }, 0);
        assert_eq!(binding.deadline_ms(), Some(1_000));
        let mut binding = asked();
        binding.hear(&result(4, ResultCode::AliasInvalid), 0);
        assert_eq!(binding.refused(), Some(ResultCode::AliasInvalid));
        let mut binding = asked();
        binding.hear(&result(4, ResultCode::Ok), 0);
        assert!(binding.is_bound() && binding.deadline_ms().is_none());
    }
}
