//! What a tag may be called, and which tags a client may have together.

use std::collections::BTreeSet;

use protocol::ResultCode;

use crate::limits::{TAG_LEN_MAX, TAGS_LEN_MAX, TAGS_TEXT_LEN_MAX};

/// Whether these characters can be a tag: none of them is white space, because a set is answered
/// as one text with spaces between its tags, and none is a control character.
pub fn has_tag_characters(tag: &str) -> bool {
    !tag.chars().any(|c| c.is_whitespace() || c.is_control())
}

/// The tags that a device gives itself, in order.
///
/// # Errors
/// The code of the first thing that is wrong, in the order of the codes.
pub fn checked_tags(tags: Vec<String>) -> Result<Vec<Box<str>>, ResultCode> {
    if tags.len() > TAGS_LEN_MAX {
        return Err(ResultCode::TooManyTags);
    }
    let set: BTreeSet<&str> = tags.iter().map(String::as_str).collect();
    if set.len() < tags.len() {
        return Err(ResultCode::DuplicateTag);
    }
    if set.contains("") {
        return Err(ResultCode::EmptyTag);
    }
    let len = |tag: &str| tag.chars().count();
    if set.iter().map(|tag| len(tag)).sum::<usize>() > TAGS_TEXT_LEN_MAX {
        return Err(ResultCode::TagsTooLong);
    }
    let is_tag = |tag: &&str| len(tag) <= TAG_LEN_MAX && has_tag_characters(tag);
    if !set.iter().all(is_tag) {
        return Err(ResultCode::TagMalformed);
    }
    Ok(set.into_iter().map(Box::from).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(tags: &[&str]) -> Result<Vec<Box<str>>, ResultCode> {
        checked_tags(tags.iter().map(|tag| (*tag).to_owned()).collect())
    }

    fn many(len: usize) -> Vec<String> {
        (0..len).map(|n| n.to_string()).collect()
    }

    #[test]
    fn given_tags_when_checked_should_come_in_order() {
        let tags = checked(&["b", "中文", "a,+-*_."]).expect("good tags");
        let tags: Vec<&str> = tags.iter().map(|tag| &**tag).collect();
        assert_eq!(tags, ["a,+-*_.", "b", "中文"]);
        assert_eq!(checked(&[]), Ok(Vec::new()));
    }

    #[test]
    fn given_tags_at_their_limits_when_checked_should_be_refused_one_above() {
        assert_eq!(
            checked_tags(many(TAGS_LEN_MAX)).map(|tags| tags.len()),
            Ok(100)
        );
        assert_eq!(
            checked_tags(many(TAGS_LEN_MAX + 1)),
            Err(ResultCode::TooManyTags)
        );
        let long = "中".repeat(TAG_LEN_MAX);
        assert_eq!(checked(&[&long]).map(|tags| tags.len()), Ok(1));
        assert_eq!(
            checked(&[&format!("{long}x")]),
            Err(ResultCode::TagMalformed)
        );
        let mut full: Vec<String> = (0..16).map(|n| format!("{n:032}")).collect();
        assert!(checked_tags(full.clone()).is_ok());
        full.push("x".to_owned());
        assert_eq!(checked_tags(full), Err(ResultCode::TagsTooLong));
    }

    #[test]
    fn given_tags_with_faults_when_checked_should_name_the_first_by_the_order_of_the_codes() {
        assert_eq!(checked(&["a", "a"]), Err(ResultCode::DuplicateTag));
        assert_eq!(checked(&["a", "", "a"]), Err(ResultCode::DuplicateTag));
        assert_eq!(checked(&["", "a b"]), Err(ResultCode::EmptyTag));
        for bad in ["a b", " a", "a\t", "a\0", "a\u{3000}b"] {
            assert_eq!(checked(&[bad]), Err(ResultCode::TagMalformed), "{bad:?}");
        }
    }
}
