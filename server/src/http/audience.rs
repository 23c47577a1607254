//! Whom a push is for.
//!
//! Always: a single push names exactly one CID or one alias; `"all"`, which the PHP client sends
//! when its user named nobody, is refused where somebody must be named. In lists nobody is named
//! twice, and what is no CID is left out as one that does not exist.

use std::collections::HashSet;
use std::str::FromStr;

use protocol::ClientId;
use server_core::alias_name::ALIAS_NAME_LEN_MAX;
use server_core::group::{Condition, ConditionKey, ConditionOp, TagTerm};

use super::member::{Member, object};
use super::parameter::ParameterError;
use super::{alias_name, condition};
use crate::limits::{API_LIST_LEN_MAX, api_len};

/// Characters that are read of a CID before it is parsed; a CID has 32.
pub(super) const CID_TEXT_LEN_MAX: usize = 64;

object! {
    /// The members of an audience.
    Audience { cid, alias, alias_type, tag, fast_custom_tag, cid_by_tag }
}

object! {
    /// An element of `cid_by_tag`.
    RawTagTerm { cid, tag, op_type }
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

/// The CIDs of a list, in order; what is no CID is left out.
///
/// # Errors
/// Not an object with `cid` of 1 to 1000 texts; one of them twice.
pub(super) fn cids(audience: Member<'_>) -> Result<Vec<ClientId>, ParameterError> {
    let texts = named(read(audience)?.cid, "cid", |member| {
        member.required_text("cid", CID_TEXT_LEN_MAX)
    })?;
    Ok(texts.iter().filter_map(|text| text.parse().ok()).collect())
}

/// The aliases of a list, in order.
///
/// # Errors
/// Not an object with `alias` of 1 to 1000 aliases; one of them twice.
pub(super) fn aliases(audience: Member<'_>) -> Result<Vec<AliasTarget>, ParameterError> {
    let audience = read(audience)?;
    let alias_type = audience.alias_type.text("alias_type", ALIAS_NAME_LEN_MAX)?;
    let alias_type = alias_name::alias_type(alias_type.as_deref())?;
    let aliases = named(audience.alias, "alias", |member| {
        alias_name::alias(&member.required_text("alias", ALIAS_NAME_LEN_MAX)?)
    })?;
    let target = |alias| AliasTarget {
        alias_type: alias_type.clone(),
        alias,
    };
    Ok(aliases.into_iter().map(target).collect())
}

/// That a push is for everybody.
///
/// # Errors
/// Not the text `all`.
pub(super) fn everybody(audience: Member<'_>) -> Result<(), ParameterError> {
    let field = "audience";
    match audience.text(field, api_len::NAME_MAX) {
        Ok(None) => Err(ParameterError::Null { field }),
        Ok(Some(text)) if text == "all" => Ok(()),
        _ => Err(ParameterError::Invalid { field }),
    }
}

/// The conditions of a push to some.
///
/// # Errors
/// Not an object with `tag`; a condition that is none.
pub(super) fn conditions(audience: Member<'_>) -> Result<Vec<Condition>, ParameterError> {
    condition::conditions(read(audience)?.tag)
}

/// The one tag of a quick push, as the condition that it is.
///
/// # Errors
/// Not an object with `fast_custom_tag`; no tag.
pub(super) fn fast_tag(audience: Member<'_>) -> Result<Vec<Condition>, ParameterError> {
    let tag = read(audience)?
        .fast_custom_tag
        .required_text("fast_custom_tag", api_len::TAG_MAX)?;
    Ok(vec![Condition {
        key: ConditionKey::Tag,
        op: ConditionOp::Or,
        values: vec![tag.into()],
    }])
}

/// The one CID of a single push, with how its tags are to be.
///
/// # Errors
/// Not an object with `cid_by_tag` of one element; not a CID; no term.
pub(super) fn single_by_tag(audience: Member<'_>) -> Result<(ClientId, TagTerm), ParameterError> {
    let (text, term) = term(one(read(audience)?.cid_by_tag, "cid_by_tag")?)?;
    let cid = text.parse().map_err(|_| ParameterError::Target)?;
    Ok((cid, term))
}

/// The CIDs of a list with how the tags of each are to be; what is no CID is left out.
///
/// # Errors
/// Not an object with `cid_by_tag` of 1 to 1000 elements; a CID twice; no term.
pub(super) fn by_tag(audience: Member<'_>) -> Result<Vec<(ClientId, TagTerm)>, ParameterError> {
    let mut terms = Vec::new();
    named(read(audience)?.cid_by_tag, "cid_by_tag", |member| {
        let (text, term) = term(member)?;
        if let Ok(cid) = text.parse() {
            terms.push((cid, term));
        }
        Ok(text)
    })
    .map_err(|error| match error {
        ParameterError::Duplicate { .. } => ParameterError::Duplicate { field: "cid" },
        error => error,
    })?;
    Ok(terms)
}

fn term(member: Member<'_>) -> Result<(String, TagTerm), ParameterError> {
    let field = "cid_by_tag";
    let raw: RawTagTerm<'_> = member
        .object(field)?
        .ok_or(ParameterError::Null { field })?;
    let cid = raw.cid.required_text("cid", CID_TEXT_LEN_MAX)?;
    let field = "tag";
    let tags: Vec<Member<'_>> = raw.tag.list(field)?.ok_or(ParameterError::Null { field })?;
    bounded(field, tags.len(), api_len::TAGS_PER_CID_MAX)?;
    let tags = tags
        .into_iter()
        .map(|tag| Ok(tag.required_text(field, api_len::TAG_MAX)?.into()));
    let tags = tags.collect::<Result<_, ParameterError>>()?;
    // The Java client's comments call 1 the default, but what it sends when nothing is set is 0.
    let op = match raw.op_type.whole::<u8>("op_type", 0..=2)? {
        None | Some(0) => ConditionOp::Or,
        Some(1) => ConditionOp::And,
        Some(_) => ConditionOp::Not,
    };
    Ok((cid, TagTerm { op, tags }))
}

/// The elements of a list, none of them twice.
fn named<T: std::hash::Hash + Eq + Clone>(
    list: Member<'_>,
    field: &'static str,
    mut read: impl FnMut(Member<'_>) -> Result<T, ParameterError>,
) -> Result<Vec<T>, ParameterError> {
    let list: Vec<Member<'_>> = list.list(field)?.ok_or(ParameterError::Null { field })?;
    bounded(field, list.len(), API_LIST_LEN_MAX)?;
    let mut seen = HashSet::with_capacity(list.len());
    let mut all = Vec::with_capacity(list.len());
    for member in list {
        let name = read(member)?;
        if !seen.insert(name.clone()) {
            return Err(ParameterError::Duplicate { field });
        }
        all.push(name);
    }
    Ok(all)
}

fn bounded(field: &'static str, got: usize, limit: usize) -> Result<(), ParameterError> {
    match got {
        0 => Err(ParameterError::Empty { field }),
        got if got > limit => Err(ParameterError::Size { field, limit, got }),
        _ => Ok(()),
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
