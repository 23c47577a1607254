//! The tokens third parties hold, in memory: a restart costs each of them one call of auth.
//!
//! Owner: the ingress thread; no lock. Always: only hashes are kept, so a look-up tells nothing by
//! its time; an app holds at most [`TOKENS_PER_APP_MAX`], all of one life, so the first given is
//! the first to end. Cost: two O(log n) steps a token, about 200 bytes each.

use std::collections::{BTreeMap, HashMap};

use server_core::ids::AppNo;

use crate::limits::{TOKEN_LIFE_MS, TOKENS_PER_APP_MAX};
use crate::secret;

/// All valid tokens of all apps.
#[derive(Debug)]
pub(super) struct Tokens {
    by_hash: HashMap<[u8; 32], Grant>,
    by_age: HashMap<AppNo, BTreeMap<u64, [u8; 32]>>,
    given: u64,
    per_app_max: usize,
}

#[derive(Debug)]
struct Grant {
    app: AppNo,
    number: u64,
    expires_ms: u64,
}

impl Tokens {
    /// None yet.
    pub(super) fn new() -> Self {
        Self::bounded(TOKENS_PER_APP_MAX)
    }

    fn bounded(per_app_max: usize) -> Self {
        Tokens {
            by_hash: HashMap::new(),
            by_age: HashMap::new(),
            given: 0,
            per_app_max,
        }
    }

    /// Gives an app a token, 64 hex characters, and says when it ends. Older tokens stay valid: the
    /// PHP client authenticates in every process.
    pub(super) fn give(&mut self, app: AppNo, now_ms: u64) -> (String, u64) {
        let token = secret::hex(&secret::random::<32>());
        let hash = secret::sha256(&[&token]);
        self.drop_old(app, now_ms);
        self.given += 1;
        let expires_ms = now_ms.saturating_add(TOKEN_LIFE_MS);
        self.by_age.entry(app).or_default().insert(self.given, hash);
        self.by_hash.insert(
            hash,
            Grant {
                app,
                number: self.given,
                expires_ms,
            },
        );
        (token, expires_ms)
    }

    /// Whether a token is this app's and has not ended.
    pub(super) fn is_valid(&self, app: AppNo, token: &str, now_ms: u64) -> bool {
        self.by_hash
            .get(&secret::sha256(&[token]))
            .is_some_and(|grant| grant.app == app && now_ms < grant.expires_ms)
    }

    /// Ends a token of this app; one that is unknown or another's stays as it is.
    pub(super) fn end(&mut self, app: AppNo, token: &str) {
        let hash = secret::sha256(&[token]);
        if self
            .by_hash
            .get(&hash)
            .is_some_and(|grant| grant.app == app)
        {
            self.forget(&hash);
        }
    }

    /// Ends every token of an app.
    pub(super) fn end_all(&mut self, app: AppNo) {
        for hash in self.by_age.remove(&app).unwrap_or_default().into_values() {
            self.by_hash.remove(&hash);
        }
    }

    /// Makes room for one more: what has ended goes, and the oldest if the app is full.
    fn drop_old(&mut self, app: AppNo, now_ms: u64) {
        while let Some(ages) = self.by_age.get(&app) {
            let Some(hash) = ages.values().next().copied() else {
                return;
            };
            let ended = self
                .by_hash
                .get(&hash)
                .is_none_or(|grant| grant.expires_ms <= now_ms);
            if !ended && ages.len() < self.per_app_max {
                return;
            }
            self.forget(&hash);
        }
    }

    fn forget(&mut self, hash: &[u8; 32]) {
        let grant = self
            .by_hash
            .remove(hash)
            .expect("a token stands in both maps");
        let ages = self
            .by_age
            .get_mut(&grant.app)
            .expect("a token stands in both maps");
        ages.remove(&grant.number);
        if ages.is_empty() {
            self.by_age.remove(&grant.app);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: AppNo = AppNo(1);
    const TWO: AppNo = AppNo(2);

    #[test]
    fn given_several_tokens_when_used_should_live_side_by_side_for_a_day() {
        let mut tokens = Tokens::new();
        let (first, expires_ms) = tokens.give(ONE, 1000);
        let (second, _) = tokens.give(ONE, 2000);
        assert_eq!(expires_ms, 1000 + TOKEN_LIFE_MS);
        assert_eq!(first.len(), 64);
        assert!(
            first
                .bytes()
                .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
        );
        assert!(
            tokens.is_valid(ONE, &first, expires_ms - 1)
                && tokens.is_valid(ONE, &second, expires_ms)
        );
        assert!(!tokens.is_valid(ONE, &first, expires_ms));
        assert!(!tokens.is_valid(TWO, &second, 2000));
        assert!(!tokens.is_valid(ONE, "", 2000));
    }

    #[test]
    fn given_a_token_when_ended_should_be_gone_for_its_app_only() {
        let mut tokens = Tokens::new();
        let (token, _) = tokens.give(ONE, 0);
        tokens.end(TWO, &token);
        assert!(tokens.is_valid(ONE, &token, 0));
        tokens.end(ONE, &token);
        tokens.end(ONE, &token);
        assert!(!tokens.is_valid(ONE, &token, 0));
        assert!(tokens.by_age.is_empty() && tokens.by_hash.is_empty());
    }

    #[test]
    fn given_a_full_app_when_one_more_is_given_should_drop_its_oldest() {
        let mut tokens = Tokens::bounded(2);
        let other = tokens.give(TWO, 0).0;
        let held: Vec<String> = (0..3).map(|at| tokens.give(ONE, at).0).collect();
        let valid: Vec<bool> = held
            .iter()
            .map(|token| tokens.is_valid(ONE, token, 3))
            .collect();
        assert_eq!(valid, [false, true, true]);
        assert!(tokens.is_valid(TWO, &other, 3));
    }

    #[test]
    fn given_ended_tokens_when_another_is_given_should_free_their_memory() {
        let mut tokens = Tokens::new();
        tokens.give(ONE, 0);
        tokens.give(ONE, 1);
        tokens.give(ONE, TOKEN_LIFE_MS);
        assert_eq!(tokens.by_hash.len(), 2);
    }
}
