//! `settings.strategy`: by which way each vendor's devices are to be reached.
//!
//! Always: each number is one that Getui documents. Names of channels are not checked, their list
//! grows with every release of Getui.

use std::collections::BTreeMap;

use super::member::Member;
use super::parameter::ParameterError;
use crate::limits::api_len;

/// By Getui's connection if there is one, else by the vendor; what holds when nothing is said.
const ONLINE_FIRST: u8 = 1;
/// By the vendor only.
const VENDOR_ONLY: u8 = 2;
/// By Getui's connection only, now or later.
const OWN_ONLY: u8 = 3;

/// A checked strategy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Strategy {
    default: u8,
    channels: BTreeMap<String, u8>,
}

impl Strategy {
    /// Reads the member.
    ///
    /// # Errors
    /// No object; more channels than there are; a number that is none of a strategy.
    pub(super) fn read(member: Member<'_>) -> Result<Self, ParameterError> {
        let field = "strategy";
        let member = member.unless_empty_array();
        let raw: BTreeMap<String, Member<'_>> = member.object(field)?.unwrap_or_default();
        if raw.len() > api_len::STRATEGY_CHANNELS_MAX {
            return Err(ParameterError::Size {
                field,
                limit: api_len::STRATEGY_CHANNELS_MAX,
                got: raw.len(),
            });
        }
        let mut channels = BTreeMap::new();
        for (name, number) in raw {
            match number.whole(field, 1..=6)? {
                None => {}
                Some(5) => return Err(ParameterError::Invalid { field }),
                Some(number) => {
                    channels.insert(name, number);
                }
            }
        }
        Ok(Strategy {
            default: channels.remove("default").unwrap_or(ONLINE_FIRST),
            channels,
        })
    }

    /// The number that holds for devices of a channel; `None` is a device of which no channel is
    /// known.
    pub(super) fn of(&self, kind: Option<&str>) -> u8 {
        *kind
            .and_then(|kind| self.channels.get(kind))
            .unwrap_or(&self.default)
    }

    /// Whether a device of this channel may be reached by its vendor.
    pub(super) fn allows_vendor(&self, kind: Option<&str>) -> bool {
        self.of(kind) != OWN_ONLY
    }

    /// Whether some devices are to be reached by their vendor only.
    pub(super) fn wants_vendor_only(&self) -> bool {
        self.default == VENDOR_ONLY || self.channels.values().any(|it| *it == VENDOR_ONLY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::member::{self, object};

    object! { Request { strategy } }

    fn read(json: &str) -> Result<Strategy, ParameterError> {
        let body = format!(r#"{{"strategy":{json}}}"#);
        Strategy::read(
            member::body::<Request<'_>>(body.as_bytes())
                .expect("json")
                .strategy,
        )
    }

    #[test]
    fn given_strategies_when_read_should_hold_by_channel_and_else_by_default() {
        let absent = read("null").expect("absent");
        assert_eq!((absent.of(None), absent.of(Some("hw"))), (1, 1));
        assert_eq!(read("[]"), Ok(absent.clone()));
        assert!(!absent.wants_vendor_only());
        let some = read(r#"{"default":"3","hw":4,"xm":null,"new":2}"#).expect("valid");
        assert_eq!(
            [None, Some("hw"), Some("xm"), Some("new")].map(|kind| some.of(kind)),
            [3, 4, 3, 2]
        );
        assert!(some.wants_vendor_only());
        assert_eq!(
            [None, Some("hw")].map(|kind| some.allows_vendor(kind)),
            [false, true]
        );
        assert!(read(r#"{"default":2}"#).is_ok_and(|it| it.wants_vendor_only()));
        for number in [1, 2, 3, 4, 6] {
            assert!(read(&format!(r#"{{"op":{number}}}"#)).is_ok(), "{number}");
        }
    }

    #[test]
    fn given_strategies_that_are_wrong_when_read_should_say_so() {
        let field = "strategy";
        for bad in ["0", "5", "7", "-1", "1.5", "\"\"", "\"x\""] {
            assert_eq!(
                read(&format!(r#"{{"default":{bad}}}"#)),
                Err(ParameterError::Invalid { field }),
                "{bad}"
            );
        }
        for bad in ["1", "[1]", r#"{"ios":{}}"#, r#"{"ios":true}"#] {
            assert_eq!(read(bad), Err(ParameterError::Type { field }), "{bad}");
        }
        let channels = |len: usize| {
            let all: Vec<String> = (0..len).map(|number| format!(r#""c{number}":1"#)).collect();
            read(&format!("{{{}}}", all.join(",")))
        };
        assert!(channels(64).is_ok());
        assert_eq!(
            channels(65),
            Err(ParameterError::Size {
                field,
                limit: 64,
                got: 65
            })
        );
    }
}
