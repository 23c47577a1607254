//! Tags of clients (rows 30-33 of `rest-v2.md`): replaced as a set, read, added and removed one by one.
//!
//! Always: a tag has no space, because a set is answered as one text with spaces between its tags.

use std::collections::{BTreeMap, BTreeSet};

use protocol::ClientId;
use schema::record::App;
use server_core::command::{Answer, Command};
use server_core::ids::AppNo;
use server_core::tag_name::has_tag_characters;

use super::cid_list::CidList;
use super::envelope::Reply;
use super::fault::Fault;
use super::member::{self, Member, object};
use super::parameter::ParameterError;
use crate::ask::Asker;
use crate::limits::{API_LIST_LEN_MAX, TAGS_PER_CID_MAX, api_len};

object! {
    /// The body of a replacement.
    RawTags { custom_tag }
}

object! {
    /// The body of adding and removing.
    RawCids { cid }
}

/// `POST /user/custom_tag/cid/{cid}`: these are its tags from now on; none if there are none.
///
/// # Errors
/// A bad body; an unknown CID; a shard that is busy.
pub(super) async fn replace(
    asker: &Asker,
    app: &App,
    cid: &str,
    bytes: &[u8],
) -> Result<Reply, Fault> {
    let cid: ClientId = cid.parse().map_err(|_| ParameterError::Target)?;
    let raw: RawTags<'_> = member::body(bytes)?;
    let command = Command::SetTags {
        app: AppNo(app.number),
        cid,
        tags: set(raw.custom_tag)?,
    };
    match asker.ask(asker.owner(cid), command).await {
        Answer::Done => Ok(Reply::done()),
        other => Err(Fault::of_answer(&other)),
    }
}

/// `GET /user/custom_tag/cid/{cid}`: `{cid: ["t1 t2"]}`.
///
/// # Errors
/// An unknown CID; a shard that is busy.
pub(super) async fn of_cid(asker: &Asker, app: &App, cid: &str) -> Result<Reply, Fault> {
    let cid: ClientId = cid.parse().map_err(|_| ParameterError::Target)?;
    let question = Command::TagsOfCid {
        app: AppNo(app.number),
        cid,
    };
    match asker.ask(asker.owner(cid), question).await {
        Answer::Tags(tags) => {
            let joined = (!tags.is_empty()).then(|| tags.join(" "));
            let list: Vec<String> = joined.into_iter().collect();
            Ok(Reply::data(&BTreeMap::from([(cid.to_string(), list)])))
        }
        other => Err(Fault::of_answer(&other)),
    }
}

/// `PUT` and `DELETE /user/custom_tag/batch/{tag}`: `{cid: "true"}` for each CID that was changed,
/// `"false"` for the others. The values are text: so the Java client reads them.
///
/// # Errors
/// A bad tag or body; a shard that is busy.
pub(super) async fn change(
    asker: &Asker,
    app: &App,
    tag: &str,
    add: bool,
    bytes: &[u8],
) -> Result<Reply, Fault> {
    let tag = checked("tag", tag)?;
    let raw: RawCids<'_> = member::body(bytes)?;
    let CidList { cids, others } = CidList::of_member(raw.cid, API_LIST_LEN_MAX)?;
    let mut words: BTreeMap<String, &str> =
        others.into_iter().map(|text| (text, "false")).collect();
    if let Some(first) = cids.first() {
        let shard = asker.owner(*first);
        let command = Command::ChangeTag {
            app: AppNo(app.number),
            tag,
            cids,
            add,
        };
        match asker.ask(shard, command).await {
            Answer::Changed(changed) => words.extend(changed.iter().map(|(cid, changed)| {
                let word = if *changed { "true" } else { "false" };
                (cid.to_string(), word)
            })),
            other => return Err(Fault::of_answer(&other)),
        }
    }
    Ok(Reply::data(&words))
}

/// A whole set of tags, in order, each once.
fn set(member: Member<'_>) -> Result<Vec<Box<str>>, ParameterError> {
    let field = "custom_tag";
    let members: Vec<Member<'_>> = member.list(field)?.ok_or(ParameterError::Null { field })?;
    let over = |limit, got| ParameterError::Size { field, limit, got };
    if members.len() > TAGS_PER_CID_MAX {
        return Err(over(TAGS_PER_CID_MAX, members.len()));
    }
    let mut tags = BTreeSet::new();
    for member in members {
        let text = member.required_text(field, api_len::TAG_MAX)?;
        tags.insert(checked(field, &text)?);
    }
    let chars = tags.iter().map(|tag| tag.chars().count()).sum();
    if chars > api_len::TAGS_MAX {
        return Err(over(api_len::TAGS_MAX, chars));
    }
    Ok(tags.into_iter().collect())
}

fn checked(field: &'static str, tag: &str) -> Result<Box<str>, ParameterError> {
    let got = tag.chars().count();
    if got > api_len::TAG_MAX {
        return Err(ParameterError::Size {
            field,
            limit: api_len::TAG_MAX,
            got,
        });
    }
    if !has_tag_characters(tag) {
        return Err(ParameterError::Invalid { field });
    }
    Ok(tag.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Vec<Box<str>>, ParameterError> {
        let body = format!(r#"{{"custom_tag":{json}}}"#);
        let raw = member::body::<RawTags<'_>>(body.as_bytes()).expect("json");
        set(raw.custom_tag)
    }

    fn array(tags: &[String]) -> String {
        serde_json::to_string(tags).expect("text")
    }

    #[test]
    fn given_tags_when_read_should_be_a_set_in_order() {
        let tags = read(r#"["b","中文","a",7,"b","a,b*+-_."]"#).expect("valid");
        let tags: Vec<&str> = tags.iter().map(|tag| &**tag).collect();
        assert_eq!(tags, ["7", "a", "a,b*+-_.", "b", "中文"]);
        assert_eq!(read("[]"), Ok(Vec::new()));
    }

    #[test]
    fn given_tags_that_are_none_when_read_should_say_so() {
        let field = "custom_tag";
        assert_eq!(read("null"), Err(ParameterError::Null { field }));
        assert_eq!(read("\"a\""), Err(ParameterError::Type { field }));
        assert_eq!(read("[null]"), Err(ParameterError::Null { field }));
        assert_eq!(read("[\"\"]"), Err(ParameterError::Empty { field }));
        assert_eq!(read("[true]"), Err(ParameterError::Type { field }));
        for bad in ["a b", " a", "a\\t", "a\\u0000", "a\u{3000}b"] {
            assert_eq!(
                read(&format!("[\"{bad}\"]")),
                Err(ParameterError::Invalid { field }),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn given_tags_at_their_limits_when_read_should_be_refused_one_above() {
        let over = |limit| {
            Err(ParameterError::Size {
                field: "custom_tag",
                limit,
                got: limit + 1,
            })
        };
        let many = |len: usize| -> Vec<String> { (0..len).map(|n| n.to_string()).collect() };
        assert_eq!(read(&array(&many(100))).map(|tags| tags.len()), Ok(100));
        assert_eq!(read(&array(&many(101))), over(100));
        let long = |len: usize| read(&array(&["中".repeat(len)]));
        assert_eq!(long(32).map(|tags| tags.len()), Ok(1));
        assert_eq!(long(33), over(32));
        // 16 tags of 32 characters are 512.
        let mut full: Vec<String> = (0..16).map(|n| format!("{n:032}")).collect();
        assert_eq!(read(&array(&full)).map(|tags| tags.len()), Ok(16));
        full.push("x".to_owned());
        assert_eq!(read(&array(&full)), over(512));
    }
}
