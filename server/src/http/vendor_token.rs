//! Tokens of vendor channels that third parties bring along (row 41 of `rest-v2.md`), such as the
//! openids of a mini program.
//!
//! Always: a list is taken as a whole or not at all; an empty or absent token unbinds.

use std::collections::HashSet;

use protocol::ClientId;
use schema::record::App;
use server_core::command::{Answer, Command};
use server_core::ids::AppNo;

use super::audience;
use super::envelope::Reply;
use super::fault::Fault;
use super::member::{self, Member, object};
use super::parameter::ParameterError;
use crate::ask::Asker;
use crate::limits::{API_LIST_LEN_MAX, api_len};

object! {
    /// The body.
    RawTokens { dt_list }
}

object! {
    /// An element of `dt_list`.
    RawToken { cid, device_token }
}

/// `POST /user/bind_dt/{type}`.
///
/// # Errors
/// A bad type or body; an unknown CID; a shard that is busy.
pub(super) async fn bind(
    asker: &Asker,
    app: &App,
    kind: &str,
    bytes: &[u8],
) -> Result<Reply, Fault> {
    let kind = checked_kind(kind)?;
    let raw: RawTokens<'_> = member::body(bytes)?;
    let tokens = tokens(raw.dt_list)?;
    let shard = asker.owner(tokens[0].0);
    let command = Command::BindTokens {
        app: AppNo(app.number),
        kind,
        tokens,
    };
    match asker.ask(shard, command).await {
        Answer::Done => Ok(Reply::done()),
        other => Err(Fault::of_answer(&other)),
    }
}

fn checked_kind(kind: &str) -> Result<Box<str>, ParameterError> {
    let field = "type";
    if kind.len() > api_len::TOKEN_KIND_MAX {
        return Err(ParameterError::Size {
            field,
            limit: api_len::TOKEN_KIND_MAX,
            got: kind.len(),
        });
    }
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !kind.chars().all(is_name) {
        return Err(ParameterError::Invalid { field });
    }
    Ok(kind.into())
}

/// CIDs with their tokens; at least one.
fn tokens(list: Member<'_>) -> Result<Vec<(ClientId, Box<str>)>, ParameterError> {
    let field = "dt_list";
    let items: Vec<Member<'_>> = list.list(field)?.ok_or(ParameterError::Null { field })?;
    if items.is_empty() {
        return Err(ParameterError::Empty { field });
    }
    if items.len() > API_LIST_LEN_MAX {
        return Err(ParameterError::Size {
            field,
            limit: API_LIST_LEN_MAX,
            got: items.len(),
        });
    }
    let mut seen = HashSet::with_capacity(items.len());
    let mut tokens = Vec::with_capacity(items.len());
    for item in items {
        let raw: RawToken<'_> = item.object(field)?.ok_or(ParameterError::Null { field })?;
        let cid = audience::cid(raw.cid)?;
        if !seen.insert(cid) {
            return Err(ParameterError::Duplicate { field: "cid" });
        }
        let token = raw
            .device_token
            .text("device_token", api_len::DEVICE_TOKEN_MAX)?;
        tokens.push((cid, token.unwrap_or_default().into()));
    }
    Ok(tokens)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "0123456789abcdef0123456789abcdef";
    const TWO: &str = "f123456789abcdef0123456789abcdef";

    fn read(json: &str) -> Result<Vec<(ClientId, Box<str>)>, ParameterError> {
        let body = format!(r#"{{"dt_list":{json}}}"#);
        tokens(
            member::body::<RawTokens<'_>>(body.as_bytes())
                .expect("json")
                .dt_list,
        )
    }

    #[test]
    fn given_tokens_when_read_should_take_absent_and_empty_as_unbound() {
        let json = format!(r#"[{{"cid":"{TWO}","device_token":"t","x":1}},{{"cid":"{ONE}"}}]"#);
        assert_eq!(
            read(&json),
            Ok(vec![
                (TWO.parse().expect("a cid"), "t".into()),
                (ONE.parse().expect("a cid"), "".into())
            ])
        );
        for empty in ["\"\"", "null"] {
            let json = format!(r#"[{{"cid":"{ONE}","device_token":{empty}}}]"#);
            assert_eq!(
                read(&json),
                Ok(vec![(ONE.parse().expect("a cid"), "".into())])
            );
        }
    }

    #[test]
    fn given_lists_that_are_wrong_when_read_should_name_the_member() {
        let field = "dt_list";
        assert_eq!(read("null"), Err(ParameterError::Null { field }));
        assert_eq!(read("[]"), Err(ParameterError::Empty { field }));
        assert_eq!(read("{}"), Err(ParameterError::Type { field }));
        assert_eq!(read("[null]"), Err(ParameterError::Null { field }));
        assert_eq!(read("[[]]"), Err(ParameterError::Type { field }));
        assert_eq!(read("[{}]"), Err(ParameterError::Null { field: "cid" }));
        assert_eq!(read(r#"[{"cid":"x"}]"#), Err(ParameterError::Target));
        assert_eq!(
            read(&format!(r#"[{{"cid":"{ONE}"}},{{"cid":"{ONE}"}}]"#)),
            Err(ParameterError::Duplicate { field: "cid" })
        );
        assert_eq!(
            read(&format!(r#"[{{"cid":"{ONE}","device_token":[]}}]"#)),
            Err(ParameterError::Type {
                field: "device_token"
            })
        );
    }

    #[test]
    fn given_tokens_at_their_limits_when_read_should_be_refused_one_above() {
        let many = |len: usize| {
            let items: Vec<String> = (0..len)
                .map(|n| format!(r#"{{"cid":"{n:032x}"}}"#))
                .collect();
            read(&format!("[{}]", items.join(","))).map(|tokens| tokens.len())
        };
        let over = |field, limit| {
            Err(ParameterError::Size {
                field,
                limit,
                got: limit + 1,
            })
        };
        assert_eq!(many(1000), Ok(1000));
        assert_eq!(many(1001), over("dt_list", 1000));
        let long = |len: usize| {
            let token = "t".repeat(len);
            read(&format!(r#"[{{"cid":"{ONE}","device_token":"{token}"}}]"#)).map(|all| all.len())
        };
        assert_eq!(long(1024), Ok(1));
        assert_eq!(long(1025), over("device_token", 1024));
        assert!(checked_kind(&"w".repeat(32)).is_ok());
        assert_eq!(
            checked_kind(&"w".repeat(33)),
            Err(ParameterError::Size {
                field: "type",
                limit: 32,
                got: 33
            })
        );
        for bad in ["w x", "微信", "a/b"] {
            assert_eq!(
                checked_kind(bad),
                Err(ParameterError::Invalid { field: "type" }),
                "{bad}"
            );
        }
    }
}
