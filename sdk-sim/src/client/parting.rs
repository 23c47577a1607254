//! What a server's `Close` means for the next connection.
//!
//! Owner: nobody; a pure table. Always: a server that says "never" is obeyed, except that a client
//! id it does not know is no credential to insist on: the device registers anew.

use protocol::{Close, CloseReason};

/// `Close.retry_after_ms` that forbids another attempt with the same credentials.
pub(super) const RETRY_NEVER: u32 = u32::MAX;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parting {
    /// Connect again by the client's own back-off.
    Retry,
    /// Not before this many milliseconds; the back-off is added, or a fleet would return as one.
    RetryAfter(u64),
    /// Another login of this CID took over: wait long, see `Backoff::yielding_delay_ms`. Two
    /// processes with one identity that both returned at once would throw each other out for ever.
    Yield,
    /// The server has no such client: drop the CID, register again.
    RegisterAnew,
    /// Stay away until somebody starts the client again.
    Never,
}

pub(super) fn parting(close: &Close, logging_in: bool) -> Parting {
    match close.reason {
        CloseReason::UnknownClient if logging_in => Parting::RegisterAnew,
        _ if close.retry_after_ms == RETRY_NEVER => Parting::Never,
        // Somebody deleted this device on purpose; registering again would undo it.
        CloseReason::Removed => Parting::Never,
        CloseReason::Replaced => Parting::Yield,
        _ if close.retry_after_ms > 0 => Parting::RetryAfter(u64::from(close.retry_after_ms)),
        _ => Parting::Retry,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(reason: CloseReason, retry_after_ms: u32, logging_in: bool) -> Parting {
        let close = Close {
            reason,
            retry_after_ms,
            text: String::new(),
        };
        parting(&close, logging_in)
    }

    #[test]
    fn given_each_kind_of_close_when_judged_should_follow_the_table() {
        use CloseReason::{Draining, Overloaded, Removed, Replaced, UnknownApp, UnknownClient};
        assert_eq!(judge(Draining, 0, false), Parting::Retry);
        assert_eq!(judge(Overloaded, 5_000, false), Parting::RetryAfter(5_000));
        assert_eq!(judge(UnknownApp, u32::MAX, false), Parting::Never);
        assert_eq!(judge(Removed, 0, false), Parting::Never);
        assert_eq!(judge(Replaced, 0, false), Parting::Yield);
        assert_eq!(judge(Replaced, u32::MAX, false), Parting::Never);
        assert_eq!(judge(UnknownClient, 0, true), Parting::RegisterAnew);
        assert_eq!(judge(UnknownClient, u32::MAX, true), Parting::RegisterAnew);
        assert_eq!(judge(UnknownClient, 0, false), Parting::Retry);
    }
}
