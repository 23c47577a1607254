//! Which devices of a shard an audience has: compressed sets over dense ordinals.
//!
//! Owner: `Devices`, which gives each device an ordinal while it is known here. Ordinals are never
//! stored: the sets are built from rows at the start.
//! Memory: what roaring takes; a tag that nobody has is forgotten.

use std::collections::BTreeMap;

use hashbrown::HashMap;
use protocol::Platform;
use roaring::RoaringBitmap;

use crate::devices::Mix;
use crate::group::{Condition, ConditionKey, ConditionOp, TagTerm};
use crate::ids::AppNo;

/// The sets of one app.
#[derive(Debug, Default)]
struct AppSets {
    all: RoaringBitmap,
    platforms: BTreeMap<u8, RoaringBitmap>,
    tags: HashMap<Box<str>, RoaringBitmap, std::hash::BuildHasherDefault<Mix>>,
}

/// The sets of all apps.
#[derive(Debug, Default)]
pub struct AudienceSets(BTreeMap<AppNo, AppSets>);

impl AudienceSets {
    /// A device is known from now on.
    pub(crate) fn insert(&mut self, app: AppNo, platform: u8, ordinal: u32) {
        let sets = self.0.entry(app).or_default();
        sets.all.insert(ordinal);
        sets.platforms.entry(platform).or_default().insert(ordinal);
    }

    /// A device is forgotten, with its tags.
    pub(crate) fn remove(&mut self, app: AppNo, ordinal: u32) {
        let Some(sets) = self.0.get_mut(&app) else {
            return;
        };
        sets.all.remove(ordinal);
        for set in sets.platforms.values_mut() {
            set.remove(ordinal);
        }
        for set in sets.tags.values_mut() {
            set.remove(ordinal);
        }
        sets.tags.retain(|_, set| !set.is_empty());
        if sets.all.is_empty() {
            self.0.remove(&app);
        }
    }

    /// A device has this tag from now on, or not any more.
    pub(crate) fn set_tag(&mut self, app: AppNo, tag: &str, ordinal: u32, has: bool) {
        let sets = self.0.entry(app).or_default();
        if has {
            if !sets.tags.contains_key(tag) {
                sets.tags.insert(tag.into(), RoaringBitmap::new());
            }
            if let Some(set) = sets.tags.get_mut(tag) {
                set.insert(ordinal);
            }
        } else if let Some(set) = sets.tags.get_mut(tag) {
            set.remove(ordinal);
            if set.is_empty() {
                sets.tags.remove(tag);
            }
        }
    }

    /// The ordinals that meet every condition.
    pub fn resolve(&self, app: AppNo, conditions: &[Condition]) -> RoaringBitmap {
        let Some(sets) = self.0.get(&app) else {
            return RoaringBitmap::new();
        };
        // The narrowest sets first would only save work on sets that are small anyway.
        let mut found = sets.all.clone();
        for condition in conditions {
            sets.narrow(&mut found, condition);
        }
        found
    }

    /// Whether the tags of one device are as a term says.
    pub fn has_tags(&self, app: AppNo, ordinal: u32, term: &TagTerm) -> bool {
        let has = |tag: &str| {
            self.0
                .get(&app)
                .and_then(|sets| sets.tags.get(tag))
                .is_some_and(|set| set.contains(ordinal))
        };
        match term.op {
            ConditionOp::Or => term.tags.iter().any(|tag| has(tag)),
            ConditionOp::And => term.tags.iter().all(|tag| has(tag)),
            ConditionOp::Not => !term.tags.iter().any(|tag| has(tag)),
        }
    }
}

impl AppSets {
    fn narrow(&self, found: &mut RoaringBitmap, condition: &Condition) {
        match condition.op {
            ConditionOp::And => {
                for value in &condition.values {
                    match self.of(condition.key, value) {
                        Some(set) => *found &= set,
                        None => found.clear(),
                    }
                }
                if condition.values.is_empty() {
                    found.clear();
                }
            }
            ConditionOp::Or => *found &= self.union(condition),
            ConditionOp::Not => *found -= self.union(condition),
        }
    }

    fn union(&self, condition: &Condition) -> RoaringBitmap {
        let mut union = RoaringBitmap::new();
        for value in &condition.values {
            if let Some(set) = self.of(condition.key, value) {
                union |= set;
            }
        }
        union
    }

    fn of(&self, key: ConditionKey, value: &str) -> Option<&RoaringBitmap> {
        match key {
            ConditionKey::Unknown => None,
            ConditionKey::Tag => self.tags.get(value),
            ConditionKey::Platform => self.platforms.get(&platform_of(value)?.number()),
        }
    }
}

