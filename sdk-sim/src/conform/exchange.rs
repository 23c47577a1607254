//! One command and its result.
//!
//! Owner: the check. Always: a command waits for its result before the next is sent, so one serial
//! is enough.

use protocol::{CloseReason, CommandResult, ResultCode};

use super::bench::Bench;
use super::framing::refused_in_session;
use super::handwriting::command;
use super::peer::Peer;
use super::problem::{During, Outcome, Problem, demand};

/// The serial of every command that is sent alone.
const SERIAL: u32 = 7;

impl Peer {
    /// Sends a command and waits for its result; `what` it is in a few words.
    pub(super) fn ask(
        &mut self,
        op: u8,
        arguments: &[u8],
        what: &str,
    ) -> Result<CommandResult, Problem> {
        self.send(&command(SERIAL, op, arguments));
        self.expect_whole_result(SERIAL, op).during(what)
    }

    /// The same for a command that must end with this code, and without a detail.
    pub(super) fn ask_for(
        &mut self,
        code: ResultCode,
        op: u8,
        arguments: &[u8],
        what: &str,
    ) -> Outcome {
        let result = self.ask(op, arguments, what)?;
        demand_code(result.code, code, what)?;
        demand(
            result.detail.is_empty(),
            format_args!("{what}: no detail"),
            format_args!("{} bytes of it", result.detail.len()),
        )
    }

    /// The same for several commands of one op, each ending with `Ok`.
    pub(super) fn ask_all(&mut self, op: u8, arguments: &[(&str, Vec<u8>)]) -> Outcome {
        arguments
            .iter()
            .try_for_each(|(what, bytes)| self.ask_for(ResultCode::Ok, op, bytes, what))
    }
}

/// Sends commands of one op, each in a session of its own; their arguments are malformed.
pub(super) fn refuse_all(bench: &Bench, op: u8, arguments: &[(&str, Vec<u8>)]) -> Outcome {
    arguments.iter().try_for_each(|(what, bytes)| {
        let bytes = command(SERIAL, op, bytes);
        refused_in_session(bench, &bytes, CloseReason::ProtocolError).during(what)
    })
}

/// Passes if a command ended with the code it should.
pub(super) fn demand_code(came: ResultCode, expected: ResultCode, what: &str) -> Outcome {
    demand(
        came == expected,
        format_args!("{what}: code {} ({expected})", expected.number()),
        format_args!("code {} ({came})", came.number()),
    )
}

/// The same for a change of tags or aliases: a server may limit how often a client makes one.
pub(super) fn demand_changed(came: ResultCode, expected: ResultCode, what: &str) -> Outcome {
    use ResultCode::{Filtered, TagsTooFrequent, TooFrequent};
    if came != expected && [TagsTooFrequent, TooFrequent, Filtered].contains(&came) {
        let why = format!("this server limits how often a client makes changes ({came})");
        return Err(Problem::skipped(why));
    }
    demand_code(came, expected, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_a_change_that_came_too_often_when_judged_should_be_skipped_and_not_failed() {
        let judge = |came| demand_changed(came, ResultCode::Ok, "a change");
        assert_eq!(judge(ResultCode::Ok), Ok(()));
        for limit in [
            ResultCode::TagsTooFrequent,
            ResultCode::TooFrequent,
            ResultCode::Filtered,
        ] {
            assert!(matches!(judge(limit), Err(Problem::Skipped { .. })));
        }
        let wrong = judge(ResultCode::Busy);
        assert!(matches!(wrong, Err(Problem::Wrong { .. })), "{wrong:?}");
    }
}
