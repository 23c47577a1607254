//! Binding, unbinding and looking up aliases (rows 25-29 of `rest-v2.md`).
//!
//! Always: a list is bound as a whole or not at all, by the shard that it is sent to.

use std::collections::HashSet;

use protocol::ClientId;
use schema::record::App;
use serde::Serialize;
use server_core::alias_name::ALIAS_NAME_LEN_MAX;
use server_core::command::{Answer, Command};
use server_core::ids::AppNo;

use super::alias_name::{self, alias_name};
use super::audience;
use super::envelope::Reply;
use super::fault::Fault;
use super::member::{self, object};
use super::parameter::ParameterError;
use crate::ask::Asker;
use crate::limits::API_LIST_LEN_MAX;

object! {
    /// The body of bind and unbind.
    RawList { alias_type, data_list }
}

object! {
    /// An element of `data_list`.
    RawPair { cid, alias }
}

#[derive(Serialize)]
struct AliasFound {
    #[serde(skip_serializing_if = "Option::is_none")]
    alias: Option<Box<str>>,
}

#[derive(Serialize)]
struct CidsFound {
    cid: Vec<String>,
}

/// Pairs to bind or unbind; at least one.
#[derive(Debug, PartialEq, Eq)]
struct AliasList {
    alias_type: Box<str>,
    first: ClientId,
    bindings: Vec<(ClientId, Box<str>)>,
}

/// `POST /user/alias`.
///
/// # Errors
/// A bad body; an unknown CID; a shard that is busy.
pub(super) async fn bind(asker: &Asker, app: &App, bytes: &[u8]) -> Result<Reply, Fault> {
    let AliasList {
        alias_type,
        first,
        bindings,
    } = list(bytes)?;
    let command = Command::BindAliases {
        app: AppNo(app.number),
        alias_type,
        bindings,
    };
    done(&asker.ask(asker.owner(first), command).await)
}

/// `DELETE /user/alias`.
///
/// # Errors
/// A bad body; a shard that is busy.
pub(super) async fn unbind(asker: &Asker, app: &App, bytes: &[u8]) -> Result<Reply, Fault> {
    let AliasList {
        alias_type,
        first,
        bindings,
    } = list(bytes)?;
    let command = Command::UnbindAliases {
        app: AppNo(app.number),
        alias_type,
        bindings,
    };
    done(&asker.ask(asker.owner(first), command).await)
}

/// `DELETE /user/alias/{alias}`: nobody has it any more.
///
/// # Errors
/// A bad alias or alias type; a shard that is busy.
pub(super) async fn drop_alias(
    asker: &Asker,
    app: &App,
    alias: &str,
    alias_type: Option<&str>,
) -> Result<Reply, Fault> {
    let app = AppNo(app.number);
    let (alias, alias_type) = (
        alias_name::alias(alias)?,
        alias_name::alias_type(alias_type)?,
    );
    let home = asker.home(&alias_name(app, &alias_type, &alias));
    let command = Command::DropAlias {
        app,
        alias_type,
        alias,
    };
    done(&asker.ask(home, command).await)
}

/// `GET /user/alias/cid/{cid}`.
///
/// # Errors
/// A bad alias type; an unknown CID; a shard that is busy.
pub(super) async fn of_cid(
    asker: &Asker,
    app: &App,
    cid: &str,
    alias_type: Option<&str>,
) -> Result<Reply, Fault> {
    let cid: ClientId = cid.parse().map_err(|_| ParameterError::Target)?;
    let alias_type = alias_name::alias_type(alias_type)?;
    let command = Command::AliasOfCid {
        app: AppNo(app.number),
        alias_type,
        cid,
    };
    match asker.ask(asker.owner(cid), command).await {
        Answer::Alias(alias) => Ok(Reply::data(&AliasFound { alias })),
        other => Err(Fault::of_answer(&other)),
    }
}

/// `GET /user/cid/alias/{alias}`.
///
/// # Errors
/// A bad alias or alias type; a shard that is busy.
pub(super) async fn cids(
    asker: &Asker,
    app: &App,
    alias: &str,
    alias_type: Option<&str>,
) -> Result<Reply, Fault> {
    let app = AppNo(app.number);
    let (alias, alias_type) = (
        alias_name::alias(alias)?,
        alias_name::alias_type(alias_type)?,
    );
    let home = asker.home(&alias_name(app, &alias_type, &alias));
    match asker
        .ask(
            home,
            Command::CidsOfAlias {
                app,
                alias_type,
                alias,
            },
        )
        .await
    {
        Answer::Cids(cids) => Ok(Reply::data(&CidsFound {
            cid: cids.iter().map(ClientId::to_string).collect(),
        })),
        other => Err(Fault::of_answer(&other)),
    }
}