fn platform_of(value: &str) -> Option<Platform> {
    match value {
        "android" => Some(Platform::Android),
        "ios" => Some(Platform::Ios),
        "harmony" => Some(Platform::Harmony),
        "other" => Some(Platform::Other),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const APP: AppNo = AppNo(1);

    fn sets() -> AudienceSets {
        let mut sets = AudienceSets::default();
        for ordinal in 0..10 {
            let platform = if ordinal < 6 {
                Platform::Android
            } else {
                Platform::Ios
            };
            sets.insert(APP, platform.number(), ordinal);
            sets.set_tag(
                APP,
                if ordinal % 2 == 0 { "even" } else { "odd" },
                ordinal,
                true,
            );
        }
        sets.set_tag(APP, "three", 3, true);
        sets.insert(AppNo(2), Platform::Android.number(), 10);
        sets
    }

    fn condition(key: ConditionKey, op: ConditionOp, values: &[&str]) -> Condition {
        Condition {
            key,
            op,
            values: values.iter().map(|value| (*value).into()).collect(),
        }
    }

    fn found(conditions: &[Condition]) -> Vec<u32> {
        sets().resolve(APP, conditions).iter().collect()
    }

    #[test]
    fn given_operations_when_resolved_should_join_values_and_intersect_conditions() {
        use ConditionKey::{Platform, Tag, Unknown};
        use ConditionOp::{And, Not, Or};
        let tag = |op, values: &[&str]| condition(Tag, op, values);
        assert_eq!(found(&[]), (0..10).collect::<Vec<_>>());
        assert_eq!(found(&[tag(Or, &["three", "even"])]), [0, 2, 3, 4, 6, 8]);
        assert_eq!(found(&[tag(And, &["three", "odd"])]), [3]);
        assert_eq!(found(&[tag(And, &["three", "even"])]), []);
        assert_eq!(found(&[tag(Not, &["three", "even"])]), [1, 5, 7, 9]);
        let ios = condition(Platform, Or, &["ios"]);
        assert_eq!(found(&[ios.clone(), tag(Or, &["odd"])]), [7, 9]);
        assert_eq!(found(&[ios, tag(Or, &["odd"]), tag(Not, &["odd"])]), []);
        assert_eq!(found(&[condition(Unknown, Or, &["x"])]), []);
        assert_eq!(found(&[condition(Unknown, And, &["x"])]), []);
        assert_eq!(found(&[condition(Unknown, Not, &["x"])]).len(), 10);
        assert_eq!(found(&[tag(Or, &["nobody"])]), []);
        assert_eq!(found(&[tag(And, &[])]), []);
    }

    #[test]
    fn given_each_platform_when_asked_for_by_its_name_should_be_found() {
        let platforms = [
            ("android", Platform::Android),
            ("ios", Platform::Ios),
            ("harmony", Platform::Harmony),
            ("other", Platform::Other),
        ];
        let mut sets = AudienceSets::default();
        for (ordinal, (_, platform)) in (0..).zip(platforms) {
            sets.insert(APP, platform.number(), ordinal);
        }
        for (ordinal, (name, _)) in (0..).zip(platforms) {
            let of = condition(ConditionKey::Platform, ConditionOp::Or, &[name]);
            let found: Vec<u32> = sets.resolve(APP, &[of]).iter().collect();
            assert_eq!(found, [ordinal], "{name}");
        }
    }

    #[test]
    fn given_a_device_that_is_forgotten_when_resolved_should_be_in_no_set() {
        let mut sets = sets();
        sets.remove(APP, 3);
        assert!(!sets.resolve(APP, &[]).contains(3));
        sets.insert(APP, Platform::Android.number(), 3);
        let three = condition(ConditionKey::Tag, ConditionOp::Or, &["three"]);
        assert!(
            sets.resolve(APP, &[three]).is_empty(),
            "its tags went with it"
        );
    }

    #[test]
    fn given_terms_when_asked_of_one_device_should_say_any_all_or_none() {
        let sets = sets();
        let has = |op, tags: &[&str]| {
            let tags = tags.iter().map(|tag| (*tag).into()).collect();
            sets.has_tags(APP, 3, &TagTerm { op, tags })
        };
        assert!(has(ConditionOp::Or, &["even", "odd"]));
        assert!(!has(ConditionOp::And, &["even", "odd"]));
        assert!(has(ConditionOp::And, &["three", "odd"]));
        assert!(has(ConditionOp::Not, &["even", "nobody"]));
        assert!(!has(ConditionOp::Not, &["three"]));
    }
}
