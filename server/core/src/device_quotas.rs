//! How often single devices may change their tags and aliases, where their app limits it.
//!
//! Owner: one `Shard`. Always: only devices of apps that limit it have an entry, and none outlives
//! its day; a restart forgets all, which costs a limit of its day and no device anything.

use hashbrown::HashMap;
use protocol::{ClientId, ResultCode};
use schema::record::DeviceQuotas as Limits;

use crate::clock::{Day, Now};
use crate::devices::Mix;

/// What is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quota {
    /// Setting tags.
    Tags,
    /// Binding and unbinding aliases.
    Aliases,
}

#[derive(Debug, Clone, Copy, Default)]
struct Taken {
    tags: u32,
    aliases: u32,
    /// When the last alias was changed (mono, ms), if one was.
    alias_ms: Option<u64>,
}

/// See the module page.
#[derive(Debug, Default)]
pub struct DeviceQuotas {
    day: Option<Day>,
    taken: HashMap<ClientId, Taken, std::hash::BuildHasherDefault<Mix>>,
}

impl DeviceQuotas {
    /// Takes one change of a device, if its app leaves one.
    ///
    /// # Errors
    /// The code that says which limit is reached.
    pub fn take(
        &mut self,
        now: Now,
        cid: ClientId,
        quota: Quota,
        limits: Limits,
    ) -> Result<(), ResultCode> {
        if limits == Limits::default() {
            return Ok(());
        }
        let today = Some(Day::of_ms(now.wall_ms));
        if self.day != today {
            self.day = today;
            self.taken = HashMap::default();
        }
        let taken = self.taken.entry(cid).or_default();
        let left = |taken: u32, limit: u32| limit == 0 || taken < limit;
        match quota {
            Quota::Tags if !left(taken.tags, limits.tags_per_day) => {
                Err(ResultCode::TagsTooFrequent)
            }
            Quota::Tags => {
                taken.tags += 1;
                Ok(())
            }
            Quota::Aliases if !left(taken.aliases, limits.aliases_per_day) => {
                Err(ResultCode::Filtered)
            }
            Quota::Aliases => {
                let pause_ms = u64::from(limits.alias_pause_s) * 1000;
                let last_ms = taken.alias_ms;
                if last_ms.is_some_and(|last_ms| now.mono_ms < last_ms + pause_ms) {
                    return Err(ResultCode::TooFrequent);
                }
                taken.alias_ms = Some(now.mono_ms);
                taken.aliases += 1;
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::DAY_MS;

    const CID: ClientId = ClientId::from_bytes([1; 16]);
    const OTHER: ClientId = ClientId::from_bytes([2; 16]);

    fn at(ms: u64) -> Now {
        Now {
            mono_ms: ms,
            wall_ms: 20_000 * DAY_MS + ms,
        }
    }

    #[test]
    fn given_no_limits_when_changes_are_taken_should_keep_nothing() {
        let mut quotas = DeviceQuotas::default();
        for _ in 0..1000 {
            assert_eq!(
                quotas.take(at(0), CID, Quota::Tags, Limits::default()),
                Ok(())
            );
        }
        assert!(quotas.taken.is_empty());
    }

    #[test]
    fn given_limits_of_a_day_when_reached_should_say_which_until_the_day_is_over() {
        let limits = Limits {
            tags_per_day: 1,
            aliases_per_day: 2,
            alias_pause_s: 0,
        };
        let mut quotas = DeviceQuotas::default();
        let mut take = |ms, cid, quota| quotas.take(at(ms), cid, quota, limits);
        assert_eq!(take(0, CID, Quota::Tags), Ok(()));
        assert_eq!(take(1, CID, Quota::Tags), Err(ResultCode::TagsTooFrequent));
        assert_eq!(take(1, OTHER, Quota::Tags), Ok(()));
        assert_eq!(take(1, CID, Quota::Aliases), Ok(()));
        assert_eq!(take(1, CID, Quota::Aliases), Ok(()));
        assert_eq!(take(1, CID, Quota::Aliases), Err(ResultCode::Filtered));
        assert_eq!(take(DAY_MS, CID, Quota::Tags), Ok(()));
        assert_eq!(take(DAY_MS, CID, Quota::Aliases), Ok(()));
    }

    #[test]
    fn given_a_pause_between_aliases_when_too_quick_should_refuse_and_not_begin_anew() {
        let limits = Limits {
            alias_pause_s: 5,
            ..Limits::default()
        };
        let mut quotas = DeviceQuotas::default();
        let mut take = |ms| quotas.take(at(ms), CID, Quota::Aliases, limits);
        assert_eq!(take(0), Ok(()));
        assert_eq!(take(4999), Err(ResultCode::TooFrequent));
        assert_eq!(take(5000), Ok(()));
        assert_eq!(take(5001), Err(ResultCode::TooFrequent));
    }
}
