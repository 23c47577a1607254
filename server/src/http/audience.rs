//! Whom a push is for.
//!
//! Always: a single push names exactly one CID or one alias; `"all"`, which the PHP client sends
//! when its user named nobody, is refused here.

use std::str::FromStr;

use protocol::ClientId;
use server_core::alias_name::ALIAS_NAME_LEN_MAX;

use super::alias_name;
use super::member::{Member, object};
use super::parameter::ParameterError;

/// Characters that are read of a CID before it is parsed; a CID has 32.
const CID_TEXT_LEN_MAX: usize = 64;

object! {
    /// The members of an audience that a single push knows.
    Audience { cid, alias, alias_type }
}

/// One alias as the target of a push.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct AliasTarget {
    /// Empty for the default type.
    pub(super) alias_type: Box<str>,
    /// The alias.
    pub(super) alias: Box<str>,
}

/// The one CID of a single push.
///
/// # Errors
/// Not an object with `cid` of one element; not a CID.
pub(super) fn single_cid(audience: Member<'_>) -> Result<ClientId, ParameterError> {
    cid(one(read(audience)?.cid, "cid")?)
}

/// The one alias of a single push.
///
/// # Errors
/// Not an object with `alias` of one element; not an alias.
pub(super) fn single_alias(audience: Member<'_>) -> Result<AliasTarget, ParameterError> {
    let audience = read(audience)?;
    let alias = one(audience.alias, "alias")?.required_text("alias", ALIAS_NAME_LEN_MAX)?;
    let alias_type = audience.alias_type.text("alias_type", ALIAS_NAME_LEN_MAX)?;
    Ok(AliasTarget {
        alias_type: alias_name::alias_type(alias_type.as_deref())?,
        alias: alias_name::alias(&alias)?,
    })
}

/// A CID in a body.
///
/// # Errors
/// Absent, empty or no text; or not a CID, which is the same to a third party as one that does
/// not exist.
pub(super) fn cid(member: Member<'_>) -> Result<ClientId, ParameterError> {
    match member.required_text("cid", CID_TEXT_LEN_MAX) {
        Err(ParameterError::Size { .. }) => Err(ParameterError::Target),
        text => ClientId::from_str(&text?).map_err(|_| ParameterError::Target),
    }
}

fn read(audience: Member<'_>) -> Result<Audience<'_>, ParameterError> {
    match audience.object("audience") {
        Ok(None) => Err(ParameterError::Null { field: "audience" }),
        Ok(Some(audience)) => Ok(audience),
        Err(_) => Err(ParameterError::Invalid { field: "audience" }),
    }
}

fn one<'a>(list: Member<'a>, field: &'static str) -> Result<Member<'a>, ParameterError> {
    let list = list
        .list::<Member<'a>>(field)?
        .ok_or(ParameterError::Null { field })?;
    match list.as_slice() {
        [one] => Ok(*one),
        [] => Err(ParameterError::Empty { field }),
        more => Err(ParameterError::Size {
            field,
            limit: 1,
            got: more.len(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::member;

    object! { Request { audience } }

    fn with<T>(json: &str, read: impl FnOnce(Member<'_>) -> T) -> T {
        let body = format!(r#"{{"audience":{json}}}"#);
        read(
            member::body::<Request<'_>>(body.as_bytes())
                .expect("json")
                .audience,
        )
    }

    #[test]
    fn given_audiences_of_a_single_push_when_read_should_take_exactly_one_cid() {
        let read = |json: &str| with(json, single_cid);
        let cid = "0123456789abcdef0123456789abcdef";
        assert_eq!(
            read(&format!(r#"{{"cid":["{cid}"],"alias":null}}"#)),
            Ok(cid.parse().expect("a cid"))
        );
        let invalid = Err(ParameterError::Invalid { field: "audience" });
        assert_eq!((read("\"all\""), read("[]")), (invalid, invalid));
        assert_eq!(
            read("null"),
            Err(ParameterError::Null { field: "audience" })
        );
        assert_eq!(read("{}"), Err(ParameterError::Null { field: "cid" }));
        assert_eq!(
            read(r#"{"cid":[]}"#),
            Err(ParameterError::Empty { field: "cid" })
        );
        assert_eq!(
            read(r#"{"cid":"x"}"#),
            Err(ParameterError::Type { field: "cid" })
        );
        assert_eq!(
            read(&format!(r#"{{"cid":["{cid}","{cid}"]}}"#)),
            Err(ParameterError::Size {
                field: "cid",
                limit: 1,
                got: 2
            })
        );
        for bad in [cid.to_uppercase(), cid[1..].to_owned(), "x".repeat(1000)] {
            assert_eq!(
                read(&format!(r#"{{"cid":["{bad}"]}}"#)),
                Err(ParameterError::Target),
                "{bad}"
            );
        }
    }

    #[test]
    fn given_audiences_of_a_single_push_when_read_should_take_exactly_one_alias() {
        let read = |json: &str| with(json, single_alias);
        assert_eq!(
            read(r#"{"alias":["中_1"],"alias_type":"t"}"#),
            Ok(AliasTarget {
                alias_type: "t".into(),
                alias: "中_1".into()
            })
        );
        assert_eq!(
            read(r#"{"alias":[12]}"#),
            Ok(AliasTarget {
                alias_type: "".into(),
                alias: "12".into()
            })
        );
        assert_eq!(
            read(r#"{"alias":["a b"]}"#),
            Err(ParameterError::Invalid { field: "alias" })
        );
        assert_eq!(
            read("\"all\""),
            Err(ParameterError::Invalid { field: "audience" })
        );
    }
}