fn done(answer: &Answer) -> Result<Reply, Fault> {
    match answer {
        Answer::Done => Ok(Reply::done()),
        other => Err(Fault::of_answer(other)),
    }
}

fn list(bytes: &[u8]) -> Result<AliasList, Fault> {
    let raw: RawList<'_> = member::body(bytes)?;
    let alias_type = raw.alias_type.text("alias_type", ALIAS_NAME_LEN_MAX)?;
    let alias_type = alias_name::alias_type(alias_type.as_deref())?;
    let field = "data_list";
    let pairs: Vec<RawPair<'_>> = raw
        .data_list
        .list(field)?
        .ok_or(ParameterError::Null { field })?;
    if pairs.len() > API_LIST_LEN_MAX {
        return Err(ParameterError::Size {
            field,
            limit: API_LIST_LEN_MAX,
            got: pairs.len(),
        }
        .into());
    }
    let mut seen = HashSet::with_capacity(pairs.len());
    let mut bindings = Vec::with_capacity(pairs.len());
    for pair in pairs {
        let cid = audience::cid(pair.cid)?;
        let alias = alias_name::alias(&pair.alias.required_text("alias", ALIAS_NAME_LEN_MAX)?)?;
        if !seen.insert(cid) {
            return Err(ParameterError::Duplicate { field: "cid" }.into());
        }
        bindings.push((cid, alias));
    }
    let first = bindings.first().ok_or(ParameterError::Empty { field })?.0;
    Ok(AliasList {
        alias_type,
        first,
        bindings,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cid(number: usize) -> String {
        format!("{number:032x}")
    }

    fn body(pairs: &[(String, &str)]) -> String {
        let pairs: Vec<String> = pairs
            .iter()
            .map(|(cid, alias)| format!(r#"{{"cid":"{cid}","alias":"{alias}"}}"#))
            .collect();
        format!(r#"{{"data_list":[{}]}}"#, pairs.join(","))
    }

    #[test]
    fn given_lists_when_read_should_keep_their_order() {
        let list = list(body(&[(cid(7), "a"), (cid(1), "a")]).as_bytes()).expect("valid");
        assert_eq!(list.first, cid(7).parse().expect("a cid"));
        assert_eq!(list.bindings.len(), 2);
        assert_eq!(&*list.alias_type, "");
    }

    #[test]
    fn given_broken_lists_when_read_should_say_what_is_wrong() {
        let fault = |json: &str| list(json.as_bytes()).expect_err("invalid");
        let parameter = |error: ParameterError| Fault::Parameter(error);
        assert_eq!(
            fault("{}"),
            parameter(ParameterError::Null { field: "data_list" })
        );
        assert_eq!(
            fault(r#"{"data_list":[]}"#),
            parameter(ParameterError::Empty { field: "data_list" })
        );
        assert_eq!(
            fault(r#"{"data_list":{}}"#),
            parameter(ParameterError::Type { field: "data_list" })
        );
        assert_eq!(
            fault(r#"{"data_list":[1]}"#),
            parameter(ParameterError::Invalid { field: "data_list" })
        );
        assert_eq!(
            fault(r#"{"data_list":[{}]}"#),
            parameter(ParameterError::Null { field: "cid" })
        );
        assert_eq!(
            fault(&body(&[(cid(1), "a"), (cid(1), "b")])),
            parameter(ParameterError::Duplicate { field: "cid" })
        );
        assert_eq!(
            fault(&body(&[("x".into(), "a")])),
            parameter(ParameterError::Target)
        );
        assert_eq!(
            fault(&body(&[(cid(1), "a b")])),
            parameter(ParameterError::Invalid { field: "alias" })
        );
        assert_eq!(
            fault(r#"{"alias_type":"a b","data_list":[]}"#),
            parameter(ParameterError::Invalid {
                field: "alias_type"
            })
        );
    }

    #[test]
    fn given_a_list_over_its_limit_when_read_should_refuse_it() {
        let mut pairs: Vec<_> = (0..1000).map(|number| (cid(number), "a")).collect();
        assert!(list(body(&pairs).as_bytes()).is_ok());
        pairs.push((cid(1000), "a"));
        assert_eq!(
            list(body(&pairs).as_bytes()),
            Err(ParameterError::Size {
                field: "data_list",
                limit: 1000,
                got: 1001
            }
            .into())
        );
    }
}
