//! `POST /auth`: who knows the master secret gets a token.
//!
//! Always: never code 10001 from here; both official clients answer 10001 by calling auth again,
//! without end.

use std::time::Duration;

use schema::record::App;
use serde::Serialize;
use server_core::ids::AppNo;

use super::envelope::Reply;
use super::fault::Fault;
use super::member::{self, object};
use super::parameter::ParameterError;
use super::tokens::Tokens;
use crate::secret;

/// Digits of a timestamp in ms; enough until the year 2286.
const TIMESTAMP_DIGITS: usize = 13;

/// A lower-case hex SHA-256.
const SIGN_LEN: usize = 64;

object! {
    /// The body.
    AuthBody { sign, timestamp, appkey }
}

#[derive(Serialize)]
struct Granted {
    // Text, because clients decode it into text.
    expire_time: String,
    token: String,
}

/// Checks `POST /auth` of an app that is not disabled.
///
/// # Errors
/// What in the body is missing or wrong.
pub(super) fn check(app: &App, bytes: &[u8], now_ms: u64, skew: Duration) -> Result<(), Fault> {
    Ok(check_members(app, &member::body(bytes)?, now_ms, skew)?)
}

/// Answers it.
pub(super) fn grant(app: &App, now_ms: u64, tokens: &mut Tokens) -> Reply {
    let (token, expires_ms) = tokens.give(AppNo(app.number), now_ms);
    Reply::data(&Granted {
        expire_time: expires_ms.to_string(),
        token,
    })
}

fn check_members(
    app: &App,
    body: &AuthBody<'_>,
    now_ms: u64,
    skew: Duration,
) -> Result<(), ParameterError> {
    let appkey = body
        .appkey
        .required_text("appkey", app.app_key.len().max(SIGN_LEN))?;
    if !secret::same(&appkey, &app.app_key) {
        return Err(ParameterError::Invalid { field: "appkey" });
    }
    let invalid = ParameterError::Invalid { field: "timestamp" };
    let timestamp = match body.timestamp.required_text("timestamp", TIMESTAMP_DIGITS) {
        Err(ParameterError::Size { .. }) => return Err(invalid),
        text => text?,
    };
    if timestamp.len() != TIMESTAMP_DIGITS || !timestamp.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(invalid);
    }
    let sent_ms: u64 = timestamp.parse().map_err(|_| invalid)?;
    if !skew.is_zero() && u128::from(sent_ms.abs_diff(now_ms)) > skew.as_millis() {
        return Err(invalid);
    }
    let sign = match body.sign.required_text("sign", SIGN_LEN) {
        Err(ParameterError::Size { .. }) => return Err(ParameterError::Invalid { field: "sign" }),
        text => text?,
    };
    if !master_secrets(app, now_ms).any(|master_secret| {
        let expected = secret::sha256(&[&app.app_key, &timestamp, master_secret]);
        secret::same(&sign, &secret::hex(&expected))
    }) {
        return Err(ParameterError::Invalid { field: "sign" });
    }
    Ok(())
}

/// The master secret, and the one before it while that is honoured.
fn master_secrets(app: &App, now_ms: u64) -> impl Iterator<Item = &str> {
    let previous = app.previous.as_ref();
    let previous = previous.filter(|previous| now_ms < previous.until_ms);
    std::iter::once(app.master_secret.as_str())
        .chain(previous.map(|previous| previous.master_secret.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::fixture;

    const NOW_MS: u64 = 1_700_000_000_000;
    const SKEW: Duration = Duration::from_secs(600);
    /// `printf '%s' key1700000000000master | sha256sum`
    const SIGN: &str = "fb23e561157105ac87d183dbb4e273c73c494dd547ff750e676c30280a063b95";

    fn ask(body: &str, now_ms: u64, skew: Duration) -> Result<(), Fault> {
        check(&fixture::app(), body.as_bytes(), now_ms, skew)
    }

    fn invalid(field: &'static str) -> Result<(), Fault> {
        Err(ParameterError::Invalid { field }.into())
    }

    #[test]
    fn given_the_timestamp_as_text_or_number_when_signed_should_be_let_in() {
        for timestamp in ["\"1700000000000\"", "1700000000000"] {
            let body =
                format!(r#"{{"sign":"{SIGN}","timestamp":{timestamp},"appkey":"key","extra":1}}"#);
            assert_eq!(ask(&body, NOW_MS, SKEW), Ok(()));
            assert_eq!(ask(&body, NOW_MS + 600_000, SKEW), Ok(()));
            assert_eq!(ask(&body, NOW_MS + 600_001, SKEW), invalid("timestamp"));
            assert_eq!(ask(&body, NOW_MS - 600_001, SKEW), invalid("timestamp"));
            assert_eq!(ask(&body, 0, Duration::ZERO), Ok(()));
        }
    }

    #[test]
    fn given_each_wrong_member_when_asked_should_name_it_and_never_be_10001() {
        let with = |sign: &str, timestamp: &str, appkey: &str| {
            let answer = ask(
                &format!(r#"{{"sign":{sign},"timestamp":{timestamp},"appkey":{appkey}}}"#),
                NOW_MS,
                SKEW,
            );
            assert!(answer.is_err_and(|fault| fault.code() == 20001));
            answer
        };
        let good = format!("\"{SIGN}\"");
        assert_eq!(with("\"00\"", "1700000000000", "\"key\""), invalid("sign"));
        assert_eq!(with(&good, "1700000000001", "\"key\""), invalid("sign"));
        assert_eq!(
            with(&good.to_uppercase(), "1700000000000", "\"key\""),
            invalid("sign")
        );
        assert_eq!(with(&good, "1700000000000", "\"kez\""), invalid("appkey"));
        for timestamp in [
            "170000000000",
            "17000000000000",
            "1.7e12",
            "\"17000000000x0\"",
            "-170000000000",
        ] {
            assert_eq!(
                with(&good, timestamp, "\"key\""),
                invalid("timestamp"),
                "{timestamp}"
            );
        }
        assert_eq!(
            with("null", "1700000000000", "\"key\""),
            Err(ParameterError::Null { field: "sign" }.into())
        );
        assert_eq!(ask("null", NOW_MS, SKEW), Err(Fault::NotJson));
    }
}
