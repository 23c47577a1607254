//! What peers do wrong, as the log tells it: the first of a kind at once with its details, more of
//! the same as a count.
//!
//! Owner: the loop of a shard. Always: however many peers misbehave, a kind gives at most one line
//! when it begins and one line per [`OFFENCE_SPELL`]; kinds are a fixed few.

use std::collections::BTreeMap;
use std::time::Instant;

use protocol::CloseReason;

use crate::limits::OFFENCE_SPELL;

/// A kind of offence, in the words of the log.
pub(super) type Kind = &'static str;

/// Kinds that are no close reason.
pub(super) const BROKEN_TLS: Kind = "broken TLS";
/// A peer whose address may not come.
pub(super) const DENIED: Kind = "denied address";
/// A balancer that does not say whom it speaks for.
pub(super) const BROKEN_HEADER: Kind = "no PROXY header";
/// A peer that reads nothing.
pub(super) const TAKES_NOTHING: Kind = "takes nothing of what it is sent";
/// The process has as many connections as it can hold; nobody's fault, and told in the same way.
pub(super) const NO_ROOM: Kind = "no room for connections";
/// A login for which the line is too long; nobody's fault, and told in the same way.
pub(super) const SHED: Kind = "shed by overload";
/// A connection could not go to the shard that owns its device.
pub(super) const NOT_HANDED_OVER: Kind = "cannot be handed over";

/// What a close says of its peer; `None` where nobody did anything wrong.
pub(super) fn kind_of(reason: CloseReason) -> Option<Kind> {
    Some(match reason {
        CloseReason::ProtocolError => "malformed frame",
        CloseReason::UnsupportedFrame => "unknown frame",
        CloseReason::FrameTooLong => "frame over its limit",
        CloseReason::UnexpectedFrame => "unexpected frame",
        CloseReason::UnknownApp => "unknown app",
        CloseReason::UnknownClient => "unknown client",
        CloseReason::BadCredential => "bad credential",
        CloseReason::AppDisabled => "disabled app",
        CloseReason::HeartbeatTimeout => "no sign of life in time",
        CloseReason::HelloTimeout => "no hello in time",
        CloseReason::Overloaded => "refused by overload",
        CloseReason::SignRequired => "sign missing or wrong",
        CloseReason::BadAck => "ack of what was not sent",
        CloseReason::InternalError => "our own mistake",
        CloseReason::UnsupportedVersion => "unknown version",
        CloseReason::SlowReader => TAKES_NOTHING,
        _ => return None,
    })
}

/// What was seen lately.
#[derive(Debug, Default)]
pub(super) struct Offences {
    lately: BTreeMap<Kind, Spell>,
}

#[derive(Debug)]
struct Spell {
    since: Instant,
    /// Those of this kind that no line told.
    untold: u64,
}

impl Offences {
    /// Takes one; true if it is the first of its kind for a while and should be told with details.
    pub(super) fn note(&mut self, kind: Kind, now: Instant) -> bool {
        if let Some(spell) = self.lately.get_mut(kind) {
            spell.untold += 1;
            return false;
        }
        let spell = Spell {
            since: now,
            untold: 0,
        };
        self.lately.insert(kind, spell);
        true
    }

    /// Kinds whose spell is over, with how many were not told; called at each tick. A kind that
    /// went on begins a new spell, one that did not is forgotten.
    pub(super) fn over(&mut self, now: Instant) -> Vec<(Kind, u64)> {
        let is_over = |spell: &Spell| now.duration_since(spell.since) >= OFFENCE_SPELL;
        let mut told = Vec::new();
        self.lately.retain(|kind, spell| {
            if !is_over(spell) {
                return true;
            }
            let untold = std::mem::take(&mut spell.untold);
            spell.since = now;
            if untold > 0 {
                told.push((*kind, untold));
            }
            untold > 0
        });
        told
    }

    /// Everything that was not told yet; for the end.
    pub(super) fn rest(&mut self) -> Vec<(Kind, u64)> {
        let lately = std::mem::take(&mut self.lately).into_iter();
        lately
            .map(|(kind, spell)| (kind, spell.untold))
            .filter(|(_, untold)| *untold > 0)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_a_flood_of_one_kind_when_noted_should_tell_the_first_and_count_the_rest() {
        let (mut offences, start) = (Offences::default(), Instant::now());
        assert!(offences.note("a", start));
        for _ in 0..999 {
            assert!(!offences.note("a", start));
        }
        assert!(offences.note("b", start), "another kind has its own line");
        assert_eq!(offences.over(start), []);
        let later = start + OFFENCE_SPELL;
        assert_eq!(offences.over(later), [("a", 999)]);
        assert!(offences.note("b", later), "b had ended");
        assert!(!offences.note("a", later), "a goes on");
        assert_eq!(offences.rest(), [("a", 1)]);
        assert_eq!(offences.rest(), []);
    }

    #[test]
    fn given_a_reason_when_nobody_did_wrong_should_be_no_offence() {
        for reason in [
            CloseReason::Normal,
            CloseReason::Replaced,
            CloseReason::Draining,
        ] {
            assert_eq!(kind_of(reason), None, "{reason:?}");
        }
        assert!(kind_of(CloseReason::BadCredential).is_some());
    }
}
